"""What is said, and how: data on stdout, everything else on stderr, in the manner of the Heroku CLI.

Whatever a server sent is made safe for a terminal first: no control character of its gets through.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, TextIO

_RED, _YELLOW, _BOLD, _FAINT = "31", "33", "1", "2"
_MARGIN = 5  # columns that the arrow takes
_NARROWEST = 20
_PROGRAMS = ("keyturn", "git", "heroku", "unset", "export", "ssh-keygen", "chmod")
_UNBREAKABLE = "\xa0"
_unfinished: list[str] = []  # what a `doing` has begun on the line that the cursor is on


def clean(text: object) -> str:
    """``text`` on one line, with a question mark for whatever could steer a terminal or turn the reading order."""
    return "".join(
        " " if character in "\t\n" else character if character.isprintable() and not _turns(character) else "?"
        for character in str(text)
    )


def _turns(character: str) -> bool:
    return "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"


def coloured(text: str, code: str, stream: TextIO) -> str:
    """``text`` in a colour, when ``stream`` is a terminal that wants colours (NO_COLOR, TERM=dumb)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def line(text: str, end: str = "\n") -> None:
    """Something for the person: on stderr. Nothing depends on its arrival."""
    try:
        sys.stderr.write(text + end)
        sys.stderr.flush()
    except OSError:
        pass


def own_line() -> None:
    """Ends the line that a `doing` has begun: what comes next stands on its own."""
    if _unfinished and _unfinished[-1]:
        _unfinished[-1] = ""
        line("")


def width(stream: TextIO) -> int | None:
    """The columns of the terminal that ``stream`` is; None where it is none: there nothing is wrapped, since programs read
    it.
    """
    if not stream.isatty():
        return None
    named = os.environ.get("COLUMNS", "")
    if named.isascii() and named.isdigit() and int(named[:6]) > 0:
        return int(named[:6])
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def wrapped(text: str, stream: TextIO, first: int = 0, rest: int = 0) -> list[str]:
    """``text`` in lines that ``stream``'s terminal shows whole, broken between words; the first one begins in column
    ``first``, the others are to be indented by ``rest``. A command at its end (``: keyturn ...``) stays on one line, or it
    could not be copied.
    """
    columns = width(stream)
    if columns is None or first + len(text) <= columns:
        return [text]
    import textwrap

    head, colon, command = text.rpartition(": ")
    if colon and command.partition(" ")[0] in _PROGRAMS and ", " not in command:
        text = head + colon + command.replace(" ", _UNBREAKABLE)
    indent = "\0" * first  # not white space, which would be dropped where the first word does not fit
    lines = textwrap.wrap(
        indent + text,
        max(columns, rest + _NARROWEST),
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines[0] = lines[0][first:]
    return [each.replace(_UNBREAKABLE, " ") for each in lines]


def _marked(text: str, mark: str = "", colour: str = _YELLOW) -> None:
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    arrow = "\u203a" if encoding.lower().replace("-", "") == "utf8" else ">"
    own_line()
    first, *more = wrapped(f"{mark} {clean(text)}" if mark else clean(text), sys.stderr, _MARGIN, _MARGIN)
    line(
        f" {coloured(arrow, colour, sys.stderr)}   "
        + (coloured(mark, colour, sys.stderr) if mark else "")
        + first[len(mark) :]
    )
    for each in more:
        line(each)


def warn(text: str) -> None:
    """A warning."""
    _marked(text, "Warning:")


def note(text: str) -> None:
    """A further line, below a warning or an error."""
    _marked(text)


def failure(text: str, next: str | None = None) -> None:  # noqa: A002 - as in KeyturnError
    """What went wrong, and what to do next, if that is not said already."""
    _marked(text, "Error:", _RED)
    if next and next not in text:
        _marked(f"next: {next}", colour=_RED)


def doing(what: str) -> AbstractContextManager[list[str]]:
    """``what... done`` on stderr, around something that takes a while; what is put in the list replaces ``done``."""
    from contextlib import contextmanager

    @contextmanager
    def around() -> Iterator[list[str]]:
        outcome: list[str] = []
        begun = f"{clean(what)}... "
        line(begun, end="")
        _unfinished.append(begun)
        end = coloured("!", _RED, sys.stderr)
        try:
            yield outcome
            end = clean(outcome[0]) if outcome else "done"
        except KeyboardInterrupt:
            _unfinished.pop()  # who stopped it needs no mark for that
            raise
        except BaseException:
            line(end if _unfinished.pop() else begun + end)
            raise
        line(end if _unfinished.pop() else begun + end)

    return around()


def data(text: object) -> None:
    """A line of what was asked for: on stdout."""
    sys.stdout.write(_encodable(clean(text)) + "\n")


def prose(text: object, rest: int = 0) -> None:
    """The same for a sentence to be read: at a terminal it is wrapped, further lines indented by ``rest``."""
    for each in wrapped(clean(text), sys.stdout, 0, rest):
        sys.stdout.write(_encodable(each) + "\n")


def data_json(value: Any) -> None:
    """What was asked for, as JSON. Escapes make it safe for any terminal and encoding."""
    import json

    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, faint: Container[int] = (), told: bool = False
) -> None:
    """Columns, as wide as they must be, under headings; rows whose number is in ``faint`` are dimmed. On a terminal that is
    too narrow for that, each row as a record, a line a column.

    It is data, or, when ``told``, something for the person.
    """
    stream = sys.stderr if told else sys.stdout
    write = line if told else _data_line
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(heading), *(len(row[at]) for row in cells)) for at, heading in enumerate(headings)]
    columns = width(stream)
    if columns is not None and sum(widths) + 2 * (len(widths) - 1) > columns:
        for number, row in enumerate(cells):
            if number:
                write("")
            pairs = [pair for pair in zip(headings, row, strict=True) if pair[1]]
            for text in _records(pairs, max(map(len, headings)), stream, faint=number in faint):
                write(text)
        return
    head = "  ".join(heading.ljust(each) for heading, each in zip(headings, widths, strict=True)).rstrip()
    write(coloured(head, _BOLD, stream))
    write(_encodable("  ".join("\u2500" * each for each in widths), stream))
    for number, row in enumerate(cells):
        text = _encodable("  ".join(cell.ljust(each) for cell, each in zip(row, widths, strict=True)).rstrip(), stream)
        write(coloured(text, _FAINT, stream) if number in faint else text)


def _records(pairs: Sequence[tuple[str, str]], longest: int, stream: TextIO, *, faint: bool = False) -> Iterator[str]:
    """``Name: value`` with the values in one column, in lines as wide as the terminal."""
    column = longest + 2
    for name, value in pairs:
        first, *more = wrapped(value, stream, column, column)
        shown = f"{name}:".ljust(column - 1)
        if faint:
            yield coloured(_encodable(f"{shown} {first}", stream), _FAINT, stream)
        else:
            yield f"{coloured(shown, _BOLD, stream)} {_encodable(first, stream)}"
        for each in more:
            yield coloured(_encodable(each, stream), _FAINT, stream) if faint else _encodable(each, stream)


def _data_line(text: str) -> None:
    sys.stdout.write(text + "\n")


def particulars(pairs: Sequence[tuple[str, object]]) -> None:
    """One thing's fields, a line each; at a terminal long ones are wrapped."""
    longest = max((len(name) for name, _ in pairs), default=0)
    for text in _records([(name, clean(value)) for name, value in pairs], longest, sys.stdout):
        _data_line(text)


def _encodable(text: str, stream: TextIO | None = None) -> str:
    encoding = (stream or sys.stdout).encoding or "ascii"
    return (
        text.replace("\u2500", "-").encode(encoding, "replace").decode(encoding)
        if encoding.lower() != "utf-8"
        else text
    )


def moment(epoch: float) -> str:
    """A time as a person says it: ``today at 9:28 PM``, ``on Monday, 23 Nov 2026 at 9:28 AM`` (the machine's time
    zone).
    """
    import time

    then = time.localtime(epoch)
    clock = f"{then.tm_hour % 12 or 12}:{then.tm_min:02d} {'PM' if then.tm_hour >= 12 else 'AM'}"
    if then[:3] == time.localtime()[:3]:
        return f"today at {clock}"
    day = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[then.tm_wday]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[then.tm_mon - 1]
    return f"on {day}, {then.tm_mday} {month} {then.tm_year} at {clock}"


def when(timestamp: object, never: str = "never") -> str:
    """The same for a timestamp of the API's; ``never`` for null, and what cannot be read as it is."""
    if not timestamp:
        return never
    from datetime import datetime

    try:
        return moment(datetime.fromisoformat(str(timestamp)).timestamp()).removeprefix("on ")
    except (ValueError, OverflowError, OSError):
        return clean(timestamp)


def ago(timestamp: object) -> str:
    """How long since a timestamp of the API's: ``just now``, ``5 minutes ago``, ``12 days ago``; ``never`` for null."""
    if not timestamp:
        return "never"
    import time
    from datetime import datetime

    try:
        seconds = time.time() - datetime.fromisoformat(str(timestamp)).timestamp()
    except (ValueError, OverflowError, OSError):
        return clean(timestamp)
    for name, size, most in (("minute", 60, 3600), ("hour", 3600, 2 * 86400), ("day", 86400, 60 * 86400)):
        if seconds < size:
            return "just now"
        if seconds < most:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return when(timestamp)

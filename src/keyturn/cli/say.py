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


def _marked(text: str, mark: str = "", colour: str = _YELLOW) -> None:
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    arrow = "\u203a" if encoding.lower().replace("-", "") == "utf8" else ">"
    own_line()
    prefix = f" {coloured(arrow, colour, sys.stderr)}   "
    line(prefix + (f"{coloured(mark, colour, sys.stderr)} " if mark else "") + clean(text))


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
        finally:
            line(end if _unfinished.pop() else begun + end)

    return around()


def data(text: object) -> None:
    """A line of what was asked for: on stdout."""
    sys.stdout.write(_encodable(clean(text)) + "\n")


def data_json(value: Any) -> None:
    """What was asked for, as JSON. Escapes make it safe for any terminal and encoding."""
    import json

    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, faint: Container[int] = (), told: bool = False
) -> None:
    """Columns, as wide as they must be, under headings; rows whose number is in ``faint`` are dimmed.

    It is data, or, when ``told``, something for the person.
    """
    stream = sys.stderr if told else sys.stdout
    write = line if told else _data_line
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(heading), *(len(row[at]) for row in cells)) for at, heading in enumerate(headings)]
    head = "  ".join(heading.ljust(width) for heading, width in zip(headings, widths, strict=True)).rstrip()
    write(coloured(head, _BOLD, stream))
    write(_encodable("  ".join("\u2500" * width for width in widths), stream))
    for number, row in enumerate(cells):
        text = _encodable(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), stream
        )
        write(coloured(text, _FAINT, stream) if number in faint else text)


def _data_line(text: str) -> None:
    sys.stdout.write(text + "\n")


def particulars(pairs: Sequence[tuple[str, object]]) -> None:
    """One thing's fields, a line each."""
    width = max((len(name) for name, _ in pairs), default=0) + 1
    for name, value in pairs:
        sys.stdout.write(f"{coloured(f'{name}:'.ljust(width), _BOLD, sys.stdout)} {_encodable(clean(value))}\n")


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

"""`keyturn policy`: what each kind of credential lives and dies of, at this server."""

from __future__ import annotations

import shutil
import sys
import textwrap

from keyturn.cli import say
from keyturn.cli.here import chosen_host
from keyturn.cli.options import Parser
from keyturn.client.errors import KeyturnError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, Final

_COLUMN: Final = {
    "api_key": "key",
    "authorization": "auth",
    "service": "serv",
    "oauth_access": "oauth",
    "workload": "work",
    "ssh_key": "ssh",
}
_EFFECT: Final = {
    "dies": ("x", "dies"),
    "replaced": ("r", "dies, and a new one is made"),
    "spared": ("c", "dies, unless it is the one that acts"),
    "lives": ("-", "lives"),
    "moves": ("m", "goes to the next sponsor"),
    "never": ("", "the two cannot meet"),
}


def run(words: Sequence[str]) -> int:
    """Print the rules in force."""
    about = "Show how long each kind of credential lives at this server, and what ends it. No login is needed."
    options = Parser("policy", about, json="print as JSON, times in seconds").parse(words)
    host = chosen_host(options.host)
    from keyturn.cli.asking import transport

    with transport(host, None) as server:
        try:
            table = server.request("GET", "/policy").body
        except NotFound:
            raise KeyturnError(f"{host.label} does not publish its rules; it may not be a Keyturn server") from None
    if not isinstance(table, dict):
        raise KeyturnError(f"{host.label} did not answer with its rules; it may not be a Keyturn server")
    if options.json:
        say.data_json(table)
    else:
        show(table)
    return 0


def show(table: Mapping[str, Any]) -> None:
    """Print a policy as GET /policy gives it, as wide as the terminal bears."""
    for text, heading in lines(table, shutil.get_terminal_size().columns):
        if heading:
            sys.stdout.write(say.coloured(say.clean(text), "1", sys.stdout) + "\n")
        else:
            say.data(text)


def lines(table: Mapping[str, Any], width: int) -> Iterator[tuple[str, bool]]:
    """The lines of the text, and whether each is a heading. None is wider than ``width``, words permitting."""
    from keyturn.core.lifecycle import in_words

    def span(seconds: object, otherwise: str) -> str:
        return in_words(seconds) if isinstance(seconds, int) else otherwise

    kinds = _objects(table.get("kinds"))
    nouns = {str(kind.get("kind")): str(kind.get("noun")) for kind in kinds}
    yield "How long each lives", True
    yield from _lifetimes(kinds, width, span)
    yield "", False
    yield "What ends what", True
    yield from _endings(_objects(table.get("events")), nouns, width)
    notices = table.get("notices")
    thresholds = notices.get("thresholds") if isinstance(notices, dict) else None
    access, refresh = span(table.get("oauth_access"), "?"), span(table.get("oauth_refresh"), "?")
    before = [span(seconds, "?") for seconds in thresholds] if isinstance(thresholds, list) else []
    yield "", False
    for sentence in (
        f"Owners are told {', '.join(before)} before an expiry." if before else "",
        f"What has ended stays listed for {span(table.get('retention'), '?')}.",
        f"A rotated token can go on beside the new one for {span(table.get('overlap_longest'), '?')} at most.",
        f"An OAuth client's access token lives for {access}, its refresh token until it was left unused for {refresh}.",
        f"Under single sign-on, logins and browser sessions end {span(table.get('sso_longest'), '?')} after it.",
    ):
        yield from ((line, False) for line in textwrap.wrap(sentence, max(width, 20)))


def _lifetimes(
    kinds: list[dict[str, Any]], width: int, span: Callable[[object, str], str]
) -> Iterator[tuple[str, bool]]:
    rows = [("", "if nothing is asked", "at most")]
    for kind in kinds:
        soft = f", the last {span(kind['soft_expiry'], '?')} read-only" if kind.get("soft_expiry") else ""
        rows.append(
            (str(kind.get("noun")), span(kind.get("default"), "forever"), span(kind.get("longest"), "no limit") + soft)
        )
    first, second = (max(len(row[at]) for row in rows) for at in (0, 1))
    table = [f"{noun:{first}}  {default:{second}}  {longest}" for noun, default, longest in rows]
    if max(map(len, table)) <= width:
        yield from ((line, False) for line in table)
        return
    for noun, default, longest in rows[1:]:
        yield from _item(noun, f"{default}; at most: {longest}", width)


def _endings(events: list[dict[str, Any]], nouns: Mapping[str, str], width: int) -> Iterator[tuple[str, bool]]:
    heads = {kind: _COLUMN.get(kind, kind[:8]) for kind in nouns}
    first = max([len(str(event.get("words"))) for event in events], default=0)
    effects = [(event, value) for event in events if isinstance(value := event.get("effects"), dict)]
    if first + sum(2 + len(head) for head in heads.values()) > width:
        for event, of in effects:
            ended = [
                nouns[kind] + {"replaced": " (a new one is made)", "spared": " (not the one that acts)"}.get(what, "")
                for kind, what in ((kind, str(of.get(kind))) for kind in nouns)
                if what in ("dies", "replaced", "spared")
            ]
            yield from _item(str(event.get("words")), "ends " + (", ".join(ended) or "nothing"), width)
        return
    yield " " * first + "".join(f"  {head}" for head in heads.values()), False
    for event, of in effects:
        marks = (_EFFECT.get(str(of.get(kind)), ("?", ""))[0].center(len(head)) for kind, head in heads.items())
        yield (f"{event.get('words')!s:{first}}" + "".join(f"  {mark}" for mark in marks)).rstrip(), False
    met = {str(of.get(kind)) for _, of in effects for kind in nouns}
    legend = [f"{mark} {words}" for effect, (mark, words) in _EFFECT.items() if mark and effect in met]
    yield "", False
    yield from ((line, False) for line in _packed(legend, width))


def _item(name: str, text: str, width: int) -> Iterator[tuple[str, bool]]:
    for line in textwrap.wrap(f"{name}: {text}", max(width, 20), subsequent_indent="  "):
        yield line, False


def _packed(pieces: list[str], width: int) -> Iterator[str]:
    """The pieces with three spaces between, as many on a line as fit."""
    line = ""
    for piece in pieces:
        if line and len(line) + 3 + len(piece) > width:
            yield line
            line = ""
        line += ("   " if line else "") + piece
    yield line


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

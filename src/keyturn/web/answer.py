"""What an API endpoint returns, what every response carries, and how a list is cut into pages."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from keyturn.store.interface import Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime


@dataclass(slots=True)
class Answer:
    """A JSON body with its status and headers."""

    body: Any
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)


def encode(body: object) -> bytes:
    """A body as it is sent: JSON and a newline, so that whoever reads it in a terminal finds their prompt on a line of its own."""
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


def iso(when: datetime | None) -> str | None:
    """ISO 8601 in UTC with Z, to the second, as Heroku's API writes times."""
    return when.isoformat()[:19] + "Z" if when else None  # half the cost of strftime


# For every response; pages add their Content-Security-Policy.
_SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # a login's path is nobody else's; Origin stays readable in our own forms
    (b"x-frame-options", b"DENY"),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000")


def security(*, https: bool) -> list[tuple[bytes, bytes]]:
    """The headers that every response carries. ``https``: people reach the server over TLS."""
    return [*_SECURITY, _HSTS] if https else [*_SECURITY]


def new_request_id() -> str:
    """A random UUID (version 4). It names a request in the log and is no secret, so the quick generator serves."""
    text = f"{random.getrandbits(128) & ~(0xF << 76 | 0x3 << 62) | (0x4 << 76 | 0x2 << 62):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


PAGE_DEFAULT = 200
PAGE_MOST = 1000
RANGE_LONGEST = 200
"""Twice what any range of ours takes: the work of reading one grows faster than its length."""
_RANGE = re.compile(
    r"\s*+(?P<field>[a-z_]*+)\s*+(?P<open>[\]\[]?)(?P<start>[^;,\s]*?)\.\.(?P<end>[^;,\s\[\]]*)[\[\]]?\s*(?:;|$)"
)


def asked_slice(asked: str | None) -> Slice:
    """The stretch that a Range header asks for [Heroku Platform API: Ranges], read leniently (heroku3 sends ``id ..; ;``): its
    start and end ids, ``max`` (200 by default, at most 1000) and ``order``; one that is far too long is none.
    """
    asked = asked if asked and len(asked) <= RANGE_LONGEST else ""
    found = _RANGE.match(asked)
    most = int(m[1]) if (m := re.search(r"max=(\d{1,6})", asked)) else PAGE_DEFAULT
    start, end = (found["start"], found["end"]) if found and found["field"] in ("id", "") else ("", "")
    after = found is not None and found["open"] == "]"
    return Slice(start, after, end, min(max(most, 1), PAGE_MOST), "order=desc" in asked)


def slice_answer(shown: Sequence[Any], part: Slice, identity: Callable[[Any], str], *, more: bool) -> Answer:
    """The answer of one stretch; the items are still to be rendered. When ``more`` follows, it is 206 and Next-Range has
    what to send next.
    """
    answer = Answer(list(shown), headers=[("Accept-Ranges", "id")])
    if shown:
        answer.headers.append(("Content-Range", f"id {identity(shown[0])}..{identity(shown[-1])}"))
    if more:
        order = ", order=desc" if part.descending else ""
        answer.status = 206
        answer.headers.append(("Next-Range", f"id ]{identity(shown[-1])}..{part.end}; max={part.most}{order}"))
    return answer


def page(items: Sequence[Any], identity: Callable[[Any], str], asked: str | None, view: Callable[[Any], Any]) -> Answer:
    """One page of a list that is there whole: of the few things that an account has a few of."""
    part = asked_slice(asked)

    def wanted(item: Any) -> bool:
        here = identity(item)
        first, last = (part.end, part.start) if part.descending else (part.start, part.end)
        inside = (not first or here >= first) and (not last or here <= last)
        return inside and not (part.after and here == part.start)

    ordered = sorted((item for item in items if wanted(item)), key=identity, reverse=part.descending)
    answer = slice_answer(ordered[: part.most], part, identity, more=len(ordered) > part.most)
    answer.body = [view(item) for item in answer.body]
    return answer

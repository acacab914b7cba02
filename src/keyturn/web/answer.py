"""What an API endpoint returns, and how a list is cut into pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime


@dataclass(slots=True)
class Answer:
    """A JSON body with its status and headers."""

    body: Any
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)


def iso(when: datetime | None) -> str | None:
    """ISO 8601 in UTC with Z, to the second, as Heroku's API writes times."""
    return when.isoformat()[:19] + "Z" if when else None  # half the cost of strftime


PAGE_DEFAULT = 200
PAGE_MOST = 1000
RANGE_LONGEST = 200
"""Twice what any range of ours takes: the work of reading one grows faster than its length."""
_RANGE = re.compile(
    r"\s*+(?P<field>[a-z_]*+)\s*+(?P<open>[\]\[]?)(?P<start>[^;,\s]*?)\.\.(?P<end>[^;,\s\[\]]*)[\[\]]?\s*(?:;|$)"
)


def page(items: Sequence[Any], identity: Callable[[Any], str], asked: str | None, view: Callable[[Any], Any]) -> Answer:
    """One page of a list that is in the order of its ids [Heroku Platform API: Ranges].

    ``asked`` is the Range header, read leniently (heroku3 sends ``id ..; ;``): its start and end ids, ``max`` (200 by
    default, at most 1000) and ``order``; one that is far too long is none. When more follows, the answer is 206 and
    Next-Range has what to send next.
    """
    asked = asked if asked and len(asked) <= RANGE_LONGEST else ""
    found = _RANGE.match(asked)
    most = int(m[1]) if (m := re.search(r"max=(\d{1,6})", asked)) else PAGE_DEFAULT
    most = min(max(most, 1), PAGE_MOST)
    descending = "order=desc" in asked
    start, end = (found["start"], found["end"]) if found and found["field"] in ("id", "") else ("", "")
    ordered = sorted(items, key=identity, reverse=descending)
    if start:
        after = found is not None and found["open"] == "]"

        def in_range(item: Any) -> bool:
            here = identity(item)
            return (here == start and not after) or (here < start if descending else here > start)

        ordered = [item for item in ordered if in_range(item)]
    if end:
        ordered = [item for item in ordered if (identity(item) >= end if descending else identity(item) <= end)]
    shown = ordered[:most]
    answer = Answer([view(item) for item in shown], headers=[("Accept-Ranges", "id")])
    if shown:
        answer.headers.append(("Content-Range", f"id {identity(shown[0])}..{identity(shown[-1])}"))
    if len(ordered) > most:
        order = ", order=desc" if descending else ""
        answer.status = 206
        answer.headers.append(("Next-Range", f"id ]{identity(shown[-1])}..{end}; max={most}{order}"))
    return answer

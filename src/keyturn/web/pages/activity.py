"""/settings/activity: the audit trail of one's own account, in words; and its export as JSON lines."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from starlette.responses import StreamingResponse

from keyturn.actions import activity
from keyturn.store.interface import AuditSearch
from keyturn.web.pages import agents, audit_words, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from starlette.responses import Response

    from keyturn.web.offload import Offload
    from keyturn.web.pages.visit import Visit

HERE: Final = "/settings/activity"
FIELDS: Final = ("kind", "outcome", "address", "since", "until", "text", "credential")
TEXT_LONGEST: Final = 100
ID_MOST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query asks for. ``given``: its fields, as typed; ``wrong``: a date that is none."""

    search: AuditSearch
    given: dict[str, str]
    wrong: str = ""

    @property
    def filtered(self) -> bool:
        """Whether anything is left out."""
        return bool(self.given)

    def link(self, path: str, before: int | None = None) -> str:
        """``path`` with the same filters."""
        query = urlencode(self.given | ({"before": str(before)} if before is not None else {}))
        return f"{path}?{query}" if query else path


def read(asked: Mapping[str, str]) -> Asked:
    """Reads a query; what it cannot mean is left out. The days are UTC's, the last one included."""
    given = {
        name: asked[name].replace("\0", "").strip()[:TEXT_LONGEST] for name in FIELDS if asked.get(name, "").strip()
    }
    if given.get("kind") not in audit_words.GROUPS:
        given.pop("kind", None)
    if given.get("outcome") not in dict(audit_words.OUTCOMES):
        given.pop("outcome", None)
    if not _uuid(given.get("credential", "")):
        given.pop("credential", None)
    since, until = _day(given.get("since", "")), _day(given.get("until", ""))
    wrong = next((name for name, day in (("since", since), ("until", until)) if name in given and day is None), "")
    before = asked.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 20 else None
    search = AuditSearch(
        actions=audit_words.GROUPS[given["kind"]][1] if "kind" in given else (), outcome=given.get("outcome", ""),
        grant_id=_uuid(given.get("credential", "")) or None, address=given.get("address", ""), since=since,
        until=until + timedelta(days=1) if until else None, text=given.get("text", ""),
        before=None if number is None else min(number, ID_MOST),
    )  # fmt: skip
    return Asked(search, given, wrong)


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def _day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # the last days that there are have no day after them
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if 1970 <= day.year < 9999 else None


def show(visit: Visit) -> Response:
    """GET the page."""
    asked = read(visit.asked)
    found = activity.search(visit.env, asked.search, owner=visit.owner.id)
    return visit.render(
        "activity.html", title="Activity", here=HERE, asked=asked.given, wrong=asked.wrong, filtered=asked.filtered,
        entries=[(entry, audit_words.say(entry.event, visit.owner.id)) for entry in found.entries],
        agent_words=agents.in_words, name_of=shown.name_of,
        me=visit.owner.id, current=visit.me.grant_id,
        kinds=[("", "Everything"), *((name, label) for name, (label, _) in audit_words.GROUPS.items())],
        outcomes=[("", "Any"), *audit_words.OUTCOMES], older=asked.link(HERE, found.older) if found.older else None,
        newest=asked.link(HERE) if asked.search.before is not None else None, export=asked.link(f"{HERE}.jsonl"),
    )  # fmt: skip


def export(visit: Visit) -> Response:
    """GET the same as JSON lines, all of it."""
    asked = read(visit.asked)
    lines = activity.export(visit.env, asked.search, owner=visit.owner.id)
    return download(visit.face.offload, lines, f"activity-{visit.now:%Y-%m-%d}.jsonl")


def download(offload: Offload, chunks: Iterator[bytes], name: str) -> StreamingResponse:
    """A file that is made while it is sent: each chunk on a thread of ours, and never more than one in memory."""
    return StreamingResponse(
        _chunks(offload, chunks),
        media_type="application/jsonl",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _chunks(offload: Offload, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        chunk = await offload.run(lambda: next(chunks, None))
        if chunk is None:
            return
        yield chunk

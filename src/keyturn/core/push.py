"""A push: the refs that change, what cannot be in one, and how others are told of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from keyturn.core.credential import App, Principal

MOST_REFS: Final = 1000
"""That one push may change, by default."""
MOST_KEPT: Final = 50_000
"""Refs that a repository may have: each fetch is told all of them."""
TOLD: Final = 200
"""Of how many refs webhook and command are told by name; the rest are counted."""
KEPT: Final = 20
KEPT_NAMES: Final = 4096
"""Of how many refs the audit trail is told by name, and in how many characters: it is kept for long, and anybody who may
push writes into it."""
AN_HOUR: Final = 3600
"""Pushes of an account."""
LONGEST_NAME: Final = 250
"""Characters of a ref's name."""
MOST_PARTS: Final = 16
"""Parts of it, between slashes: git makes a folder of each but the last, which takes as much of the disk as a ref."""

# Where refs may be: the rest of refs/ is the server's own, or means something to some git.
PLACES: Final = ("refs/heads/", "refs/tags/", "refs/notes/")
FIRST: Final = ("refs/heads/main", "refs/heads/master")
"""What a repository's main branch is called."""
_LINE: Final = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (.+)")


class Change(NamedTuple):
    """One ref: from ``old`` to ``new``, object names in hex; all zeros: it is not there."""

    old: str
    new: str
    ref: str

    @property
    def sort(self) -> str:
        """``created``, ``deleted`` or ``updated``."""
        return "deleted" if not self.new.strip("0") else "created" if not self.old.strip("0") else "updated"


def parse(lines: Iterable[str]) -> list[Change]:
    """The changes, as git gives them to its hooks: ``OLD NEW REF`` [githooks]. Raises ValueError for anything else."""
    found = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("a hook gave a line that is no change of a ref")
        found.append(Change(*match.groups()))
    return found


def what_is_wrong(changes: Sequence[Change], most: int = MOST_REFS) -> str | None:
    """Why these refs cannot be changed in one push, as a sentence; None: they can."""
    if len(changes) > most:
        return f"One push may change {most} refs at most; this one changes {len(changes)}. Push fewer at a time."
    for change in changes:
        if change.sort == "deleted":
            continue  # whatever it is called, it may go
        if not change.ref.startswith(PLACES):
            return f"Only branches, tags and notes can be pushed, not {change.ref[:LONGEST_NAME]!r}."
        if len(change.ref) > LONGEST_NAME or not change.ref.isprintable():
            return f"A ref's name has {LONGEST_NAME} printable characters at most."
        if change.ref.count("/") >= MOST_PARTS:
            return f"A ref's name has {MOST_PARTS} parts at most, between slashes."
        if "\\" in change.ref:  # stands for a byte; git itself lets no backslash into a name
            return "A ref's name must be UTF-8."
    return None


def heads(changes: Iterable[Change]) -> list[str]:
    """The branches that were pushed, the one first that a new repository's HEAD should name."""
    branches = [c.ref for c in changes if c.sort != "deleted" and c.ref.startswith(PLACES[0])]
    return sorted(branches, key=lambda ref: FIRST.index(ref) if ref in FIRST else len(FIRST))


def facts(app: App, principal: Principal, changes: Sequence[Change], address: str) -> dict[str, Any]:
    """A push, for the operator's commands and webhook: which app, who, by which credential, from where, which refs."""
    return {
        "app": {"id": app.id, "name": app.name},
        "account": {"id": principal.account_id, "email": principal.email},
        "credential": {"id": principal.grant_id, "kind": str(principal.kind), "description": principal.description},
        "address": address,
        "refs": refs(changes),
        "refs_count": len(changes),
    }


def refs(changes: Sequence[Change]) -> list[dict[str, str]]:
    """The first of them, by name."""
    return [{"ref": c.ref, "old": c.old, "new": c.new, "change": c.sort} for c in changes[:TOLD]]


def kept(changes: Sequence[Change]) -> list[dict[str, str]]:
    """The first of them, by name, for the audit trail."""
    found, size = [], 0
    for each in refs(changes[:KEPT]):
        size += len(each["ref"])
        if size > KEPT_NAMES:
            break
        found.append(each)
    return found


def event(told: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A webhook's body [Standard Webhooks]: type, timestamp, data."""
    return {"type": "git.push", "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "data": told}

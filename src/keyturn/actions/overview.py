"""All credentials of an account at one look: how many there are, which one ends next, and the stretch that was asked for.

The choice is made on grants alone; only what is shown costs a look-up of tokens and uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from keyturn.actions import grants
from keyturn.core import lifecycle
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from keyturn.actions.env import Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Grant

PAGE: Final = 50
"""Credentials on one page of a list."""
GROUPED_FROM: Final = 30
"""With so many alive they are grouped by kind, unless asked otherwise."""
GROUP_MOST: Final = 6
"""Shown of each group."""
ENDED_MOST: Final = 10
"""Shown of the ended under the living."""

PASSING: Final = frozenset({Kind.WEB, Kind.WORKLOAD})
"""Kinds that come and go by design: their end is no news while anything else ends."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class State(StrEnum):
    """Which credentials are asked for, by how they are."""

    ANY = "any"
    ALIVE = "alive"
    SOON = "soon"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    kind: Kind | None = None
    state: State = State.ANY
    text: str = ""
    """Somewhere in its name, address, program or id, in any case."""
    by_kind: bool | None = None
    """Grouped by kind; None: as suits their number."""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Some credentials, and how many more there are of them. ``kind`` None: of all kinds."""

    kind: Kind | None
    shown: list[Credential]
    total: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The answer. The living come first, what ends next at the top; the ended come last, the latest at the top."""

    living: list[Group]
    ended: Group
    next: Credential | None
    """The next to expire that somebody has to do something about."""
    before: int
    """How many of the PASSING kinds expire before that."""
    kinds: dict[Kind, int]
    """How many alive or ended there are of each kind, whatever was asked for."""
    states: dict[State, int]
    """How many there are in each state, of the kind and text asked for."""
    by_kind: bool
    page: int
    pages: int


def of(env: Env, account_id: str, wish: Wish | None = None) -> Overview:
    """The credentials of an account."""
    wish, now = wish or Wish(), env.clock()
    with env.store.reading() as tx:
        every = tx.grants(account_id)
        kinds: dict[Kind, int] = {}
        for grant in every:
            kinds[grant.kind] = kinds.get(grant.kind, 0) + 1
        sought = [grant for grant in every if _sought(grant, wish)]
        alive = sorted((grant for grant in sought if not grant.ended_by_then(now)), key=soonest)
        over = sorted((grant for grant in sought if grant.ended_by_then(now)), key=lambda g: _latest(g, now))
        soon = [grant for grant in alive if lifecycle.warning_due(grant.created_at, grant.expires_at, now)]
        mortal = sorted((g for g in every if g.expires_at and not g.ended_by_then(now)), key=soonest)
        upcoming = next((grant for grant in mortal if grant.kind not in PASSING), None)
        first = upcoming or (mortal[0] if mortal else None)

        listed = {State.ENDED: over, State.SOON: soon}.get(wish.state, alive)
        by_kind = wish.by_kind if wish.by_kind is not None else len(listed) >= GROUPED_FROM
        by_kind = by_kind and wish.kind is None and wish.state is not State.ENDED
        pages = 1 if by_kind else max(1, -(-len(listed) // PAGE))
        page = min(max(wish.page, 1), pages)
        stretch = listed[(page - 1) * PAGE : page * PAGE]
        cut = _by_kind(listed) if by_kind else [(None, stretch, len(listed))]

        def full(found: list[Grant]) -> list[Credential]:
            made = {c.grant.id: c for c in grants.with_tokens(tx, found)}
            return [made[grant.id] for grant in found]

        whole = [Group(kind, full(shown), total) for kind, shown, total in cut]
        if wish.state is State.ENDED:
            living, ended = [], whole[0]
        else:
            latest = over[:ENDED_MOST] if wish.state is State.ANY and page == 1 else []
            living, ended = [group for group in whole if group.total], Group(None, full(latest), len(over))
        return Overview(
            living, ended, next=full([first])[0] if first else None, before=mortal.index(upcoming) if upcoming else 0, kinds=kinds,
            states={State.ANY: len(sought), State.ALIVE: len(alive), State.SOON: len(soon), State.ENDED: len(over)},
            by_kind=by_kind, page=page, pages=pages,
        )  # fmt: skip


def _by_kind(found: list[Grant]) -> list[tuple[Kind | None, list[Grant], int]]:
    groups: dict[Kind, list[Grant]] = {}
    for grant in found:  # in their order: the kind of what ends next comes first
        groups.setdefault(grant.kind, []).append(grant)
    return [(kind, members[:GROUP_MOST], len(members)) for kind, members in groups.items()]


def _sought(grant: Grant, wish: Wish) -> bool:
    return (wish.kind is None or grant.kind is wish.kind) and has_text(grant, wish.text)


def has_text(grant: Grant, text: str) -> bool:
    """Whether the text is somewhere in its name, address, program or id, in any case."""
    text = text.casefold()
    return not text or any(
        text in part.casefold() for part in (grant.description, grant.address, grant.agent, grant.id)
    )


def soonest(grant: Grant) -> tuple[datetime, str]:
    """Sorts the living: what ends next first, what never ends last."""
    return grant.expires_at or _NEVER, grant.id


def _latest(grant: Grant, now: datetime) -> tuple[float, str]:
    death = grant.death(now)
    assert death is not None
    return -death[1].timestamp(), grant.id

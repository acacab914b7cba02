"""The credentials timeline as values: every word and every place that its template writes down. Pure.

A row is one credential: when it was made, its uses, when it ends and of what. Places are percents of the picture's
width on the one axis that all rows share (timescale.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyturn.core import decide, lifecycle, policy
from keyturn.core.policy import DAY, Event, Kind
from keyturn.web import timescale, words
from keyturn.web.pages import agents
from keyturn.web.words import Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from keyturn.actions.grants import Credential
    from keyturn.actions.overview import Group, Overview
    from keyturn.core.credential import Account, Grant
    from keyturn.core.policy import Policy
    from keyturn.web.timescale import Scale

ICONS: Final = {
    Kind.LOGIN: "terminal", Kind.WEB: "laptop", Kind.API_KEY: "key", Kind.AUTHORIZATION: "shield", Kind.SERVICE: "gear",
    Kind.OAUTH: "plug", Kind.WORKLOAD: "refresh", Kind.SSH_KEY: "server",
}  # fmt: skip
PLURALS: Final = {
    Kind.LOGIN: "Logins", Kind.WEB: "Browser sessions", Kind.API_KEY: "API keys", Kind.AUTHORIZATION: "Authorizations",
    Kind.SERVICE: "Service authorizations", Kind.OAUTH: "OAuth tokens", Kind.WORKLOAD: "Workload tokens",
    Kind.SSH_KEY: "SSH keys",
}  # fmt: skip

ALARMING: Final = frozenset({"reported_leaked", "token_reused"})
"""Endings after which somebody may have had the secret."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """The rotated token that goes on beside the new one: from the rotation to its own end, at most."""

    rotated: float
    until: float
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Row:
    """One credential, drawn and in words."""

    id: str
    href: str
    name: str
    """A stranger's words; empty when it has none."""
    noun: str
    icon: str
    current: bool
    tone: str
    """``calm``, ``warn`` (its end is near), ``over``, or ``bad`` (it ended because somebody may have had its secret)."""
    made: datetime
    used: datetime | None
    """Its last use."""
    used_from: str
    place: str
    """Where a browser session was made from, for its name says nothing."""
    ends: datetime | None
    """When it ended, or is to expire; None: never by itself."""
    fate: Told
    """When and of what it ended, in core's words; of the living, of what it may end besides: "if you log out, ..."."""
    reason: str
    """Of what it ended, as an id of core.reasons; empty while it lives."""
    by: str
    """Who ended it; empty: nobody did, or ``fate`` says it."""
    read_only: datetime | None
    """From when on it may only read."""
    start: float
    """Where it was made."""
    reach: float
    """Where its life so far ends: now, or its end."""
    end: float
    """Where it expires or ended; for what never ends, the right edge."""
    uses: tuple[float, ...]
    """Where it was used, the last use last."""
    overlap: Overlap | None

    @property
    def dead(self) -> bool:
        """Whether it is over."""
        return self.tone in ("over", "bad")


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under one heading, and how many more there are."""

    kind: Kind | None
    title: str
    noun: str
    """The kind in a sentence; empty for rows of all kinds."""
    rows: tuple[Row, ...]
    total: int

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True)
class Headline:
    """The next to expire: why then, and what to do about it."""

    row: Row
    because: str
    mend: str
    """A command, or what to do where there is none."""
    is_command: bool
    before: int
    """How many browser sessions and the like end before it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the page shows."""

    scale: Scale
    headline: Headline | None
    living: tuple[Section, ...]
    ended: Section
    deaths: tuple[tuple[str, str], ...]
    """For each kind shown alive: its noun, and what else ends it."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row, in the order of the page."""
        return tuple(row for part in (*self.living, self.ended) for row in part.rows)


def draw(
    found: Overview, account: Account, now: datetime, *, current: str = "", rules: Policy = policy.DEFAULT
) -> Picture:
    """Lays the credentials out. ``current``: the id of the one that asks."""
    shown = [credential for group in (*found.living, found.ended) for credential in group.shown]
    scale = timescale.around(now, _times(shown, now), ahead=bool(found.living) or not found.ended.shown)

    def section(group: Group) -> Section:
        rows = tuple(row(credential, account, now, scale, current, rules) for credential in group.shown)
        title, what = ("", "") if group.kind is None else (PLURALS[group.kind], noun(group.kind))
        return Section(group.kind, title, what, rows, group.total)

    living = tuple(section(group) for group in found.living)
    headline = None
    if found.next is not None:
        first = row(found.next, account, now, scale, current, rules)
        headline = Headline(first, because(found.next.grant, rules), *mend(found.next.grant), found.before)
    kinds = sorted(
        {credential.grant.kind for group in found.living for credential in group.shown}, key=list(Kind).index
    )
    return Picture(
        scale,
        headline,
        living,
        section(found.ended),
        tuple((noun(kind), else_ends(kind, now, rules)) for kind in kinds),
    )


def row(credential: Credential, account: Account, now: datetime, scale: Scale, current: str, rules: Policy) -> Row:
    """One credential on the axis."""
    grant = credential.grant
    death = grant.death(now)
    last = max((*credential.uses, *credential.overlap_uses), key=lambda use: use.last_at, default=None)
    end_at = death[1] if death else grant.expires_at
    if death:
        tone = "bad" if death[0] in ALARMING else "over"
        sentence = decide.death_sentence(grant.kind, "", *death, to_author=grant.ended_by == account.id)
        fate = words.dated(sentence, death[1])
    else:
        tone = "warn" if lifecycle.warning_due(grant.created_at, grant.expires_at, now) else "calm"
        fate = Told((f"if {else_ends(grant.kind, now, rules)}",))
    by = ""
    if death and grant.ended_by and not (grant.ended_by == account.id and death[0] == "revoked_by_owner"):
        by = "you" if grant.ended_by == account.id else credential.ended_by or "an account that is gone"
    reach = scale.x(min(now, death[1]) if death else now)
    places = sorted({scale.x(use.last_at) for use in (*credential.uses, *credential.overlap_uses)})
    return Row(
        id=grant.id, href=f"/settings/credentials/{grant.id}",
        name=called(grant), noun=noun(grant.kind), icon=ICONS[grant.kind], current=grant.id == current, tone=tone,
        made=grant.created_at, used=last.last_at if last else None,
        used_from=last.address if last else "",
        place=grant.address if grant.kind is Kind.WEB else "", ends=end_at, fate=fate, reason=death[0] if death else "", by=by,
        read_only=None if death else lifecycle.read_only_from(grant.kind, end_at, rules, created_at=grant.created_at),
        start=scale.x(grant.created_at), reach=reach,
        end=reach if death else scale.x(end_at) if end_at else scale.edge,
        uses=tuple(places), overlap=None if death else _overlap(credential, now, scale),
    )  # fmt: skip


def _overlap(credential: Credential, now: datetime, scale: Scale) -> Overlap | None:
    old = credential.overlap
    if old is None or (old.expires_at is not None and old.expires_at <= now):
        return None
    ends = min((at for at in (old.expires_at, credential.grant.expires_at) if at is not None), default=None)
    return Overlap(scale.x(credential.token.created_at), scale.x(ends) if ends else scale.edge, ends)


def _times(shown: Sequence[Credential], now: datetime) -> Iterable[datetime]:
    for credential in shown:
        grant = credential.grant
        death = grant.death(now)
        yield grant.created_at
        end = death[1] if death else grant.expires_at
        if end is not None:
            yield end
        if credential.overlap is not None and credential.overlap.expires_at is not None and not death:
            yield credential.overlap.expires_at


def because(grant: Grant, rules: Policy = policy.DEFAULT) -> str:
    """Why it expires then: its kind's life, or what it was given."""
    assert grant.expires_at is not None
    length = round((grant.expires_at - grant.created_at).total_seconds())
    what = noun(grant.kind)
    article = "an" if what[0] in "aeiouAEIO" else "a"
    if length == rules.lives[grant.kind].default:
        return f"{article} {what} lives for {lifecycle.in_words(length)}"
    return f"this {what} was given {lifecycle.in_words(length)}"


def mend(grant: Grant) -> tuple[str, bool]:
    """What keeps its work going past its end, and whether that is a command."""
    if grant.kind in (Kind.AUTHORIZATION, Kind.SERVICE):
        assert grant.expires_at is not None
        seconds = round((grant.expires_at - grant.created_at).total_seconds())
        given = f"{seconds // DAY}d" if seconds >= DAY else f"{seconds}"
        return f"keyturn authorizations:update {grant.id} -e {given}", True
    recreate = policy.LIVES[grant.kind].recreate
    return recreate, recreate.startswith("keyturn ")


def called(grant: Grant) -> str:
    """What its owner knows it by: its description; of a browser session, which has none of its own, the browser. May be
    empty.
    """
    return agents.in_words(grant.agent) if grant.kind is Kind.WEB and grant.agent else grant.description


def noun(kind: Kind) -> str:
    """The kind in a sentence."""
    return policy.LIVES[kind].noun


def lives_through(kind: Kind, rules: Policy = policy.DEFAULT) -> str:
    """What does not end it of what ends logins: "you log out or change your password"; empty where both do."""
    logout = not any(lifecycle.deadly(event, kind, rules) for event in (Event.LOGOUT, Event.LOGOUT_ALL))
    password = not lifecycle.deadly(Event.PASSWORD_CHANGE, kind, rules)
    told = [words for words, lives in (("log out", logout), ("change your password", password)) if lives]
    return f"you {' or '.join(told)}" if told else ""


def else_ends(kind: Kind, now: datetime, rules: Policy = policy.DEFAULT) -> str:
    """What ends a kind besides its expiry: "you log out or ..., or if ...", in the words of a mint's answer."""
    return lifecycle.told_at_birth(kind, None, now, rules).partition(" if ")[2]

"""Credentials as the pages show them: in words, never with a secret. What an event would end, when and of what one ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keyturn.actions.preview import Preview
from keyturn.core import decide, lifecycle, policy
from keyturn.web import timeline, words
from keyturn.web.words import Moment, Told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account, Grant, Use
    from keyturn.core.lifecycle import Ending
    from keyturn.core.policy import Kind, Policy


@dataclass(frozen=True, slots=True)
class Facts:
    """One credential, for a row of a list or a page of its own. ``name``, ``address`` and ``agent`` are strangers' words."""

    id: str
    href: str
    name: str
    noun: str
    """The kind, capitalized: ``Authorization``."""
    glyph: str
    scopes: tuple[str, ...]
    current: bool
    """It is the one that asks."""
    made: datetime
    address: str
    """Where it was made."""
    agent: str
    last_used: str
    """``used 3 hours ago from 203.0.113.9``, or ``never used``."""
    last: Use | None
    ends: datetime | None
    """When it ended, or is to expire; None: never by itself."""
    life: Told
    """When and of what it ends or ended, a sentence."""
    tone: str
    """Of a badge: ``""`` (alive), ``warn`` (its end is near), ``quiet`` (over), ``bad`` (over: its secret may be known)."""
    dead: bool
    reason: str
    """Of what it ended, as an id of core.reasons; empty while it lives."""
    ended_by: str
    """``you``, an e-mail; empty: nobody."""
    overlap_ends: datetime | None
    """When the rotated token that goes on ends at the latest."""


def glyph_of(kind: Kind) -> str:
    """The icon of a kind, the same on every page."""
    return timeline.ICONS[kind]


def noun_of(kind: Kind) -> str:
    """The kind as a heading or the start of a sentence: ``Browser session``."""
    noun = policy.LIVES[kind].noun
    return noun[0].upper() + noun[1:]


def name_of(grant: Grant) -> str:
    """What to call it: its description, of a browser session the browser, or its kind where it has neither."""
    return timeline.called(grant) or noun_of(grant.kind)


def href_of(grant: Grant) -> str:
    """Its own page."""
    return f"/settings/credentials/{grant.id}"


def latest_use(credential: Credential) -> Use | None:
    """Its latest use, by its current token or by one in its overlap."""
    return max((*credential.uses, *credential.overlap_uses), key=lambda use: use.last_at, default=None)


def last_used(credential: Credential, now: datetime) -> str:
    """When it was used last and from where: ``used 3 hours ago from 203.0.113.9``; ``never used``."""
    use = latest_use(credential)
    if use is not None:
        return f"used {words.relative(use.last_at, now)}" + (f" from {use.address}" if use.address else "")
    return "never used"


def life_words(grant: Grant, now: datetime, rules: Policy = policy.DEFAULT, *, reader: str = "") -> Told:
    """When and of what it ends, or ended: a sentence, and another when it is read-only before.

    ``reader``: the id of the account that is told.
    """
    death = grant.death(now)
    if death is not None:
        return words.dated(decide.death_sentence(grant.kind, "", *death, to_author=grant.ended_by == reader), death[1])
    besides, end = timeline.else_ends(grant.kind, now, rules), grant.expires_at
    if end is None:
        return Told((f"Never expires; ends if {besides}.",))
    told: tuple[str | Moment, ...] = ("Expires ", Moment(end, now), " (", Moment(end), f"), or sooner if {besides}.")
    since = lifecycle.read_only_from(grant.kind, end, rules, created_at=grant.created_at)
    return Told((*told, " From ", Moment(since), " on it may only read.") if since else told)


def facts_of(
    credential: Credential, account: Account, now: datetime, rules: Policy = policy.DEFAULT, *, current: str = ""
) -> Facts:
    """All of it. ``account``: who looks; ``current``: the id of the grant by which."""
    grant, death = credential.grant, credential.grant.death(now)
    if death is not None:
        tone = "bad" if death[0] in timeline.ALARMING else "quiet"
    else:
        tone = "warn" if lifecycle.warning_due(grant.created_at, grant.expires_at, now) else ""
    old = None if death else credential.overlap
    return Facts(
        id=grant.id, href=href_of(grant), name=name_of(grant), noun=noun_of(grant.kind), glyph=glyph_of(grant.kind),
        scopes=grant.scopes, current=grant.id == current, made=grant.created_at, address=grant.address, agent=grant.agent,
        last_used=last_used(credential, now), last=latest_use(credential), ends=death[1] if death else grant.expires_at,
        life=life_words(grant, now, rules, reader=account.id), tone=tone, dead=death is not None, reason=death[0] if death else "",
        ended_by=_ended_by(credential, account) if death else "", overlap_ends=old.expires_at if old else None,
    )  # fmt: skip


def _ended_by(credential: Credential, account: Account) -> str:
    by = credential.grant.ended_by
    if by is None:
        return ""
    return "you" if by == account.id else credential.ended_by or "an account that is gone"


def ending_rows(found: Preview | Iterable[tuple[Ending, Credential]], now: datetime) -> list[dict[str, Any]]:
    """What an event would end, as rows of the macro ``endings``."""
    pairs = found.ends if isinstance(found, Preview) else found
    return [_row(credential, now) | {"replaced": ending.replaced} for ending, credential in pairs]


def living_rows(found: Preview | Iterable[Credential], now: datetime) -> list[dict[str, Any]]:
    """What it would leave alive, as rows of the same macro."""
    return [_row(credential, now) for credential in (found.lives if isinstance(found, Preview) else found)]


def _row(credential: Credential, now: datetime) -> dict[str, Any]:
    grant = credential.grant
    name, noun, used = name_of(grant), noun_of(grant.kind), last_used(credential, now)
    said_already = name.casefold() == noun.casefold()
    return {
        "name": name, "noun": used if said_already else noun, "last_used": "" if said_already else used,
        "glyph": glyph_of(grant.kind), "href": href_of(grant),
    }  # fmt: skip

"""When credentials end: at birth (how long will it live?) and at every event (what dies, and why?).

The preview of an event and the event itself call the same ``ends``; so what is foretold is what happens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from keyturn.core import policy
from keyturn.core.policy import Effect, Event, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from keyturn.core.credential import Grant
    from keyturn.core.policy import Life, Policy


class TooLong(ValueError):
    """A life was asked for that the policy does not allow. ``largest`` is the most, in seconds."""

    def __init__(self, message: str, largest: int | None = None) -> None:
        super().__init__(message)
        self.largest = largest


def seconds_asked(asked: object) -> int | None:
    """The ``expires_in`` of a request, lenient in form (wire.md 9.3): an integer, a numeric string, or None for the
    default.

    Raises ValueError, saying what is wrong, for anything else and for what is not in the future.
    """
    if asked is None or asked == "":
        return None
    if isinstance(asked, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", asked):
        asked = int(asked.strip())  # which int alone does not do for all that is white space to a pattern
    if isinstance(asked, float) and asked.is_integer():
        asked = int(asked)
    if isinstance(asked, bool) or not isinstance(asked, int):
        raise ValueError("expires_in must be a whole number of seconds, or null")
    if asked < policy.SHORTEST_ASKED:
        raise ValueError("expires_in must be at least 1 second; to end a credential now, revoke it")
    return asked


def expiry(
    kind: Kind, asked: int | None, now: datetime, *, sso_since: datetime | None = None, rules: Policy = policy.DEFAULT
) -> datetime | None:
    """When a credential of ``kind`` made ``now`` expires; None is never.

    ``asked``: seconds, or None for the kind's default. ``sso_since``: when the account last signed in through its
    identity provider, where it does: logins and browser sessions then end 8 hours after that.

    Raises TooLong when more was asked than the kind may live; nothing is shortened in silence.
    """
    life = rules.lives[kind]
    if asked is not None:
        _check_length(life, asked)
    seconds = life.default if asked is None else asked
    end = None if seconds is None else now + timedelta(seconds=seconds)
    if sso_since is not None and kind in (Kind.LOGIN, Kind.WEB):
        cap = sso_since + timedelta(seconds=policy.SSO_LONGEST)
        return cap if end is None or end > cap else end
    return end


def token_expiry(grant: Grant, role: str, now: datetime, rules: Policy = policy.DEFAULT) -> datetime | None:
    """A new token's own end, where its grant outlives it: an OAuth client's tokens. None: it ends with its grant."""
    if grant.kind is not Kind.OAUTH:
        return None
    end = now + timedelta(seconds=rules.oauth_refresh if role == "refresh" else rules.oauth_access)
    return end if grant.expires_at is None else min(end, grant.expires_at)


def changed_expiry(grant: Grant, asked: int | None, now: datetime, rules: Policy = policy.DEFAULT) -> datetime | None:
    """The new expiry of a living credential: ``asked`` seconds from now, None: never.

    The cap of its kind counts from when it was made: a login that is prolonged again and again still ends after a year.
    Raises TooLong.
    """
    life = rules.lives[grant.kind]
    if asked is None:
        if life.longest is not None:
            raise TooLong(
                f"{_a(life.noun)} cannot be made to last forever; it lives at most {in_words(life.longest)}",
                life.longest,
            )
        return None
    _check_length(life, asked, already=int((now - grant.created_at) / timedelta(seconds=1)))
    return now + timedelta(seconds=asked)


def _check_length(life: Life, asked: int, already: int = 0) -> None:
    longest = policy.LONGEST_ASKED if life.longest is None else max(life.longest - already, 0)
    if asked > longest:
        since = f", of which {in_words(already)} are over" if already else ""
        rule = (
            "that is over a hundred years"
            if life.longest is None
            else f"{_a(life.noun)} lives at most {in_words(life.longest)}{since}"
        )
        raise TooLong(f"expires_in is too large: {rule}; the largest possible is {longest} seconds", longest)


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiouAEIO' else 'a'} {noun}"


def warning_from(created_at: datetime, expires_at: datetime | None) -> datetime | None:
    """From when on its holder is warned with every answer: the last tenth of its life, at most seven days. None: never."""
    if expires_at is None:
        return None
    return expires_at - min((expires_at - created_at) / policy.WARN_SHARE, timedelta(seconds=policy.WARN_LONGEST))


def warning_due(created_at: datetime, expires_at: datetime | None, now: datetime) -> bool:
    """Whether its holder is to be warned with every answer by now."""
    since = warning_from(created_at, expires_at)
    return since is not None and now >= since


def read_only_from(
    kind: Kind, expires_at: datetime | None, rules: Policy = policy.DEFAULT, *, created_at: datetime | None = None
) -> datetime | None:
    """From when on a credential may only read, where soft expiry is on for its kind; None: never.

    It takes no more than the latter half of a life that began at ``created_at``: one asked for an hour can still write.
    """
    seconds = rules.soft_expiry.get(kind)
    if expires_at is None or not seconds:
        return None
    since = expires_at - timedelta(seconds=seconds)
    return since if created_at is None else max(since, created_at + (expires_at - created_at) / 2)


@dataclass(frozen=True, slots=True)
class Ending:
    """One credential that an event ends, and why."""

    grant: Grant
    reason: str
    replaced: bool
    """Whether a new token of the same kind is to be made in its place."""


def ends(
    event: Event,
    grants: Iterable[Grant],
    now: datetime,
    *,
    acting: str | None = None,
    target: str | None = None,
    rules: Policy = policy.DEFAULT,
) -> list[Ending]:
    """What ``event`` ends among an account's ``grants``: exactly these, in their order.

    ``acting``: id of the grant with which the event was caused; ``target``: id of the one it is about, for the events
    in policy.ONE. What is already over at ``now`` does not end again.
    """
    endings = []
    for grant in grants:
        if grant.ended_by_then(now) or (event in policy.ONE and grant.id != target):
            continue
        effect = rules.effects[event, grant.kind]
        if effect is Effect.DIES or effect is Effect.REPLACED or (effect is Effect.SPARED and grant.id != acting):
            endings.append(Ending(grant, policy.REASON_OF[event], effect is Effect.REPLACED))
    return endings


# What can end a kind besides its expiry, in the words of a mint's answer: what its owner does, and what others do.
_YOU: dict[Event, str] = {
    Event.LOGOUT: "log out",
    Event.LOGOUT_ALL: "log out everywhere",
    Event.REVOKE: "revoke it",
    Event.PASSWORD_CHANGE: "change your password",
    Event.PASSWORD_RESET: "reset your password",
    Event.KEY_REGENERATED: "regenerate the API key",
}
# Said already by the words of the other: whoever logs out everywhere logs out.
_SAID_BY: dict[Event, Event] = {
    Event.LOGOUT_ALL: Event.LOGOUT,
    Event.PASSWORD_RESET: Event.PASSWORD_CHANGE,
}
_OTHERS: dict[Event, str] = {
    Event.REVOKE_BY_ADMIN: "an administrator revokes it",
    Event.SSO_ON: "single sign-on is turned on for your account",
    Event.SUSPEND: "your account is suspended",
    Event.CLOSE: "your account is closed",
    Event.CLIENT_REMOVED: "its application is removed",
    Event.CLIENT_REVOKE: "its application gives it up",
}


def told_at_birth(
    kind: Kind,
    expires_at: datetime | None,
    now: datetime,
    rules: Policy = policy.DEFAULT,
    *,
    created_at: datetime | None = None,
) -> str:
    """When and of what a credential will die, in words: "expires in 365 days (...), or sooner if you log out, ...".

    Only what can happen on this server is named. ``created_at``: when it was made, where that is not ``now``; then what is
    left of it is rounded to the minute, so that 30 days without a second are not 29.
    """
    if expires_at is None:
        start = "never expires; ends if you "
    else:
        seconds = (expires_at - now).total_seconds()
        length = in_words(round(seconds / 60) * 60 if created_at and seconds > policy.HOUR else round(seconds))
        since = read_only_from(kind, expires_at, rules, created_at=created_at or now)
        reading = f"; read-only from {since:%Y-%m-%d %H:%M}" if since else ""
        start = f"expires in {length} ({expires_at:%Y-%m-%d %H:%M} UTC{reading}), or sooner if you "
    you = [
        "regenerate it" if event is Event.KEY_REGENERATED and kind is Kind.API_KEY else words
        for event, words in _YOU.items()
        if _told(event, kind, rules)
    ]
    others = [words for event, words in _OTHERS.items() if _told(event, kind, rules)]
    if kind is Kind.OAUTH:
        others.append(f"its application leaves it unused for {in_words(rules.oauth_refresh)}")
    return start + _either(you) + (f", or if {_either(others)}" if others else "")


def _told(event: Event, kind: Kind, rules: Policy) -> bool:
    said = event in _SAID_BY and deadly(_SAID_BY[event], kind, rules)
    return event not in policy.NOT_YET and deadly(event, kind, rules) and not said


def deadly(event: Event, kind: Kind, rules: Policy = policy.DEFAULT) -> bool:
    """Whether the event can end a credential of the kind."""
    return rules.effects[event, kind] in (Effect.DIES, Effect.REPLACED, Effect.SPARED)


def outlasts(
    kind: Kind,
    expires_at: datetime | None,
    other: Kind,
    other_expires_at: datetime | None,
    rules: Policy = policy.DEFAULT,
) -> bool:
    """Whether a credential of ``kind`` that expires then could go on when one of the kind ``other`` is over: because it
    expires later, or because something that ends every credential of the other kind (a new password ends logins) ends none
    of this.
    """
    if other_expires_at is not None and (expires_at is None or expires_at > other_expires_at):
        return True
    return any(
        deadly(event, other, rules) and rules.effects[event, kind] in (Effect.LIVES, Effect.MOVES)
        for event in Event
        if event not in policy.ONE
    )


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


_UNITS = (("day", policy.DAY), ("hour", policy.HOUR), ("minute", 60), ("second", 1))


def in_words(seconds: int) -> str:
    """A span of seconds as people say it, in its largest whole unit or two: ``365 days``, ``8 hours``, ``1 hour 30
    minutes``.
    """
    parts: list[str] = []
    rest = max(seconds, 0)
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
        elif parts:
            break
        if len(parts) == 2 or (parts and name == "day"):
            break
    return " ".join(parts) or "0 seconds"

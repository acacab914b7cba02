"""How long a credential is to live, chosen on a form: cards for the usual spans, and a date or number of days of one's own.

A day ends where the reader is: scripts send the moment along (``on_end``), in the zone that pages say moments in. Without
them it ends in UTC, and the form says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions.env import Invalid
from keyturn.core import lifecycle, policy
from keyturn.core.policy import DAY, HOUR, YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyturn.core.credential import Grant
    from keyturn.core.policy import Life

SPANS: Final = (("8 hours", 8 * HOUR), ("30 days", 30 * DAY), ("90 days", 90 * DAY), ("1 year", YEAR))
PREFERRED: Final = 90 * DAY
NEVER: Final = "never"
OWN: Final = "own"
KEEP: Final = "keep"

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", re.ASCII)
WEST, EAST, STEP = timedelta(hours=-12), timedelta(hours=14), timedelta(minutes=15)
"""How far from UTC the zones of the world are."""


@dataclass(frozen=True, slots=True)
class Card:
    """One choice. ``value``: seconds as text, or one of the words above; ``ends``: when it would end."""

    value: str
    title: str
    ends: datetime | None = None


def cards(life: Life, now: datetime) -> list[Card]:
    """What a new credential can be given, shortest first."""
    found = _spans(life.longest, now)
    if life.longest is None and life.default is None:
        found.append(Card(NEVER, "Never"))
    return [*found, Card(OWN, "Until a day of my own")]


def cards_again(grant: Grant, life: Life, now: datetime) -> list[Card]:
    """What a living one can be given: its kind's longest life counts from when it was made."""
    already = int((now - grant.created_at).total_seconds())
    found = _spans(None if life.longest is None else max(life.longest - already, 0), now)
    if life.longest is None:
        found.append(Card(NEVER, "Never"))
    return [Card(KEEP, "As it is", grant.expires_at), *found, Card(OWN, "Until a day of my own")]


def _spans(longest: int | None, now: datetime) -> list[Card]:
    fit = [(title, seconds) for title, seconds in SPANS if longest is None or seconds <= longest]
    if longest and (not fit or longest - fit[-1][1] >= DAY):
        fit.append((f"{lifecycle.in_words(longest)}, the most", longest))
    return [Card(str(seconds), title, now + timedelta(seconds=seconds)) for title, seconds in fit]


def preferred(found: Sequence[Card]) -> str:
    """What is chosen at first."""
    values = [card.value for card in found]
    return str(PREFERRED) if str(PREFERRED) in values else values[0]


def like(grant: Grant) -> tuple[str, dict[str, str]]:
    """The choice that gives another the span of life that ``grant`` was given, and the fields beside it."""
    if grant.expires_at is None:
        return NEVER, {}
    seconds = round((grant.expires_at - grant.created_at).total_seconds())
    if seconds in [span for _, span in SPANS]:
        return str(seconds), {}
    return OWN, {"days": str(max(1, -(-seconds // DAY)))}


def read(form: Mapping[str, str], now: datetime) -> int | None:
    """The seconds that the form asks for; None: never. Raises Invalid, naming the field."""
    chosen, on, days, end = (form.get(name, "").strip() for name in ("expiry", "on", "days", "on_end"))
    if chosen == OWN:
        return _own(on, days, end, now)
    if on or days:
        raise Invalid("expiry", "You gave a day of your own and chose something else: choose one, and clear the other.")
    if chosen == NEVER:
        return None
    if not chosen.isascii() or not chosen.isdigit() or len(chosen) > 12:
        raise Invalid("expiry", "Choose when it ends.")
    return _checked(int(chosen), "expiry")


def _own(on: str, days: str, end: str, now: datetime) -> int:
    if bool(on) == bool(days):
        raise Invalid("on", "Give the day on which it ends, or a number of days." + (" Not both." if on else ""))
    if days:
        if not days.isascii() or not days.isdigit() or not 0 < int(days[:10]) <= policy.LONGEST_ASKED // DAY:
            raise Invalid("days", "Give the days as a whole number, from 1 to 36500.")
        return int(days) * DAY
    try:
        midnight = datetime.combine(date.fromisoformat(on) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        raise Invalid("on", "Give the day as year, month and day: 2027-03-31.") from None
    seconds = round((_end_of(midnight, end) - now).total_seconds())
    if seconds <= 0:
        raise Invalid("on", "That day is over. Give a later one.")
    return _checked(seconds, "on")


def _end_of(midnight: datetime, said: str) -> datetime:
    """The end of the day that ends at ``midnight`` in UTC, where the reader is: ``said``, if that is its end in a zone."""
    if not said:
        return midnight
    try:
        end = datetime.fromisoformat(said) if _MOMENT.fullmatch(said) else None
    except ValueError:
        end = None
    if end is None or not WEST <= midnight - end <= EAST or (midnight - end) % STEP:
        raise Invalid("on", "The day and the moment at which it ends do not go together. Choose the day again.")
    return end


def _checked(seconds: int, name: str) -> int:
    if not 0 < seconds <= policy.LONGEST_ASKED:
        raise Invalid(name, "Give a time that is over in less than a hundred years.")
    return seconds

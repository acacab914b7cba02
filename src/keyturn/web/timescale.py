"""A time axis around now on which an hour and ten years are both readable. Pure; times are aware, places in percent.

Lives run from a quarter of an hour to never, so no even scale shows them. This one has a column for each step that
people think in (an hour, a day, a week, a month, ...), on both sides of now; inside a column time runs evenly. Only
as many columns are drawn as the times at hand need.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from keyturn.core.policy import DAY, HOUR, YEAR

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Step:
    """The far edge of a column: seconds from now, its label, and how wide the column is beside others."""

    seconds: int
    short: str
    long: str
    weight: float
    minor: bool = False
    """Its label gives way where there is little room."""


LADDER: Final = (
    Step(HOUR, "1h", "1 hour", 0.7, minor=True),
    Step(DAY, "1d", "1 day", 1.0),
    Step(7 * DAY, "1w", "1 week", 1.0, minor=True),
    Step(30 * DAY, "1mo", "1 month", 1.0),
    Step(91 * DAY, "3mo", "3 months", 1.1, minor=True),
    Step(YEAR, "1y", "1 year", 1.2),
    Step(10 * YEAR, "10y", "10 years", 0.9, minor=True),
    Step(101 * YEAR, "100y", "100 years", 0.8),
)
FEWEST: Final = 2
"""Columns on each side, however little there is to see."""
PAST_SHARE: Final = 0.85
"""A column of the past beside the same of the future, which is what people come to see."""
NEVER_WEIGHT: Final = 1.7
MARGIN: Final = 1.0
"""Percent left free at both ends."""
CROWDED: Final = 15.0
"""Percent beside the right end that its own label, "never", needs on a phone: 3rem of 20."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the axis."""

    x: float
    short: str
    long: str
    minor: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a time is drawn."""

    zero: datetime
    """The time that is now."""
    ages: tuple[tuple[float, float], ...]
    """Seconds before now and the place of each, from now outwards."""
    futures: tuple[tuple[float, float], ...]
    ticks: tuple[Tick, ...]
    ahead: bool = True
    """Whether it shows what is to come; else it ends a little after now."""

    @property
    def now(self) -> float:
        """The place of now."""
        return self.ages[0][1]

    @property
    def never(self) -> float:
        """Where the column begins that stands for without end; it runs to ``edge``."""
        return self.futures[-1][1]

    @property
    def edge(self) -> float:
        """The right end."""
        return 100 - MARGIN

    def x(self, at: datetime) -> float:
        """The place of a time; what is further away than the axis reaches is put at its end."""
        seconds = (at - self.zero) / timedelta(seconds=1)
        return round(_between(self.ages, -seconds) if seconds < 0 else _between(self.futures, seconds), 2)


def around(now: datetime, times: Iterable[datetime], *, ahead: bool = True) -> Scale:
    """The axis that has all of ``times`` on it. Not ``ahead``: there is nothing to come, so it needs no room."""
    spans = [(at - now) / timedelta(seconds=1) for at in times]
    past = _columns(max((-span for span in spans), default=0))
    future = _columns(max(spans, default=0)) if ahead else LADDER[:1]
    behind = sum(step.weight for step in past) * PAST_SHARE
    unit = (100 - 2 * MARGIN) / (behind + sum(step.weight for step in future) + NEVER_WEIGHT * ahead)
    zero = MARGIN + behind * unit
    ages, futures = _stops(past, zero, -unit * PAST_SHARE), _stops(future, zero, unit)
    ticks = [
        *(Tick(x, step.short, f"{step.long} ago", step.minor) for step, (_, x) in zip(past, ages[1:], strict=True)),
        *(
            Tick(x, step.short, f"in {step.long}", step.minor or 100 - MARGIN - x < CROWDED)
            for step, (_, x) in zip(future, futures[1:], strict=True)
            if ahead
        ),
    ]
    return Scale(now, ages, futures, tuple(sorted(ticks, key=lambda tick: tick.x)), ahead)


def _columns(furthest: float) -> tuple[Step, ...]:
    within = sum(step.seconds < furthest for step in LADDER)
    return LADDER[: max(within + 1, FEWEST)]


def _stops(steps: tuple[Step, ...], zero: float, unit: float) -> tuple[tuple[float, float], ...]:
    found, x = [(0.0, round(zero, 2))], zero
    for step in steps:
        x += step.weight * unit
        found.append((float(step.seconds), round(x, 2)))
    return tuple(found)


def _between(stops: tuple[tuple[float, float], ...], seconds: float) -> float:
    for (near, x), (far, further) in pairwise(stops):
        if seconds <= far:
            return x + (further - x) * (seconds - near) / (far - near)
    return stops[-1][1]

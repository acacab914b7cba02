"""Moments, spans and messages as the pages say them; keyturn.js says them again in the same words, in the reader's own zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from keyturn.core import decide, lifecycle

if TYPE_CHECKING:
    from datetime import datetime

SOON: Final = timedelta(hours=48)
"""So near to now, a moment's day is said with its time: a screen without a pointer shows no title."""

# name, seconds, and from how many of them on it is used; one alone is said where it is nearly exact ("1 day"), but a
# month never: a life of 30 or 90 days is known by that number
_UNITS = (("year", 31_557_600, 2), ("month", 2_629_800, 4), ("day", 86_400, 2), ("hour", 3_600, 2), ("minute", 60, 1))
_NEAR = 0.05


def relative(moment: datetime, now: datetime) -> str:
    """``moment`` seen from ``now``, rounded: ``in 8 hours``, ``3 days ago``, ``just now``."""
    seconds = (moment - now).total_seconds()
    length = _rounded(abs(seconds))
    if length is None:
        return "in a moment" if seconds > 0 else "just now"
    return f"in {length}" if seconds > 0 else f"{length} ago"


def _rounded(seconds: float) -> str | None:
    for name, size, least in _UNITS:
        count = seconds / size
        if count >= least * (1 - _NEAR) or (name != "month" and abs(count - 1) <= _NEAR):
            whole = round(count)
            return f"{whole} {name}{'s' if whole != 1 else ''}"
    return None


def exact(moment: datetime) -> str:
    """``21 November 2026, 09:00 UTC``."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def sentence(text: str) -> str:
    """An action's message as a page says it: the first letter large, and a full stop where it has no end of its own."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def day(moment: datetime, now: datetime) -> str:
    """``21 November 2026``; with the time, as ``exact`` has it, where ``moment`` is near to ``now``."""
    said = exact(moment)
    return said if abs(moment - now) < SOON else said.partition(",")[0]


def tag(moment: datetime, now: datetime | None, mode: str) -> Markup:
    """The moment as an element that scripts say in the reader's own zone and keep fresh.

    ``mode``: ``relative``, ``day``, ``exact``, or ``told``, in a sentence; ``now``: seen from when, for the first two.
    """
    moment = moment.astimezone(UTC)
    machine, title = f"{moment:%Y-%m-%dT%H:%M:%SZ}", Markup()
    if mode == "told":
        said = decide.in_words(moment)
    elif mode == "exact":
        said = exact(moment)
    else:
        assert now is not None
        said = relative(moment, now) if mode == "relative" else day(moment, now)
        title = Markup(' title="{}"').format(exact(moment))
    return Markup('<time datetime="{}"{} data-when="{}">{}</time>').format(machine, title, mode, said)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment within a Told. ``seen_from``: it is said relative to that; None: exactly."""

    at: datetime
    seen_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence with moments in it: as text in UTC, and on a page, where it needs no macro, in the reader's zone."""

    parts: tuple[str | Moment, ...]

    def __str__(self) -> str:
        return "".join(part if isinstance(part, str) else _plain(part) for part in self.parts)

    def __html__(self) -> Markup:
        return Markup("").join(
            part if isinstance(part, str) else tag(part.at, part.seen_from, "relative" if part.seen_from else "told")
            for part in self.parts
        )


def _plain(moment: Moment) -> str:
    return relative(moment.at, moment.seen_from) if moment.seen_from else decide.in_words(moment.at.astimezone(UTC))


def dated(sentence: str, moment: datetime | None) -> Told:
    """A sentence of core's, in which ``moment`` is written in core's words."""
    written = decide.in_words(moment) if moment else ""
    if moment is None or written not in sentence:
        return Told((sentence,))
    before, _, after = sentence.partition(written)
    return Told((before, Moment(moment), after))


def span(seconds: float) -> str:
    """A length of time, in its largest whole unit or two: ``365 days``, ``1 hour 30 minutes``."""
    return lifecycle.in_words(round(seconds))

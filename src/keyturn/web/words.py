"""Moments, spans and messages as the pages say them; keyturn.js says them again in the same words, in the reader's own zone."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from keyturn.core import lifecycle

if TYPE_CHECKING:
    from datetime import datetime

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


def span(seconds: float) -> str:
    """A length of time, in its largest whole unit or two: ``365 days``, ``1 hour 30 minutes``."""
    return lifecycle.in_words(round(seconds))

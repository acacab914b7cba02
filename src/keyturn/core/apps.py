"""Apps: how they are named, and what somebody else may do with one.

Names and permissions are those of the Heroku Platform API (app.name, team-app-permission).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
"""The one rule of names: for the API, for paths of git, for folders."""

# What a collaborator may do, from little to much; each has those before it. An owner may do all.
PERMISSIONS: Final[dict[str, str]] = {
    "view": "see the app and fetch its code",
    "deploy": "push to the app",
    "operate": "change the app's settings",
    "manage": "rename the app, and decide who collaborates",
}
ALL: Final = tuple(PERMISSIONS)
DEFAULT: Final = ("view", "deploy", "operate")
"""What a collaborator gets when nothing is asked: everything but deciding about others, as on Heroku."""

RESERVED: Final = timedelta(days=30)
"""A name that an app gave up is kept for its owner for so long: whoever took it would get what others push there still."""
MOST_RESERVED: Final = 100
"""Of an account: the latest."""
MOST_OWNED: Final = 1000
MOST_COLLABORATORS: Final = 500


def what_is_wrong(name: str) -> str | None:
    """Why it is no name of an app, as a sentence, or None."""
    if NAME.fullmatch(name):
        return None
    if not 3 <= len(name) <= 30:
        return "a name has 3 to 30 characters"
    return "a name starts with a letter, ends with a letter or digit, and has only small letters, digits and dashes"


def held(owner_id: str, account_id: str, shared: tuple[str, ...], *, ended: bool = False) -> tuple[str, ...]:
    """What an account may do with an app: everything with its own, what it was given (``shared``) with another's, and
    nothing with one that has ended.
    """
    return () if ended else ALL if owner_id == account_id else shared


def normalize(asked: Iterable[str]) -> tuple[str, ...]:
    """The permissions, in their order, with those that they include. Raises ValueError that names an unknown one."""
    names = set(asked)
    unknown = sorted(names - set(PERMISSIONS))
    if unknown:
        raise ValueError(f"unknown permission {unknown[0][:40]!r}; the valid ones are {', '.join(PERMISSIONS)}")
    highest = max((ALL.index(name) for name in names), default=0)
    return ALL[: highest + 1]


_FIRST: Final = (
    "amber", "brave", "calm", "clear", "cold", "dawn", "deep", "dusty", "early", "fair", "gentle", "glad", "green", "keen",
    "kind", "late", "light", "lucky", "mild", "misty", "new", "noble", "pale", "plain", "proud", "quick", "quiet", "rapid",
    "red", "sandy", "sharp", "silver", "soft", "still", "sunny", "swift", "tall", "warm", "white", "wild", "wise", "young",
)  # fmt: skip
_SECOND: Final = (
    "acre", "bay", "beach", "birch", "brook", "canyon", "cedar", "cliff", "cloud", "coast", "creek", "delta", "dune", "elm",
    "fern", "field", "fjord", "forest", "garden", "glade", "grove", "harbor", "heath", "hill", "island", "lake", "leaf", "maple",
    "meadow", "moor", "oak", "peak", "pine", "plain", "pond", "reef", "ridge", "river", "shore", "spring", "stone", "valley",
)  # fmt: skip


def make_name(random_bytes: Callable[[int], bytes]) -> str:
    """A name for who has none in mind: ``quiet-river-40213``."""
    number = int.from_bytes(random_bytes(8), "big")
    number, first = divmod(number, len(_FIRST))
    number, second = divmod(number, len(_SECOND))
    return f"{_FIRST[first]}-{_SECOND[second]}-{10_000 + number % 90_000}"

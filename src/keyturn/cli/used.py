"""Who uses a credential, in words: from the `uses` that Keyturn's servers tell of each."""

from __future__ import annotations

import sys
import time

from keyturn import __version__
from keyturn.cli import say
from keyturn.cli.answers import one, several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

LATELY: Final = 24 * 3600
"""Seconds: whoever used a credential since then counts as still using it."""
UNUSED: Final = 30 * 24 * 3600
"""Seconds: what nobody has used for so long is obviously unused."""
_OURSELVES: Final = f"keyturn/{__version__} (cli; {sys.platform})"


def last(item: Mapping[str, Any]) -> str:
    """``5 minutes ago, 10.0.0.7``; ``never``; nothing when the server does not tell."""
    if "last_used_at" not in item:
        return ""
    latest = next(iter(_all(item)), None)
    return say.ago(item["last_used_at"]) + (f", {latest['address']}" if latest and latest.get("address") else "")


def by_others(item: Mapping[str, Any], within: int) -> list[str]:
    """Who has used it in the last ``within`` seconds, each in words; this very command line does not count."""
    return [in_words(use) for use in _all(item) if _age(use) < within and not _is_ourselves(item, use)]


def in_words(use: Mapping[str, Any]) -> str:
    """``curl/8.14 at 10.0.0.7, 5 minutes ago (12 times)``."""
    count = use.get("count")
    often = f" ({count} times)" if isinstance(count, int) and count > 1 else ""
    return f"{use.get('agent') or 'something nameless'} at {use.get('address')}, {say.ago(use.get('last_at'))}{often}"


def named(item: Mapping[str, Any]) -> str:
    """``authorization “backup job”``."""
    kind = str(item.get("kind") or "token").replace("_", " ")
    return f"{kind} “{item['description']}”" if item.get("description") else kind


def everybody(item: Mapping[str, Any]) -> list[str]:
    """All users that are known, the latest first."""
    return [in_words(use) for use in _all(item)]


def _all(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    old = one(item.get("overlap")).get("uses")
    uses = [*several(item.get("uses")), *several(old)]
    return sorted(uses, key=lambda use: str(use.get("last_at")), reverse=True)


def _is_ourselves(item: Mapping[str, Any], use: Mapping[str, Any]) -> bool:
    return item.get("current") is True and use.get("agent") == _OURSELVES


def _age(use: Mapping[str, Any]) -> float:
    from datetime import datetime

    try:
        return time.time() - datetime.fromisoformat(str(use.get("last_at"))).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0  # better to ask once too often

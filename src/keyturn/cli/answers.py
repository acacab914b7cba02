"""Parts of a server's answers as what they should be: whatever else stands there counts as nothing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def one(value: object) -> dict[str, Any]:
    """An object."""
    return value if isinstance(value, dict) else {}


def several(value: object) -> list[dict[str, Any]]:
    """Objects."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """A text."""
    return value if isinstance(value, str) else ""


def names(value: object) -> str:
    """``read,write``."""
    return ",".join(str(name) for name in value) if isinstance(value, list) else ""

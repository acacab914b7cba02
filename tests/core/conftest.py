"""Core is pure: its tests need nothing but values."""

from __future__ import annotations

import tests.support.properties  # noqa: F401

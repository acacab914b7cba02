"""A fresh world for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tests.support.properties  # noqa: F401
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A database, a clock and an Env of this test's own."""
    made = World(tmp_path)
    yield made
    made.close()

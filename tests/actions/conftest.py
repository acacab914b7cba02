"""A fresh world for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tests.support.properties  # noqa: F401
from tests.support.people import Person
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


@pytest.fixture
def ada(world: World) -> Person:
    """Somebody with a login."""
    return Person(world, "ada@example.com")


@pytest.fixture
def bob(world: World) -> Person:
    """Somebody with a login."""
    return Person(world, "bob@example.com")


@pytest.fixture
def carl(world: World) -> Person:
    """Somebody with a login."""
    return Person(world, "carl@example.com")

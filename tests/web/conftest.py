"""A fresh site for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tests.support.properties  # noqa: F401
from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.asgi import Client


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server of this test's own."""
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def client(site: Site) -> Client:
    """Who asks."""
    return site.client

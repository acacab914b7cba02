"""A server with SSH, and somebody who may push."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conftest import Server
from tests.support.gits import Checkout, checkout
from tests.support.sshs import SshPusher, ssh_pusher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests of a worker."""
    running = Server(tmp_path_factory.mktemp("ssh-server"), "--ssh-port", "0")
    yield running
    running.stop()


@pytest.fixture
def ada(ssh_server: Server, tmp_path: Path) -> SshPusher:
    """Somebody with an app and a key."""
    return ssh_pusher(ssh_server, tmp_path / "keys")


@pytest.fixture
def work(ada: SshPusher, tmp_path: Path) -> Checkout:
    """A working copy of theirs, whose git comes by SSH."""
    made = checkout(tmp_path / "work")
    made.more |= ada.git()
    made.git("remote", "add", "origin", ada.url)
    return made

"""Hashing stands back behind everything else, and only the thread that hashes does."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from tests.support import loops

from keyturn.web.offload import NICE, Offload


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
def test_the_thread_that_hashes_is_the_last_to_have_the_core() -> None:
    offload = Offload()

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def ask() -> tuple[int, int]:
        return await offload.run(priority, slow=True), await offload.run(priority)

    own = priority()
    hashing, database = loops.run(ask())
    offload.close()
    assert hashing == min(own + NICE, 19)
    assert database == own == priority()

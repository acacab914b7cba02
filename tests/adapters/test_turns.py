"""Turns of processes that know nothing of one another."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tests.support import loops

from keyturn.adapters.turns import FileSlots
from keyturn.turns import Busy

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """\
import asyncio, sys
from pathlib import Path
from keyturn.adapters.turns import FileSlots
async def hold():
    async with FileSlots(Path(sys.argv[1]), 4).turn(sys.argv[2]):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(hold())
"""


def hold(file: Path, account: str) -> subprocess.Popen[str]:
    """Another process that has a turn."""
    made = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file), account], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert made.stdout is not None
    assert made.stdout.readline() == "held\n"
    return made


async def gets_one(file: Path, account: str, wait: float = 0.0) -> bool:
    """Whether a newcomer gets a turn."""
    slots = FileSlots(file, 4, wait)
    try:
        async with slots.turn(account):
            return True
    except Busy:
        return False
    finally:
        slots.close()


def test_so_many_have_a_turn_an_account_its_share_and_a_killed_process_gives_its_own_back(tmp_path: Path) -> None:
    file = tmp_path / "turns"
    held = [hold(file, name) for name in ("ada", "ada")]
    try:
        assert not loops.run(gets_one(file, "ada"))
        assert loops.run(gets_one(file, "bob"))
        held += [hold(file, name) for name in ("bob", "eve")]
        assert not loops.run(gets_one(file, "zoe"))
        held[0].kill()
        held[0].wait()
        assert loops.run(gets_one(file, "ada"))
        assert loops.run(gets_one(file, "zoe"))
    finally:
        for each in held:
            each.kill()
            each.communicate()


def test_who_comes_too_many_waits_for_a_turn(tmp_path: Path) -> None:
    file = tmp_path / "turns"

    async def work() -> None:
        async with AsyncExitStack() as stack:
            first = await asyncio.to_thread(hold, file, "ada")
            stack.callback(first.communicate)
            second = await asyncio.to_thread(hold, file, "ada")
            stack.callback(second.communicate)
            stack.callback(first.kill)
            stack.callback(second.kill)
            waiting = asyncio.ensure_future(gets_one(file, "ada", 60.0))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            first.kill()
            assert await waiting

    loops.run(work())

"""Whose turn it is to have git run."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.support import loops

from keyturn.turns import LONGEST_QUEUE, OWN_QUEUE, Busy, Slots


async def holding(slots: Slots, account: str, until: asyncio.Event) -> None:
    async with slots.turn(account):
        await until.wait()


def test_however_many_of_one_account_wait_another_has_its_turn_at_once() -> None:
    async def scene() -> None:
        slots, until = Slots(16, wait=600), asyncio.Event()
        many = [asyncio.create_task(holding(slots, "greedy", until)) for _ in range(2 * LONGEST_QUEUE)]
        await asyncio.sleep(0)
        async with asyncio.timeout(30), slots.turn("another"):
            pass
        until.set()
        ended = await asyncio.gather(*many, return_exceptions=True)
        assert sum(isinstance(each, Busy) for each in ended) == 2 * LONGEST_QUEUE - 4 - OWN_QUEUE

    loops.run(scene())


def test_who_would_run_if_there_was_room_waits_for_it_and_in_time_is_told() -> None:
    async def scene() -> None:
        slots, until = Slots(2, wait=0.05), asyncio.Event()
        held = [asyncio.create_task(holding(slots, f"account {number}", until)) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            async with slots.turn("late"):
                pass
        waiting = asyncio.create_task(holding(slots, "patient", until))
        await asyncio.sleep(0)
        until.set()
        await asyncio.gather(*held, waiting)

    loops.run(scene())


def test_the_queue_for_all_is_bounded_and_everything_is_given_back() -> None:
    async def scene() -> None:
        slots, until = Slots(2, wait=600), asyncio.Event()
        some = [asyncio.create_task(holding(slots, f"account {number}", until)) for number in range(LONGEST_QUEUE + 5)]
        await asyncio.sleep(0)
        until.set()
        ended = await asyncio.gather(*some, return_exceptions=True)
        assert sum(isinstance(each, Busy) for each in ended) == 3
        async with asyncio.timeout(30), AsyncExitStack() as stack:
            for number in range(2):
                await stack.enter_async_context(slots.turn(str(number)))
        assert slots._accounts == {}

    loops.run(scene())

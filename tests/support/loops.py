"""An event loop on a thread of its own: Playwright's tests leave one running in the thread of theirs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")


class Loop:
    """Runs coroutines to their end, one after another, always in the same loop."""

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        """``factory``: makes the loop; None: asyncio's own."""
        self._thread = ThreadPoolExecutor(1, "test-loop")
        self._runner = asyncio.Runner(loop_factory=factory)

    def run(self, work: Coroutine[object, object, _T]) -> _T:
        """What the coroutine returns."""
        return self._thread.submit(self._runner.run, work).result()

    def close(self) -> None:
        """Ends the loop and its thread."""
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


def run(work: Coroutine[object, object, _T], factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> _T:
    """Runs one coroutine in a loop of its own."""
    loop = Loop(factory)
    try:
        return loop.run(work)
    finally:
        loop.close()

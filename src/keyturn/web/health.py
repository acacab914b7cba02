"""GET /healthz, and the upkeep that runs beside the requests."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from keyturn.actions import refusals, uses
from keyturn.core import policy
from keyturn.store.interface import Unavailable
from keyturn.web.answer import Answer
from keyturn.web.call import send_answer
from keyturn.web.upkeep import Upkeep, long_jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

    from keyturn.web.face import Face

log = logging.getLogger("keyturn.web")


class Health:
    """Whether the server can serve: 200, or 503 when its store does not answer."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Looks something up that is not there: that takes a working store."""
        try:
            self._face.env.store.find_token(bytes(32))
            answer = Answer({"status": "ok"})
        except Unavailable:
            answer = Answer({"status": "unavailable", "message": "The store does not answer."}, 503)
        await send_answer(scope, send, answer)


@asynccontextmanager
async def upkeep(face: Face) -> AsyncIterator[None]:
    """Runs the jobs while the application runs; what was counted in memory is written once more at its end."""
    counted = (_Job(5, "refused requests", _refusals), _Job(policy.USES_WRITTEN_EVERY, "uses of tokens", _uses))
    tasks = [asyncio.create_task(job.repeat(face)) for job in counted]
    clockworks = Upkeep(face.env, face.upkeep_every), Upkeep(face.env, some=long_jobs())
    for clockwork in clockworks:
        clockwork.start()
    try:
        yield
    finally:
        face.stopping.set()
        await asyncio.gather(*(asyncio.to_thread(clockwork.stop) for clockwork in clockworks))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job in counted:
            await job.once(face)
        face.offload.close()


class _Job(NamedTuple):
    """Something to do on a thread every so many seconds; a fault is logged and the next time is another try."""

    every: float
    name: str
    prepare: Callable[[Face], Callable[[], object]]
    """Called in the event loop; what it returns is called on a thread."""

    async def repeat(self, face: Face) -> None:
        while True:
            await asyncio.sleep(self.every)
            await self.once(face)

    async def once(self, face: Face) -> None:
        try:
            await face.offload.run(self.prepare(face))
        except Unavailable as fault:
            log.warning("upkeep, %s: the store does not answer: %s", self.name, fault)
        except Exception:
            log.exception("upkeep, %s", self.name)


def _refusals(face: Face) -> Callable[[], object]:
    counts = face.refusals.take()
    return lambda: refusals.write(face.env, counts)


def _uses(face: Face) -> Callable[[], object]:
    counts = face.uses.take()
    return lambda: uses.write(face.env, counts)

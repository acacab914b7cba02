"""GET /healthz, and the upkeep that runs beside the requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from keyturn.actions import refusals
from keyturn.store.interface import Unavailable
from keyturn.web.answer import Answer
from keyturn.web.call import send_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from keyturn.web.face import Face

log = logging.getLogger("keyturn.web")

EVERY = 5.0
"""Seconds between two writes of the refusals that were counted."""


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
    """Runs the upkeep while the application runs, and once more at its end."""
    task = asyncio.create_task(_write_refusals(face))
    try:
        yield
    finally:
        face.stopping.set()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await _write_once(face)
        face.offload.close()


async def _write_refusals(face: Face) -> None:
    while True:
        await asyncio.sleep(EVERY)
        await _write_once(face)


async def _write_once(face: Face) -> None:
    counts = face.refusals.take()
    try:
        await face.offload.run(lambda: refusals.write(face.env, counts))
    except Unavailable as fault:
        log.warning("%d refused requests are missing in the audit trail: %s", sum(counts.values()), fault)

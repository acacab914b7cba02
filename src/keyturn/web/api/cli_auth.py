"""The browser login of command lines: POST /auth begins it, GET /auth/cli/ID waits for it (contract: wire.md 4.1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from keyturn.actions import cli_login
from keyturn.actions.env import Gone, Problem
from keyturn.core import decide, lifecycle, reasons
from keyturn.store.interface import Unavailable
from keyturn.web import credentials, refuse
from keyturn.web.answer import Answer, encode, iso
from keyturn.web.call import read_body, send_answer
from keyturn.web.face import place
from keyturn.web.render import seconds_left

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from keyturn.web.face import Face

KEEP_ALIVE = 15.0
"""Seconds between two signs of life: the Heroku CLI gives up after 60 without a byte."""
LOOK = 0.2
"""Seconds between two looks at the store."""
LOOKS_A_SECOND = 250
"""Of all who wait at one worker: past fifty of them each looks less often, so that waiting in crowds starves nobody."""


def pause(waiting: int) -> float:
    """Seconds between two looks at the store when so many wait."""
    return max(LOOK, waiting / LOOKS_A_SECOND)


class Begin:
    """POST /auth."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the paths for the browser and for the wait, and the secret to wait with."""
        face = self._face
        _, wait = face.begin_limit.take(place(scope), face.env.clock().timestamp())
        if wait:
            await send_answer(
                scope, send, refuse.too_many("Too many logins were begun from this address. Wait a little.", wait)
            )
            return
        body = await read_body(scope, receive)
        if isinstance(body, Answer):
            await send_answer(scope, send, body)
            return
        asked: dict[str, Any] = body
        try:
            begun = await face.offload.run(
                lambda: cli_login.begin(
                    face.env, face.by(scope), description=asked.get("description"), expires_in=asked.get("expires_in")
                )
            )
        except Problem as problem:
            await send_answer(scope, send, refuse.problem(problem))
            return
        answer = {
            "browser_url": f"/auth/browser/{begun.browser_secret}",
            "cli_url": f"/auth/cli/{begun.login.id}",
            "token": begun.cli_secret,
            "expires_at": iso(begun.login.expires_at),
        }
        await send_answer(scope, send, Answer(answer, 201))


class Wait:
    """GET /auth/cli/ID: waits, with white space as a sign of life, and then answers one JSON object.

    Once the waiting has begun the status is 200 and cannot change, so that what goes wrong then is said as ``error``
    in the body.
    """

    def __init__(self, face: Face) -> None:
        self._face = face
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers when the login was decided, or when its time is over."""
        face, login_id = self._face, scope["path_params"]["id"]
        if scope["method"] == "HEAD":  # would collect a token that nobody gets to see
            await send_answer(scope, send, refuse.wrong_method(["GET"]))
            return
        presented = credentials.read(scope["headers"], scope["query_string"])
        if not isinstance(presented, credentials.Presented):
            await send_answer(scope, send, _not_presented(presented))
            return
        secret = presented.text
        try:
            await face.offload.run(lambda: cli_login.check_waiting(face.env, login_id, secret))
        except Problem as problem:
            await send_answer(scope, send, refuse.problem(problem))
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(_disconnected(receive))
        self._waiting += 1
        try:
            body = await self._wait(scope, send, login_id, secret, gone)
        finally:
            self._waiting -= 1
            gone.cancel()
        if body is not None:
            await send({"type": "http.response.body", "body": encode(body)})

    async def _wait(
        self, scope: Scope, send: Send, login_id: str, secret: str, gone: asyncio.Future[None]
    ) -> dict[str, Any] | None:
        """The answer's body, or None when nobody is there to read it; then nothing is minted."""
        face, loop = self._face, asyncio.get_running_loop()
        alive = loop.time()
        while not gone.done():
            if face.stopping.is_set():
                return {"error": "The server is restarting. Start again with: keyturn login", "reason": "restarting"}
            try:
                seen = await self._look(scope, login_id, secret, gone)
            except Gone as problem:
                return {"error": str(problem), "reason": "collected"}
            except (Problem, Unavailable):
                return {
                    "error": "The login cannot be finished just now. Start again with: keyturn login",
                    "reason": "unavailable",
                }
            if isinstance(seen, cli_login.Collected):
                return self._collected(seen)
            if isinstance(seen, cli_login.Failed):
                reason = reasons.LOGINS[seen.reason]
                return {"error": f"{reason.sentence} Next: {reason.next}", "reason": reason.id}
            if loop.time() - alive >= KEEP_ALIVE:
                alive = loop.time()
                await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.wait([gone], timeout=min(pause(self._waiting), KEEP_ALIVE))
        return None

    async def _look(
        self, scope: Scope, login_id: str, secret: str, gone: asyncio.Future[None]
    ) -> cli_login.Pending | cli_login.Failed | cli_login.Collected:
        face = self._face
        seen = await face.offload.run(lambda: cli_login.poll(face.env, login_id, secret))
        if seen is not None or gone.done():
            return seen or cli_login.Pending()
        by = face.by(scope)
        return await face.offload.run(lambda: cli_login.collect(face.env, by, login_id, secret))

    def _collected(self, seen: cli_login.Collected) -> dict[str, Any]:
        grant, now = seen.credential.grant, self._face.env.clock()
        return {
            "access_token": seen.credential.secret,
            "id": grant.id,
            "email": seen.account.email,
            "kind": grant.kind.value,
            "expires_in": seconds_left(grant.expires_at, now),
            "expires_at": iso(grant.expires_at),
            "life": lifecycle.told_at_birth(grant.kind, grant.expires_at, now, self._face.env.policy),
        }


def _not_presented(found: credentials.Absent | credentials.Ambiguous | credentials.Unreadable) -> Answer:
    if isinstance(found, credentials.Ambiguous):
        return refuse.bad_request(found.message)
    if isinstance(found, credentials.Unreadable):
        return refuse.unreadable(found.message)
    return refuse.deny(decide.unproven("missing"))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

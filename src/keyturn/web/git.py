"""Git over HTTP: the smart protocol [gitprotocol-http], streamed both ways.

The same steps as every endpoint: read the credential, authenticate, count, authorize, act. Refusals are text, which git
shows its user as ``remote: ...``; a first request without a credential is answered by a challenge, as git expects.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from keyturn import exchange
from keyturn.actions import git_access
from keyturn.actions.env import NotFound, Problem, Refused
from keyturn.core import gitcmd
from keyturn.core.gitcmd import FETCH, PUSH, SERVICES
from keyturn.store.interface import Unavailable
from keyturn.turns import Busy, Slots
from keyturn.web import credentials, refuse
from keyturn.web.answer import Answer
from keyturn.web.git_stream import UNCACHED, HttpPeer, Inflate, opening, packet

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from keyturn.actions.git_access import Process, Program, Told
    from keyturn.core.credential import App, Principal
    from keyturn.web.face import Face

log = logging.getLogger("keyturn.git")

CHALLENGE: Final = 'Basic realm="Keyturn", charset="UTF-8"'  # [RFC 7617 2.1]
ADVERTISEMENT: Final = "info/refs"
WHOLE: Final = 256 * 1024
"""Bytes of refs up to which an answer is sent in one piece, and may be kept."""
SMALL: Final = 64 * 1024
"""A refused request's body up to this is read to its end; after a larger one the connection is closed."""
PATIENCE: Final = 5.0
"""Seconds that a fetch or push under way has when the server stops."""
NO_TIME: Final = 1e-6
"""Seconds: what numbers lose by being rounded."""


def is_git(path: str) -> bool:
    """Whether a request's path is one of git's."""
    return ".git/" in path


class Git:
    """An ASGI application for all paths of ``is_git``."""

    def __init__(self, face: Face, program: Program) -> None:
        self._face, self._program = face, program
        limits = program.limits
        self._slots = face.turns or Slots(limits.processes)
        self._quick = Slots(limits.processes)  # what is told first: short, and never behind a large push

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        try:
            refusal = await self._serve(scope, receive, send)
        except NotFound as problem:
            refusal = refuse.problem(problem)
            refusal.body["next"] = git_access.APPS
        except Problem as problem:
            refusal = refuse.problem(problem)
        except Unavailable:
            refusal = refuse.unavailable()
        except Busy:
            refusal = refuse.busy()
        if refusal is not None:
            await _send_text(scope, send, refusal)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> Answer | None:
        """None: answered."""
        name, _, what = scope["path"].partition(".git/")
        service, wrong = _asked(scope, what)
        if service is None:
            return wrong
        presented = credentials.read(scope["headers"], scope["query_string"])
        if isinstance(presented, credentials.Ambiguous):
            return refuse.bad_request(presented.message)
        if isinstance(presented, credentials.Unreadable):
            return refuse.unreadable(presented.message)
        face = self._face
        principal = face.admit(scope, presented, face.git_limit)
        if isinstance(principal, Answer):
            return principal
        wanted = gitcmd.app_of(name + ".git")
        if wanted is None:
            raise NotFound("app")
        try:
            app = git_access.admit(face.env, principal, wanted, service)
        except Refused as refused:
            face.refused(scope, refused.deny, principal, **git_access.refused(service, wanted))
            raise
        if service == PUSH:  # also of the first request: of the answer to the second git shows nothing
            wait = face.push_limit.wait(principal.account_id, face.env.clock().timestamp())
            if wait > NO_TIME:
                return refuse.too_many(git_access.too_many_pushes(wait), wait)
        try:
            if what == ADVERTISEMENT:
                return await self._advertise(scope, send, app, principal, service)
            return await self._exchange(scope, receive, send, app, principal, service)
        except OSError as fault:
            log.error("git for app %s cannot be run: %s", app.id, fault)
            return refuse.git_failed()

    async def _advertise(self, scope: Scope, send: Send, app: App, principal: Principal, service: str) -> Answer | None:
        version = _version(scope)
        known = self._program.told(service, app.id, version)
        # [gitprotocol-http, Smart Clients]; a push has no version 2
        start = b"" if version == 2 and service == FETCH else packet(f"# service={service}\n".encode()) + b"0000"
        if known.answer is not None:
            await _send_all(send, service, start + known.answer)
            return None
        async with self._quick.turn(principal.account_id):
            process = self._program.start(service, app.id, version=version, stateless=True, advertise=True)
            try:
                async with asyncio.timeout(self._program.limits.seconds):
                    return await self._tell(send, process, service, start, known)
            except TimeoutError:
                return None
            finally:
                await process.finish()

    async def _tell(self, send: Send, process: Process, service: str, start: bytes, known: Told) -> Answer | None:
        told = b""
        while len(told) < WHOLE and (chunk := await process.read()):
            told += chunk
        if len(told) < WHOLE:  # that was all
            if await process.wait():
                log.error("git could not read a repository: %s", process.complaint())
                return refuse.git_failed()
            known.keep(told)
            await _send_all(send, service, start + told)
            return None
        await send(opening(f"application/x-{service}-advertisement"))
        told = start + told
        while told:
            async with asyncio.timeout(self._program.limits.stall):
                await send({"type": "http.response.body", "body": told, "more_body": True})
            told = await process.read()
        await send({"type": "http.response.body", "body": b""})
        return None

    async def _exchange(
        self, scope: Scope, receive: Receive, send: Send, app: App, principal: Principal, service: str
    ) -> Answer | None:
        """A fetch or a push."""
        face, limits = self._face, self._program.limits
        try:
            body = Inflate(_header(scope, b"content-encoding"))
        except ValueError as wrong:
            return refuse.unsupported(str(wrong))
        if service == PUSH:
            face.push_limit.take(principal.account_id, face.env.clock().timestamp())
        hooks = git_access.hooks(face.env, face.by(scope, principal), principal, app.id) if service == PUSH else None
        async with self._slots.turn(principal.account_id):
            process = self._program.start(service, app.id, version=_version(scope), stateless=True, hooks=hooks)
            peer = HttpPeer(receive, send, body, service, limits)
            outcome = await exchange.run(service, process, peer, limits, thinking=limits.stall, stopping=self._ending)
            said_itself = outcome.status == 0 or (peer.began and not outcome.broken)
            with suppress(exchange.Interrupted):  # by a client that does not read, and so is told nothing
                await peer.end("" if said_itself else outcome.said.removeprefix("fatal: ") or "git failed")
        return None

    async def _ending(self) -> None:
        """Returns when the server stops and has no more patience."""
        await self._face.stopping.wait()
        await asyncio.sleep(PATIENCE)


def _asked(scope: Scope, what: str) -> tuple[str | None, Answer | None]:
    """The service that is asked for, or the refusal of anything but the three requests of the smart protocol."""
    method, query = scope["method"], scope["query_string"]
    if what == ADVERTISEMENT:
        if method != "GET":
            return None, refuse.wrong_method(["GET"])
        for service in SERVICES:  # exactly this: never two services, and none that another parser reads otherwise
            if query == b"service=" + service.encode():
                return service, None
        if not query:
            return None, refuse.smart_only()
        return None, refuse.bad_request(f"The query must be service={FETCH} or service={PUSH}, once, and nothing else.")
    if what in SERVICES:
        if method != "POST":
            return None, refuse.wrong_method(["POST"])
        if query:
            return None, refuse.bad_request("This address takes no query.")
        wanted = f"application/x-{what}-request"
        if _header(scope, b"content-type") != wanted:
            return None, refuse.unsupported(f"The body's Content-Type must be {wanted}.")
        return what, None
    return None, refuse.smart_only()


def _version(scope: Scope) -> int:
    return gitcmd.version(_header(scope, b"git-protocol"))


def _header(scope: Scope, name: bytes) -> str:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return values[0].strip() if len(values) == 1 else ", ".join(values)


async def _send_all(send: Send, service: str, body: bytes) -> None:
    await send(opening(f"application/x-{service}-advertisement", (b"content-length", b"%d" % len(body))))
    await send({"type": "http.response.body", "body": body})


async def _send_text(scope: Scope, send: Send, answer: Answer) -> None:
    """A refusal as git shows it: the reason and the command that mends it."""
    text = git_access.sentence(answer.body["message"], answer.body.get("next")).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        *UNCACHED,
    ]
    for name, value in answer.headers:
        if name != "WWW-Authenticate":
            headers.append((name.lower().encode(), value.encode("latin-1", "replace")))
    if answer.status == 401:
        headers.append((b"www-authenticate", CHALLENGE.encode()))
    length = _header(scope, b"content-length")
    if scope["method"] == "POST" and not (length.isdigit() and int(length) <= SMALL):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else text})

"""A small client that drives an ASGI application in this process: raw headers, raw bodies, and answers that stream.

It holds the application to the rules of ASGI and HTTP at every answer, so that no test need ask for them.
"""

from __future__ import annotations

import asyncio
import base64
import json as json_
import uuid
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import ASGIApp, Message
    from tests.support.loops import Loop


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header that comes once."""
        found = self.all(name)
        assert len(found) < 2, (name, found)
        return found[0] if found else None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        assert self.header("content-type") == "application/json", (self.status, self.headers, self.body[:200])
        return json_.loads(self.body)


def basic(user: str, password: str) -> tuple[str, str]:
    """An Authorization header for Basic."""
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(token: str) -> tuple[str, str]:
    """An Authorization header for Bearer."""
    return "Authorization", f"Bearer {token}"


def scope_of(
    method: str, target: str, headers: Iterable[tuple[str, str]], *, address: str = "198.51.100.7", scheme: str = "http"
) -> dict[str, Any]:
    """An ASGI scope such as uvicorn makes it."""
    path, _, query = target.partition("?")
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": scheme, "path": unquote(path), "raw_path": path.encode("ascii"), "query_string": query.encode("latin-1"),
        "root_path": "", "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": (address, 40000), "server": ("localhost", 8420),
    }  # fmt: skip


@dataclass
class Exchange:
    """A request under way: what was sent to the application, and what came back so far."""

    app: ASGIApp
    scope: dict[str, Any]
    incoming: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    sent: list[Message] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def start(self, chunks: Sequence[bytes] = (b"",)) -> None:
        """Begins the request with its body in these pieces."""
        for number, chunk in enumerate(chunks):
            more = number + 1 < len(chunks)
            self.incoming.put_nowait({"type": "http.request", "body": chunk, "more_body": more})
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        await self.app(self.scope, self.incoming.get, self._send)
        self.came.set()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self.came.set()

    def disconnect(self) -> None:
        """The client goes away."""
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def messages(self, count: int) -> list[Message]:
        """What was sent back, once there are ``count`` messages."""
        while len(self.sent) < count:
            assert self.task is not None
            assert not self.task.done(), self.sent
            self.came.clear()
            await self.came.wait()
        return self.sent

    async def reply(self) -> Reply:
        """The whole answer."""
        assert self.task is not None
        await self.task
        return self._checked()

    def _checked(self) -> Reply:
        start, *bodies = self.sent
        assert start["type"] == "http.response.start"
        assert bodies, "an answer without an end"
        assert all(message["type"] == "http.response.body" for message in bodies)
        assert [bool(message.get("more_body")) for message in bodies] == [True] * (len(bodies) - 1) + [False]
        for name, value in start["headers"]:
            assert name == name.lower()
            assert not {b"\r", b"\n", b"\0"} & {bytes([c]) for c in name + value}, (name, value)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        # a server drops the body of an answer to HEAD
        body = b"" if self.scope["method"] == "HEAD" else b"".join(message.get("body", b"") for message in bodies)
        reply = Reply(start["status"], headers, body)
        length = reply.header("content-length")
        if reply.status in (204, 304):
            assert reply.body == b""
        elif length is not None and self.scope["method"] != "HEAD":
            assert int(length) == len(reply.body)
        uuid.UUID(reply.header("request-id"))
        assert reply.header("x-content-type-options") == "nosniff"
        return reply


class Client:
    """Sends requests from one address, and keeps cookies as a browser does."""

    def __init__(
        self, app: ASGIApp, runner: Loop, *, address: str = "198.51.100.7", url: str = "http://localhost:8420"
    ) -> None:
        self.app, self.runner, self.address, self.url = app, runner, address, url
        self.cookies: dict[str, str] = {}

    def request(
        self, method: str, target: str, *headers: tuple[str, str], token: str | None = None, json: Any = None,
        form: dict[str, str] | None = None,
        body: bytes | Sequence[bytes] = b"",
    ) -> Reply:  # fmt: skip
        """One request and its whole answer."""
        return self.runner.run(self.send(method, target, *headers, token=token, json=json, form=form, body=body))

    async def send(
        self, method: str, target: str, *headers: tuple[str, str], token: str | None = None, json: Any = None,
        form: dict[str, str] | None = None,
        body: bytes | Sequence[bytes] = b"",
    ) -> Reply:  # fmt: skip
        """The same, for a test that runs in the loop."""
        exchange = self.begin(method, target, *headers, token=token, json=json, form=form, body=body)
        reply = await exchange.reply()
        for line in reply.all("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return reply

    def begin(
        self, method: str, target: str, *headers: tuple[str, str], token: str | None = None, json: Any = None,
        form: dict[str, str] | None = None,
        body: bytes | Sequence[bytes] = b"",
    ) -> Exchange:  # fmt: skip
        """Begins a request, inside the loop; its answer is then read from the Exchange."""
        every = [("Host", self.url.split("//")[1]), *headers]
        if token is not None:
            every.append(bearer(token))
        if self.cookies:
            every.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        if json is not None:
            body = json_.dumps(json).encode()
            every.append(("Content-Type", "application/json"))
        if form is not None:
            body = urlencode(form).encode()
            every.append(("Content-Type", "application/x-www-form-urlencoded"))
        scope = scope_of(method, target, every, address=self.address, scheme=self.url.split(":")[0])
        exchange = Exchange(self.app, scope)
        exchange.start([body] if isinstance(body, bytes) else list(body))
        return exchange

    def get(self, target: str, *headers: tuple[str, str], token: str | None = None) -> Reply:
        """GET."""
        return self.request("GET", target, *headers, token=token)

    def post(
        self,
        target: str,
        *headers: tuple[str, str],
        token: str | None = None,
        json: Any = None,
        form: dict[str, str] | None = None,
    ) -> Reply:
        """POST."""
        return self.request("POST", target, *headers, token=token, json=json, form=form)

    def delete(self, target: str, *headers: tuple[str, str], token: str | None = None) -> Reply:
        """DELETE."""
        return self.request("DELETE", target, *headers, token=token)

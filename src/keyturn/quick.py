"""``GET /verify`` answered where its head was read, when the answer is known: without a task, a router or a second write; and
``HEAD``, by which nginx has to ask, for it breaks off a connection whose answer has a body that it does not want.

What uvicorn and the application do around such a request is nine tenths of its cost. Whatever is out of the ordinary, or
not known, goes their way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from keyturn.heads import BoundedHeads
from keyturn.web.verified import spelled

if TYPE_CHECKING:
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    from keyturn.web.verified import Verified

AT_ONCE: Final = 32
"""Requests of one piece from the socket; further ones let others have their turn."""


class Quick(BoundedHeads):
    """uvicorn's protocol with bounded heads, which gives the answers that are known."""

    verified: Verified | None = None
    proxies: ProxyHeadersMiddleware | None = None
    """Who is believed whom a request comes from; None: nobody."""
    _at_once = 0

    def data_received(self, data: bytes) -> None:
        """Takes what came from the socket."""
        self._at_once = 0
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Its head is there."""
        if self.url == b"/verify" and self.verified is not None and self._is_plain():
            answer = self.verified.answer(self.headers, self._address())
            if answer is not None:
                self.head_came()
                self._done = True
                self._at_once += 1
                self._write(*answer)
                return
        self._unset_keepalive_if_required()  # it runs since the answer to a request of the same piece
        super().on_headers_complete()

    def _write(self, head: bytes, body: bytes) -> None:
        if self.parser.get_method() == b"HEAD":
            body = b""
        keep = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        own = spelled(self.server_state.default_headers)
        end = b"" if keep else b"connection: close\r\n"
        self.transport.write(b"%b%b%b%b\r\n%b" % (STATUS_LINE[200], own, head, end, body))
        if not keep:
            self.transport.close()
        self.on_response_complete()

    def _is_plain(self) -> bool:
        """Whether it can be answered now, in its turn, and like any other."""
        parser = self.parser
        return (
            parser.get_method() in {b"GET", b"HEAD"}
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.serving
            and self._at_once < AT_ONCE
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and self.limit_concurrency is None
            and not self.access_log
        )

    def _address(self) -> str:
        """The client's, as the application is told it."""
        scope: Any = {"type": "http", "client": self.client, "scheme": self.scheme, "headers": self.headers}
        if self.proxies is not None:
            run(self.proxies(scope, nothing, nothing))
        return scope["client"][0] if scope["client"] else ""


def run(work: Any) -> None:
    """Runs what waits for nothing to its end. Raises RuntimeError: it waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("this was not to wait for anything")


async def nothing(*_: Any) -> Any:
    """An application, its ears and its mouth."""

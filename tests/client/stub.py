"""A server that answers what a test tells it to: for misbehaviour that the real one does not show."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON = {"Content-Type": "application/json"}
Reply = tuple[int, dict[str, str], bytes]


class Stub(ThreadingHTTPServer):
    """Answers what ``replies`` says, in that order, the last for good; None breaks the connection off."""

    daemon_threads = True

    def __init__(self, *replies: Reply | None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.replies = list(replies)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections: set[object] = set()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that turns away from a certificate is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.connections.add(self.client_address)
        self.server.seen.append((self.command, self.path, headers, body))
        reply = self.server.replies.pop(0) if len(self.server.replies) > 1 else self.server.replies[0]
        if reply is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, headers, content = reply
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = handle_any  # noqa: N815 - http.server's names


def answer(body: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {**JSON, **named}, json.dumps(body).encode()

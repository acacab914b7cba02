"""A Heroku-compatible server without anything of Keyturn's own: for what our command line does at other hosts."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "HRKU-01234567-89ab-cdef-0123-456789abcdef"
EMAIL = "me@example.org"
ITEM = {
    "id": "one", "description": "a tool", "scope": ["global"], "created_at": "2026-01-01T00:00:00Z", "client": None,
    "updated_at": "2026-01-01T00:00:00Z", "access_token": {"id": "t", "token": "HRKU-0123**********cdef", "expires_in": None},
}  # fmt: skip


class Plain(ThreadingHTTPServer):
    """Knows one token. ``seen``: method and path of every request; ``tokens``: what was presented, in that order."""

    daemon_threads = True

    def __init__(self, *, headers: dict[str, str] | None = None, date: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.headers, self.date = headers or {}, date
        self.seen: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Plain

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.server.date or super().date_time_string(timestamp)

    def _answer(self) -> tuple[int, object]:
        path = self.path.partition("?")[0]
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"id": "unauthorized", "message": "Invalid credentials provided."}
        known: dict[tuple[str, str], object] = {
            ("GET", "/account"): {"email": EMAIL, "id": "a"},
            ("GET", "/oauth/authorizations"): [ITEM],
            ("GET", "/oauth/authorizations/one"): ITEM,
            ("DELETE", "/oauth/authorizations/one"): ITEM,
            ("PATCH", "/oauth/authorizations/one"): ITEM,
            ("POST", "/oauth/authorizations/one/actions/regenerate-tokens"): ITEM,
            ("GET", "/oauth/sessions"): [{"id": "s", "description": "a login"}],
            ("DELETE", "/oauth/sessions/s"): {"id": "s", "description": "a login"},
            ("DELETE", "/oauth/clients/c"): {"id": "c", "name": "c"},
        }
        if (self.command, path) in known:
            return 200, known[self.command, path]
        return 404, {"id": "not_found", "message": "The requested API endpoint was not found."}

    def handle_any(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path))
        self.server.tokens.append((self.headers.get("Authorization") or "").removeprefix("Bearer "))
        status, body = self._answer()
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **self.server.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815 - http.server's names

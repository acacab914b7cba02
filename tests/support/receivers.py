"""The other side of what goes out: a real mail server and a real HTTP receiver, on loopback."""

from __future__ import annotations

import socket
import subprocess
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

if TYPE_CHECKING:
    import ssl
    from pathlib import Path
    from types import TracebackType

    from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Mail:
    """A mail as the mail server took it over."""

    sender: str
    recipients: list[str]
    raw: bytes
    user: str | None
    tls: bool

    @property
    def message(self) -> EmailMessage:
        """It, parsed."""
        parsed = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def text(self) -> str:
        """Its text, decoded."""
        return str(self.message.get_content())


class MailReceiver:
    """A mail server. ``answer`` is given to each mail: set another than 250 to refuse."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, password: str | None = None, implicit: ssl.SSLContext | None = None
    ) -> None:
        self.mails: list[Mail] = []
        self.answer = "250 OK"
        self.came = threading.Event()
        self._password = password
        options: dict[str, Any] = {"enable_SMTPUTF8": True, "auth_require_tls": False}
        if tls is not None:
            options |= {"tls_context": tls, "require_starttls": True}
        if password is not None:
            options |= {
                "authenticator": self._authenticate,
                "auth_required": tls is not None,
                "auth_require_tls": tls is not None,
            }
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ssl_context=implicit, **options)

    def _authenticate(
        self, _server: object, _session: object, _envelope: object, _how: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = self._password is not None and data.password == self._password.encode()
        return AuthResult(success=right, handled=False, auth_data=data.login.decode())

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Takes a mail over, or refuses it."""
        if self.answer.startswith("250"):
            raw = envelope.content
            assert isinstance(raw, bytes)
            user: Any = session.auth_data
            sender = envelope.mail_from or ""
            self.mails.append(Mail(sender, list(envelope.rcpt_tos), raw, user, session.ssl is not None))
            self.came.set()
        return self.answer

    def __enter__(self) -> MailReceiver:
        self._controller.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._controller.stop()


@dataclass(frozen=True)
class Posted:
    """A request as the receiver got it."""

    path: str
    headers: dict[str, str]
    body: bytes


class HttpReceiver:
    """A receiver of webhooks. ``answers`` are statuses to give, one a request; when they are used up it says 204."""

    def __init__(self, *answers: int, tls: ssl.SSLContext | None = None) -> None:
        self.posted: list[Posted] = []
        self.answers = list(answers)
        self.came = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.posted.append(Posted(self.path, headers, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
                receiver.came.set()

            def log_message(self, *_words: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> HttpReceiver:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody but its own file vouches for, and its key."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(made),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def dead_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def at(text: str) -> datetime:
    """A moment, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)

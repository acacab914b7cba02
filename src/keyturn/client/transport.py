"""One connection to one server, over the standard library's http.client: what every request has in common.

- A token goes to the origin it was looked up for, and nowhere else: a redirect is followed on the same origin only.
- Certificates are always verified (SSL_CERT_FILE names a private CA's, as OpenSSL has it).
- HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured; a loopback server is never asked through a proxy.
- A connection that was refused is tried again whatever the request, for nothing was sent; one that broke, for GET
alone.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from urllib.parse import unquote, urljoin, urlsplit

from keyturn import __version__
from keyturn.client.errors import ConnectionFailed, NotLoggedIn, ServerFault, refusal
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, Final, Self

ACCEPT: Final = "application/vnd.heroku+json; version=3"
TIMEOUT: Final = 30.0
"""Seconds without a byte after which the server counts as silent."""
IDLE: Final = 3.0
"""Seconds after which a kept connection is not used again: servers give idle ones up (uvicorn after five), and what is
sent into one of those, once a person has typed an answer, would fail.
"""
_TRIES: Final = 3
_REDIRECTS: Final = 5
_PAGES: Final = 1000
_LARGEST: Final = 16 << 20
_BROKEN: Final = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, http.client.BadStatusLine)


class Response:
    """``headers`` have lower-case names; ``body`` is the decoded JSON, or None when there was none."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: Any) -> None:
        self.status, self.headers, self.body = status, headers, body


class Transport:
    """A kept-alive connection to ``url`` (scheme and authority alone). ``warn`` gets what the server warns of, once
    each.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        client: str = "library",
        environ: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.url = url
        self.token = token
        self._environ = os.environ if environ is None else environ
        self._timeout = timeout
        self._warn = warn
        self._warned: set[str] = set()
        self.tells_expiry = False
        """Whether an answer said when the token ends; such a server also warns of it in time."""
        self.date = ""
        """The Date of the last answer, be it a refusal."""
        self._agent = f"keyturn/{__version__} ({client}; {sys.platform})"
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0
        self._proxy_headers: dict[str, str] = {}
        self._target_prefix = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Ask, and give the answer when it is a success.

        ``authorization`` takes the place of ``Bearer`` and the token; an empty one sends none. ``path`` is on this
        server. Raises ConnectionFailed, NotLoggedIn (a token that cannot be one) and the kinds of ApiError.
        """
        sent = {"Accept": ACCEPT, "User-Agent": self._agent, **(headers or {})}
        if authorization is None and self.token is not None:
            authorization = f"Bearer {checked(self.token)}"
        if authorization:
            sent["Authorization"] = authorization
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        elif method in ("POST", "PUT", "PATCH"):
            payload = b""
        for _ in range(_REDIRECTS):
            status, received, raw = self._exchange(method, path, payload, sent)
            if status not in (301, 302, 303, 307, 308):
                break
            path = self._same_origin(received.get("location", ""), path)
        else:
            raise ConnectionFailed(f"{self.url} redirects without end")
        self._pass_on_warning(received)
        answer = self._decode(status, received, raw)
        if status >= 300:
            raise refusal(status, answer, received)
        return Response(status, received, answer)

    def pages(self, path: str) -> list[Any]:
        """All items of a list, over as many answers as it takes (Range and Next-Range)."""
        items: list[Any] = []
        wanted: dict[str, str] = {}
        for _ in range(_PAGES):
            answer = self.request("GET", path, headers=wanted)
            if not isinstance(answer.body, list):
                raise ServerFault(answer.status, {"message": f"{self.url} did not answer with a list"}, answer.headers)
            items += answer.body
            following = answer.headers.get("next-range")
            if not following or {"Range": following} == wanted:
                return items
            wanted = {"Range": following}
        raise ServerFault(200, {"message": f"{self.url} gives a list without end"}, {})

    # One exchange, tried again where that is safe.

    def _exchange(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        for attempt in range(1, _TRIES + 1):
            sent = False
            try:
                connection = self._open()
                sent = True
                connection.request(method, self._target_prefix + path, payload, {**headers, **self._proxy_headers})
                response = connection.getresponse()
                raw = response.read(_LARGEST + 1)
                received: dict[str, str] = {}
                for name, value in response.getheaders():
                    key = name.lower()
                    received[key] = f"{received[key]}, {value}" if key in received else value
                if len(raw) > _LARGEST:
                    self.close()
                    raise ConnectionFailed(f"{self.url} answers with more than {_LARGEST >> 20} MiB")
                self._used = time.monotonic()
                if response.will_close:
                    self.close()
                return response.status, received, raw
            except (OSError, http.client.HTTPException) as broken:
                self.close()
                again = (
                    isinstance(broken, ConnectionRefusedError)
                    if not sent
                    else isinstance(broken, _BROKEN) and method == "GET"
                )
                if not again or attempt == _TRIES:
                    raise self._explained(broken, sent=sent) from broken
                time.sleep(0.1 * attempt)
        raise AssertionError("the last try returns or raises")

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is not None and time.monotonic() - self._used > IDLE:
            self.close()
        if self._connection is not None:
            return self._connection
        where = urlsplit(self.url)
        host, port = where.hostname or "", where.port or (443 if where.scheme == "https" else 80)
        proxy = proxy_for(where.scheme, host, port, self._environ)
        self._target_prefix, self._proxy_headers = "", {}
        connection: http.client.HTTPConnection
        if where.scheme == "https":
            import ssl

            context = ssl.create_default_context()
            if proxy:
                connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=self._timeout, context=context)
                connection.set_tunnel(host, port, proxy.headers)
            else:
                connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=context)
        elif proxy:
            connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=self._timeout)
            self._target_prefix, self._proxy_headers = self.url, proxy.headers
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        connection.connect()
        self._connection = connection
        return connection

    def _explained(self, broken: Exception, *, sent: bool) -> ConnectionFailed:
        name = self.url.partition("://")[2]
        if type(broken).__name__ == "SSLCertVerificationError":
            why = getattr(broken, "verify_message", "") or "it does not verify"
            return ConnectionFailed(
                f"the certificate of {name} is refused: {why}",
                "if the server has a private certificate authority: export SSL_CERT_FILE=/path/to/ca.pem",
            )
        if isinstance(broken, ConnectionRefusedError):
            return ConnectionFailed(
                f"nothing answers at {self.url}: the connection was refused",
                "is the server running, and this its port?",
            )
        if isinstance(broken, TimeoutError):
            return ConnectionFailed(f"{name} did not answer within {self._timeout:g} seconds", "try again")
        if type(broken).__name__ == "gaierror":
            return ConnectionFailed(
                f"there is no host named {urlsplit(self.url).hostname}", "name the server: --host HOST, or HEROKU_HOST"
            )
        if isinstance(broken, http.client.HTTPException) and not isinstance(broken, _BROKEN):
            return ConnectionFailed(f"{name} does not speak HTTP as expected ({type(broken).__name__})")
        how = "broke" if sent else "failed"
        return ConnectionFailed(
            f"the connection to {name} {how}: {getattr(broken, 'strerror', None) or type(broken).__name__}", "try again"
        )

    def _same_origin(self, location: str, path: str) -> str:
        here = urlsplit(self.url)
        try:
            target = urlsplit(urljoin(self.url + path, location))
        except ValueError:
            raise ConnectionFailed(f"{self.url} redirects to what is no address") from None
        if not location or not location.isprintable():
            raise ConnectionFailed(f"{self.url} redirects to what is no address")
        if (target.scheme, target.netloc.lower()) != (here.scheme, here.netloc):
            elsewhere = f"{target.scheme}://{target.netloc.rpartition('@')[2]}"
            raise ConnectionFailed(
                f"{self.url} redirects to {elsewhere}: not followed, the token is for {here.netloc} alone",
                f"if the server has moved: keyturn login --host {elsewhere}",
            )
        return (target.path or "/") + (f"?{target.query}" if target.query else "")

    def _decode(self, status: int, headers: Mapping[str, str], raw: bytes) -> Any:
        if not raw.strip():
            return None
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media == "application/json" or media.endswith("+json"):
            try:
                return json.loads(raw)
            except ValueError:  # also RecursionError's cousins: bad UTF-8, bad numbers
                media = "broken JSON"
            except RecursionError:
                media = "JSON nested without end"
        if status >= 400:
            return None
        name = self.url.partition("://")[2]
        said = {
            "message": f"{name} answered with {media or 'no content type'} where JSON belongs: is it a Keyturn server?"
        }
        raise ServerFault(status, said, headers)

    def _pass_on_warning(self, headers: Mapping[str, str]) -> None:
        self.date = headers.get("date", "")
        if "keyturn-expires-at" in headers:
            self.tells_expiry = True
        text = headers.get("x-heroku-warning") or headers.get("warning-message")
        if text and self._warn is not None and text not in self._warned:
            self._warned.add(text)
            self._warn(text)


def checked(token: str) -> str:
    """``token``, when some server can have made it. Raises NotLoggedIn with what is wrong; never repeats it."""
    wrong = grammar.misfit(token)
    if wrong is None:
        return token
    raise NotLoggedIn(f"the token cannot be one: {wrong}", "keyturn auth:doctor")


class Proxy:
    """Where to connect instead, and what the proxy itself is to be told."""

    __slots__ = ("headers", "host", "port")

    def __init__(self, url: str) -> None:
        where = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = where.port
        except ValueError:
            port = -1
        if where.scheme != "http" or not where.hostname or port == -1 or not where.hostname.isprintable():
            raise ConnectionFailed(
                "the proxy that the environment names is not of the form http://HOST:PORT",
                "set HTTPS_PROXY or HTTP_PROXY right, or unset it",
            )
        self.host, self.port = where.hostname, port or 80
        self.headers: dict[str, str] = {}
        if where.username is not None:
            self.headers["Proxy-Authorization"] = basic(unquote(where.username), unquote(where.password or ""))


def basic(user: str, password: str) -> str:
    """The value of a Basic header, in UTF-8 (RFC 7617)."""
    import binascii

    return "Basic " + binascii.b2a_base64(f"{user}:{password}".encode(), newline=False).decode()


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for a server, as curl would choose it; none for this machine itself. Raises ConnectionFailed."""
    from keyturn.client.hosts import is_loopback

    lower = f"{scheme}_proxy"
    url = environ.get(lower) or (
        "" if scheme == "http" and "REQUEST_METHOD" in environ else environ.get(lower.upper(), "")
    )
    if not url or is_loopback(host):
        return None
    for entry in (environ.get("no_proxy") or environ.get("NO_PROXY") or "").replace(",", " ").split():
        pattern = entry.lower().removeprefix("*").removeprefix(".")
        if entry == "*" or pattern in (host, f"{host}:{port}") or host.endswith("." + pattern):
            return None
    return Proxy(url)

"""Where an OAuth client may be sent back to: the rules of redirect URIs [RFC 6749 3.1.2, RFC 8252 7.3, RFC 9700 2.1].

https, or plain http to this machine or a private network; compared character by character, but for the port of this
machine's own addresses, which a program takes as it comes.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

LONGEST: Final = 1000

# A name of ASCII letters, digits, dots and dashes, or an address; what is stricter than URLs keeps headers safe too.
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.?", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[!-~]+")  # printable ASCII without the space
_UNSAFE: Final = frozenset("\"'<>\\^`{|}")
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text) for text in ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)  # fmt: skip


def what_is_wrong(uri: str) -> str | None:
    """Why ``uri`` cannot be a client's redirect URI, as the end of a sentence that begins with its name; None: it can."""
    if len(uri) > LONGEST:
        return f"is too long: at most {LONGEST} characters"
    if not _PLAIN.fullmatch(uri) or _UNSAFE.intersection(uri):
        return "must be a URL of plain ASCII without spaces; write other characters percent-encoded"
    parts = _split(uri)
    if parts is None or not parts.hostname or parts.scheme not in ("https", "http"):
        return "must be a whole URL like https://app.example.com/callback"
    if "@" in parts.netloc:
        return "must not have a user name or password in it"
    if "#" in uri:
        return "must not have a fragment (#)"
    if not _is_address(parts.hostname) and not _NAME.fullmatch(parts.hostname):
        return "has no valid host name; write an international one in its ASCII form (xn--...)"
    if parts.scheme == "http" and not is_local(parts.hostname):
        return "must begin with https://; plain http is for localhost, *.local and private addresses alone"
    return None


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts if "%" not in parts.netloc else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """Whether the host is this machine or in a private network."""
    host = host.lower().rstrip(".")
    if host in ("localhost", "local") or host.endswith((".localhost", ".local")):
        return host != "local"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _PRIVATE if network.version == address.version)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine's own name or address [RFC 8252 7.3, 8.3]."""
    return host.lower() in ("localhost", "127.0.0.1", "::1")


def matches(registered: str, asked: str) -> bool:
    """Whether ``asked`` is the ``registered`` URI: the same text, but for the port of a loopback http URI."""
    if registered == asked:
        return True
    parts = urlsplit(registered)
    if parts.scheme != "http" or not is_loopback(parts.hostname or "") or what_is_wrong(asked) is not None:
        return False
    return _without_port(registered) == _without_port(asked)


def _without_port(uri: str) -> str:
    parts = urlsplit(uri)
    host = parts.netloc if parts.port is None else parts.netloc[: -len(str(parts.netloc.rpartition(":")[2])) - 1]
    rest = uri[uri.index("//") + 2 + len(parts.netloc) :]
    return f"{uri[: uri.index('//')]}//{host.removesuffix(':')}{rest}"


def takes_pkce(uri: str) -> bool:
    """Whether a client there must prove itself by PKCE: what reaches it travels in the clear, or over a port that any
    program of the machine can take.
    """
    return urlsplit(uri).scheme == "http"


def with_answer(uri: str, answer: Mapping[str, str | None]) -> str:
    """``uri`` with the parameters of ``answer`` that are not None, added to the query that it has [RFC 6749 3.1.2]."""
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in answer.items() if value is not None)
    return uri + ("&" if urlsplit(uri).query else "" if uri.endswith("?") else "?") + added


def origin(uri: str) -> str:
    """Scheme, host and port, as people read where they are sent."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def csp_source(uri: str) -> str:
    """The source that a Content-Security-Policy names the URI's origin by; it has no form for IPv6 addresses."""
    parts = urlsplit(uri)
    return f"{parts.scheme}:" if "[" in parts.netloc else origin(uri)

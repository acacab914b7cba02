"""Which server is meant, and what it is called: in URLs, in netrc and in messages.

    example.com              https://api.example.com; git at git.example.com; netrc has both machines
    http://localhost:8420    everything on that one origin; netrc has `localhost:8420` and `localhost`
    localhost:8420           the same (a loopback name needs no scheme); other HOST:PORT means https://HOST:PORT

curl and git look a machine up without its port, the Heroku CLI with it (contract: wire.md 5.4): hence two entries.

Every start of the command line imports this, so it imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

DEFAULT: Final = "heroku.com"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_IP6: Final = frozenset("abcdef0123456789:.")


class HostError(ValueError):
    """A host that cannot be meant; the message says what is wrong with it, in lower case."""


class Host:
    """One server. Compare and store by ``text``, its one normal spelling.

    ``machines`` are the netrc entries that a login writes; ``lookups`` those in which the API's token is looked for,
    in order. ``by_default``: whether nobody chose it (``choose``).
    """

    __slots__ = ("api_url", "by_default", "lookups", "loopback", "machines", "name", "port", "scheme", "text")

    def __init__(self, scheme: str, name: str, port: int | None, *, bare: bool) -> None:
        self.scheme = scheme
        self.by_default = False
        self.loopback = is_loopback(name)
        if bare:
            self.text, self.name, self.port = name, "api." + name, 443
            self.machines: tuple[str, ...] = (self.name, "git." + name)
            self.lookups: tuple[str, ...] = (self.name,)
            self.api_url = f"https://{self.name}"
            return
        self.name, self.port = name, port or _DEFAULT_PORTS[scheme]
        shown = f"[{name}]" if ":" in name else name
        authority = shown if self.port == _DEFAULT_PORTS[scheme] else f"{shown}:{self.port}"
        self.text = self.api_url = f"{scheme}://{authority}"
        self.machines = self.lookups = (authority,) if authority == name else (authority, name)

    @property
    def label(self) -> str:
        """How messages name it: without the scheme."""
        return self.text.rpartition("://")[2]

    def login_url(self, environ: Mapping[str, str]) -> str:
        """Where the browser login is asked for: the API itself, but for Heroku's own service, or HEROKU_LOGIN_HOST."""
        named = environ.get("HEROKU_LOGIN_HOST", "").strip()
        if named:
            return parse(named).api_url
        return "https://cli-auth.heroku.com" if self.text == DEFAULT else self.api_url

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Host) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Host({self.text!r})"


def is_loopback(name: str) -> bool:
    """Whether the name can only mean this machine (RFC 6761 6.3, RFC 1122 3.2.1.3)."""
    return (
        name == "localhost"
        or name.endswith(".localhost")
        or name == "::1"
        or (name.startswith("127.") and name.count(".") == 3 and name.replace(".", "").isdigit())
    )


def parse(text: str) -> Host:
    """The host that ``text`` (an option, HEROKU_HOST, a stored line) names. Raises HostError."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise HostError("a host has printable ASCII characters alone, without spaces")
    scheme, separator, rest = text.rpartition("://")
    scheme = scheme.lower()
    if separator and scheme not in _DEFAULT_PORTS:
        raise HostError(f"a host begins with http:// or https://, or is a name alone; not {scheme}://")
    rest = rest.rstrip("/").lower()
    if "@" in rest:
        raise HostError("a host names no user or password")
    if "/" in rest or "?" in rest or "#" in rest:
        raise HostError("a host has no path: give the part before it")
    name, port = _split_port(rest)
    name = name.rstrip(".")
    if not name or not (_IP6 if ":" in name else _NAME).issuperset(name) or ".." in name or name[0] in "-.":
        raise HostError("that is no host name")
    if scheme:
        return Host(scheme, name, port, bare=False)
    if is_loopback(name):
        return Host("http", name, port, bare=False)
    one_origin = port is not None or ":" in name or name.replace(".", "").isdigit()
    return Host("https", name, port, bare=not one_origin)


def _split_port(rest: str) -> tuple[str, int | None]:
    if rest.startswith("["):
        name, bracket, tail = rest[1:].partition("]")
        if not bracket or ":" not in name or (tail and not tail.startswith(":")):
            raise HostError("an IPv6 address is written [ADDRESS] or [ADDRESS]:PORT")
        digits = tail[1:]
    elif rest.count(":") > 1:
        raise HostError("an IPv6 address is written [ADDRESS] or [ADDRESS]:PORT")
    else:
        name, tail, digits = rest.partition(":")
    if not tail:
        return name, None
    if not digits.isdigit() or not 0 < int(digits) < 65536:
        raise HostError("a port is a number from 1 to 65535")
    return name, int(digits)


def choose(flag: str | None, environ: Mapping[str, str], remembered: str | None) -> tuple[Host, str]:
    """The host to talk to, and what named it: ``--host``, ``HEROKU_HOST``, the last ``login --host``, or the default.

    Raises HostError, whose message begins with what named the bad one.
    """
    for text, source in (
        (flag, "--host"),
        (environ.get("HEROKU_HOST", "").strip(), "HEROKU_HOST"),
        (remembered, "the last login --host"),
        (DEFAULT, "the default"),
    ):
        if text or (text is not None and source == "--host"):
            try:
                host = parse(text)
                host.by_default = source == "the default"
                return host, source
            except HostError as wrong:
                raise HostError(f"{source}: {wrong}") from None
    raise AssertionError("the default is a host")

"""How mails and webhooks leave, from the environment alone: a password in an argument could be read by every process."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from keyturn.actions.env import Post
from keyturn.adapters import webhooks
from keyturn.adapters.mail import MailServer, SmtpCourier
from keyturn.adapters.webhooks import Receiver, WebhookCourier

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

SMTP_URL: Final = "KEYTURN_SMTP_URL"
MAIL_FROM: Final = "KEYTURN_MAIL_FROM"
WEBHOOK_URL: Final = "KEYTURN_WEBHOOK_URL"
WEBHOOK_SECRET: Final = "KEYTURN_WEBHOOK_SECRET"  # noqa: S105 - a variable's name


class BadSetting(ValueError):
    """A variable's value cannot be. The message names the variable, and never repeats a value that holds a secret."""


@dataclass(frozen=True, slots=True)
class PostSettings:
    """What was configured; None: nothing."""

    mail: MailServer | None = None
    webhook: Receiver | None = None

    def post(self, public_url: str = "") -> Post:
        """The couriers. ``public_url``: where people reach the server, for mails."""
        return Post(
            mail=SmtpCourier(self.mail) if self.mail else None,
            webhook=WebhookCourier(self.webhook) if self.webhook else None,
            webhook_host=urlsplit(self.webhook.url).hostname or "" if self.webhook else "",
            public_url=public_url,
        )


def read(environ: Mapping[str, str]) -> PostSettings:
    """The four variables. Raises BadSetting."""
    return PostSettings(_mail_server(environ), _receiver(environ))


def _mail_server(environ: Mapping[str, str]) -> MailServer | None:
    url, sender = environ.get(SMTP_URL, ""), environ.get(MAIL_FROM, "")
    if not url:
        return None
    parts = _split(SMTP_URL, url, "smtp://user:password@mail.example.com:587")
    options = parse_qs(parts.query, keep_blank_values=True)
    starttls = options.pop("starttls", ["true"])[-1]
    if (
        parts.scheme not in ("smtp", "smtps")
        or not parts.hostname
        or parts.path not in ("", "/")
        or options
        or starttls not in ("true", "false")
    ):
        raise BadSetting(
            f"{SMTP_URL} is not like smtp://user:password@mail.example.com:587 (TLS by STARTTLS), "
            "smtps://user:password@mail.example.com:465 (TLS from the start) or smtp://localhost:25?starttls=false"
        )
    if not sender:
        raise BadSetting(f"{MAIL_FROM} is missing: say from whom mails come, like Keyturn <keyturn@example.com>")
    tls = "implicit" if parts.scheme == "smtps" else "starttls" if starttls == "true" else "none"
    if tls == "none" and parts.username is not None and not _is_loopback(parts.hostname):
        raise BadSetting(f"{SMTP_URL} would send the password in clear: take starttls=false out, or user and password")
    port = parts.port or {"implicit": 465, "starttls": 587, "none": 25}[tls]
    user = unquote(parts.username) if parts.username is not None else None
    password = unquote(parts.password) if parts.password is not None else None
    return MailServer(parts.hostname, port, _sender(sender), tls, user, password)


def _sender(text: str) -> Address:
    name, spec = parseaddr(text)
    try:
        address = Address(name, addr_spec=spec)
    except (ValueError, HeaderParseError, IndexError):
        address = Address()
    if not address.username or not address.domain or "\n" in text or "\r" in text:
        raise BadSetting(f"{MAIL_FROM} is not like Keyturn <keyturn@example.com>")
    return address


def _receiver(environ: Mapping[str, str]) -> Receiver | None:
    url, words = environ.get(WEBHOOK_URL, ""), environ.get(WEBHOOK_SECRET, "").split()
    if not url:
        return None
    parts = _split(WEBHOOK_URL, url, "https://hooks.example.com/keyturn")
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.fragment or parts.username is not None:
        raise BadSetting(f"{WEBHOOK_URL} is not like https://hooks.example.com/keyturn")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise BadSetting(f"{WEBHOOK_URL} must be https; http is for receivers on this machine alone")
    if _is_link_local(parts.hostname):
        raise BadSetting(f"{WEBHOOK_URL} is a link-local address, where clouds keep their machines' credentials")
    if not words:
        raise BadSetting(f"{WEBHOOK_SECRET} is missing; make one: echo whsec_$(openssl rand -base64 32)")
    try:
        secrets = tuple(webhooks.read_secret(word) for word in words)
    except ValueError as wrong:
        raise BadSetting(f"{WEBHOOK_SECRET}: {wrong}; make one: echo whsec_$(openssl rand -base64 32)") from None
    return Receiver(url, secrets)


def _split(name: str, url: str, like: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadSetting(f"{name} is not like {like}") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise BadSetting(f"{name} has characters that no URL has; write them as %XX")
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False

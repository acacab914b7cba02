"""Mail leaves through the operator's mail server, by SMTP [RFC 5321] with TLS [RFC 3207, RFC 8314]."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from keyturn.actions.env import Undelivered

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.store.interface import Outgoing

TIMEOUT: Final = 20.0
"""Seconds for each answer of the mail server."""

# One address and nothing beside it. The account's own rule (actions/accounts.py) is as strict.
_ADDRESS: Final = re.compile(r"[^@\s\x00-\x1f\x7f:\"\\<>(),;]+@[^@\s\x00-\x1f\x7f:\"\\<>(),;]+")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over. ``tls``: ``starttls``, ``implicit`` or ``none``."""

    host: str
    port: int
    sender: Address
    tls: str = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class SmtpCourier:
    """Takes mails to the mail server, a connection each. Without TLS only where the operator said so."""

    def __init__(self, server: MailServer, *, timeout: float = TIMEOUT, context: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._timeout = timeout
        self._context = context or ssl.create_default_context()

    def send(self, item: Outgoing, now: datetime) -> None:  # noqa: ARG002 - a mail bears the time of its writing
        """Hands the mail over. Raises Undelivered."""
        try:
            message = compose(item, self._server.sender)
        except ValueError as wrong:
            raise Undelivered(f"it cannot be written as a mail: {type(wrong).__name__}") from None
        try:
            with self._connect() as client:
                client.ehlo_or_helo_if_needed()
                if self._server.tls == "starttls":
                    client.starttls(context=self._context)
                    client.ehlo()
                if self._server.user is not None:
                    client.login(self._server.user, self._server.password or "")
                options = [] if message.policy is SMTP else ["SMTPUTF8"]
                client.sendmail(
                    self._server.sender.addr_spec, [item.recipient], message.as_bytes(), mail_options=options
                )
        except (OSError, smtplib.SMTPException, ValueError) as fault:  # an address outside ASCII can be a ValueError
            raise Undelivered(_what_went_wrong(fault)) from None

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.tls == "implicit":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=self._context)
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout)


def compose(item: Outgoing, sender: Address) -> EmailMessage:
    """The message: the same bytes at every attempt. Raises ValueError for a recipient that is no address.

    Nothing in subject, recipient or text can become a header: the e-mail library refuses line ends in headers, and the
    subject has none.
    """
    if not _ADDRESS.fullmatch(item.recipient):
        raise ValueError("the recipient is no e-mail address")
    user, _, domain = item.recipient.rpartition("@")
    recipient = Address(username=user, domain=domain)
    ascii_only = (item.recipient + sender.addr_spec).isascii()
    message = EmailMessage(policy=SMTP if ascii_only else SMTPUTF8)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = " ".join(item.subject.split())
    message["Date"] = format_datetime(item.created_at)
    message["Message-ID"] = f"<{item.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(item.body, charset="utf-8", cte="quoted-printable" if not item.body.isascii() else None)
    return message


def _what_went_wrong(fault: Exception) -> str:
    """The fault in a line, for administrators; with nothing in it that we sent."""
    if isinstance(fault, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(fault.recipients.values()))
        return f"the mail server refused the recipient: {_answer(code, text)}"
    if isinstance(fault, smtplib.SMTPAuthenticationError):
        return f"the mail server refused user and password ({fault.smtp_code})"
    if isinstance(fault, smtplib.SMTPResponseException):
        return f"the mail server answered {_answer(fault.smtp_code, fault.smtp_error)}"
    if isinstance(fault, smtplib.SMTPNotSupportedError):
        return "the mail server lacks what is needed: STARTTLS, the login, or addresses outside ASCII"
    if isinstance(fault, smtplib.SMTPServerDisconnected):
        return "the mail server closed the connection"
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"the mail server's certificate does not verify: {fault.verify_message}"
    if isinstance(fault, TimeoutError):
        return "the mail server did not answer in time"
    if isinstance(fault, OSError):
        return f"the mail server cannot be reached: {fault.strerror or type(fault).__name__}"
    return f"it could not be handed over: {type(fault).__name__}"


def _answer(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(''.join(c if c.isprintable() else ' ' for c in said).split())}"[:200]

"""What is kept beside the nouns of core/credential.py: what is under way, what is to be sent, and what was done. Everybody has
them from interface.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class CliLogin:
    """A command line's login under way in a browser. ``state``: pending, approved, denied or collected."""

    id: str
    browser_digest: bytes
    cli_digest: bytes
    description: str
    address: str
    agent: str
    asked_life: int | None
    """Seconds, or None for the policy's default."""
    created_at: datetime
    expires_at: datetime
    state: str = "pending"
    account_id: str | None = None
    account_version: int | None = None
    """The account's credential version at the approval."""
    proven_at: datetime | None = None
    """When whoever approved it had last proven who they are."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Straight sign-in failures under one key (an account, an address, or the pair)."""

    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what, by which credential, from where, and how it came out. No secret ever is in one."""

    at: datetime
    action: str
    outcome: str
    account_id: str | None = None
    """The account that it is about."""
    actor_id: str | None = None
    grant_id: str | None = None
    """The credential that acted."""
    address: str = ""
    agent: str = ""
    request_id: str = ""
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    id: int | None = field(default=None, compare=False)
    """Its place in the trail; given by the store."""


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """Which events to show, newest first; what is None or empty does not count."""

    account_id: str | None = None
    """About this account, or done by it."""
    about: str | None = None
    """About this account, whoever did it."""
    hidden_from: str | None = None
    """The account for which address, agent and credential are hidden where another one acted: there ``grant_id``,
    ``address`` and ``text`` find nothing in them.
    """
    actor_id: str | None = None
    action: str = ""
    """The action itself, or with a trailing ``.`` all that begin so."""
    actions: tuple[str, ...] = ()
    """Any of these, each read as ``action`` is."""
    outcome: str = ""
    grant_id: str | None = None
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    """Anywhere in action, address, agent, reason or details."""
    before: int | None = None
    """Only events with a smaller id: the next page."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a list in the order of its ids: from ``start`` (with it, unless ``after``) to ``end``, ``most`` at most."""

    start: str = ""
    after: bool = False
    end: str = ""
    most: int = 200
    descending: bool = False


NOWHERE: Final = "nowhere"
"""The channel of what is written in place of a mail that there is nobody to send to, so that this takes as long. Nobody is
shown it, and it is removed at its turn.
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail, webhook or event on its way out. ``channel``: mail, webhook, command or NOWHERE; ``next_at``: when to try
    (again), None: never more.
    """

    id: str
    channel: str
    recipient: str
    subject: str
    body: str
    """A mail's text, or a webhook's JSON."""
    created_at: datetime
    attempts: int = 0
    next_at: datetime | None = None
    sent_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code of the authorization-code grant [RFC 6749 4.1]. ``grant_id``: what it was exchanged for."""

    id: str
    client_id: str
    account_id: str
    account_version: int
    scopes: str
    redirect_uri: str
    code_challenge: str | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    grant_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """A password reset under way: a credential too, good once and for a short time."""

    account_id: str
    account_version: int
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecondStep:
    """A sign-in whose password was right and whose second factor is awaited."""

    account_id: str
    account_version: int
    next_path: str
    tries: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a passkey is asked to sign, once. ``bound_to``: the browser or session that it was made for."""

    purpose: str
    bound_to: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that makes an account: sent by an administrator or an operator (``invited_by`` None), or asked for."""

    id: str
    email: str
    name: str | None
    admin: bool
    invited_by: str | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    asked: bool = False
    """By whoever signs up, so it is good only while the policy lets them."""


@dataclass(frozen=True, slots=True)
class EmailLink:
    """A link that proves that the account's owner reads the mail of ``email``."""

    account_id: str
    email: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None

"""What Keyturn remembers, on one page. One implementation serves every database (store/sql.py).

``find_token`` and ``find_account`` are the hot path: one indexed look-up each, called inline from the event loop's
thread. Everything else happens inside a transaction: ``reading`` sees one consistent state, ``writing`` is
serialized, commits when its block ends and rolls back when it raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from keyturn.core.credential import Account, Found, Grant, OAuthClient, SshKey, Token, Use


class Unavailable(Exception):
    """The database cannot serve now: locked for too long, disk full, unreachable. Nothing was changed; trying again
    is right.
    """


class Taken(Exception):
    """Another row has that e-mail or that SSH key already."""


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


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail or webhook on its way out. ``channel``: mail or webhook; ``next_at``: when to try (again), None: never more."""

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


class Tx(Protocol):
    """One transaction."""

    # accounts; an e-mail is compared without regard to case
    def count_accounts(self) -> int: ...
    def accounts(self) -> list[Account]: ...
    def account(self, account_id: str, *, lock: bool = False) -> Account | None: ...
    def account_by_email(self, email: str) -> Account | None: ...
    def password_hash(self, account_id: str) -> str | None: ...
    def add_account(self, account: Account, password_hash: str | None) -> None: ...
    def change_account(self, account_id: str, **changes: object) -> None: ...

    # grants and tokens
    def grants(self, account_id: str, *, alive_at: datetime | None = None) -> list[Grant]: ...
    def grants_expiring(self, after: datetime, before: datetime) -> list[Grant]: ...
    def forget_grants(self, before: datetime) -> int: ...
    def grant(self, grant_id: str) -> Grant | None: ...
    def add_grant(self, grant: Grant) -> None: ...
    def change_grant(self, grant_id: str, **changes: object) -> None: ...
    def tokens(self, grant_ids: Sequence[str]) -> dict[str, Token]: ...
    def add_token(self, token: Token, digest: bytes) -> None: ...
    def tokens_of(self, grant_id: str) -> list[Token]: ...
    def overlapping_tokens(self) -> list[Token]: ...
    def change_token(self, token_id: str, grant_id: str, **changes: object) -> None: ...
    def end_tokens(self, grant_id: str, at: datetime, reason: str, *, role: str | None = None) -> None: ...
    def find_token(self, digest: bytes) -> Found | None: ...

    # who uses which token
    def add_uses(self, uses: Sequence[Use], keep: int) -> None: ...
    def uses(self, token_ids: Sequence[str]) -> dict[str, list[Use]]: ...

    # OAuth clients, their codes
    def clients(self, account_id: str) -> list[OAuthClient]: ...
    def client(self, client_id: str) -> OAuthClient | None: ...
    def client_secret(self, client_id: str) -> bytes | None: ...
    def add_client(self, client: OAuthClient, secret_digest: bytes) -> None: ...
    def change_client(self, client_id: str, **changes: object) -> None: ...
    def grants_of_client(self, client_id: str) -> list[Grant]: ...
    def add_code(self, code: Code, digest: bytes) -> None: ...
    def code(self, digest: bytes) -> Code | None: ...
    def change_code(self, digest: bytes, **changes: object) -> None: ...

    # password resets
    def add_reset(self, reset: Reset, digest: bytes) -> None: ...
    def reset(self, digest: bytes) -> Reset | None: ...
    def use_resets(self, account_id: str, at: datetime) -> None: ...

    # notices, and what goes out
    def noticed(self, grant_ids: Sequence[str]) -> set[tuple[str, str]]: ...
    def add_notice(self, grant_id: str, threshold: str, at: datetime) -> None: ...
    def add_outgoing(self, item: Outgoing) -> None: ...
    def due_outgoing(self, now: datetime, limit: int = 20) -> list[Outgoing]: ...
    def change_outgoing(self, item_id: str, **changes: object) -> None: ...
    def outgoing(self, limit: int = 100) -> list[Outgoing]: ...

    # SSH keys
    def keys(self, account_id: str) -> list[SshKey]: ...
    def add_key(self, key: SshKey) -> None: ...
    def remove_key(self, key_id: str) -> None: ...

    # logins under way, one-time links
    def add_cli_login(self, login: CliLogin) -> None: ...
    def cli_login(self, login_id: str) -> CliLogin | None: ...
    def cli_login_by_browser(self, digest: bytes) -> CliLogin | None: ...
    def change_cli_login(self, login_id: str, **changes: object) -> None: ...
    def forget_cli_logins(self, before: datetime) -> None: ...
    def set_setup_link(self, digest: bytes | None, expires_at: datetime | None) -> None: ...
    def setup_link(self) -> tuple[bytes, datetime] | None: ...

    # throttling of sign-in
    def failures(self, keys: Sequence[str]) -> dict[str, Failures]: ...
    def add_failure(self, key: str, at: datetime) -> None: ...
    def clear_failures(self, keys: Sequence[str]) -> None: ...
    def forget_failures(self, before: datetime) -> None: ...
    def knows_place(self, account_id: str, place: str) -> bool: ...
    def add_place(self, account_id: str, place: str, at: datetime) -> None: ...

    # the audit trail
    def audit(self, event: AuditEvent) -> None: ...
    def audit_events(self, account_id: str | None = None, *, limit: int = 100) -> list[AuditEvent]: ...


class Store(Protocol):
    """The database."""

    def find_token(self, digest: bytes) -> Found | None: ...
    def find_account(self, account_id: str) -> Account | None: ...
    def reading(self) -> AbstractContextManager[Tx]: ...
    def writing(self) -> AbstractContextManager[Tx]: ...
    def close(self) -> None: ...

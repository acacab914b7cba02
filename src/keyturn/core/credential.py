"""The nouns: accounts, grants and tokens, as frozen values. Times are aware UTC datetimes.

A *grant* is the right that somebody gave (a login, an authorization, the API key, a browser session); a *token* is a
secret that exercises it. Rotating an authorization replaces its token and keeps its grant. Ending is a stamp with a
reason, never a removal, so that the dead stay explainable.

Found and Principal are named tuples and not data classes: they are made on every request, at a fifth of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.core.policy import Kind


@dataclass(frozen=True, slots=True)
class Account:
    """Who can sign in."""

    id: str
    email: str
    name: str | None
    admin: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None = None
    suspended_at: datetime | None = None
    allow_tracking: bool = True
    beta: bool = False
    federated: bool = False
    credential_version: int = 1
    """Counts password changes: a mint begun under an older one must not finish."""
    verified_at: datetime | None = None
    """When its owner proved to read the mail of the address; None: not yet, or the address changed since."""
    mfa_since: datetime | None = None
    """Since when signing in takes a second factor; None: it does not."""
    closed_at: datetime | None = None
    """Closed by its owner: nobody can sign in any more."""
    admin_since: datetime | None = None
    """When it was made an administrator's; None: it is none, or was one from its beginning."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A right given by an account to whoever holds one of its tokens."""

    id: str
    account_id: str
    kind: Kind
    scopes: tuple[str, ...]
    description: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    ended_reason: str | None = None
    ended_by: str | None = None
    """The account that ended it; None: nobody did, it expired."""
    address: str = ""
    """Where it was made from."""
    agent: str = ""
    client_id: str | None = None
    """The OAuth client that it was made for."""
    proven_at: datetime | None = None
    """When the person behind a login or browser session last proved who they are."""

    def death(self, now: datetime) -> tuple[str, datetime] | None:
        """Of what it died and when, as of ``now``; None while it lives."""
        if self.ended_at is not None:
            return self.ended_reason or "revoked_by_owner", self.ended_at
        if self.expires_at is not None and self.expires_at <= now:
            return "expired", self.expires_at
        return None

    def ended_by_then(self, now: datetime) -> bool:
        """Whether it is over at ``now``, stamped or expired."""
        return self.ended_at is not None or (self.expires_at is not None and self.expires_at <= now)


@dataclass(frozen=True, slots=True)
class Token:
    """A secret of a grant, without the secret: what was kept of it."""

    id: str
    grant_id: str
    mask: str
    created_at: datetime
    ended_at: datetime | None = None
    ended_reason: str | None = None
    role: str = "access"
    """``access`` or ``refresh``."""
    expires_at: datetime | None = None
    """Its own end, before its grant's: a rotated token's overlap, an OAuth access token's hours."""
    idle_limit: int | None = None
    """Seconds unused after which a rotated token ends before its overlap does."""


@dataclass(frozen=True, slots=True)
class Use:
    """That a token was used from an address by an agent: first, last, how often."""

    token_id: str
    address: str
    agent: str
    first_at: datetime
    last_at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A third party's program that accounts can authorize."""

    id: str
    account_id: str
    name: str
    redirect_uri: str
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    ended_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor of an account: a generator of one-time codes, or a passkey."""

    id: str
    account_id: str
    kind: str
    """``totp`` or ``passkey``."""
    name: str
    created_at: datetime
    confirmed_at: datetime | None = None
    """None: it is being set up and proves nothing yet."""
    last_used_at: datetime | None = None
    seed: bytes | None = None
    """Of one-time codes, sealed (adapters/sealing.py)."""
    last_step: int | None = None
    """The time step of the code that was used last: no code of it or before it is taken again."""
    credential_id: bytes | None = None
    public_key: bytes | None = None
    """A passkey's, in COSE form [RFC 9052]."""
    sign_count: int | None = None
    transports: str | None = None
    """A passkey's, separated by spaces: how the browser may reach it."""
    aaguid: str | None = None
    """Which model of authenticator it is."""
    backed_up: bool | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A browser that is remembered: it is asked for the password alone."""

    id: str
    account_id: str
    account_version: int
    address: str
    agent: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class App:
    """What is pushed to: a name, an owner, and a repository, which goes by the id."""

    id: str
    name: str
    owner_id: str
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None = None
    """When it was last pushed to."""
    repo_size: int | None = None
    """Bytes, as of the last push."""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Collaborator:
    """That an account may do something with somebody else's app."""

    id: str
    app_id: str
    account_id: str
    permissions: tuple[str, ...]
    """Of core.apps.PERMISSIONS."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Transfer:
    """An app on its way to another owner. ``state``: pending, accepted or declined."""

    id: str
    app_id: str
    owner_id: str
    recipient_id: str
    state: str
    created_at: datetime
    updated_at: datetime


class Found(NamedTuple):
    """What the one indexed look-up by digest answers: a token with its grant and the facts of its account."""

    token_id: str
    token_ended_at: datetime | None
    token_ended_reason: str | None
    grant_id: str
    kind: str
    scopes: str
    description: str
    expires_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    account_id: str
    email: str
    suspended_at: datetime | None
    created_at: datetime
    token_expires_at: datetime | None
    """Of a token whose grant outlives it: rotated and in its overlap, or an OAuth access token."""
    token_idle_limit: int | None
    role: str


class Principal(NamedTuple):
    """Who acts, by which credential: the answer to a genuine and living token. It says nothing of administrators: their
    rights are no token's (docs/decisions/0021).
    """

    account_id: str
    email: str
    grant_id: str
    token_id: str
    kind: str
    scopes: tuple[str, ...]
    description: str
    expires_at: datetime | None
    created_at: datetime
    rotated: bool = False
    """It was rotated and is in its overlap: a newer token is there already."""
    read_only: bool = False
    """It is in the last stretch before its expiry, in which its kind may only read (soft expiry)."""


@dataclass(frozen=True, slots=True)
class Deny:
    """A refusal, as a value. ``reason`` is an id of core.reasons; the rest is what its sentence may tell this
    presenter.
    """

    reason: str
    message: str
    next: str | None = None
    ended_at: datetime | None = None
    credential: tuple[str, str, str] | None = None
    """Id, kind and description of the dead credential; only for the presenter of the genuine secret."""
    needed: tuple[str, ...] = ()
    """The scopes of which one was needed."""


@dataclass(frozen=True, slots=True)
class SshKey:
    """A public key that authenticates git over SSH."""

    id: str
    account_id: str
    email: str
    type: str
    public_key: str
    """Type, base64 and comment on one line, as in authorized_keys."""
    fingerprint: str
    """MD5 in colon hex, as Heroku's API gives it."""
    sha256: str
    """``SHA256:`` and unpadded base64, as OpenSSH prints it."""
    comment: str
    created_at: datetime
    expires_at: datetime | None = None
    """Of its grant, which has the key's id: the key lives and dies by the same rules as a token."""

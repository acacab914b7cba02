"""What the API's answers are, as frozen values. Unknown fields are ignored; times are aware, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """Who the token speaks for."""

    id: str
    email: str
    name: str | None
    created_at: datetime | None
    updated_at: datetime | None
    last_login: datetime | None
    suspended_at: datetime | None
    verified: bool
    two_factor_authentication: bool
    allow_tracking: bool
    beta: bool


@dataclass(frozen=True, slots=True)
class AccessToken:
    """``token`` is whole where it was just made, or is the one that asks; else masked. ``expires_in``: seconds; None:
    never.
    """

    id: str
    token: str = field(repr=False)
    expires_in: int | None


@dataclass(frozen=True, slots=True)
class Use:
    """One of the last users of a token: from where, by what, how often."""

    address: str
    agent: str
    first_at: datetime | None
    last_at: datetime | None
    count: int


@dataclass(frozen=True, slots=True)
class Authorization:
    """A login, the API key, or a token made for something. ``life`` says in words when and of what it will die.

    ``uses``: its last few users, the latest first. ``ended_at``, ``reason`` and ``ended_by`` are the dead's.
    """

    id: str
    description: str
    scope: tuple[str, ...]
    kind: str
    access_token: AccessToken | None
    created_at: datetime | None
    updated_at: datetime | None
    expires_at: datetime | None
    current: bool
    life: str
    email: str
    last_used_at: datetime | None = None
    uses: tuple[Use, ...] = ()
    ended_at: datetime | None = None
    reason: str | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A login of a command line, or of a browser. ``current``: the one that asks."""

    id: str
    description: str
    kind: str
    created_at: datetime | None
    expires_at: datetime | None
    current: bool
    address: str | None
    agent: str | None
    life: str
    last_used_at: datetime | None = None
    uses: tuple[Use, ...] = ()
    ended_at: datetime | None = None
    reason: str | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What an event would do to one credential: end it for ``reason`` (docs/reasons.md); ``replaced``: a new one is made."""

    credential: Authorization | Session
    reason: str
    replaced: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What an event would end, and what would live on. Nothing has happened."""

    event: str
    ends: tuple[Ending, ...]
    lives: tuple[Authorization | Session, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a token works or does not. ``allowed``: whether the request that was asked about would be; ``status``: HTTP's.

    ``next`` is the command that mends a refusal; ``scope`` those of which it takes one; ``note`` what the verdict hangs
    on besides.
    """

    alive: bool
    allowed: bool
    status: int
    message: str
    reason: str | None
    next: str | None
    scope: tuple[str, ...]
    credential: Authorization | Session | None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor. ``kind``: ``totp`` (an authenticator app) or ``passkey``."""

    id: str
    kind: str
    name: str
    created_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TwoFactorStatus:
    """Whether two-factor authentication is on, since when, and by what; ``required``: the server's policy asks for it.

    ``recovery_codes_left`` and ``remembered_browsers`` are counts.
    """

    enabled: bool
    since: datetime | None
    required: bool
    factors: tuple[Factor, ...]
    recovery_codes_left: int
    remembered_browsers: int


@dataclass(frozen=True, slots=True)
class AppSetUp:
    """An authenticator app that is being set up: ``key`` (base32) or ``uri`` (for a QR code; ``qr``: one of text blocks)
    go into the app.
    """

    id: str
    name: str
    key: str = field(repr=False)
    uri: str = field(repr=False)
    qr: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """An SSH public key."""

    id: str
    comment: str
    fingerprint: str
    public_key: str
    email: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``remaining``: requests left to the account in this window."""

    remaining: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What GET /verify says of a token: whose, which, with which scopes, until when (None: never)."""

    account_id: str
    email: str
    scope: tuple[str, ...]
    credential_id: str
    kind: str
    expires_at: datetime | None


def account(body: Json) -> Account:
    """An answer of ``/account``."""
    return Account(
        id=_text(body, "id"),
        email=_text(body, "email"),
        name=_optional(body, "name"),
        created_at=moment(body.get("created_at")),
        updated_at=moment(body.get("updated_at")),
        last_login=moment(body.get("last_login")),
        suspended_at=moment(body.get("suspended_at")),
        verified=body.get("verified") is True,
        two_factor_authentication=body.get("two_factor_authentication") is True,
        allow_tracking=body.get("allow_tracking") is True,
        beta=body.get("beta") is True,
    )


def authorization(body: Json) -> Authorization:
    """An item of ``/oauth/authorizations``."""
    access = body.get("access_token")
    return Authorization(
        id=_text(body, "id"),
        description=_text(body, "description"),
        scope=tuple(str(name) for name in body.get("scope") or ()),
        kind=_text(body, "kind"),
        access_token=_access_token(access) if isinstance(access, Mapping) else None,
        created_at=moment(body.get("created_at")),
        updated_at=moment(body.get("updated_at")),
        expires_at=moment(body.get("expires_at")),
        current=body.get("current") is True,
        life=_text(body, "life"),
        email=_text(body.get("user") or {}, "email"),
        last_used_at=moment(body.get("last_used_at")),
        uses=_uses(body),
        ended_at=moment(body.get("ended_at")),
        reason=_optional(body, "reason"),
        ended_by=_optional(body, "ended_by"),
    )


def _uses(body: Json) -> tuple[Use, ...]:
    return tuple(
        Use(
            address=_text(item, "address"),
            agent=_text(item, "agent"),
            first_at=moment(item.get("first_at")),
            last_at=moment(item.get("last_at")),
            count=count if isinstance(count := item.get("count"), int) else 0,
        )
        for item in body.get("uses") or ()
        if isinstance(item, Mapping)
    )


def _access_token(body: Json) -> AccessToken:
    left = body.get("expires_in")
    return AccessToken(_text(body, "id"), _text(body, "token"), left if isinstance(left, int) else None)


def session(body: Json) -> Session:
    """An item of ``/oauth/sessions``."""
    return Session(
        id=_text(body, "id"),
        description=_text(body, "description"),
        kind=_text(body, "kind"),
        created_at=moment(body.get("created_at")),
        expires_at=moment(body.get("expires_at")),
        current=body.get("current") is True,
        address=_optional(body, "address"),
        agent=_optional(body, "agent"),
        life=_text(body, "life"),
        last_used_at=moment(body.get("last_used_at")),
        uses=_uses(body),
        ended_at=moment(body.get("ended_at")),
        reason=_optional(body, "reason"),
        ended_by=_optional(body, "ended_by"),
    )


def credential(body: Json) -> Authorization | Session:
    """An authorization, or a browser session, which has no token to show."""
    return authorization(body) if "access_token" in body else session(body)


def preview(body: Json) -> Preview:
    """An answer of ``/account/preview``."""
    return Preview(
        event=_text(body, "event"),
        ends=tuple(
            Ending(credential(item), _text(item, "ends_because"), item.get("replaced") is True)
            for item in _objects(body.get("ends"))
        ),
        lives=tuple(credential(item) for item in _objects(body.get("lives"))),
    )


def why(body: Json) -> Why:
    """An answer of ``/credentials/why``."""
    found, status = body.get("credential"), body.get("status")
    return Why(
        alive=body.get("alive") is True,
        allowed=body.get("verdict") == "allowed",
        status=status if isinstance(status, int) else 0,
        message=_text(body, "message"),
        reason=_optional(body, "reason"),
        next=_optional(body, "next"),
        scope=tuple(str(name) for name in body.get("scope") or ()),
        credential=credential(found) if isinstance(found, Mapping) else None,
        note=_optional(body, "note"),
    )


def two_factor(body: Json) -> TwoFactorStatus:
    """An answer of ``/account/two-factor``."""
    return TwoFactorStatus(
        enabled=body.get("enabled") is True,
        since=moment(body.get("since")),
        required=body.get("required") is True,
        factors=tuple(factor(item) for item in _objects(body.get("factors"))),
        recovery_codes_left=_number(body, "recovery_codes_left"),
        remembered_browsers=_number(body, "remembered_browsers"),
    )


def factor(body: Json) -> Factor:
    """One of its factors."""
    return Factor(
        id=_text(body, "id"),
        kind=_text(body, "kind"),
        name=_text(body, "name"),
        created_at=moment(body.get("created_at")),
        last_used_at=moment(body.get("last_used_at")),
    )


def app_set_up(body: Json) -> AppSetUp:
    """An answer of ``/account/two-factor/app``."""
    return AppSetUp(*(_text(body, name) for name in ("id", "name", "key", "uri", "qr")))


def codes(body: Json) -> tuple[str, ...]:
    """The recovery codes in an answer."""
    found = body.get("recovery_codes")
    return tuple(str(code) for code in found) if isinstance(found, list) else ()


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def key(body: Json) -> Key:
    """An item of ``/account/keys``."""
    return Key(
        id=_text(body, "id"),
        comment=_text(body, "comment"),
        fingerprint=_text(body, "fingerprint"),
        public_key=_text(body, "public_key"),
        email=_text(body, "email"),
        created_at=moment(body.get("created_at")),
    )


def moment(value: object) -> datetime | None:
    """An ISO 8601 time; None for null and for what is no time."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _number(body: Json, name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) else 0


def _optional(body: Json, name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None

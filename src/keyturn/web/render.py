"""Makes Platform API JSON (contract: schema v6, and what clients read of it) out of what actions return."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from keyturn.core import lifecycle
from keyturn.web.answer import iso

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account, Principal, SshKey


def account(found: Account) -> dict[str, Any]:
    """The account, with every field that the schema requires."""
    return {
        "allow_tracking": found.allow_tracking,
        "beta": found.beta,
        "country_of_residence": None,
        "created_at": iso(found.created_at),
        "default_organization": None,
        "default_team": None,
        "delinquent_at": None,
        "email": found.email,
        "federated": found.federated,
        "id": found.id,
        "identity_provider": None,
        "last_login": iso(found.last_login_at),
        "name": found.name,
        "sms_number": None,
        "suspended_at": iso(found.suspended_at),
        "two_factor_authentication": False,
        "updated_at": iso(found.updated_at),
        "verified": False,
    }


def seconds_left(expires_at: datetime | None, now: datetime) -> int | None:
    """Whole seconds until then, rounded up, never negative; None: never."""
    return None if expires_at is None else max(0, -((now - expires_at) // timedelta(seconds=1)))


class Render:
    """Renders for one asker: the credential that asks is marked, and shown whole, for it is what the asker just sent.

    That is what lets the Heroku CLI's ``auth:token`` find its own token in the list and warn of its expiry.
    """

    def __init__(
        self, now: datetime, owner: Account, principal: Principal | None = None, presented: str | None = None
    ) -> None:
        self._now, self._owner, self._principal, self._presented = now, owner, principal, presented

    def _token(self, found: Credential) -> str:
        if found.secret is not None:
            return found.secret
        if self._principal and self._presented and found.token.id == self._principal.token_id:
            return self._presented
        return found.token.mask

    def _common(self, found: Credential) -> dict[str, Any]:
        grant = found.grant
        return {
            "created_at": iso(grant.created_at),
            "current": self._principal is not None and grant.id == self._principal.grant_id,
            "description": grant.description,
            "expires_at": iso(grant.expires_at),
            "id": grant.id,
            "kind": grant.kind.value,
            "life": lifecycle.told_at_birth(grant.kind, grant.expires_at, self._now),
            "updated_at": iso(grant.updated_at),
        }

    def authorization(self, found: Credential) -> dict[str, Any]:
        """An authorization; its token is whole only where it was just made or is the asker's own."""
        return self._common(found) | {
            "access_token": {
                "expires_in": seconds_left(found.grant.expires_at, self._now),
                "id": found.token.id,
                "token": self._token(found),
            },
            "client": None,
            "grant": None,
            "refresh_token": None,
            "scope": list(found.grant.scopes),
            "session": {"id": found.grant.id} if found.grant.kind.value == "login" else None,
            "user": {"email": self._owner.email, "full_name": self._owner.name, "id": self._owner.id},
        }

    def session(self, found: Credential) -> dict[str, Any]:
        """A login or browser session, without any token."""
        return self._common(found) | {
            "address": found.grant.address,
            "agent": found.grant.agent,
            "expires_in": seconds_left(found.grant.expires_at, self._now),
        }


def key(found: SshKey) -> dict[str, Any]:
    """An SSH key."""
    return {
        "comment": found.comment,
        "created_at": iso(found.created_at),
        "email": found.email,
        "fingerprint": found.fingerprint,
        "id": found.id,
        "public_key": found.public_key,
        "sha256": found.sha256,
        "updated_at": iso(found.created_at),
    }

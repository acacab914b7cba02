"""Makes Platform API JSON (contract: schema v6, and what clients read of it) out of what actions return."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from keyturn.core import decide, lifecycle, token
from keyturn.core.policy import Kind
from keyturn.web.answer import iso

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Env
    from keyturn.actions.grants import Credential
    from keyturn.actions.keys import Held
    from keyturn.actions.preview import Preview
    from keyturn.core.credential import Account, OAuthClient, Principal, Use
    from keyturn.core.lifecycle import Ending
    from keyturn.core.policy import Policy


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
        "two_factor_authentication": found.mfa_since is not None,
        "updated_at": iso(found.updated_at),
        "verified": found.verified_at is not None,
    }


def seconds_left(expires_at: datetime | None, now: datetime) -> int | None:
    """Whole seconds until then, rounded up, never negative; None: never."""
    return None if expires_at is None else max(0, -((now - expires_at) // timedelta(seconds=1)))


class Render:
    """Renders for one asker: the credential that asks is marked, and shown whole, for it is what the asker just sent.

    That is what lets the Heroku CLI's ``auth:token`` find its own token in the list and warn of its expiry.
    """

    def __init__(
        self,
        env: Env,
        owner: Account,
        principal: Principal | None = None,
        presented: str | None = None,
    ) -> None:
        self._now, self._rules = env.clock(), env.policy
        self._owner, self._principal, self._presented = owner, principal, presented

    def _token(self, found: Credential) -> str:
        if found.secret is not None:
            return found.secret
        if self._principal and self._presented and found.token.id == self._principal.token_id:
            return self._presented
        return found.token.mask

    def _common(self, found: Credential) -> dict[str, Any]:
        grant = found.grant
        death = grant.death(self._now)
        life = (
            decide.death_sentence(grant.kind, grant.description, *death)
            if death
            else lifecycle.told_at_birth(
                grant.kind, grant.expires_at, self._now, self._rules, created_at=grant.created_at
            )
        )
        last = max((use.last_at for use in (*found.uses, *found.overlap_uses)), default=None)
        ended = {"ended_at": iso(death[1]), "ended_by": found.ended_by, "reason": death[0]} if death else {}
        return ended | {
            "created_at": iso(grant.created_at),
            "current": self._principal is not None and grant.id == self._principal.grant_id,
            "description": grant.description,
            "expires_at": iso(grant.expires_at),
            "id": grant.id,
            "kind": grant.kind.value,
            "last_used_at": iso(last),
            "life": life,
            "updated_at": iso(grant.updated_at),
            "uses": [_use(use) for use in found.uses],
        }

    def authorization(self, found: Credential) -> dict[str, Any]:
        """An authorization; its token is whole only where it was just made or is the asker's own."""
        return self._common(found) | {
            "access_token": {
                "expires_in": seconds_left(found.token.expires_at or found.grant.expires_at, self._now),
                "id": found.token.id,
                "token": self._token(found),
            },
            "client": _client(found.client) if found.client else None,
            "overlap": self._overlap(found),
            # the code was used when the client made this of it
            "grant": {"code": token.MASK, "expires_in": 0, "id": found.grant.id} if found.client else None,
            "refresh_token": self._refresh_token(found),
            "scope": list(found.grant.scopes),
            "session": {"id": found.grant.id} if found.grant.kind.value == "login" else None,
            "user": {"email": self._owner.email, "full_name": self._owner.name, "id": self._owner.id},
        }

    def _refresh_token(self, found: Credential) -> dict[str, Any] | None:
        kept = found.refresh
        if kept is None:
            return None
        left = seconds_left(kept.expires_at, self._now)
        return {"expires_in": left, "id": kept.id, "token": found.refresh_secret or kept.mask}

    def _overlap(self, found: Credential) -> dict[str, Any] | None:
        old = found.overlap
        if old is None or (old.expires_at is not None and old.expires_at <= self._now):
            return None
        return {
            "ends_at": iso(old.expires_at),
            "idle": old.idle_limit,
            "token": old.mask,
            "uses": [_use(use) for use in found.overlap_uses],
        }

    def credential(self, found: Credential) -> dict[str, Any]:
        """An authorization or a session, as the lists have it."""
        return self.session(found) if found.grant.kind is Kind.WEB else self.authorization(found)

    def preview(self, found: Preview) -> dict[str, Any]:
        """What an event would end."""
        return {
            "dry_run": True,
            "event": found.event.value,
            "ends": [
                self.credential(credential) | {"ends_because": ending.reason, "replaced": ending.replaced}
                for ending, credential in found.ends
            ],
            "lives": [self.credential(credential) for credential in found.lives],
        }

    def session(self, found: Credential) -> dict[str, Any]:
        """A login or browser session, without any token."""
        return self._common(found) | {
            "address": found.grant.address,
            "agent": found.grant.agent,
            "expires_in": seconds_left(found.grant.expires_at, self._now),
        }


def ended(endings: list[Ending]) -> list[dict[str, Any]]:
    """What an event ended, and why."""
    return [
        {"id": e.grant.id, "kind": e.grant.kind.value, "description": e.grant.description, "reason": e.reason}
        for e in endings
    ]


def _client(found: OAuthClient) -> dict[str, Any]:
    return {"id": found.id, "name": found.name, "redirect_uri": found.redirect_uri}


def _use(use: Use) -> dict[str, Any]:
    return {
        "address": use.address,
        "agent": use.agent,
        "count": use.count,
        "first_at": iso(use.first_at),
        "last_at": iso(use.last_at),
    }


def key(held: Held, now: datetime, rules: Policy) -> dict[str, Any]:
    """An SSH key, with what it lives and dies of."""
    found, grant = held.key, held.credential.grant
    return {
        "comment": found.comment,
        "created_at": iso(found.created_at),
        "email": found.email,
        "expires_at": iso(found.expires_at),
        "last_used_at": iso(max((use.last_at for use in held.credential.uses), default=None)),
        "life": lifecycle.told_at_birth(grant.kind, grant.expires_at, now, rules, created_at=grant.created_at),
        "uses": [_use(use) for use in held.credential.uses],
        "fingerprint": found.fingerprint,
        "id": found.id,
        "public_key": found.public_key,
        "sha256": found.sha256,
        "updated_at": iso(found.created_at),
    }

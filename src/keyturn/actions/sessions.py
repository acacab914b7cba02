"""Sessions: the logins and browser sessions of an account, each of which can be ended by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyturn.actions import authorizations, grants
from keyturn.actions.env import NotFound
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Principal

LISTED: Final = frozenset({Kind.LOGIN, Kind.WEB})
OWN: Final = "~"


def listed(env: Env, principal: Principal) -> list[Credential]:
    """The living logins and browser sessions, oldest first."""
    with env.store.reading() as tx:
        return authorizations.with_tokens(
            tx, [g for g in tx.grants(principal.account_id, alive_at=env.clock()) if g.kind in LISTED]
        )


def end(env: Env, by: By, principal: Principal, identity: str) -> Credential:
    """Ends one login or session, ``~`` the one that asks; returns it as it was.

    Raises NotFound, for ``~`` too when what asks is no login: an authorization is revoked, not logged out.
    """
    wanted = principal.grant_id if identity == OWN else identity
    with env.store.writing() as tx:
        for grant in tx.grants(principal.account_id, alive_at=env.clock()):
            if grant.id == wanted and grant.kind in LISTED:
                credential = authorizations.with_tokens(tx, [grant])[0]
                grants.end(env, tx, by, Event.LOGOUT, principal.account_id, target=grant.id)
                return credential
    raise NotFound("session")

"""Sessions: the logins and browser sessions of an account, each of which can be ended by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyturn.actions import grants
from keyturn.actions.env import NotFound
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Principal

LISTED: Final = frozenset({Kind.LOGIN, Kind.WEB})
OWN: Final = "~"


def listed(env: Env, principal: Principal, *, ended: bool = False) -> list[Credential]:
    """The logins and browser sessions, oldest first: the living ones; with ``ended`` the dead as well."""
    with env.store.reading() as tx:
        found = tx.grants(principal.account_id, alive_at=None if ended else env.clock())
        return grants.with_tokens(tx, [grant for grant in found if grant.kind in LISTED])


def end(env: Env, by: By, principal: Principal, identity: str) -> Credential:
    """Ends one login or session, ``~`` the one that asks; returns it as it was.

    Raises NotFound, for ``~`` too when what asks is no login: an authorization is revoked, not logged out.
    """
    wanted = principal.grant_id if identity == OWN else identity
    with env.store.writing() as tx:
        grant = tx.grant(wanted)
        if (
            grant is None
            or grant.account_id != principal.account_id
            or grant.kind not in LISTED
            or grant.death(env.clock()) is not None
        ):
            raise NotFound("session")
        credential = grants.with_tokens(tx, [grant])[0]
        grants.end(env, tx, by, Event.LOGOUT, principal.account_id, target=grant.id)
        return credential


def end_all(env: Env, by: By, principal: Principal) -> list[Credential]:
    """Ends every login and browser session of the account, the one that asks too; returns them as they were."""
    with env.store.writing() as tx:
        ended = {e.grant.id for e in grants.end(env, tx, by, Event.LOGOUT_ALL, principal.account_id)}
        return grants.with_tokens(tx, [grant for grant in tx.grants(principal.account_id) if grant.id in ended])

"""Sessions: the logins and browser sessions of an account, each of which can be ended by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, audit, grants
from keyturn.actions.env import NotFound
from keyturn.core import token
from keyturn.core.policy import Event, Kind
from keyturn.store.interface import Slice

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Grant, Principal
    from keyturn.store.interface import Tx

LISTED: Final = frozenset({Kind.LOGIN, Kind.WEB})
OWN: Final = "~"
PAGE: Final = 50
_STRETCH: Final = 200


def listed(env: Env, principal: Principal, *, ended: bool = False) -> list[Credential]:
    """The logins and browser sessions, oldest first: the living ones; with ``ended`` the dead as well."""
    with env.store.reading() as tx:
        found = tx.grants(principal.account_id, alive_at=None if ended else env.clock())
        return grants.with_tokens(tx, [grant for grant in found if grant.kind in LISTED])


def page(env: Env, principal: Principal, *, ended: bool, before: str = "") -> tuple[list[Credential], bool]:
    """A page of the living, or of the ``ended`` ones, newest first, and whether more follow. ``before``: the id of the
    last one of the page before.
    """
    with env.store.reading() as tx:
        found = _ended(env, tx, principal, before) if ended else _living(env, tx, principal, before)
        return grants.with_tokens(tx, found[:PAGE]), len(found) > PAGE


def _living(env: Env, tx: Tx, principal: Principal, before: str) -> list[Grant]:
    part = Slice(before, after=True, most=PAGE, descending=True)
    return tx.grants_slice(principal.account_id, LISTED, part, alive_at=env.clock())


def _ended(env: Env, tx: Tx, principal: Principal, before: str) -> list[Grant]:
    now = env.clock()
    found: list[Grant] = []
    while True:
        part = Slice(before, after=True, most=_STRETCH, descending=True)
        stretch = tx.grants_slice(principal.account_id, LISTED, part)
        found += [grant for grant in stretch[:_STRETCH] if grant.ended_by_then(now)]
        if len(found) > PAGE or len(stretch) <= _STRETCH:
            return found
        before = stretch[_STRETCH - 1].id


def current(env: Env, principal: Principal) -> Credential:
    """The session that acts. Raises NotFound when it ended this moment."""
    with env.store.reading() as tx:
        grant = tx.grant(principal.grant_id)
        if grant is None:
            raise NotFound("session")
        return grants.with_tokens(tx, [grant])[0]


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
    """Ends every login and browser session of the account, the one that asks too, and forgets every remembered browser;
    returns them as they were.
    """
    with env.store.writing() as tx:
        ended = {e.grant.id for e in grants.end(env, tx, by, Event.LOGOUT_ALL, principal.account_id)}
        _forget(env, tx, by, principal, spared=None)
        return grants.with_tokens(tx, [grant for grant in tx.grants(principal.account_id) if grant.id in ended])


def end_others(env: Env, by: By, principal: Principal, *, device: str = "") -> int:
    """Ends every login and browser session but the one that asks, and forgets every remembered browser but the one that
    has ``device`` as its secret; returns how many sessions ended. Raises Refused, NotFound when what asks has ended.
    """
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        ended = grants.end(env, tx, by, Event.LOGOUT_OTHERS, principal.account_id)
        _forget(env, tx, by, principal, spared=_device(tx, principal, device))
        return len(ended)


def device_of(env: Env, principal: Principal, secret: str) -> str | None:
    """The id of the account's remembered browser whose secret that is."""
    with env.store.reading() as tx:
        return _device(tx, principal, secret)


def _device(tx: Tx, principal: Principal, secret: str) -> str | None:
    found = tx.device(token.digest(secret)) if secret else None
    return found.id if found is not None and found.account_id == principal.account_id else None


def _forget(env: Env, tx: Tx, by: By, principal: Principal, *, spared: str | None) -> None:
    if spared is None:
        count = tx.remove_devices(principal.account_id)
    else:
        others = [each for each in tx.devices(principal.account_id, env.clock()) if each.id != spared]
        count = sum(tx.remove_devices(principal.account_id, each.id) for each in others)
    if count:
        audit.record(env, tx, by, "device.forget", device=None, count=count)

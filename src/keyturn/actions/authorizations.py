"""Authorizations: the tokens that people make, see, rotate and revoke. Logins and the API key are listed among them,
as Heroku's are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from keyturn.actions import audit, grants, sign_in
from keyturn.actions.env import Invalid, NotFound, Refused
from keyturn.actions.grants import Credential
from keyturn.core import policy, reasons, scope
from keyturn.core.credential import Deny
from keyturn.core.policy import EFFECTS, Effect, Event, Kind

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, Grant, Principal
    from keyturn.store.interface import Tx

LISTED: Final = frozenset({Kind.LOGIN, Kind.API_KEY, Kind.AUTHORIZATION, Kind.SERVICE, Kind.OAUTH})
API_KEY_ID: Final = "~"
DEFAULT_DESCRIPTION: Final = "Long-lived user authorization"


def create(
    env: Env, by: By, principal: Principal, *, description: object, expires_in: object, scopes: object
) -> Credential:
    """A new authorization of the account that acts. Raises Invalid, and Refused when it would be wider than the token
    that makes it.
    """
    asked, names, text = _asked(expires_in, scopes, description)
    if not scope.includes(principal.scopes, names):
        wider = reasons.FORBIDDEN["wider_than_self"]
        raise Refused(
            Deny(wider.id, wider.sentence.format(held=", ".join(principal.scopes)), wider.next), forbidden=True
        )
    with env.store.writing() as tx:
        account = tx.account(principal.account_id, lock=True)
        if account is None:
            raise NotFound("account")
        return grants.mint(env, tx, by, account, Kind.AUTHORIZATION, scopes=names, description=text, asked=asked)


def create_by_password(
    env: Env, by: By, email: str, password: str, *, description: object, expires_in: object, scopes: object
) -> tuple[Credential, Account]:
    """A login or an authorization that e-mail and password vouch for, and the account (policy.CLI_LOGIN_DESCRIPTION
    tells the two apart). Raises as sign_in.check_password does, and Invalid."""
    asked, names, text = _asked(expires_in, scopes, description)
    kind = Kind.LOGIN if re.match(policy.CLI_LOGIN_DESCRIPTION, text) else Kind.AUTHORIZATION
    proven = sign_in.check_password(env, by, email, password)
    with env.store.writing() as tx:
        account = sign_in.still_the_same(tx.account(proven.id, lock=True), proven)
        return grants.mint(env, tx, by, account, kind, scopes=names, description=text, asked=asked), account


def _asked(expires_in: object, scopes: object, description: object) -> tuple[int | None, tuple[str, ...], str]:
    try:
        names = scope.normalize(scopes)
    except ValueError as wrong:
        raise Invalid("scope", str(wrong)) from None
    return grants.life_asked(expires_in), names, grants.clean_description(description, DEFAULT_DESCRIPTION)


def listed(env: Env, principal: Principal) -> list[Credential]:
    """The living authorizations of the account, oldest first."""
    with env.store.reading() as tx:
        return with_tokens(tx, [g for g in tx.grants(principal.account_id, alive_at=env.clock()) if g.kind in LISTED])


def with_tokens(tx: Tx, found: list[Grant]) -> list[Credential]:
    """Each grant with its newest token."""
    tokens = tx.tokens([grant.id for grant in found])
    return [Credential(grant, tokens[grant.id]) for grant in found]


def info(env: Env, principal: Principal, identity: str) -> Credential:
    """One living authorization by its id; ``~`` is the API key. Raises NotFound."""
    with env.store.reading() as tx:
        return with_tokens(tx, [_find(env, tx, principal, identity)])[0]


def _find(env: Env, tx: Tx, principal: Principal, identity: str) -> Grant:
    for grant in tx.grants(principal.account_id, alive_at=env.clock()):
        if grant.kind in LISTED and (grant.id == identity or (identity == API_KEY_ID and grant.kind is Kind.API_KEY)):
            return grant
    raise NotFound("authorization")


def update(env: Env, by: By, principal: Principal, identity: str, *, description: object) -> Credential:
    """Another description; None leaves it. Raises NotFound, Invalid."""
    with env.store.writing() as tx:
        grant = _find(env, tx, principal, identity)
        if description is not None:
            text = grants.clean_description(description, grant.description)
            tx.change_grant(grant.id, description=text, updated_at=env.clock())
            audit.record(env, tx, by, f"{grant.kind}.update", changed=grant.id, before=grant.description, after=text)
        return with_tokens(tx, [_find(env, tx, principal, grant.id)])[0]


def revoke(env: Env, by: By, principal: Principal, identity: str) -> Credential:
    """Ends an authorization; it takes effect with the next request. Returns it as it was. Raises NotFound."""
    with env.store.writing() as tx:
        credential = with_tokens(tx, [_find(env, tx, principal, identity)])[0]
        grants.end(env, tx, by, Event.REVOKE, principal.account_id, target=credential.grant.id)
        return credential


def regenerate(env: Env, by: By, principal: Principal, identity: str) -> Credential:
    """The authorization with a new token; its old one dies at once. Scopes, description and expiry stay.

    For the API key, ``~``, it makes the key when there is none. Raises NotFound, Invalid for kinds that are not
    rotated.
    """
    with env.store.writing() as tx:
        try:
            grant = _find(env, tx, principal, identity)
        except NotFound:
            if identity != API_KEY_ID:
                raise
            return _new_api_key(env, tx, by, principal)
        if grant.kind is Kind.API_KEY:
            grants.end(env, tx, by, Event.KEY_REGENERATED, principal.account_id)
            return _new_api_key(env, tx, by, principal)
        if EFFECTS[Event.ROTATION, grant.kind] is not Effect.DIES:
            raise Invalid("id", f"a {policy.LIVES[grant.kind].noun} is not rotated")
        tx.end_tokens(grant.id, env.clock(), policy.REASON_OF[Event.ROTATION])
        tx.change_grant(grant.id, updated_at=env.clock())
        made, secret = grants.add_token(env, tx, grant)
        audit.record(env, tx, by, f"{grant.kind}.rotate", rotated=grant.id)
        return Credential(_find(env, tx, principal, grant.id), made, secret)


def _new_api_key(env: Env, tx: Tx, by: By, principal: Principal) -> Credential:
    account = tx.account(principal.account_id, lock=True)
    if account is None:
        raise NotFound("account")
    return grants.mint(env, tx, by, account, Kind.API_KEY, scopes=("global",), description="API key")

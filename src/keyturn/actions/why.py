"""Why a credential works or does not (beyond.md B2): the same steps as a request takes, told instead of done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from keyturn.actions import grants, prove
from keyturn.actions.env import NotFound
from keyturn.core import decide, token
from keyturn.core.credential import Deny, Principal

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account, Grant
    from keyturn.store.interface import Tx


@dataclass(frozen=True, slots=True)
class Told:
    """A credential, whose it is, and the refusal of it as such; None: it is alive."""

    credential: Credential | None
    owner: Account | None
    dead: Deny | None
    principal: Principal | None


def of_secret(env: Env, text: str) -> Told:
    """Of the genuine secret, alive or dead, to whoever presents it; an unknown or malformed one learns as little as ever."""
    if not token.is_token(text):
        return Told(None, None, decide.malformed(text), None)
    if token.kind_of(text) not in decide.API_KINDS:
        return Told(None, None, decide.unproven("wrong_kind"), None)
    with env.store.reading() as tx:
        found = tx.find_token(token.digest(text))
        outcome = decide.authenticate(found, env.clock(), env.policy)
        grant = tx.grant(found.grant_id) if found else None
        if grant is None or found is None or found.role != "access":
            return Told(None, None, outcome if isinstance(outcome, Deny) else decide.unproven("unknown"), None)
        credential, owner = _presented(tx, grant, found.token_id), tx.account(grant.account_id)
    if isinstance(outcome, Deny):
        return Told(credential, owner, outcome, None)
    return Told(credential, owner, None, outcome)


def _presented(tx: Tx, grant: Grant, token_id: str) -> Credential:
    """The grant with the token that was presented: a rotated one may be a thief's, who is told nothing of its successor."""
    credential = grants.with_tokens(tx, [grant])[0]
    if credential.token.id == token_id:
        return credential
    own = next(each for each in tx.tokens_of(grant.id) if each.id == token_id)
    uses = tx.uses([token_id]).get(token_id, [])
    return replace(credential, token=own, uses=uses, overlap=None, overlap_uses=[], refresh=None)


def of_id(env: Env, principal: Principal, grant_id: str) -> Told:
    """Of one credential by its id, to its owner and to administrators. Raises NotFound, for another's as for none; Refused
    for an administrator's token without their rights.
    """
    with env.store.reading() as tx:
        grant = tx.grant(grant_id)
        if grant is None or grant.account_id != principal.account_id:
            asker = tx.account(principal.account_id)
            if asker is None or not asker.admin:
                raise NotFound("credential")
            prove.administrator(tx, principal)
            if grant is None:
                raise NotFound("credential")
        credential, owner = grants.with_tokens(tx, [grant])[0], tx.account(grant.account_id)
    assert owner is not None
    death = grant.death(env.clock())
    if owner.suspended_at is not None and (death is None or death[0] == "owner_suspended"):
        dead: Deny | None = decide.while_suspended(grant.kind, grant.id, grant.description, owner.suspended_at)
    else:
        dead = _deny(credential, *death) if death else None
    return Told(credential, owner, dead, None if dead else _as_principal(credential, owner))


def _deny(credential: Credential, reason: str, when: datetime) -> Deny:
    grant = credential.grant
    return decide.refusal_of(grant.kind, grant.id, grant.description, reason, when)


def _as_principal(credential: Credential, owner: Account) -> Principal:
    grant = credential.grant
    return Principal(
        owner.id, owner.email, grant.id, credential.token.id, grant.kind, grant.scopes, grant.description,
        grant.expires_at, grant.created_at,
    )  # fmt: skip

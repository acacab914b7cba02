"""Proving once more who one is, before what must not be done with a stolen session or token alone [ASVS 5, 7.5].

A browser session, or a command line's login, counts as proven for a quarter of an hour. Where the account has a second
factor it is that factor which is asked for, and what was proven before it had one counts no more; else the password. A
session's secret is new after each proof.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from keyturn.actions import acting, audit, grants, second_step, sign_in
from keyturn.actions.env import Refused
from keyturn.core import decide, policy
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.second_step import Ways
    from keyturn.core.credential import Account, Grant, Principal
    from keyturn.store.interface import Tx


def recently(env: Env, principal: Principal) -> bool:
    """Whether the person behind the session or login proved themselves in the last quarter of an hour."""
    with env.store.reading() as tx:
        account, grant = tx.account(principal.account_id), tx.grant(principal.grant_id)
    return account is not None and grant is not None and _recent(env, account, grant)


def _recent(env: Env, account: Account, grant: Grant) -> bool:
    proven = grant.proven_at
    return (
        proven is not None and not outdated(account, grant) and env.clock() - proven < timedelta(seconds=policy.REAUTH)
    )


def outdated(account: Account, grant: Grant) -> bool:
    """Whether the grant's proof is from before two-factor sign-in was turned on: it was the password alone."""
    return account.mfa_since is not None and grant.proven_at is not None and grant.proven_at < account.mfa_since


def administrator(tx: Tx, principal: Principal) -> None:
    """Raises Refused unless what acts has an administrator's rights: a browser session, or a command line's login that the
    person proved who they are for since they became one. A token that a robot or a program has, or that was there before,
    has them not, nor what was made with it (docs/decisions/0021).
    """
    account, grant = tx.account(principal.account_id), tx.grant(principal.grant_id)
    if account is None or grant is None or not account.admin:
        raise Refused(decide.forbidden("administrators_only"), forbidden=True)
    if grant.kind is Kind.WEB:  # those of before ended when it became one
        return
    proven, since = grant.proven_at, account.admin_since
    outlived = proven is None or outdated(account, grant) or (since is not None and proven < since)
    if grant.kind is not Kind.LOGIN or outlived:
        raise Refused(decide.forbidden("administrators_login"), forbidden=True)


def ways(env: Env, principal: Principal) -> Ways | None:
    """How to prove it; None: by the password."""
    with env.store.reading() as tx:
        account = tx.account(principal.account_id)
        return second_step.ways(tx, principal.account_id) if account and account.mfa_since else None


def by_password(env: Env, by: By, principal: Principal, password: str) -> str:
    """The session's new secret. Raises Refused, Throttled; Refused as well where a second factor is needed instead."""
    account = sign_in.check_password(env, by, principal.email, password)
    if account.id != principal.account_id:
        raise Refused(decide.unproven("wrong_password"))
    if account.mfa_since is not None:
        raise second_step.wrong_code("The password alone does not prove it: this takes your second factor.")
    with env.store.writing() as tx:
        sign_in.still_the_same(acting.still(env, tx, principal), account)
        return renew(env, tx, by, principal, "password")


def by_code(env: Env, by: By, principal: Principal, text: str) -> str:
    """The session's new secret. Raises Refused, Throttled."""
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        outcome = second_step.judge_code(env, tx, by, account, text)
        secret = renew(env, tx, by, principal, outcome) if isinstance(outcome, str) else ""
    second_step.told(outcome)
    return secret


def by_passkey(env: Env, by: By, principal: Principal, response: dict[str, Any], *, bound_to: str, origin: str) -> str:
    """The session's new secret. Raises Refused."""
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        outcome = second_step.judge_passkey(
            env, tx, by, response, purpose="confirm", bound_to=bound_to, origin=origin, account_id=principal.account_id
        )
        secret = "" if isinstance(outcome, Exception) else renew(env, tx, by, principal, "passkey")
    if isinstance(outcome, Exception):
        raise outcome
    return secret


def renew(env: Env, tx: Tx, by: By, principal: Principal, way: str, *, scopes: tuple[str, ...] | None = None) -> str:
    """A new secret for the browser session, which counts as proven from now on; the old secret is worth nothing more.

    ``scopes``: those it has from now on, where that changes. The caller holds a writing transaction.
    """
    now, grant = env.clock(), tx.grant(principal.grant_id)
    assert grant is not None
    assert grant.kind is Kind.WEB
    changes = {} if scopes is None else {"scopes": " ".join(scopes)}
    tx.end_tokens(grant.id, now, "rotated")
    tx.change_grant(grant.id, proven_at=now, updated_at=now, **changes)
    _, secret = grants.add_token(env, tx, grant)
    audit.record(env, tx, by, "web.proven", way=way)
    return secret


def require(env: Env, by: By, principal: Principal, code: str | None) -> None:
    """For sensitive calls with an API token: nothing for an account without a second factor; else a code, or a login
    that proved itself lately. Raises Refused, Throttled.
    """
    with env.store.reading() as tx:
        account, grant = tx.account(principal.account_id), tx.grant(principal.grant_id)
        if account is None or grant is None or account.mfa_since is None:
            return
        if grant.kind is Kind.LOGIN and _recent(env, account, grant):
            return
        given = second_step.ways(tx, account.id)
    if not code:
        raise second_step.needs_code(given)
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        outcome = second_step.judge_code(env, tx, by, account, code[:100])
        if isinstance(outcome, str) and grant.kind is Kind.LOGIN:
            tx.change_grant(grant.id, proven_at=env.clock())
    second_step.told(outcome)

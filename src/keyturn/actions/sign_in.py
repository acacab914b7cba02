"""Sign-in with e-mail and password: for the browser's session, and for whatever else a password vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import audit, grants, throttle
from keyturn.actions.env import Refused
from keyturn.core import decide
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account


def check_password(env: Env, by: By, email: str, password: str) -> Account:
    """The account whose e-mail and password these are.

    Raises Refused for a wrong e-mail or password (the same, and as slow, for both) and for a suspended account with
    the right password; Throttled after too many failures. Slow on purpose: call it where a slow call hurts nobody.
    """
    with env.store.reading() as tx:
        throttle.check(env, tx, email, by.address)
        account = tx.account_by_email(email)
        hashed = tx.password_hash(account.id) if account else None
    # outside of any transaction: hashing takes its time and holds no lock
    right = env.passwords.verify(hashed, password)
    with env.store.writing() as tx:
        if account is None or hashed is None or not right:
            throttle.failed(env, tx, email, by.address)
            audit.record(
                env,
                tx,
                by,
                "sign_in",
                outcome="refused",
                account_id=account.id if account else None,
                reason="wrong_password",
            )
        else:
            current = tx.account(account.id, lock=True)
            if current is not None and current.credential_version == account.credential_version:
                if current.suspended_at is not None:
                    audit.record(
                        env, tx, by, "sign_in", outcome="refused", account_id=account.id, reason="owner_suspended"
                    )
                else:
                    if env.passwords.outdated(hashed):
                        tx.change_account(account.id, password_hash=env.passwords.hash(password))
                    throttle.succeeded(env, tx, account.id, email, by.address)
                    tx.change_account(account.id, last_login_at=env.clock())
                    audit.record(env, tx, by, "sign_in", account_id=account.id)
                    return current
            account = current
    if right and account is not None and account.suspended_at is not None:
        raise Refused(decide.suspended(account.suspended_at))
    raise Refused(decide.unproven("wrong_password"))


def start_session(env: Env, by: By, email: str, password: str) -> Credential:
    """A new browser session. Raises as check_password does."""
    account = check_password(env, by, email, password)
    return session_for(env, by, account)


def session_for(env: Env, by: By, account: Account) -> Credential:
    """A new browser session for an account that has just proven itself."""
    with env.store.writing() as tx:
        current = still_the_same(tx.account(account.id, lock=True), account)
        return grants.mint(env, tx, by, current, Kind.WEB, scopes=("global",), description="Browser session")


def still_the_same(current: Account | None, proven: Account) -> Account:
    """``current`` when nothing ended its proof meanwhile: a sign-in begun with an old password must not finish after
    the change.

    Raises Refused otherwise.
    """
    if current is None or current.credential_version != proven.credential_version:
        raise Refused(decide.unproven("wrong_password"))
    if current.suspended_at is not None:
        raise Refused(decide.suspended(current.suspended_at))
    return current


def sign_out(env: Env, by: By) -> None:
    """Ends the browser session that asks."""
    if by.principal is not None:
        with env.store.writing() as tx:
            grants.end(env, tx, by, Event.LOGOUT, by.principal.account_id, target=by.principal.grant_id)

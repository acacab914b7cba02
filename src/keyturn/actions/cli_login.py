"""A command line logs in through the browser.

``begin`` makes two unrelated secrets: the browser's half, in the URL that the person opens, and the command line's
half, with which it waits. Whoever sees the URL cannot collect; whoever holds the waiting half cannot approve. The
token is minted when the command line collects it, in one transaction with the mark that it was collected: one that
nobody collects never exists.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from keyturn.actions import acting, audit, grants, letters
from keyturn.actions.env import Gone, Invalid, NotFound, Refused
from keyturn.core import decide, lifecycle, policy, token
from keyturn.core.policy import Kind
from keyturn.store.interface import CliLogin

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account, Principal
    from keyturn.store.interface import Tx


@dataclass(frozen=True, slots=True)
class Begun:
    """A login under way, with the two secrets that only this answer holds."""

    login: CliLogin
    browser_secret: str
    cli_secret: str


@dataclass(frozen=True, slots=True)
class Pending:
    """Nobody has decided yet."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No token will come of it; ``reason`` is an id of reasons.LOGINS."""

    reason: str


@dataclass(frozen=True, slots=True)
class Collected:
    """The new login and whose it is."""

    credential: Credential
    account: Account


def begin(env: Env, by: By, *, description: object, expires_in: object) -> Begun:
    """Starts a login; nothing is proven yet. Raises Invalid."""
    text = grants.clean_description(description, "CLI login")
    asked = grants.life_asked(expires_in)
    now = env.clock()
    try:
        lifecycle.expiry(Kind.LOGIN, asked, now, rules=env.policy)
    except lifecycle.TooLong as wrong:
        raise Invalid("expires_in", str(wrong)) from None
    browser, cli = token.make("login_browser", env.random_bytes), token.make("login_cli", env.random_bytes)
    login = CliLogin(
        id=env.new_id(), browser_digest=token.digest(browser), cli_digest=token.digest(cli), description=text, address=by.address,
        agent=by.agent[:300], asked_life=asked, created_at=now, expires_at=now + timedelta(seconds=policy.LOGIN_UNDER_WAY),
    )  # fmt: skip
    with env.store.writing() as tx:
        tx.forget_cli_logins(now - timedelta(days=1))
        tx.add_cli_login(login)
        audit.record(env, tx, by, "cli_login.begin", login=login.id, description=text)
    return Begun(login, browser, cli)


def shown(env: Env, browser_secret: str) -> CliLogin:
    """The login that the browser's half names, still to be decided. Raises NotFound, and Gone once decided or timed
    out.
    """
    with env.store.reading() as tx:
        return _to_decide(env, tx, browser_secret)


def _to_decide(env: Env, tx: Tx, browser_secret: str) -> CliLogin:
    login = (
        tx.cli_login_by_browser(token.digest(browser_secret))
        if token.kind_of(browser_secret) == "login_browser"
        else None
    )
    if login is None:
        raise NotFound("login")
    if login.state != "pending":
        raise Gone("This login was answered already.")
    if login.expires_at <= env.clock():
        raise Gone("This login has timed out: it waited for ten minutes.")
    return login


def decide_login(env: Env, by: By, principal: Principal, browser_secret: str, *, approve: bool) -> CliLogin:
    """Approves or denies a login for the account signed in to the browser. Raises NotFound, Gone, Refused."""
    with env.store.writing() as tx:
        login = _to_decide(env, tx, browser_secret)
        account = acting.still(env, tx, principal)
        state = "approved" if approve else "denied"
        session = tx.grant(principal.grant_id)
        tx.change_cli_login(
            login.id, state=state, account_id=account.id, account_version=account.credential_version,
            proven_at=session.proven_at if session else None,
        )  # fmt: skip
        audit.record(
            env, tx, by, f"cli_login.{'approve' if approve else 'deny'}", login=login.id, description=login.description
        )
        return login


def check_waiting(env: Env, login_id: str, cli_secret: str) -> None:
    """Raises NotFound for an unknown login, Refused for a stranger's poll, Gone when the token was collected already."""
    with env.store.reading() as tx:
        login = _waiting(tx, login_id, cli_secret)
    if login.state == "collected":
        raise Gone("This login was collected already; a login gives one token, once. Start again with: keyturn login")


def _waiting(tx: Tx, login_id: str, cli_secret: str) -> CliLogin:
    login = tx.cli_login(login_id)
    if login is None:
        raise NotFound("login")
    if not hmac.compare_digest(login.cli_digest, token.digest(cli_secret)):
        raise Refused(decide.unproven("unknown"))
    return login


def poll(env: Env, login_id: str, cli_secret: str) -> Pending | Failed | None:
    """Where the login stands, by a read alone; None means that there is something to collect. Raises as check_waiting
    does.
    """
    with env.store.reading() as tx:
        login = _waiting(tx, login_id, cli_secret)
    if login.state == "approved":
        return None
    if login.state == "denied":
        return Failed("denied")
    if login.state == "collected":
        raise Gone("This login was collected already.")
    return Failed("timed_out") if login.expires_at <= env.clock() else Pending()


def collect(env: Env, by: By, login_id: str, cli_secret: str) -> Collected | Failed:
    """Mints the token of an approved login, once. Raises as check_waiting does.

    The account is looked at again: a password changed or a suspension since the approval ends the login.
    """
    with env.store.writing() as tx:
        login = _waiting(tx, login_id, cli_secret)
        if login.state != "approved" or login.account_id is None:
            raise Gone("This login was collected already.")
        account = tx.account(login.account_id, lock=True)
        tx.change_cli_login(login.id, state="collected")
        reason = None
        if account is None or account.closed_at is not None:
            reason = "account_closed"
        elif account.suspended_at is not None:
            reason = "owner_suspended"
        elif account.credential_version != login.account_version:
            reason = "password_changed"
        elif login.expires_at <= env.clock():
            reason = "timed_out"
        if reason is not None or account is None:
            audit.record(
                env,
                tx,
                by,
                "cli_login.collect",
                outcome="refused",
                account_id=login.account_id,
                reason=reason,
                login=login.id,
            )
            return Failed(reason or "account_closed")
        credential = grants.mint(
            env, tx, by, account, Kind.LOGIN, scopes=("global",), description=login.description, asked=login.asked_life,
            proven_at=login.proven_at,
        )  # fmt: skip
        tx.change_account(account.id, last_login_at=env.clock())
        letters.tell(
            env, tx, by, account, "A command line was logged in to your account",
            f"A login of a command line was approved in a browser that is signed in to your account: “{login.description}”, "
            f"asked for from {login.address or 'an unknown address'}. It acts for your account until it ends or is revoked.",
        )  # fmt: skip
        return Collected(credential, account)

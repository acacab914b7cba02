"""Sign-in with e-mail and password: for the browser's session, and for whatever else a password vouches for.

Where the account has a second factor the password is half of the proof: ``enter`` then starts a second step
(actions/second_step.py), unless the browser is a remembered one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import audit, grants, letters, second_step, throttle
from keyturn.actions.env import Refused
from keyturn.core import decide, policy, token
from keyturn.core.password import length
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account
    from keyturn.store.interface import Tx

ENROL = "enrol"
"""The scope of a browser session that may only set up the second factor that its account must have."""


def check_password(env: Env, by: By, email: str, password: str) -> Account:
    """The account whose e-mail and password these are; where it has a second factor, that is still to be proven.

    Raises Refused for a wrong e-mail or password (the same, and as slow, for both) and for a suspended account with
    the right password; Throttled after too many failures. Slow on purpose: call it where a slow call hurts nobody.
    """
    with env.store.reading() as tx:
        throttle.check(env, tx, email, by.address)
        account = tx.account_by_email(email)
        hashed = tx.password_hash(account.id) if account else None
    # outside of any transaction: hashing takes its time and holds no lock
    right = env.passwords.verify(hashed, password)
    renewed = env.passwords.hash(password) if right and hashed and env.passwords.outdated(hashed) else None
    with env.store.writing() as tx:
        if account is None or hashed is None or not right:
            if throttle.failed(env, tx, email, by.address) and account is not None:
                letters.mail(env, tx, account.email, "Somebody is guessing the password of your account", _GUESSED.format(
                    email=account.email, where=env.post.public_url or "your Keyturn server", most=throttle.STRAIGHT,
                    address=by.address or "an unknown address", when=decide.in_words(env.clock()),
                ))  # fmt: skip
            about = account.id if account else None
            audit.record(env, tx, by, "sign_in", outcome="refused", account_id=about, reason="wrong_password")
        else:
            current = tx.account(account.id, lock=True)
            if current is not None and current.credential_version == account.credential_version:
                if current.suspended_at is not None:
                    audit.record(
                        env, tx, by, "sign_in", outcome="refused", account_id=account.id, reason="owner_suspended"
                    )
                else:
                    if renewed:
                        tx.change_account(account.id, password_hash=renewed)
                    if current.mfa_since is None:
                        complete(env, tx, by, current, "password")
                    else:  # the place is known, and the sign-in one, only after the second factor
                        throttle.right_password(tx, email, by.address)
                        audit.record(env, tx, by, "sign_in.password", account_id=account.id)
                    return current
            account = current
    if right and account is not None and account.suspended_at is not None:
        raise Refused(decide.suspended(account.suspended_at))
    raise Refused(decide.unproven("wrong_password"))


def complete(env: Env, tx: Tx, by: By, account: Account, way: str) -> None:
    """Notes that the account's owner has proven themselves wholly, by ``way``."""
    throttle.succeeded(env, tx, account.id, account.email, by.address)
    tx.change_account(account.id, last_login_at=env.clock())
    audit.record(env, tx, by, "sign_in", account_id=account.id, way=way)


@dataclass(frozen=True, slots=True)
class Entered:
    """Where a sign-in leads: to a session, or to a second step."""

    account: Account
    session: Credential | None = None
    second_step: str | None = None
    """The secret of the step that is awaited."""


def enter(env: Env, by: By, email: str, password: str, *, next_path: str = "/", device: str = "") -> Entered:
    """A right password's way in. ``device``: the secret of a remembered browser. Raises as check_password does."""
    account = check_password(env, by, email, password)
    if account.mfa_since is None:
        short = length(password) < policy.PASSWORD_SHORTEST  # taken beside a second factor that is gone
        return Entered(account, session_for(env, by, account, restricted=short))
    with env.store.writing() as tx:
        current = still_the_same(tx.account(account.id, lock=True), account)
        if device and _is_remembered(env, tx, current, device):
            complete(env, tx, by, current, "remembered device")
            return Entered(current, _session(env, tx, by, current, proven=False))
        return Entered(current, second_step=second_step.begin(env, tx, current, next_path))


def _is_remembered(env: Env, tx: Tx, account: Account, secret: str) -> bool:
    known = token.kind_of(secret) == "device" and token.is_token(secret)
    device = tx.device(token.digest(secret)) if known else None
    now = env.clock()
    if device is None or device.account_id != account.id or device.account_version != account.credential_version:
        return False
    longest = device.created_at + timedelta(seconds=env.policy.remember_device)
    if now >= min(device.expires_at, longest):
        return False
    tx.use_device(device.id, now)
    return True


def session_for(env: Env, by: By, account: Account, *, restricted: bool = False) -> Credential:
    """A new browser session for an account that has just proven itself. ``restricted``: to set up a second factor."""
    with env.store.writing() as tx:
        current = still_the_same(tx.account(account.id, lock=True), account)
        return _session(env, tx, by, current, restricted=restricted)


def _session(
    env: Env, tx: Tx, by: By, account: Account, *, restricted: bool = False, proven: bool = True
) -> Credential:
    """``proven``: wholly, so that what is sensitive is not asked for at once; a remembered browser is only half of it."""
    # whoever was let in by a link (set-up, an invitation) has signed in as well
    tx.change_account(account.id, last_login_at=env.clock())
    enrol = restricted or (account.mfa_since is None and must_have_second_factor(env, account))
    return grants.mint(
        env, tx, by, account, Kind.WEB, scopes=(ENROL if enrol else "global",), description="Browser session",
        proven_at=env.clock() if proven else None,
    )  # fmt: skip


def must_have_second_factor(env: Env, account: Account) -> bool:
    """Whether the policy asks it of the account; one under single sign-on proves it to its identity provider."""
    asked = env.policy.mfa_required
    return not account.federated and (asked == "all" or (asked == "admins" and account.admin))


def still_the_same(current: Account | None, proven: Account) -> Account:
    """``current`` when nothing ended its proof meanwhile: a sign-in begun with an old password must not finish after
    the change, nor one without a second factor after that was turned on.

    Raises Refused otherwise.
    """
    if current is None or current.credential_version != proven.credential_version or current.closed_at is not None:
        raise Refused(decide.unproven("wrong_password"))
    if current.suspended_at is not None:
        raise Refused(decide.suspended(current.suspended_at))
    if current.mfa_since is not None and current.mfa_since != proven.mfa_since:
        raise Refused(
            decide.forbidden("two_factor", "Two-factor sign-in was turned on meanwhile. Sign in again."), forbidden=True
        )
    return current


def by_second_step(
    env: Env, by: By, passed: second_step.Passed, *, remember: bool = False
) -> tuple[Credential, str | None]:
    """The session that a passed second step leads to, and the secret of the remembered browser where one is wished and
    allowed. Raises Refused when the account changed meanwhile.
    """
    with env.store.writing() as tx:
        account = still_the_same(tx.account(passed.account.id, lock=True), passed.account)
        complete(env, tx, by, account, passed.way)
        device = second_step.remember(env, tx, by, account) if remember and env.policy.remember_device else None
        return _session(env, tx, by, account), device


def sign_out(env: Env, by: By) -> None:
    """Ends the browser session that asks."""
    if by.principal is not None:
        with env.store.writing() as tx:
            grants.end(env, tx, by, Event.LOGOUT, by.principal.account_id, target=by.principal.grant_id)


_GUESSED: Final = """\
Hello,

{most} wrong passwords in a row were given for the account {email} at {where}, the last one from {address}, on {when}.

None of them was right, and nothing was opened. From now on your account takes its password only from places where you have
signed in before. If you are kept out somewhere else, ask for a link to choose a new password: that lets you in everywhere.
"""

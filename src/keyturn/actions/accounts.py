"""Accounts: made by an operator or by the one-time link, seen and changed by their owners, suspended by an operator."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, addresses, audit, grants, letters, sign_in
from keyturn.actions import prove as proofs
from keyturn.actions.env import Gone, Invalid, NotFound, Refused
from keyturn.core import address as mailbox
from keyturn.core import decide, password, policy, token
from keyturn.core.credential import Account
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from keyturn.actions.addresses import Sender
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Principal
    from keyturn.core.lifecycle import Ending
    from keyturn.store.interface import Tx

EMAIL_LONGEST = mailbox.LONGEST


def clean_email(email: object) -> str:
    """The address to store. Raises Invalid when it is none, or one that could be taken for another (core/address.py)."""
    if not isinstance(email, str):
        raise Invalid("email", "that is not an e-mail address")
    try:
        return mailbox.clean(email)
    except ValueError as wrong:
        raise Invalid("email", str(wrong)) from None


def clean_name(name: object) -> str | None:
    """The name to store; None is no name. Raises Invalid for another type or a length over 200."""
    if name is None:
        return None
    if not isinstance(name, str) or len(name) > 200:
        raise Invalid("name", "name must be a string of at most 200 characters, or null")
    return " ".join("".join(c if c.isprintable() else " " for c in name).split()) or None


def clean_password(env: Env, text: object, *context: str | None, beside: bool = False) -> str:
    """The new password. ``beside``: a second factor is asked for as well, so a shorter one will do.

    Raises Invalid with what is wrong with it.
    """
    if not isinstance(text, str):
        raise Invalid("password", "the password must be a string")
    words = tuple(word for word in context if word)
    shortest = policy.PASSWORD_SHORTEST_WITH_MFA if beside else policy.PASSWORD_SHORTEST
    problem = password.what_is_wrong(text, *words, shortest=shortest) or env.passwords.weakness(text, words)
    if problem:
        raise Invalid("password", problem)
    return text


def create(env: Env, by: By, *, email: str, new_password: str, name: str | None = None, admin: bool = False) -> Account:
    """A new account. Raises Invalid for a bad or taken e-mail and a bad password; then nothing was made."""
    email, name = clean_email(email), clean_name(name)
    hashed = env.passwords.hash(clean_password(env, new_password, email, name))
    with env.store.writing() as tx:
        return add(env, tx, by, email, name, hashed, admin=admin)


def add(
    env: Env, tx: Tx, by: By, email: str, name: str | None, hashed: str, *, admin: bool, verified: bool = False,
    **facts: object,
) -> Account:  # fmt: skip
    """A new account of clean values, in a writing transaction. ``verified``: its owner reads the mail of the address;
    ``facts``: further ones for the audit trail. Raises Invalid for an e-mail that is taken.
    """
    now = env.clock()
    account = Account(
        env.new_id(), email, name, admin, created_at=now, updated_at=now, verified_at=now if verified else None
    )
    if tx.account_by_email(email) is not None:
        raise Invalid("email", f"there is an account with the e-mail {email} already")
    tx.add_account(account, hashed)
    audit.record(env, tx, by, "account.create", account_id=account.id, admin=admin, **facts)
    return account


def open_setup(env: Env) -> str | None:
    """The secret of a new one-time link that makes the first account; None when there is an account already.

    Earlier links end.
    """
    with env.store.writing() as tx:
        if tx.count_accounts():
            return None
        secret = token.make("setup", env.random_bytes)
        tx.set_setup_link(token.digest(secret), env.clock() + timedelta(seconds=policy.SETUP_LINK))
        return secret


def check_setup(env: Env, secret: str) -> None:
    """Raises Gone unless ``secret`` is that of the living set-up link and no account exists."""
    with env.store.reading() as tx:
        _check_setup(env, tx, secret)


def _check_setup(env: Env, tx: Tx, secret: str) -> None:
    link = tx.setup_link()
    if (
        link is None
        or tx.count_accounts()
        or not hmac.compare_digest(link[0], token.digest(secret))
        or link[1] <= env.clock()
    ):
        raise Gone(
            "This set-up link was used, or has run out. Restarting the server without accounts prints a new one."
        )


def create_first(env: Env, by: By, secret: str, *, email: str, name: str | None, new_password: str) -> Account:
    """The first account, an admin's, by the one-time link. Raises Gone and Invalid; the link then stays good."""
    check_setup(env, secret)  # before the dear hash
    email, name = clean_email(email), clean_name(name)
    hashed = env.passwords.hash(clean_password(env, new_password, email, name))
    with env.store.writing() as tx:
        _check_setup(env, tx, secret)  # again, now that nobody else can use it
        account = add(env, tx, by, email, name, hashed, admin=True)
        tx.set_setup_link(None, None)
        return account


def info(env: Env, principal: Principal) -> Account:
    """The account that acts."""
    with env.store.reading() as tx:
        account = tx.account(principal.account_id)
        if account is None:
            raise NotFound("account")
        return account


@dataclass(frozen=True, slots=True)
class Changed:
    """An account after a change, with what the change ended and made."""

    account: Account
    endings: list[Ending]
    api_key: Credential | None = None
    """The new API key, where a password change ended the old one."""
    session: str | None = None
    """The acting browser session's new secret."""


def clean_changes(changes: dict[str, object]) -> dict[str, object]:
    """What of ``changes`` needs no password: name, allow_tracking and beta, to be stored as they are. Raises Invalid."""
    wanted: dict[str, object] = {}
    if "name" in changes:
        wanted["name"] = clean_name(changes["name"])
    for flag in ("allow_tracking", "beta"):
        if changes.get(flag) is not None:
            if not isinstance(changes[flag], bool):
                raise Invalid(flag, f"{flag} must be true or false")
            wanted[flag] = changes[flag]
    return wanted


def update(env: Env, by: By, principal: Principal, changes: dict[str, object]) -> Account:
    """Changes what needs no password (clean_changes); what else ``changes`` has is left alone.

    Raises Invalid; then nothing was changed. Raises Refused.
    """
    wanted = clean_changes(changes)
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        _update(env, tx, by, account, wanted)
        changed = tx.account(account.id)
        assert changed is not None
        return changed


def _update(env: Env, tx: Tx, by: By, account: Account, wanted: dict[str, object]) -> None:
    if wanted:
        tx.change_account(account.id, **wanted, updated_at=env.clock())
        audit.record(env, tx, by, "account.update", fields=sorted(wanted))


def change_email(
    env: Env, by: By, principal: Principal, *, email: object, sender: Sender, current_password: object = None,
    proven: bool = False,
) -> str:  # fmt: skip
    """Another e-mail address for the account, which it has once its owner follows the link that ``sender`` mails there
    (actions/addresses.py); until then the one before stays in force, and is told. Returns the address as it was understood.

    The account's password has to be right; ``proven``: the face had a second factor proven just now, and no password is
    asked for. The answer is the same whether the address is another account's or not. Raises Refused, Throttled, Invalid.
    """
    cleaned = clean_email(email)
    if info(env, principal).federated:
        raise Invalid("email", "the address of an account under single sign-on is changed at your organization")
    if not addresses.in_domains(env.policy, cleaned):
        raise Invalid("email", addresses.wrong_domain(env.policy))
    known = None if proven else prove(env, by, principal, current_password)
    with env.store.writing() as tx:
        current = acting.still(env, tx, principal)
        if known is not None:
            current = sign_in.still_the_same(current, known)
        elif current.mfa_since is None:  # it was taken off meanwhile: nothing was proven
            raise Invalid("current_password", "Give the account's current password.")
        if cleaned == current.email:
            raise Invalid("email", "that is the account's address already")
        addresses.send(env, tx, by, current, sender, cleaned)
        audit.record(env, tx, by, "account.email_ask", before=current.email, after=cleaned)
        letters.tell(
            env, tx, by, current, "Another e-mail address was asked for your account",
            f"It was asked to change the e-mail address of your account from {current.email} to {cleaned}.\n"
            "It changes once the link that was mailed there is opened. Until then nothing is different, and you can take it back "
            "on the page of your profile.",
            undo="take it back there and choose another password at once, which makes the link worthless.",
        )  # fmt: skip
        return cleaned


def change_password(
    env: Env, by: By, principal: Principal, *, current_password: object, new_password: object, end_acting: bool = False,
    renew: bool = False, others: dict[str, object] | None = None,
) -> Changed:  # fmt: skip
    """Another password, and all that the policy says dies of it; the credential that acts lives, unless ``end_acting``.
    ``renew``: a browser session that lives on gets a new secret, so that a copy of the old one is worth nothing. The owner
    is told by mail. ``others``: what ``update`` changes, to be changed with it.

    One transaction: nobody sees the new password with the old logins. Raises Refused, Throttled, Invalid for a wrong
    current password or a bad new one.
    """
    account = info(env, principal)
    if account.federated:
        raise Invalid("account", "an account under single sign-on has no password here")
    wanted = clean_changes(others or {})
    cleaned = clean_password(env, new_password, account.email, account.name, beside=account.mfa_since is not None)
    proven = prove(env, by, principal, current_password)
    hashed = env.passwords.hash(cleaned)
    with env.store.writing() as tx:
        current = sign_in.still_the_same(acting.still(env, tx, principal), proven)
        if current.mfa_since is None and account.mfa_since is not None:  # the length was judged beside a second factor
            clean_password(env, new_password, current.email, current.name)
        version = current.credential_version + 1
        tx.change_account(current.id, password_hash=hashed, credential_version=version, updated_at=env.clock())
        tx.use_email_links(current.id, env.clock())  # another address that was asked for with the old password
        audit.record(env, tx, by, "account.password_change", account_id=current.id)
        _update(env, tx, by, current, wanted)
        endings = grants.end(env, tx, by, Event.PASSWORD_CHANGE, current.id)
        key = None
        if any(ending.replaced for ending in endings):
            key = grants.mint(env, tx, by, current, Kind.API_KEY, scopes=("global",), description="API key")
        session = None
        if all(ending.grant.id != principal.grant_id for ending in endings):
            if end_acting:
                endings += grants.end(env, tx, by, Event.LOGOUT, current.id, target=principal.grant_id)
            elif renew and principal.kind == Kind.WEB:
                session = proofs.renew(env, tx, by, principal, "password")
        letters.tell(
            env, tx, by, current, "The password of your account was changed",
            f"The password of your account was changed; {_count(endings)} ended with it.",
        )  # fmt: skip
        changed = tx.account(current.id)
        assert changed is not None
        return Changed(changed, endings, key, session)


def _count(endings: list[Ending]) -> str:
    return "nothing else" if not endings else f"{len(endings)} credential{'s' if len(endings) > 1 else ''}"


def prove(env: Env, by: By, principal: Principal, current_password: object) -> Account:
    """The acting account, its password proven anew: throttled and audited like a sign-in. Raises Invalid for a wrong
    password, Throttled, Refused.
    """
    if not isinstance(current_password, str) or not current_password:
        raise Invalid("password", "give the account's current password")
    try:
        account = sign_in.check_password(env, by, principal.email, current_password)
    except Refused as refusal:
        if refusal.deny.reason != "wrong_password":
            raise
        # the token is good, so this is no 401: clients would start to log in again
        raise Invalid("current_password", "the current password is wrong; nothing was changed") from None
    if account.id != principal.account_id:
        raise Refused(decide.unproven("wrong_password"))
    return account


def suspend(env: Env, by: By, email: str) -> tuple[Account, list[Ending]]:
    """Suspends the account, by an operator, as ``suspend_locked`` does. Raises NotFound."""
    with env.store.writing() as tx:
        return suspend_locked(env, tx, by, _locked(tx, email), "an operator of the server")


def unsuspend(env: Env, by: By, email: str) -> Account:
    """Lets a suspended account sign in again, by an operator. What ended stays ended. Raises NotFound."""
    with env.store.writing() as tx:
        return unsuspend_locked(env, tx, by, _locked(tx, email), "an operator of the server")


def _locked(tx: Tx, email: str) -> Account:
    found = tx.account_by_email(email)
    account = tx.account(found.id, lock=True) if found else None
    if account is None:
        raise NotFound("account")
    return account


def suspend_locked(env: Env, tx: Tx, by: By, account: Account, who: str) -> tuple[Account, list[Ending]]:
    """Suspends the account: it cannot sign in, its credentials end, and its owner is told that ``who`` did it.

    The caller holds a writing transaction and the account's lock.
    """
    now = env.clock()
    if account.suspended_at is None:
        tx.change_account(account.id, suspended_at=now, updated_at=now)
        audit.record(env, tx, by, "account.suspend", account_id=account.id)
        _tell_state(env, tx, account, "Your account was suspended", _SUSPENDED, who)
    tx.use_resets(account.id, now)  # no link of before opens it after
    tx.use_email_links(account.id, now)
    endings = grants.end(env, tx, by, Event.SUSPEND, account.id)
    suspended = tx.account(account.id)
    assert suspended is not None
    return suspended, endings


def unsuspend_locked(env: Env, tx: Tx, by: By, account: Account, who: str) -> Account:
    """Lets a suspended account sign in again, and tells its owner; what ended stays ended. For callers as those of
    ``suspend_locked``.
    """
    if account.suspended_at is not None:
        tx.change_account(account.id, suspended_at=None, updated_at=env.clock())
        audit.record(env, tx, by, "account.unsuspend", account_id=account.id)
        _tell_state(env, tx, account, "Your account can be used again", _UNSUSPENDED, who)
    current = tx.account(account.id)
    assert current is not None
    return current


def _tell_state(env: Env, tx: Tx, account: Account, subject: str, body: str, who: str) -> None:
    where = env.post.public_url or "your Keyturn server"
    letters.mail(
        env, tx, account.email, subject, body.format(email=account.email, who=who, where=where, when=decide.in_words(env.clock()))
    )  # fmt: skip


_SUSPENDED: Final = """\
Hello,

{who} suspended the account {email} at {where}, on {when}.

Nobody can sign in to it any more, and its credentials have ended. Ask your administrator why, and what comes next.
"""

_UNSUSPENDED: Final = """\
Hello,

{who} lets the account {email} at {where} be used again, since {when}.

You can sign in as before. Credentials that had ended stay ended: make new ones where you need them.
"""

"""A forgotten password: a one-time link by mail, a credential too. It lives for an hour, and dies at its use, when a newer
one is asked for, and when the password or the address changes meanwhile.

Whoever asks learns nothing: the answer is the same whether there is such an account or not, and so is the work: where there
is none, rows of the same size are written that lead nowhere, and of which no operator is told as of a mail that failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import accounts, audit, grants, letters, throttle
from keyturn.actions.env import Gone, Invalid, NotFound
from keyturn.core import decide, lifecycle, policy, token
from keyturn.core.policy import Event, Kind
from keyturn.store.interface import NOWHERE, Invitation, Reset

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.actions.accounts import Changed
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account
    from keyturn.core.lifecycle import Ending
    from keyturn.store.interface import Tx

# So many links an hour, for one e-mail and from one place; past that each waits twice as long as the one before.
EMAIL: Final = throttle.Rule(free=5, most=timedelta(hours=1))
PLACE: Final = throttle.Rule(free=20, most=timedelta(hours=1))

RESETS_KEPT: Final = 30 * policy.DAY


@dataclass(frozen=True, slots=True)
class Open:
    """A living reset: whose it is, and what its use will end."""

    account: Account
    endings: list[tuple[Ending, Credential]]


def ask(env: Env, by: By, email: object, link: Callable[[str], str], instance: str = "Keyturn") -> str:
    """Mails the owner of ``email`` a link, which ``link`` makes of the secret; returns the address as it was understood.

    The same for unknown and suspended accounts, which get no mail, and for those under single sign-on, which are told that
    they have no password. Raises Invalid for what is no address, Throttled.
    """
    address = accounts.clean_email(email)
    secret = token.make("reset", env.random_bytes)
    now = env.clock()
    with env.store.writing() as tx:
        _throttle(env, tx, address, by.address)
        account = tx.account_by_email(address)
        known = account is not None and account.suspended_at is None and not account.federated
        audit.record(
            env, tx, by, "password_reset.ask", outcome="ok" if known else "ignored",
            account_id=account.id if account else None,
        )  # fmt: skip
        subject = f"Choose a new password for {instance}"
        text = _LINK.format(
            email=account.email if account else address, instance=instance, link=link(secret),
            life=lifecycle.in_words(policy.RESET_LINK), address=by.address or "an unknown address", when=decide.in_words(now),
        )  # fmt: skip
        if account is not None and known:
            _open(env, tx, account, secret)
            letters.mail(env, tx, account.email, subject, text)
        elif account is None or account.suspended_at is not None:
            _pretend(env, tx, address, secret)
            letters.mail(env, tx, address, subject, text, channel=NOWHERE)
        else:
            letters.mail(env, tx, account.email, f"Your {instance} account has no password", _FEDERATED.format(
                email=account.email, instance=instance, address=by.address or "an unknown address", when=decide.in_words(now),
            ))  # fmt: skip
    return address


def ask_as_operator(env: Env, by: By, email: str) -> tuple[Account, str]:
    """The secret of a reset of the account, for an operator to hand on. Raises NotFound, Invalid when it is suspended or
    has no password of its own.
    """
    with env.store.writing() as tx:
        account = tx.account_by_email(email)
        if account is None:
            raise NotFound("account")
        if account.suspended_at is not None:
            raise Invalid("email", f"{account.email} is suspended; let it sign in again first: accounts:unsuspend")
        if account.federated:
            raise Invalid("email", f"{account.email} signs in through single sign-on and has no password here")
        secret = begin(env, tx, account)
        audit.record(env, tx, by, "password_reset.ask", account_id=account.id, by_operator=True)
    return account, secret


def begin(env: Env, tx: Tx, account: Account) -> str:
    """The secret of a new reset of the account; earlier ones end. Whoever calls sees to who may, and to the audit trail."""
    secret = token.make("reset", env.random_bytes)
    _open(env, tx, account, secret)
    return secret


def _open(env: Env, tx: Tx, account: Account, secret: str) -> None:
    now = env.clock()
    tx.forget_resets(now - timedelta(seconds=RESETS_KEPT))
    tx.use_resets(account.id, now)
    ends = now + timedelta(seconds=policy.RESET_LINK)
    tx.add_reset(Reset(account.id, account.credential_version, now, ends), token.digest(secret))


def _pretend(env: Env, tx: Tx, email: str, secret: str) -> None:
    """What ``_open`` writes, where there is no account to reset: a link that never worked."""
    now = env.clock()
    tx.forget_resets(now - timedelta(seconds=RESETS_KEPT))
    tx.use_resets("", now)
    tx.add_invitation(Invitation(env.new_id(), email, None, False, None, now, now, used_at=now), token.digest(secret))


def _throttle(env: Env, tx: Tx, email: str, address: str) -> None:
    """Counts one request. Raises Throttled while the e-mail or the place must wait; both are counted for unknown e-mails
    alike.
    """
    keys = {f"reset:{throttle.who(email)}": EMAIL, f"reset-place:{throttle.place_of(address)}": PLACE}
    throttle.asked(env, tx, keys, "Too many links were asked for. Wait a little and try again.")


def opened(env: Env, by: By, secret: str) -> Open:
    """Whose password the link replaces, and what that will end. Changes nothing: a mail scanner may look, too.

    Raises Gone for a link that is unknown, used up, expired or overtaken by a change of the password.
    """
    with env.store.reading() as tx:
        account = _living(env, tx, secret)
        endings = grants.would_end(env, tx, by, Event.PASSWORD_RESET, account.id)
        shown = grants.with_tokens(tx, [ending.grant for ending in endings])
        return Open(account, list(zip(endings, shown, strict=True)))


def _living(env: Env, tx: Tx, secret: str, *, lock: bool = False) -> Account:
    known = token.kind_of(secret) == "reset" and token.is_token(secret)
    reset = tx.reset(token.digest(secret)) if known else None
    account = tx.account(reset.account_id, lock=lock) if reset else None
    if (
        reset is None
        or account is None
        or reset.used_at is not None
        or reset.expires_at <= env.clock()
        or reset.account_version != account.credential_version
        or account.suspended_at is not None
        or account.closed_at is not None
        or account.federated
    ):
        raise Gone("This link to choose a new password was used, or has run out. Ask for another one.")
    return account


def finalize(
    env: Env, by: By, secret: str, *, password: object, confirmation: object, instance: str = "Keyturn"
) -> Changed:
    """The new password, and all that the policy says dies of it. The link is used up; its owner is told by mail.

    It signs nobody in, makes no credential, and replaces no second factor: that is asked for as ever, in remembered
    browsers too, which are forgotten with the old password. Raises Gone as ``opened`` does, Invalid for a bad password
    or two that differ: then the link stays good.
    """
    with env.store.reading() as tx:
        account = _living(env, tx, secret)  # before the dear hash
    if password != confirmation:
        raise Invalid("password_confirmation", "the two passwords are not the same")
    beside = account.mfa_since is not None
    hashed = env.passwords.hash(accounts.clean_password(env, password, account.email, account.name, beside=beside))
    now = env.clock()
    with env.store.writing() as tx:
        current = _living(env, tx, secret, lock=True)  # again, now that nobody else can use it
        tx.use_resets(current.id, now)
        tx.use_email_links(current.id, now)  # another address that was asked for with the old password
        tx.change_account(
            current.id, password_hash=hashed, credential_version=current.credential_version + 1, updated_at=now
        )
        audit.record(env, tx, by, "account.password_reset", account_id=current.id)
        endings = grants.end(env, tx, by, Event.PASSWORD_RESET, current.id)
        # whoever reads the account's mail is its owner: guesses made by others hold them back no longer
        if current.mfa_since is None:
            throttle.succeeded(env, tx, current.id, current.email, by.address)
        else:  # the mail is one factor: the other one is still asked for, and only then the place is known
            throttle.right_password(tx, current.email, by.address)
        letters.mail(env, tx, current.email, f"Your {instance} password was changed", _DONE.format(
            email=current.email, instance=instance, address=by.address or "an unknown address",
            when=decide.in_words(now), ended=_ended(endings),
        ))  # fmt: skip
        changed = tx.account(current.id)
        assert changed is not None
        return accounts.Changed(changed, endings)


def ended_key(endings: list[Ending]) -> str | None:
    """What to tell the owner when the reset ended the API key, in whose place none is made: whoever reads the mail alone has
    not proven enough to be given one. None: there was no key.
    """
    if all(ending.grant.kind is not Kind.API_KEY for ending in endings):
        return None
    return "The API key ended as well. Sign in to make a new one, with: keyturn authorizations:rotate '~'"


def _ended(endings: list[Ending]) -> str:
    if not endings:
        return "Nothing else ended with it."
    lines = [f"  - {policy.LIVES[e.grant.kind].noun}: {e.grant.description}" for e in endings[:50]]
    more = [f"  - and {len(endings) - 50} more"] if len(endings) > 50 else []
    key = ended_key(endings)
    return "\n".join(["This ended with it:", "", *lines, *more, *(["", key] if key else [])])


_FEDERATED: Final = """\
Hello,

somebody, probably you, asked to choose a new password for the account {email} at {instance}, from {address}, on {when}.

Your account signs in through your organization's single sign-on, so there is no password here to replace.
If you forgot the one of your organization, ask there.
"""

_LINK: Final = """\
Hello,

somebody, probably you, asked to choose a new password for the account {email} at {instance}.
To do so, open this link within {life}:

  {link}

It works once, and shows what will end with the old password before you decide.
It was asked for from {address}, on {when}.

If that was not you, do nothing: your password stays as it is.
"""

_DONE: Final = """\
Hello,

the password of the account {email} at {instance} was replaced through a reset link, from {address}, on {when}.

{ended}

If that was not you, somebody else can read your mail: secure that first, then ask for another link and choose a password
again, and tell your administrator.
"""

"""Proving that an account's owner reads the mail of its address: by a link that works once, within three days, and for the
address it was sent to alone. A mail scanner that looks at it proves nothing: its page has a button.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, audit, letters, throttle
from keyturn.actions.env import Gone, Invalid
from keyturn.core import decide, lifecycle, policy, token
from keyturn.store.interface import EmailLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, Principal
    from keyturn.store.interface import Tx

# So many links an hour for one account, and for one address; past that each waits twice as long as the one before.
ACCOUNT: Final = throttle.Rule(free=5, most=timedelta(hours=1))
ADDRESS: Final = throttle.Rule(free=5, most=timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Sender:
    """What a mail with a link is made of."""

    link: Callable[[str], str]
    """The URL of a secret, on the server's public address."""
    instance: str = "Keyturn"


def ask(env: Env, by: By, principal: Principal, sender: Sender) -> str:
    """Mails the account's address a link, which replaces earlier ones; returns the address.

    Raises Invalid when the address is proven already, Throttled, Refused.
    """
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        if account.verified_at is not None:
            raise Invalid("email", "This address is confirmed already.")
        send(env, tx, by, account, sender)
        return account.email


def send(env: Env, tx: Tx, by: By, account: Account, sender: Sender) -> None:
    """Puts a link for the account's address into the outbox. The caller holds a writing transaction. Raises Throttled."""
    keys = {f"email-link:{account.id}": ACCOUNT, f"email-link-to:{throttle.who(account.email)}": ADDRESS}
    throttle.asked(env, tx, keys, "Too many links were asked for. Wait a little and try again.")
    secret, now = token.make("email", env.random_bytes), env.clock()
    tx.use_email_links(account.id, now)
    ends = now + timedelta(seconds=policy.EMAIL_LINK)
    tx.add_email_link(EmailLink(account.id, account.email, now, ends), token.digest(secret))
    audit.record(env, tx, by, "email.ask", account_id=account.id)
    letters.mail(env, tx, account.email, f"Confirm your e-mail address at {sender.instance}", _LINK.format(
        email=account.email, instance=sender.instance, link=sender.link(secret), life=lifecycle.in_words(policy.EMAIL_LINK),
        address=by.address or "an unknown address", when=decide.in_words(now),
    ))  # fmt: skip


def opened(env: Env, secret: str) -> Account:
    """Whose address the link proves; changes nothing. Raises Gone as ``prove`` does."""
    with env.store.reading() as tx:
        return _living(env, tx, secret)


def _living(env: Env, tx: Tx, secret: str, *, lock: bool = False) -> Account:
    known = token.kind_of(secret) == "email" and token.is_token(secret)
    link = tx.email_link(token.digest(secret)) if known else None
    account = tx.account(link.account_id, lock=lock) if link else None
    if (
        link is None
        or account is None
        or link.used_at is not None
        or link.expires_at <= env.clock()
        or link.email != account.email  # it proves nothing of another one
        or account.closed_at is not None
    ):
        raise Gone("This link to confirm an e-mail address was used, or has run out. Ask for another one.")
    return account


def prove(env: Env, by: By, secret: str) -> Account:
    """The address is proven, and the link used up. Takes no session: the mail may be read elsewhere.

    Raises Gone for a link that is unknown, used up, expired, or of an address that the account has no more.
    """
    with env.store.writing() as tx:
        account = _living(env, tx, secret, lock=True)
        now = env.clock()
        tx.use_email_links(account.id, now)
        tx.change_account(account.id, verified_at=now, updated_at=now)
        audit.record(env, tx, by, "email.verify", account_id=account.id)
        changed = tx.account(account.id)
        assert changed is not None
        return changed


_LINK: Final = """\
Hello,

{email} is now the address of an account at {instance}.
To confirm that it is yours, open this link within {life} and press the button:

  {link}

It works once. It was asked for from {address}, on {when}.

If you have no account there, do nothing: somebody mistyped their address, and without you it is not confirmed.
"""

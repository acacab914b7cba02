"""Proving that an account's owner reads the mail of its address: by a link that works once, within three days, and for the
address it was sent to alone. A mail scanner that looks at it proves nothing: its page has a button.

Another address is *pending* until its link is followed: a living link for an address that is not the account's. Nobody is
called by an address that they have not proven, whether it is free or not is found then, and until then nothing tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, audit, letters, throttle
from keyturn.actions.env import Gone, Invalid
from keyturn.core import address as mailbox
from keyturn.core import decide, lifecycle, policy, token
from keyturn.store.interface import EmailLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, Principal
    from keyturn.core.policy import Policy
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


@dataclass(frozen=True, slots=True)
class Opened:
    """What a living link proves."""

    account: Account
    email: str
    """The address that it was sent to."""

    @property
    def changes(self) -> bool:
        """Whether the account has that address only from then on."""
        return self.email != self.account.email


def in_domains(rules: Policy, email: str) -> bool:
    """Whether the policy takes addresses of that domain."""
    return not rules.sign_up_domains or mailbox.domain_of(email) in rules.sign_up_domains


def wrong_domain(rules: Policy) -> str:
    """What to tell of an address of another domain."""
    return f"accounts here are for addresses of {', '.join(rules.sign_up_domains)}"


def pending(env: Env, principal: Principal) -> str | None:
    """The address that the acting account has once the link which was sent there is followed; None: no change waits."""
    with env.store.reading() as tx:
        account = tx.account(principal.account_id)
        return _pending(env, tx, account) if account is not None else None


def _pending(env: Env, tx: Tx, account: Account) -> str | None:
    return next((link.email for link in tx.email_links(account.id, env.clock()) if link.email != account.email), None)


def take_back(env: Env, by: By, principal: Principal) -> str | None:
    """The pending address is pending no more, and its link worth nothing; which it was. Raises Refused."""
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        email = _pending(env, tx, account)
        if email is not None:
            tx.use_email_links(account.id, env.clock())
            audit.record(env, tx, by, "account.email_take_back", account_id=account.id, email=email)
        return email


def ask(env: Env, by: By, principal: Principal, sender: Sender) -> str:
    """Mails the pending address a link, or else the account's own; it replaces earlier ones. Returns the address.

    Raises Invalid when the address is proven already and none is pending, Throttled, Refused.
    """
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        email = _pending(env, tx, account)
        if email is None and account.verified_at is not None:
            raise Invalid("email", "This address is confirmed already.")
        send(env, tx, by, account, sender, email)
        return email or account.email


def send(env: Env, tx: Tx, by: By, account: Account, sender: Sender, email: str | None = None) -> None:
    """Puts a link into the outbox: for the account's address, or for ``email``, which is pending from then on. Where that is
    another account's, the mail says so and has no link; all else is the same. The caller holds a writing transaction.

    Raises Throttled.
    """
    address = email or account.email
    keys = {f"email-link:{account.id}": ACCOUNT, f"email-link-to:{throttle.who(address)}": ADDRESS}
    throttle.asked(env, tx, keys, "Too many links were asked for. Wait a little and try again.")
    secret, now = token.make("email", env.random_bytes), env.clock()
    tx.use_email_links(account.id, now)
    ends = now + timedelta(seconds=policy.EMAIL_LINK)
    tx.add_email_link(EmailLink(account.id, address, now, ends), token.digest(secret))
    audit.record(env, tx, by, "email.ask", account_id=account.id)
    subject, text = f"Confirm your e-mail address at {sender.instance}", _LINK
    if address != account.email:
        text = _CHANGE
        if _is_taken(tx, account, address):
            subject, text = f"Your account at {sender.instance}", _TAKEN
    letters.mail(env, tx, address, subject, text.format(
        email=address, instance=sender.instance, link=sender.link(secret), life=lifecycle.in_words(policy.EMAIL_LINK),
        address=by.address or "an unknown address", when=decide.in_words(now),
    ))  # fmt: skip


def _is_taken(tx: Tx, account: Account, email: str) -> bool:
    other = tx.account_by_email(email)
    return other is not None and other.id != account.id


def opened(env: Env, secret: str) -> Opened:
    """Whose address the link proves; changes nothing. Raises Gone as ``prove`` does."""
    with env.store.reading() as tx:
        return _living(env, tx, secret)


def _living(env: Env, tx: Tx, secret: str, *, lock: bool = False) -> Opened:
    known = token.kind_of(secret) == "email" and token.is_token(secret)
    link = tx.email_link(token.digest(secret)) if known else None
    account = tx.account(link.account_id, lock=lock) if link else None
    if (
        link is None
        or account is None
        or link.used_at is not None
        or link.expires_at <= env.clock()
        or account.closed_at is not None
        or (link.email != account.email and (account.suspended_at is not None or account.federated))
    ):
        raise Gone("This link to confirm an e-mail address was used, or has run out. Ask for another one.")
    if link.email != account.email and _is_taken(tx, account, link.email):
        raise Gone("There is an account with this address by now. Nothing was changed.")
    return Opened(account, link.email)


def prove(env: Env, by: By, secret: str) -> Opened:
    """The address is proven, and the link used up; one that was pending is the account's from now on, and the address
    before is told. Takes no session: the mail may be read elsewhere. Returns what was proven, with the account as it is now.

    Raises Gone for a link that is unknown, used up, expired, or of an address that is another account's by now.
    """
    with env.store.writing() as tx:
        found = _living(env, tx, secret, lock=True)
        account, now = found.account, env.clock()
        tx.use_email_links(account.id, now)
        if found.changes:
            tx.change_account(account.id, email=found.email)
            tx.use_resets(account.id, now)  # links that went to the address before
            audit.record(
                env, tx, by, "account.email_change", account_id=account.id, before=account.email, after=found.email
            )
            letters.tell(
                env, tx, by, account, "The e-mail address of your account was changed",
                f"The e-mail address of your account was changed from {account.email} to {found.email}.\n"
                "From now on you sign in with the new one, and mails go there.",
                undo="tell your administrator at once, who can end all that acts for the account and give it back to you.",
            )  # fmt: skip
        tx.change_account(account.id, verified_at=now, updated_at=now)
        audit.record(env, tx, by, "email.verify", account_id=account.id)
        changed = tx.account(account.id)
        assert changed is not None
        return Opened(changed, found.email)


_LINK: Final = """\
Hello,

{email} is now the address of an account at {instance}.
To confirm that it is yours, open this link within {life} and press the button:

  {link}

It works once. It was asked for from {address}, on {when}.

If you have no account there, do nothing: somebody mistyped their address, and without you it is not confirmed.
"""

_CHANGE: Final = """\
Hello,

the owner of an account at {instance} asked to make {email} its address.
To confirm that it is yours, open this link within {life} and press the button. From then on the account has this address:

  {link}

It works once. It was asked for from {address}, on {when}.

If that was not you, do nothing, and do not open the link: without you the account keeps the address that it has.
"""

_TAKEN: Final = """\
Hello,

somebody, probably you, asked to make {email} the address of another account at {instance}, from {address}, on {when}.
It is the address of an account already, so nothing was changed, and nothing will be.

If you want to use it for another account, change the address of this one first, or close it.
"""

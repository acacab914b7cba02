"""Making accounts by a link in a mail: sent by an administrator, or where the policy opens sign-up asked for by anyone.

Whoever asks to join learns nothing: the answer is the same whether the address has an account or not, and so is the work.
Who takes the link up reads the address's mail, so the account's address counts as proven.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import accounts, acting, addresses, audit, letters, throttle
from keyturn.actions.env import Gone, Invalid, NotFound
from keyturn.core import decide, lifecycle, policy, token
from keyturn.store.interface import Invitation

if TYPE_CHECKING:
    from keyturn.actions.addresses import Sender
    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, Principal
    from keyturn.core.policy import Policy
    from keyturn.store.interface import Tx

# So many links an hour, for one e-mail and from one place; past that each waits twice as long as the one before.
EMAIL: Final = throttle.Rule(free=5, most=timedelta(hours=1))
PLACE: Final = throttle.Rule(free=20, most=timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation, and the secret of its link where this answer is the one that has it."""

    invitation: Invitation
    secret: str


def invite(
    env: Env, by: By, principal: Principal | None, *, email: object, name: object = None, admin: object = False,
    sender: Sender | None = None,
) -> Invited:  # fmt: skip
    """Invites somebody to make an account; earlier invitations of the address end. By an administrator; ``principal`` is
    None for an operator. ``sender``: mails the link; None where the caller hands it on.

    Raises Refused, Invalid for a bad e-mail or name and where there is an account already.
    """
    address, called = accounts.clean_email(email), accounts.clean_name(name)
    if not isinstance(admin, bool):
        raise Invalid("admin", "admin must be true or false")
    secret, now = token.make("invitation", env.random_bytes), env.clock()
    with env.store.writing() as tx:
        host = acting.administrator(env, tx, principal) if principal is not None else None
        if tx.account_by_email(address) is not None:
            raise Invalid("email", f"there is an account with the e-mail {address} already")
        tx.use_invitations(address, now)
        ends = now + timedelta(seconds=policy.INVITATION)
        made = Invitation(env.new_id(), address, called, admin, host.id if host else None, now, ends)
        tx.add_invitation(made, token.digest(secret))
        audit.record(env, tx, by, "invitation.create", invitation=made.id, email=address, admin=admin)
        if sender is not None:
            letters.mail(env, tx, address, f"You are invited to {sender.instance}", _INVITED.format(
                host=(host and host.email) or "The operator", instance=sender.instance, link=sender.link(secret),
                life=lifecycle.in_words(policy.INVITATION), email=address,
            ))  # fmt: skip
    return Invited(made, secret)


def listed(env: Env, principal: Principal) -> list[Invitation]:
    """The administrators' invitations that can still be taken up, newest first. Raises Refused."""
    with env.store.writing() as tx:  # it locks the account that acts
        acting.administrator(env, tx, principal)
        return tx.invitations(env.clock())


def take_back(env: Env, by: By, principal: Principal, invitation_id: str) -> None:
    """The link is worth nothing more. Raises Refused, NotFound."""
    with env.store.writing() as tx:
        acting.administrator(env, tx, principal)
        try:
            identity = str(uuid.UUID(invitation_id))
        except ValueError:
            raise NotFound("invitation") from None
        if not tx.remove_invitation(identity):
            raise NotFound("invitation")
        audit.record(env, tx, by, "invitation.take_back", invitation=identity)


def may_join(rules: Policy, email: str) -> bool:
    """Whether the policy lets whoever reads the address's mail make an account by themselves."""
    return rules.sign_up == "open" and addresses.in_domains(rules, email)


def ask_to_join(env: Env, by: By, email: object, sender: Sender, *, sign_in: str, reset: str) -> str:
    """Mails a link that makes an account; an address that has one gets a mail that says so, with the URLs ``sign_in`` and
    ``reset``. Returns the address as it was understood.

    Raises NotFound where sign-up is not open, Invalid for what is no address or one of another domain, Throttled.
    """
    if env.policy.sign_up != "open":
        raise NotFound("page")
    address = accounts.clean_email(email)
    if not may_join(env.policy, address):
        raise Invalid("email", addresses.wrong_domain(env.policy))
    secret, now = token.make("invitation", env.random_bytes), env.clock()
    keys = {f"join:{throttle.who(address)}": EMAIL, f"join-place:{throttle.place_of(by.address)}": PLACE}
    with env.store.writing() as tx:
        throttle.asked(env, tx, keys, "Too many links were asked for. Wait a little and try again.")
        if not tx.count_accounts():
            raise NotFound("page")  # the first account is an administrator's, by the link that the server printed
        known = tx.account_by_email(address)
        ends = now + timedelta(seconds=policy.SIGN_UP_LINK)
        # the same rows for both; earlier links stay good: an administrator's invitation is no stranger's to end
        made = Invitation(
            env.new_id(), address, None, False, None, now, ends, used_at=now if known else None, asked=True
        )
        tx.add_invitation(made, token.digest(secret))
        audit.record(
            env, tx, by, "sign_up.ask", outcome="ignored" if known else "ok", account_id=known.id if known else None,
            email=address,
        )  # fmt: skip
        text = (_KNOWN if known else _JOIN).format(
            email=address, instance=sender.instance, link=sender.link(secret), life=lifecycle.in_words(policy.SIGN_UP_LINK),
            sign_in=sign_in, reset=reset, address=by.address or "an unknown address", when=decide.in_words(now),
        )  # fmt: skip
        letters.mail(env, tx, address, f"Your account at {sender.instance}", text)
    return address


def opened(env: Env, secret: str) -> Invitation:
    """The living invitation of that secret; changes nothing. Raises Gone as ``join`` does."""
    with env.store.reading() as tx:
        return _living(env, tx, secret)


def _living(env: Env, tx: Tx, secret: str) -> Invitation:
    known = token.kind_of(secret) == "invitation" and token.is_token(secret)
    found = tx.invitation(token.digest(secret)) if known else None
    if found is None or found.used_at is not None or found.expires_at <= env.clock():
        raise Gone("This link to make an account was used, or has run out. Ask for another one.")
    if found.invited_by is not None:  # an invitation is as good as who gave it
        host = tx.account(found.invited_by)
        if host is None or not host.admin or host.suspended_at is not None or host.closed_at is not None:
            raise Gone("Whoever sent this invitation is no administrator any more. Ask for another one.")
    if found.asked and not may_join(env.policy, found.email):
        raise Gone("Accounts are not made this way any more. Ask an administrator for an invitation.")
    if tx.account_by_email(found.email) is not None:
        raise Gone("There is an account with this address by now. Sign in with it, or choose a new password.")
    return found


def join(env: Env, by: By, secret: str, *, name: object, password: object) -> Account:
    """The account that the link makes; its address counts as proven. Of several at once one makes it.

    Raises Gone for a link that is unknown, used up or expired; Invalid for a bad name or password: then it stays good.
    """
    found = opened(env, secret)  # before the dear hash
    called = accounts.clean_name(name)
    hashed = env.passwords.hash(accounts.clean_password(env, password, found.email, called))
    with env.store.writing() as tx:
        found = _living(env, tx, secret)  # again, now that nobody else can use it
        tx.use_invitations(found.email, env.clock())
        return accounts.add(
            env, tx, by, found.email, called, hashed, admin=found.admin, verified=True, invitation=found.id
        )


_INVITED: Final = """\
Hello,

{host} invites you to make an account at {instance}, for {email}.
To choose a password for it, open this link within {life}:

  {link}

It works once. If you do not know what this is about, do nothing: without you no account is made.
"""

_JOIN: Final = """\
Hello,

somebody, probably you, asked to make an account at {instance} for {email}.
To choose a password for it, open this link within {life}:

  {link}

It works once. It was asked for from {address}, on {when}.

If that was not you, do nothing: without you no account is made.
"""

_KNOWN: Final = """\
Hello,

somebody, probably you, asked to make an account at {instance} for {email}.
There is one already. To sign in with it:

  {sign_in}

If you forgot its password, ask for a link to choose a new one:

  {reset}

It was asked for from {address}, on {when}. If that was not you, there is nothing to do: nothing was changed.
"""

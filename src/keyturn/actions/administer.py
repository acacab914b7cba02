"""What administrators do to accounts: suspend, promote, help back in, revoke.

Every act looks at the administrator once more inside its own transaction (acting.administrator), so one who was demoted
or suspended a moment ago can do nothing any more, and of two who turn on each other at once one wins. None can suspend
or demote themselves: so whatever they do, whoever did it is left, and a server never is without an administrator.

The owner is told of everything by mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyturn.actions import accounts, acting, audit, factors, grants, letters, resets
from keyturn.actions.env import Invalid, NotFound
from keyturn.core import address as mailbox
from keyturn.core import lifecycle, policy
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account, Factor, Grant, SshKey
    from keyturn.core.lifecycle import Ending
    from keyturn.store.interface import Tx

PAGE: Final = 50
"""Accounts, and credentials of one, on a page."""
UNTOLD: Final = frozenset({Kind.LOGIN, Kind.WEB, Kind.WORKLOAD})
"""Kinds of whose end no notice goes out by itself (core/notice.py)."""


@dataclass(frozen=True, slots=True)
class Particulars:
    """One account, as administrators see it: nothing secret, and no second factor but its sort."""

    account: Account
    living: dict[Kind, int]
    """How many living credentials of each kind."""
    next: Grant | None
    """The next credential that expires by itself, browser sessions aside."""
    shown: list[Credential]
    """A page of the living ones, what ends next first."""
    page: int
    pages: int
    keys: list[SshKey]
    factors: list[Factor]
    """The confirmed second factors."""
    recovery_left: int
    remembered: int
    """Browsers that are asked for the password alone."""


def listed(env: Env, text: str = "", after: str = "") -> tuple[list[Account], bool]:
    """A page of the accounts whose e-mail or name has ``text``, after the account ``after``; and whether more follow."""
    with env.store.reading() as tx:
        found = tx.accounts_page(text=text, after=after, most=PAGE + 1)
    return found[:PAGE], len(found) > PAGE


def seen(env: Env, account_id: str, page: int = 1) -> Particulars:
    """One account. Raises NotFound."""
    now = env.clock()
    with env.store.reading() as tx:
        account = tx.account(account_id)
        if account is None:
            raise NotFound("account")
        alive = sorted(tx.grants(account.id, alive_at=now), key=lambda g: (g.expires_at is None, g.expires_at, g.id))
        living: dict[Kind, int] = {}
        for grant in alive:
            living[grant.kind] = living.get(grant.kind, 0) + 1
        pages = max(1, -(-len(alive) // PAGE))
        page = min(max(page, 1), pages)
        return Particulars(
            account, living,
            next=next((g for g in alive if g.expires_at is not None and g.kind is not Kind.WEB), None),
            shown=grants.with_tokens(tx, alive[(page - 1) * PAGE : page * PAGE]), page=page, pages=pages,
            keys=tx.keys(account.id, env.clock()), factors=[f for f in tx.factors(account.id) if f.confirmed_at is not None],
            recovery_left=tx.count_recovery_codes(account.id), remembered=len(tx.devices(account.id, now)),
        )  # fmt: skip


def addresses(env: Env, ids: Iterable[str | None]) -> dict[str, str]:
    """The e-mail addresses of accounts, by id."""
    with env.store.reading() as tx:
        found = {each: tx.account(each) for each in set(ids) if each is not None}
    return {each: account.email for each, account in found.items() if account is not None}


def find(env: Env, who: str) -> str | None:
    """The id of the account with that e-mail or id; of a closed one where no living one has the e-mail. None: there is
    none.
    """
    with env.store.reading() as tx:
        found = tx.account_by_email(who) or tx.account(who)
        closed = [] if found else [each for each in tx.accounts_page(text=who) if each.closed_at is not None]
        found = found or next((each for each in closed if mailbox.key(each.email) == mailbox.key(who)), None)
    return found.id if found else None


def one(env: Env, account_id: str) -> Account:
    """The account. Raises NotFound."""
    with env.store.reading() as tx:
        account = tx.account(account_id)
    if account is None:
        raise NotFound("account")
    return account


def credential(env: Env, account_id: str, grant_id: str) -> tuple[Account, Credential]:
    """A living credential of the account. Raises NotFound."""
    with env.store.reading() as tx:
        account, grant = tx.account(account_id), tx.grant(grant_id)
        if account is None:
            raise NotFound("account")
        if grant is None or grant.account_id != account.id or grant.ended_by_then(env.clock()):
            raise NotFound("credential")
        return account, grants.with_tokens(tx, [grant])[0]


def expiring(
    env: Env, before: datetime, kinds: frozenset[Kind], page: int, per_page: int
) -> tuple[list[tuple[Account, Credential]], bool]:
    """A page of what expires by then, of all accounts, the next first; and whether more follow."""
    with env.store.reading() as tx:
        found = tx.grants_expiring(env.clock(), before, kinds, limit=page * per_page + 1)
        stretch = found[(page - 1) * per_page : page * per_page]
        owners = {each: tx.account(each) for each in {grant.account_id for grant in stretch}}
        rows = [(owners[c.grant.account_id], c) for c in grants.with_tokens(tx, stretch)]
    return [(owner, c) for owner, c in rows if owner is not None], len(found) > page * per_page


def state(env: Env) -> tuple[dict[str, object], dict[str, int]]:
    """What the store is, and how much is in it. Raises Unavailable."""
    with env.store.reading() as tx:
        counts = tx.counts(env.clock()) | {"administrators_acting": tx.count_admins()}
    return env.store.describe(), counts


def _target(env: Env, tx: Tx, by: By, account_id: str) -> tuple[Account, Account]:
    """Who acts, an administrator still, and whom it is about. Raises Refused, NotFound, Invalid for a closed account."""
    assert by.principal is not None
    admin = acting.administrator(env, tx, by.principal)
    account = tx.account(account_id, lock=True)
    if account is None:
        raise NotFound("account")
    if account.closed_at is not None:
        raise Invalid("account", "This account was closed by its owner. Nothing can be done to it any more.")
    return admin, account


def _again(tx: Tx, account: Account) -> Account:
    changed = tx.account(account.id)
    assert changed is not None
    return changed


def suspend(env: Env, by: By, account_id: str) -> tuple[Account, list[Ending]]:
    """Suspends the account: it cannot sign in, and its credentials end, as preview_suspension said.

    Raises Refused, NotFound, Invalid for oneself.
    """
    with env.store.writing() as tx:
        admin, account = _target(env, tx, by, account_id)
        if account.id == admin.id:
            raise Invalid("account", "You cannot suspend yourself. Another administrator can.")
        return accounts.suspend_locked(env, tx, by, account, f"the administrator {admin.email}")


def unsuspend(env: Env, by: By, account_id: str) -> Account:
    """Lets the account sign in again; what ended stays ended. Raises Refused, NotFound, Invalid."""
    with env.store.writing() as tx:
        admin, account = _target(env, tx, by, account_id)
        return accounts.unsuspend_locked(env, tx, by, account, f"the administrator {admin.email}")


def set_admin(env: Env, by: By, account_id: str, *, admin: bool) -> Account:
    """Makes the account an administrator's, or takes that back.

    Whoever becomes one signs in anew: a session of before may be in other hands, to which it was worth less. Tokens of before
    live on and gain nothing (prove.administrator). Where the policy asks administrators for a second factor that it has not,
    that session sets one up first. Raises Refused, NotFound, Invalid for oneself and for a suspended account.
    """
    with env.store.writing() as tx:
        actor, account = _target(env, tx, by, account_id)
        if account.id == actor.id:
            raise Invalid("account", "You cannot change your own rights. Another administrator can.")
        if account.admin == admin:
            return account
        if admin and account.suspended_at is not None:
            raise Invalid("account", "This account is suspended. Let it sign in again first.")
        now = env.clock()
        tx.change_account(account.id, admin=admin, admin_since=now if admin else None, updated_at=now)
        if admin:
            audit.record(env, tx, by, "account.admin_on", account_id=account.id)
            grants.end_browser_sessions(env, tx, by, account.id)
        else:
            audit.record(env, tx, by, "account.admin_off", account_id=account.id)
        what = "made you an administrator of this server" if admin else "took back your rights as an administrator"
        letters.tell(
            env, tx, by, account, "You are an administrator now" if admin else "You are no administrator any more",
            f"The administrator {actor.email} {what}." + (_ANEW if admin else ""),
        )  # fmt: skip
        return _again(tx, account)


def reset_factors(env: Env, by: By, account_id: str) -> Account:
    """Takes all second factors off an account whose owner lost them (factors.take_off). Raises Refused, NotFound,
    Invalid for oneself, whose own are changed in the settings, and when there is nothing to take off.
    """
    with env.store.writing() as tx:
        admin, account = _target(env, tx, by, account_id)
        if account.id == admin.id:
            raise Invalid("account", "You cannot reset your own second factors. Change them under Two-factor.")
        return factors.take_off(env, tx, by, account)


def reset_password(env: Env, by: By, account_id: str, link: Callable[[str], str], *, by_mail: bool) -> str | None:
    """A one-time link to choose a new password: mailed to the owner, or returned, to be handed on; its owner is told then.

    It never stands in for a second factor. Raises Refused, NotFound, Invalid.
    """
    with env.store.writing() as tx:
        admin, account = _target(env, tx, by, account_id)
        if account.suspended_at is not None:
            raise Invalid("account", "This account is suspended. Let it sign in again first.")
        if account.federated:
            raise Invalid("account", "This account signs in through single sign-on and has no password here.")
        url = link(resets.begin(env, tx, account))
        way = "mail" if by_mail else "shown"
        audit.record(env, tx, by, "password_reset.ask", account_id=account.id, by_admin=True, way=way)
        if by_mail:
            letters.mail(env, tx, account.email, "Choose a new password", _RESET.format(
                email=account.email, admin=admin.email, link=url, life=lifecycle.in_words(policy.RESET_LINK),
            ))  # fmt: skip
            return None
        letters.tell(
            env, tx, by, account, "An administrator made a link to choose your password",
            f"The administrator {admin.email} made a link with which you can choose a new password, to hand it to you by other "
            f"means. It works once, within {lifecycle.in_words(policy.RESET_LINK)}. Who has not asked for it should ask them why.",
        )  # fmt: skip
        return url


def revoke(env: Env, by: By, account_id: str, grant_id: str) -> Ending:
    """Ends one credential of the account. Raises Refused, NotFound when it has no such one alive, Invalid for the session
    that acts.
    """
    with env.store.writing() as tx:
        admin, account = _target(env, tx, by, account_id)
        assert by.principal is not None
        if grant_id == by.principal.grant_id:
            raise Invalid("credential", "This is the session that you act with. Sign out to end it.")
        if all(grant.id != grant_id for grant in tx.grants(account.id, alive_at=env.clock())):
            raise NotFound("credential")
        ending = grants.end(env, tx, by, Event.REVOKE_BY_ADMIN, account.id, target=grant_id)[0]
        if ending.grant.kind in UNTOLD:
            noun = policy.LIVES[ending.grant.kind].noun
            letters.tell(
                env, tx, by, account, f"An administrator ended a {noun} of yours",
                f"The administrator {admin.email} ended your {noun} “{ending.grant.description}”.",
            )  # fmt: skip
        return ending


_ANEW: Final = (
    " Your browser sessions ended: sign in anew. A command line that is logged in already has none of an administrator's "
    "rights before it logs in again: keyturn login"
)

_RESET: Final = """\
Hello,

the administrator {admin} sends you a link to choose a new password for the account {email}. Open it within {life}:

  {link}

It works once, and shows what will end with the old password before you decide. Your second factor, if you have one,
is asked for as before. If you did not ask for this, do nothing, and ask your administrator about it.
"""

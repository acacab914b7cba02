"""Closing an account, by its owner: everything of it ends at once and for good. Its e-mail address is free again, and
whoever makes an account with it inherits nothing. What was written down of it stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from keyturn.actions import accounts, acting, audit, clients, factors, grants, letters
from keyturn.actions import preview as previews
from keyturn.actions.env import Invalid
from keyturn.core.policy import REASON_OF, Event

if TYPE_CHECKING:
    from keyturn.actions.clients import Removal
    from keyturn.actions.env import By, Env
    from keyturn.actions.preview import Preview
    from keyturn.core.credential import Account, Principal
    from keyturn.core.lifecycle import Ending
    from keyturn.store.interface import Tx

LAST_ADMIN: Final = (
    "This is the last administrator's account: without it nobody could run this server. "
    "Invite or make another administrator first, then close it."
)
FEDERATED: Final = (
    "This account belongs to your organization's single sign-on, which would make it anew. "
    "Ask your administrator to remove it there."
)
OWNER: Final = (
    "This account owns {apps}. First hand each app on (keyturn apps:transfer EMAIL -a APP) "
    "or destroy it (keyturn apps:destroy -a APP)."
)


@dataclass(frozen=True, slots=True)
class Closing:
    """What the end of an account takes with it."""

    preview: Preview
    clients: list[Removal]
    """The OAuth clients that it registered; of each, what other accounts lose."""
    obstacle: str | None
    """Why it cannot be closed now, a sentence; None: it can."""


@dataclass(frozen=True, slots=True)
class Closed:
    """An account that is closed, and what ended with it."""

    account: Account
    endings: list[Ending]
    """Of the account's own credentials."""
    clients: int
    others: int
    """Authorizations that other accounts had given to its clients."""


def would_close(env: Env, by: By, principal: Principal) -> Closing:
    """What ``close`` would end, by the same functions; changes nothing."""
    found = previews.preview(env, by, Event.CLOSE)
    removals = [_of_others(clients.would_remove(env, by, principal, c.id)) for c in clients.listed(env, principal)]
    with env.store.reading() as tx:
        account = tx.account(principal.account_id)
        assert account is not None
        return Closing(found, removals, _obstacle(tx, account))


def _of_others(removal: Removal) -> Removal:
    """What the owner gave to their own client ends as all else of theirs does, and is listed there."""
    return replace(removal, own=[])


def _obstacle(tx: Tx, account: Account) -> str | None:
    if account.federated:
        return FEDERATED
    if account.admin and tx.count_admins() <= 1:
        return LAST_ADMIN
    owned = [app.name for app in tx.apps_of(account.id) if app.owner_id == account.id]
    if owned:
        return OWNER.format(apps=", ".join(owned[:3]) + (f" and {len(owned) - 3} more" if len(owned) > 3 else ""))
    return None


def close(env: Env, by: By, principal: Principal) -> Closed:
    """Closes the account that acts, in one transaction. The face sees to it that its owner proved who they are.

    Raises Invalid for the last administrator's, for one under single sign-on and for an owner of apps; Refused, NotFound.
    """
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        return _close(env, tx, by, account)


def close_by_password(env: Env, by: By, principal: Principal, current_password: object) -> Closed:
    """The same with the account's password, for the API. Raises Throttled as well, and Invalid for a wrong password."""
    if accounts.info(env, principal).federated:
        raise Invalid("account", FEDERATED)
    proven = accounts.prove(env, by, principal, current_password)
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        if account.credential_version != proven.credential_version:
            raise Invalid("password", "the password was changed meanwhile; nothing was closed")
        return _close(env, tx, by, account)


def _close(env: Env, tx: Tx, by: By, account: Account) -> Closed:
    obstacle = _obstacle(tx, account)
    if obstacle:
        raise Invalid("account", obstacle)
    now = env.clock()
    audit.record(env, tx, by, "account.close", account_id=account.id, email=account.email)
    endings = grants.end(env, tx, by, Event.CLOSE, account.id)
    others = 0
    registered = tx.clients(account.id)
    for client in registered:
        tx.change_client(client.id, ended_at=now, ended_reason=REASON_OF[Event.CLIENT_REMOVED])
        audit.record(env, tx, by, "client.remove", client=client.id, name=client.name)
        reached = tx.grants_of_client(client.id)
        others += len(grants.end(env, tx, by, Event.CLIENT_REMOVED, account.id, among=reached))
    _leave_apps(env, tx, by, account)
    factors.clear(env, tx, account)
    tx.use_resets(account.id, now)
    tx.use_email_links(account.id, now)
    letters.tell(
        env, tx, by, account, "Your account was closed",
        "Your account was closed, and everything that could act for it ended. It cannot be opened again;\n"
        "with the same e-mail address a new account can be made, which starts empty.",
        undo="the account is gone: tell your administrator, who can see in the audit trail what was done.",
    )  # fmt: skip
    # a new version: whatever was under way with the old password, factor or approval comes to nothing
    version = account.credential_version + 1
    tx.change_account(
        account.id, closed_at=now, password_hash=None, verified_at=None, credential_version=version, updated_at=now
    )
    closed = tx.account(account.id)
    assert closed is not None
    return Closed(closed, endings, len(registered), others)


def _leave_apps(env: Env, tx: Tx, by: By, account: Account) -> None:
    """Its access to other accounts' apps, and what it was offered."""
    for app in tx.apps_of(account.id):
        tx.remove_collaborator(app.id, account.id)
        audit.record(env, tx, by, "access.remove", app=app.id, name=app.name, member=account.id)
    for offer in tx.transfers(account.id):
        if offer.state == "pending":
            tx.change_transfer(offer.id, state="declined", updated_at=env.clock())
            audit.record(env, tx, by, "transfer.declined", app=offer.app_id, owner=offer.owner_id)

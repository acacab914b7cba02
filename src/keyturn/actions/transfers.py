"""Transfers: an app is offered to another account, which takes it and becomes its owner, or does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, apps, audit, letters
from keyturn.actions.env import Invalid, NotFound
from keyturn.core.apps import DEFAULT
from keyturn.core.credential import Collaborator, Transfer

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, App, Principal
    from keyturn.store.interface import Tx


@dataclass(frozen=True, slots=True)
class Moving:
    """A transfer with those whom it is between."""

    transfer: Transfer
    app: App
    owner: Account
    recipient: Account


def listed(env: Env, principal: Principal) -> list[Moving]:
    """Those that the account began, and those that it was offered, oldest first."""
    with env.store.reading() as tx:
        return [_moving(tx, each) for each in tx.transfers(principal.account_id)]


def _moving(tx: Tx, transfer: Transfer) -> Moving:
    app, owner, recipient = tx.app(transfer.app_id), tx.account(transfer.owner_id), tx.account(transfer.recipient_id)
    assert app is not None
    assert owner is not None
    assert recipient is not None
    return Moving(transfer, app, owner, recipient)


def info(env: Env, principal: Principal, identity: str) -> Moving:
    """One of them, by its id or by its app's name. Raises NotFound."""
    with env.store.reading() as tx:
        return _find_transfer(tx, principal, identity)


def _find_transfer(tx: Tx, principal: Principal, identity: str) -> Moving:
    for each in reversed(tx.transfers(principal.account_id)):
        found = _moving(tx, each)
        if identity == each.id or (identity == found.app.name and each.state == "pending"):
            return found
    raise NotFound("app_transfer")


def offer(env: Env, by: By, principal: Principal, *, app: object, recipient: object) -> Moving:
    """Offers an app to another account, which is told. Raises NotFound, Refused, Invalid, Throttled."""
    if not isinstance(app, str):
        raise Invalid("app", "app must be a name or an id")
    with apps.misses_counted(env, principal), env.store.writing() as tx:
        actor = acting.still(env, tx, principal)
        found, _ = apps.find(tx, principal.account_id, app)
        apps.only_its_owner(tx, found, actor.id, f"Only the owner of {found.name} can hand it on.")
        to = apps.somebody(tx, principal, recipient, "recipient")
        if to.id == actor.id:
            raise Invalid("recipient", "it is yours already")
        if any(each.app_id == found.id and each.state == "pending" for each in tx.transfers(actor.id)):
            raise Invalid("app", f"{found.name} is offered to somebody already; take that back first")
        now = env.clock()
        made = Transfer(env.new_id(), found.id, actor.id, to.id, "pending", now, now)
        tx.add_transfer(made)
        audit.record(env, tx, by, "transfer.offer", app=found.id, name=found.name, recipient=to.id)
        letters.mail(env, tx, to.email, f"The app {found.name} is offered to you", _OFFERED.format(
            by=actor.email, name=found.name, where=env.post.public_url or "your Keyturn server",
        ))  # fmt: skip
        return Moving(made, found, actor, to)


def answer(env: Env, by: By, principal: Principal, identity: str, state: object) -> Moving:
    """The recipient takes the app or does not; whoever owned it stays a collaborator. Raises NotFound, Invalid."""
    if state not in ("accepted", "declined"):
        raise Invalid("state", "state must be accepted or declined")
    with env.store.writing() as tx:
        actor = acting.still(env, tx, principal)
        found = _pending(tx, principal, identity)
        if found.recipient.id != actor.id:
            raise Invalid("state", f"only {found.recipient.email} can answer; you can take it back")
        now, app = env.clock(), found.app
        if state == "accepted":
            if app.owner_id != found.owner.id:
                raise Invalid("app", f"{app.name} has another owner by now")
            apps.require_room(tx, actor)
            tx.remove_collaborator(app.id, actor.id)
            tx.change_app(app.id, owner_id=actor.id, updated_at=now)
            tx.add_collaborator(Collaborator(env.new_id(), app.id, found.owner.id, DEFAULT, now, now))
        tx.change_transfer(found.transfer.id, state=state, updated_at=now)
        audit.record(env, tx, by, f"transfer.{state}", app=app.id, name=app.name, owner=found.owner.id)
        changed = tx.transfer(found.transfer.id)
        assert changed is not None
        return _moving(tx, changed)


def take_back(env: Env, by: By, principal: Principal, identity: str) -> Moving:
    """The owner takes an offer back; returns it as it was. Raises NotFound, Invalid."""
    with env.store.writing() as tx:
        actor = acting.still(env, tx, principal)
        found = _pending(tx, principal, identity)
        if found.owner.id != actor.id:
            raise Invalid("state", "only who offered it can take it back; you can decline it")
        tx.remove_transfer(found.transfer.id)  # nobody declined it; the audit trail has both
        audit.record(env, tx, by, "transfer.take_back", app=found.app.id, name=found.app.name)
        return found


def _pending(tx: Tx, principal: Principal, identity: str) -> Moving:
    found = _find_transfer(tx, principal, identity)
    if found.transfer.state != "pending":
        raise Invalid("state", f"this transfer was {found.transfer.state} already")
    return found


_OFFERED: Final = """\
Hello,

{by} offers you the app {name} at {where}: with your answer you become its owner.

To take it:

  keyturn apps:transfer:accept {name}

To decline it:

  keyturn apps:transfer:decline {name}

If you do nothing, nothing happens.
"""

"""Apps: what is pushed to. Made, renamed, shared with collaborators, and ended; actions/transfers.py hands them on.

Who may not see an app is told what somebody is told who asks for one that there is not.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, audit, letters, throttle
from keyturn.actions.env import Invalid, NotFound, Refused, Throttled
from keyturn.core import address as mailbox
from keyturn.core import apps, decide
from keyturn.core.credential import App, Collaborator
from keyturn.store.interface import Taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, Principal
    from keyturn.store.interface import Tx

TRIES: Final = 8
"""For a made name that is nobody's yet."""
MISSES: Final = throttle.Rule(free=20, most=timedelta(hours=1))
"""So often an account may ask for somebody who has none here, or else it could find out who has; then it waits."""


class _Kept(Taken):
    """The name is kept for another account, whose app had it; the message says until when."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An app with its owner, and what the account that asks may do with it."""

    app: App
    owner: Account
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may use an app: its owner, or a collaborator."""

    id: str
    account: Account
    role: str
    """``owner`` or ``collaborator``."""
    permissions: tuple[str, ...]
    since: Collaborator | App


def permissions_of(tx: Tx, app: App, account_id: str) -> tuple[str, ...]:
    """What the account may do with the app; nothing: the empty tuple."""
    found = tx.collaborator(app.id, account_id)
    return apps.held(app.owner_id, account_id, found.permissions if found else (), ended=app.ended_at is not None)


def find(tx: Tx, account_id: str, identity: str, permission: str = "view") -> tuple[App, tuple[str, ...]]:
    """The app of that name or id, and what the account may do with it.

    Raises NotFound when there is none that it may see; Refused when it may see it but not do that.
    """
    app = tx.app_by_name(identity) or tx.app(identity)
    held = permissions_of(tx, app, account_id) if app else ()
    if app is None or not held:
        raise NotFound("app")
    if permission not in held:
        raise _not_permitted(tx, app, permission)
    return app, held


def whom_to_ask(owner: Account | None) -> str:
    """The owner, for somebody who sees the app and so may know who that is."""
    return f"ask {owner.email}, who owns the app" if owner is not None else "ask the app's owner"


def _not_permitted(tx: Tx, app: App, permission: str) -> Refused:
    return Refused(
        decide.forbidden(
            "not_permitted", f"This takes the permission to {permission} on {app.name}.",
            next=f"{whom_to_ask(tx.account(app.owner_id))}, for the permission to {permission}",
        ),
        forbidden=True,
    )  # fmt: skip


def only_its_owner(tx: Tx, app: App, account_id: str, message: str) -> None:
    """Raises Refused with ``message`` for whoever does not own the app."""
    if app.owner_id != account_id:
        following = whom_to_ask(tx.account(app.owner_id))
        raise Refused(decide.forbidden("not_permitted", message, next=following), forbidden=True)


def create(env: Env, by: By, principal: Principal, *, name: object = None) -> Shown:
    """A new app of the account that acts, with an empty repository; without a ``name`` one is made. Raises Invalid."""
    wanted = clean_name(name)
    kept = ""
    for _ in range(1 if wanted else TRIES):
        try:
            return _create(env, by, principal, wanted or apps.make_name(env.random_bytes))
        except _Kept as taken:
            kept = str(taken)
        except Taken:
            continue
    if wanted:
        raise Invalid("name", kept or f"Name {wanted} is already taken")
    raise Invalid("name", "no free name was found; give one")


def _create(env: Env, by: By, principal: Principal, name: str) -> Shown:
    """Raises Taken, also when another process was quicker."""
    assert env.repositories is not None
    app_id = env.new_id()
    env.repositories.make(app_id)
    try:
        with env.store.writing() as tx:
            account = acting.still(env, tx, principal)
            require_room(tx, account)
            if tx.app_by_name(name) is not None:
                raise Taken(name)
            _require_free(env, tx, account.id, name)
            now = env.clock()
            app = App(app_id, name, account.id, now, now)
            tx.add_app(app)
            audit.record(env, tx, by, "app.create", app=app.id, name=app.name)
            return Shown(app, account, apps.ALL)
    except BaseException:
        env.repositories.remove(app_id)
        raise


def require_room(tx: Tx, account: Account) -> None:
    """Raises Invalid when the account owns as many apps as it may."""
    owned = sum(1 for app in tx.apps_of(account.id) if app.owner_id == account.id)
    if owned >= apps.MOST_OWNED:
        raise Invalid("name", f"the account owns {owned} apps, the most allowed; destroy some first")


def _require_free(env: Env, tx: Tx, account_id: str, name: str) -> None:
    """Raises _Kept."""
    now = env.clock()
    former = tx.gave_up(name, now - apps.RESERVED, apps.MOST_RESERVED)
    if former is not None and former.owner_id != account_id:
        assert former.ended_at is not None
        until = decide.in_words(former.ended_at + apps.RESERVED)
        raise _Kept(f"Name {name} is already taken: another's app had it, and it is kept for them until {until}")


def clean_name(name: object) -> str | None:
    """The name to store; None where none is given. Raises Invalid."""
    if name is None or name == "":
        return None
    problem = apps.what_is_wrong(name) if isinstance(name, str) else "a name is a text"
    if problem:
        raise Invalid("name", f"Name {problem.removeprefix('a name ')}")
    assert isinstance(name, str)
    return name


def listed(env: Env, principal: Principal) -> list[Shown]:
    """The apps that the account owns or may use, by name."""
    with env.store.reading() as tx:
        return [_shown(tx, app, principal.account_id) for app in tx.apps_of(principal.account_id)]


def _shown(tx: Tx, app: App, account_id: str) -> Shown:
    owner = tx.account(app.owner_id)
    assert owner is not None
    return Shown(app, owner, permissions_of(tx, app, account_id))


def info(env: Env, principal: Principal, identity: str) -> Shown:
    """One app by its name or id. Raises NotFound."""
    with env.store.reading() as tx:
        app, _ = find(tx, principal.account_id, identity)
        return _shown(tx, app, principal.account_id)


def rename(env: Env, by: By, principal: Principal, identity: str, name: object) -> Shown:
    """Another name; the old one is kept for the app's owner for a while. Raises NotFound, Refused, Invalid."""
    wanted = clean_name(name)
    if wanted is None:
        raise Invalid("name", "Name is empty")
    try:
        with env.store.writing() as tx:
            acting.still(env, tx, principal)
            app, _ = find(tx, principal.account_id, identity, "manage")
            if wanted != app.name:
                if tx.app_by_name(wanted) is not None:
                    raise Invalid("name", f"Name {wanted} is already taken")
                _require_free(env, tx, app.owner_id, wanted)
                now = env.clock()
                tx.change_app(app.id, name=wanted, updated_at=now)
                # stands for the old name, like an app that ended
                tx.add_app(App(env.new_id(), app.name, app.owner_id, app.created_at, now, ended_at=now))
                audit.record(env, tx, by, "app.rename", app=app.id, before=app.name, after=wanted)
            changed = tx.app(app.id)
            assert changed is not None
            return _shown(tx, changed, principal.account_id)
    except _Kept as kept:
        raise Invalid("name", str(kept)) from None
    except Taken:
        raise Invalid("name", f"Name {wanted} is already taken") from None


def destroy(env: Env, by: By, principal: Principal, identity: str) -> Shown:
    """Ends the app with its repository; only its owner may. Returns it as it was. Raises NotFound, Refused."""
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        app, _ = find(tx, principal.account_id, identity)
        only_its_owner(tx, app, principal.account_id, f"Only the owner of {app.name} can destroy it.")
        shown = _shown(tx, app, principal.account_id)
        tx.end_app(app.id, env.clock())
        audit.record(env, tx, by, "app.destroy", app=app.id, name=app.name)
    assert env.repositories is not None
    env.repositories.remove(app.id)
    return shown


# Who else may use it.


def members(env: Env, principal: Principal, identity: str) -> tuple[App, list[Member]]:
    """The app, and its owner and collaborators, the owner first. Raises NotFound."""
    with env.store.reading() as tx:
        app, _ = find(tx, principal.account_id, identity)
        return app, _members(tx, app)


def _members(tx: Tx, app: App) -> list[Member]:
    owner = tx.account(app.owner_id)
    assert owner is not None
    found = [Member(app.id, owner, "owner", apps.ALL, app)]
    for each in tx.collaborators(app.id):
        account = tx.account(each.account_id)
        if account is not None and account.closed_at is None:
            found.append(Member(each.id, account, "collaborator", each.permissions, each))
    return found


def member(env: Env, principal: Principal, identity: str, who: str) -> tuple[App, Member]:
    """One of them, by e-mail or id. Raises NotFound."""
    app, found = members(env, principal, identity)
    return app, _named(found, who)


def _named(found: list[Member], who: str) -> Member:
    for each in found:
        if who in (each.id, each.account.id) or mailbox.key(who) == mailbox.key(each.account.email):
            return each
    raise NotFound("collaborator")


def clean_permissions(asked: object) -> tuple[str, ...]:
    """What a collaborator is to have; None: the default. Raises Invalid."""
    if asked is None:
        return apps.DEFAULT
    if not isinstance(asked, list) or not all(isinstance(name, str) for name in asked):
        raise Invalid("permissions", "permissions must be a list of names")
    try:
        return apps.normalize(asked)
    except ValueError as wrong:
        raise Invalid("permissions", str(wrong)) from None


def add_member(
    env: Env, by: By, principal: Principal, identity: str, *, who: object, permissions: object = None
) -> tuple[App, Member]:
    """Lets somebody who has an account here use the app, and tells them. Raises NotFound, Refused, Invalid, Throttled."""
    wanted = clean_permissions(permissions)
    with misses_counted(env, principal), env.store.writing() as tx:
        actor = acting.still(env, tx, principal)
        app, held = find(tx, principal.account_id, identity, "manage")
        account = somebody(tx, principal, who)
        if account.id == app.owner_id:
            raise Invalid("user", f"{account.email} owns {app.name}")
        if tx.collaborator(app.id, account.id) is not None:
            raise Invalid("user", f"User {account.email} is already a collaborator on app {app.name}")
        if not set(wanted) <= set(held):
            raise Invalid("permissions", "nobody can give what they have not themselves")
        if len(tx.collaborators(app.id)) >= apps.MOST_COLLABORATORS:
            raise Invalid("user", f"{app.name} has {apps.MOST_COLLABORATORS} collaborators, the most allowed")
        now = env.clock()
        made = Collaborator(env.new_id(), app.id, account.id, wanted, now, now)
        tx.add_collaborator(made)
        audit.record(env, tx, by, "access.add", app=app.id, name=app.name, member=account.id, permissions=list(wanted))
        letters.mail(env, tx, account.email, f"You can use the app {app.name}", _ADDED.format(
            by=actor.email, name=app.name, rights=", ".join(wanted), where=env.post.public_url or "your Keyturn server",
        ))  # fmt: skip
        return app, Member(made.id, account, "collaborator", wanted, made)


class Nobody(Invalid):
    """Nobody has an account by that name."""


@contextmanager
def misses_counted(env: Env, principal: Principal) -> Iterator[None]:
    """Counts it when ``somebody`` found nobody, after the transaction that this undid. Raises Throttled past MISSES."""
    key = f"misses:{principal.account_id}"
    with env.store.reading() as tx:
        wait = throttle.wait_of(MISSES, tx.failures([key]).get(key), env.clock())
    if wait > timedelta(0):
        raise Throttled(
            f"You have asked for {MISSES.free} people or more who have no account here. Wait a little, and check the address.",
            wait,
        )
    try:
        yield
    except Nobody:
        with env.store.writing() as tx:
            throttle.count(env, tx, key)
        raise


def somebody(tx: Tx, principal: Principal, who: object, field: str = "user") -> Account:
    """An account by e-mail or id, or ``~`` for the one that acts; within ``misses_counted``. Raises Invalid."""
    if isinstance(who, dict):  # as some clients have it: {"email": ...} or {"id": ...}
        who = who.get("email") or who.get("id")
    if not isinstance(who, str) or not who.strip():
        raise Invalid(field, f"{field} must be an e-mail address or an id")
    account = tx.account(principal.account_id if who == "~" else who) or tx.account_by_email(who)
    if account is None or account.closed_at is not None:
        raise Nobody(
            field,
            f"Couldn't find that user: nobody has an account with {who.strip()[:100]}",
            "ask an administrator to invite them, on the dashboard or with: keyturn admin accounts:invite EMAIL",
        )
    return account


def change_member(
    env: Env, by: By, principal: Principal, identity: str, who: str, permissions: object
) -> tuple[App, Member]:
    """Other permissions for a collaborator. Raises NotFound, Refused, Invalid."""
    wanted = clean_permissions(permissions)
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        app, held = find(tx, principal.account_id, identity, "manage")
        found = _named(_members(tx, app), who)
        if found.role == "owner":
            raise Invalid("user", f"{found.account.email} owns {app.name} and may do everything")
        if not set(wanted) <= set(held):
            raise Invalid("permissions", "nobody can give what they have not themselves")
        now = env.clock()
        tx.change_collaborator(app.id, found.account.id, permissions=wanted, updated_at=now)
        audit.record(
            env, tx, by, "access.update", app=app.id, name=app.name, member=found.account.id,
            before=list(found.permissions), after=list(wanted),
        )  # fmt: skip
        assert isinstance(found.since, Collaborator)
        return app, replace(found, permissions=wanted, since=replace(found.since, permissions=wanted, updated_at=now))


def remove_member(env: Env, by: By, principal: Principal, identity: str, who: str) -> tuple[App, Member]:
    """Takes a collaborator's access away; everybody can give up their own. Raises NotFound, Refused, Invalid."""
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        app, held = find(tx, principal.account_id, identity)
        found = _named(_members(tx, app), account.id if who == "~" else who)
        if found.account.id != account.id and "manage" not in held:
            raise _not_permitted(tx, app, "manage")
        if found.role == "owner":
            raise Invalid("user", f"{found.account.email} owns {app.name}; hand it on first, with a transfer")
        tx.remove_collaborator(app.id, found.account.id)
        audit.record(env, tx, by, "access.remove", app=app.id, name=app.name, member=found.account.id)
        return app, found


_ADDED: Final = """\
Hello,

{by} lets you use the app {name} at {where}, with these permissions: {rights}.

To get its code:

  keyturn git:clone -a {name}

To give it up again:

  keyturn access:remove ~ -a {name}
"""

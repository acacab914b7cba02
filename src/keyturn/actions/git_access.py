"""Who may fetch and push, and what comes of a push: for git over HTTP and over SSH alike."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from subprocess import SubprocessError
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from keyturn.actions import acting, apps, audit, notices
from keyturn.actions.env import By, NotFound, Refused
from keyturn.core import decide, push
from keyturn.core.apps import held
from keyturn.core.credential import Principal
from keyturn.core.gitcmd import FETCH, PUSH
from keyturn.core.push import Change
from keyturn.store.interface import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyturn.actions.env import Env
    from keyturn.core.credential import Account, App

log = logging.getLogger("keyturn.git")

# service -> what the token must allow, and what its account must be allowed on the app
NEEDS: Final = {FETCH: ("git:read", "view"), PUSH: ("git:write", "deploy")}

LEFT_ALONE: Final = timedelta(minutes=5)
"""After which a noted push is settled by somebody else: longer than refs take to change."""

TIDIED_FOR: Final = timedelta(days=2)
"""After a push its repository is looked at for so long."""


class Hooks(NamedTuple):
    """What is asked before refs change (a refusal, or None), and told afterwards (what the pusher reads)."""

    before: Callable[[Sequence[Change]], str | None]
    after: Callable[[Sequence[Change]], list[str]]


@dataclass(frozen=True, slots=True)
class GitLimits:
    """What one run of git may take."""

    push_bytes: int = 1 << 30
    """Of one push's pack."""
    seconds: float = 1800.0
    """For one fetch or push."""
    stall: float = 60.0
    """Seconds without a byte from the client, or to it."""
    memory: int = 768 << 20
    """Bytes of data of each of its processes: a repository of some million objects takes half of that."""
    processes: int = 16
    """Fetches and pushes at the same time, of one worker; a quarter of them for one account."""


class Process(Protocol):
    """A run of git."""

    async def write(self, data: bytes) -> bool: ...
    def end_of_input(self) -> None: ...
    async def read(self) -> bytes: ...
    async def wait(self) -> int: ...
    def complaint(self) -> str: ...
    async def finish(self) -> None: ...
    @property
    def settling(self) -> bool: ...


class Told(Protocol):
    """What git says first, if it is known."""

    @property
    def answer(self) -> bytes | None: ...
    def keep(self, answer: bytes) -> None: ...


class Program(Protocol):
    """The git program."""

    @property
    def limits(self) -> GitLimits: ...
    @property
    def installed(self) -> bool: ...
    def start(
        self,
        service: str,
        app_id: str,
        *,
        version: int = 0,
        stateless: bool = False,
        advertise: bool = False,
        hooks: Hooks | None = None,
    ) -> Process:
        """Starts git for an app's repository. Raises OSError."""
        ...

    def told(self, service: str, app_id: str, version: int) -> Told:
        """What git says first of an app's repository."""
        ...


APPS: Final = "keyturn apps"
"""What shows whoever asked for none of theirs what there is."""


def too_many_pushes(wait: float) -> str:
    """What an account is told that pushes too often; ``wait``: seconds until it may again."""
    return (
        f"Your account has pushed too often: {push.AN_HOUR} pushes an hour are the most. "
        f"Try again in {math.ceil(wait)} seconds."
    )


def sentence(message: str, following: str | None = None) -> str:
    """A refusal as git shows it: why, and the command that mends it, each on a line."""
    return f"{message}\n" + (f"Next: {following}\n" if following else "")


def admit(env: Env, principal: Principal, name: str, service: str) -> App:
    """The app that is to be fetched from or pushed to. Raises Refused; NotFound, which is the same for an app that there is
    not and for one that the account may not see.
    """
    found = env.store.find_app(name, principal.account_id)
    if found is None:
        return _allowed(principal, None, (), service, env.store.find_account)
    permissions = held(found[0].owner_id, principal.account_id, found[1])
    return _allowed(principal, found[0], permissions, service, env.store.find_account)


def refused(service: str, name: str) -> dict[str, str]:
    """What the audit trail has of a fetch or push that was refused before it began."""
    return {"action": "git.push" if service == PUSH else "git.fetch", "name": name}


def _allowed(
    principal: Principal,
    app: App | None,
    permissions: tuple[str, ...],
    service: str,
    account: Callable[[str], Account | None],
) -> App:
    token_needs, account_needs = NEEDS[service]
    lacking = decide.authorize(principal, token_needs)
    if lacking is not None:
        raise Refused(lacking, forbidden=True)
    if app is None or not permissions:
        raise NotFound("app")
    if account_needs not in permissions:
        raise Refused(decide.forbidden(
            "not_permitted", f"{principal.email} may fetch the code of {app.name}, but not push to it.",
            next=f"{apps.whom_to_ask(account(app.owner_id))}, for the permission to {account_needs}",
        ), forbidden=True)  # fmt: skip
    return app


def recheck(env: Env, principal: Principal, app_id: str, service: str) -> App:
    """The app, after credential, account and permission were looked up once more: what ended meanwhile acts no more.
    Raises Refused, NotFound.
    """
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        grant = tx.grant(principal.grant_id)
        assert grant is not None
        app = tx.app(app_id)
        permissions = apps.permissions_of(tx, app, principal.account_id) if app else ()
        return _allowed(principal._replace(scopes=grant.scopes), app, permissions, service, tx.account)


def hooks(env: Env, by: By, principal: Principal, app_id: str) -> Hooks:
    """For one push: what judges it and what it leads to, both for a thread."""
    keys: list[str] = []

    def before(changes: Sequence[Change]) -> str | None:
        refusal = judge(env, by, principal, app_id, changes)
        if refusal is None:
            assert env.repositories is not None
            settle(env, app_id)  # of a killed worker's push too, before this one moves its refs on
            keys.append(env.repositories.note(_written(by, principal, app_id, changes)))
        return refusal

    def after(changes: Sequence[Change]) -> list[str]:
        try:
            told = pushed(env, by, principal, app_id, changes) if changes else []  # a rival may have been quicker
        except Unavailable as fault:
            log.warning(
                "a push of request %s is written down later: the store does not answer: %s", by.request_id, fault
            )
            return ["The push is done, but the server could not write it down yet; it does so within minutes."]
        assert env.repositories is not None
        for key in keys:
            env.repositories.strike(key)
        return told

    return Hooks(before, after)


def judge(env: Env, by: By, principal: Principal, app_id: str, changes: Sequence[Change]) -> str | None:
    """Whether the refs may change now: None, or what the pusher is told. Raises Unavailable, OSError."""
    assert env.repositories is not None
    refusal = push.what_is_wrong(changes, env.limits.push_refs)
    reason = "refs"
    if refusal is None and any(change.sort == "created" for change in changes):
        there = env.repositories.count_refs(app_id)
        if there + len(changes) > push.MOST_KEPT:
            refusal = f"The repository has {there} refs, and {push.MOST_KEPT} are the most; delete some first."
    try:
        if refusal is None:
            app = recheck(env, principal, app_id, PUSH)
            if env.push_policy is not None:
                reason = "pre_receive"
                refusal = env.push_policy.refusal(push.facts(app, principal, changes, by.address))
                recheck(env, principal, app_id, PUSH)  # that may have taken its time
    except Refused as refused:
        reason, refusal = refused.deny.reason, sentence(refused.deny.message, refused.deny.next)
    except NotFound as gone:
        reason, refusal = "not_found", sentence(str(gone), APPS)
    if refusal is not None:
        with env.store.writing() as tx:
            audit.record(
                env, tx, by, "git.push", outcome="refused", reason=reason,
                app=app_id, refs=push.kept(changes), refs_count=len(changes),
            )  # fmt: skip
    return refusal


def pushed(env: Env, by: By, principal: Principal, app_id: str, changes: Sequence[Change]) -> list[str]:
    """Writes down which refs changed and puts the news into the outbox, in one transaction; what the pusher is told. Raises
    Unavailable.
    """
    assert env.repositories is not None
    try:
        env.repositories.point_head(app_id, push.heads(changes))
    except (OSError, SubprocessError) as fault:
        log.warning("the HEAD of app %s stays as it was: %s", app_id, fault)
    size = env.repositories.size(app_id)
    now = env.clock()
    with env.store.writing() as tx:
        app = tx.app(app_id)
        if app is None:
            return []
        told = push.facts(app, principal, changes, by.address)
        audit.record(
            env,
            tx,
            by,
            "git.push",
            app=app.id,
            name=app.name,
            refs=push.kept(changes),
            refs_count=len(changes),
            bytes=size,
        )
        tx.change_app(app.id, released_at=now, repo_size=size)
        body = json.dumps(push.event(told, now), ensure_ascii=False, separators=(",", ":"))
        if env.post.webhook is not None:
            notices.post(env, tx, "webhook", env.post.webhook_host, "git.push", body, now)
        if env.post.command is not None:
            notices.post(env, tx, "command", "the command for pushes", "git.push", body, now)
    warning = decide.warning(principal, now)
    return [f"Pushed to {app.name} as {principal.email}."] + ([f"Warning: {warning}"] if warning else [])


def settle(env: Env, app_id: str | None = None) -> int:
    """Tells of the pushes whose end nobody saw, as when the server was killed while refs changed; how many. ``app_id``: of
    that app's alone. Raises Unavailable.
    """
    if env.repositories is None:
        return 0
    count = 0
    for key, written in env.repositories.noted(env.clock() - LEFT_ALONE):
        by, principal, app, changes = _read(env, written)
        if app_id not in (None, app):
            continue
        try:
            happened = env.repositories.happened(app, changes)
        except (OSError, SubprocessError) as fault:
            log.error("what a push to app %s changed cannot be seen: %s", app, fault)
            continue
        if env.repositories.strike(key) and happened:  # of two workers one strikes it
            try:
                pushed(env, by, principal, app, happened)
            except Unavailable:
                env.repositories.note(written)
                raise
            count += 1
    return count


def tidy(env: Env) -> int:
    """Packs one of the repositories that were pushed to lately and need it; how many. For the upkeep, every few minutes."""
    if env.repositories is None:
        return 0
    with env.store.reading() as tx:
        pushed_to = tx.apps_pushed(env.clock() - TIDIED_FOR)
    # from anywhere on: one that cannot be packed is in nobody's way for long
    start = int.from_bytes(env.random_bytes(4), "big") % len(pushed_to) if pushed_to else 0
    for app in pushed_to[start:] + pushed_to[:start]:
        try:
            if env.repositories.tidy(app.id):
                return 1
        except OSError as fault:
            log.warning("%s", fault)
            return 0
    return 0


def sweep(env: Env) -> int:
    """Removes what pushes left that had to be killed; how many. For the upkeep."""
    return env.repositories.sweep() if env.repositories is not None else 0


def _written(by: By, principal: Principal, app_id: str, changes: Sequence[Change]) -> dict[str, Any]:
    facts = asdict(by) | {"principal": None, "app": app_id, "changes": [list(change) for change in changes]}
    who = principal._asdict()
    return facts | {
        "who": {name: who[name] for name in ("account_id", "email", "grant_id", "token_id", "kind", "description")}
    }


def _read(env: Env, written: dict[str, Any]) -> tuple[By, Principal, str, list[Change]]:
    who = Principal(**written["who"], scopes=(), expires_at=None, created_at=env.clock())
    by = By(who, written["address"], written["agent"], written["request_id"])
    return by, who, written["app"], [Change(*change) for change in written["changes"]]

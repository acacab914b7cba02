"""One account with very many credentials: milliseconds and SQL statements of what people do with them, beside those of a
small account. In this process, over a real store; a number of statements that grew with the credentials would be an N+1."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING

import orjson
import sqlalchemy as sa

from keyturn.actions import accounts, authorizations, grants, preview
from keyturn.actions.env import By, Env
from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core import token
from keyturn.core.credential import Grant, Principal, Token
from keyturn.core.policy import Event, Kind
from keyturn.store import migrate, sql
from keyturn.store.interface import Slice
from keyturn.web.render import Render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyturn.core.credential import Account
    from keyturn.store.interface import Tx

PASSWORD = "four brown owls at noon"
SIZES = (10, 10_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one act took, hashing left out."""

    milliseconds: float
    statements: int


def measure(work: Path) -> dict[str, dict[int, Cost]]:
    """Act -> size of the account -> its cost, the median of three."""
    found: dict[str, dict[int, Cost]] = {}
    for size in SIZES:
        path = work / f"many-{size}.db"
        path.unlink(missing_ok=True)
        engine = sql.engine_for(f"sqlite:///{path}")
        migrate.migrate(engine)
        store = sql.SqlStore(engine)
        env = Env(store, lambda: datetime.now(UTC), secrets.token_bytes, Argon2Passwords(1, 8, 1))
        try:
            for act, cost in _acts(env, engine, size).items():
                found.setdefault(act, {})[size] = cost
        finally:
            store.close()
            path.unlink()
    return found


def _acts(env: Env, engine: sa.Engine, size: int) -> dict[str, Cost]:
    account = accounts.create(env, By(), email="ada@example.com", new_password=PASSWORD)
    with env.store.writing() as tx:
        made = grants.mint(env, tx, By(), account, Kind.API_KEY, scopes=("global",), description="acts")
        for number in range(size):
            _add(env, account, tx, number)
    grant = made.grant
    principal = Principal(
        account.id, account.email, grant.id, made.token.id, grant.kind, grant.scopes, "", None, grant.created_at
    )
    by = By(principal)

    def render(found: object) -> None:
        orjson.dumps(found)

    def first_page() -> None:
        found, _more = grants.listed(env, account.id, authorizations.LISTED, Slice(), ended=False)
        rendered = Render(env, account, principal)
        render([rendered.authorization(one) for one in found])

    def foretold() -> None:
        seen = preview.preview(env, by, Event.PASSWORD_CHANGE)
        render(Render(env, account, principal).preview(seen))

    return {
        "the first page of the list": _cost(engine, first_page),
        "preview of a password change": _cost(engine, foretold),
        "the password change: half of them die": _cost(engine, _changing(env, by, principal), times=1),
    }


def _changing(env: Env, by: By, principal: Principal) -> Callable[[], None]:
    def changed() -> None:
        accounts.change_password(
            env, by, principal, current_password=PASSWORD, new_password="seven grey herons at dusk"
        )

    return changed


def _add(env: Env, account: Account, tx: Tx, number: int) -> None:
    kind = Kind.LOGIN if number % 2 == 0 else Kind.AUTHORIZATION
    now, identity = env.clock(), env.new_id()
    secret = token.make(kind, env.random_bytes)
    tx.add_grant(Grant(identity, account.id, kind, ("global",), f"number {number}", now, now))
    tx.add_token(Token(env.new_id(), identity, token.mask(secret), now), token.digest(secret))


def _cost(engine: sa.Engine, act: Callable[[], None], times: int = 3) -> Cost:
    counted = 0

    def count(*_: object) -> None:
        nonlocal counted
        counted += 1

    took, statements = [], []
    sa.event.listen(engine, "before_cursor_execute", count)
    try:
        for _ in range(times):
            counted = 0
            began = time.perf_counter()
            act()
            took.append((time.perf_counter() - began) * 1000)
            statements.append(counted)
    finally:
        sa.event.remove(engine, "before_cursor_execute", count)
    return Cost(median(took), int(median(statements)))

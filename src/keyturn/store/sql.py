"""The one SQL implementation of the store (interface.py). SQLAlchemy Core for every statement but the hot look-up.

SQLite: write-ahead log, synchronous=FULL (what was acknowledged survives kill -9 and a power cut), one writer at a
time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from keyturn.core.credential import Account, Found, Grant, SshKey, Token
from keyturn.core.policy import Kind
from keyturn.store import tables as t
from keyturn.store.interface import AuditEvent, CliLogin, Failures, Taken, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

_T = TypeVar("_T")

# The hot path: one look-up by digest. Its columns are those of Found, in their order.
_FIND = """
SELECT t.id, t.ended_at, t.ended_reason, g.id, g.kind, g.scopes, g.description, g.expires_at, g.ended_at, g.ended_reason,
       a.id, a.email, a.admin, a.suspended_at
FROM tokens t JOIN grants g ON g.id = t.grant_id JOIN accounts a ON a.id = g.account_id WHERE t.digest = """


def _found(row: Sequence[Any] | None) -> Found | None:
    if row is None:
        return None
    (token, token_ended, token_reason, grant, kind, scopes, description, expires, ended, reason, account, email, admin,
     suspended) = row  # fmt: skip
    moment = t.moment
    return Found(
        token, token_ended and moment(token_ended), token_reason, grant, kind, scopes, description, expires and moment(expires),
        ended and moment(ended), reason, account, email, bool(admin), suspended and moment(suspended),
    )  # fmt: skip


def engine_for(url: str) -> Engine:
    """An engine for ``url`` (``sqlite:///FILE``), set up as the store needs it. Opens nothing yet."""
    # autocommit at the driver: SQLAlchemy's begin event says when a transaction starts and of which sort
    engine = sa.create_engine(
        url, connect_args={"check_same_thread": False, "isolation_level": None}, pool_size=8, max_overflow=24
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=5000",
            "mmap_size=268435456",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a write lock from the first statement on: no deadlock on upgrading, no lost update
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

    return engine


class SqlStore:
    """The store over SQL. Thread-safe; ``find_token`` is for one thread at a time, that of the event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._write_lock = threading.Lock()  # waiting here is fair and free; in SQLite it polls
        self._hot: sqlite3.Connection | None = None

    def find_token(self, digest: bytes) -> Found | None:
        """The token with that SHA-256, with its grant and account; about 5 microseconds, so it is called inline."""
        return _found(self._look_up(_FIND + "?", digest))

    def find_account(self, account_id: str) -> Account | None:
        """The account with that id, as quickly."""
        row = self._look_up(_FIND_ACCOUNT, account_id)
        if row is None:
            return None
        values = list(row)
        for place in _ACCOUNT_MOMENTS:
            values[place] = t.moment(values[place])
        for place in _ACCOUNT_FLAGS:
            values[place] = bool(values[place])
        return Account(*values)

    def _look_up(self, statement: str, key: bytes | str) -> Any:
        try:
            if self._hot is None:
                raw = self._engine.raw_connection()
                assert isinstance(raw.driver_connection, sqlite3.Connection)
                self._hot = raw.driver_connection
                raw.detach()  # it stays ours: the pool must not hand it to anybody else
            return self._hot.execute(statement, (key,)).fetchone()
        except (sqlite3.Error, DBAPIError) as fault:
            raise Unavailable(type(fault).__name__) from fault

    @contextmanager
    def reading(self) -> Iterator[SqlTx]:
        """One consistent state."""
        with _translated(), self._engine.connect() as connection, connection.begin():
            yield SqlTx(connection)

    @contextmanager
    def writing(self) -> Iterator[SqlTx]:
        """All or nothing, one at a time."""
        with self._write_lock, _translated(), self._engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield SqlTx(connection)

    def close(self) -> None:
        """Closes every connection; the store is not usable afterwards."""
        if self._hot is not None:
            self._hot.close()
            self._hot = None
        self._engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    """Driver errors become the interface's two, without the statement's parameters, which may hold digests and
    addresses.
    """
    try:
        yield
    except IntegrityError as fault:
        raise Taken(str(fault.orig)) from None
    except DBAPIError as fault:
        raise Unavailable(f"{type(fault.orig).__name__}: {fault.orig}") from None


def _columns(table: sa.Table, cls: type[Any]) -> list[sa.Column[Any]]:
    return [table.c[f.name] for f in fields(cls)]


_ACCOUNT = _columns(t.accounts, Account)
_FIND_ACCOUNT = f"SELECT {', '.join(c.name for c in _ACCOUNT)} FROM accounts WHERE id = ?"  # noqa: S608 - column names
_ACCOUNT_MOMENTS = [i for i, c in enumerate(_ACCOUNT) if isinstance(c.type, t.Moment)]
_ACCOUNT_FLAGS = [i for i, c in enumerate(_ACCOUNT) if isinstance(c.type, sa.Boolean)]
_GRANT = _columns(t.grants, Grant)
_TOKEN = _columns(t.tokens, Token)
_LOGIN = _columns(t.cli_logins, CliLogin)
_KEY = [t.accounts.c.email if f.name == "email" else t.ssh_keys.c[f.name] for f in fields(SshKey)]
_EVENT = _columns(t.audit, AuditEvent)


def _grant(row: Sequence[Any]) -> Grant:
    values = dict(zip((c.name for c in _GRANT), row, strict=True))
    return Grant(**{**values, "kind": Kind(values["kind"]), "scopes": tuple(values["scopes"].split())})


def _values(thing: object) -> dict[str, Any]:
    return {f.name: getattr(thing, f.name) for f in fields(thing)}  # type: ignore[arg-type]


def email_key(email: str) -> str:
    """What makes two e-mail addresses the same account: case does not count."""
    return email.strip().casefold()


class SqlTx:
    """One transaction over SQL."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def _one(self, select: sa.Select[Any]) -> Any:
        return self._c.execute(select).one_or_none()

    def _change(self, table: sa.Table, key: sa.ColumnElement[bool], changes: dict[str, object]) -> None:
        self._c.execute(sa.update(table).where(key).values(changes))

    # accounts

    def count_accounts(self) -> int:
        return self._c.execute(sa.select(sa.func.count()).select_from(t.accounts)).scalar_one()

    def accounts(self) -> list[Account]:
        return [Account(*row) for row in self._c.execute(sa.select(*_ACCOUNT).order_by(t.accounts.c.email_key))]

    def account(self, account_id: str, *, lock: bool = False) -> Account | None:
        select = sa.select(*_ACCOUNT).where(t.accounts.c.id == account_id)
        row = self._one(select.with_for_update() if lock else select)  # SQLite: the writing transaction is the lock
        return row and Account(*row)

    def account_by_email(self, email: str) -> Account | None:
        row = self._one(sa.select(*_ACCOUNT).where(t.accounts.c.email_key == email_key(email)))
        return row and Account(*row)

    def password_hash(self, account_id: str) -> str | None:
        return self._c.execute(sa.select(t.accounts.c.password_hash).where(t.accounts.c.id == account_id)).scalar()

    def add_account(self, account: Account, password_hash: str | None) -> None:
        values = _values(account) | {"email_key": email_key(account.email), "password_hash": password_hash}
        self._c.execute(sa.insert(t.accounts).values(values))

    def change_account(self, account_id: str, **changes: object) -> None:
        if "email" in changes:
            changes["email_key"] = email_key(str(changes["email"]))
        self._change(t.accounts, t.accounts.c.id == account_id, changes)

    # grants and tokens

    def grants(self, account_id: str, *, alive_at: datetime | None = None) -> list[Grant]:
        select = sa.select(*_GRANT).where(t.grants.c.account_id == account_id).order_by(t.grants.c.id)
        if alive_at is not None:
            over = t.grants.c.expires_at <= alive_at
            select = select.where(t.grants.c.ended_at.is_(None), sa.or_(t.grants.c.expires_at.is_(None), ~over))
        return [_grant(row) for row in self._c.execute(select)]

    def grant(self, grant_id: str) -> Grant | None:
        row = self._one(sa.select(*_GRANT).where(t.grants.c.id == grant_id))
        return row and _grant(row)

    def add_grant(self, grant: Grant) -> None:
        self._c.execute(sa.insert(t.grants).values(_values(grant) | {"scopes": " ".join(grant.scopes)}))

    def change_grant(self, grant_id: str, **changes: object) -> None:
        self._change(t.grants, t.grants.c.id == grant_id, changes)

    def tokens(self, grant_ids: Sequence[str]) -> dict[str, Token]:
        """The newest token of each grant."""
        newest: dict[str, Token] = {}
        for start in range(0, len(grant_ids), 500):  # SQLite's limit on parameters
            some = t.tokens.c.grant_id.in_(grant_ids[start : start + 500])
            for row in self._c.execute(sa.select(*_TOKEN).where(some).order_by(t.tokens.c.id)):
                token = Token(*row)
                newest[token.grant_id] = token
        return newest

    def add_token(self, token: Token, digest: bytes) -> None:
        self._c.execute(sa.insert(t.tokens).values(_values(token) | {"digest": digest}))

    def end_tokens(self, grant_id: str, at: datetime, reason: str) -> None:
        alive = sa.and_(t.tokens.c.grant_id == grant_id, t.tokens.c.ended_at.is_(None))
        self._change(t.tokens, alive, {"ended_at": at, "ended_reason": reason})

    def find_token(self, digest: bytes) -> Found | None:
        return _found(self._c.execute(sa.text(_FIND + ":digest"), {"digest": digest}).one_or_none())

    # SSH keys

    def _keys(self) -> sa.Select[Any]:
        return sa.select(*_KEY).join(t.accounts, t.accounts.c.id == t.ssh_keys.c.account_id)

    def keys(self, account_id: str) -> list[SshKey]:
        select = self._keys().where(t.ssh_keys.c.account_id == account_id).order_by(t.ssh_keys.c.id)
        return [SshKey(*row) for row in self._c.execute(select)]

    def add_key(self, key: SshKey) -> None:
        values = _values(key)
        del values["email"]
        self._c.execute(sa.insert(t.ssh_keys).values(values))

    def remove_key(self, key_id: str) -> None:
        self._c.execute(sa.delete(t.ssh_keys).where(t.ssh_keys.c.id == key_id))

    # logins under way, one-time links

    def add_cli_login(self, login: CliLogin) -> None:
        self._c.execute(sa.insert(t.cli_logins).values(_values(login)))

    def cli_login(self, login_id: str) -> CliLogin | None:
        row = self._one(sa.select(*_LOGIN).where(t.cli_logins.c.id == login_id))
        return row and CliLogin(*row)

    def cli_login_by_browser(self, digest: bytes) -> CliLogin | None:
        row = self._one(sa.select(*_LOGIN).where(t.cli_logins.c.browser_digest == digest))
        return row and CliLogin(*row)

    def change_cli_login(self, login_id: str, **changes: object) -> None:
        self._change(t.cli_logins, t.cli_logins.c.id == login_id, changes)

    def forget_cli_logins(self, before: datetime) -> None:
        self._c.execute(sa.delete(t.cli_logins).where(t.cli_logins.c.expires_at < before))

    def set_setup_link(self, digest: bytes | None, expires_at: datetime | None) -> None:
        self._c.execute(sa.delete(t.setup_links))
        if digest is not None:
            self._c.execute(sa.insert(t.setup_links).values(digest=digest, expires_at=expires_at))

    def setup_link(self) -> tuple[bytes, datetime] | None:
        row = self._one(sa.select(t.setup_links.c.digest, t.setup_links.c.expires_at))
        return row and (row[0], row[1])

    # throttling of sign-in

    def failures(self, keys: Sequence[str]) -> dict[str, Failures]:
        select = sa.select(t.failures.c.key, t.failures.c.count, t.failures.c.last_at).where(t.failures.c.key.in_(keys))
        return {key: Failures(count, last_at) for key, count, last_at in self._c.execute(select)}

    def add_failure(self, key: str, at: datetime) -> None:
        changed = self._c.execute(
            sa.update(t.failures).where(t.failures.c.key == key).values(count=t.failures.c.count + 1, last_at=at)
        )
        if changed.rowcount == 0:
            self._c.execute(sa.insert(t.failures).values(key=key, count=1, last_at=at))

    def clear_failures(self, keys: Sequence[str]) -> None:
        self._c.execute(sa.delete(t.failures).where(t.failures.c.key.in_(keys)))

    def forget_failures(self, before: datetime) -> None:
        self._c.execute(sa.delete(t.failures).where(t.failures.c.last_at < before))

    def knows_place(self, account_id: str, place: str) -> bool:
        this = sa.and_(t.places.c.account_id == account_id, t.places.c.place == place)
        return self._one(sa.select(t.places.c.last_at).where(this)) is not None

    def add_place(self, account_id: str, place: str, at: datetime) -> None:
        this = sa.and_(t.places.c.account_id == account_id, t.places.c.place == place)
        if self._c.execute(sa.update(t.places).where(this).values(last_at=at)).rowcount == 0:
            self._c.execute(sa.insert(t.places).values(account_id=account_id, place=place, last_at=at))

    # the audit trail

    def audit(self, event: AuditEvent) -> None:
        self._c.execute(
            sa.insert(t.audit).values(_values(event) | {"details": json.dumps(event.details, sort_keys=True)})
        )

    def audit_events(self, account_id: str | None = None, *, limit: int = 100) -> list[AuditEvent]:
        select = sa.select(*_EVENT).order_by(t.audit.c.id.desc()).limit(limit)
        if account_id is not None:
            select = select.where(t.audit.c.account_id == account_id)
        rows = [dict(zip((c.name for c in _EVENT), row, strict=True)) for row in self._c.execute(select)]
        return [AuditEvent(**{**row, "details": json.loads(row["details"])}) for row in rows]

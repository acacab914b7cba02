"""The one SQL implementation of the store (interface.py). SQLAlchemy Core for every statement but the hot look-up.

SQLite: write-ahead log, synchronous=FULL (what was acknowledged survives kill -9 and a power cut), one writer at a
time.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from keyturn.store.interface import Taken, Unavailable
from keyturn.store.rows.accounts import FIND_ACCOUNT, AccountRows, found_account
from keyturn.store.rows.apps import FIND_APP, AppRows, found_app
from keyturn.store.rows.audit import AuditRows
from keyturn.store.rows.clients import ClientRows
from keyturn.store.rows.factors import FactorRows
from keyturn.store.rows.forms import FormRows
from keyturn.store.rows.grants import FIND_BY_DIGEST, GrantRows, found_token
from keyturn.store.rows.keys import KeyRows
from keyturn.store.rows.links import LinkRows
from keyturn.store.rows.logins import LoginRows
from keyturn.store.rows.notices import NoticeRows
from keyturn.store.rows.throttling import ThrottleRows
from keyturn.store.rows.uses import UseRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

    from keyturn.core.credential import Account, App, Found


_FIND_TOKEN = FIND_BY_DIGEST + "?"
_FIND_ACCOUNT = FIND_ACCOUNT + "?"
_FIND_APP = FIND_APP.format("?")
# Changes with every commit of another connection, and costs less than a look-up [SQLite, pragma data_version].
_COMMITS = "PRAGMA data_version"
# A restore puts an older number back, but never the schema's [SQLite, sqlite3_backup_step]: the two together are never again
# what they were.
_GENERATION = "SELECT number, schema_version FROM generation, pragma_schema_version"


def engine_for(url: str) -> Engine:
    """An engine for ``url`` (``sqlite:///FILE``), set up as the store needs it. Opens nothing yet."""
    # autocommit at the driver: SQLAlchemy's begin event says when a transaction starts and of which sort
    engine = sa.create_engine(
        url, connect_args={"check_same_thread": False, "isolation_level": None}, pool_size=8, max_overflow=24,
        hide_parameters=True,
    )  # fmt: skip

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        _write_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a write lock from the first statement on: no deadlock on upgrading, no lost update
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turns the write-ahead log on, which a new database is told once; SQLite itself does not wait there for another that does."""
    deadline = time.monotonic() + 5
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


class SqlStore:
    """The store over SQL. Thread-safe; what begins with ``find_`` is for one thread at a time, that of the event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._write_lock = threading.Lock()  # waiting here is fair and free; in SQLite it polls
        self._hot: sqlite3.Connection | None = None
        self._generation, self._commits = 0, None

    def find_token(self, digest: bytes) -> Found | None:
        """The token with that SHA-256, with its grant and account; about 5 microseconds, so it is called inline."""
        return found_token(self._look_up(_FIND_TOKEN, digest))

    def generation(self) -> int:
        """Grows whenever a token that ``find_token`` told may be told otherwise, by whichever process; as quickly."""
        commits = self._look_up(_COMMITS)
        if commits != self._commits:
            number, schema = self._look_up(_GENERATION)
            self._generation = (schema << 64) + number
            self._commits = commits  # from before: what is committed in between shows at the next look
        return self._generation

    def find_account(self, account_id: str) -> Account | None:
        """The account with that id, as quickly."""
        return found_account(self._look_up(_FIND_ACCOUNT, account_id))

    def find_app(self, name: str, account_id: str) -> tuple[App, tuple[str, ...]] | None:
        """The living app of that name, and what was shared of it with the account, as quickly."""
        return found_app(self._look_up(_FIND_APP, account_id, name))

    def _look_up(self, statement: str, *keys: bytes | str) -> Any:
        try:
            if self._hot is None:
                raw = self._engine.raw_connection()
                assert isinstance(raw.driver_connection, sqlite3.Connection)
                self._hot = raw.driver_connection
                raw.detach()  # it stays ours: the pool must not hand it to anybody else
            return self._hot.execute(statement, keys).fetchone()
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

    def describe(self) -> dict[str, object]:
        """What the store is, for operators: its sort, version, schema and size in bytes; never where it is."""
        with _translated(), self._engine.connect() as connection:
            pages, size = (
                connection.exec_driver_sql(f"PRAGMA {what}").scalar_one() for what in ("page_count", "page_size")
            )
            schema = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        return {"engine": f"SQLite {sqlite3.sqlite_version}", "schema": schema, "bytes": pages * size}

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


class SqlTx(
    AccountRows, GrantRows, UseRows, ClientRows, NoticeRows, KeyRows, LoginRows, ThrottleRows, AuditRows, FactorRows, LinkRows,
    AppRows, FormRows,
):  # fmt: skip
    """One transaction over SQL: every file of statements together."""

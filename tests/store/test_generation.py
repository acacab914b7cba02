"""The number that tells whether a remembered token may answer otherwise: it grows with every change of what the look-up
reads, whoever makes it, and with nothing else.
"""

from __future__ import annotations

import importlib
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.support.world import World

from keyturn import admin
from keyturn.store import tables
from keyturn.store.interface import Unavailable
from keyturn.store.rows.grants import FIND_BY_DIGEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ: dict[str, tuple[str, ...]] = importlib.import_module(
    "keyturn.store.migrations.versions.0008_what_tokens_answer"
).READ


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.secret(made.account())
    yield made
    made.close()


def by_hand(world: World, statement: str) -> None:
    with sqlite3.connect(world.path) as connection:
        connection.execute(statement)


def test_what_the_look_up_reads_is_what_is_watched() -> None:
    names = {"t": "tokens", "g": "grants", "a": "accounts"}
    read = {(names[table], column) for table, column in re.findall(r"\b([tga])\.(\w+)", FIND_BY_DIGEST)}
    watched = {(table, column) for table, columns in READ.items() for column in columns}
    assert read == watched


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, columns in READ.items() for column in columns]
)
def test_it_grows_with_a_change_of_any_of_it(world: World, table: str, column: str) -> None:
    before = world.store.generation()
    by_hand(world, f"UPDATE {table} SET {column} = {column}")
    assert world.store.generation() > before


@pytest.mark.parametrize("table", READ)
def test_it_grows_when_something_is_removed(world: World, table: str) -> None:
    before = world.store.generation()
    by_hand(world, f"DELETE FROM {table}")
    assert world.store.generation() > before


@pytest.mark.parametrize("table", READ)
def test_it_grows_when_something_is_replaced(world: World, table: str) -> None:
    """Which SQLite does without a word to triggers of removals."""
    before = world.store.generation()
    by_hand(world, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    assert world.store.generation() > before


def test_it_grows_when_an_account_takes_the_place_of_another_with_its_address(world: World) -> None:
    before = world.store.generation()
    columns = [column.name for column in tables.accounts.columns]
    taken = ", ".join("'another'" if name == "id" else name for name in columns)
    by_hand(world, f"INSERT OR REPLACE INTO accounts ({', '.join(columns)}) SELECT {taken} FROM accounts")
    assert world.store.generation() > before


def test_it_stays_when_something_is_added_or_something_else_changes(world: World) -> None:
    before = world.store.generation()
    world.secret(world.account("grace@example.com"))
    by_hand(world, "UPDATE accounts SET last_login_at = 1, name = 'x', updated_at = 2, password_hash = 'y'")
    by_hand(world, "UPDATE grants SET updated_at = 1, address = 'x', agent = 'y', proven_at = 2")
    by_hand(world, "UPDATE tokens SET mask = 'x'")
    assert world.store.generation() == before


def test_it_grows_when_a_backup_is_put_back(world: World, tmp_path: Path) -> None:
    """What was added since then is gone, though nothing else ever changed; and what changes next is no change of before."""
    data, backup = ["--data", str(tmp_path)], str(tmp_path / "backup.db")
    assert admin.main([*data, "backup", backup]) == 0
    world.secret(world.account("grace@example.com"))
    before = world.store.generation()
    by_hand(world, "UPDATE accounts SET suspended_at = 1")
    assert admin.main([*data, "restore", backup]) == 0
    by_hand(world, "UPDATE accounts SET suspended_at = 1")
    assert world.store.generation() > before + 1


def test_it_grows_when_somebody_else_puts_a_backup_back(world: World, tmp_path: Path) -> None:
    with closing(sqlite3.connect(world.path)) as now, closing(sqlite3.connect(tmp_path / "old.db")) as old:
        now.backup(old)
        world.secret(world.account("grace@example.com"))
        before = world.store.generation()
        old.backup(now)
        assert world.store.generation() > before


def test_a_change_of_our_own_is_seen_once_it_is_committed(world: World) -> None:
    before = world.store.generation()
    with world.store.writing() as tx:
        (grant,) = tx.grants(tx.accounts()[0].id)
        tx.end_grants([grant.id], at=world.clock.now, reason="revoked_by_owner", by=None)
        assert world.store.generation() == before
    assert world.store.generation() > before


def test_a_store_that_is_gone_says_so(world: World) -> None:
    world.store.generation()
    hot = world.store._hot
    assert hot is not None
    hot.close()
    with pytest.raises(Unavailable):
        world.store.generation()

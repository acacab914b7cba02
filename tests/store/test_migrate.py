"""The schema: migrated to what the code expects, once, and never backwards."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from keyturn.store import migrate, sql, tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    made = sql.engine_for(f"sqlite:///{tmp_path / 'keyturn.db'}")
    yield made
    made.dispose()


def schema(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [
            row[0]
            for row in connection.execute(sa.text("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"))
        ]


def test_an_empty_database_is_brought_to_the_newest_schema(engine: Engine) -> None:
    assert migrate.current(engine) is None
    assert migrate.migrate(engine)[-1] == migrate.head()
    assert migrate.current(engine) == migrate.head()


def test_the_migrated_schema_is_the_one_that_the_code_expects(engine: Engine) -> None:
    migrate.migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


def test_a_change_of_the_tables_without_a_migration_would_be_noticed(engine: Engine) -> None:
    migrate.migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE accounts ADD COLUMN surprise TEXT"))
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) != []


def test_the_newest_revision_is_known_without_alembic() -> None:
    assert migrate.head() == ScriptDirectory.from_config(migrate.config()).get_current_head()
    code = "import sys; from keyturn.store import migrate; migrate.head(); sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate.migrate(engine)
    before = schema(engine)
    assert migrate.migrate(engine) == []
    assert schema(engine) == before


def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine: Engine) -> None:
    migrate.migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    before = schema(engine)
    with pytest.raises(
        migrate.Newer, match=r"newer Keyturn \(schema 9999\); install that version, or restore a backup"
    ):
        migrate.migrate(engine)
    assert schema(engine) == before
    assert migrate.current(engine) == "9999"


def test_a_migration_that_breaks_halfway_leaves_nothing_behind(engine: Engine) -> None:
    with engine.begin() as connection:
        # the last of the tables to be made is there already
        connection.execute(sa.text("CREATE TABLE audit (x INTEGER)"))
    with pytest.raises(sa.exc.OperationalError, match="already exists"):
        migrate.migrate(engine)
    assert schema(engine) == ["CREATE TABLE audit (x INTEGER)"]
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE audit"))
    assert migrate.migrate(engine)[-1] == migrate.head()


def test_two_servers_that_start_at_once_migrate_one_after_the_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'keyturn.db'}"
    applied: list[list[str]] = []
    faults: list[Exception] = []
    together = threading.Barrier(2)

    def start() -> None:
        engine = sql.engine_for(url)
        try:
            together.wait()
            applied.append(migrate.migrate(engine))
        except Exception as fault:
            faults.append(fault)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(map(len, applied)) == [0, len(applied[0]) + len(applied[1])]

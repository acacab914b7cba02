"""A store of an earlier version is brought up to date with everything that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command

from keyturn.store import migrate, sql

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

# One account with a login, as each version wrote it: by the names of the tables of then.
ROWS = (
    (
        "INSERT INTO accounts (id, email, email_key, admin, credential_version, allow_tracking, beta, federated, created_at,"
        " updated_at) VALUES ('a', 'ada@example.com', 'ada@example.com', 0, 1, 1, 0, 0, 1000, 1000)"
    ),
    (
        "INSERT INTO grants (id, account_id, kind, scopes, description, created_at, updated_at, address, agent)"
        " VALUES ('g', 'a', 'login', 'global', 'laptop', 1000, 1000, '', '')"
    ),
    "INSERT INTO tokens (digest, id, grant_id, mask, created_at) VALUES (x'" + "07" * 32 + "', 't', 'g', 'ktl_', 1000)",
)


def at_revision(engine: sa.Engine, revision: str) -> None:
    with engine.connect() as connection, connection.execution_options(writes=True).begin():
        settings = migrate.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)


@pytest.mark.parametrize("revision", ["0001"])
def test_an_upgrade_keeps_every_credential(tmp_path: Path, revision: str) -> None:
    engine = sql.engine_for(f"sqlite:///{tmp_path / 'old.db'}")
    at_revision(engine, revision)
    with engine.connect() as connection, connection.execution_options(writes=True).begin():
        for row in ROWS:
            connection.exec_driver_sql(row)
    assert migrate.migrate(engine)
    assert migrate.current(engine) == migrate.head()
    store = sql.SqlStore(engine)
    found = store.find_token(bytes([7]) * 32)
    store.close()
    assert found is not None
    assert (found.email, found.description, found.role, found.token_expires_at) == (
        "ada@example.com",
        "laptop",
        "access",
        None,
    )
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []
    engine.dispose()

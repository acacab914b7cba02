"""Brings a database to the schema that this version needs. Alembic does the work; its scripts are in migrations/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

FOLDER = Path(__file__).parent / "migrations"


class Newer(Exception):
    """The database was made by a newer Keyturn than this one."""


def config() -> Config:
    """Alembic's configuration: where the migrations are."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.set_main_option("path_separator", "os")
    return made


def head() -> str:
    """The revision that this version of Keyturn needs."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    assert revision is not None
    return revision


def current(engine: Engine) -> str | None:
    """The database's revision; None when it is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: Engine) -> list[str]:
    """Applies what is missing, all of it or nothing, and returns the revisions applied.

    Raises Newer when the database is ahead of this version.
    """
    script = ScriptDirectory.from_config(config())
    known = {revision.revision for revision in script.walk_revisions()}
    with engine.connect() as connection:
        # takes the write lock, so that two servers started at once migrate one after the other
        connection = connection.execution_options(writes=True)
        with connection.begin():
            before = MigrationContext.configure(connection).get_current_revision()
            if before is not None and before not in known:
                raise Newer(
                    f"the store is of a newer Keyturn (schema {before}); install that version, or restore a backup"
                )
            settings = config()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    applied = [r.revision for r in script.iterate_revisions("head", before or "base")]
    return [revision for revision in reversed(applied) if revision != before]

"""Brings a database to the schema that this version needs. Alembic does the work; its scripts are in migrations/. It takes a
third of a second to load, which a store that is up to date is spared.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Engine

FOLDER = Path(__file__).parent / "migrations"


class Newer(Exception):
    """The database was made by a newer Keyturn than this one."""


def config() -> Config:
    """Alembic's configuration: where the migrations are."""
    from alembic.config import Config  # noqa: PLC0415

    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.set_main_option("path_separator", "os")
    return made


def head() -> str:
    """The revision that this version of Keyturn needs."""
    return max(file.name[:4] for file in (FOLDER / "versions").glob("[0-9]*.py"))


def current(engine: Engine) -> str | None:
    """The database's revision; None when it is empty."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return None if found is None else str(found)


def migrate(engine: Engine) -> list[str]:
    """Applies what is missing, all of it or nothing, and returns the revisions applied.

    Raises Newer when the database is ahead of this version.
    """
    if current(engine) == head():
        return []
    from alembic import command  # noqa: PLC0415
    from alembic.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

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

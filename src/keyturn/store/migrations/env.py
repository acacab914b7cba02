"""Alembic's entry: runs inside the connection and transaction that store/migrate.py hands over."""

from __future__ import annotations

from alembic import context

from keyturn.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
context.run_migrations()

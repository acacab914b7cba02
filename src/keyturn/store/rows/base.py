"""What the files of statements share."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def columns(table: sa.Table, cls: type[Any]) -> list[sa.Column[Any]]:
    """The columns of a data class, in the order of its fields."""
    return [table.c[f.name] for f in fields(cls)]


def values(thing: object) -> dict[str, Any]:
    """A data class' fields by name, as a row to insert."""
    return {f.name: getattr(thing, f.name) for f in fields(thing)}  # type: ignore[arg-type]


class Rows:
    """Statements on one connection, inside its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def _one(self, select: sa.Select[Any]) -> Any:
        return self._c.execute(select).one_or_none()

    def _change(self, table: sa.Table, key: sa.ColumnElement[bool], changes: dict[str, object]) -> int:
        return self._c.execute(sa.update(table).where(key).values(changes)).rowcount

"""Apps, who else may use them, and their transfers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from keyturn.core.credential import App, Collaborator, Transfer
from keyturn.store import tables as t
from keyturn.store.moments import Moment, moment
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_APP = columns(t.apps, App)
_COLLABORATOR = columns(t.collaborators, Collaborator)
_TRANSFER = columns(t.app_transfers, Transfer)


_MOMENTS = [i for i, c in enumerate(_APP) if isinstance(c.type, Moment)]

# The hot path of git: as the driver runs it, its parameters the account's id and the name.
FIND_APP = (
    f"SELECT {', '.join(c.name for c in _APP)}, "  # noqa: S608 - column names
    "(SELECT permissions FROM collaborators WHERE app_id = apps.id AND account_id = {0}) FROM apps WHERE name_key = {0}"
)


def found_app(row: Sequence[Any] | None) -> tuple[App, tuple[str, ...]] | None:
    """The app of FIND_APP's row, as the driver gives it, and what was shared of it with the account."""
    if row is None:
        return None
    *raw, shared = row
    for place in _MOMENTS:
        raw[place] = moment(raw[place])
    return App(*raw), tuple((shared or "").split())


def _made(row: Sequence[Any]) -> Collaborator:
    found = dict(zip((c.name for c in _COLLABORATOR), row, strict=True))
    return Collaborator(**{**found, "permissions": tuple(found["permissions"].split())})


def _row(changes: dict[str, Any]) -> dict[str, Any]:
    return changes | ({"permissions": " ".join(changes["permissions"])} if "permissions" in changes else {})


class AppRows(Rows):
    """interface.Tx: apps."""

    def app(self, app_id: str) -> App | None:
        """Ended ones too."""
        row = self._one(sa.select(*_APP).where(t.apps.c.id == app_id))
        return row and App(*row)

    def app_by_name(self, name: str) -> App | None:
        """A living one; names have no capital letters."""
        row = self._one(sa.select(*_APP).where(t.apps.c.name_key == name))
        return row and App(*row)

    def apps_of(self, account_id: str) -> list[App]:
        """Those that it owns and those that it may use, by name."""
        shared = sa.select(t.collaborators.c.app_id).where(t.collaborators.c.account_id == account_id)
        these = sa.or_(t.apps.c.owner_id == account_id, t.apps.c.id.in_(shared))
        select = sa.select(*_APP).where(these, t.apps.c.ended_at.is_(None)).order_by(t.apps.c.name)
        return [App(*row) for row in self._c.execute(select)]

    def gave_up(self, name: str, since: datetime, most: int) -> App | None:
        """The one that had the name last and ended since then, if it is among the ``most`` of its owner's that ended last."""
        these = sa.and_(t.apps.c.name == name, t.apps.c.ended_at >= since)
        row = self._one(sa.select(*_APP).where(these).order_by(t.apps.c.ended_at.desc()).limit(1))
        if row is None:
            return None
        app = App(*row)
        later = sa.and_(t.apps.c.owner_id == app.owner_id, t.apps.c.ended_at > app.ended_at)
        ended_later = self._c.execute(sa.select(t.apps.c.id).where(later).limit(most)).all()
        return app if len(ended_later) < most else None

    def apps_pushed(self, since: datetime) -> list[App]:
        """Living ones that were pushed to since then."""
        these = sa.and_(t.apps.c.released_at >= since, t.apps.c.ended_at.is_(None))
        return [App(*row) for row in self._c.execute(sa.select(*_APP).where(these).order_by(t.apps.c.id))]

    def add_app(self, app: App) -> None:
        key = app.name if app.ended_at is None else None
        self._c.execute(sa.insert(t.apps).values(values(app) | {"name_key": key}))

    def change_app(self, app_id: str, **changes: object) -> None:
        if "name" in changes:
            changes["name_key"] = changes["name"]
        self._change(t.apps, t.apps.c.id == app_id, changes)

    def end_app(self, app_id: str, at: datetime) -> None:
        """Nobody has its name, nobody collaborates on it, and it is offered to nobody."""
        self._change(t.apps, t.apps.c.id == app_id, {"ended_at": at, "updated_at": at, "name_key": None})
        self._c.execute(sa.delete(t.collaborators).where(t.collaborators.c.app_id == app_id))
        pending = sa.and_(t.app_transfers.c.app_id == app_id, t.app_transfers.c.state == "pending")
        self._c.execute(sa.delete(t.app_transfers).where(pending))

    def collaborators(self, app_id: str) -> list[Collaborator]:
        select = sa.select(*_COLLABORATOR).where(t.collaborators.c.app_id == app_id).order_by(t.collaborators.c.id)
        return [_made(row) for row in self._c.execute(select)]

    def collaborator(self, app_id: str, account_id: str) -> Collaborator | None:
        row = self._one(sa.select(*_COLLABORATOR).where(self._this(app_id, account_id)))
        return row and _made(row)

    def add_collaborator(self, collaborator: Collaborator) -> None:
        self._c.execute(sa.insert(t.collaborators).values(_row(values(collaborator))))

    def change_collaborator(self, app_id: str, account_id: str, **changes: object) -> None:
        self._change(t.collaborators, self._this(app_id, account_id), _row(changes))

    def remove_collaborator(self, app_id: str, account_id: str) -> bool:
        """Whether there was one."""
        return self._c.execute(sa.delete(t.collaborators).where(self._this(app_id, account_id))).rowcount == 1

    @staticmethod
    def _this(app_id: str, account_id: str) -> sa.ColumnElement[bool]:
        return sa.and_(t.collaborators.c.app_id == app_id, t.collaborators.c.account_id == account_id)

    def transfers(self, account_id: str) -> list[Transfer]:
        """Those that it began and those that it was offered, oldest first."""
        these = sa.or_(t.app_transfers.c.owner_id == account_id, t.app_transfers.c.recipient_id == account_id)
        return [
            Transfer(*row) for row in self._c.execute(sa.select(*_TRANSFER).where(these).order_by(t.app_transfers.c.id))
        ]

    def transfer(self, transfer_id: str) -> Transfer | None:
        row = self._one(sa.select(*_TRANSFER).where(t.app_transfers.c.id == transfer_id))
        return row and Transfer(*row)

    def add_transfer(self, transfer: Transfer) -> None:
        self._c.execute(sa.insert(t.app_transfers).values(values(transfer)))

    def change_transfer(self, transfer_id: str, **changes: object) -> None:
        self._change(t.app_transfers, t.app_transfers.c.id == transfer_id, changes)

    def remove_transfer(self, transfer_id: str) -> None:
        """As if it had not been offered."""
        self._c.execute(sa.delete(t.app_transfers).where(t.app_transfers.c.id == transfer_id))

"""Failed sign-ins, and the places that accounts are known at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.store import tables as t
from keyturn.store.interface import Failures
from keyturn.store.rows.base import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class ThrottleRows(Rows):
    """interface.Tx: throttling of sign-in."""

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

    def forget_failures(self, before: datetime, straight_before: datetime) -> None:
        straight = t.failures.c.key.startswith("straight:", autoescape=True)
        old = sa.case((straight, t.failures.c.last_at < straight_before), else_=sa.true())
        self._c.execute(sa.delete(t.failures).where(t.failures.c.last_at < before, old))

    def knows_place(self, account_id: str, place: str) -> bool:
        this = sa.and_(t.places.c.account_id == account_id, t.places.c.place == place)
        return self._one(sa.select(t.places.c.last_at).where(this)) is not None

    def add_place(self, account_id: str, place: str, at: datetime) -> None:
        this = sa.and_(t.places.c.account_id == account_id, t.places.c.place == place)
        if self._c.execute(sa.update(t.places).where(this).values(last_at=at)).rowcount == 0:
            self._c.execute(sa.insert(t.places).values(account_id=account_id, place=place, last_at=at))

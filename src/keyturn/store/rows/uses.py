"""Who uses which token: its last few distinct addresses and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.core.credential import Use
from keyturn.store import tables as t
from keyturn.store.moments import EPOCH, MICROSECOND
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_USE = columns(t.uses, Use)

# Thousands of rows every few seconds, so in as few steps as there can be; SQL that SQLite and PostgreSQL both take.
_ADD = sa.text("""
INSERT INTO token_uses (token_id, address, agent, first_at, last_at, count)
VALUES (:token_id, :address, :agent, :first_at, :last_at, :count)
ON CONFLICT (token_id, address, agent) DO UPDATE SET count = token_uses.count + excluded.count,
    last_at = CASE WHEN excluded.last_at > token_uses.last_at THEN excluded.last_at ELSE token_uses.last_at END""")
_TRIM = sa.text("""
DELETE FROM token_uses WHERE token_id = :token_id AND last_at < (
    SELECT MIN(last_at) FROM (SELECT last_at FROM token_uses WHERE token_id = :token_id
                              ORDER BY last_at DESC LIMIT :keep) AS latest)""")


def _when(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


class UseRows(Rows):
    """interface.Tx: who uses which token."""

    def add_uses(self, uses: Sequence[Use], keep: int) -> None:
        """Adds to what is known; of each token the ``keep`` latest stay."""
        if not uses:
            return
        self._c.execute(
            _ADD,
            [row | {"first_at": _when(row["first_at"]), "last_at": _when(row["last_at"])} for row in map(values, uses)],
        )
        self._c.execute(_TRIM, [{"token_id": token_id, "keep": keep} for token_id in {use.token_id for use in uses}])

    def uses(self, token_ids: Sequence[str]) -> dict[str, list[Use]]:
        """The uses of each token, the latest first."""
        found: dict[str, list[Use]] = {}
        for start in range(0, len(token_ids), 500):
            some = t.uses.c.token_id.in_(token_ids[start : start + 500])
            for row in self._c.execute(sa.select(*_USE).where(some).order_by(t.uses.c.last_at.desc())):
                use = Use(*row)
                found.setdefault(use.token_id, []).append(use)
        return found

"""Who uses which token: its last few distinct addresses and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.core.credential import Use
from keyturn.store import tables as t
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Sequence

_USE = columns(t.uses, Use)


class UseRows(Rows):
    """interface.Tx: who uses which token."""

    def add_uses(self, uses: Sequence[Use], keep: int) -> None:
        """Adds to what is known; of each token the ``keep`` latest stay."""
        for use in uses:
            this = sa.and_(
                t.uses.c.token_id == use.token_id, t.uses.c.address == use.address, t.uses.c.agent == use.agent
            )
            known = self._one(sa.select(t.uses.c.last_at, t.uses.c.count).where(this))
            if known is None:
                self._c.execute(sa.insert(t.uses).values(values(use)))
            else:
                self._change(t.uses, this, {"last_at": max(known[0], use.last_at), "count": known[1] + use.count})
        for token_id in {use.token_id for use in uses}:
            for old in self.uses([token_id]).get(token_id, [])[keep:]:
                row = (t.uses.c.token_id == token_id, t.uses.c.address == old.address, t.uses.c.agent == old.agent)
                self._c.execute(sa.delete(t.uses).where(*row))

    def uses(self, token_ids: Sequence[str]) -> dict[str, list[Use]]:
        """The uses of each token, the latest first."""
        found: dict[str, list[Use]] = {}
        for start in range(0, len(token_ids), 500):
            some = t.uses.c.token_id.in_(token_ids[start : start + 500])
            for row in self._c.execute(sa.select(*_USE).where(some).order_by(t.uses.c.last_at.desc())):
                use = Use(*row)
                found.setdefault(use.token_id, []).append(use)
        return found

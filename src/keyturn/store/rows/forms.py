"""Forms that were sent and count once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.store import tables as t
from keyturn.store.rows.base import Rows

if TYPE_CHECKING:
    from datetime import datetime


class FormRows(Rows):
    """interface.Tx: forms of browser sessions that count once."""

    def spend_form(self, session_id: str, form_id: str, at: datetime) -> None:
        """Notes the form as sent. Raises Taken when it was sent before."""
        self._c.execute(sa.insert(t.spent_forms).values(session_id=session_id, form_id=form_id, at=at))

    def give_back_form(self, session_id: str, form_id: str) -> None:
        """It can be sent again."""
        table = t.spent_forms.c
        these = sa.and_(table.session_id == session_id, table.form_id == form_id)
        self._c.execute(sa.delete(t.spent_forms).where(these))

    def forget_forms(self, before: datetime) -> int:
        """Removes what was sent before then; how many."""
        return self._c.execute(sa.delete(t.spent_forms).where(t.spent_forms.c.at < before)).rowcount

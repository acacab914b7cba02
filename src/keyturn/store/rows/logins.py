"""Logins under way in a browser, and the link that makes the first account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.store import tables as t
from keyturn.store.interface import CliLogin
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from datetime import datetime

_LOGIN = columns(t.cli_logins, CliLogin)


class LoginRows(Rows):
    """interface.Tx: logins under way, one-time links."""

    def add_cli_login(self, login: CliLogin) -> None:
        self._c.execute(sa.insert(t.cli_logins).values(values(login)))

    def cli_login(self, login_id: str) -> CliLogin | None:
        row = self._one(sa.select(*_LOGIN).where(t.cli_logins.c.id == login_id))
        return row and CliLogin(*row)

    def cli_login_by_browser(self, digest: bytes) -> CliLogin | None:
        row = self._one(sa.select(*_LOGIN).where(t.cli_logins.c.browser_digest == digest))
        return row and CliLogin(*row)

    def change_cli_login(self, login_id: str, **changes: object) -> None:
        self._change(t.cli_logins, t.cli_logins.c.id == login_id, changes)

    def forget_cli_logins(self, before: datetime) -> None:
        self._c.execute(sa.delete(t.cli_logins).where(t.cli_logins.c.expires_at < before))

    def set_setup_link(self, digest: bytes | None, expires_at: datetime | None) -> None:
        self._c.execute(sa.delete(t.setup_links))
        if digest is not None:
            self._c.execute(sa.insert(t.setup_links).values(digest=digest, expires_at=expires_at))

    def setup_link(self) -> tuple[bytes, datetime] | None:
        row = self._one(sa.select(t.setup_links.c.digest, t.setup_links.c.expires_at))
        return row and (row[0], row[1])

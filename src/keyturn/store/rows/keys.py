"""SSH keys."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from keyturn.core.credential import SshKey
from keyturn.store import tables as t
from keyturn.store.rows.base import Rows, values

_KEY = [t.accounts.c.email if f.name == "email" else t.ssh_keys.c[f.name] for f in fields(SshKey)]


class KeyRows(Rows):
    """interface.Tx: SSH keys."""

    def _keys(self) -> sa.Select[Any]:
        return sa.select(*_KEY).join(t.accounts, t.accounts.c.id == t.ssh_keys.c.account_id)

    def keys(self, account_id: str) -> list[SshKey]:
        select = self._keys().where(t.ssh_keys.c.account_id == account_id).order_by(t.ssh_keys.c.id)
        return [SshKey(*row) for row in self._c.execute(select)]

    def add_key(self, key: SshKey) -> None:
        row = values(key)
        del row["email"]
        self._c.execute(sa.insert(t.ssh_keys).values(row))

    def remove_key(self, key_id: str) -> None:
        self._c.execute(sa.delete(t.ssh_keys).where(t.ssh_keys.c.id == key_id))

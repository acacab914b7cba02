"""SSH keys: the public halves. When each ends stands in the grant that has the key's id."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from keyturn.core.credential import SshKey
from keyturn.store import tables as t
from keyturn.store.rows.base import Rows, values

if TYPE_CHECKING:
    from datetime import datetime

_ELSEWHERE = {"email": t.accounts.c.email, "expires_at": t.grants.c.expires_at}
_KEY: list[sa.Column[Any]] = [
    _ELSEWHERE[f.name] if f.name in _ELSEWHERE else t.ssh_keys.c[f.name] for f in fields(SshKey)
]


class KeyRows(Rows):
    """interface.Tx: SSH keys."""

    def _keys(self) -> sa.Select[Any]:
        return (
            sa.select(*_KEY)
            .join(t.accounts, t.accounts.c.id == t.ssh_keys.c.account_id)
            .join(t.grants, t.grants.c.id == t.ssh_keys.c.id, isouter=True)
        )

    def keys(self, account_id: str, alive_at: datetime) -> list[SshKey]:
        """The living ones, oldest first."""
        grant = t.grants.c
        alive = sa.and_(
            grant.id.is_not(None),
            grant.ended_at.is_(None),
            sa.or_(grant.expires_at.is_(None), grant.expires_at > alive_at),
        )
        select = self._keys().where(t.ssh_keys.c.account_id == account_id, alive).order_by(t.ssh_keys.c.id)
        return [SshKey(*row) for row in self._c.execute(select)]

    def key_of(self, sha256: str) -> SshKey | None:
        """The one with that fingerprint, whosever it is, one that expired too."""
        row = self._one(self._keys().where(t.ssh_keys.c.sha256 == sha256))
        return row and SshKey(*row)

    def add_key(self, key: SshKey) -> None:
        row = values(key)
        for name in _ELSEWHERE:
            del row[name]
        self._c.execute(sa.insert(t.ssh_keys).values(row))

    def remove_key(self, key_id: str) -> None:
        self._c.execute(sa.delete(t.ssh_keys).where(t.ssh_keys.c.id == key_id))

"""OAuth clients and their one-time codes; password resets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.core.credential import OAuthClient
from keyturn.store import tables as t
from keyturn.store.interface import Code, Reset
from keyturn.store.rows.base import Rows, columns, values
from keyturn.store.rows.grants import GRANT, made_grant

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.core.credential import Grant

_CLIENT = columns(t.clients, OAuthClient)
_CODE = columns(t.codes, Code)
_RESET = columns(t.resets, Reset)


class ClientRows(Rows):
    """interface.Tx: OAuth clients, their codes."""

    def clients(self, account_id: str) -> list[OAuthClient]:
        """The living ones, oldest first."""
        alive = sa.and_(t.clients.c.account_id == account_id, t.clients.c.ended_at.is_(None))
        return [OAuthClient(*row) for row in self._c.execute(sa.select(*_CLIENT).where(alive).order_by(t.clients.c.id))]

    def client(self, client_id: str) -> OAuthClient | None:
        row = self._one(sa.select(*_CLIENT).where(t.clients.c.id == client_id))
        return row and OAuthClient(*row)

    def client_by_secret(self, digest: bytes) -> OAuthClient | None:
        """The living client with that secret, for a report of a leak."""
        alive = sa.and_(t.clients.c.secret_digest == digest, t.clients.c.ended_at.is_(None))
        row = self._one(sa.select(*_CLIENT).where(alive))
        return row and OAuthClient(*row)

    def client_secret(self, client_id: str) -> bytes | None:
        """The secret's digest."""
        return self._c.execute(sa.select(t.clients.c.secret_digest).where(t.clients.c.id == client_id)).scalar()

    def add_client(self, client: OAuthClient, secret_digest: bytes) -> None:
        self._c.execute(sa.insert(t.clients).values(values(client) | {"secret_digest": secret_digest}))

    def change_client(self, client_id: str, **changes: object) -> None:
        self._change(t.clients, t.clients.c.id == client_id, changes)

    def grants_of_client(self, client_id: str) -> list[Grant]:
        """What accounts gave it, of all accounts, oldest first."""
        select = sa.select(*GRANT).where(t.grants.c.client_id == client_id).order_by(t.grants.c.id)
        return [made_grant(row) for row in self._c.execute(select)]

    def add_code(self, code: Code, digest: bytes) -> None:
        self._c.execute(sa.insert(t.codes).values(values(code) | {"digest": digest}))

    def code(self, digest: bytes) -> Code | None:
        row = self._one(sa.select(*_CODE).where(t.codes.c.digest == digest))
        return row and Code(*row)

    def change_code(self, digest: bytes, **changes: object) -> None:
        self._change(t.codes, t.codes.c.digest == digest, changes)

    def forget_codes(self, before: datetime) -> None:
        """Removes the codes that expired before then."""
        self._c.execute(sa.delete(t.codes).where(t.codes.c.expires_at < before))

    def add_reset(self, reset: Reset, digest: bytes) -> None:
        self._c.execute(sa.insert(t.resets).values(values(reset) | {"digest": digest}))

    def reset(self, digest: bytes) -> Reset | None:
        row = self._one(sa.select(*_RESET).where(t.resets.c.digest == digest))
        return row and Reset(*row)

    def use_resets(self, account_id: str, at: datetime) -> None:
        """Uses up every reset of the account: one that is taken, or a password that changed, ends all."""
        unused = sa.and_(t.resets.c.account_id == account_id, t.resets.c.used_at.is_(None))
        self._change(t.resets, unused, {"used_at": at})

    def forget_resets(self, before: datetime) -> None:
        """Removes the resets that expired before then."""
        self._c.execute(sa.delete(t.resets).where(t.resets.c.expires_at < before))

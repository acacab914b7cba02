"""Accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from keyturn.core.address import key as email_key
from keyturn.core.credential import Account
from keyturn.store import tables as t
from keyturn.store.moments import Moment, moment
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCOUNT = columns(t.accounts, Account)
_MOMENTS = [i for i, c in enumerate(_ACCOUNT) if isinstance(c.type, Moment)]
_FLAGS = [i for i, c in enumerate(_ACCOUNT) if isinstance(c.type, sa.Boolean)]

# The hot path: as the driver runs it, its one parameter the id.
FIND_ACCOUNT = f"SELECT {', '.join(c.name for c in _ACCOUNT)} FROM accounts WHERE id = "  # noqa: S608 - column names


def found_account(row: Sequence[Any] | None) -> Account | None:
    """The account of FIND_ACCOUNT's row, as the driver gives it."""
    if row is None:
        return None
    raw = list(row)
    for place in _MOMENTS:
        raw[place] = moment(raw[place])
    for place in _FLAGS:
        raw[place] = bool(raw[place])
    return Account(*raw)


class AccountRows(Rows):
    """interface.Tx: accounts."""

    def count_accounts(self) -> int:
        return self._c.execute(sa.select(sa.func.count()).select_from(t.accounts)).scalar_one()

    def accounts(self) -> list[Account]:
        return [Account(*row) for row in self._c.execute(sa.select(*_ACCOUNT).order_by(t.accounts.c.email_key))]

    def account(self, account_id: str, *, lock: bool = False) -> Account | None:
        select = sa.select(*_ACCOUNT).where(t.accounts.c.id == account_id)
        row = self._one(select.with_for_update() if lock else select)  # SQLite: the writing transaction is the lock
        return row and Account(*row)

    def account_by_email(self, email: str) -> Account | None:
        row = self._one(sa.select(*_ACCOUNT).where(t.accounts.c.email_key == email_key(email)))
        return row and Account(*row)

    def password_hash(self, account_id: str) -> str | None:
        return self._c.execute(sa.select(t.accounts.c.password_hash).where(t.accounts.c.id == account_id)).scalar()

    def add_account(self, account: Account, password_hash: str | None) -> None:
        row = values(account) | {"email_key": email_key(account.email), "password_hash": password_hash}
        self._c.execute(sa.insert(t.accounts).values(row))

    def change_account(self, account_id: str, **changes: object) -> None:
        if "email" in changes:
            changes["email_key"] = email_key(str(changes["email"]))
        if changes.get("closed_at") is not None:
            changes["email_key"] = f"closed:{account_id}"  # the address is free again
        self._change(t.accounts, t.accounts.c.id == account_id, changes)

    def accounts_page(self, *, text: str = "", after: str = "", most: int = 50) -> list[Account]:
        """By e-mail, closed ones last; those whose e-mail or name has ``text``, beginning after the account ``after``."""
        order = (t.accounts.c.closed_at.is_not(None), t.accounts.c.email_key)
        select = sa.select(*_ACCOUNT).order_by(*order).limit(most)
        if text:
            like = f"%{text.casefold().replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
            name = sa.func.lower(sa.func.coalesce(t.accounts.c.name, ""))
            select = select.where(
                sa.or_(sa.func.lower(t.accounts.c.email).like(like, escape="!"), name.like(like, escape="!"))
            )
        if after:
            last = self._one(sa.select(t.accounts.c.closed_at, t.accounts.c.email_key).where(t.accounts.c.id == after))
            if last is not None:
                closed = t.accounts.c.closed_at.is_not(None)
                further = t.accounts.c.email_key > last[1]
                select = select.where(sa.and_(closed, further) if last[0] is not None else sa.or_(closed, further))
        return [Account(*row) for row in self._c.execute(select)]

    def count_admins(self) -> int:
        """How many administrators can act."""
        these = sa.and_(t.accounts.c.admin, t.accounts.c.suspended_at.is_(None), t.accounts.c.closed_at.is_(None))
        return self._c.execute(sa.select(sa.func.count()).select_from(t.accounts).where(these)).scalar_one()

"""Links by mail: the ones that make an account, and those that prove an address. And what operators count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.core.address import key as email_key
from keyturn.store import tables as t
from keyturn.store.interface import NOWHERE, EmailLink, Invitation
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from datetime import datetime

_INVITATION = columns(t.invitations, Invitation)
_LINK = columns(t.email_links, EmailLink)


class LinkRows(Rows):
    """interface.Tx: links by mail; counts."""

    def add_invitation(self, invitation: Invitation, digest: bytes) -> None:
        row = values(invitation) | {"email_key": email_key(invitation.email), "digest": digest}
        self._c.execute(sa.insert(t.invitations).values(row))

    def invitation(self, digest: bytes) -> Invitation | None:
        row = self._one(sa.select(*_INVITATION).where(t.invitations.c.digest == digest))
        return row and Invitation(*row)

    def invitations(self, alive_at: datetime) -> list[Invitation]:
        """Those of administrators that can still be taken up, newest first."""
        table = t.invitations.c
        these = sa.and_(table.used_at.is_(None), table.expires_at > alive_at, table.invited_by.is_not(None))
        return [
            Invitation(*row) for row in self._c.execute(sa.select(*_INVITATION).where(these).order_by(table.id.desc()))
        ]

    def use_invitations(self, email: str, at: datetime) -> None:
        """All of that address are used up."""
        these = sa.and_(t.invitations.c.email_key == email_key(email), t.invitations.c.used_at.is_(None))
        self._change(t.invitations, these, {"used_at": at})

    def remove_invitation(self, invitation_id: str) -> bool:
        """Whether there was one to take back."""
        these = sa.and_(t.invitations.c.id == invitation_id, t.invitations.c.used_at.is_(None))
        return self._c.execute(sa.delete(t.invitations).where(these)).rowcount == 1

    def add_email_link(self, link: EmailLink, digest: bytes) -> None:
        self._c.execute(sa.insert(t.email_links).values(values(link) | {"digest": digest}))

    def email_link(self, digest: bytes) -> EmailLink | None:
        row = self._one(sa.select(*_LINK).where(t.email_links.c.digest == digest))
        return row and EmailLink(*row)

    def email_links(self, account_id: str, alive_at: datetime) -> list[EmailLink]:
        table = t.email_links.c
        these = sa.and_(table.account_id == account_id, table.used_at.is_(None), table.expires_at > alive_at)
        return [EmailLink(*row) for row in self._c.execute(sa.select(*_LINK).where(these))]

    def use_email_links(self, account_id: str, at: datetime) -> None:
        """All of the account are used up."""
        these = sa.and_(t.email_links.c.account_id == account_id, t.email_links.c.used_at.is_(None))
        self._change(t.email_links, these, {"used_at": at})

    def forget_links(self, before: datetime) -> int:
        """Removes what has been over since ``before``; how many."""
        return sum(
            self._c.execute(sa.delete(table).where(table.c.expires_at < before)).rowcount
            for table in (t.invitations, t.email_links)
        )

    def counts(self, now: datetime) -> dict[str, int]:
        """How much there is, by name."""
        grants, outbox = t.grants.c, t.outbox.c
        unsent = sa.and_(outbox.sent_at.is_(None), outbox.channel != NOWHERE)
        over = sa.or_(grants.ended_at.is_not(None), sa.and_(grants.expires_at.is_not(None), grants.expires_at <= now))
        asked = {
            "accounts": (t.accounts, t.accounts.c.closed_at.is_(None)),
            "apps": (t.apps, t.apps.c.ended_at.is_(None)),
            "suspended": (t.accounts, t.accounts.c.suspended_at.is_not(None)),
            "administrators": (t.accounts, sa.and_(t.accounts.c.admin, t.accounts.c.closed_at.is_(None))),
            "administrators_without": (
                t.accounts,
                sa.and_(
                    t.accounts.c.admin,
                    t.accounts.c.mfa_since.is_(None),
                    t.accounts.c.suspended_at.is_(None),
                    t.accounts.c.closed_at.is_(None),
                ),
            ),
            "with_second_factor": (
                t.accounts,
                sa.and_(t.accounts.c.mfa_since.is_not(None), t.accounts.c.closed_at.is_(None)),
            ),
            "credentials_alive": (t.grants, sa.not_(over)),
            "credentials_dead": (t.grants, over),
            "outbox_waiting": (t.outbox, sa.and_(unsent, outbox.next_at.is_not(None))),
            "outbox_failing": (t.outbox, sa.and_(unsent, outbox.attempts > 0)),
            "audit_events": (t.audit, sa.true()),
        }
        return {
            name: self._c.execute(sa.select(sa.func.count()).select_from(table).where(where)).scalar_one()
            for name, (table, where) in asked.items()
        }

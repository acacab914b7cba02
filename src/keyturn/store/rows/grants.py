"""Grants and their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from keyturn.core.credential import Found, Grant, Token
from keyturn.core.policy import Kind
from keyturn.store import tables as t
from keyturn.store.moments import MICROSECOND, moment
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from keyturn.store.interface import Slice

GRANT = columns(t.grants, Grant)
_TOKEN = columns(t.tokens, Token)

# The hot path: one look-up by digest. Its columns are those of Found, in their order.
FIND_BY_DIGEST = """
SELECT t.id, t.ended_at, t.ended_reason, g.id, g.kind, g.scopes, g.description, g.expires_at, g.ended_at, g.ended_reason,
       a.id, a.email, a.suspended_at, g.created_at, t.expires_at, t.idle_limit, t.role
FROM tokens t JOIN grants g ON g.id = t.grant_id JOIN accounts a ON a.id = g.account_id WHERE t.digest = """


def found_token(row: Sequence[Any] | None) -> Found | None:
    """The token of FIND_BY_DIGEST's row, as the driver gives it."""
    if row is None:
        return None
    (token, token_ended, token_reason, grant, kind, scopes, description, expires, ended, reason, account, email,
     suspended, created, token_expires, idle_limit, role) = row  # fmt: skip
    return Found(
        token, token_ended and moment(token_ended), token_reason, grant, kind, scopes, description, expires and moment(expires),
        ended and moment(ended), reason, account, email, suspended and moment(suspended),
        moment(created), token_expires and moment(token_expires), idle_limit, role,  # type: ignore[arg-type]
    )  # fmt: skip


def made_grant(row: Sequence[Any]) -> Grant:
    """A grant of the columns GRANT."""
    values = dict(zip((c.name for c in GRANT), row, strict=True))
    return Grant(**{**values, "kind": Kind(values["kind"]), "scopes": tuple(values["scopes"].split())})


def _alive(at: datetime) -> sa.ColumnElement[bool]:
    over = t.grants.c.expires_at <= at
    return sa.and_(t.grants.c.ended_at.is_(None), sa.or_(t.grants.c.expires_at.is_(None), ~over))


class GrantRows(Rows):
    """interface.Tx: grants and tokens."""

    def grants(self, account_id: str, *, alive_at: datetime | None = None) -> list[Grant]:
        select = sa.select(*GRANT).where(t.grants.c.account_id == account_id).order_by(t.grants.c.id)
        if alive_at is not None:
            select = select.where(_alive(alive_at))
        return [made_grant(row) for row in self._c.execute(select)]

    def grants_slice(
        self, account_id: str, kinds: Collection[Kind], part: Slice, *, alive_at: datetime | None = None
    ) -> list[Grant]:
        """A stretch of the account's grants of these kinds, and one more when there is one."""
        key = t.grants.c.id
        these = [t.grants.c.account_id == account_id, t.grants.c.kind.in_([kind.value for kind in sorted(kinds)])]
        if alive_at is not None:
            these.append(_alive(alive_at))
        if part.start:
            late = key < part.start if part.descending else key > part.start
            these.append(late if part.after else sa.or_(late, key == part.start))
        if part.end:
            these.append(key >= part.end if part.descending else key <= part.end)
        order = key.desc() if part.descending else key
        select = sa.select(*GRANT).where(*these).order_by(order).limit(part.most + 1)
        return [made_grant(row) for row in self._c.execute(select)]

    def count_grants(self, account_id: str, alive_at: datetime) -> int:
        """How many live at that time: a count and no list, since every mint asks while all other writers wait."""
        these = sa.and_(t.grants.c.account_id == account_id, _alive(alive_at))
        return self._c.execute(sa.select(sa.func.count()).select_from(t.grants).where(these)).scalar_one()

    def grants_expiring(
        self, after: datetime, before: datetime, kinds: Collection[Kind], *, limit: int | None = None
    ) -> list[Grant]:
        """Living ones that expire in that time, the next first."""
        between = sa.and_(t.grants.c.ended_at.is_(None), t.grants.c.expires_at > after, t.grants.c.expires_at <= before)
        select = sa.select(*GRANT).where(between, t.grants.c.kind.in_([kind.value for kind in sorted(kinds)]))
        return [made_grant(row) for row in self._c.execute(select.order_by(t.grants.c.expires_at).limit(limit))]

    def grants_beyond(self, kind: Kind, longest: timedelta, after: datetime) -> list[Grant]:
        """The living ones of ``kind`` that end later than ``after`` and than ``longest`` after they were made, or never."""
        end, made = t.grants.c.expires_at, sa.type_coerce(t.grants.c.created_at, sa.BigInteger)
        limit = made + longest // MICROSECOND
        late = sa.or_(end.is_(None), sa.and_(end > after, sa.type_coerce(end, sa.BigInteger) > limit))
        these = sa.and_(t.grants.c.kind == kind, t.grants.c.ended_at.is_(None), late)
        return [made_grant(row) for row in self._c.execute(sa.select(*GRANT).where(these).order_by(t.grants.c.id))]

    def forget_grants(self, before: datetime) -> int:
        """Removes what has been dead since ``before``, with all that hangs on it; how many grants."""
        # an index has each half: the living are not read through while all other writers wait
        expired = sa.and_(t.grants.c.ended_at.is_(None), t.grants.c.expires_at < before)
        dead = sa.or_(t.grants.c.ended_at < before, expired)
        old = [row[0] for row in self._c.execute(sa.select(t.grants.c.id).where(dead).limit(1000))]
        if old:
            tokens = sa.select(t.tokens.c.id).where(t.tokens.c.grant_id.in_(old))
            self._c.execute(sa.delete(t.uses).where(t.uses.c.token_id.in_(tokens)))
            self._c.execute(sa.update(t.codes).where(t.codes.c.grant_id.in_(old)).values(grant_id=None))
            for table in (t.notices, t.tokens):
                self._c.execute(sa.delete(table).where(table.c.grant_id.in_(old)))
            self._c.execute(sa.delete(t.grants).where(t.grants.c.id.in_(old)))
        return len(old)

    def grant(self, grant_id: str) -> Grant | None:
        row = self._one(sa.select(*GRANT).where(t.grants.c.id == grant_id))
        return row and made_grant(row)

    def add_grant(self, grant: Grant) -> None:
        self._c.execute(sa.insert(t.grants).values(values(grant) | {"scopes": " ".join(grant.scopes)}))

    def change_grant(self, grant_id: str, **changes: object) -> None:
        self._change(t.grants, t.grants.c.id == grant_id, changes)

    def end_grants(self, grant_ids: Sequence[str], *, at: datetime, reason: str, by: str | None) -> None:
        """Stamps them all; in bulk, for a suspension may end thousands."""
        for start in range(0, len(grant_ids), 500):
            these = t.grants.c.id.in_(grant_ids[start : start + 500])
            self._change(t.grants, these, {"ended_at": at, "ended_reason": reason, "ended_by": by})

    def tokens(self, grant_ids: Sequence[str]) -> dict[str, Token]:
        """The newest access token of each grant: a living one before any that was ended or rotated."""
        # by what it is and not by its id alone: two tokens of one tick of the clock have ids in no order
        order = (t.tokens.c.ended_at.is_(None), t.tokens.c.idle_limit.is_(None), t.tokens.c.id)
        newest: dict[str, Token] = {}
        for start in range(0, len(grant_ids), 500):  # SQLite's limit on parameters
            some = sa.and_(t.tokens.c.grant_id.in_(grant_ids[start : start + 500]), t.tokens.c.role == "access")
            for row in self._c.execute(sa.select(*_TOKEN).where(some).order_by(*order)):
                token = Token(*row)
                newest[token.grant_id] = token
        return newest

    def living_tokens(self, grant_ids: Sequence[str]) -> dict[str, list[Token]]:
        """The access tokens of each grant that were not ended by themselves, oldest first: the last one is the
        current one, those before it are rotated and in their overlap.
        """
        order = (t.tokens.c.idle_limit.is_(None), t.tokens.c.id)
        found: dict[str, list[Token]] = {}
        for start in range(0, len(grant_ids), 500):
            these = t.tokens.c.grant_id.in_(grant_ids[start : start + 500])
            alive = sa.and_(these, t.tokens.c.role == "access", t.tokens.c.ended_at.is_(None))
            for row in self._c.execute(sa.select(*_TOKEN).where(alive).order_by(*order)):
                token = Token(*row)
                found.setdefault(token.grant_id, []).append(token)
        return found

    def refresh_tokens(self, grant_ids: Sequence[str]) -> dict[str, Token]:
        """The living refresh token of each grant."""
        found: dict[str, Token] = {}
        for start in range(0, len(grant_ids), 500):
            these = t.tokens.c.grant_id.in_(grant_ids[start : start + 500])
            alive = sa.and_(these, t.tokens.c.role == "refresh", t.tokens.c.ended_at.is_(None))
            for row in self._c.execute(sa.select(*_TOKEN).where(alive).order_by(t.tokens.c.id)):
                token = Token(*row)
                found[token.grant_id] = token
        return found

    def tokens_of(self, grant_id: str) -> list[Token]:
        """All its tokens, the dead too, oldest first."""
        select = sa.select(*_TOKEN).where(t.tokens.c.grant_id == grant_id).order_by(t.tokens.c.id)
        return [Token(*row) for row in self._c.execute(select)]

    def overlapping_tokens(self) -> list[Token]:
        """Rotated tokens that go on beside their successors until they are unused for their idle limit."""
        alive = sa.and_(t.tokens.c.ended_at.is_(None), t.tokens.c.idle_limit.is_not(None))
        return [Token(*row) for row in self._c.execute(sa.select(*_TOKEN).where(alive))]

    def change_token(self, token_id: str, grant_id: str, **changes: object) -> None:
        self._change(t.tokens, sa.and_(t.tokens.c.grant_id == grant_id, t.tokens.c.id == token_id), changes)

    def add_token(self, token: Token, digest: bytes) -> None:
        self._c.execute(sa.insert(t.tokens).values(values(token) | {"digest": digest}))

    def end_tokens(self, grant_id: str, at: datetime, reason: str, *, role: str | None = None) -> None:
        alive = sa.and_(t.tokens.c.grant_id == grant_id, t.tokens.c.ended_at.is_(None))
        if role is not None:
            alive = sa.and_(alive, t.tokens.c.role == role)
        self._change(t.tokens, alive, {"ended_at": at, "ended_reason": reason})

    def find_token(self, digest: bytes) -> Found | None:
        return found_token(self._c.execute(sa.text(FIND_BY_DIGEST + ":digest"), {"digest": digest}).one_or_none())

    def retire_token(self, digest: bytes, instead: bytes) -> None:
        """Takes a dead token out of the look-up, so that an SSH key that was removed can be added again; its grant stays
        listed with its reason. ``instead``: random bytes.
        """
        dead = sa.and_(t.tokens.c.digest == digest, t.tokens.c.grant_id.in_(sa.select(t.grants.c.id)))
        self._c.execute(sa.update(t.tokens).where(dead).values(digest=instead))

"""a number that grows whenever what a token answers may change: for whoever remembers the answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Exactly what the look-up by digest reads (store/rows/grants.py, FIND_BY_DIGEST); tests/store holds the two together. What is
# added changes no answer that was given: only good answers are remembered.
READ = {
    "tokens": (
        "digest", "id", "grant_id", "ended_at", "ended_reason", "expires_at", "idle_limit", "role"
    ),
    "grants": (
        "id", "account_id", "kind", "scopes", "description", "created_at", "expires_at", "ended_at", "ended_reason"
    ),
    "accounts": ("id", "email", "admin", "suspended_at"),
}  # fmt: skip


def upgrade() -> None:
    op.create_table("generation", sa.Column("number", sa.BigInteger(), nullable=False))
    op.execute("INSERT INTO generation (number) VALUES (1)")
    for table, columns in READ.items():
        for event in (f"UPDATE OF {', '.join(columns)}", "DELETE"):
            name = f"{table}_answers_{event[:6].lower()}"
            op.execute(
                f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN UPDATE generation SET number = number + 1; END"  # noqa: S608 - names of ours
            )

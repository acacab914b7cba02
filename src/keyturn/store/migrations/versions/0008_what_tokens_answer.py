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
    "accounts": ("id", "email", "suspended_at"),
}  # fmt: skip
# By what a new row takes the place of another, of which INSERT OR REPLACE tells no trigger.
TAKES = {
    "tokens": "digest = NEW.digest",
    "grants": "id = NEW.id",
    "accounts": "id = NEW.id OR email_key = NEW.email_key",
}
GROWS = "BEGIN UPDATE generation SET number = number + 1; END"


def upgrade() -> None:
    op.create_table("generation", sa.Column("number", sa.BigInteger(), nullable=False))
    op.execute("INSERT INTO generation (number) VALUES (1)")
    for table, columns in READ.items():
        replaced = f"EXISTS (SELECT 1 FROM {table} WHERE {TAKES[table]})"  # noqa: S608 - names of ours
        for name, when in (
            ("update", f"AFTER UPDATE OF {', '.join(columns)} ON {table}"),
            ("delete", f"AFTER DELETE ON {table}"),
            ("insert", f"BEFORE INSERT ON {table} WHEN {replaced}"),
        ):
            op.execute(f"CREATE TRIGGER {table}_answers_{name} {when} {GROWS}")

"""a row that is replaced counts as changed: SQLite runs no trigger of a removal for INSERT OR REPLACE."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# By what a new row takes the place of another. What is new alone changes no answer that was given, and still raises nothing.
TAKES = {
    "tokens": "digest = NEW.digest",
    "grants": "id = NEW.id",
    "accounts": "id = NEW.id OR email_key = NEW.email_key",
}


def upgrade() -> None:
    for table, place in TAKES.items():
        op.execute(
            f"CREATE TRIGGER {table}_answers_insert BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {place}) "  # noqa: S608 - names of ours
            "BEGIN UPDATE generation SET number = number + 1; END"
        )

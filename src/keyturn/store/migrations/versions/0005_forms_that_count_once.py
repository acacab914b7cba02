"""forms that count once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spent_forms",
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("form_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "form_id", name=op.f("pk_spent_forms")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_spent_forms_at"), "spent_forms", ["at"], unique=False)

"""since when somebody is an administrator: what was proven before counts for less."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The trail knows of those who were not made with the rights.
SINCE = """
UPDATE accounts SET admin_since = (
    SELECT MAX(at) FROM audit WHERE audit.account_id = accounts.id AND audit.action = 'account.admin_on')
WHERE admin"""


def upgrade() -> None:
    op.add_column("accounts", sa.Column("admin_since", sa.BigInteger(), nullable=True))
    op.execute(SINCE)

"""links that were asked for are told from invitations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Until now only their life told them apart from an operator's: one day, not seven. Moments are microseconds.
ASKED = "UPDATE invitations SET asked = true WHERE invited_by IS NULL AND expires_at - created_at <= 86400000000"


def upgrade() -> None:
    op.add_column("invitations", sa.Column("asked", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(ASKED)

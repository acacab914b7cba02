"""what is looked up is found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_apps_owner_id"), table_name="apps")
    op.create_index("ix_apps_name_ended_at", "apps", ["name", "ended_at"], unique=False)
    op.create_index("ix_apps_owner_id_ended_at", "apps", ["owner_id", "ended_at"], unique=False)
    op.create_index("ix_audit_actor_id_id", "audit", ["actor_id", "id"], unique=False)
    op.create_index(op.f("ix_clients_secret_digest"), "clients", ["secret_digest"], unique=False)
    op.create_index(op.f("ix_devices_expires_at"), "devices", ["expires_at"], unique=False)
    op.create_index(
        "ix_grants_client_id",
        "grants",
        ["client_id"],
        unique=False,
        sqlite_where=sa.text("client_id IS NOT NULL"),
        postgresql_where=sa.text("client_id IS NOT NULL"),
    )
    op.create_index(
        "ix_grants_ended_at",
        "grants",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_oauth_codes_grant_id"), "oauth_codes", ["grant_id"], unique=False)
    op.create_index(op.f("ix_password_resets_account_id"), "password_resets", ["account_id"], unique=False)

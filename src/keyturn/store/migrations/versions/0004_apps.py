"""apps; SSH keys are credentials of the one life-cycle."""

from __future__ import annotations

import base64
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "apps",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.Column("repo_size", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_apps_owner_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apps")),
        sa.UniqueConstraint("name_key", name=op.f("uq_apps_name_key")),
    )
    op.create_index(op.f("ix_apps_owner_id"), "apps", ["owner_id"], unique=False)
    op.create_table(
        "app_transfers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("app_id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("recipient_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_app_transfers_app_id_apps")),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_app_transfers_owner_id_accounts")),
        sa.ForeignKeyConstraint(["recipient_id"], ["accounts.id"], name=op.f("fk_app_transfers_recipient_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_transfers")),
    )
    op.create_index(op.f("ix_app_transfers_app_id"), "app_transfers", ["app_id"], unique=False)
    op.create_index(op.f("ix_app_transfers_owner_id"), "app_transfers", ["owner_id"], unique=False)
    op.create_index(op.f("ix_app_transfers_recipient_id"), "app_transfers", ["recipient_id"], unique=False)
    op.create_table(
        "collaborators",
        sa.Column("app_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_collaborators_account_id_accounts")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_collaborators_app_id_apps")),
        sa.PrimaryKeyConstraint("app_id", "account_id", name=op.f("pk_collaborators")),
        sa.UniqueConstraint("id", name=op.f("uq_collaborators_id")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_collaborators_account_id"), "collaborators", ["account_id"], unique=False)
    _keys_become_grants()


def _keys_become_grants() -> None:
    """Each key that is there gets its grant, and a token whose digest is its fingerprint."""
    bind = op.get_bind()
    keys = bind.execute(sa.text("SELECT id, account_id, comment, sha256, created_at FROM ssh_keys")).all()
    for key_id, account_id, comment, sha256, created_at in keys:
        text = sha256.removeprefix("SHA256:")
        bind.execute(
            sa.text(
                "INSERT INTO grants (id, account_id, kind, scopes, description, created_at, updated_at, address, agent) "
                "VALUES (:id, :account, 'ssh_key', 'write', :comment, :at, :at, '', '')"
            ),
            {"id": key_id, "account": account_id, "comment": comment, "at": created_at},
        )
        bind.execute(
            sa.text(
                "INSERT INTO tokens (digest, id, grant_id, mask, created_at, role) "
                "VALUES (:digest, :token, :id, :mask, :at, 'access')"
            ),
            {
                "digest": base64.b64decode(text + "=" * (-len(text) % 4)), "token": str(uuid.uuid4()), "id": key_id,
                "mask": sha256, "at": created_at,
            },
        )  # fmt: skip

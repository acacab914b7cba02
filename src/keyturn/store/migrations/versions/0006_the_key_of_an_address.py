"""the key of an address: lower case in place of case folding, and composed."""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _accounts()
    bind = op.get_bind()
    for digest, email, old in bind.execute(sa.text("SELECT digest, email, email_key FROM invitations")).all():
        if _key(email) != old:
            bind.execute(
                sa.text("UPDATE invitations SET email_key = :key WHERE digest = :digest"),
                {"key": _key(email), "digest": digest},
            )


def _accounts() -> None:
    """The older account of two that are the same now has the key; the later one keeps its own, and is found by its id."""
    bind = op.get_bind()
    found = bind.execute(sa.text("SELECT id, email, email_key FROM accounts ORDER BY created_at, id")).all()
    taken: set[str] = set()
    changes: dict[str, str] = {}
    for account_id, email, old in found:
        if old.startswith("closed:"):
            taken.add(old)
            continue
        new = next(key for key in (_key(email), old, f"{old}#{account_id}") if key not in taken)
        taken.add(new)
        if new != old:
            changes[account_id] = new
    update = sa.text("UPDATE accounts SET email_key = :key WHERE id = :id")
    for account_id in changes:  # out of each other's way first: keys are unique
        bind.execute(update, {"key": f"moving:{account_id}", "id": account_id})
    for account_id, key in changes.items():
        bind.execute(update, {"key": key, "id": account_id})


def _key(email: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", email.strip()).lower())

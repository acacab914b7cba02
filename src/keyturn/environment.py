"""An Env over the real outside, for the server and the operator's commands beside it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keyturn.actions.env import Env, Limits, Post
from keyturn.adapters import sealing
from keyturn.adapters.commands import CommandPolicy
from keyturn.adapters.passkeys import WebAuthn
from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core import policy
from keyturn.store import sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from keyturn.adapters.git import Git
    from keyturn.core.policy import Policy


def clock() -> datetime:
    """The wall clock, for Env: read here and nowhere else."""
    return datetime.now(UTC)


def environment(
    database_url: str, limits: Limits | None = None, rules: Policy = policy.DEFAULT, post: Post | None = None,
    keys: Path | None = None, repositories: Git | None = None, before: Sequence[str] = (),
) -> Env:  # fmt: skip
    """An Env over the real outside. ``rules``: the policy in force; ``post``: how mails and webhooks leave; ``keys``: the
    file of the keys that seal; ``before``: the command that judges pushes. Raises sealing.BadKeys.
    """
    store = sql.SqlStore(sql.engine_for(database_url))
    sealer = sealing.open_or_make(keys, secrets.token_bytes) if keys is not None else None
    return Env(
        store,
        clock,
        secrets.token_bytes,
        Argon2Passwords(),
        limits or Limits(),
        rules,
        post or Post(),
        sealer,
        WebAuthn(),
        repositories,
        CommandPolicy(before) if before else None,
    )

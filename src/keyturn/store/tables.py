"""The tables. Ids are UUIDv7, so their order is that of making; times are those of moments.py."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)  # fmt: skip

from keyturn.store.moments import Moment

# Constraint names are fixed, so that later migrations can name what they change.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_UUID = String(36)

accounts = Table(
    "accounts", metadata,
    Column("id", _UUID, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("name", Text),
    Column("admin", Boolean, nullable=False),
    Column("password_hash", Text),
    Column("credential_version", Integer, nullable=False),
    Column("allow_tracking", Boolean, nullable=False),
    Column("beta", Boolean, nullable=False),
    Column("federated", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("last_login_at", Moment),
    Column("suspended_at", Moment),
    Column("verified_at", Moment),
    Column("mfa_since", Moment),
    Column("closed_at", Moment),
    Column("admin_since", Moment),
    sqlite_with_rowid=False,
)  # fmt: skip

_LIVING = "ended_at IS NULL AND expires_at IS NOT NULL"
_ENDED = "ended_at IS NOT NULL"
_OF_A_CLIENT = "client_id IS NOT NULL"
_IDLE = "ended_at IS NULL AND idle_limit IS NOT NULL"

clients = Table(
    "clients", metadata,
    Column("id", _UUID, primary_key=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("secret_digest", LargeBinary(32), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("ended_reason", String(40)),
    Index("ix_clients_account_id_id", "account_id", "id"),
)  # fmt: skip

# One-time codes of the authorization-code grant, and password resets: used once, kept to notice a second use.
codes = Table(
    "oauth_codes", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("id", _UUID, nullable=False),
    Column("client_id", _UUID, ForeignKey("clients.id"), nullable=False),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False),
    Column("account_version", Integer, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("code_challenge", Text),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment),
    Column("grant_id", _UUID, ForeignKey("grants.id"), index=True),
)  # fmt: skip

resets = Table(
    "password_resets", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("account_version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment),
)  # fmt: skip

grants = Table(
    "grants", metadata,
    Column("id", _UUID, primary_key=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("ended_at", Moment),
    Column("ended_reason", String(40)),
    Column("ended_by", _UUID),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("client_id", _UUID, ForeignKey("clients.id")),
    Column("proven_at", Moment),
    Index("ix_grants_account_id_id", "account_id", "id"),
    # what will expire by itself, for the notices
    Index("ix_grants_expires_at", "expires_at", sqlite_where=sa.text(_LIVING), postgresql_where=sa.text(_LIVING)),
    # what is dead, until it is forgotten
    Index("ix_grants_ended_at", "ended_at", sqlite_where=sa.text(_ENDED), postgresql_where=sa.text(_ENDED)),
    Index("ix_grants_client_id", "client_id", sqlite_where=sa.text(_OF_A_CLIENT), postgresql_where=sa.text(_OF_A_CLIENT)),
    sqlite_with_rowid=False,
)  # fmt: skip

tokens = Table(
    "tokens", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("id", _UUID, nullable=False),
    Column("grant_id", _UUID, ForeignKey("grants.id"), nullable=False),
    Column("mask", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("ended_reason", String(40)),
    Column("role", String(10), nullable=False, server_default="access"),
    Column("expires_at", Moment),
    Column("idle_limit", Integer),
    Index("ix_tokens_grant_id", "grant_id"),
    # what is rotated and goes on beside its successor for a while
    Index("ix_tokens_idle_limit", "idle_limit", sqlite_where=sa.text(_IDLE), postgresql_where=sa.text(_IDLE)),
    sqlite_with_rowid=False,
)  # fmt: skip

# One row. Its number grows whenever what a token answers may change; triggers see to that (migration 0008).
generation = Table("generation", metadata, Column("number", BigInteger, nullable=False))

# Who uses a token: its last few distinct addresses and agents.
uses = Table(
    "token_uses", metadata,
    Column("token_id", _UUID, primary_key=True),
    Column("address", String(60), primary_key=True),
    Column("agent", String(200), primary_key=True),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip

# Which threshold of which credential has been told of: a row is a promise kept, once.
notices = Table(
    "notices", metadata,
    Column("grant_id", _UUID, ForeignKey("grants.id"), primary_key=True),
    Column("threshold", String(20), primary_key=True),
    Column("at", Moment, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip

# Mails and webhooks on their way out, written in the transaction of what they tell of.
outbox = Table(
    "outbox", metadata,
    Column("id", _UUID, primary_key=True),
    Column("channel", String(10), nullable=False),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment),
    Column("sent_at", Moment),
    Column("error", Text),
    Index("ix_outbox_next_at", "next_at"),
)  # fmt: skip

ssh_keys = Table(
    "ssh_keys", metadata,
    Column("id", _UUID, primary_key=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False),
    Column("type", String(60), nullable=False),
    Column("public_key", Text, nullable=False),
    Column("fingerprint", String(47), nullable=False),
    Column("sha256", String(60), nullable=False, unique=True),
    Column("comment", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_ssh_keys_account_id_id", "account_id", "id"),
)  # fmt: skip

cli_logins = Table(
    "cli_logins", metadata,
    Column("id", _UUID, primary_key=True),
    Column("browser_digest", LargeBinary(32), nullable=False, unique=True),
    Column("cli_digest", LargeBinary(32), nullable=False),
    Column("description", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("asked_life", BigInteger),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("account_id", _UUID, ForeignKey("accounts.id")),
    Column("account_version", Integer),
    Column("proven_at", Moment),
)  # fmt: skip

# Apps: what is pushed to. The name of one that ended is free again; its repository's folder goes by its id.
apps = Table(
    "apps", metadata,
    Column("id", _UUID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, unique=True),
    Column("owner_id", _UUID, ForeignKey("accounts.id"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("released_at", Moment),
    Column("repo_size", BigInteger),
    Column("ended_at", Moment),
    # of one account: the living, and the names that it gave up last
    Index("ix_apps_owner_id_ended_at", "owner_id", "ended_at"),
    # who had a name last; which living app has it stands in name_key
    Index("ix_apps_name_ended_at", "name", "ended_at"),
)  # fmt: skip

collaborators = Table(
    "collaborators", metadata,
    Column("app_id", _UUID, ForeignKey("apps.id"), primary_key=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), primary_key=True, index=True),
    Column("id", _UUID, nullable=False, unique=True),
    Column("permissions", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip

app_transfers = Table(
    "app_transfers", metadata,
    Column("id", _UUID, primary_key=True),
    Column("app_id", _UUID, ForeignKey("apps.id"), nullable=False, index=True),
    Column("owner_id", _UUID, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("recipient_id", _UUID, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("state", String(10), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)  # fmt: skip

# Second factors: one-time codes (the seed sealed) and passkeys (the public half).
factors = Table(
    "factors", metadata,
    Column("id", _UUID, primary_key=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("kind", String(10), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("confirmed_at", Moment),
    Column("last_used_at", Moment),
    Column("seed", LargeBinary(200)),
    Column("last_step", BigInteger),
    Column("credential_id", LargeBinary(1023), unique=True),
    Column("public_key", LargeBinary(2048)),
    Column("sign_count", BigInteger),
    Column("transports", Text),
    Column("aaguid", String(36)),
    Column("backed_up", Boolean),
)  # fmt: skip

recovery_codes = Table(
    "recovery_codes", metadata,
    Column("account_id", _UUID, ForeignKey("accounts.id"), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment),
    sqlite_with_rowid=False,
)  # fmt: skip

# Browsers that are asked for the password alone.
devices = Table(
    "devices", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("id", _UUID, nullable=False, unique=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("account_version", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("last_used_at", Moment),
)  # fmt: skip

# Sign-ins whose password was right, and whose second factor is awaited.
second_steps = Table(
    "second_steps", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False),
    Column("account_version", Integer, nullable=False),
    Column("next_path", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)  # fmt: skip

# WebAuthn challenges: each good once, for the browser (or session) that it was made for.
challenges = Table(
    "challenges", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("purpose", String(20), nullable=False),
    Column("bound_to", Text, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)  # fmt: skip

# Forms that were sent and count once: a row is a promise not to do it again.
spent_forms = Table(
    "spent_forms", metadata,
    Column("session_id", _UUID, primary_key=True),
    Column("form_id", String(32), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    sqlite_with_rowid=False,
)  # fmt: skip

# Links by mail: the one makes an account, the other proves an address.
invitations = Table(
    "invitations", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("id", _UUID, nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, index=True),
    Column("name", Text),
    Column("admin", Boolean, nullable=False),
    Column("invited_by", _UUID, ForeignKey("accounts.id")),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("asked", Boolean, nullable=False, server_default=sa.false()),
)  # fmt: skip

email_links = Table(
    "email_links", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("account_id", _UUID, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("email", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)  # fmt: skip

# At most one row: the link that makes the first account.
setup_links = Table(
    "setup_links", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_at", Moment, nullable=False),
)  # fmt: skip

failures = Table(
    "sign_in_failures", metadata,
    Column("key", String(100), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Moment, nullable=False, index=True),
)  # fmt: skip

places = Table(
    "known_places", metadata,
    Column("account_id", _UUID, ForeignKey("accounts.id"), primary_key=True),
    Column("place", String(60), primary_key=True),
    Column("last_at", Moment, nullable=False),
)  # fmt: skip

audit = Table(
    "audit", metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("action", String(60), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("account_id", _UUID),
    Column("actor_id", _UUID),
    Column("grant_id", _UUID),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("reason", String(40)),
    Column("details", Text, nullable=False),
    Index("ix_audit_account_id_id", "account_id", "id"),
    Index("ix_audit_actor_id_id", "actor_id", "id"),
)  # fmt: skip

"""A whole server without its HTTP face: a real SQLite file, real Argon2 with cheap parameters, and a clock that tests move."""

from __future__ import annotations

import functools
import secrets
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from keyturn.actions import accounts, grants
from keyturn.actions.authenticate import authenticate
from keyturn.actions.env import By, Env
from keyturn.adapters import sealing
from keyturn.adapters.git import Git
from keyturn.adapters.passkeys import WebAuthn
from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core.credential import Deny, Principal
from keyturn.core.policy import Kind
from keyturn.store import migrate, sql

if TYPE_CHECKING:
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account
    from keyturn.store.interface import AuditEvent

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EMAIL = "ada@example.com"
PASSWORD = "four brown owls at noon"
NEW_PASSWORD = "seven grey herons at dusk"
HOME = "203.0.113.9"


class Clock:
    """The time, which stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        """Moves it on, by the arguments of timedelta."""
        self.now += timedelta(**span)


@functools.cache
def _template() -> bytes:
    """A migrated, empty database, made once a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keyturn.db"
        engine = sql.engine_for(f"sqlite:///{path}")
        migrate.migrate(engine)
        engine.dispose()
        return path.read_bytes()


def new_database(folder: Path) -> Path:
    """A migrated, empty database file."""
    path = folder / "keyturn.db"
    path.write_bytes(_template())
    return path


class World:
    """An Env over a database of its own, and the short ways in which tests use it."""

    def __init__(self, folder: Path) -> None:
        self.path = new_database(folder)
        self.url = f"sqlite:///{self.path}"
        self.clock = Clock()
        self.store = sql.SqlStore(sql.engine_for(self.url))
        self.passwords = Argon2Passwords(passes=1, kibibytes=8, lanes=1)
        sealer = sealing.open_or_make(folder / "secret.keys", secrets.token_bytes)
        self.repositories = Git(folder / "repositories")
        self.env = Env(
            self.store, self.clock, secrets.token_bytes, self.passwords, sealer=sealer, passkeys=WebAuthn(),
            repositories=self.repositories,
        )  # fmt: skip

    def close(self) -> None:
        """Closes the database."""
        self.repositories.close()
        self.store.close()

    def account(
        self, email: str = EMAIL, *, password: str = PASSWORD, name: str | None = None, admin: bool = False
    ) -> Account:
        """A new account."""
        return accounts.create(self.env, By(), email=email, new_password=password, name=name, admin=admin)

    def mint(
        self, account: Account, kind: Kind = Kind.LOGIN, *, scopes: tuple[str, ...] = ("global",), asked: int | None = None,
        description: str = "a laptop", proven: bool = False,
    ) -> Credential:  # fmt: skip
        """A new credential of any kind; the clock moves a second, so that ids sort in the order of making. ``proven``: whoever
        gets it has just proven who they are.
        """
        proven_at = self.clock() if proven else None
        with self.store.writing() as tx:
            made = grants.mint(
                self.env,
                tx,
                By(),
                account,
                kind,
                scopes=scopes,
                description=description,
                asked=asked,
                proven_at=proven_at,
            )
        self.clock.advance(seconds=1)
        return made

    def secret(
        self,
        account: Account,
        kind: Kind = Kind.LOGIN,
        *,
        scopes: tuple[str, ...] = ("global",),
        asked: int | None = None,
        proven: bool = False,
    ) -> str:
        """The secret of a new credential."""
        made = self.mint(account, kind, scopes=scopes, asked=asked, proven=proven).secret
        assert made is not None
        return made

    def principal(self, credential: Credential) -> Principal:
        """Who acts by the credential, of whatever kind."""
        grant = credential.grant
        with self.store.reading() as tx:
            account = tx.account(grant.account_id)
        assert account is not None
        return Principal(
            account.id, account.email, grant.id, credential.token.id, grant.kind, grant.scopes, grant.description,
            grant.expires_at, grant.created_at,
        )  # fmt: skip

    def by(self, credential: Credential | None = None, address: str = HOME) -> By:
        """Who asks, from where."""
        return By(self.principal(credential) if credential else None, address, "a test")

    def reason(self, secret: str | None) -> str | None:
        """Why the token is refused; None while it lives."""
        assert secret is not None
        answer = authenticate(self.env, secret)
        return answer.reason if isinstance(answer, Deny) else None

    def ended(self, credential: Credential) -> str | None:
        """The reason that the grant was stamped with; None while it lives."""
        with self.store.reading() as tx:
            grant = tx.grant(credential.grant.id)
        assert grant is not None
        return grant.ended_reason

    def audit(self, account: Account | None = None) -> list[AuditEvent]:
        """The audit trail, newest first."""
        with self.store.reading() as tx:
            return tx.audit_events(account.id if account else None, limit=10_000)

    def actions(self) -> list[str]:
        """The names of what happened, oldest first."""
        return [event.action for event in reversed(self.audit())]

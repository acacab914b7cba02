"""Fills stores of any size in seconds: straight through SQL, in the shape that the server itself would have written."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core import token
from keyturn.store import migrate, sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REAL = 20_000
"""Tokens of which the secret is known, so that wrk can present them, spread over the whole store."""
EMAIL = "{}@example.com"
PASSWORD = "four tall oaks grow"

_AGENT = "keyturn/0.1.0 linux"
_YEAR = 365 * 86_400_000_000


def fill(folder: Path, count: int) -> Path:
    """Makes a store of `count` tokens in `folder`, one grant each and ten to an account. Gives the file of the real tokens.

    Every row is what a login would have left. Of all but REAL tokens the secret is nobody's: their digests are 32 random bytes,
    which is what SHA-256 of 190 random bits looks like to an index.
    """
    drawn = folder / "tokens.txt"
    if drawn.exists():
        return drawn
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "keyturn.db"
    file.unlink(missing_ok=True)
    engine = sql.engine_for(f"sqlite:///{file}")
    migrate.migrate(engine)
    engine.dispose()
    real = [token.make("login", secrets.token_bytes) for _ in range(min(REAL, count))]
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA journal_mode=OFF")
        db.execute("PRAGMA cache_size=-200000")
        indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        db.execute("BEGIN")
        for name, _ in indexes:
            db.execute(f'DROP INDEX "{name}"')
        _rows(db, count, real)
        for _, statement in indexes:
            db.execute(statement)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode=WAL")
    drawn.write_text("".join(f"{text}\n" for text in real))
    return drawn


def some_of(drawn: Path, count: int) -> Path:
    """A file of so many of the real tokens, still spread over the whole store."""
    lines = drawn.read_text().splitlines(keepends=True)
    few = drawn.with_name(f"tokens-{count}.txt")
    few.write_text("".join(lines[:: max(1, len(lines) // count)][:count]))
    return few


def _rows(db: sqlite3.Connection, count: int, real: list[str]) -> None:
    now = time.time_ns() // 1000
    accounts = list(_ids(now - _YEAR, max(1, count // 10)))
    grants = list(_ids(now - _YEAR // 2, count))
    digests = os.urandom(32 * count)
    every = count // len(real)
    hashed = Argon2Passwords().hash(PASSWORD)
    db.executemany(
        "INSERT INTO accounts (id, email, email_key, admin, password_hash, credential_version, allow_tracking, beta, federated, "
        "created_at, updated_at, last_login_at) VALUES (?, ?, ?, 0, ?, 1, 1, 0, 0, ?, ?, ?)",
        ((key, EMAIL.format(n), EMAIL.format(n), hashed, now, now, now) for n, key in enumerate(accounts)),
    )
    db.executemany(
        "INSERT INTO grants (id, account_id, kind, scopes, description, created_at, updated_at, expires_at, address, agent) "
        "VALUES (?, ?, 'login', 'global', ?, ?, ?, ?, '198.51.100.7', ?)",
        (
            (key, accounts[n % len(accounts)], f"keyturn login on machine-{n}", now, now, now + _YEAR, _AGENT)
            for n, key in enumerate(grants)
        ),
    )
    made = []
    for n, key in enumerate(grants):
        whole = n // every if n % every == 0 and n // every < len(real) else None
        if whole is None:
            made.append((digests[32 * n : 32 * n + 32], key, "ktl_000000**********00000"))
        else:
            made.append((token.digest(real[whole]), key, token.mask(real[whole])))
    made.sort()
    ids = _ids(now - _YEAR // 2 + 1, count)
    db.executemany(
        "INSERT INTO tokens (digest, id, grant_id, mask, created_at) VALUES (?, ?, ?, ?, ?)",
        ((digest, next(ids), grant, mask, now) for digest, grant, mask in made),
    )


def _ids(start: int, count: int) -> Iterator[str]:
    """UUIDs of version 7, one every 15 milliseconds from `start` (microseconds since 1970)."""
    tails = os.urandom(10 * count)
    for n in range(count):
        text = f"{start // 1000 + 15 * n:012x}{tails[10 * n : 10 * n + 10].hex()}"
        yield f"{text[:8]}-{text[8:12]}-7{text[13:16]}-a{text[17:20]}-{text[20:]}"

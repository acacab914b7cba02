"""What operators do with the store as files, for ``keyturn admin``: bring it up to date, copy it, put it back, look it over.

Each command says on standard error what it did, and returns the exit status.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import stat
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from keyturn import settings
from keyturn.adapters import sealing
from keyturn.store import migrate, sql

if TYPE_CHECKING:
    from pathlib import Path


class Failed(Exception):
    """The command could not be carried out; the message says why."""


def bring_up(url: str, *, quiet: bool = False) -> int:
    """To this version's schema."""
    engine = sql.engine_for(url)
    try:
        applied = migrate.migrate(engine)
    finally:
        engine.dispose()
    if not quiet:
        print(f"Applied {', '.join(applied)}." if applied else "The store is up to date.", file=sys.stderr)
    return 0


def rotate_keys(file: Path) -> int:
    """A new key that seals second factors from now on."""
    sealing.open_or_make(file, secrets.token_bytes)
    name = sealing.add_key(file, secrets.token_bytes)
    print(
        f"{file} has the new key {name}. Running servers take it up when they start; what was sealed with an older key is\n"
        "sealed anew at its next use, so keep the old keys in the file, and keep a copy of it apart from the backups.",
        file=sys.stderr,
    )
    return 0


def backup(path: Path, to: Path, data: Path) -> int:
    """Copies the store while the server runs. Raises Failed."""
    _copy(path, to)
    print(
        f"Wrote {to} ({to.stat().st_size} bytes). It has password hashes and digests of tokens: keep it like the store.",
        file=sys.stderr,
    )
    others = [f"{name} ({what})" for name, what in _BESIDE.items() if (data / name).exists()]
    if others:
        listed = ", ".join(others)
        print(f"Not in it, and to be copied after it (docs/operate/backups.md): {listed}.", file=sys.stderr)
    return 0


_BESIDE = {
    settings.REPOSITORIES: "the apps' code",
    settings.KEYS_FILE: "what seals two-factor seeds: keep it apart from the backup",
    settings.HOST_KEYS: "SSH host keys",
}
"""What else of the data folder an operator wants back after a loss."""


def _copy(path: Path, to: Path) -> None:
    if to.exists():
        raise Failed(f"{to} is there already; backups do not overwrite")
    partial = to.with_name(to.name + ".partial")
    partial.unlink(missing_ok=True)  # what a crash left, or a stranger laid there
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as target:
        source.backup(target)
        # one file, complete in itself, wherever it is carried
        target.execute("PRAGMA journal_mode=DELETE")
    partial.chmod(0o600)
    partial.rename(to)


def _free_name(path: Path) -> Path:
    """Where to keep what a restore replaces: what an earlier one kept is left alone."""
    number = 1
    while True:
        name = path.with_name(f"{path.name}.before-restore" + (f"-{number}" if number > 1 else ""))
        if not name.exists():
            return name
        number += 1


def restore(path: Path, of: Path) -> int:
    """Puts back what a copy has, and keeps what was there. Raises Failed."""
    if not of.is_file():
        raise Failed(f"there is no file {of}")
    with closing(sqlite3.connect(f"file:{of}?mode=ro", uri=True)) as source:
        try:
            damage = source.execute("PRAGMA integrity_check").fetchone()[0]
            version = source.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.DatabaseError:
            raise Failed(f"{of} is no backup of a Keyturn store; nothing was changed") from None
        if damage != "ok" or version is None:
            raise Failed(f"{of} is damaged ({damage}); nothing was changed")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = None
        if path.exists():
            kept = _free_name(path)
            _copy(path, kept)
        with closing(sqlite3.connect(path, timeout=30)) as target:
            source.backup(target)
    path.chmod(0o600)
    bring_up(f"sqlite:///{path}", quiet=True)
    print(
        f"The store is what {of} has." + (f" What was there before is beside it, as {kept.name}." if kept else ""),
        file=sys.stderr,
    )
    print("The apps' code is not in it, and is as it was (docs/operate/backups.md).", file=sys.stderr)
    return 0


def check(url: str, path: Path, data: Path, *, as_json: bool) -> int:
    """Looks for damage, and for files that others can read."""
    findings: list[str] = []
    with closing(sqlite3.connect(path)) as connection:
        findings += [f"damaged: {row[0]}" for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        findings += [
            f"a row of {row[0]} refers to none of {row[2]}" for row in connection.execute("PRAGMA foreign_key_check")
        ]
    engine = sql.engine_for(url)
    try:
        have, need = migrate.current(engine), migrate.head()
    finally:
        engine.dispose()
    if have != need:
        findings.append(f"the schema is {have}, this version needs {need}; run: keyturn admin migrate")
    else:
        findings += _without_code(path, data / settings.REPOSITORIES)
    keys = path.parent / settings.KEYS_FILE
    for file in (path.parent, *sorted(path.parent.glob(path.name + "*")), *([keys] if keys.exists() else [])):
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            findings.append(f"others can use {file} (mode {mode:o}); run: chmod go-rwx {file}")
    if as_json:
        print(json.dumps({"ok": not findings, "findings": findings}, indent=2))
    else:
        print("\n".join(findings) if findings else "The store is whole.")
    return 1 if findings else 0


def _without_code(path: Path, repositories: Path) -> list[str]:
    """The apps that have no repository: what a restore of the store alone leaves."""
    with closing(sqlite3.connect(path)) as connection:
        living = connection.execute("SELECT id, name FROM apps WHERE ended_at IS NULL ORDER BY name").fetchall()
    missing = [(name, repositories / f"{identity}.git") for identity, name in living]
    return [f"the app {name} has no repository at {folder}" for name, folder in missing if not folder.is_dir()]

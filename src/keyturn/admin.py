"""``keyturn admin``: operator commands on the store. They work beside a running server, and need no token: whoever
may read and write the store's files may use them.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import secrets
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from keyturn import in_force, post_settings, settings
from keyturn.actions import accounts, factors, invitations, outbox, resets
from keyturn.actions.env import By, Problem
from keyturn.adapters import sealing
from keyturn.cli import policy as show_policy
from keyturn.core import lifecycle, overrides, policy, published
from keyturn.core.notice_text import iso
from keyturn.environment import environment
from keyturn.store import migrate, sql
from keyturn.store.interface import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyturn.actions.env import Env

OPERATOR = By(agent="keyturn admin")


class Failed(Exception):
    """The command could not be carried out; the message says why."""


def parser() -> argparse.ArgumentParser:
    """The flags and commands of ``keyturn admin``."""
    made = argparse.ArgumentParser(
        "keyturn admin", description="Operator commands on the store; they work beside a running server."
    )
    made.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=os.environ.get("KEYTURN_DATA", ".keyturn"),
        help="the server's data folder (default: .keyturn)",
    )
    made.add_argument(
        "--database-url",
        metavar="URL",
        default=os.environ.get("KEYTURN_DATABASE_URL"),
        help="the server's store, where it is not in the data folder",
    )
    made.add_argument(
        "--secret-keys",
        type=Path,
        metavar="FILE",
        default=os.environ.get("KEYTURN_SECRET_KEYS") or None,
        help="the server's file of keys, where it is not secret.keys in the data folder",
    )
    settings.add_policy(made, os.environ)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    create = commands.add_parser("accounts:create", help="make an account")
    create.add_argument("email")
    create.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input's first line"
    )
    create.add_argument("--name")
    create.add_argument("--admin", action="store_true", help="make it an administrator's")
    invite = commands.add_parser(
        "accounts:invite", help="print a one-time link with which somebody makes their account"
    )
    invite.add_argument("email")
    invite.add_argument("--name", help="the name that the form proposes")
    invite.add_argument("--admin", action="store_true", help="make it an administrator's")
    for name, text in (
        ("accounts:suspend", "suspend an account and end its credentials"),
        ("accounts:unsuspend", "let it sign in again"),
        ("accounts:reset-mfa", "take the second factors off an account whose owner lost them"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("email")
    reset = commands.add_parser("accounts:reset-password", help="print a one-time link to choose a new password")
    reset.add_argument("email")
    for command in (invite, reset):
        command.add_argument(
            "--public-url",
            metavar="URL",
            default=os.environ.get("KEYTURN_PUBLIC_URL"),
            help="where people reach the server (default: where the one started last with this data folder is reached)",
        )
    commands.add_parser("keys:rotate", help="seal two-factor seeds with a new key from now on; old keys stay readable")
    listed = commands.add_parser("accounts", help="list the accounts")
    listed.add_argument("--json", action="store_true")
    for name, text in (
        ("backup", "copy the store to FILE, while the server runs"),
        ("restore", "put the store back to what FILE has"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("file", type=Path)
    commands.add_parser("migrate", help="bring the store to this version's schema")
    check = commands.add_parser("check", help="look for damage and for files that others can read")
    check.add_argument("--json", action="store_true")
    outgoing = commands.add_parser("outbox", help="list the latest mails and webhooks, or show one with its text")
    outgoing.add_argument("id", nargs="?", metavar="ID")
    outgoing.add_argument("--json", action="store_true")
    rules = commands.add_parser("policy", help="show the policy in force, or check a file of overrides")
    rules.add_argument("--json", action="store_true")
    rules.add_argument("--check", type=Path, metavar="FILE", help="say what is wrong with FILE; changes nothing")
    return made  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """``keyturn admin``. Returns the exit status."""
    asked = parser().parse_args(argv)
    os.umask(0o077)
    url = asked.database_url or settings.database_url(asked.data)
    try:
        if asked.command == "policy":
            return _policy(asked)
        if not url.startswith("sqlite:///"):
            raise Failed("this version keeps its store in SQLite: sqlite:///FILE")
        path = Path(url.removeprefix("sqlite:///"))
        if asked.command == "keys:rotate":
            return _rotate_keys(asked.secret_keys or asked.data / settings.KEYS_FILE)
        if asked.command == "migrate":
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _migrate(url)
        if asked.command == "restore":
            return _restore(path, asked.file)
        if asked.command == "accounts:create" and not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _migrate(url, quiet=True)
        if not path.exists():
            raise Failed(f"there is no store at {path}; start one with: keyturn serve --data {asked.data}")
        if asked.command == "backup":
            return _backup(path, asked.file, asked.data)
        if asked.command == "check":
            return _check(url, path, asked.data, as_json=asked.json)
        post = post_settings.read(os.environ).post(_public_url(asked))
        env = environment(url, rules=settings.rules(asked.data, asked.policy), post=post)
        try:
            if asked.command == "outbox":
                return _outbox(env, asked.id, as_json=asked.json)
            return _on_accounts(env, asked, post.public_url or "http://localhost:8420")
        finally:
            env.store.close()
    except overrides.BadPolicy as wrong:
        print(settings.refused("keyturn admin", wrong), file=sys.stderr)
        return 2
    except (Problem, Failed, migrate.Newer, post_settings.BadSetting, sealing.BadKeys) as fault:
        print(f"keyturn admin: {fault}", file=sys.stderr)
    except BrokenPipeError:
        raise  # whoever read the output had enough; that is no trouble with the store
    except (Unavailable, OSError, sqlite3.Error) as fault:
        print(f"keyturn admin: the store or the file cannot be used: {fault}", file=sys.stderr)
    return 1


def _public_url(asked: argparse.Namespace) -> str:
    """Where people reach the server, without a slash at the end; empty: nobody has said it."""
    named = getattr(asked, "public_url", None) or os.environ.get("KEYTURN_PUBLIC_URL")
    if not named:
        try:
            named = in_force.read(asked.data).public_url
        except in_force.Unknown:  # never started
            return ""
    return named.rstrip("/")


def _on_accounts(env: Env, asked: argparse.Namespace, public_url: str) -> int:
    if asked.command == "accounts":
        with env.store.reading() as tx:
            found = tx.accounts()
        if asked.json:
            rows = [
                {
                    "id": a.id,
                    "email": a.email,
                    "name": a.name,
                    "admin": a.admin,
                    "suspended": a.suspended_at is not None,
                    "closed": a.closed_at is not None,
                }
                for a in found
            ]
            print(json.dumps(rows, indent=2))
        else:
            for a in found:
                marks = [("admin", a.admin), ("suspended", a.suspended_at), ("closed", a.closed_at)]
                print(a.email + "".join(f" ({mark})" for mark, there in marks if there))
    elif asked.command == "accounts:create":
        made = accounts.create(
            env,
            OPERATOR,
            email=asked.email,
            name=asked.name,
            admin=asked.admin,
            new_password=_password(stdin=asked.password_stdin),
        )
        print(f"Made the account {made.email}{', an administrator' if made.admin else ''}.", file=sys.stderr)
    elif asked.command == "accounts:invite":
        invited = invitations.invite(env, OPERATOR, None, email=asked.email, name=asked.name, admin=asked.admin)
        life = lifecycle.in_words(policy.INVITATION)
        print(f"Hand this link to {invited.invitation.email}; it works once, within {life}:", file=sys.stderr)
        print(f"{public_url}/join/{invited.secret}")
    elif asked.command == "accounts:reset-mfa":
        account = factors.reset_as_operator(env, OPERATOR, asked.email)
        print(
            f"{account.email} has no second factor any more: the password alone signs in, until a new one is set up.",
            file=sys.stderr,
        )
    elif asked.command == "accounts:suspend":
        account, endings = accounts.suspend(env, OPERATOR, asked.email)
        ended = f"{len(endings)} credential{'' if len(endings) == 1 else 's'} ended"
        print(f"Suspended {account.email}; {ended}.", file=sys.stderr)
    elif asked.command == "accounts:reset-password":
        account, secret = resets.ask_as_operator(env, OPERATOR, asked.email)
        life = lifecycle.in_words(policy.RESET_LINK)
        print(f"Hand this link to {account.email}; it works once, within {life}:", file=sys.stderr)
        print(f"{public_url}/reset/{secret}")
    else:
        account = accounts.unsuspend(env, OPERATOR, asked.email)
        print(f"{account.email} can sign in again. Credentials that had ended stay ended.", file=sys.stderr)
    return 0


def _policy(asked: argparse.Namespace) -> int:
    table = published.table(settings.rules(asked.data, asked.check or asked.policy))
    if asked.json:
        print(json.dumps(table, indent=2))
    elif asked.check:
        print(f"{asked.check} is good.", file=sys.stderr)
    else:
        show_policy.show(table)
    return 0


def _outbox(env: Env, identity: str | None, *, as_json: bool) -> int:
    found = [item for item in outbox.listed(env) if identity in (None, item.id)]
    if identity is not None and not found:
        raise Failed(f"there is no {identity} among the latest; to list them: keyturn admin outbox")
    if as_json:
        rows = [
            {
                "id": item.id, "channel": item.channel, "recipient": item.recipient, "subject": item.subject, "body": item.body,
                "state": outbox.state(item), "created_at": iso(item.created_at), "attempts": item.attempts,
                "next_at": item.next_at and iso(item.next_at), "sent_at": item.sent_at and iso(item.sent_at), "error": item.error,
            }
            for item in found
        ]  # fmt: skip
        print(json.dumps(rows, indent=2))
        return 0
    for item in found:
        why = f" ({item.error})" if item.error else ""
        print(f"{iso(item.created_at)}  {item.id}  {item.channel} to {item.recipient}: {outbox.state(item)}{why}")
        print(f"    {item.subject}")
        if identity is not None:
            print("\n" + (item.body or "The text was removed once it was sent."))
    if not found:
        print("The outbox is empty.", file=sys.stderr)
    return 0


def _password(*, stdin: bool) -> str:
    if stdin:
        line = sys.stdin.readline()
        if not line.strip("\r\n"):
            raise Failed("standard input has no password on its first line")
        return line.rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Failed("give the password on standard input with --password-stdin, or run this on a terminal")
    first = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != first:
        raise Failed("the two were not the same; nothing was made")
    return first


def _migrate(url: str, *, quiet: bool = False) -> int:
    engine = sql.engine_for(url)
    try:
        applied = migrate.migrate(engine)
    finally:
        engine.dispose()
    if not quiet:
        print(f"Applied {', '.join(applied)}." if applied else "The store is up to date.", file=sys.stderr)
    return 0


def _rotate_keys(file: Path) -> int:
    sealing.open_or_make(file, secrets.token_bytes)
    name = sealing.add_key(file, secrets.token_bytes)
    print(
        f"{file} has the new key {name}. Running servers take it up when they start; what was sealed with an older key is\n"
        "sealed anew at its next use, so keep the old keys in the file, and keep a copy of it apart from the backups.",
        file=sys.stderr,
    )
    return 0


def _backup(path: Path, to: Path, data: Path) -> int:
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


def _restore(path: Path, of: Path) -> int:
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
    _migrate(f"sqlite:///{path}", quiet=True)
    print(
        f"The store is what {of} has." + (f" What was there before is beside it, as {kept.name}." if kept else ""),
        file=sys.stderr,
    )
    print("The apps' code is not in it, and is as it was (docs/operate/backups.md).", file=sys.stderr)
    return 0


def _check(url: str, path: Path, data: Path, *, as_json: bool) -> int:
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

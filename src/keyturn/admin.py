"""``keyturn admin``: operator commands on the store. They work beside a running server, and need no token: whoever
may read and write the store's files may use them.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keyturn import admin_files as files
from keyturn import in_force, post_settings, settings
from keyturn.actions import accounts, factors, invitations, outbox, resets
from keyturn.actions.env import By, Problem
from keyturn.adapters import sealing
from keyturn.cli import policy as show_policy
from keyturn.core import lifecycle, overrides, policy, published
from keyturn.core.notice_text import iso
from keyturn.environment import environment
from keyturn.store import migrate
from keyturn.store.interface import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyturn.actions.env import Env

OPERATOR = By(agent="keyturn admin")


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
            raise files.Failed("this version keeps its store in SQLite: sqlite:///FILE")
        path = Path(url.removeprefix("sqlite:///"))
        if asked.command == "keys:rotate":
            return files.rotate_keys(asked.secret_keys or asked.data / settings.KEYS_FILE)
        if asked.command == "migrate":
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return files.bring_up(url)
        if asked.command == "restore":
            return files.restore(path, asked.file)
        if asked.command == "accounts:create" and not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.bring_up(url, quiet=True)
        if not path.exists():
            raise files.Failed(f"there is no store at {path}; start one with: keyturn serve --data {asked.data}")
        if asked.command == "backup":
            return files.backup(path, asked.file, asked.data)
        if asked.command == "check":
            return files.check(url, path, asked.data, as_json=asked.json)
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
    except (Problem, files.Failed, migrate.Newer, post_settings.BadSetting, sealing.BadKeys) as fault:
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
        raise files.Failed(f"there is no {identity} among the latest; to list them: keyturn admin outbox")
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
            raise files.Failed("standard input has no password on its first line")
        return line.rstrip("\r\n")
    if not sys.stdin.isatty():
        raise files.Failed("give the password on standard input with --password-stdin, or run this on a terminal")
    first = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != first:
        raise files.Failed("the two were not the same; nothing was made")
    return first

"""Git over SSH by OpenSSH's own server, where one runs already: what its sshd asks (``keyturn ssh:authorized-keys``) and
what it runs (``keyturn ssh:serve``). Both work on the store, beside a running server, and need no token.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import hashlib
import os
import re
import secrets
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from keyturn import in_force, settings
from keyturn.actions import uses
from keyturn.actions.env import Env, Limits, Post, Undelivered
from keyturn.actions.git_access import GitLimits
from keyturn.actions.refusals import Refusals
from keyturn.actions.refusals import write as write_refusals
from keyturn.adapters.commands import CommandPolicy
from keyturn.adapters.git import Git
from keyturn.adapters.turns import FileSlots
from keyturn.core import overrides, push, sshkey
from keyturn.exchange import Interrupted
from keyturn.ssh import auth, command
from keyturn.ssh.face import SshFace
from keyturn.store import sql
from keyturn.store.interface import Unavailable
from keyturn.web.limits import GIT, GIT_FILE, PUSH_FILE, Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from keyturn.actions.env import Passwords
    from keyturn.store.interface import Outgoing

CHUNK: Final = 64 * 1024
LARGEST_FILE: Final = 64 * 1024
TURNS: Final = "openssh.turns"
"""The file of the data folder by which processes that sshd runs take turns."""


class Failed(Exception):
    """The command could not be carried out; the message says why."""


def authorized_keys(argv: Sequence[str]) -> int:
    """``keyturn ssh:authorized-keys``: prints the key's line with its forced command, for sshd's AuthorizedKeysCommand; nothing
    for a key that no account has. Returns the exit status.
    """
    flags = _flags("ssh:authorized-keys", "Answer sshd's AuthorizedKeysCommand, with the tokens %u %t %k.")
    flags.add_argument(
        "--user", metavar="NAME", default="git", help="whom to answer for, and nobody else (default: git)"
    )
    flags.add_argument("name", metavar="%u", help="the user who logs in")
    flags.add_argument("type", metavar="%t", help="the key's type")
    flags.add_argument("key", metavar="%k", help="the key, in base64")
    asked = flags.parse_args(argv)
    return _run("ssh:authorized-keys", lambda: _print_key(asked))


def _print_key(asked: argparse.Namespace) -> int:
    if asked.name != asked.user:
        return 0
    if asked.type not in sshkey.TYPES:
        return 0
    try:
        blob = base64.b64decode(asked.key, validate=True)
    except (binascii.Error, ValueError):
        raise Failed("the key is no base64; give sshd's tokens: %u %t %k") from None
    env = _env(asked, _variables(asked))
    try:
        outcome = auth.look_up(env, blob)
    finally:
        env.store.close()
    # A dead key's holder is let in to be told why: sshd proves that they hold it, and ssh:serve judges it.
    if auth.is_known(outcome):
        digest = auth.fingerprint(hashlib.sha256(blob).digest())
        words = [_program(), "ssh:serve", "--key", digest, "--data", str(asked.data.resolve())]
        for flag, value in (
            ("--database-url", asked.database_url),
            ("--env-file", asked.env_file),
            ("--policy", asked.policy),
        ):
            if value is not None:
                words += [flag, str(value.resolve()) if isinstance(value, Path) else value]
        line = shlex.join(words).replace('"', '\\"')  # as sshd reads it: other backslashes stand for themselves
        print(f'restrict,command="{line}" {asked.type} {base64.b64encode(blob).decode()}')
    return 0


def serve(argv: Sequence[str]) -> int:
    """``keyturn ssh:serve``: the forced command; does what SSH_ORIGINAL_COMMAND asks for. Returns the exit status."""
    flags = _flags("ssh:serve", "Serve one command of git's, for a key that sshd has proven.")
    flags.add_argument("--key", type=_digest, metavar="SHA256:...", required=True, help="the key's fingerprint")
    asked = flags.parse_args(argv)
    loop = (
        asyncio.new_event_loop()
    )  # asyncio.run would wait, at its end, for the thread that reads from a silent client
    status = _run("ssh:serve", lambda: loop.run_until_complete(_serve(asked)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


async def _serve(asked: argparse.Namespace) -> int:
    known, no_pushes = None, ""
    try:
        known = in_force.read(asked.data)
    except in_force.Unknown as why:
        # what judges pushes, and what they may take, is the server's to say: none goes unjudged
        print(f"keyturn ssh:serve: {why}", file=sys.stderr)
        no_pushes = "The server's rules for pushes are not known here, so nothing can be pushed. Tell its operator."
    limits = known.git.limits if known else GitLimits()
    repositories = Git(asked.data / "repositories", limits)
    env = _env(asked, _variables(asked), known, repositories)
    counted, refusals = uses.Uses(), Refusals()
    turns = FileSlots(asked.data / TURNS, limits.processes)
    take = Limit(GIT, file=asked.data / GIT_FILE).take
    take_push = Limit(push.AN_HOUR, file=asked.data / PUSH_FILE).take
    face = SshFace(env, repositories, counted, refusals, take, take_push, turns, no_pushes=no_pushes)
    who = command.Who(asked.key, _address(), "OpenSSH")
    try:
        status, said = await command.carry_out(
            face, who, os.environ.get("SSH_ORIGINAL_COMMAND", ""), os.environ.get("GIT_PROTOCOL", ""), Stdio()
        )
        sys.stderr.write(said)
        uses.write(env, counted.take())
        write_refusals(env, refusals.take())
    finally:
        repositories.close()
        turns.close()
        env.store.close()
    return status if status >= 0 else 128 - status


class Stdio:
    """exchange.Peer over this process' own input and output, which sshd carries."""

    async def read(self) -> bytes:
        """What came."""
        return await asyncio.get_running_loop().run_in_executor(None, os.read, 0, CHUNK)

    async def write(self, data: bytes, stall: float) -> None:
        """Returns once it is written. Raises Interrupted."""
        try:
            async with asyncio.timeout(stall):
                await asyncio.get_running_loop().run_in_executor(None, _write, data)
        except OSError:  # TimeoutError is one
            raise Interrupted("the client does not read, or hung up") from None

    async def gone(self) -> None:
        """Forever: sshd ends us when the client is gone."""
        await asyncio.get_running_loop().create_future()


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _flags(name: str, description: str) -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(f"keyturn {name}", description=description)
    flags.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=os.environ.get("KEYTURN_DATA", ".keyturn"),
        help="the server's data folder",
    )
    flags.add_argument(
        "--database-url",
        metavar="URL",
        default=os.environ.get("KEYTURN_DATABASE_URL"),
        help="the server's store, where it is not in the data folder",
    )
    flags.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="the server's variables (KEYTURN_...=... on a line each), where its store or policy is not in the data folder",
    )
    settings.add_policy(flags, os.environ)
    return flags


def _run(name: str, work: Callable[[], int]) -> int:
    os.umask(0o077)
    try:
        return work()
    except overrides.BadPolicy as wrong:
        print(settings.refused(f"keyturn {name}", wrong), file=sys.stderr)
    except Failed as fault:
        print(f"keyturn {name}: {fault}", file=sys.stderr)
    except (Unavailable, OSError) as fault:
        print(f"keyturn {name}: the store or the repositories cannot be used: {fault}", file=sys.stderr)
    return 1


def _variables(asked: argparse.Namespace) -> Mapping[str, str]:
    """Those of the environment and of --env-file, which wins. Raises Failed."""
    found = {name: value for name, value in os.environ.items() if name.startswith("KEYTURN_")}
    if asked.env_file is None:
        return found
    try:
        with asked.env_file.open(encoding="utf-8") as opened:
            text = opened.read(LARGEST_FILE)
    except (OSError, UnicodeDecodeError) as fault:
        raise Failed(f"--env-file {asked.env_file}: cannot be read: {fault}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        matched = re.fullmatch(r"\s*(?:export\s+)?(\w+)=(.*)", line)
        if matched is None:
            raise Failed(f"--env-file {asked.env_file}, line {number}: not NAME=VALUE")
        value = matched[2].strip()
        found[matched[1]] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    return found


class _Upkeep:
    """Stands for couriers: what is in the outbox leaves by the server's upkeep, which knows how."""

    def send(self, item: Outgoing, now: datetime) -> None:  # noqa: ARG002 - as every courier
        """Raises Undelivered."""
        raise Undelivered("the server sends it")


def _env(
    asked: argparse.Namespace, variables: Mapping[str, str], known: in_force.InForce | None = None,
    repositories: Git | None = None,
) -> Env:  # fmt: skip
    url = asked.database_url or variables.get("KEYTURN_DATABASE_URL") or settings.database_url(asked.data)
    if not url.startswith("sqlite:///"):
        raise Failed("this version keeps its store in SQLite: sqlite:///FILE")
    if not Path(url.removeprefix("sqlite:///")).exists():
        raise Failed(
            f"there is no store at {url.removeprefix('sqlite:///')}; name the server's data folder with --data"
        )
    named = asked.policy or (Path(variables["KEYTURN_POLICY"]) if variables.get("KEYTURN_POLICY") else None)
    return Env(
        store=sql.SqlStore(sql.engine_for(url)),
        clock=lambda: datetime.now(UTC),
        random_bytes=secrets.token_bytes,
        passwords=cast("Passwords", None),  # nothing here has to do with one
        limits=Limits(push_refs=known.git.push_refs) if known else Limits(),
        policy=settings.rules(asked.data, named or (known.policy if known else None)),
        post=_post(known) if known else Post(),
        repositories=repositories,
        push_policy=CommandPolicy(known.git.before) if known and known.git.before else None,
    )


def _post(known: in_force.InForce) -> Post:
    """What is told of a push, as the server would."""
    server = _Upkeep()
    return Post(
        webhook=server if known.webhook_host else None, command=server if known.git.after else None,
        webhook_host=known.webhook_host, public_url=known.public_url,
    )  # fmt: skip


def _digest(text: str) -> bytes:
    padded = text.removeprefix("SHA256:")
    try:
        digest = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 32:
        raise argparse.ArgumentTypeError("this is no fingerprint like SHA256:...")
    return digest


def _address() -> str:
    """The client's, as sshd tells it."""
    return os.environ.get("SSH_CONNECTION", "").partition(" ")[0]


def _program() -> str:
    """This program, whole, as sshd's shell needs it."""
    return str(Path(sys.argv[0]).resolve())

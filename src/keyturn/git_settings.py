"""How git is served and over what: the flags of ``keyturn serve`` for pushes, their commands, and TLS."""

from __future__ import annotations

import shlex
from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyturn.actions.git_access import GitLimits
from keyturn.core import push

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class GitSettings:
    """How to serve git."""

    limits: GitLimits
    push_refs: int
    before: tuple[str, ...]
    """The command that judges a push; empty: none."""
    after: tuple[str, ...]
    """The command that is told of one; empty: none."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate with those that vouch for it, and its key, as PEM."""

    certificate: Path
    key: Path


def add(flags: ArgumentParser, default: Callable[[str, str | None], str | None]) -> None:
    """The flags. ``default``: a variable's value, or what is given."""
    known = GitLimits()
    megabytes, minutes = known.push_bytes >> 20, int(known.seconds // 60)
    flags.add_argument(
        "--git-push-mb",
        type=_between(1, 1 << 20),
        metavar="N",
        default=default("GIT_PUSH_MB", str(megabytes)),
        help=f"the largest push, in MiB (default: {megabytes})",
    )
    flags.add_argument(
        "--git-push-refs",
        type=_between(1, push.MOST_KEPT),
        metavar="N",
        default=default("GIT_PUSH_REFS", str(push.MOST_REFS)),
        help=f"branches and tags that one push may change (default: {push.MOST_REFS})",
    )
    flags.add_argument(
        "--git-seconds",
        type=_between(1, 86400),
        metavar="N",
        default=default("GIT_SECONDS", str(int(known.seconds))),
        help=f"seconds that one fetch or push may take (default: {int(known.seconds)}, {minutes} minutes)",
    )
    flags.add_argument(
        "--git-memory-mb",
        type=_between(64, 1 << 20),
        metavar="N",
        default=default("GIT_MEMORY_MB", str(known.memory >> 20)),
        help=f"memory of each process of git, in MiB (Linux; default: {known.memory >> 20})",
    )
    flags.add_argument(
        "--git-processes",
        type=_between(1, 1024),
        metavar="N",
        default=default("GIT_PROCESSES", str(known.processes)),
        help=f"fetches and pushes at the same time, each worker (default: {known.processes})",
    )
    flags.add_argument(
        "--pre-receive",
        type=_command,
        metavar="COMMAND",
        default=default("PRE_RECEIVE", ""),
        help="program that judges every push: told of it as JSON, it refuses with a status other than 0",
    )
    flags.add_argument(
        "--post-receive",
        type=_command,
        metavar="COMMAND",
        default=default("POST_RECEIVE", ""),
        help="program that is told of every push as JSON, again until it ends with status 0",
    )
    flags.add_argument(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        default=default("TLS_CERT", None),
        help="serve HTTPS with this certificate (PEM, with its chain); read again when it changes",
    )
    flags.add_argument(
        "--tls-key", type=Path, metavar="FILE", default=default("TLS_KEY", None), help="the certificate's key (PEM)"
    )


def read(flags: ArgumentParser, found: Namespace) -> tuple[GitSettings, TlsFiles | None]:
    """What the flags say. Exits with status 2 for half of a pair."""
    limits = GitLimits(
        push_bytes=found.git_push_mb << 20,
        seconds=float(found.git_seconds),
        memory=found.git_memory_mb << 20,
        processes=found.git_processes,
    )
    if (found.tls_cert is None) != (found.tls_key is None):
        flags.error("--tls-cert and --tls-key belong together: give both, or neither")
    tls = TlsFiles(found.tls_cert, found.tls_key) if found.tls_cert is not None else None
    return GitSettings(limits, found.git_push_refs, found.pre_receive, found.post_receive), tls


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return number


def _command(text: str) -> tuple[str, ...]:
    """The words of a command: quotes count as in a shell, and nothing else does."""
    try:
        return tuple(shlex.split(text))
    except ValueError as wrong:
        raise ArgumentTypeError(f"{text!r} is no command: {wrong}") from None

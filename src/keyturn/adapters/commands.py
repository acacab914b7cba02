"""The operator's own programs that a push may run: one that judges it, one that is told of it.

Started without a shell, with the facts as JSON on their standard input, in a process group that ends with them.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keyturn.actions.env import Undelivered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keyturn.store.interface import Outgoing

JUDGING: Final = 60.0
"""Seconds that a pusher is made to wait for a judgement."""
TELLING: Final = 300.0
"""Seconds that the outbox gives a command: less than its lease."""
LONGEST: Final = 16 * 1024
"""Bytes of what a command says that are read."""

log = logging.getLogger("keyturn.git")


class NoProgram(Exception):
    """An operator's command cannot be started; the message names its flag."""


def found(flag: str, argv: Sequence[str]) -> tuple[str, ...]:
    """The command with its program's whole path, which is the same for whoever runs it. Raises NoProgram."""
    if not argv:
        return ()
    program = shutil.which(argv[0])
    if program is None:
        raise NoProgram(f"{flag}: there is no program {argv[0]!r} here that can be run")
    return str(Path(program).absolute()), *argv[1:]


_running: Final[set[subprocess.Popen[bytes]]] = set()


class Ended(NamedTuple):
    """How a command ended; ``status`` None: it took too long and was stopped."""

    status: int | None
    out: str


def run(argv: Sequence[str], given: str, seconds: float) -> Ended:
    """Runs it to its end. Raises OSError when it cannot be started."""
    process = subprocess.Popen(  # noqa: S603 - the operator's own words, without a shell
        list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
    )
    _running.add(process)
    try:
        out, _ = process.communicate(given.encode(), seconds)
    except subprocess.TimeoutExpired:
        return Ended(None, "")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _running.discard(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
    return Ended(process.returncode, out[:LONGEST].decode("utf-8", "replace").strip())


def stop() -> None:
    """Stops all that run: the server ends, and nobody waits for what they say."""
    for process in list(_running):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class CommandPolicy:
    """Asks a command whether a push may go on: yes by status 0; by any other no, with its output for the pusher."""

    def __init__(self, argv: Sequence[str], seconds: float = JUDGING) -> None:
        self._argv, self._seconds = tuple(argv), seconds

    def refusal(self, facts: dict[str, Any]) -> str | None:
        """None when the push may go on. A command that fails to judge refuses."""
        try:
            status, out = run(self._argv, json.dumps(facts), self._seconds)
        except OSError as fault:
            log.error("the program that judges pushes cannot be started: %s", fault)
            return f"The server's rule for pushes cannot be asked: {fault.strerror}. Tell its operator."
        if status is None:
            return f"The server's rule for pushes gave no answer within {self._seconds:g} seconds. Try again."
        if status == 0:
            return None
        return out or "The server's rule for pushes refused this one, and did not say why."


class CommandCourier:
    """Tells a command of what happened; the outbox tries again until it ends with status 0."""

    def __init__(self, argv: Sequence[str], seconds: float = TELLING) -> None:
        self._argv, self._seconds = tuple(argv), seconds

    def send(self, item: Outgoing, now: datetime) -> None:  # noqa: ARG002 - as every courier
        """Runs it once. Raises Undelivered."""
        try:
            status, out = run(self._argv, json.dumps({"id": item.id} | json.loads(item.body)), self._seconds)
        except OSError as fault:
            log.error("the program that is told of pushes cannot be started: %s", fault)
            raise Undelivered(f"the command cannot be started: {fault.strerror}") from None
        if status is None:
            raise Undelivered(f"the command took longer than {self._seconds:g} seconds")
        if status:
            raise Undelivered(f"the command ended with status {status}: {out[-200:]}")

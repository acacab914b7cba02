"""The hooks of every repository: two lines of shell that ask the server process, and the conversation with them.

They talk over a socket that git inherits from us as descriptor 9 and hands on: nothing has to be looked up or trusted.
Whatever goes wrong on the way to a yes is a no: the push is refused, and the repository is as it was.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import tempfile
from typing import TYPE_CHECKING, Final

from keyturn.core import push
from keyturn.store.interface import Unavailable

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from keyturn.actions.git_access import Hooks
    from keyturn.core.push import Change

log = logging.getLogger("keyturn.git")

DESCRIPTOR: Final = 9
"""The highest that every shell can redirect by number."""
LARGEST: Final = 16 << 20
"""Bytes that a hook may tell: more than the faces let a push say of its refs (exchange.COMMANDS)."""

_TELL: Final = """\
#!/bin/sh
# Written by Keyturn at its start. Tells the server, at the other end of descriptor 9, which refs {change}.
{{ echo {name} && while IFS= read -r line; do printf '%s\\n' "$line" || exit 1; done && echo end; }} >&9 || exit 1
while read -r word rest <&9; do
  case $word in
    say) printf '%s\\n' "$rest" ;;
    yes) exit 0 ;;
    *) exit 1 ;;
  esac
done
echo 'the server gave no answer; nothing was changed' >&2
exit 1
"""
HOOKS: Final = {
    "pre-receive": _TELL.format(name="before", change="are to change"),
    "post-receive": _TELL.format(name="after", change="have changed").replace(
        "nothing was changed", "the push is done"
    ),
}


def write(folder: Path) -> None:
    """Puts the hooks there, for git to run. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in HOOKS.items():
        file = folder / name
        if not file.exists() or file.read_text() != text or not os.access(file, os.X_OK):
            replace(file, text, 0o700)
    if not runnable(folder):
        raise PermissionError(
            f"{folder}: programs cannot be run from there (a file system mounted noexec?), and pushes are judged by one"
        )


def runnable(folder: Path) -> bool:
    """Whether git would run them: it leaves out in silence what it cannot run, and a push would go unjudged."""
    return os.access(folder / "pre-receive", os.X_OK) and os.access(folder / "post-receive", os.X_OK)


def replace(file: Path, text: str, mode: int) -> None:
    """Writes the file whole or not at all: other workers do it at the same time."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".new-")
    with open(handle, "w", encoding="utf-8") as opened:  # noqa: PTH123 - a descriptor
        opened.write(text)
    os.chmod(name, mode)  # noqa: PTH101
    os.replace(name, file)  # noqa: PTH105


class Conversation:
    """With the hooks of one push."""

    def __init__(
        self, ours: socket.socket, hooks: Hooks, threads: Executor, happened: Callable[[list[Change]], list[Change]]
    ) -> None:
        self._socket, self._hooks, self._threads, self._happened = ours, hooks, threads, happened
        self.allowed: list[Change] | None = None
        """What was said yes to: from then on refs may change."""
        self.told = False
        """They changed, and it was written down."""

    async def run(self) -> None:
        """Answers until git and its hooks are gone. Never raises but CancelledError."""
        try:
            await self._run()
        except OSError:  # the other end is gone
            pass
        finally:
            self.close()  # whoever still asks is not kept waiting

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        came = b""
        while data := await loop.sock_recv(self._socket, 64 * 1024):
            came += data
            if len(came) > LARGEST:
                return
            if came.endswith(b"\nend\n"):
                # names that are no UTF-8 get backslashes, which no ref's name can have: push.py refuses them
                word, *lines = came.decode("utf-8", "backslashreplace").split("\n")[:-2]
                came = b""
                ok, say = await self._answer(word, lines)
                text = "".join(f"say {line}\n" for line in printable(say)) + ("yes\n" if ok else "no\n")
                await loop.sock_sendall(self._socket, text.encode())

    async def _answer(self, word: str, lines: list[str]) -> tuple[bool, list[str]]:
        run = asyncio.get_running_loop().run_in_executor
        try:
            changes = push.parse(lines)
            if word == "before":
                refusal = await run(self._threads, self._hooks.before, changes)
                if refusal is not None:
                    return False, refusal.splitlines()
                self.allowed = changes
                return True, []
            self.told = True  # whatever comes of it: it was tried
            return True, await run(self._threads, self._hooks.after, changes)
        except Unavailable:
            return False, ["The server cannot reach its store just now. Nothing was changed; try again."]
        except Exception as fault:
            if isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT):
                log.error("a push could not be judged or written down: %s", fault)
                return False, ["The server's disk is full. Nothing was changed; tell its operator."]
            log.exception("a push could not be judged or written down")
            return False, ["The server could not judge the push. Nothing was changed; tell its operator."]

    async def make_up(self) -> None:
        """Writes down what changed though no hook told: git was stopped in between."""
        if self.allowed is None or self.told:
            return
        allowed, self.told = self.allowed, True

        def work() -> None:
            try:
                self._hooks.after(self._happened(allowed))
            except Exception:
                log.exception("a push could not be written down; the upkeep tries again")

        await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Hangs up: a hook that still asks gets no answer, and refuses."""
        self._socket.close()


def printable(lines: list[str]) -> list[str]:
    """Fit for a pusher's terminal: no control characters, not too long, not too many."""
    return ["".join(c if c.isprintable() else " " for c in line)[:500] for line in lines[:40]]

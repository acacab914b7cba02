"""A git process and its pipes, without the machinery that would copy every byte twice.

``os.posix_spawn`` starts one in a fifth of the time that a subprocess of the event loop takes; the pipes are read and
written straight, when they are ready, so at most one chunk is in memory and whoever is slow slows git down.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import resource
import signal
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from keyturn.adapters import git_hooks

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from keyturn.adapters.git_hooks import Conversation

CHUNK: Final = 64 * 1024
COMPLAINT: Final = 4096
"""Bytes that are kept of what git says on its standard error."""
SOFT: Final = 3.0
"""Seconds in which git, asked to stop, removes what it made; then it is killed."""
SETTLING: Final = 30.0
"""Seconds that a push is given whose refs are just changing, though its pusher is gone."""

_PLAIN: Final = (signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ)  # which Python or a shell may have set to be ignored


def spawn(
    argv: Sequence[str], env: Mapping[str, str], *, takes_input: bool, memory: int, theirs: socket.socket | None = None,
    whole: bool = False,
) -> Process:  # fmt: skip
    """Starts it, the first of a process group of its own. ``memory``: bytes of data that it, and each that it starts, may have
    (files that it maps do not count); ``theirs``: what its hooks inherit; ``whole``: it is read when all is said, which for
    little spares a wakening at each line. Raises OSError.
    """
    ours, children = [], []
    try:
        actions: list[tuple[object, ...]] = []
        if takes_input:
            reader, writer = _pipe()
            ours.append(writer)
            children.append(reader)
            actions.append((os.POSIX_SPAWN_DUP2, reader, 0))
        else:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        for number in (1, 2):
            if whole:
                writer = _file()
                ours.append(writer)
            else:
                reader, writer = _pipe()
                ours.append(reader)
                children.append(writer)
            actions.append((os.POSIX_SPAWN_DUP2, writer, number))
        if theirs is not None:
            high = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, git_hooks.DESCRIPTOR + 1)
            children.append(high)
            actions.append((os.POSIX_SPAWN_DUP2, high, git_hooks.DESCRIPTOR))
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            env,
            file_actions=actions,
            setpgroup=0,
            setsigmask=(),
            setsigdef=_PLAIN,
        )
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in children:
            os.close(descriptor)
    if not whole:
        for descriptor in ours:
            os.set_blocking(descriptor, False)
    _limit(pid, memory)
    return Process(pid, ours[0] if takes_input else None, ours[-2], ours[-1], whole=whole)


def _limit(pid: int, memory: int) -> None:
    """Before it has read anything that somebody sent; what it starts later inherits it."""
    if hasattr(resource, "prlimit"):  # Linux
        with suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    return _above(reader), _above(writer)


def _file() -> int:
    """One without a name, in memory."""
    if hasattr(os, "memfd_create"):  # Linux
        descriptor = os.memfd_create("git")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    return _above(descriptor)


def _above(descriptor: int) -> int:
    """The same, above those that the child's are put to."""
    if descriptor > git_hooks.DESCRIPTOR:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, git_hooks.DESCRIPTOR + 1)
    os.close(descriptor)
    return moved


class Process:
    """One run of git. Use it from its event loop alone, and ``finish`` it whatever happens."""

    def __init__(self, pid: int, stdin: int | None, stdout: int, stderr: int, *, whole: bool = False) -> None:
        self.pid = pid
        self._whole = whole
        self._in, self._out, self._err = stdin, stdout, stderr
        self._loop = asyncio.get_running_loop()
        self._complaint = b""
        self._said_all = self._closed = False
        self._status: int | None = None
        self._conversation: Conversation | None = None
        self._talk: asyncio.Task[None] | None = None

    def talk(self, conversation: Conversation) -> None:
        """Begins to answer its hooks, and to read its complaints as they come: a push may have many."""
        self._conversation = conversation
        self._talk = self._loop.create_task(conversation.run())
        self._loop.add_reader(self._err, self._listen)

    async def write(self, data: bytes) -> bool:
        """Gives it all of ``data``, as quickly as it takes it; False: it takes no more."""
        view = memoryview(data)
        while view and self._in is not None:
            try:
                view = view[os.write(self._in, view[:CHUNK]) :]
            except BlockingIOError:
                await self._ready(self._in, self._loop.add_writer, self._loop.remove_writer)
            except OSError as fault:
                if fault.errno != errno.EPIPE:
                    raise
                self.end_of_input()
        return self._in is not None

    def end_of_input(self) -> None:
        """There is nothing more for it."""
        if self._in is not None:
            os.close(self._in)
            self._in = None

    async def read(self) -> bytes:
        """What it has to say next, at most a chunk; nothing: that was all."""
        if self._whole:
            await self.wait()
        while True:
            try:
                data = os.read(self._out, CHUNK)
                self._said_all = not data
                return data
            except BlockingIOError:
                await self._ready(self._out, self._loop.add_reader, self._loop.remove_reader)

    async def _ready(self, descriptor: int, add: object, remove: object) -> None:
        waiting = self._loop.create_future()
        add(descriptor, _wake, waiting)  # type: ignore[operator]
        try:
            await waiting
        finally:
            remove(descriptor)  # type: ignore[operator]

    async def wait(self) -> int:
        """Its exit status, negative for a signal."""
        if self._status is None and not self._reap():
            await self._exited()
            self._reap()
        assert self._status is not None
        return self._status

    def complaint(self) -> str:
        """What it said on its standard error, as far as it was kept."""
        if not self._closed:
            self._listen()
        return self._complaint.decode("utf-8", "replace").strip()

    @property
    def settling(self) -> bool:
        """Refs may be changing: it was allowed to, and has not ended."""
        talked = self._conversation
        return talked is not None and talked.allowed is not None and self._status is None

    async def finish(self) -> None:
        """Its end, one way or the other: lets a push finish whose refs are changing, and stops everything else, with all
        that git has started.
        """
        self.end_of_input()
        try:
            if self.settling:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SETTLING):
                        while await self.read():
                            pass
                        await self.wait()
            elif self._conversation is not None and self._status is None:
                # no signal yet: on one git leaves its quarantine behind; without input and answers it ends by itself
                self._hang_up()
                with suppress(TimeoutError):
                    async with asyncio.timeout(SOFT):
                        while await self.read():
                            pass
                        await self.wait()
            elif self._said_all:  # it is about to end by itself
                with suppress(TimeoutError):
                    async with asyncio.timeout(SOFT):
                        await self.wait()
            if self._status is None and not self._reap():
                self._signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(SOFT):
                        await self._exited()
        finally:
            self._end()
        if self._conversation is not None:
            await self._conversation.make_up()

    def _end(self) -> None:
        if self._status is None:
            self._signal(
                signal.SIGKILL
            )  # the rest of the group as well; its first is not reaped yet, so the number is its own
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self._rewind()
        if self._conversation is not None:
            self._loop.remove_reader(self._err)
            self._hang_up()
        self._listen()
        os.close(self._out)
        os.close(self._err)
        self._closed = True

    def _hang_up(self) -> None:
        if self._conversation is not None and self._talk is not None:
            self._talk.cancel()
            self._conversation.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _listen(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._err, CHUNK)
            self._complaint += data[: COMPLAINT - len(self._complaint)]
            if not data:
                self._loop.remove_reader(self._err)

    def _reap(self) -> bool:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self._status = os.waitstatus_to_exitcode(status)
            self._rewind()
        return bool(pid)

    def _rewind(self) -> None:
        if self._whole:
            for descriptor in (self._out, self._err):
                os.lseek(descriptor, 0, os.SEEK_SET)

    async def _exited(self) -> None:
        """Waits until it is over; it is still to be reaped then."""
        if not hasattr(os, "pidfd_open"):  # not Linux
            options = os.WEXITED | os.WNOWAIT
            await self._loop.run_in_executor(None, os.waitid, os.P_PID, self.pid, options)
            return
        descriptor = os.pidfd_open(self.pid)
        try:
            await self._ready(descriptor, self._loop.add_reader, self._loop.remove_reader)
        finally:
            os.close(descriptor)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)

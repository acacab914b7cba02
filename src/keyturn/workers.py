"""Several worker processes that accept on the same sockets, and the parent that keeps them running."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A worker that dies sooner than this many seconds after its start is not restarted at once.
QUICK_DEATH = 1.0
# Seconds that workers are given to stop, a little more than they give their requests.
PATIENCE = 15.0


def supervise(count: int, work: Callable[[Callable[[], None]], None], announce: Callable[[], None]) -> int:
    """Forks ``count`` workers, calls ``announce`` once all serve, restarts what dies, and stops all at SIGTERM or SIGINT.

    ``work`` serves until it is told to stop, and calls its argument when it accepts requests. Returns the exit status.
    """
    readers: list[int] = []
    children: dict[int, float] = {}
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True
        for child in children:
            os.kill(child, signal.SIGTERM)

    def start() -> int:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            status = 1
            try:
                work(lambda: os.close(writer) if os.write(writer, b".") else None)
                status = 0
            except SystemExit as exit_:
                status = exit_.code if isinstance(exit_.code, int) else 1
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        os.close(writer)
        children[child] = time.monotonic()
        readers.append(reader)
        return reader

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stdout.flush()
    for _ in range(count):
        start()
    ready = all(os.read(reader, 1) == b"." for reader in readers)
    if ready and not stopping:
        announce()
    while not stopping:
        try:
            child, _status = os.wait()
        except InterruptedError:
            continue
        except ChildProcessError:
            return 1
        lived = time.monotonic() - children.pop(child, 0.0)
        if stopping:
            break
        print(f"keyturn serve: worker {child} died; starting another", file=sys.stderr)
        if lived < QUICK_DEATH:
            time.sleep(QUICK_DEATH)
        if not stopping:
            start()
    return _reap(children)


def _reap(children: dict[int, float]) -> int:
    """Waits for the workers that were told to stop; kills what does not."""
    deadline = time.monotonic() + PATIENCE
    waiting = set(children)
    while waiting and time.monotonic() < deadline:
        for child in list(waiting):
            try:
                if os.waitpid(child, os.WNOHANG)[0]:
                    waiting.discard(child)
            except ChildProcessError:
                waiting.discard(child)
        time.sleep(0.02)
    for child in waiting:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return 1 if waiting else 0

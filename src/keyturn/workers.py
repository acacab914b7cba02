"""Several worker processes that accept on the same sockets, and the parent that keeps them running."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("keyturn.workers")

# A worker that lived for less than this many seconds is not replaced at once.
QUICK_DEATH = 1.0
# Seconds that workers are given to stop, a little more than they give their requests.
PATIENCE = 15.0


def stop_cleanly() -> None:
    """Lets SIGTERM and SIGINT end this process with status 0. uvicorn handles them while it serves, and raises them again
    when it is done."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: sys.exit(0))


def supervise(count: int, work: Callable[[Callable[[], None]], None], announce: Callable[[], None]) -> int:
    """Forks ``count`` workers, calls ``announce`` once all serve, replaces what dies, and stops all at SIGTERM or SIGINT.

    ``work`` serves until it is told to stop, and calls its argument when it accepts requests. Returns the exit status.
    """
    return _Workers(work).run(count, announce)


class _Workers:
    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        self._work = work
        self._started: dict[int, float] = {}
        self._stopping = False

    def run(self, count: int, announce: Callable[[], None]) -> int:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        sys.stdout.flush()
        starting = [self._start() for _ in range(count)]
        ready = [os.read(reader, 1) for reader in starting]
        if all(ready):
            announce()
        elif not self._stopping:
            self._stop(signal.SIGTERM, None)  # one could not even start: it has said why
            self._reap()
            return 1
        while not self._stopping:
            self._replace_next()
        return self._reap()

    def _start(self) -> int:
        """Forks one; returns where it says that it serves."""
        reader, writer = os.pipe()
        child = os.fork()
        if child:
            os.close(writer)
            self._started[child] = time.monotonic()
            return reader
        os.close(reader)
        stop_cleanly()

        def ready() -> None:
            os.write(writer, b".")
            os.close(writer)

        status = 1
        try:
            self._work(ready)
            status = 0
        except SystemExit:
            status = 0
        except Exception:
            log.exception("a worker failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _stop(self, _signal: int, _frame: object) -> None:
        self._stopping = True
        for child in self._started:
            os.kill(child, signal.SIGTERM)

    def _replace_next(self) -> None:
        child = self._wait(0)
        started = self._started.pop(child, None)
        if started is not None and not self._stopping:
            lived = time.monotonic() - started
            log.error("worker %d died; starting another", child)
            time.sleep(0 if lived > QUICK_DEATH else QUICK_DEATH)
            if not self._stopping:
                self._start()

    def _reap(self) -> int:
        """Waits for the workers that were told to stop; kills what does not."""
        deadline = time.monotonic() + PATIENCE
        while self._started and time.monotonic() < deadline:
            self._started.pop(self._wait(os.WNOHANG), None)
            time.sleep(0.01)
        for child in self._started:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return 1 if self._started else 0

    def _wait(self, options: int) -> int:
        """A child that has died; 0 when none has, or a signal came instead."""
        try:
            return os.waitpid(-1, options)[0]
        except InterruptedError:
            return 0
        except ChildProcessError:
            self._started.clear()
            return 0

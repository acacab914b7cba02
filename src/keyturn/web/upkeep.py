"""The upkeep: what is to be done by the clock and not by a request. Two threads of each worker.

Every job may run in several workers at once; the store's transactions see to it that nothing happens twice. The threads
are the process' own (daemons): a mail server that hangs must not keep the server from stopping.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from keyturn.actions import git_access, notices, once, outbox, overlap
from keyturn.store.interface import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyturn.actions.env import Env

log = logging.getLogger("keyturn.upkeep")

EVERY: Final = 30.0
"""Seconds between two looks for what is due, by default."""
SEND_EVERY: Final = 5.0
FORGET_EVERY: Final = 3600.0
LINKS_KEPT: Final = timedelta(days=30)
"""For whoever opens an old one to be told that it has run out."""
LOOKING: Final = 0.01
"""The share of the time that looking for what is due may take."""
TIDY_EVERY: Final = 300.0
TIDYING: Final = 0.5
"""The share of the time that packing repositories may take."""
STOP: Final = 3.0
"""Seconds that a job under way is given when the server stops."""


class Job(NamedTuple):
    """``run`` every so many seconds."""

    name: str
    every: float
    run: Callable[[Env], object]
    share: float = 1.0
    """Of the time it takes at most this much: with very many credentials it looks less often."""


def forget_dead(env: Env) -> int:
    """Forgets credentials that died longer ago than the policy keeps them; how many."""
    count = 0
    while True:
        with env.store.writing() as tx:
            some = tx.forget_grants(env.clock() - timedelta(seconds=env.policy.retention))
        count += some
        if not some:
            return count


def forget_links(env: Env) -> int:
    """Forgets links that nobody can use any more; how many."""
    with env.store.writing() as tx:
        return tx.forget_links(env.clock() - LINKS_KEPT)


def jobs(every: float = EVERY) -> tuple[Job, ...]:
    """All of them; the expiries are told of before the outbox is emptied."""
    return (
        Job("notices", every, notices.due, LOOKING),
        Job("overlaps", every, overlap.end_overlaps, LOOKING),
        Job("pushes", every, git_access.settle),
        Job("outbox", min(every, SEND_EVERY), outbox.send_due),
        Job("forgetting the dead", FORGET_EVERY, forget_dead),
        Job("forgetting links", FORGET_EVERY, forget_links),
        Job("forgetting forms", FORGET_EVERY, once.forget),
        Job("forgetting what was sent", FORGET_EVERY, outbox.forget),
    )


def long_jobs() -> tuple[Job, ...]:
    """Those that may take an hour, on disks alone: for a thread of their own, so that no mail waits for them."""
    return (
        Job("packing repositories", TIDY_EVERY, git_access.tidy, TIDYING),
        Job("removing what broken pushes left", FORGET_EVERY, git_access.sweep),
    )


class Upkeep:
    """Runs the jobs, one after the other, until it is stopped. A job that fails is logged and tried at its next turn."""

    def __init__(self, env: Env, every: float = EVERY, some: Sequence[Job] | None = None) -> None:
        """``some``: others than ``jobs(every)``."""
        self._env = env
        self._jobs = jobs(every) if some is None else some
        self._next = dict.fromkeys(range(len(self._jobs)), 0.0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keyturn-upkeep", daemon=True)

    def start(self) -> None:
        """Begins, at once with everything."""
        self._thread.start()

    def stop(self) -> None:
        """Lets the job under way finish, if it is quick."""
        self._stopping.set()
        self._thread.join(STOP)

    def turn(self, now: float) -> float:
        """Runs what is due at ``now`` (seconds of a steady clock); returns when the next is."""
        for number, job in enumerate(self._jobs):
            if self._next[number] <= now and not self._stopping.is_set():
                began = time.monotonic()
                try:
                    job.run(self._env)
                except Unavailable as fault:
                    log.warning("%s: the store does not answer: %s", job.name, fault)
                except Exception:
                    log.exception("%s", job.name)
                self._next[number] = now + max(job.every, (time.monotonic() - began) / job.share)
        return min(self._next.values())

    def _run(self) -> None:
        while not self._stopping.is_set():
            following = self.turn(time.monotonic())
            self._stopping.wait(max(following - time.monotonic(), 0.05))

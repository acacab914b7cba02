"""What all of the SSH face shares, and how much any one client may take of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.actions.env import Env
    from keyturn.actions.git_access import Program
    from keyturn.actions.refusals import Refusals
    from keyturn.actions.uses import Uses
    from keyturn.turns import Turns


@dataclass(frozen=True, slots=True)
class SshLimits:
    """Of one worker. Times in seconds. A place is an IPv4 address, or an IPv6 /64."""

    grace: float = 120.0
    """From the connection to the proof of a key."""
    tries: int = 6
    """Refused keys and passwords, of one connection."""
    connections: int = 1000
    of_a_place: int = 100
    """Connections."""
    unproven: int = 256
    """Connections that have proven no key yet."""
    unproven_of_a_place: int = 32
    sessions: int = 10
    """At the same time on one connection."""
    idle: float = 600.0
    """Without git at work."""
    alive: float = 60.0
    """Between two questions whether the client is still there; three without an answer end the connection."""
    chatter: int = 256 * 1024
    """Bytes of a connection that are not git's; half of it before a key is proven."""
    thinking: float = 300.0
    """Without a byte of a push: its client may compress for long."""


@dataclass(frozen=True, slots=True)
class SshFace:
    """The SSH face's share of a worker."""

    env: Env
    git: Program
    uses: Uses
    refusals: Refusals
    take: Callable[[str, float], tuple[int, float]]
    """Counts a run of git for an account at a time (seconds): how many remain, and the seconds to wait if none does."""
    take_push: Callable[[str, float], tuple[int, float]]
    """The same for a push."""
    turns: Turns
    limits: SshLimits = field(default_factory=SshLimits)
    no_pushes: str = ""
    """Why there are none, as a sentence; empty: there are."""

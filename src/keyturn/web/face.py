"""What all of the HTTP face shares: the Env, the limits, the threads, and how a request becomes a By."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyturn.actions.env import By
from keyturn.actions.throttle import place_of
from keyturn.actions.uses import AGENT_LONGEST, Uses
from keyturn.core import decide, push
from keyturn.core.credential import Deny
from keyturn.web import call, limits, refuse
from keyturn.web.answer import iso
from keyturn.web.limits import Limit
from keyturn.web.offload import Offload
from keyturn.web.upkeep import EVERY

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.types import Scope

    from keyturn.actions.env import Env
    from keyturn.actions.git_access import Program
    from keyturn.actions.refusals import Refusals
    from keyturn.core.credential import Principal
    from keyturn.turns import Turns
    from keyturn.web.answer import Answer
    from keyturn.web.credentials import Absent, Presented
    from keyturn.web.verified import Verified


@dataclass(frozen=True, slots=True)
class Face:
    """The HTTP face's share of a worker. What is in ``scope["state"]`` of a request was put there by web/outer.py."""

    env: Env
    public_url: str
    """Where people reach the server: scheme, host and port, no trailing slash."""
    api_limit: Limit
    verify_limit: Limit
    begin_limit: Limit
    """Logins begun, a place."""
    refusals: Refusals
    report_limit: Limit = field(default_factory=lambda: Limit(600))
    """Reports of leaked tokens, a place."""
    git_limit: Limit = field(default_factory=lambda: Limit(limits.GIT))
    """Requests of git, an account."""
    ssh_url: str | None = None
    """Where people reach git over SSH: ``ssh://git@HOST:PORT``, no trailing slash; None: not at all."""
    push_limit: Limit = field(default_factory=lambda: Limit(push.AN_HOUR))
    """Pushes, an account."""
    git: Program | None = None
    """None where there are no repositories."""
    turns: Turns | None = None
    """Fetches and pushes at the same time; shared with git over SSH. None: of this face's own."""
    uses: Uses = field(default_factory=Uses)
    verified: Verified | None = None
    """The answers of GET /verify that are kept, for the protocol that gives them (quick.py); None: none are."""
    instance: str = "Keyturn"
    offload: Offload = field(default_factory=Offload)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to stop: whoever waits for long gives up then."""
    upkeep_every: float = EVERY
    """Seconds between two looks for what is due by the clock."""
    workers: int = 1
    """Processes that serve."""

    @property
    def https(self) -> bool:
        """Whether people reach it over TLS."""
        return self.public_url.startswith("https:")

    @property
    def takes_passkeys(self) -> bool:
        """Whether passkeys work where people reach it: they belong to a host name, and take TLS."""
        return self.env.passkeys is not None and self.env.passkeys.possible(self.public_url)

    def by(self, scope: Scope, principal: Principal | None = None) -> By:
        """Who asks, for the audit trail."""
        return By(principal, address(scope), agent(scope).decode("latin-1")[:300], scope["state"]["request_id"])

    def admit(
        self, scope: Scope, presented: Presented | Absent, limit: Limit, *, counted: bool = True
    ) -> Principal | Answer:
        """Authenticates and counts against the account's ``limit``: who acts, or the refusal. Raises Unavailable."""
        outcome = call.admit(self.env, presented)
        if isinstance(outcome, Deny):
            self.refused(scope, outcome)
            return refuse.deny(outcome)
        now = self.env.clock()
        self.uses.note(outcome.token_id, address(scope), agent(scope)[:AGENT_LONGEST], now)
        state = scope["state"]
        if outcome.expires_at is not None or outcome.rotated:
            state["headers"] = life_headers(outcome, now)
        if not counted:
            state["remaining"] = limit.remaining(outcome.account_id, now.timestamp())
            return outcome
        state["remaining"], wait = limit.take(outcome.account_id, now.timestamp())
        if wait:
            return refuse.too_many(
                "Your account reached the API rate limit. Please wait before making new requests.", wait
            )
        return outcome

    def refused(
        self, scope: Scope, deny: Deny, principal: Principal | None = None, *, action: str = "request", **about: str
    ) -> None:
        """Notes a refusal for the audit trail; written later, so that a storm of retries costs next to nothing. ``about``: what
        somebody who is known asked for.
        """
        if deny.reason != "missing":
            grant_id = principal.grant_id if principal else deny.credential[0] if deny.credential else None
            self.refusals.note(grant_id, deny.reason, address(scope), action, **about)


def life_headers(principal: Principal, now: datetime) -> list[tuple[bytes, bytes]]:
    """What every authenticated answer says of its credential's end: when, and near it a warning, which the Heroku CLI
    prints (wire.md 2.2).
    """
    headers = []
    if principal.expires_at is not None:
        headers.append((b"keyturn-expires-at", (iso(principal.expires_at) or "").encode()))
    warning = decide.warning(principal, now)
    if warning:
        headers.append((b"warning-message", warning.encode("ascii", "replace")))
    return headers


def agent(scope: Scope) -> bytes:
    """The program that the request says it comes from."""
    return next((value for name, value in scope["headers"] if name == b"user-agent"), b"")


def place(scope: Scope) -> str:
    """What counts as one place for limits: an IPv4 address, or an IPv6 /64, whose addresses are one customer's."""
    return place_of(address(scope))


def address(scope: Scope) -> str:
    """The address that the request came from."""
    client = scope.get("client")
    return client[0] if client else ""

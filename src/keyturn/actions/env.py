"""Env: the only way from actions to the outside. And By: who asks, from where. And the problems that actions raise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from keyturn.core import policy, push

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from keyturn.core.credential import Deny, Principal
    from keyturn.core.passkey import NewPasskey, Proof
    from keyturn.core.policy import Policy
    from keyturn.core.push import Change
    from keyturn.store.interface import Outgoing, Store


class Passwords(Protocol):
    """Hashes passwords so that guessing is dear."""

    def hash(self, password: str) -> str: ...
    def verify(self, hashed: str | None, password: str) -> bool:
        """Whether it is the password; with None as the hash it takes as long and says no."""
        ...

    def outdated(self, hashed: str) -> bool: ...
    def weakness(self, password: str, context: tuple[str, ...]) -> str | None:
        """Why the password would be guessed early, as a sentence; None: it would not."""
        ...


class CannotUnseal(Exception):
    """Not sealed by us, changed since, about something else, or sealed with a key that is not here."""


class Sealer(Protocol):
    """Keeps what must be readable again (one-time codes' seeds) unreadable in the store: its key is elsewhere."""

    def seal(self, plain: bytes, about: str) -> bytes: ...
    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Raises CannotUnseal."""
        ...

    def outdated(self, sealed: bytes) -> bool: ...


class Passkeys(Protocol):
    """What WebAuthn asks of browsers, and what they answer (Web Authentication Level 3). Raises core.passkey.BadPasskey."""

    def possible(self, origin: str) -> bool: ...
    def registration_options(
        self, *, origin: str, challenge: bytes, user_id: bytes, user_name: str, display_name: str,
        exclude: Sequence[bytes], instance: str,
    ) -> dict[str, Any]: ...  # fmt: skip
    def authentication_options(
        self,
        *,
        origin: str,
        challenge: bytes,
        allow: Sequence[tuple[bytes, tuple[str, ...]]],
        verification: Literal["required", "preferred"],
    ) -> dict[str, Any]: ...
    def challenge_of(self, response: object) -> bytes | None: ...
    def credential_of(self, response: object) -> bytes | None: ...
    def user_of(self, response: object) -> bytes | None: ...
    def register(self, response: object, *, origin: str, challenge: bytes) -> NewPasskey: ...
    def authenticate(
        self, response: object, *, origin: str, challenge: bytes, credential_id: bytes, public_key: bytes,
        sign_count: int, verification: bool,
    ) -> Proof: ...  # fmt: skip


class Repositories(Protocol):
    """Where the apps' code is kept: a bare repository for each, which goes by the app's id. Raises OSError."""

    def make(self, app_id: str) -> None:
        """An empty one; it is there whole or not at all. One that is there already is left as it is."""
        ...

    def remove(self, app_id: str) -> None:
        """Nobody reaches it any more once this returns; without effect when there is none."""
        ...

    def size(self, app_id: str) -> int:
        """Bytes on disk; 0 when there is none."""
        ...

    def count_refs(self, app_id: str) -> int:
        """How many branches, tags and notes it has."""
        ...

    def tidy(self, app_id: str) -> bool:
        """Packs it, if pushes have left much lying about; whether it did."""
        ...

    def sweep(self) -> int:
        """Removes what killed pushes left in any of them; how many there were."""
        ...

    def happened(self, app_id: str, changes: Sequence[Change]) -> list[Change]:
        """Which of the changes are as they were to be."""
        ...

    def note(self, facts: dict[str, Any]) -> str:
        """Keeps a push that is about to change refs, so that one is told of whose end nobody saw; its key."""
        ...

    def noted(self, before: datetime) -> list[tuple[str, dict[str, Any]]]:
        """The pushes that were noted before then, or by a process that is gone, with their keys."""
        ...

    def point_head(self, app_id: str, branches: Sequence[str]) -> None:
        """A clone checks out the first of ``branches`` that is there, unless it has a branch to check out already."""
        ...

    def strike(self, key: str) -> bool:
        """Forgets one; False: it was not there any more."""
        ...


class PushPolicy(Protocol):
    """What an operator lets decide about a push, besides our own rules."""

    def refusal(self, facts: dict[str, Any]) -> str | None:
        """None when the push may go on, or what its pusher is told; for whatever fails too."""
        ...


class Undelivered(Exception):
    """A mail or webhook did not get there now; the message says why, without secrets. Trying again is right."""


class Courier(Protocol):
    """Takes mails, webhooks or events to where they go."""

    def send(self, item: Outgoing, now: datetime) -> None:
        """Returns once the other side has taken it over. Raises Undelivered."""
        ...


@dataclass(frozen=True, slots=True)
class Post:
    """How mails, webhooks and events for a command leave; None: that way is not configured."""

    mail: Courier | None = None
    webhook: Courier | None = None
    command: Courier | None = None
    """Runs the operator's command after a push."""
    webhook_host: str = ""
    """Whom webhooks go to, as lists show it."""
    public_url: str = ""
    """Where people reach the server, for links in mails."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator can set, in force."""

    api_requests_per_hour: int = policy.RATE_LIMIT
    """An account's; 0 is no limit."""
    push_refs: int = push.MOST_REFS
    """That one push may change."""


@dataclass(frozen=True, slots=True)
class Env:
    """Everything an action may touch besides its arguments."""

    store: Store
    clock: Callable[[], datetime]
    """Now, aware, UTC."""
    random_bytes: Callable[[int], bytes]
    """n bytes from a cryptographic source."""
    passwords: Passwords
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=lambda: policy.DEFAULT)
    """The rules in force."""
    post: Post = field(default_factory=Post)
    """How mails and webhooks leave."""
    sealer: Sealer | None = None
    """None where nothing is sealed: operator commands that do not need it."""
    passkeys: Passkeys | None = None
    repositories: Repositories | None = None
    """None where apps have none: operator commands that do not need them."""
    push_policy: PushPolicy | None = None

    def new_id(self) -> str:
        """A UUIDv7 [RFC 9562 5.7]: ids sort in the order of making, which keeps indexes and pages in order too."""
        milliseconds = int(self.clock().timestamp() * 1000)
        number = (milliseconds << 80) | int.from_bytes(self.random_bytes(10), "big")
        number = number & ~(0xF << 76) | (0x7 << 76)
        number = number & ~(0x3 << 62) | (0x2 << 62)
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class By:
    """Who asks: the credential that acts, if any, and where the request came from, for the audit trail."""

    principal: Principal | None = None
    address: str = ""
    agent: str = ""
    request_id: str = ""


class Problem(Exception):
    """A request that cannot be carried out. The faces turn each kind into their own form of refusal."""


class Refused(Problem):
    """Not authenticated or not allowed: why is in ``deny``."""

    def __init__(self, deny: Deny, *, forbidden: bool = False) -> None:
        super().__init__(deny.message)
        self.deny = deny
        self.forbidden = forbidden
        """Who it is was proven, but it may not."""


class NotFound(Problem):
    """There is no such thing, or it is another's; the two look the same."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"Couldn't find that {resource.replace('_', ' ')}.")
        self.resource = resource


class Invalid(Problem):
    """A value that cannot be taken. ``field`` names it; ``next`` is what mends it, where that is not plain."""

    def __init__(self, field_name: str, message: str, next: str | None = None) -> None:  # noqa: A002 - the API's own word
        super().__init__(message)
        self.field = field_name
        self.next = next


class Gone(Problem):
    """It was there, once, and was used up or ran out."""


class Throttled(Problem):
    """Too many tries; ``after`` is how long to wait. ``held``: waiting does not help, and the message says what does."""

    def __init__(self, message: str, after: timedelta, *, held: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.held = held

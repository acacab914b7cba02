"""The rules of every credential, as data: THE file to read first.

Which kinds there are, how long each lives, and which event ends which. Minting, verifying, previewing, explaining and
documenting read these tables and nothing else. The rules are those of the public Heroku documents (API keys, CLI
authentication, SSO), made explicit. All lifetimes are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR: Final = 3600
DAY: Final = 24 * HOUR
YEAR: Final = 365 * DAY


class Kind(StrEnum):
    """What a credential is. The value is its name in the API and the key of its token prefix."""

    LOGIN = "login"
    WEB = "web"
    API_KEY = "api_key"
    AUTHORIZATION = "authorization"
    SERVICE = "service"
    OAUTH = "oauth_access"
    WORKLOAD = "workload"
    SSH_KEY = "ssh_key"


@dataclass(frozen=True, slots=True)
class Life:
    """How long a kind lives: seconds by default and at most; None is without an end of its own."""

    default: int | None
    longest: int | None
    noun: str
    """The kind in a sentence: "This login expired"."""
    recreate: str
    """The command that makes such a credential anew."""


LIVES: Final[dict[Kind, Life]] = {
    Kind.LOGIN: Life(YEAR, YEAR, "login", "keyturn login"),
    Kind.WEB: Life(DAY, DAY, "browser session", "sign in again in the browser"),
    Kind.API_KEY: Life(None, None, "API key", "keyturn login"),
    Kind.AUTHORIZATION: Life(None, None, "authorization", "keyturn authorizations:create"),
    Kind.SERVICE: Life(None, None, "service authorization", "keyturn authorizations:create"),
    # of the authorization; its tokens live for less (Policy.oauth_access, oauth_refresh)
    Kind.OAUTH: Life(YEAR, YEAR, "OAuth token", "authorize the client again"),
    Kind.WORKLOAD: Life(15 * 60, HOUR, "workload token", "exchange the CI identity again"),
    Kind.SSH_KEY: Life(None, None, "SSH key", "keyturn keys:add"),
}

# Under single sign-on a login or browser session lives for one working day, counted from the sign-in.
SSO_LONGEST: Final = 8 * HOUR

# What an account under single sign-on cannot have: nothing of it must outlive what its identity provider says.
NOT_FOR_SSO: Final = frozenset({Kind.API_KEY, Kind.AUTHORIZATION})

# Sooner than this no credential can be asked to expire, and later than this none: longer is a mistyped number.
SHORTEST_ASKED: Final = 1
LONGEST_ASKED: Final = 100 * YEAR


class Event(StrEnum):
    """What can happen to an account or one of its credentials so that credentials end."""

    EXPIRY = "expiry"
    LOGOUT = "logout"  # this one login or session, by its own holder
    REVOKE = "revoke"  # this one credential, by its owner
    REVOKE_BY_ADMIN = "revoke_by_admin"
    LOGOUT_ALL = "logout_all"
    LOGOUT_OTHERS = "logout_others"  # everywhere but where it was asked for
    PASSWORD_CHANGE = "password_change"  # noqa: S105 - an event's name
    PASSWORD_RESET = "password_reset"  # noqa: S105 - an event's name
    KEY_REGENERATED = "key_regenerated"
    ROTATION = "rotation"
    SSO_ON = "sso_on"
    SSO_SESSION_END = "sso_session_end"
    DEPROVISION = "deprovision"
    SUSPEND = "suspend"
    CLOSE = "close"
    CLIENT_REMOVED = "client_removed"
    CLIENT_REVOKE = "client_revoke"  # this one, by the OAuth client that holds it [RFC 7009]
    REUSE = "reuse"  # a one-time code or refresh token of it came a second time: one of the two was stolen
    LEAK = "leak"


class Effect(StrEnum):
    """What an event does to a credential of some kind."""

    DIES = "dies"
    REPLACED = "replaced"  # dies, and a new one of the kind is made
    SPARED = "spared"  # dies, unless it is the one that acts
    LIVES = "lives"
    MOVES = "moves"  # goes to the next sponsor
    NEVER = "never"  # the two cannot meet


# Whether an event reaches the one credential that it names, or every one of the account.
ONE: Final = frozenset(
    {
        Event.EXPIRY,
        Event.LOGOUT,
        Event.REVOKE,
        Event.REVOKE_BY_ADMIN,
        Event.ROTATION,
        Event.CLIENT_REVOKE,
        Event.REUSE,
        Event.LEAK,
    }
)

# What nothing in this version can cause; the table has its rows for when something does, and nobody is warned of it.
NOT_YET: Final = frozenset({Event.SSO_ON, Event.SSO_SESSION_END, Event.DEPROVISION})

# The reason (reasons.ENDINGS) that the event stamps on what it ends.
REASON_OF: Final[dict[Event, str]] = {
    Event.EXPIRY: "expired",
    Event.LOGOUT: "logged_out",
    Event.REVOKE: "revoked_by_owner",
    Event.REVOKE_BY_ADMIN: "revoked_by_admin",
    Event.LOGOUT_ALL: "logged_out",
    Event.LOGOUT_OTHERS: "logged_out",
    Event.PASSWORD_CHANGE: "password_changed",
    Event.PASSWORD_RESET: "password_reset",
    Event.KEY_REGENERATED: "key_regenerated",
    Event.ROTATION: "rotated",
    Event.SSO_ON: "sso_enabled",
    Event.SSO_SESSION_END: "sso_session_ended",
    Event.DEPROVISION: "deprovisioned",
    Event.SUSPEND: "owner_suspended",
    Event.CLOSE: "account_closed",
    Event.CLIENT_REMOVED: "client_removed",
    Event.CLIENT_REVOKE: "revoked_by_client",
    Event.REUSE: "token_reused",
    Event.LEAK: "reported_leaked",
}

_COLUMNS: Final = (
    Kind.LOGIN,
    Kind.WEB,
    Kind.API_KEY,
    Kind.AUTHORIZATION,
    Kind.SERVICE,
    Kind.OAUTH,
    Kind.WORKLOAD,
    Kind.SSH_KEY,
)
_LETTERS: Final = {
    "x": Effect.DIES,
    "r": Effect.REPLACED,
    "c": Effect.SPARED,
    "-": Effect.LIVES,
    "m": Effect.MOVES,
    "n": Effect.NEVER,
}

# One row an event, one letter a kind: x dies, r is replaced, c dies unless it is the one acting, - lives, m moves, n
# never.
_ROWS: Final[dict[Event, str]] = {
    #                       login web key auth serv oauth work ssh
    Event.EXPIRY:           "x    x   x   x    x    x     x    x",
    Event.LOGOUT:           "x    x   n   n    n    n     n    n",
    Event.REVOKE:           "x    x   x   x    x    x     x    x",
    Event.REVOKE_BY_ADMIN:  "x    x   x   x    x    x     x    x",
    Event.LOGOUT_ALL:       "x    x   -   -    n    -     n    -",
    Event.LOGOUT_OTHERS:    "c    c   -   -    n    -     n    -",
    Event.PASSWORD_CHANGE:  "c    c   r   -    n    -     n    -",
    Event.PASSWORD_RESET:   "x    x   x   -    n    -     n    -",
    Event.KEY_REGENERATED:  "-    -   r   -    n    -     n    -",
    Event.ROTATION:         "x    n   n   x    x    n     n    n",
    Event.SSO_ON:           "x    x   x   x    n    -     n    -",
    Event.SSO_SESSION_END:  "x    x   n   x    n    x     n    x",
    Event.DEPROVISION:      "x    x   n   x    n    x     n    x",
    Event.SUSPEND:          "x    x   x   x    m    x     n    x",
    Event.CLOSE:            "x    x   x   x    m    x     n    x",
    Event.CLIENT_REMOVED:   "-    -   -   -    -    x     -    -",
    Event.CLIENT_REVOKE:    "n    n   n   n    n    x     n    n",
    Event.REUSE:            "n    n   n   n    n    x     n    n",
    Event.LEAK:             "x    x   x   x    x    x     x    n",
}  # fmt: skip

EFFECTS: Final[dict[tuple[Event, Kind], Effect]] = {
    (event, kind): _LETTERS[letter]
    for event, row in _ROWS.items()
    for kind, letter in zip(_COLUMNS, row.split(), strict=True)
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force: the tables above, and what an operator made stricter (core/overrides.py). Times in seconds."""

    lives: Mapping[Kind, Life] = field(default_factory=lambda: LIVES)
    effects: Mapping[tuple[Event, Kind], Effect] = field(default_factory=lambda: EFFECTS)
    soft_expiry: Mapping[Kind, int] = field(default_factory=dict)
    """How long before its expiry a kind may only read (off for kinds that are not named)."""
    thresholds: tuple[int, ...] = (30 * DAY, 14 * DAY, 7 * DAY, DAY)
    """How long before an expiry its owner is told, longest first."""
    retention: int = 400 * DAY
    """How long the dead stay listed and explainable."""
    overlap_longest: int = 30 * DAY
    """How long a rotated token may go on beside the new one."""
    oauth_access: int = 8 * HOUR
    """How long an OAuth access token lives; its client then refreshes it."""
    oauth_refresh: int = 30 * DAY
    """How long a client may leave its refresh token unused."""
    mfa_required: str = "none"
    """Whose sign-in must take a second factor: ``none``, ``admins`` or ``all``."""
    remember_device: int = 30 * DAY
    """How long a browser can be remembered, so that it is asked for the password alone; 0: never."""
    sign_up: str = "invitation"
    """Who can make an account: ``invitation``: whom an administrator invites; ``open``: whoever has an e-mail address."""
    sign_up_domains: tuple[str, ...] = ()
    """Where sign-up is open: the domains of e-mail that may; none named: all."""


DEFAULT: Final = Policy()

# Warnings on answers and in the command line begin when this share of a life is left, and at most so long before its end.
WARN_SHARE: Final = 10
WARN_LONGEST: Final = 7 * DAY

# How many uses of a token are remembered, by address and agent, and how often they are written.
USES_KEPT: Final = 5
USES_WRITTEN_EVERY: Final = 15

# A mint that a password vouches for is a login when its description is a command line's, else an authorization
# (docs/decisions/0006): the Heroku CLI's `login -i` says nothing else by which to tell the two apart.
CLI_LOGIN_DESCRIPTION: Final = r"(?i)^\s*\w+ CLI login from\b"

# A login under way in the browser, from the request to the collection.
LOGIN_UNDER_WAY: Final = 10 * 60
# A one-time code on its way through the browser to its client [RFC 6749 4.1.2: at most ten minutes].
OAUTH_CODE: Final = 5 * 60
# An access token goes on for so long after a refresh, for the requests that are on their way with it.
OAUTH_OVERLAP: Final = 60
# The link with which a forgotten password is replaced.
RESET_LINK: Final = HOUR
# The one-time link that makes the first account; a restart prints a new one.
SETUP_LINK: Final = DAY

# How long a proof of who one is counts for sensitive acts [ASVS 5, 7.5].
REAUTH: Final = 15 * 60
# A sign-in that waits for its second factor, and how many tries it has.
SECOND_STEP: Final = 10 * 60
SECOND_STEP_TRIES: Final = 10
# What a passkey is asked to sign.
CHALLENGE: Final = 5 * 60
# The links that make an account, and that prove an address.
INVITATION: Final = 7 * DAY
SIGN_UP_LINK: Final = DAY
EMAIL_LINK: Final = 3 * DAY
MOST_FACTORS: Final = 20

# Passwords [NIST SP 800-63B-4, 3.1.1.2]: length is all that is asked of a password that is the only factor.
PASSWORD_SHORTEST: Final = 15
PASSWORD_SHORTEST_WITH_MFA: Final = 8
PASSWORD_LONGEST: Final = 1024  # characters; far above the 64 to be accepted, short of a way to burn CPU

# API requests an hour and account, as Heroku's.
RATE_LIMIT: Final = 4500

# Credentials an account can hold alive at once. A runaway script meets a clear error here, not a full disk.
MOST_ALIVE: Final = 10_000

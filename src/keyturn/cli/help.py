"""`keyturn help`, and what is said of a command that does not exist."""

from __future__ import annotations

import sys

from keyturn.cli import say
from keyturn.cli.failures import UsageError
from keyturn.cli.main import ALIASES, COMMANDS, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TOPICS = (
    ("Logging in", "auth:"),
    ("Tokens for production and tools", ("authorizations", "policy")),
    ("Logins elsewhere", "sessions"),
    ("Apps and git", ("apps", "access", "git:")),
    ("SSH keys", "keys"),
    ("OAuth clients", "clients"),
    ("Running a server", ("admin", "serve", "ssh:")),
    ("More", ""),  # whatever no topic above has
)
_COLUMN = 26
_SHORT = {"auth:login": "login", "auth:logout": "logout", "auth:whoami": "whoami"}


def run(words: Sequence[str]) -> int:
    """All commands; or with a command's name, that one's options."""
    asked = [word for word in words if word not in ("-h", "--help")]
    if asked:
        name, _ = resolve(asked)
        if name is None:
            raise unknown(asked)
        if name != "help":
            module, function, _ = COMMANDS[name]
            code: int = getattr(__import__(f"keyturn.cli.{module}", fromlist=[function]), function)(["--help"])
            return code
    lines = ["Log in to a Keyturn server, hold its tokens, and run one.", "", "usage: keyturn COMMAND [OPTIONS]"]
    left = [name for name in COMMANDS if name != "help"]
    for topic, prefix in _TOPICS:
        listed = [name for name in left if name.startswith(prefix)]
        left = [name for name in left if name not in listed]
        if listed:
            named = sorted((_SHORT.get(name, name), COMMANDS[name][2]) for name in listed)
            lines += ["", topic, *(line for name, about in named for line in _entry(name, about))]
    lines.append("")
    for text in (
        "One command's options: keyturn help COMMAND. topic:verb may be written topic verb.",
        "The server: --host, else HEROKU_HOST, else that of the last login --host. The token: HEROKU_API_KEY, else netrc.",
        "The exit code: 0 done, 1 failed, 2 used wrongly, 4 not logged in or refused, 130 interrupted.",
    ):
        lines += say.wrapped(text, sys.stdout)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _entry(name: str, about: str) -> list[str]:
    first, *more = say.wrapped(about, sys.stdout, _COLUMN, _COLUMN)
    return [f"  {name}".ljust(_COLUMN) + first, *more]


def unknown(words: Sequence[str]) -> UsageError:
    """The error for words that name no command, with the nearest that does."""
    from difflib import get_close_matches

    first = words[0]
    if first.startswith("-"):
        return UsageError(f"{first} comes before any command; options follow the command", "keyturn help")
    known = [name for name in (*COMMANDS, *ALIASES) if not name.startswith("-")]
    for typed in (":".join(words[:2]), first):
        near = get_close_matches(typed, known, 1, 0.6)
        if near:
            return UsageError(f"{first} is not a keyturn command", f"keyturn {near[0]}")
    return UsageError(f"{first} is not a keyturn command", "keyturn help")

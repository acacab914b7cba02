"""`keyturn help`, and what is said of a command that does not exist."""

from __future__ import annotations

import sys

from keyturn.cli.failures import UsageError
from keyturn.cli.main import ALIASES, COMMANDS, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TOPICS = (
    ("Logging in", "auth:"),
    ("Tokens for production and tools", ("authorizations", "policy")),
    ("Logins elsewhere", "sessions"),
    ("OAuth clients", "clients"),
    ("SSH keys", "keys"),
    ("Running a server", ("serve", "admin")),
    ("More", ""),  # whatever no topic above has
)


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
    short = {command: alias for alias, command in ALIASES.items() if ":" not in alias and not alias.startswith("-")}
    lines = ["Log in to a Keyturn server, hold its tokens, and run one.", "", "usage: keyturn COMMAND [OPTIONS]"]
    left = [name for name in COMMANDS if name != "help"]
    for topic, prefix in _TOPICS:
        listed = [name for name in left if name.startswith(prefix)]
        left = [name for name in left if name not in listed]
        if listed:
            lines += ["", topic, *(f"  {short.get(name, name):24}{COMMANDS[name][2]}" for name in listed)]
    lines += [
        "",
        "One command's options: keyturn help COMMAND. topic:verb may be written topic verb.",
        "The server: --host, else HEROKU_HOST, else that of the last login --host. The token: HEROKU_API_KEY, else netrc.",
        "The exit code: 0 done, 1 failed, 2 used wrongly, 4 not logged in or refused, 130 interrupted.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


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

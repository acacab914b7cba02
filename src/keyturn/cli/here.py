"""What is the case on this machine: the server that is meant, and what to type for want of a login."""

from __future__ import annotations

import os

from keyturn.client import hosts, state
from keyturn.client.credentials import VARIABLE
from keyturn.client.errors import NotLoggedIn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from keyturn.client.credentials import Credential
    from keyturn.client.hosts import Host

CHOOSE: Final = "keyturn login --host HOST"


def chosen_host(flag: str | None) -> Host:
    """The host that the command is for. Raises HostError."""
    return hosts.choose(flag, os.environ, state.read(os.environ).chosen)[0]


def no_server(host: Host) -> str:
    """For whoever chose no server, and may have meant another than the default."""
    return f"no server was chosen, so {host.label} is meant; to choose one: {CHOOSE}"


def not_logged_in(host: Host) -> NotLoggedIn:
    """The error for want of a token, with the command that mends it."""
    chosen = hosts.choose(None, os.environ, state.read(os.environ).chosen)[0]
    error = NotLoggedIn(
        f"not logged in to {host.label}", "keyturn login" + ("" if host == chosen else f" --host {host.text}")
    )
    if host.by_default:
        error.add_note(no_server(host))
    if os.environ.get("HEROKU_API_TOKEN"):
        error.add_note(f"HEROKU_API_TOKEN is set; the name that counts is {VARIABLE}")
    return error


def not_a_token(credential: Credential, wrong: str) -> NotLoggedIn:
    """The error for a stored value that can be no token, ``wrong`` saying why; the value itself is never repeated."""
    if credential.stored:
        where = f"the password of machine {credential.machine} in {credential.source}"
        return NotLoggedIn(f"{where} is no token: {wrong}", "keyturn login")
    return NotLoggedIn(
        f"what {VARIABLE} holds is no token: {wrong}", f"{unset_variable()}, or set it to the token alone"
    )


def unset_variable() -> str:
    """The command that takes HEROKU_API_KEY out of the shell's environment."""
    return f"Remove-Item Env:{VARIABLE}" if os.name == "nt" else f"unset {VARIABLE}"

"""`keyturn logout`: end exactly this login at the server, then take it out of netrc. Out of reach, the server is told
later.
"""

from __future__ import annotations

import os
import time

from keyturn.cli import say
from keyturn.cli.asking import send_queued_revocations, transport
from keyturn.cli.here import chosen_host, unset_variable
from keyturn.client import credentials, netrc, state
from keyturn.client.errors import (
    ApiError,
    ConnectionFailed,
    KeyturnError,
    NotFound,
    NotLoggedIn,
    ServerFault,
    StorageFailed,
    Unauthorized,
)
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from keyturn.client.credentials import Credential
    from keyturn.client.hosts import Host
    from keyturn.client.transport import Transport

_ENDED: Final = "ended"
_LEFT: Final = "left as it is"
_UNREACHED: Final = "not reached"


def run(words: Sequence[str]) -> int:
    """Log out. Without a login there is nothing to do, which is no failure."""
    from keyturn.cli.options import Parser

    parser = Parser(
        "auth:logout",
        "End this machine's login at the server and remove it from netrc. Other logins and tokens live on.",
        json="with --dry-run, print it as JSON",
    )
    parser.add_argument("-a", "--all", action="store_true", help="end every login and browser session of the account")
    parser.add_argument("--device", metavar="ID", help="end that login instead, as keyturn sessions shows it")
    parser.add_argument("-y", "--yes", action="store_true", help="with --all or --device: do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would end, and end nothing")
    options = parser.parse(words)
    if options.all and options.device is not None:
        parser.error("give --all or --device, not both")
    if options.all or options.device is not None or options.dry_run:
        from keyturn.cli import logout_others

        return logout_others.run(options)
    host = chosen_host(options.host)
    credential = credentials.from_netrc(host, os.environ)
    if credential is None:
        say.warn(f"there was no login to {host.label}")
    else:
        said: list[str] = []
        with say.doing("Logging out"):
            told = _end(host, credential, said)
            try:
                forget(host, credential)
            except StorageFailed as wrong:
                wrong.add_note(
                    "the login itself was ended at the server: the token that is left there works no more"
                    if told is _ENDED
                    else "nor has the server ended it yet: the token that is left there may still work"
                )
                raise
        for text in said:
            say.warn(text)
        if told is not _UNREACHED:
            send_queued_revocations(host)
    warn_of_the_variable()
    return 0


def warn_of_the_variable() -> None:
    """HEROKU_API_KEY outlives a logout."""
    if credentials.from_environment(os.environ):
        say.warn(f"{credentials.VARIABLE} is still set, and its token still works; to take it away: {unset_variable()}")


def forget(host: Host, credential: Credential) -> None:
    """Take a token out of netrc and its hints away. Raises StorageFailed."""
    try:
        path, entries = credentials.netrc_entries(os.environ)
        netrc.remove(path, credentials.machines_to_remove(entries, host, credential.token))
    except netrc.NetrcError as wrong:
        raise StorageFailed(f"cannot remove the login from netrc: {wrong}") from wrong
    try:
        state.forget(os.environ, host.text)
    except OSError as wrong:
        say.warn(f"cannot change {wrong.filename}: {wrong.strerror}")


def _end(host: Host, credential: Credential, said: list[str]) -> str:
    """End it at the server; how that went. What the person must know goes to ``said``."""
    with transport(host, credential.token, timeout=10) as connection:
        try:
            connection.request("DELETE", "/oauth/sessions/~")
        except Unauthorized as dead:
            said.append(
                f"it had ended already: {dead.message}"
                if dead.reason not in (None, "unknown")
                else "the server did not know this login any more"
            )
        except NotFound as missing:
            if missing.resource == "session":
                _tell_of_no_login(connection, credential, said)
            else:
                said.append(_queue(host, credential, missing))
            return _LEFT
        except NotLoggedIn as malformed:
            said.append(f"it was removed here alone: {malformed.message}")
            return _LEFT
        except (ConnectionFailed, ServerFault) as unreached:
            said.append(_queue(host, credential, unreached))
            return _UNREACHED
        except ApiError as refused:
            said.append(_queue(host, credential, refused))
            return _LEFT
    return _ENDED


def _tell_of_no_login(connection: Transport, credential: Credential, said: list[str]) -> None:
    kinds = {"api_key": "the account's API key", "authorization": "an authorization"}
    kind = kinds.get(grammar.kind_of(credential.token) or "", "no login but another kind of token")
    said.append(f"what was stored is {kind}: it was removed from this machine, and still works elsewhere")
    try:
        identity = connection.request("GET", "/verify").headers.get("x-keyturn-credential")
    except KeyturnError:
        identity = None
    said.append(
        f"to end it: keyturn authorizations:revoke {identity or 'ID, with the ID that keyturn authorizations shows'}"
    )


def _queue(host: Host, credential: Credential, why: ConnectionFailed | ApiError) -> str:
    said = why.message.rstrip(".")
    try:
        state.queue_revocation(os.environ, host.text, credential.token, int(time.time()))
    except OSError as wrong:
        return f"{said}. It was removed here alone, and cannot be ended later ({wrong.filename}: {wrong.strerror})"
    return f"{said}. It was removed here; the server is told by the next keyturn command that reaches it within 7 days"

"""`keyturn login`: get a token, in the browser or by password, and store it.

The two ways to a token are login_browser.py and login_password.py; this is what they share.
"""

from __future__ import annotations

import os
import socket
import time

from keyturn.cli import say
from keyturn.cli.asking import send_queued_revocations, transport
from keyturn.cli.here import chosen_host, no_server, unset_variable
from keyturn.client import credentials, netrc, state
from keyturn.client.credentials import Credential
from keyturn.client.errors import KeyturnError, NotFound, NotLoggedIn, StorageFailed, Unauthorized
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from keyturn.client.hosts import Host


class NewLogin:
    """A token just made: whose, and until when (seconds since 1970; None: never). ``life``: the same in the server's
    words.
    """

    __slots__ = ("email", "expires_at", "life", "token")

    def __init__(self, token: str, email: str, expires_at: int | None, life: str) -> None:
        self.token, self.email, self.expires_at, self.life = token, email, expires_at, life


def run(words: Sequence[str]) -> int:
    """Log in."""
    from keyturn.cli.options import SPAN, Parser, span

    parser = Parser(
        "auth:login",
        "Log in and store the token in netrc, for keyturn, curl -n, git and the Heroku CLI.\n"
        "A server named with --host is the one from then on.",
        epilog="Without a terminal, `keyturn login -i` reads the e-mail and the password from two lines of its input.",
    )
    parser.add_argument(
        "-i", "--interactive", action="store_true", help="log in with e-mail and password, without a browser"
    )
    parser.add_argument(
        "-e", "--expires-in", type=span, metavar=SPAN, help="let the login end earlier than the server would"
    )
    options = parser.parse(words)
    log_in(
        chosen_host(options.host),
        by_password=options.interactive,
        expires_in=options.expires_in,
        choose=options.host is not None,
    )
    return 0


def log_in(host: Host, *, by_password: bool = False, expires_in: int | None = None, choose: bool = False) -> Credential:
    """Get a token for ``host``, store it, and give it. ``choose``: talk to this host from now on."""
    if host.scheme == "http" and not host.loopback:
        say.warn(f"{host.text} is not https: whoever is on the way can read the password and the token")
    if host.by_default:
        say.warn(no_server(host))
    if by_password:
        from keyturn.cli.login_password import obtain
    else:
        from keyturn.cli.login_browser import obtain
    new = obtain(host, expires_in)
    with say.doing("Logging in"):
        old = _stored(host)
        credential = _store(host, new, choose=choose)
    say.data(f"Logged in as {new.email}")
    if old is not None:
        _replaced(host, old, new)
    if new.life:
        say.note(f"This login {new.life}" if new.life[0].islower() else new.life)
    elif new.expires_at is not None:
        say.note(f"This login ends {say.moment(new.expires_at)}, or at keyturn logout")
    if credentials.from_environment(os.environ):
        say.warn(f"{credentials.VARIABLE} is set, and still wins over this login; to use the login: {unset_variable()}")
    send_queued_revocations(host)
    return credential


def new_login(host: Host, token: object, said: Mapping[str, Any]) -> NewLogin:
    """The login that the server has made; whose it is gets asked for where the answer does not tell. Raises
    KeyturnError.
    """
    if not isinstance(token, str) or not token:
        raise KeyturnError(f"{host.label} approved the login but gave no token", "keyturn login")
    email = said.get("email") or (said.get("user") or {}).get("email")
    if not isinstance(email, str) or not email:
        with transport(host, token) as asking:
            email = str((asking.request("GET", "/account").body or {}).get("email") or "")
    access = said.get("access_token")
    left = access.get("expires_in") if isinstance(access, dict) else said.get("expires_in")
    expires_at = int(time.time()) + left if isinstance(left, int) else None
    life = said.get("life")
    return NewLogin(token, email, expires_at, life if isinstance(life, str) else "")


def description() -> str:
    """What the login is called in lists: it names this machine."""
    return say.clean(f"Keyturn CLI login from {socket.gethostname() or 'an unnamed machine'}")[:200]


def _stored(host: Host) -> Credential | None:
    """The token that the new one takes the place of; none where netrc cannot be read, which storing will tell."""
    try:
        return credentials.from_netrc(host, os.environ)
    except StorageFailed:
        return None


def _replaced(host: Host, old: Credential, new: NewLogin) -> None:
    """End the login that nobody holds any more, if it is the account's own; of another account's, say that it is no longer
    used here (docs/decisions/0009). The new login stands, whatever comes of this.
    """
    if old.login and old.login.casefold() != new.email.casefold():
        say.warn(f"until now this machine was logged in to {host.label} as {old.login}; that login was not ended")
        return
    named = credentials.from_environment(os.environ)
    in_use = named is not None and named.token == old.token
    if old.token == new.token or in_use or grammar.kind_of(old.token) != "login":
        return
    with transport(host, old.token, timeout=10) as ending:
        try:
            ending.request("DELETE", "/oauth/sessions/~")
        except (Unauthorized, NotFound, NotLoggedIn):
            pass  # it had ended, or is no login
        except KeyturnError as wrong:
            said = wrong.message.rstrip(".")
            try:
                state.queue_revocation(os.environ, host.text, old.token, int(time.time()))
                say.warn(f"the login before this one could not be ended: {said}. The next keyturn command tries again")
            except OSError:
                say.warn(f"the login before this one could not be ended: {said}. To end it: keyturn sessions")


def _store(host: Host, new: NewLogin, *, choose: bool) -> Credential:
    try:
        path, entries = credentials.netrc_entries(os.environ)
        machines, foreign = credentials.machines_to_write(entries, host)
        warnings = netrc.write(path, machines, new.email, new.token)
    except (netrc.NetrcError, StorageFailed) as wrong:
        ended = _end(host, new.token)
        raise StorageFailed(
            f"cannot store the login: {wrong}" + ("; the new login was ended again" if ended else "")
        ) from wrong
    for entry in foreign:
        say.warn(
            f"{path} has an entry `machine {entry.machine}` for something else, left alone: curl and git do not see this login"
        )
    for warning in warnings:
        say.warn(warning)
    try:
        state.remember(os.environ, host.text, new.token, email=new.email, expires_at=new.expires_at, choose=choose)
    except OSError as wrong:
        say.warn(
            f"cannot remember the server in {wrong.filename}: {wrong.strerror}; name it with HEROKU_HOST={host.text}"
        )
    return Credential(new.token, path, host.machines[0], new.email)


def _end(host: Host, token: str) -> bool:
    """End a login that could not be stored: nobody would ever use it."""
    with transport(host, token, timeout=10) as ending:
        try:
            ending.request("DELETE", "/oauth/sessions/~")
        except KeyturnError:
            return False
    return True

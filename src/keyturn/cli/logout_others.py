"""`keyturn logout --all` and `--device ID`, and what a logout would end. These need the server: they are not queued."""

from __future__ import annotations

import os

from keyturn.cli import previews, say
from keyturn.cli.asking import Server, transport
from keyturn.cli.logout import forget, warn_of_the_variable
from keyturn.client import credentials
from keyturn.client.errors import ConnectionFailed, KeyturnError, NotFound, NotLoggedIn, Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from keyturn.client.hosts import Host


def run(options: argparse.Namespace) -> int:
    """End every login, or one other; or show what would end."""
    if options.all:
        return _all(options)
    if options.device is not None:
        from keyturn.cli.sessions import end_one

        return end_one(options, options.device, f"Logging {options.device} out")
    with Server(options.host) as server:
        try:
            preview = previews.fetch(server, "logout")
        except NotFound as missing:
            if missing.resource != "session":
                raise previews.cannot(server) from None
            say.data("Nothing would end at the server: the token in use is no login.")
            return 0
        previews.agreed(server, options, preview, "")
    return 0


def _all(options: argparse.Namespace) -> int:
    with Server(options.host) as server:
        try:
            server.require_login()
            if not previews.are_known(server):
                raise KeyturnError(
                    f"{server.host.label} cannot end all logins at once; each has to be ended by itself",
                    "keyturn sessions, then keyturn logout --device ID",
                )
            preview = previews.fetch(server, "logout_all") if options.dry_run or not options.yes else None
            if not previews.agreed(
                server, options, preview, "End all these logins?", meant="keyturn logout --all --yes"
            ):
                return 0
            with say.doing("Logging out everywhere") as outcome:
                ended = server.ask_for_list("DELETE", "/oauth/sessions")
                outcome.append(f"done, {len(ended)} login{'' if len(ended) == 1 else 's'} ended")
        except ConnectionFailed as unreached:
            unreached.add_note("nothing was ended: unlike a plain keyturn logout, this is not kept for later")
            raise
        _forget_the_dead(server.host)
    warn_of_the_variable()
    return 0


def _forget_the_dead(host: Host) -> None:
    """The stored login has most likely ended with the others; a token of another kind has not."""
    stored = credentials.from_netrc(host, os.environ)
    if stored is None:
        return
    with transport(host, stored.token) as asking:
        try:
            asking.request("GET", "/account")
        except (Unauthorized, NotLoggedIn):
            forget(host, stored)
            say.note("this machine is logged out too. To log in: keyturn login")
        except KeyturnError:
            pass
        else:
            say.warn("what is stored on this machine is no login, and still works")

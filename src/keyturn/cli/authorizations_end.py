"""`keyturn authorizations:revoke` and `:rotate`: an end to a token, once it is known who still uses it."""

from __future__ import annotations

import os

from keyturn.cli import previews, say
from keyturn.cli.answers import one, text
from keyturn.cli.asking import Server
from keyturn.cli.authorizations_shown import path, show_new
from keyturn.cli.options import SPAN, Parser, span
from keyturn.client import credentials, netrc
from keyturn.client.errors import KeyturnError, NotFound, StorageFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def revoke(words: Sequence[str]) -> int:
    """End one."""
    parser = Parser("authorizations:revoke", "End a token at once.", json="with --dry-run, print it as JSON")
    parser.add_argument("id", metavar="ID", help="as keyturn authorizations shows it; ~ is the account's API key")
    previews.add_options(parser)
    options = parser.parse(words)
    with Server(options.host) as server:
        server.require_login()
        found = None if options.yes and not options.dry_run else _found(server, options.id)
        if found is None and options.dry_run:
            server.ask("GET", path(options.id))  # says that there is none
        if found is not None:
            preview = previews.fetched(server, "revoke", str(found.get("id")))
            if not previews.agreed(server, options, preview, "Revoke it?"):
                return 0
        with say.doing("Revoking OAuth Authorization") as outcome:
            item = server.ask("DELETE", path(options.id))
            outcome.append(f"done, revoked authorization from {item.get('description') or options.id}")
        if item.get("current") is True and server.credential is not None:
            if server.credential.stored:
                from keyturn.cli.logout import forget

                forget(server.host, server.credential)
                say.warn("that was the token in use here: you are logged out now. To log in: keyturn login")
            else:
                say.warn(f"that was the token in {credentials.VARIABLE}, which has no use any more")
    return 0


def rotate(words: Sequence[str]) -> int:
    """Give one a new token. When it is the one in use here, the new one is stored in its place."""
    parser = Parser(
        "authorizations:rotate",
        "Give an authorization a new token, shown this once. The old one ends, at once or after an overlap.",
        json="print the answer as JSON",
    )
    parser.add_argument("id", metavar="ID", help="as keyturn authorizations shows it; ~ is the account's API key")
    parser.add_argument("--overlap", type=span, metavar=SPAN, help="let the old token go on for so long (default: not)")
    parser.add_argument("--idle", type=span, metavar=SPAN, help="but end it sooner, once it was unused for so long")
    parser.add_argument("-S", "--short", action="store_true", help="print the token alone")
    previews.add_options(parser)
    options = parser.parse(words)
    if options.short and options.json:
        parser.error("give -S or --json, not both")
    if options.idle and not options.overlap:
        parser.error("--idle shortens an overlap: give --overlap as well")
    with Server(options.host) as server:
        server.require_login()
        found = _found(server, options.id)
        if found is None and options.id != "~":
            server.ask("GET", path(options.id))  # says that there is none
        if options.overlap and found is not None and "overlap" not in found:
            # It would pass over what it does not know, and end the old token at once.
            raise KeyturnError(
                f"{server.host.label} cannot rotate with an overlap; nothing was changed",
                f"keyturn authorizations:create --like {options.id}",
            )
        if found is not None and (options.dry_run or not options.overlap):
            event = "key_regenerated" if found.get("kind") == "api_key" else "rotation"
            preview = previews.fetched(server, event, str(found.get("id")))
            if not previews.agreed(server, options, preview, "Rotate it? Its old token ends at once."):
                return 0
        if options.dry_run:
            say.data("Nothing would end: an API key would be made.")
            return 0
        item = _rotate(server, options.id, {"overlap": options.overlap, "idle": options.idle})
        if found is not None and found.get("current") is True:
            _keep_own(server, text(one(item.get("access_token")).get("token")))
    show_new(item, options)
    overlap = item.get("overlap")
    if options.overlap and isinstance(overlap, dict):
        say.note(
            f"The old token goes on until {say.when(overlap.get('ends_at'))}; keyturn authorizations shows who uses it."
        )
    return 0


def _rotate(server: Server, identity: str, asked: dict[str, int | None]) -> dict[str, Any]:
    body = {name: value for name, value in asked.items() if value is not None}
    with say.doing("Rotating OAuth Authorization"):
        return server.ask("POST", path(identity) + "/actions/regenerate-tokens", body or None)


def _found(server: Server, identity: str) -> dict[str, Any] | None:
    try:
        return server.ask("GET", path(identity))
    except NotFound:
        return None


def _keep_own(server: Server, token: str) -> None:
    if not token or server.credential is None:
        return
    if not server.credential.stored:
        say.warn(f"that was the token in {credentials.VARIABLE}; set the variable to the new one")
        return
    try:
        where, entries = credentials.netrc_entries(os.environ)
        machines = credentials.machines_to_remove(entries, server.host, server.credential.token)
        netrc.write(where, machines, server.credential.login, token)
    except netrc.NetrcError as wrong:
        # The new token is about to be printed, so nothing is lost; but here the old one is dead.
        say.warn(f"{StorageFailed(str(wrong))}; the old token in it is dead: keyturn login")
    else:
        say.note("that was the token in use here; the new one is stored in its place")

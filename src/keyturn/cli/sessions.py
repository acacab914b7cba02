"""`keyturn sessions` and `sessions:destroy`: the logins of command lines and browsers."""

from __future__ import annotations

from urllib.parse import quote

from keyturn.cli import previews, say, used
from keyturn.cli.asking import Server
from keyturn.cli.authorizations_shown import ended
from keyturn.cli.options import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def show_all(words: Sequence[str]) -> int:
    """List them, by description."""
    parser = Parser("sessions", "List the logins of command lines and browsers.", json="print as JSON")
    parser.add_argument("-a", "--all", action="store_true", help="those that ended as well: of what, when, by whom")
    options = parser.parse(words)
    with Server(options.host) as server:
        items = server.ask_all("/oauth/sessions" + ("?include=ended" if options.all else ""))
    items.sort(key=lambda item: (bool(item.get("ended_at")), str(item.get("description") or "").casefold()))
    if options.json:
        say.data_json(items)
    elif not items:
        say.data("No OAuth sessions.")
    else:
        dead = [bool(item.get("ended_at")) for item in items]
        rows = [
            (
                f"{item.get('description') or ''}{' (this one)' if item.get('current') is True else ''}",
                item.get("id"),
                item.get("address") or "",
                say.when(item.get("created_at"), ""),
                used.last(item),
                say.when(item.get("expires_at")),
                *((ended(item),) if any(dead) else ()),
            )
            for item in items
        ]
        headings = ("Description", "ID", "Address", "Since", "Last used", "Expires", *(("Ended",) if any(dead) else ()))
        say.table(headings, rows, faint={at for at, is_dead in enumerate(dead) if is_dead})
    return 0


def destroy(words: Sequence[str]) -> int:
    """End one. When it is the one in use here, netrc is cleared too."""
    parser = Parser(
        "sessions:destroy", "End a login: its token works no more.", json="with --dry-run, print it as JSON"
    )
    parser.add_argument("id", metavar="ID", help="as keyturn sessions shows it")
    previews.add_options(parser)
    options = parser.parse(words)
    return end_one(options, options.id, f"Destroying {options.id}")


def end_one(options: argparse.Namespace, identity: str, doing: str) -> int:
    """End the login ``identity``, once that is agreed to."""
    from keyturn.client.errors import NotFound

    with Server(options.host) as server:
        server.require_login()
        known = True
        preview = None
        if options.dry_run or not options.yes:
            try:
                about = {} if identity == "~" else {"id": identity}
                preview = previews.fetch(server, "logout", **about)
            except NotFound as missing:
                if missing.resource and options.dry_run:
                    raise
                known = not missing.resource  # the deed itself will say that there is no such login
        if known and not previews.agreed(server, options, preview, "End it?"):
            return 0
        with say.doing(doing):
            gone = server.ask("DELETE", f"/oauth/sessions/{quote(identity, safe='~')}")
        own = gone.get("current") is True or identity == "~"
        if own and server.credential is not None and server.credential.stored:
            from keyturn.cli.logout import forget

            forget(server.host, server.credential)
            say.warn("that was this machine's login: you are logged out now. To log in: keyturn login")
    return 0

"""`keyturn sessions` and `sessions:destroy`: the logins of command lines and browsers."""

from __future__ import annotations

from urllib.parse import quote

from keyturn.cli import say
from keyturn.cli.asking import Server
from keyturn.cli.options import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def show_all(words: Sequence[str]) -> int:
    """List them, by description."""
    options = Parser("sessions", "List the logins of command lines and browsers.", json="print as JSON").parse(words)
    with Server(options.host) as server:
        items = server.ask_all("/oauth/sessions")
    items.sort(key=lambda item: str(item.get("description") or "").casefold())
    if options.json:
        say.data_json(items)
    elif not items:
        say.data("No OAuth sessions.")
    else:
        rows = [
            (
                f"{item.get('description') or ''}{' (this one)' if item.get('current') is True else ''}",
                item.get("id"),
                item.get("address") or "",
                say.when(item.get("created_at"), ""),
                say.when(item.get("expires_at")),
            )
            for item in items
        ]
        say.table(("Description", "ID", "Address", "Since", "Expires"), rows)
    return 0


def destroy(words: Sequence[str]) -> int:
    """End one. When it is the one in use here, netrc is cleared too."""
    parser = Parser("sessions:destroy", "End a login: its token works no more.")
    parser.add_argument("id", metavar="ID", help="as keyturn sessions shows it")
    options = parser.parse(words)
    with Server(options.host) as server:
        server.require_login()
        with say.doing(f"Destroying {options.id}"):
            ended = server.ask("DELETE", f"/oauth/sessions/{quote(options.id, safe='~')}")
        own = ended.get("current") is True or options.id == "~"
        if own and server.credential is not None and server.credential.stored:
            from keyturn.cli.logout import forget

            forget(server.host, server.credential)
            say.warn("that was this machine's login: you are logged out now. To log in: keyturn login")
    return 0

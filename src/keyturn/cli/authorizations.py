"""`keyturn authorizations` and its verbs: the account's tokens. What ends some is authorizations_end.py."""

from __future__ import annotations

from keyturn.cli import say
from keyturn.cli.asking import Server
from keyturn.cli.authorizations_shown import path, show, show_list, show_new
from keyturn.cli.failures import UsageError
from keyturn.cli.options import SPAN, Parser, names, span_or_never

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def show_all(words: Sequence[str]) -> int:
    """List them, by description."""
    parser = Parser(
        "authorizations",
        "List the account's tokens: logins, the API key, and those made for something.",
        json="print as JSON",
    )
    parser.add_argument("-a", "--all", action="store_true", help="those that ended as well: of what, when, by whom")
    options = parser.parse(words)
    with Server(options.host) as server:
        items = server.ask_all("/oauth/authorizations" + ("?include=ended" if options.all else ""))
    items.sort(key=lambda item: (bool(item.get("ended_at")), str(item.get("description") or "").casefold()))
    if options.json:
        say.data_json(items)
    elif not items:
        say.data("No OAuth authorizations.")
    else:
        show_list(items)
    return 0


def create(words: Sequence[str]) -> int:
    """Make one; its token is shown this once."""
    parser = Parser(
        "authorizations:create",
        "Make a token of its own, for production or for a tool. It is shown this once.",
        json="print the answer as JSON",
        epilog="examples:\n  keyturn authorizations:create -d 'backup job' -s read -e 30d\n"
        "  keyturn authorizations:create --like ID",
    )
    parser.add_argument("-d", "--description", metavar="TEXT", help="what it is for")
    parser.add_argument(
        "-s",
        "--scope",
        type=names,
        metavar="A,B",
        help="global, identity, read, write, read-protected, write-protected (default: global)",
    )
    parser.add_argument(
        "-e",
        "--expires-in",
        type=span_or_never,
        metavar=f"{SPAN}|never",
        help="when it ends by itself (default: never)",
    )
    parser.add_argument(
        "--like", metavar="ID", help="as this one, alive or dead: its description, scope and span of life"
    )
    parser.add_argument("-S", "--short", action="store_true", help="print the token alone")
    options = parser.parse(words)
    if options.short and options.json:
        parser.error("give -S or --json, not both")
    given = {"description": options.description, "scope": options.scope, "expires_in": options.expires_in}
    body = {name: value for name, value in given.items() if value is not None}
    with Server(options.host) as server:
        server.require_login()
        if options.like is not None:
            body = _like(server.ask("GET", path(options.like) + "?include=ended")) | body
        if body.get("expires_in") == 0:
            body["expires_in"] = None
        with say.doing("Creating OAuth Authorization"):
            made = server.ask("POST", "/oauth/authorizations", body)
    show_new(made, options)
    if options.short and made.get("life"):
        say.note(f"This token {made['life']}")
    return 0


def _like(item: Mapping[str, Any]) -> dict[str, Any]:
    """What to ask for, to get one such."""
    from datetime import datetime

    body = {"description": item.get("description") or None, "scope": item.get("scope"), "expires_in": None}
    try:
        made, end = (datetime.fromisoformat(str(item[name])) for name in ("created_at", "expires_at") if item.get(name))
        body["expires_in"] = max(1, round((end - made).total_seconds()))
    except (KeyError, ValueError):
        pass  # it never expires
    return {name: value for name, value in body.items() if value is not None}


def info(words: Sequence[str]) -> int:
    """Show one."""
    parser = Parser("authorizations:info", "Show one token's particulars, and who uses it.", json="print as JSON")
    parser.add_argument("id", metavar="ID", help="as keyturn authorizations shows it; ~ is the account's API key")
    options = parser.parse(words)
    with Server(options.host) as server:
        item = server.ask("GET", path(options.id) + "?include=ended")
    if options.json:
        say.data_json(item)
    else:
        show(item)
    return 0


def update(words: Sequence[str]) -> int:
    """Describe one otherwise, or let it end at another time."""
    parser = Parser(
        "authorizations:update",
        "Describe a token otherwise, or let it end sooner or later, within the policy.",
        json="print the answer as JSON",
    )
    parser.add_argument("id", metavar="ID", help="as keyturn authorizations shows it")
    parser.add_argument("-d", "--description", metavar="TEXT", help="what it is for")
    parser.add_argument(
        "-e", "--expires-in", type=span_or_never, metavar=f"{SPAN}|never", help="when it ends, counted from now"
    )
    options = parser.parse(words)
    changes: dict[str, Any] = {}
    if options.description is not None:
        changes["description"] = options.description
    if options.expires_in is not None:
        changes["expires_in"] = options.expires_in or None
    if not changes:
        raise UsageError("there is nothing to change", f"keyturn authorizations:update {options.id} --description TEXT")
    with Server(options.host) as server:
        server.require_login()
        with say.doing("Updating OAuth Authorization"):
            item = server.ask("PATCH", path(options.id), changes)
        if "expires_in" in changes and "life" not in item:
            say.warn(f"{server.host.label} may not have changed the expiry: see below")
    if options.json:
        say.data_json(item)
    else:
        show(item)
    if "expires_in" in changes and item.get("life"):
        say.note(f"It {item['life']}")
    return 0

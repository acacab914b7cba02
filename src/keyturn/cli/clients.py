"""`keyturn clients` and its verbs: the OAuth clients that the account has registered."""

from __future__ import annotations

import shlex
from urllib.parse import quote

from keyturn.cli import previews, say
from keyturn.cli.asking import Server
from keyturn.cli.failures import UsageError
from keyturn.cli.options import Parser
from keyturn.client.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any


def show_all(words: Sequence[str]) -> int:
    """List them, by name."""
    options = Parser("clients", "List the account's OAuth clients.", json="print as JSON").parse(words)
    with Server(options.host) as server:
        items = server.ask_all("/oauth/clients")
    items.sort(key=lambda item: str(item.get("name") or "").casefold())
    if options.json:
        say.data_json(items)
    elif not items:
        say.data("No OAuth clients.")
    else:
        rows = [(item.get("name") or "", item.get("id"), item.get("redirect_uri") or "") for item in items]
        say.table(("Name", "ID", "Redirect URI"), rows)
    return 0


def create(words: Sequence[str]) -> int:
    """Register one; its secret is shown this once."""
    parser = Parser(
        "clients:create",
        "Register an OAuth client. Its secret is shown this once.",
        json="print the answer as JSON",
        epilog="example:\n  keyturn clients:create 'Status board' https://status.example.com/callback",
    )
    parser.add_argument("name", metavar="NAME", help="what people are asked to let in")
    parser.add_argument("redirect_uri", metavar="URI", help="where people come back to: https, or this machine")
    parser.add_argument("-s", "--shell", action="store_true", help="print shell assignments alone")
    options = _parse(parser, words)
    with Server(options.host) as server:
        server.require_login()
        with say.doing(f"Creating {options.name}"):
            made = server.ask("POST", "/oauth/clients", {"name": options.name, "redirect_uri": options.redirect_uri})
    _show_secret(made, options)
    return 0


def info(words: Sequence[str]) -> int:
    """Show one."""
    parser = _of_one("clients:info", "Show one OAuth client. Its secret is told only when it is made.", "print as JSON")
    options = parser.parse(words)
    with Server(options.host) as server:
        item = server.ask("GET", _path(options.id))
    if options.json:
        say.data_json(item)
    else:
        _show(item)
    return 0


def update(words: Sequence[str]) -> int:
    """Change its name or where people come back to."""
    parser = _of_one("clients:update", "Change an OAuth client's name or address.", "print the answer as JSON")
    parser.add_argument("-n", "--name", metavar="NAME", help="what people are asked to let in")
    parser.add_argument("--url", metavar="URI", help="where people come back to")
    options = parser.parse(words)
    changes = {"name": options.name, "redirect_uri": options.url}
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes:
        raise UsageError("there is nothing to change", "keyturn clients:update ID --name NAME --url URI")
    with Server(options.host) as server:
        server.require_login()
        with say.doing(f"Updating {options.id}"):
            item = server.ask("PATCH", _path(options.id), changes)
    if options.json:
        say.data_json(item)
    else:
        _show(item)
    return 0


def rotate(words: Sequence[str]) -> int:
    """Give one a new secret, shown this once."""
    parser = _of_one(
        "clients:rotate",
        "Give an OAuth client a new secret, shown this once. The old secret ends; tokens live on.",
        "print the answer as JSON",
    )
    parser.add_argument("-s", "--shell", action="store_true", help="print shell assignments alone")
    options = _parse(parser, words)
    with Server(options.host) as server:
        server.require_login()
        with say.doing(f"Updating {options.id}"):
            item = server.ask("POST", _path(options.id) + "/actions/rotate-credentials")
    _show_secret(item, options)
    return 0


def destroy(words: Sequence[str]) -> int:
    """Remove one, once it is known what ends with it."""
    parser = _of_one(
        "clients:destroy", "Remove an OAuth client: every token it was given ends.", "with --dry-run, print it as JSON"
    )
    previews.add_options(parser)
    options = parser.parse(words)
    with Server(options.host) as server:
        server.require_login()
        if (options.dry_run or not options.yes) and not previews.agreed(
            server, options, _preview(server, options.id), "Remove the client, and end all that?"
        ):
            return 0
        with say.doing(f"Destroying {options.id}"):
            server.ask("DELETE", _path(options.id))
    return 0


def _preview(server: Server, identity: str) -> dict[str, Any] | None:
    """None where the server has no previews; such a one would take ``dry_run`` for the deed, so it is found out first."""
    if not previews.are_known(server):
        return None
    try:
        return server.ask("DELETE", _path(identity) + "?dry_run=true")
    except NotFound as missing:
        missing.next = missing.next or "keyturn clients"
        raise


def _of_one(command: str, about: str, json: str) -> Parser:
    parser = Parser(command, about, json=json)
    parser.add_argument("id", metavar="ID", help="as keyturn clients shows it")
    return parser


def _parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    options = parser.parse(words)
    if options.shell and options.json:
        parser.error("give -s or --json, not both")
    return options


def _show_secret(item: Mapping[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        say.data_json(item)
        return
    say.data(f"HEROKU_OAUTH_ID={shlex.quote(str(item.get('id')))}")
    say.data(f"HEROKU_OAUTH_SECRET={shlex.quote(str(item.get('secret')))}")
    if not options.shell:
        say.note("The secret is not shown again; keep it where the client runs.")


def _show(item: Mapping[str, Any]) -> None:
    pairs = [
        ("Name", item.get("name")),
        ("ID", item.get("id")),
        ("Redirect URI", item.get("redirect_uri")),
        ("Created at", say.when(item.get("created_at"), "")),
        ("Updated at", say.when(item.get("updated_at"), "")),
    ]
    say.particulars([(name, value) for name, value in pairs if value])


def _path(identity: str) -> str:
    return f"/oauth/clients/{quote(identity, safe='')}"

"""`keyturn authorizations` and its verbs: the account's tokens."""

from __future__ import annotations

import os
from urllib.parse import quote

from keyturn.cli import say
from keyturn.cli.asking import Server
from keyturn.cli.failures import UsageError
from keyturn.cli.options import Parser, names, positive
from keyturn.client import credentials, netrc
from keyturn.client.errors import NotFound, StorageFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any


def show_all(words: Sequence[str]) -> int:
    """List them, by description."""
    options = Parser(
        "authorizations",
        "List the account's tokens: logins, the API key, and those made for something.",
        json="print as JSON",
    ).parse(words)
    with Server(options.host) as server:
        items = server.ask_all("/oauth/authorizations")
    items.sort(key=lambda item: str(item.get("description") or "").casefold())
    if options.json:
        say.data_json(items)
    elif not items:
        say.data("No OAuth authorizations.")
    else:
        rows = [
            (
                item.get("description") or "",
                item.get("id"),
                _scope(item),
                (item.get("kind") or "").replace("_", " "),
                _expires(item),
            )
            for item in items
        ]
        say.table(("Description", "ID", "Scope", "Kind", "Expires"), rows)
    return 0


def create(words: Sequence[str]) -> int:
    """Make one; its token is shown this once."""
    parser = Parser(
        "authorizations:create",
        "Make a token of its own, for production or for a tool. It is shown this once.",
        json="print the answer as JSON",
        epilog="example:\n  keyturn authorizations:create -d 'backup job' -s read -e 2592000",
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
        "-e", "--expires-in", type=positive, metavar="SECONDS", help="when it ends by itself (default: never)"
    )
    parser.add_argument("-S", "--short", action="store_true", help="print the token alone")
    options = parser.parse(words)
    if options.short and options.json:
        parser.error("give -S or --json, not both")
    given = {"description": options.description, "scope": options.scope, "expires_in": options.expires_in}
    body = {name: value for name, value in given.items() if value is not None}
    with Server(options.host) as server:
        server.require_login()
        with say.doing("Creating OAuth Authorization"):
            made = server.ask("POST", "/oauth/authorizations", body)
    _show_new(made, options)
    return 0


def info(words: Sequence[str]) -> int:
    """Show one."""
    options = _of_one("authorizations:info", "Show one token's particulars.", words, json=True)
    with Server(options.host) as server:
        item = server.ask("GET", _path(options.id))
    if options.json:
        say.data_json(item)
    else:
        _show(item)
    return 0


def update(words: Sequence[str]) -> int:
    """Describe one otherwise."""
    parser = Parser("authorizations:update", "Describe a token otherwise.", json="print the answer as JSON")
    parser.add_argument("id", metavar="ID", help="as keyturn authorizations shows it")
    parser.add_argument("-d", "--description", metavar="TEXT", help="what it is for")
    options = parser.parse(words)
    if options.description is None:
        raise UsageError("there is nothing to change", f"keyturn authorizations:update {options.id} --description TEXT")
    with Server(options.host) as server:
        server.require_login()
        with say.doing("Updating OAuth Authorization"):
            item = server.ask("PATCH", _path(options.id), {"description": options.description})
    if options.json:
        say.data_json(item)
    else:
        _show(item)
    return 0


def rotate(words: Sequence[str]) -> int:
    """Give one a new token. When it is the one in use here, the new one is stored in its place."""
    parser = Parser(
        "authorizations:rotate",
        "Give an authorization a new token, shown this once. The old one ends.",
        json="print the answer as JSON",
    )
    parser.add_argument("id", metavar="ID", help="as keyturn authorizations shows it; ~ is the account's API key")
    parser.add_argument("-S", "--short", action="store_true", help="print the token alone")
    options = parser.parse(words)
    if options.short and options.json:
        parser.error("give -S or --json, not both")
    with Server(options.host) as server:
        server.require_login()
        own = _is_own(server, options.id)
        with say.doing("Rotating OAuth Authorization"):
            item = server.ask("POST", _path(options.id) + "/actions/regenerate-tokens")
        if own:
            _keep_own(server, str((item.get("access_token") or {}).get("token") or ""))
    _show_new(item, options)
    return 0


def revoke(words: Sequence[str]) -> int:
    """End one."""
    options = _of_one("authorizations:revoke", "End a token at once.", words, json=False)
    with Server(options.host) as server:
        server.require_login()
        with say.doing("Revoking OAuth Authorization") as outcome:
            item = server.ask("DELETE", _path(options.id))
            outcome.append(f"done, revoked authorization from {item.get('description') or options.id}")
        if item.get("current") is True and server.credential is not None:
            if server.credential.stored:
                from keyturn.cli.logout import forget

                forget(server.host, server.credential)
                say.warn("that was the token in use here: you are logged out now. To log in: keyturn login")
            else:
                say.warn(f"that was the token in {credentials.VARIABLE}, which has no use any more")
    return 0


def _of_one(command: str, about: str, words: Sequence[str], *, json: bool) -> argparse.Namespace:
    parser = Parser(command, about, json="print as JSON" if json else None)
    parser.add_argument("id", metavar="ID", help="as keyturn authorizations shows it; ~ is the account's API key")
    return parser.parse(words)


def _is_own(server: Server, identity: str) -> bool:
    try:
        return server.ask("GET", _path(identity)).get("current") is True
    except NotFound:
        if identity == "~":
            return False  # rotating makes the API key when there is none
        raise


def _keep_own(server: Server, token: str) -> None:
    if not token or server.credential is None:
        return
    if not server.credential.stored:
        say.warn(f"that was the token in {credentials.VARIABLE}; set the variable to the new one")
        return
    try:
        path, entries = credentials.netrc_entries(os.environ)
        machines = credentials.machines_to_remove(entries, server.host, server.credential.token)
        netrc.write(path, machines, server.credential.login, token)
    except netrc.NetrcError as wrong:
        # The new token is about to be printed, so nothing is lost; but here the old one is dead.
        say.warn(f"{StorageFailed(str(wrong))}; the old token in it is dead: keyturn login")
    else:
        say.note("that was the token in use here; the new one is stored in its place")


def _show_new(item: Mapping[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        say.data_json(item)
    elif options.short:
        say.data((item.get("access_token") or {}).get("token") or "")
    else:
        _show(item)
        say.note("The token is not shown again; keep it where it is used.")


def _show(item: Mapping[str, Any]) -> None:
    client = item.get("client") or {}
    pairs = [
        ("Client", client.get("name") or "<none>"),
        ("ID", item.get("id")),
        ("Description", item.get("description") or ""),
        ("Scope", _scope(item)),
        ("Kind", str(item.get("kind") or "").replace("_", " ")),
        ("Token", (item.get("access_token") or {}).get("token") or ""),
        ("Expires at", _expires(item)),
        ("Updated at", say.when(item.get("updated_at"), "")),
        ("Life", item.get("life") or ""),
    ]
    if client.get("redirect_uri"):
        pairs.insert(1, ("Redirect URI", client["redirect_uri"]))
    say.particulars([(name, value) for name, value in pairs if value])


def _scope(item: Mapping[str, Any]) -> str:
    return ",".join(str(name) for name in item.get("scope") or ())


def _expires(item: Mapping[str, Any]) -> str:
    if "expires_at" in item:
        return say.when(item["expires_at"])
    left = (item.get("access_token") or {}).get("expires_in")
    if not isinstance(left, int):
        return "never"
    import time

    return say.moment(time.time() + left).removeprefix("on ")


def _path(identity: str) -> str:
    return f"/oauth/authorizations/{quote(identity, safe='~')}"

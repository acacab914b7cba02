"""`keyturn access` and its verbs: who may do what with an app."""

from __future__ import annotations

from urllib.parse import quote

from keyturn.cli import app_named, say
from keyturn.cli.asking import Server
from keyturn.cli.options import Parser, names
from keyturn.client.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

_KNOWN = ("view", "deploy", "operate", "manage")
PERMISSIONS = f"{', '.join(_KNOWN)}; each has those before it"


def show_all(words: Sequence[str]) -> int:
    """List who may do what with an app."""
    options = _parse(_of_an_app("access", "List who may do what with an app.", "print as JSON"), words)
    with Server(options.host) as server:
        name = app_named.chosen(options, server.host)
        items = app_named.ask_all(server, name, "collaborators")
    if options.json:
        say.data_json(items)
    else:
        rows = [(_email(item), item.get("role"), ", ".join(_permissions(item))) for item in items]
        say.table(("Email", "Role", "Permissions"), sorted(rows, key=lambda row: (row[1] != "owner", row[0])))
    return 0


def add(words: Sequence[str]) -> int:
    """Let somebody use an app."""
    parser = _of_an_app("access:add", "Let somebody who has an account use an app.", "print the answer as JSON")
    parser.add_argument("email", metavar="EMAIL")
    parser.add_argument(
        "-p", "--permissions", type=permissions, metavar="NAMES", help=f"{PERMISSIONS} (default: view,deploy,operate)"
    )
    options = _parse(parser, words)
    body: dict[str, Any] = {"user": options.email}
    if options.permissions:
        body["permissions"] = options.permissions
    with Server(options.host) as server:
        server.require_login()
        name = app_named.chosen(options, server.host)
        try:
            with say.doing(f"Adding {options.email} access to the app {name}"):
                item = app_named.ask(server, "POST", name, "collaborators", body=body)
        except Invalid as refused:
            refused.next = refused.next or _instead(server, name, options)
            raise
    _done(item, options)
    return 0


def _instead(server: Server, name: str, options: argparse.Namespace) -> str | None:
    """What to type where somebody has access already; None: that is not why."""
    members = app_named.ask_all(server, name, "collaborators")
    have = [each for each in members if _email(each).casefold() == options.email.casefold()]
    if not have or have[0].get("role") == "owner":
        return None
    wanted = ",".join(options.permissions or _permissions(have[0]))
    return f"keyturn access:update {options.email} -a {name} -p {wanted}"


def permissions(text: str) -> list[str]:
    """Names of permissions, separated by commas or spaces."""
    import argparse

    found = names(text)
    wrong = [name for name in found if name not in _KNOWN]
    if wrong or not found:
        raise argparse.ArgumentTypeError(
            f"{(wrong or [text])[0][:40]!r} is no permission; they are {', '.join(_KNOWN)}"
        )
    return found


def update(words: Sequence[str]) -> int:
    """Let somebody do more or less."""
    parser = _of_an_app("access:update", "Change what somebody may do with an app.", "print the answer as JSON")
    parser.add_argument("email", metavar="EMAIL")
    parser.add_argument("-p", "--permissions", type=permissions, metavar="NAMES", required=True, help=PERMISSIONS)
    options = _parse(parser, words)
    with Server(options.host) as server:
        server.require_login()
        name = app_named.chosen(options, server.host)
        with say.doing(f"Updating {options.email} in the app {name}"):
            item = app_named.ask(
                server, "PATCH", name, "collaborators", _named(options.email), body={"permissions": options.permissions}
            )
    _done(item, options)
    return 0


def remove(words: Sequence[str]) -> int:
    """Take somebody's access away, or give up one's own."""
    parser = _of_an_app(
        "access:remove", "Take somebody's access to an app away; ~ gives up your own.", "print what it was as JSON"
    )
    parser.add_argument("email", metavar="EMAIL")
    options = _parse(parser, words)
    with Server(options.host) as server:
        server.require_login()
        name = app_named.chosen(options, server.host)
        with say.doing(f"Removing {options.email} access from the app {name}"):
            item = app_named.ask(server, "DELETE", name, "collaborators", _named(options.email))
    if options.json:
        say.data_json(item)
    return 0


def _of_an_app(command: str, about: str, json: str) -> Parser:
    parser = Parser(command, about, json=json)
    app_named.add_options(parser)
    return parser


def _parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    options = parser.parse(words)
    options.command = parser.command
    return options


def _named(email: str) -> str:
    return quote(email, safe="~")


def _done(item: Mapping[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        say.data_json(item)
    else:
        say.note(f"{_email(item)} may {', '.join(_permissions(item))}")


def _email(item: Mapping[str, Any]) -> str:
    return str((item.get("user") or {}).get("email") or "")


def _permissions(item: Mapping[str, Any]) -> list[str]:
    return [str(each.get("name")) for each in item.get("permissions") or [] if isinstance(each, dict)]

"""`keyturn apps` and its verbs: what is pushed to."""

from __future__ import annotations

from urllib.parse import quote

from keyturn.cli import app_named, say
from keyturn.cli.asking import Server
from keyturn.cli.failures import Cancelled, UsageError
from keyturn.cli.options import Parser
from keyturn.client.errors import Invalid, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def show_all(words: Sequence[str]) -> int:
    """List those that one owns or may use."""
    options = Parser("apps", "List the apps that you own or may use.", json="print as JSON").parse(words)
    with Server(options.host) as server:
        items = server.ask_all("/apps")
    items.sort(key=lambda item: str(item.get("name")))
    if options.json:
        say.data_json(items)
    elif not items:
        say.data("No apps.")
        say.note("to make one: keyturn apps:create NAME")
    else:
        rows = [
            (
                item.get("name"),
                _owner(item),
                ", ".join(item.get("permissions") or []),
                say.when(item.get("released_at")),
            )
            for item in items
        ]
        say.table(("Name", "Owner", "You may", "Last push"), rows)
    return 0


def create(words: Sequence[str]) -> int:
    """Make one, and let this folder's git push to it."""
    parser = Parser(
        "apps:create", "Make an app, and add it as a git remote of this folder.", json="print the answer as JSON"
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="3 to 30 small letters, digits and dashes (default: one is made up)"
    )
    parser.add_argument(
        "-r",
        "--remote",
        default=app_named.REMOTE,
        metavar="REMOTE",
        help=f"what git is to call it (default: {app_named.REMOTE})",
    )
    parser.add_argument("-n", "--no-remote", action="store_true", help="leave git alone")
    options = parser.parse(words)
    asked = {"name": app_named.checked(options.name, next="keyturn apps:create NAME")} if options.name else {}
    with Server(options.host) as server:
        server.require_login()
        try:
            with say.doing(f"Creating {options.name or 'an app'}"):
                made = server.ask("POST", "/apps", asked)
        except Invalid as refused:
            if refused.field == "name" and options.name:
                refused.next = refused.next or "keyturn apps:create ANOTHERNAME"
            raise
    from keyturn.cli import git_remote

    added = None if options.no_remote else git_remote.offer(server.host, str(made.get("name")), options.remote)
    if options.json:
        say.data_json(made)
        return 0
    say.data(f"{made.get('name')} | {made.get('git_url')}")
    if added:
        say.note(f"git remote {added} set; to push: git push {added} {git_remote.branch()}")
    elif not options.no_remote:
        say.note(f"to push from a repository: keyturn git:remote -a {made.get('name')}")
    return 0


def info(words: Sequence[str]) -> int:
    """Show one."""
    parser = Parser("apps:info", "Show one app.", json="print as JSON")
    app_named.add_options(parser)
    app_named.add_positional(parser)
    options = parser.parse(words)
    app_named.named_once(options, "apps:info")
    with Server(options.host) as server:
        name = app_named.chosen(options, server.host)
        item = app_named.ask(server, "GET", name)
        members = app_named.ask_all(server, name, "collaborators")
    if options.json:
        say.data_json(item | {"collaborators": members})
    else:
        _show(item, members)
    return 0


def rename(words: Sequence[str]) -> int:
    """Another name; remotes of this folder follow."""
    parser = Parser(
        "apps:rename", "Give an app another name. Remotes of this folder follow it.", json="print the answer as JSON"
    )
    parser.add_argument("name", metavar="NEWNAME")
    app_named.add_options(parser)
    options = parser.parse(words)
    options.command = "apps:rename"
    wanted = app_named.checked(options.name, next="keyturn apps:rename NAME")
    with Server(options.host) as server:
        server.require_login()
        name = app_named.chosen(options, server.host)
        with say.doing(f"Renaming {name} to {wanted}"):
            item = app_named.ask(server, "PATCH", name, body={"name": wanted})
    from keyturn.cli import git_remote

    for remote, (app, url) in app_named.remotes(server.host).items():
        if app == name:
            git_remote.point(remote, git_remote.renamed(url, name, wanted))
            say.note(f"git remote {remote} follows")
    if options.json:
        say.data_json(item)
    else:
        say.data(f"{item.get('name')} | {item.get('git_url')}")
    return 0


def destroy(words: Sequence[str]) -> int:
    """End one, with its repository, once its name was typed."""
    parser = Parser("apps:destroy", "Destroy an app and its repository, for good.", json="print what it was as JSON")
    app_named.add_options(parser)
    app_named.add_positional(parser)
    parser.add_argument("-c", "--confirm", metavar="APP", help="the name once more, instead of the question")
    options = parser.parse(words)
    app_named.named_once(options, "apps:destroy")
    with Server(options.host) as server:
        server.require_login()
        name = app_named.chosen(options, server.host)
        name = str(app_named.ask(server, "GET", name).get("name"))  # before anybody types it in vain
        _confirm(name, options.confirm)
        with say.doing(f"Destroying {name}"):
            item = app_named.ask(server, "DELETE", name)
    for remote, (app, _) in app_named.remotes(server.host).items():
        if app == name:
            say.note(f"git remote {remote} leads nowhere now; to remove it: git remote remove {remote}")
    if options.json:
        say.data_json(item)
    return 0


def _confirm(name: str, given: str | None) -> None:
    from keyturn.cli import terminal

    if given is None:
        if not terminal.is_interactive():
            raise UsageError(
                f"destroying {name} takes its name once more", f"keyturn apps:destroy -a {name} --confirm {name}"
            )
        say.warn(f"this destroys {name} with its repository and all that was pushed; it cannot be brought back")
        given = terminal.ask(f"To go on, type {name}: ")
    if given != name:
        raise Cancelled(f"that is not {name}; nothing was destroyed", f"keyturn apps:destroy -a {name}")


def _show(item: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> None:
    others = [
        str((each.get("user") or {}).get("email")) + f" ({', '.join(_names(each))})"
        for each in members
        if each.get("role") != "owner"
    ]
    size = item.get("repo_size")
    pairs = [
        ("Name", item.get("name")),
        ("ID", item.get("id")),
        ("Owner", _owner(item)),
        ("You may", ", ".join(item.get("permissions") or [])),
        ("Git", item.get("git_url")),
        ("Git over SSH", item.get("ssh_url")),
        ("Repository", f"{size:,} bytes" if isinstance(size, int) else None),
        ("Last push", say.when(item.get("released_at"))),
        ("Created at", say.when(item.get("created_at"), "")),
        ("Collaborators", "\n".join(others)),
    ]
    say.particulars([(name, value) for name, value in pairs if value])


def _owner(item: Mapping[str, Any]) -> str:
    return str((item.get("owner") or {}).get("email") or "")


def _names(member: Mapping[str, Any]) -> list[str]:
    return [str(each.get("name")) for each in member.get("permissions") or [] if isinstance(each, dict)]


# To another owner.


def transfers(words: Sequence[str]) -> int:
    """List the transfers that one began or was offered."""
    options = Parser(
        "apps:transfers", "List transfers of apps that you began or were offered.", json="print as JSON"
    ).parse(words)
    with Server(options.host) as server:
        items = server.ask_all("/account/app-transfers")
    if options.json:
        say.data_json(items)
    elif not items:
        say.data("No transfers.")
    else:
        rows = [
            (
                (item.get("app") or {}).get("name"),
                (item.get("owner") or {}).get("email"),
                (item.get("recipient") or {}).get("email"),
                item.get("state"),
            )
            for item in items
        ]
        say.table(("App", "From", "To", "State"), rows)
    return 0


def transfer(words: Sequence[str]) -> int:
    """Offer one to somebody else."""
    parser = Parser(
        "apps:transfer", "Offer an app to another owner, who then accepts it.", json="print the answer as JSON"
    )
    parser.add_argument("recipient", metavar="EMAIL")
    app_named.add_options(parser)
    options = parser.parse(words)
    options.command = "apps:transfer"
    with Server(options.host) as server:
        server.require_login()
        name = app_named.chosen(options, server.host)
        with say.doing(f"Offering {name} to {options.recipient}"):
            try:
                item = server.ask("POST", "/account/app-transfers", {"app": name, "recipient": options.recipient})
            except NotFound as missing:
                missing.next = missing.next or "keyturn apps"
                raise
    if options.json:
        say.data_json(item)
    else:
        say.note(f"{options.recipient} is told; until they accept, nothing changes")
    return 0


def accept(words: Sequence[str]) -> int:
    """Take one that was offered."""
    return _answer(words, "accept", "Take an app that is offered to you.", "Accepting", "accepted")


def decline(words: Sequence[str]) -> int:
    """Do not take one that was offered."""
    return _answer(words, "decline", "Decline an app that is offered to you.", "Declining", "declined")


def cancel(words: Sequence[str]) -> int:
    """Take an offer back."""
    return _answer(words, "cancel", "Take back the offer of an app.", "Cancelling", None)


def _answer(words: Sequence[str], verb: str, about: str, doing: str, state: str | None) -> int:
    parser = Parser(f"apps:transfer:{verb}", about, json="print the answer as JSON")
    parser.add_argument("app", metavar="APP", help="the app, or the transfer's id")
    options = parser.parse(words)
    where = "/account/app-transfers/" + quote(options.app, safe="")
    with Server(options.host) as server:
        server.require_login()
        try:
            with say.doing(f"{doing} the transfer of {options.app}"):
                item = server.ask("PATCH", where, {"state": state}) if state else server.ask("DELETE", where)
        except NotFound as missing:
            missing.next = missing.next or "keyturn apps:transfers"
            raise
    if options.json:
        say.data_json(item)
    return 0

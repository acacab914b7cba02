"""What an event would end: asked of the server, shown, and agreed to before a command goes on."""

from __future__ import annotations

from urllib.parse import urlencode

from keyturn.cli import say, terminal, used
from keyturn.cli.answers import several
from keyturn.cli.failures import Cancelled, UsageError
from keyturn.client.errors import KeyturnError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

    from keyturn.cli.asking import Server
    from keyturn.cli.options import Parser

    Preview = Mapping[str, Any]


def fetch(server: Server, event: str, **about: str) -> dict[str, Any]:
    """The preview of an event, by its name in the API. It is asked for with GET: a server that knows no previews must
    not take the question for the deed. Raises NotFound, with a ``resource`` when the server does know previews.
    """
    return server.ask("GET", "/account/preview?" + urlencode({"event": event, **about}))


def are_known(server: Server) -> bool:
    """Whether the server has previews at all, and so understands ``dry_run``."""
    try:
        fetch(server, "logout_all")
    except NotFound:
        return False
    return True


def cannot(server: Server) -> KeyturnError:
    """The error for a server without previews."""
    return KeyturnError(
        f"{server.host.label} cannot tell beforehand what would end; it may not be a Keyturn server",
        "keyturn authorizations",
    )


def show(preview: Preview, *, told: bool = False, lives: bool = True) -> None:
    """As tables; ``told``: not as data, but for the person who is about to be asked."""
    out = say.line if told else say.data
    ends, living = _items(preview, "ends"), _items(preview, "lives")
    others = preview.get("ends_of_others")
    if ends:
        out(f"{len(ends)} would end:")
        rows = [
            (item.get("description") or "", _kind(item), _because(item), used.last(item), item.get("id"))
            for item in ends
        ]
        say.table(("Description", "Kind", "Reason", "Last used", "ID"), rows, told=told)
    else:
        out("Nothing of yours would end." if others else "Nothing would end.")
    if isinstance(others, dict) and others.get("credentials"):
        count, accounts = others["credentials"], others.get("accounts")
        out(f"{count} more would end, of {accounts} other account{'' if accounts == 1 else 's'}.")
    if lives and living:
        out("")
        out(f"{len(living)} would live on:")
        kept = [(item.get("description") or "", _kind(item), used.last(item), item.get("id")) for item in living]
        say.table(("Description", "Kind", "Last used", "ID"), kept, told=told)


def add_options(parser: Parser) -> None:
    """The options of every command that ends something."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would end, and end nothing")


def fetched(server: Server, event: str, identity: str) -> dict[str, Any] | None:
    """The preview of an event about one credential; None where the server has no previews."""
    try:
        return fetch(server, event, id=identity)
    except NotFound as missing:
        if missing.resource:
            raise
        return None


def agreed(
    server: Server,
    options: argparse.Namespace,
    preview: Preview | None,
    question: str,
    *,
    meant: str | None = None,
) -> bool:
    """Whether to go on; False after ``--dry-run``. Raises Cancelled at a no.

    Where somebody sits at a terminal, what would end is shown and asked about, unless nobody has used it for long.
    Else who still uses it is said, and the command goes on, as scripts expect; unless ``meant`` is given, the command
    line that shows that it is meant (then it also asks in any case).
    """
    if options.dry_run:
        if preview is None:
            raise cannot(server)
        if getattr(options, "json", False):
            say.data_json(preview)
        else:
            show(preview)
        return False
    if options.yes:
        return True
    ends = _items(preview, "ends") if preview is not None else []
    if not terminal.is_interactive():
        if meant:
            raise UsageError("without a terminal to ask at, this must be meant", meant)
        for item in ends:
            for user in used.by_others(item, used.LATELY):
                say.warn(f"the {used.named(item)} was in use: {user}")
        return True
    if preview is None:
        say.warn(f"{server.host.label} does not tell who still uses it")
    elif not meant and not _others_of(preview) and not any(used.by_others(item, used.UNUSED) for item in ends):
        return True
    else:
        show(preview, told=True, lives=False)
        for item in ends:
            for user in used.by_others(item, used.LATELY):
                say.warn(f"still in use: {used.named(item)} by {user}")
    if not terminal.agrees(question, default=False):
        raise Cancelled("nothing was ended")
    return True


def _others_of(preview: Preview) -> bool:
    others = preview.get("ends_of_others")
    return isinstance(others, dict) and bool(others.get("credentials"))


def _items(preview: Preview, name: str) -> Sequence[dict[str, Any]]:
    return several(preview.get(name))


def _kind(item: Mapping[str, Any]) -> str:
    return str(item.get("kind") or "").replace("_", " ") + (" (this one)" if item.get("current") is True else "")


def _because(item: Mapping[str, Any]) -> str:
    reason = str(item.get("ends_because") or "").replace("_", " ")
    return f"{reason}; a new one is made" if item.get("replaced") is True else reason

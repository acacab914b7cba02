"""`keyturn keys`, `keys:remove` and `keys:clear`: the account's SSH keys. Adding one is keys_add.py."""

from __future__ import annotations

from urllib.parse import quote

from keyturn.cli import say, terminal
from keyturn.cli.asking import Server
from keyturn.cli.failures import Cancelled, UsageError
from keyturn.cli.keys_add import refuse_private
from keyturn.cli.options import Parser
from keyturn.client.errors import KeyturnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def show_all(words: Sequence[str]) -> int:
    """List them; ``--long`` shows each whole."""
    parser = Parser("keys", "List the account's SSH keys.", json="print as JSON")
    parser.add_argument("-l", "--long", action="store_true", help="show each key whole")
    options = parser.parse(words)
    with Server(options.host) as server:
        keys = server.ask_all("/account/keys")
    if options.json:
        say.data_json(keys)
    elif not keys:
        say.warn("You have no SSH keys. To add one: keyturn keys:add")
    else:
        say.data(f"=== {keys[0].get('email') or 'your'} keys")
        for key in keys:
            say.data(str(key.get("public_key") or "").strip() if options.long else _with_its_end(key))
    return 0


def remove(words: Sequence[str]) -> int:
    """Remove the one key that is named by its comment, fingerprint or id."""
    refuse_private(" ".join(words))
    parser = Parser("keys:remove", "Remove an SSH key from the account.")
    parser.add_argument("key", metavar="COMMENT|FINGERPRINT|ID")
    options = parser.parse(words)
    with Server(options.host) as server:
        keys = server.ask_all("/account/keys")
        found = [key for key in keys if options.key in (key.get("id"), key.get("fingerprint"))]
        found = found or [key for key in keys if options.key == key.get("comment")]
        if not found:
            have = ", ".join(str(key.get("comment") or key.get("fingerprint")) for key in keys) or "none"
            raise KeyturnError(f"SSH Key {options.key} not found. Found keys: {have}", "keyturn keys")
        if len(found) > 1:
            error = UsageError(f"{len(found)} keys have the comment {options.key}; name one by its fingerprint")
            for key in found:
                error.add_note(f"keyturn keys:remove {key.get('fingerprint')}")
            raise error
        with say.doing(f"Removing {options.key} SSH key"):
            _remove(server, found[0])
    return 0


def clear(words: Sequence[str]) -> int:
    """Remove them all, once that is agreed to."""
    parser = Parser("keys:clear", "Remove all SSH keys from the account.")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would be removed, and remove nothing")
    options = parser.parse(words)
    if not (options.yes or options.dry_run) and not terminal.is_interactive():
        raise UsageError("without a terminal to ask at, this must be meant", "keyturn keys:clear --yes")
    with Server(options.host) as server:
        keys = server.ask_all("/account/keys")
        if not keys:
            say.warn("You have no SSH keys.")
            return 0
        if options.dry_run:
            for key in keys:
                say.data(shortened(key))
            return 0
        if not options.yes:
            for key in keys:
                say.line(say.clean(shortened(key)))
            if not terminal.agrees(
                f"Remove {'this key' if len(keys) == 1 else f'these {len(keys)} keys'}?", default=False
            ):
                raise Cancelled("nothing was removed")
        with say.doing("Removing all SSH keys"):
            for key in keys:
                _remove(server, key)
    return 0


def _remove(server: Server, key: Mapping[str, Any]) -> None:
    server.ask("DELETE", f"/account/keys/{quote(str(key.get('id')), safe='')}")


def _with_its_end(key: Mapping[str, Any]) -> str:
    """The key in short, and when it ends, where it does."""
    end = key.get("expires_at")
    return shortened(key) + (f"  expires {say.when(end)}" if end else "")


def shortened(key: Mapping[str, Any]) -> str:
    """``ssh-ed25519 AAAAC3NzaC...4UoRrhPz1q me@laptop``."""
    kind, material, *_ = [*str(key.get("public_key") or "").split(), "", ""]
    short = f"{material[:10]}...{material[-10:]}" if len(material) > 23 else material
    return f"{kind} {short} {key.get('comment') or ''}".strip()

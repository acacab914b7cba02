"""`keyturn auth:2fa`: two-factor authentication looked at, turned on with an authenticator app, and turned off.

What changes it takes the account's password, asked for at a terminal, and a code where it is on. Passkeys are made in
the browser.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import quote

from keyturn.cli import say, terminal
from keyturn.cli.answers import several, text
from keyturn.cli.asking import Server
from keyturn.cli.failures import Cancelled, UsageError
from keyturn.cli.options import Parser
from keyturn.client.errors import Invalid, KeyturnError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

_PATH: Final = "/account/two-factor"
_TRIES: Final = 3
_INK: Final = "38;5;231;48;5;16"
"""White blocks on black, from the part of the palette that no theme changes: the blocks are the code's light modules."""
_BLOCKS: Final = frozenset(" █▀▄\n")


def show(words: Sequence[str]) -> int:
    """Whether it is on, and by what."""
    parser = Parser(
        "auth:2fa", "Show whether the account has two-factor authentication, and by what.", json="print it as JSON"
    )
    options = parser.parse(words)
    with Server(options.host) as server:
        found = _status(server)
    if options.json:
        say.data_json(found)
        return 0
    say.data(f"Two-factor authentication is {'enabled' if found.get('enabled') is True else 'not enabled'}")
    if found.get("enabled") is not True:
        if found.get("required") is True:
            say.warn("this server asks it of your account")
        say.note("To turn it on: keyturn auth:2fa:enable")
    if found.get("enabled") is not True or "factors" not in found:
        return 0
    left = found.get("recovery_codes_left")
    say.particulars(
        [
            ("Since", say.when(found.get("since"))),
            ("Recovery codes left", left),
            ("Remembered browsers", found.get("remembered_browsers")),
        ]
    )
    rows = [
        (factor.get("name"), _kind(factor), say.when(factor.get("created_at")), say.ago(factor.get("last_used_at")))
        for factor in several(found["factors"])
    ]
    say.data("")
    say.table(("Name", "Kind", "Added", "Last used"), rows)
    if isinstance(left, int) and left < 3:
        say.warn("few recovery codes are left; for new ones: keyturn auth:2fa:recovery")
    return 0


def _kind(factor: dict[str, Any]) -> str:
    return {"totp": "authenticator app"}.get(text(factor.get("kind")), text(factor.get("kind")))


def _status(server: Server) -> dict[str, Any]:
    """What the server tells of it; a plain Heroku-compatible one, only whether it is on."""
    try:
        return server.ask("GET", _PATH)
    except NotFound:
        account = server.ask("GET", "/account")
        return {"enabled": account.get("two_factor_authentication") is True}


def enable(words: Sequence[str]) -> int:
    """Set an authenticator app up; the first one turns it on, and gives the recovery codes."""
    parser = Parser(
        "auth:2fa:enable",
        "Turn two-factor authentication on: show a QR code for an authenticator app, and ask for its first code.\n"
        "Where it is on already, this adds another app. Prints the recovery codes, this once.",
    )
    parser.add_argument("--name", metavar="TEXT", help="what to call the app, such as: my phone")
    options = parser.parse(words)
    _at_a_terminal(parser.command)
    with Server(options.host) as server:
        _known(server)
        asked = {"password": _password()} | ({"name": options.name} if options.name else {})
        begun = server.ask("POST", f"{_PATH}/app", asked)
        _show_key(begun)
        path = f"{_PATH}/app/{quote(text(begun.get('id')), safe='')}/confirm"
        done = _confirmed(server, path, asked["password"])
    codes = done.get("recovery_codes")
    if isinstance(codes, list):
        say.line("Two-factor authentication is enabled: signing in takes a code of the app from now on.")
        _show_codes(codes)
    else:
        say.line("The app is added: its codes are taken from now on.")
    return 0


def _show_key(begun: dict[str, Any]) -> None:
    picture = _picture(text(begun.get("qr")))
    if picture:
        say.line("Scan this with an authenticator app:\n")
        say.line(picture)
    say.line(f"{'Or type' if picture else 'Type'} this key into {'it' if picture else 'an authenticator app'}:\n")
    say.line(f"    {say.clean(begun.get('key'))}\n")


def _picture(blocks: str) -> str:
    """The QR code, where this terminal can show it whole; else nothing."""
    rows = blocks.split("\n")
    encoding = (getattr(sys.stderr, "encoding", None) or "ascii").lower().replace("-", "")
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        width = 80
    if not set(blocks) <= _BLOCKS or not blocks or encoding != "utf8" or (0 < width < max(map(len, rows))):
        return ""
    return "\n".join(say.coloured(row, _INK, sys.stderr) for row in rows if row) + "\n"


def _confirmed(server: Server, path: str, password: str) -> dict[str, Any]:
    for left in reversed(range(_TRIES)):
        code = terminal.ask("The code that the app shows: ")
        try:
            return server.ask("POST", path, {"password": password, "code": code})
        except Invalid as wrong:
            if wrong.field != "code" or not left:
                wrong.next = "keyturn auth:2fa:enable"
                raise
            say.failure(wrong.message)
    raise AssertionError("the last try returns or raises")


def recovery(words: Sequence[str]) -> int:
    """Make new recovery codes, in place of the old ones."""
    parser = Parser(
        "auth:2fa:recovery", "Make new recovery codes, and print them, this once. The old ones work no more."
    )
    options = parser.parse(words)
    _at_a_terminal(parser.command)
    with Server(options.host) as server:
        if _known(server).get("enabled") is not True:
            raise KeyturnError("two-factor authentication is not enabled", "keyturn auth:2fa:enable")
        made = server.ask("POST", f"{_PATH}/recovery-codes", {"password": _password()})
    say.line("The recovery codes before these work no more.")
    codes = made.get("recovery_codes")
    _show_codes(codes if isinstance(codes, list) else [])
    return 0


def _show_codes(codes: list[object]) -> None:
    """On stdout, alone."""
    say.line("Recovery codes. Each signs you in once, in place of a code, when the app is out of reach:\n")
    for code in codes:
        say.data(code)
    sys.stdout.flush()
    say.line("\nThey are not shown again. Keep them where the app is not: printed, or in a password manager.")


def disable(words: Sequence[str]) -> int:
    """Turn it off, once that is agreed to."""
    parser = Parser(
        "auth:2fa:disable",
        "Turn two-factor authentication off: all authenticator apps, passkeys, recovery codes and remembered\n"
        "browsers go, and the password alone signs in.",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask whether it is meant")
    options = parser.parse(words)
    _at_a_terminal(parser.command)
    with Server(options.host) as server:
        found = _known(server)
        if found.get("enabled") is not True:
            say.warn("two-factor authentication is not enabled: there is nothing to turn off")
            return 0
        if found.get("required") is True:
            raise KeyturnError("this server asks your account for a second factor: it stays on", "keyturn auth:2fa")
        if not options.yes:
            count = len(several(found.get("factors")))
            say.line(
                f"The password alone will sign in then: {count} second factor{'' if count == 1 else 's'}, the recovery codes\n"
                "and the remembered browsers go. Tokens and logins go on as they are."
            )
            if not terminal.agrees("Turn two-factor authentication off?", default=False):
                raise Cancelled("nothing was changed: two-factor authentication is on")
        server.ask("DELETE", _PATH, {"password": _password()})
    say.line("Two-factor authentication is off: the password alone signs in.")
    return 0


def _at_a_terminal(command: str) -> None:
    if not terminal.is_interactive():
        raise UsageError(
            f"{command} asks for the password, and there is no terminal to ask at",
            f"run keyturn {command} at a terminal, or use the account's settings in the browser",
        )


def _password() -> str:
    given = terminal.secret("Password: ")
    if not given:
        raise Cancelled("there was no password; nothing was changed")
    return given


def _known(server: Server) -> dict[str, Any]:
    """How it stands. Raises KeyturnError where the server has no such thing for command lines."""
    server.require_login()
    found = _status(server)
    if "factors" not in found:
        raise KeyturnError(
            f"{server.host.label} does not let command lines change two-factor authentication",
            "use its pages in the browser",
        )
    return found

"""Logging in through the browser (docs/api.md): the server gives an address to open, and the token once it is
approved there.
"""

from __future__ import annotations

import os

from keyturn.cli import browser, say, terminal
from keyturn.cli.asking import transport
from keyturn.cli.failures import Cancelled
from keyturn.cli.login import NewLogin, description, new_login
from keyturn.client.errors import KeyturnError, NotFound, Unauthorized
from keyturn.client.hosts import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from keyturn.client.hosts import Host
    from keyturn.client.transport import Transport

_SILENCE: Final = 60.0
"""Seconds without a byte after which the server is given up; it sends white space every 15."""


def obtain(host: Host, expires_in: int | None) -> NewLogin:
    """Have the person approve this login in a browser. Raises Cancelled, KeyturnError."""
    login_host = parse(host.login_url(os.environ))
    asked: dict[str, Any] = {"description": description()}
    if expires_in is not None:
        asked["expires_in"] = expires_in
    with transport(host, None, url=login_host.api_url, timeout=_SILENCE) as connection:
        try:
            begun = connection.request("POST", "/auth", asked).body
        except NotFound as missing:
            raise KeyturnError(f"{login_host.label} offers no login in the browser", "keyturn login -i") from missing
        browser_path, cli_path, poll_token = _checked(begun, login_host)
        _show(login_host.api_url + browser_path)
        with say.doing("keyturn: Waiting for login"):
            said = _collect(connection, cli_path, poll_token)
    return new_login(host, said.get("access_token"), said)


def _show(address: str) -> None:
    """Give the address; where there is a browser and somebody agrees, open it, once it has been printed."""
    opener = browser.opener(os.environ)
    if not (opener and terminal.is_interactive()):
        say.note("To log in, open this address in a browser, on any machine:")
        say.note(address)
        return
    pressed = terminal.key("keyturn: Press any key to open up the browser to login or q to exit: ")
    if pressed in ("q", "Q", "\x1b", "\x04", ""):
        raise Cancelled("login cancelled")
    say.warn("If browser does not open, visit")
    say.note(address)
    browser.launch(opener, address)


def _collect(connection: Transport, path: str, poll_token: str) -> dict[str, Any]:
    try:
        said = connection.request("GET", path, authorization=f"Bearer {poll_token}").body
    except (NotFound, Unauthorized) as gone:
        raise KeyturnError(f"this login is over: {gone.message}", "keyturn login") from gone
    if not isinstance(said, dict):
        raise KeyturnError("the server ended the login without a word", "keyturn login")
    if said.get("error"):  # in one sentence with what to do next, for clients that show nothing else
        message, _, following = str(said["error"]).partition(" Next: ")
        raise KeyturnError(message, str(said.get("next") or following or "keyturn login"))
    return said


def _checked(begun: object, login_host: Host) -> tuple[str, str, str]:
    """The three things of the answer. The addresses must be paths on that very server: one of them is opened here."""
    if isinstance(begun, dict):
        browser_path, cli_path, poll_token = (begun.get(name) for name in ("browser_url", "cli_url", "token"))
        if isinstance(browser_path, str) and isinstance(cli_path, str) and isinstance(poll_token, str):
            paths = (browser_path, cli_path)
            # The characters of RFC 3986 alone, so that no shell and no terminal on the way makes anything else of them.
            if all(
                path.startswith("/") and not path.startswith("//") and _is_plain(path) for path in paths
            ) and _is_plain(poll_token):
                return browser_path, cli_path, poll_token
    raise KeyturnError(f"{login_host.label} did not answer as a login server does", "keyturn login -i")


def _is_plain(text: str) -> bool:
    return text.isascii() and all(character.isalnum() or character in "-._~/?=&%+:" for character in text)

"""Logging in with e-mail and password: asked for at the terminal without echo, or read from two lines of input; never
from argv.
"""

from __future__ import annotations

import os
import sys

from keyturn.cli import say, terminal
from keyturn.cli.asking import transport, with_second_factor
from keyturn.cli.failures import Cancelled
from keyturn.cli.login import NewLogin, description, new_login
from keyturn.client import state
from keyturn.client.errors import ConnectionFailed, KeyturnError
from keyturn.client.transport import basic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from keyturn.client.hosts import Host
    from keyturn.client.transport import Transport


def obtain(host: Host, expires_in: int | None) -> NewLogin:
    """Trade e-mail and password for a token. Raises Cancelled, KeyturnError."""
    known = state.read(os.environ).logins.get(host.text)
    email, password = _from_terminal(known.email if known else "") if terminal.is_interactive() else _from_input()
    if ":" in email or not email:
        raise KeyturnError("that is no e-mail address" if email else "there was no e-mail address", "keyturn login -i")
    asked: dict[str, Any] = {"description": description(), "scope": ["global"]}
    if expires_in is not None:
        asked["expires_in"] = expires_in
    with transport(host, None) as connection:
        said = _trade(connection, asked, basic(email, password))
    return new_login(host, (said.get("access_token") or {}).get("token"), said)


def _trade(connection: Transport, asked: dict[str, Any], authorization: str) -> dict[str, Any]:
    def request(more: Mapping[str, str]) -> Any:
        return connection.request(
            "POST", "/oauth/authorizations", asked, authorization=authorization, headers=more
        ).body

    said = with_second_factor(request)
    if not isinstance(said, dict):
        raise ConnectionFailed("the server took the password but did not answer with a token")
    return said


def _from_terminal(last: str) -> tuple[str, str]:
    say.line("keyturn: Enter your login credentials")
    email = terminal.ask(f"Email [{say.clean(last)}]: " if last else "Email: ") or last
    return email, terminal.secret("Password: ")


def _from_input() -> tuple[str, str]:
    email, password = sys.stdin.readline(), sys.stdin.readline()
    if not password:
        raise Cancelled("there is no terminal, and no e-mail and password on two lines of input", "keyturn login")
    return email.strip(), password.rstrip("\r\n")

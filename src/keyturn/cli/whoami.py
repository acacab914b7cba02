"""`keyturn whoami`: whom the token speaks for, as the server has it."""

from __future__ import annotations

from keyturn.cli import say
from keyturn.cli.asking import Server
from keyturn.cli.here import unset_variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(words: Sequence[str]) -> int:
    """Print the e-mail address; with ``--json`` the account."""
    flag, as_json = _parse(words) if words else (None, False)
    with Server(flag) as server:
        account = server.ask("GET", "/account")
        if server.credential is not None and not server.credential.stored:
            say.warn(f"HEROKU_API_KEY is set, and wins over any login; to do without it: {unset_variable()}")
    if as_json:
        say.data_json(account)
    else:
        say.data(account.get("email", ""))
    return 0


def _parse(words: Sequence[str]) -> tuple[str | None, bool]:
    from keyturn.cli.options import Parser

    parser = Parser(
        "auth:whoami", "Print the account that the token in use speaks for.", json="print the account as JSON"
    )
    options = parser.parse(words)
    return options.host, options.json

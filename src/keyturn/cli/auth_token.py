"""`keyturn auth:token`: the token in use, alone on stdout, without asking anybody.

Scripts call it all the time, so without options it imports next to nothing (tests/cli/test_start_up.py).
"""

from __future__ import annotations

import os
import sys

from keyturn.client import credentials, hosts, state
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from keyturn.client.credentials import Credential
    from keyturn.client.hosts import Host

_YEAR: Final = 366 * 24 * 3600


def run(words: Sequence[str]) -> int:
    """Print it; warn on stderr of what would surprise whoever builds on it."""
    flag = _parse(words) if words else None
    known = state.read(os.environ)
    host, _ = hosts.choose(flag, os.environ, known.chosen)
    credential = credentials.find(host, os.environ) or _log_in(host)
    wrong = grammar.misfit(credential.token)
    if wrong is not None:
        from keyturn.cli.here import not_a_token

        raise not_a_token(credential, wrong)
    sys.stdout.write(credential.token + "\n")
    hint = known.logins.get(host.text)
    if hint is not None and hint.expires_at is not None and hint.speaks_of(credential.token):
        _warn_of_expiry(hint.expires_at)
    return 0


def _parse(words: Sequence[str]) -> str | None:
    from keyturn.cli.options import Parser

    parser = Parser("auth:token", "Print the token in use: HEROKU_API_KEY, else that of the login. Needs no network.")
    flag: str | None = parser.parse(words).host
    return flag


def _log_in(host: Host) -> Credential:
    from keyturn.cli.here import not_logged_in
    from keyturn.cli.terminal import is_interactive

    # In `$(keyturn auth:token)` a dialogue would be a trap, even where stdin and stderr are terminals.
    if not (is_interactive() and sys.stdout.isatty()):
        raise not_logged_in(host)
    from keyturn.cli.login import log_in

    return log_in(host)


def _warn_of_expiry(expires_at: int) -> None:
    import time

    left = expires_at - time.time()
    if left > _YEAR:
        return
    from keyturn.cli import say

    sys.stdout.flush()
    if left <= 0:
        say.warn(f"token expired {say.moment(expires_at)}. Log in again with: keyturn login")
        return
    say.warn(f"token will expire {say.moment(expires_at)}")
    say.note("For production, use a token of its own: keyturn authorizations:create")

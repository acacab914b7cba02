"""Law: logins elsewhere are seen and ended; ending this one logs this machine out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Account, Cli, Server


def listed(keyturn: Cli) -> dict[bool, list[str]]:
    """The sessions' ids, by whether they are the one that asks."""
    sessions = json.loads(keyturn("sessions", "--json").out)
    return {own: [item["id"] for item in sessions if item["current"] is own] for own in (True, False)}


def test_a_login_elsewhere_is_ended(keyturn: Cli, server: Server, stored: Callable[[], str]) -> None:
    account = server.new_account()
    elsewhere = server.token(account)
    keyturn.log_in(account)
    ids = listed(keyturn)
    assert (len(ids[True]), len(ids[False])) == (1, 1)
    table = keyturn("sessions").out
    assert table.splitlines()[0].split() == ["Description", "ID", "Address", "Since", "Last", "used", "Expires"]
    assert [("(this one)" in line) for line in table.splitlines() if ids[True][0] in line] == [True]
    assert [("(this one)" in line) for line in table.splitlines() if ids[False][0] in line] == [False]
    done = keyturn("sessions:destroy", ids[False][0])
    assert (done.out, done.err, done.code) == ("", f"Destroying {ids[False][0]}... done\n", 0)
    refused = keyturn("whoami", env={"HEROKU_API_KEY": elsewhere})
    assert refused.code == 4
    assert "was" in refused.err
    assert keyturn("whoami").out == f"{account.email}\n"


def test_ending_this_one_logs_this_machine_out(keyturn: Cli, account: Account) -> None:
    keyturn.log_in(account)
    done = keyturn("sessions:destroy", listed(keyturn)[True][0])
    assert done.code == 0
    assert "you are logged out now. To log in: keyturn login" in done.err
    assert keyturn("auth:token").code == 4


def test_a_session_that_is_not_there_is_1(keyturn: Cli, account: Account) -> None:
    keyturn.log_in(account)
    done = keyturn("sessions:destroy", "nothing")
    assert done.code == 1
    assert done.err.startswith("Destroying nothing... !\n ›   Error: ")

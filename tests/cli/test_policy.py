"""Law: `keyturn policy` shows the rules of a server in a table, as narrow as the terminal, without a login."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keyturn.cli.policy import lines
from keyturn.core import published
from keyturn.core.policy import DEFAULT, Kind, Policy

if TYPE_CHECKING:
    from tests.conftest import Cli

TABLE = published.table(DEFAULT)


def text(width: int, rules: Policy = DEFAULT) -> list[str]:
    return [line for line, _ in lines(published.table(rules), width)]


def test_the_table_is_printed_without_a_login(keyturn: Cli) -> None:
    done = keyturn("policy")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == text(80)
    rows = done.out.splitlines()
    assert "login                  365 days             365 days" in rows
    assert "password changed                c     c    r    -            -           -" in rows
    assert "x dies   r dies, and a new one is made   c dies, unless it is the one that acts" in rows


def test_json_is_what_the_server_answers(keyturn: Cli) -> None:
    done = keyturn("policy", "--json")
    assert (done.code, json.loads(done.out)) == (0, TABLE)


def test_the_operator_sees_the_same(keyturn: Cli) -> None:
    assert keyturn("admin", "policy").out == keyturn("policy").out
    assert json.loads(keyturn("admin", "policy", "--json").out) == TABLE


@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, text(width))) <= width
    assert [line for line, heading in lines(TABLE, width) if heading] == ["How long each lives", "What ends what"]


def test_on_a_narrow_terminal_every_event_is_a_sentence() -> None:
    told = " ".join(" ".join(text(44)).split())
    assert (
        "password changed: ends login (not the one that acts), browser session (not the one that acts), API key" in told
    )
    assert "one-time secret used twice: ends OAuth token" in told


def test_soft_expiry_is_shown_where_it_is_on() -> None:
    assert not any("read-only" in line for line in text(80))
    shown = text(80, Policy(soft_expiry={Kind.LOGIN: 86400}))
    assert "login                  365 days             365 days, the last 1 day read-only" in shown


@pytest.mark.parametrize(
    "strange",
    [{}, {"kinds": 3, "events": "x"}, {"kinds": [1, {}], "events": [{}, {"effects": {"login": 4}}], "notices": []},
     {"kinds": [{"kind": "quantum", "noun": "qubit", "default": "soon"}], "events": [{"words": "x", "effects": {"quantum": "y"}}]}],
)  # fmt: skip
def test_a_server_of_another_version_is_shown_as_far_as_it_can_be(strange: dict[str, object]) -> None:
    for width in (20, 80):
        assert list(lines(strange, width))


def test_a_server_that_does_not_know_it_is_said_so(keyturn: Cli, tmp_path: object) -> None:
    import http.server
    import threading

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        done = keyturn("policy", "--host", f"http://127.0.0.1:{other.server_port}")
        other.shutdown()
    assert (done.code, done.out) == (1, "")
    assert "does not publish its rules; it may not be a Keyturn server" in done.err

"""Law: what was pasted wrongly is told precisely before any request, is never repeated, and another server's token passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli.plain import EMAIL, TOKEN, Plain

from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Cli

OURS = grammar.make("authorization", lambda count: b"p" * count)
NOWHERE = "http://localhost:9"  # whoever asked it would say that the connection was refused
FORMS = [
    (f'"{OURS}"', "in quotation marks"),
    (f"'{OURS}", "a quotation mark at one end"),
    (f"Bearer {OURS}", "the word of an Authorization header"),
    (f"Bearer {TOKEN}", "the word of an Authorization header"),
    (f" {OURS}", "white space"),
    (f"{TOKEN} ", "white space"),
    (f"{OURS[:20]} {OURS[20:]}", "white space"),
    (OURS[:-1], "it was cut: 41 of 42"),
    (OURS + "x", "too long"),
    (OURS[:-1] + ("a" if OURS[-1] != "a" else "b"), "check digits"),
    (grammar.mask(OURS), "masked token"),
    (f"HEROKU_API_KEY={OURS}", "a whole assignment"),
    ("undefined", "the word undefined"),
    ("clé" + TOKEN, "characters that no token has"),
]


@pytest.mark.parametrize(("text", "said"), FORMS)
def test_in_the_variable(text: str, said: str, keyturn_at: Callable[[str], Cli]) -> None:
    for words in (["whoami"], ["auth:token"], ["auth:why"]):
        done = keyturn_at(NOWHERE)(*words, env={"HEROKU_API_KEY": text})
        assert (done.out, done.code) == ("", 4), words
        assert "what HEROKU_API_KEY holds is no token: it" in done.err or text == "undefined"
        assert said in done.err
        assert "next: unset HEROKU_API_KEY, or set it to the token alone" in done.err
        assert text not in done.err or text == "undefined"
        assert OURS[4:16] not in done.err


@pytest.mark.parametrize(("text", "said"), FORMS)
def test_in_netrc(text: str, said: str, keyturn_at: Callable[[str], Cli], home: Path) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    (home / ".netrc").write_text(f'machine localhost:9 login me@example.com password "{quoted}"\n')
    done = keyturn_at(NOWHERE)("whoami")
    assert (done.out, done.code) == ("", 4)
    assert said in done.err
    assert "machine localhost:9" in done.err
    assert "next: keyturn login" in done.err
    assert OURS[4:16] not in done.err


@pytest.mark.parametrize(("text", "said"), FORMS)
def test_from_stdin(text: str, said: str, keyturn_at: Callable[[str], Cli]) -> None:
    done = keyturn_at(NOWHERE)("auth:why", "-", input=f"{text}\n")
    assert done.code == 4
    assert said in done.out
    assert OURS[4:16] not in done.out + done.err


@pytest.mark.parametrize("token", [TOKEN, "01234567-89ab-cdef-0123-456789abcdef", "x", "a+b/c=="])
def test_another_servers_token_is_passed_as_it_is_but_for_the_newline(
    token: str, keyturn_at: Callable[[str], Cli]
) -> None:
    server = Plain()
    try:
        done = keyturn_at(server.url)("whoami", env={"HEROKU_API_KEY": f"{token}\n"})
    finally:
        server.shutdown()
        server.server_close()
    assert server.tokens == [token]
    assert done.out == (f"{EMAIL}\n" if token == TOKEN else "")


def test_a_token_among_the_options_is_not_repeated(keyturn_at: Callable[[str], Cli]) -> None:
    for words in (["auth:token", OURS], ["whoami", "--token", OURS], ["auth:status", f"'{OURS}'"]):
        done = keyturn_at(NOWHERE)(*words)
        assert done.code == 2
        assert OURS not in done.err

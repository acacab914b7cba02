"""Law: over all combinations of sources, one wins, the rest say why they lose, and the token used is the winner's."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from keyturn.cli.status import survey
from keyturn.client import credentials, hosts
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from pathlib import Path

HOST = hosts.parse("example.com")
STORED = grammar.make("login", lambda count: b"s" * count)
OTHER = grammar.make("login", lambda count: b"o" * count)
GIVEN = grammar.make("login", lambda count: b"g" * count)
VARIABLES = {"unset": None, "empty": "", "blank": " ", "set": GIVEN}
API = {"none": "", "api": STORED, "twice": STORED, "no password": None}
GIT = {"none": "", "same": STORED, "differs": OTHER}
EXTRA = {"none": "", "default": "default login d password e\n", "foreign": "machine other login d password e\n"}


def entry(machine: str, password: str | None) -> str:
    if password == "":
        return ""
    return f"machine {machine} login me" + (f" password {password}" if password else "") + "\n"


@pytest.mark.parametrize(
    ("variable", "misnamed", "api", "git", "extra"), [*itertools.product(VARIABLES, (False, True), API, GIT, EXTRA)]
)
def test_each_combination(variable: str, misnamed: bool, api: str, git: str, extra: str, home: Path) -> None:
    text = entry("api.example.com", API[api]) + entry("git.example.com", GIT[git]) + EXTRA[extra]
    if api == "twice":
        text += entry("api.example.com", OTHER)
    (home / ".netrc").write_text(text)
    environ = dict(os.environ)
    if VARIABLES[variable] is not None:
        environ["HEROKU_API_KEY"] = VARIABLES[variable] or ""
    if misnamed:
        environ["HEROKU_API_TOKEN"] = OTHER
    winner, sources = survey(HOST, environ, None)
    wins = [source.token for source in sources if source.verdict == "wins"]
    stored = STORED if api in ("api", "twice") else None
    expected = GIVEN if variable == "set" else stored
    used = credentials.find(HOST, environ)
    assert (winner.token if winner else None) == expected == (used.token if used else None)
    assert wins == ([expected] if expected else [])
    why = {source.name.rpartition("/")[2]: source.verdict for source in sources}
    verdicts = [source.verdict for source in sources]
    assert all(verdicts)
    assert ("it is set but empty, and counts as not set" in verdicts) == (variable in ("empty", "blank"))
    assert ("HEROKU_API_TOKEN" in why) == misnamed
    assert (".netrc: default" in why) == (extra == "default")
    assert ("HEROKU_API_KEY overrides it" in verdicts) == (variable == "set" and stored is not None)
    assert ("an earlier entry of the same machine counts" in verdicts) == (api == "twice")
    assert ("it has no password" in verdicts) == (api == "no password")
    if git != "none":
        assert why[".netrc: machine git.example.com"].startswith("for git; ")
        assert why[".netrc: machine git.example.com"].endswith("the same token") == (
            git == "same" and stored is not None
        )

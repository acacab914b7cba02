"""Law: whatever a server answers, a command ends with a code, never in a traceback, nor steers the terminal."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from tests.client.stub import Stub, answer

from keyturn.cli.main import main
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = grammar.make("login", lambda count: b"f" * count)
FIELDS = [
    "uses", "last_used_at", "overlap", "ends", "lives", "ends_of_others", "credential", "verdict", "alive",
    "message", "next", "reason", "scope", "access_token", "token", "expires_in", "expires_at", "ended_at",
    "ended_by", "description", "id", "kind", "user", "client", "life", "idle", "ends_at", "last_at", "agent",
    "address", "count", "path", "method", "permission", "untold", "email", "created_at", "updated_at",
    "redirect_uri", "name", "secret", "current", "resource", "replaced", "ends_because",
]  # fmt: skip
COMMANDS = [
    "auth:why", "auth:why GET /account", "auth:why --id x", "auth:preview logout-all", "auth:preview revoke x",
    "authorizations", "authorizations --all", "authorizations:info x", "authorizations:update x -e 3",
    "authorizations:create --like x", "authorizations:rotate x", "authorizations:rotate x --overlap 3",
    "authorizations:revoke x", "authorizations:revoke x --dry-run", "sessions --all", "sessions:destroy x",
    "logout --all -y", "logout --dry-run", "logout --device x", "clients", "clients:info x", "clients:create a b",
    "clients:destroy x", "auth:doctor", "auth:status --check", "whoami",
]  # fmt: skip


def odd(chance: random.Random, depth: int = 0) -> object:
    """Any JSON, made of the words that our servers use."""
    plain = [None, True, 0, -1, 1.5, "\x1b[2J\x9b", "2026-11-22T00:00:00Z"]
    which = chance.randrange(10 if depth < 4 else len(plain))
    if which < len(plain):
        return plain[which]
    if which == len(plain):
        return [odd(chance, depth + 1) for _ in range(chance.randrange(3))]
    return {chance.choice(FIELDS): odd(chance, depth + 1) for _ in range(chance.randrange(6))}


def body(chance: random.Random) -> object:
    item = {name: odd(chance, 1) for name in chance.sample(FIELDS, chance.randrange(len(FIELDS)))}
    kinds: list[Callable[[], object]] = [lambda: item, lambda: item, lambda: [item, {}], lambda: odd(chance)]
    return chance.choice(kinds)()


@pytest.mark.parametrize("command", COMMANDS)
def test_an_odd_answer_is_survived(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(command)
    for _ in range(12):
        replies = [answer(body(chance), chance.choice([200, 200, 200, 200, 401, 403, 404])) for _ in range(6)]
        server = Stub(*replies)
        os.environ.update(HEROKU_API_KEY=TOKEN, HEROKU_HOST=server.url)
        try:
            code = main(command.split())
        finally:
            server.shutdown()
            server.server_close()
        said = capsys.readouterr()
        assert code in (0, 1, 2, 4), replies
        assert not {"\x1b", "\x9b"} & set(said.out + said.err), replies
        assert code == 0 or said.err or command.startswith("auth:"), replies

"""keyturn admin: accounts by invitation, lost second factors, closed accounts in the list."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from tests.support import factors
from tests.support.world import EMAIL, PASSWORD, World

from keyturn import admin, in_force
from keyturn.actions import closing, invitations
from keyturn.actions.git_access import GitLimits
from keyturn.core.policy import Kind
from keyturn.git_settings import GitSettings
from keyturn.in_force import InForce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A store in a data folder."""
    made = World(tmp_path)
    yield made
    made.close()


def run(world: World, *words: str) -> int:
    return admin.main(["--data", str(world.path.parent), *words])


def test_an_invitation_is_printed_alone_and_makes_the_account(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--name", "Bob", "--admin", "--public-url", "https://keyturn.example/")
    assert run(world, "accounts:invite", "bob@example.com", *options) == 0
    printed = capsys.readouterr()
    found = re.fullmatch(r"https://keyturn\.example/join/(ktn_\w{38})\n", printed.out)
    assert found, printed
    assert "bob@example.com" in printed.err
    world.clock.now = datetime.now(UTC)  # the command's own
    given = invitations.opened(world.env, found[1])
    assert (given.name, given.admin) == ("Bob", True)
    assert invitations.join(world.env, world.by(), found[1], name=None, password=PASSWORD).admin


@pytest.mark.parametrize(("command", "path"), [("accounts:invite", "join"), ("accounts:reset-password", "reset")])
def test_a_link_leads_to_where_the_server_was_started_last(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, path: str
) -> None:
    world.account()

    def link(*words: str) -> str:
        """Where it leads."""
        assert run(world, command, EMAIL if path == "reset" else "bob@example.com", *words) == 0
        return capsys.readouterr().out.partition(f"/{path}/")[0]

    assert link() == "http://localhost:8420"
    git = GitSettings(GitLimits(), 1000, (), ())
    in_force.write(world.path.parent, InForce("https://keyturn.example", git, None, ""))
    assert link() == "https://keyturn.example"
    monkeypatch.setenv("KEYTURN_PUBLIC_URL", "https://variable.example/")
    assert link() == "https://variable.example"
    assert link("--public-url", "https://flag.example") == "https://flag.example"


def test_an_address_with_an_account_is_not_invited(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.account()
    assert run(world, "accounts:invite", EMAIL) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "already" in printed.err


def test_lost_second_factors_are_taken_off_and_its_owner_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = factors.with_app(world)
    assert run(world, "accounts:reset-mfa", EMAIL) == 0
    assert capsys.readouterr().out == ""
    assert holder.reload().mfa_since is None
    assert any("reset your second factors" in subject for _, subject in factors.letters(world))
    assert run(world, "accounts:reset-mfa", EMAIL) == 1
    assert "has no second factor" in capsys.readouterr().err


def test_a_closed_account_is_listed_as_such(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    session = world.mint(world.account(), Kind.WEB)
    closing.close(world.env, world.by(session), world.principal(session))
    assert run(world, "accounts") == 0
    assert capsys.readouterr().out == f"{EMAIL} (closed)\n"
    assert run(world, "accounts", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["closed"] is True

"""Law: who may do what with an app is listed, given, changed, taken and given up from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Account, Cli, Server


@pytest.fixture(scope="module")
def other(server: Server) -> Account:
    """Somebody else."""
    return server.new_account()


@pytest.fixture(scope="module")
def theirs(server: Server, other: Account) -> dict[str, str]:
    """Their environment."""
    return {"HEROKU_API_KEY": server.token(other)}


def rows(keyturn: Cli, app: str, env: dict[str, str] | None = None) -> list[list[str]]:
    done = keyturn("access", "-a", app, env=env)
    assert done.code == 0, done
    return [line.replace(", ", ",").split() for line in done.out.splitlines()[2:]]


def test_access_from_giving_to_taking(
    logged_in: Cli, app: str, account: Account, other: Account, theirs: dict[str, str]
) -> None:
    owner = [account.email, "owner", "view,deploy,operate,manage"]
    assert rows(logged_in, app) == [owner]
    added = logged_in("access:add", other.email, "-a", app)
    assert (added.out, added.code) == ("", 0)
    assert f"Adding {other.email} access to the app {app}... done" in added.err
    assert f"{other.email} may view, deploy, operate" in added.err
    assert rows(logged_in, app, theirs) == [owner, [other.email, "collaborator", "view,deploy,operate"]]
    changed = logged_in("access:update", other.email, "-a", app, "-p", "view")
    assert (changed.out, changed.code) == ("", 0)
    assert f"{other.email} may view" in changed.err
    assert rows(logged_in, app)[1][2] == "view"
    removed = logged_in("access:remove", other.email.upper(), "-a", app)
    assert (removed.out, removed.code) == ("", 0)
    assert rows(logged_in, app) == [owner]
    assert logged_in("access", "-a", app, env=theirs).code == 1


def test_every_answer_as_json(logged_in: Cli, app: str, other: Account) -> None:
    def said(*words: str) -> Any:
        done = logged_in(*words, "-a", app, "--json")
        assert done.code == 0, done
        return json.loads(done.out)

    def names(item: dict[str, Any]) -> list[str]:
        return [each["name"] for each in item["permissions"]]

    assert names(said("access:add", other.email, "-p", "deploy,view")) == ["view", "deploy"]
    assert names(said("access:update", other.email, "-p", "manage")) == ["view", "deploy", "operate", "manage"]
    assert [item["role"] for item in said("access")] == ["owner", "collaborator"]
    assert said("access:remove", other.email)["user"]["email"] == other.email


def test_one_gives_up_ones_own(logged_in: Cli, app: str, other: Account, theirs: dict[str, str]) -> None:
    logged_in("access:add", other.email, "-a", app)
    assert logged_in("access:remove", "~", "-a", app, env=theirs).code == 0
    assert len(rows(logged_in, app)) == 1
    mine = logged_in("access:remove", "~", "-a", app)
    assert mine.code == 1
    assert f"owns {app}; hand it on first, with a transfer" in mine.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["access:add", "nobody@example.com"], 1, "nobody has an account with nobody@example.com"),
        (["access:add", "nobody@example.com"], 1, "keyturn admin accounts:invite EMAIL"),
        (["access:add", "{other}", "-p", "admin"], 2, "they are view, deploy, operate, manage"),
        (["access:add"], 2, "next: keyturn access:add --help"),
        (["access:update", "{other}"], 2, "next: keyturn access:update --help"),
        (["access:update", "{other}", "-p", "view"], 1, "next: keyturn access -a {app}"),
        (["access:remove", "{other}"], 1, "Couldn't find that collaborator."),
        (["access:remove", "../../../account"], 1, "next: keyturn apps"),
        (["access:remove", "\x1b[2J"], 1, "next: keyturn access -a {app}"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(
    words: list[str], code: int, said: str, logged_in: Cli, app: str, other: Account
) -> None:
    done = logged_in(*(word.format(other=other.email) for word in words), "-a", app)
    assert (done.out, done.code) == ("", code), done
    assert said.format(app=app) in done.err
    assert "\x1b" not in done.err


def test_whoever_has_access_already_is_updated_instead(
    logged_in: Cli, app: str, account: Account, other: Account
) -> None:
    logged_in("access:add", other.email, "-a", app, "-p", "view")
    again = logged_in("access:add", other.email.upper(), "-a", app, "-p", "deploy")
    assert (again.out, again.code) == ("", 1)
    assert f"User {other.email} is already a collaborator on app {app}" in again.err
    following = again.err.rpartition("next: keyturn ")[2].split()
    assert following == ["access:update", other.email.upper(), "-a", app, "-p", "deploy"]
    assert logged_in(*following).code == 0
    owner = logged_in("access:add", account.email, "-a", app)
    assert (owner.code, "next" in owner.err) == (1, False)


@pytest.mark.parametrize("named", ["fly", "view,fly", "", " , "])
def test_a_permission_that_there_is_not_is_wrong_use(keyturn: Cli, named: str) -> None:
    for command in ("access:add", "access:update"):
        done = keyturn(command, "x@example.com", "-a", "my-app", "-p", named)
        assert (done.out, done.code) == ("", 2)
        assert "is no permission; they are view, deploy, operate, manage" in done.err


def test_who_is_no_manager_gives_nothing(logged_in: Cli, app: str, other: Account, theirs: dict[str, str]) -> None:
    logged_in("access:add", other.email, "-a", app, "-p", "operate")
    for words in (["access:add", other.email], ["access:update", other.email, "-p", "manage"]):
        done = logged_in(*words, "-a", app, env=theirs)
        assert done.code == 4
        assert f"This takes the permission to manage on {app}." in done.err
    assert rows(logged_in, app)[1][2] == "view,deploy,operate"

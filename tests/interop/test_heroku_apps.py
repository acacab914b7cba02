"""The real Heroku CLI and heroku3 with apps: made, shared, cloned, pushed to with the CLI's own credential helper, destroyed."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import heroku3
import heroku3.api
import pytest
from tests.conftest import Cli, Result, Server, run
from tests.interop.conftest import HERE, Heroku
from tests.support.gits import NOBODY, Checkout, checkout
from tests.support.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Account

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Trusting(Heroku):
    """The Heroku CLI, with the authority that vouches for our server's certificate: it reaches git by https alone."""

    authority: Path
    token: str = ""

    def env(self) -> dict[str, str]:
        trusted = {name: str(self.authority) for name in ("NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "SSL_CERT_FILE")}
        return super().env() | trusted | NOBODY | ({"HEROKU_API_KEY": self.token} if self.token else {})

    def done(self, *words: str) -> Result:
        """Runs it, and it goes well."""
        result = self(*words)
        assert result.code == 0, result
        return result

    def git(self, folder: Path) -> Checkout:
        """A folder's git, run as the CLI's user does."""
        return Checkout(folder, self.env())


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("heroku-apps")
    authority = Authority(folder)
    certificate, key = folder / "server.pem", folder / "server.key"
    authority.issue(7, certificate, key)
    running = Server(folder / "server", "--tls-cert", str(certificate), "--tls-key", str(key))
    running.url = f"https://localhost:{running.port}"
    yield running, authority.file
    running.stop()


@pytest.fixture
def account(secured: tuple[Server, Path]) -> Account:
    return secured[0].new_account()


@pytest.fixture
def heroku(secured: tuple[Server, Path], account: Account, home: Path) -> Trusting:
    """The Heroku CLI, logged in by ours."""
    server, authority = secured
    assert (HERE / "node_modules" / ".bin" / "heroku").exists(), "the Heroku CLI is not installed: run `make test`"
    trusting = Trusting(server.url, home, authority)
    given = Cli(server.url, home)("login", "-i", input=f"{account.email}\n{account.password}\n", env=trusting.env())
    assert given.code == 0, given
    return trusting


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = checkout(tmp_path / "work")
    monkeypatch.chdir(made.folder)
    return made


def said(result: Result) -> str:
    """What it said, without the line breaks of its own."""
    return " ".join(result.err.replace("\u203a", " ").split())


def unused() -> str:
    return f"app-{secrets.token_hex(6)}"


def test_an_app_from_its_making_to_its_end(heroku: Trusting, work: Checkout, account: Account) -> None:
    name, new = unused(), unused()
    made = heroku.done("apps:create", name)
    assert f"{heroku.url}/{name}.git" in made.out
    assert work.git("remote", "get-url", "heroku").out == f"{heroku.url}/{name}.git\n"
    assert name in heroku.done("apps").out
    shown = heroku.done("apps:info", "-a", name).out
    assert (account.email in shown, f"{heroku.url}/{name}.git" in shown) == (True, True)
    assert json.loads(heroku.done("apps:info", "-a", name, "--json").out)["app"]["name"] == name
    taken = heroku("apps:create", name)
    assert (taken.code, f"Name {name} is already taken" in said(taken)) == (2, True)
    renamed = heroku.done("apps:rename", new, "-a", name)
    assert f"{heroku.url}/{new}.git" in renamed.out
    heroku.done("apps:destroy", "-a", new, "--confirm", new)
    gone = heroku("apps:info", "-a", new)
    assert (gone.code, "Couldn't find that app." in said(gone)) == (2, True)


def test_a_made_name(heroku: Trusting, work: Checkout) -> None:
    assert "Creating app... done" in heroku.done("apps:create").err
    assert work.git("remote").out == "heroku\n"


def test_code_is_pushed_and_cloned_with_the_clis_own_helper(
    heroku: Trusting, work: Checkout, tmp_path: Path, home: Path, account: Account
) -> None:
    name = unused()
    heroku.done("apps:create", name)
    assert "!heroku git:credentials" in (home / ".gitconfig").read_text()
    # netrc's entry without a port, which git finds by itself, goes: the helper alone knows the token
    lines = heroku.netrc.read_text().splitlines()
    heroku.netrc.write_text("\n".join(lines[: lines.index("machine localhost")]) + "\n")
    host = heroku.url.removeprefix("https://")
    told = run(
        [str(HERE / "node_modules" / ".bin" / "heroku"), "git:credentials", "get"],
        f"protocol=https\nhost={host}\n\n", heroku.env(),
    )  # fmt: skip
    assert f"host={host}\nusername=heroku\npassword=ktl_" in told.out
    git = heroku.git(work.folder)
    assert f"remote: Pushed to {name} as {account.email}." in git.git("push", "heroku", "main").err
    assert (
        f"set git remote staging to {heroku.url}/{name}.git"
        in heroku.done("git:remote", "-a", name, "-r", "staging").out
    )
    heroku.done("git:clone", "-a", name, str(tmp_path / "copy"))
    copy = heroku.git(tmp_path / "copy")
    assert copy.head() == work.head()
    copy.commit()
    copy.git("push", "heroku", "main")
    assert "released" in heroku.done("apps:info", "-a", name, "--json").out


def test_our_helper_goes_on_to_answer_where_the_cli_sets_its_own_beside_it(
    heroku: Trusting, work: Checkout, tmp_path: Path, home: Path, account: Account
) -> None:
    ours = Cli(heroku.url, home)("git:credentials", "--install", env=heroku.env())
    assert ours.code == 0, ours
    name = unused()
    heroku.done("apps:create", name)
    heroku.done("git:remote", "-a", name, "-r", "staging")
    heroku.done("git:clone", "-a", name, str(tmp_path / "copy"))
    settings = (home / ".gitconfig").read_text()
    assert settings.count("!heroku git:credentials") == 1
    lines = heroku.netrc.read_text().splitlines()  # what git finds there by itself would hide who answers
    heroku.netrc.write_text("\n".join(lines[: lines.index("machine localhost")]) + "\n")
    host = heroku.url.removeprefix("https://")
    for _ in range(2):
        filled = run(["git", "credential", "fill"], f"protocol=https\nhost={host}\n\n", heroku.env())
        assert f"username={account.email}" in filled.out  # the CLI's own says heroku
        assert Cli(heroku.url, home)("git:credentials", "--install", env=heroku.env()).code == 0  # and again, after it
        assert (home / ".gitconfig").read_text() == settings
    assert f"Pushed to {name}" in heroku.git(work.folder).git("push", "heroku", "main").err
    assert Cli(heroku.url, home)("git:credentials", "--uninstall", env=heroku.env()).code == 0
    assert "keyturn" not in (home / ".gitconfig").read_text()
    heroku.done("git:remote", "-a", name, "-r", "again")


def test_access_is_given_listed_and_taken(heroku: Trusting, work: Checkout, secured: tuple[Server, Path]) -> None:
    name, other = unused(), secured[0].new_account()
    heroku.done("apps:create", name)
    assert "done" in heroku.done("access:add", other.email, "-a", name).err
    listed = heroku.done("access", "-a", name).out
    assert [line.split() for line in listed.splitlines() if other.email in line] == [
        [other.email, "collaborator", "deploy,", "operate,", "view"]
    ]
    assert {item["role"] for item in json.loads(heroku.done("access", "-a", name, "--json").out)} == {
        "owner",
        "collaborator",
    }
    refused = heroku("access:update", other.email, "-a", name, "-p", "view")  # by the CLI: for apps of teams alone
    assert (refused.code, f"The app {name} is not owned by a team" in said(refused)) == (2, True)
    assert (
        Cli(heroku.url, heroku.home)("access:update", other.email, "-a", name, "-p", "view", env=heroku.env()).code == 0
    )
    assert "deploy" not in next(
        line for line in heroku.done("access", "-a", name).out.splitlines() if other.email in line
    )
    heroku.done("access:remove", other.email, "-a", name)
    assert other.email not in heroku.done("access", "-a", name).out


def test_a_collaborator_leaves_and_an_app_is_handed_on(
    heroku: Trusting, work: Checkout, secured: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = secured
    name, other = unused(), server.new_account()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    asked = {"description": "of another"}
    made = server.call(
        "POST", "/oauth/authorizations", auth=(other.email, other.password), json=asked, verify=str(authority)
    )
    theirs = Trusting(server.url, heroku.home, authority, made.json()["access_token"]["token"])
    heroku.done("apps:create", name)
    heroku.done("access:add", other.email, "-a", name)
    assert name in theirs.done("apps").out
    theirs.done("apps:leave", "-a", name)
    assert name not in theirs.done("apps").out
    owned = heroku("apps:leave", "-a", name)
    assert (owned.code, "hand it on first, with a transfer" in said(owned)) == (2, True)
    assert "email sent" in heroku.done("apps:transfer", "-a", name, other.email).err
    accepted = Cli(server.url, heroku.home)("apps:transfer:accept", name, env=theirs.env())
    assert accepted.code == 0, accepted
    assert other.email in theirs.done("apps:info", "-a", name).out


def test_heroku3_has_apps_and_collaborators(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heroku3.api, "HEROKU_URL", server.url)
    other = server.new_account()
    heroku: Any = heroku3.from_key(server.token(server.new_account()))
    name, new = unused(), unused()
    app = heroku.create_app(name=name)
    assert app.name == name
    assert [each.name for each in heroku.apps()] == [name]
    assert heroku.apps()[name].git_url == f"{server.url}/{name}.git"
    app.add_collaborator(user_id_or_email=other.email, silent=0)
    assert {each.user.email for each in app.collaborators()} >= {other.email}
    app.remove_collaborator(other.email)
    assert len(app.collaborators()) == 1
    app.rename(new)
    assert heroku.app(new).id == app.id
    heroku.app(new).delete()
    assert list(heroku.apps()) == []

"""Every refusal as the person at the keyboard reads it: the reason, and the command that mends it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.gits import Checkout, checkout, env_of, principal, pusher

from keyturn.actions import apps
from keyturn.actions.env import By

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Server
    from tests.support.gits import Pusher


@pytest.fixture(scope="module")
def ada(server: Server) -> Pusher:
    return pusher(server)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return checkout(tmp_path_factory.mktemp("refused") / "work")


def authorization(ada: Pusher, **asked: object) -> tuple[str, str]:
    """Another credential of the account: its id and its token."""
    made = ada.server.call("POST", "/oauth/authorizations", ada.token, json=asked)
    assert made.status_code == 201, made.text
    return made.json()["id"], made.json()["access_token"]["token"]


def read_by(work: Checkout, url: str, *words: str) -> list[str]:
    """What git prints when it is refused."""
    done = work.git(*(words or ("push",)), url, *(("main",) if not words else ()), check=False)
    assert done.code == 128, done
    return [line.rstrip() for line in done.err.splitlines()]


def test_a_credential_without_a_life_left(ada: Pusher, work: Checkout) -> None:
    identity, token = authorization(ada, description="deploy", expires_in=3600)
    with env_of(ada.server) as env, env.store.writing() as tx:
        grant = tx.grant(identity)
        assert grant is not None
        tx.change_grant(
            identity, created_at=grant.created_at - timedelta(days=9), expires_at=env.clock() - timedelta(hours=1)
        )
    first, following, last = read_by(work, ada.url(token))
    assert first.startswith("remote: This authorization “deploy” expired on ")
    assert following == f"remote: Next: keyturn authorizations:create --like {identity}"
    assert last.startswith("fatal: Authentication failed for ")


def test_a_credential_that_ends_soon_pushes_and_its_holder_is_warned(ada: Pusher, work: Checkout) -> None:
    identity, token = authorization(ada, description="deploy", expires_in=3600)
    with env_of(ada.server) as env, env.store.writing() as tx:
        now = env.clock()
        tx.change_grant(identity, created_at=now - timedelta(days=30), expires_at=now + timedelta(hours=1))
    done = work.git("push", ada.url(token), "main:soon")
    assert "remote: Warning: this authorization expires on " in done.err
    assert f"Next: keyturn authorizations:update {identity} -e SECONDS" in done.err


def test_a_revoked_credential(ada: Pusher, work: Checkout) -> None:
    identity, token = authorization(ada, description="old")
    assert ada.server.call("DELETE", f"/oauth/authorizations/{identity}", ada.token).status_code == 200
    for words in ((), ("ls-remote",)):
        first, following, _ = read_by(work, ada.url(token), *words)
        assert first.startswith("remote: This authorization “old” was revoked by its owner on ")
        assert following == f"remote: Next: keyturn authorizations:create --like {identity}"


def test_a_scope_that_reads_fetches_and_does_not_push(ada: Pusher, work: Checkout) -> None:
    _, token = authorization(ada, scope=["read"])
    work.git("ls-remote", ada.url(token))
    assert read_by(work, ada.url(token)) == [
        "remote: This token's scope (read) does not allow this: it takes global or write or write-protected.",
        "remote: Next: keyturn authorizations:create --scope global",
        f"fatal: unable to access '{ada.url(None)}/': The requested URL returned error: 403",
    ]
    _, token = authorization(ada, scope=["identity"])
    assert "scope (identity)" in read_by(work, ada.url(token), "ls-remote")[0]


@pytest.mark.parametrize("scope", ["write", "write-protected"])
def test_a_scope_that_writes_pushes(ada: Pusher, work: Checkout, scope: str) -> None:
    _, token = authorization(ada, scope=[scope])
    work.git("push", "-q", ada.url(token), f"main:{scope}")


def test_a_token_that_nobody_has_and_one_that_is_cut(ada: Pusher, work: Checkout) -> None:
    from keyturn.core import token as grammar
    from keyturn.core.policy import Kind

    unknown = grammar.make(Kind.AUTHORIZATION, lambda count: b"\7" * count)
    assert read_by(work, ada.url(unknown))[:2] == [
        "remote: Invalid credentials provided.",
        "remote: Next: keyturn login",
    ]
    assert read_by(work, ada.url(ada.token[:-3]))[0].startswith("remote: That is not a whole Keyturn token")


def test_a_password_where_a_token_belongs(ada: Pusher, work: Checkout) -> None:
    user = ada.account.email.replace("@", "%40")
    first, following, _ = read_by(work, ada.url(ada.account.password.replace(" ", "%20"), user))
    assert first.startswith("remote: That looks like an account and its password.")
    assert following == "remote: Next: keyturn login"


def test_no_credential_at_all(ada: Pusher, work: Checkout) -> None:
    assert read_by(work, ada.url(None)) == [
        f"fatal: could not read Username for '{ada.server.url}': terminal prompts disabled"
    ]
    answer = ada.server.call("GET", f"/{ada.app.name}.git/info/refs?service=git-upload-pack")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Keyturn", charset="UTF-8"'
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == "There is no credential in this request.\nNext: keyturn login\n"


def test_an_app_that_there_is_not_and_one_of_somebody_else_look_the_same(ada: Pusher, work: Checkout) -> None:
    bob = pusher(ada.server)
    for words in ((), ("ls-remote",)):
        hers = read_by(work, bob.url(name=ada.app.name), *words)
        none = read_by(work, bob.url(name="there-is-none"), *words)
        assert hers[:2] == none[:2] == ["remote: Couldn't find that app.", "remote: Next: keyturn apps"]
        assert [line.replace(ada.app.name, "there-is-none") for line in hers] == none
    path = "/{}.git/info/refs?service=git-upload-pack"
    seen, unseen = (bob.server.call("GET", path.format(name), bob.token) for name in (ada.app.name, "there-is-none"))
    changing = {"request-id", "ratelimit-remaining", "date"}
    assert seen.status_code == unseen.status_code == 404
    assert seen.text == unseen.text
    both = [{k.lower(): v for k, v in each.headers.items() if k.lower() not in changing} for each in (seen, unseen)]
    assert both[0] == both[1]


def test_a_collaborator_fetches_or_pushes_as_the_owner_said(ada: Pusher, work: Checkout) -> None:
    work.git("push", "-q", ada.url(), "main")
    bob = pusher(ada.server)
    with env_of(ada.server) as env:
        owner = principal(env, ada.token)
        apps.add_member(env, By(owner), owner, ada.app.name, who=bob.account.email, permissions=["view"])
        work.git("ls-remote", bob.url(name=ada.app.name))
        assert read_by(work, bob.url(name=ada.app.name))[:2] == [
            f"remote: {bob.account.email} may fetch the code of {ada.app.name}, but not push to it.",
            f"remote: Next: ask {ada.account.email}, who owns the app, for the permission to deploy",
        ]
        apps.change_member(env, By(owner), owner, ada.app.name, bob.account.email, ["deploy"])
        work.git("push", "-q", bob.url(name=ada.app.name), "main:by-bob")
        assert ada.audit()[0].actor_id == principal(env, bob.token).account_id
        apps.remove_member(env, By(owner), owner, ada.app.name, bob.account.email)
    assert read_by(work, bob.url(name=ada.app.name))[0] == "remote: Couldn't find that app."


def test_an_app_that_was_destroyed_is_gone_and_a_renamed_one_keeps_its_code(server: Server, work: Checkout) -> None:
    ada = pusher(server)
    work.git("push", "-q", ada.url(), "main")
    with env_of(server) as env:
        who = principal(env, ada.token)
        apps.rename(env, By(who), who, ada.app.name, ada.app.name + "-b")
        assert read_by(work, ada.url())[0] == "remote: Couldn't find that app."
        assert work.head() in work.git("ls-remote", ada.url(name=ada.app.name + "-b")).out
        apps.destroy(env, By(who), who, ada.app.name + "-b")
    assert read_by(work, ada.url(name=ada.app.name + "-b"))[0] == "remote: Couldn't find that app."
    assert not ada.repository.exists()


WAYS: dict[str, Callable[[str], tuple[str, str]]] = {
    "the token as password, any user": lambda token: ("anybody", token),
    "the token as user, no password": lambda token: (token, ""),
    "no user, the token as password": lambda token: ("", token),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_form_of_basic_pushes(ada: Pusher, work: Checkout, way: str) -> None:
    user, password = WAYS[way](ada.token)
    work.git("push", "-q", ada.url(password, user), f"main:{way.partition(',')[0].replace(' ', '-')}")


def test_a_bearer_token_in_a_header_pushes(ada: Pusher, work: Checkout) -> None:
    header = f"http.extraHeader=Authorization: Bearer {ada.token}"
    work.git("-c", header, "push", "-q", ada.url(None), "main:by-bearer")


def test_git_reads_the_token_from_the_netrc(ada: Pusher, work: Checkout, home: Path) -> None:
    (home / ".netrc").write_text(f"machine localhost login {ada.account.email} password {ada.token}\n")
    (home / ".netrc").chmod(0o600)
    work.git("push", "-q", ada.url(None), "main:by-netrc")
    assert "refs/heads/by-netrc" in ada.refs()


@pytest.mark.parametrize("kind", ["login", "authorization", "api_key"])
def test_every_kind_of_credential_pushes(ada: Pusher, work: Checkout, kind: str) -> None:
    token = ada.token
    if kind == "authorization":
        _, token = authorization(ada, scope=["write"])
    if kind == "api_key":
        made = ada.server.call("POST", "/oauth/authorizations/~/actions/regenerate-tokens", ada.token)
        token = made.json()["access_token"]["token"]
    work.git("push", "-q", ada.url(token), f"main:by-{kind}")
    assert ada.audit()[0].details["refs"][0]["ref"] == f"refs/heads/by-{kind}"


def test_refusals_are_in_the_audit_trail(server: Server, work: Checkout) -> None:
    ada = pusher(server)
    identity, token = authorization(ada, scope=["read"])
    read_by(work, ada.url(token))
    for _ in range(300):
        with env_of(server) as env, env.store.reading() as tx:
            found = [e for e in tx.audit_events(limit=1000) if e.grant_id == identity and e.outcome == "refused"]
        if found:
            break
        time.sleep(0.1)
    assert [(event.action, event.reason) for event in found] == [("git.push", "insufficient_scope")]
    assert found[0].details == {"count": 1, "name": ada.app.name}

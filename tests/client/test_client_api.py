"""Law: the library gives typed values of what the server holds, and errors that carry reason and next step."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import keyturn.client
from keyturn.client import (
    AccessToken,
    ApiError,
    Client,
    Forbidden,
    HostError,
    Invalid,
    KeyturnError,
    NotFound,
    NotLoggedIn,
    Unauthorized,
    errors,
    models,
    netrc,
)
from keyturn.client.hosts import parse
from keyturn.client.transport import Transport, basic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Account, Cli, Server


@pytest.fixture(scope="module")
def account(server: Server) -> Account:
    return server.new_account()


@pytest.fixture
def client(keyturn: Cli, account: Account) -> Iterator[Client]:
    """Of a login, with everything from the environment: the host from HEROKU_HOST, the token from netrc."""
    asked = {"description": "Keyturn CLI login from the tests"}
    with Transport(keyturn.url) as asking:
        made = asking.request(
            "POST", "/oauth/authorizations", asked, authorization=basic(account.email, account.password)
        )
    host = parse(keyturn.url)
    netrc.write(str(keyturn.home / ".netrc"), host.machines, account.email, made.body["access_token"]["token"])
    with Client(environ=keyturn.env()) as logged_in:
        yield logged_in


def test_the_public_names_are_what_is_exported() -> None:
    public = set(keyturn.client.__all__)
    assert all(getattr(keyturn.client, name).__module__.startswith("keyturn.client.") for name in public)
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    values = {name for name, value in vars(models).items() if dataclasses.is_dataclass(value)}
    assert public == kinds | values | {"Client", "HostError"}
    with pytest.raises(AttributeError, match="no attribute 'Transport'"):
        _ = keyturn.client.Transport


def test_the_tree_of_errors_is_the_one_that_is_drawn() -> None:
    drawn = errors.__doc__ or ""
    kinds = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, KeyturnError)]
    assert all(kind.__name__ in drawn for kind in kinds)
    below = drawn.index("ApiError ")
    assert {
        kind
        for kind in kinds
        if drawn.index(f"{kind.__name__} " if kind is not KeyturnError else "KeyturnError") > below
    } == {kind for kind in kinds if issubclass(kind, ApiError) and kind is not ApiError}


def test_the_account_is_a_typed_value(client: Client, account: Account) -> None:
    found = client.account()
    assert (found.email, found.suspended_at) == (account.email, None)
    assert found.created_at is not None
    assert found.created_at.tzinfo is UTC
    assert found.created_at <= datetime.now(UTC)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.email = "other"  # type: ignore[misc]


def test_the_account_is_changed(client: Client) -> None:
    assert client.update_account(name="Ada", beta=True).name == "Ada"
    assert client.account().beta is True


def test_an_authorization_lives_from_create_to_revoke(client: Client, server: Server, account: Account) -> None:
    made = client.authorizations.create("a tool", scope=["read"], expires_in=3600)
    assert (made.description, made.scope, made.kind, made.current, made.email) == (
        "a tool",
        ("read",),
        "authorization",
        False,
        account.email,
    )
    assert made.access_token is not None
    assert made.access_token.expires_in in range(3590, 3601)
    assert made.expires_at is not None
    assert made.access_token.token not in repr(made)
    with Client(server.url, made.access_token.token) as tool:
        verified = tool.verify("read")
        assert (verified.email, verified.scope, verified.credential_id, verified.kind) == (
            account.email,
            ("read",),
            made.id,
            "authorization",
        )
        assert verified.expires_at is not None
        assert tool.authorizations is not None
        with pytest.raises(Forbidden) as refused:
            tool.verify("write")
        assert refused.value.reason == "insufficient_scope"
        assert client.authorizations.update(made.id, description="renamed").description == "renamed"
        rotated = client.authorizations.rotate(made.id)
        assert rotated.access_token is not None
        assert rotated.access_token.token != made.access_token.token
        with pytest.raises(Unauthorized) as dead:
            tool.account()
        assert (dead.value.status, dead.value.id, dead.value.reason) == (401, "unauthorized", "rotated")
        assert dead.value.next
        assert dead.value.request_id
    assert client.authorizations.info(made.id).description == "renamed"
    assert made.id in {item.id for item in client.authorizations.list()}
    assert client.authorizations.revoke(made.id).id == made.id
    with pytest.raises(NotFound):
        client.authorizations.info(made.id)
    assert made.id not in {item.id for item in client.authorizations.list()}


def test_a_value_never_shows_a_token_by_accident() -> None:
    assert "sesame" not in repr(AccessToken("1", "sesame", None))


def test_sessions_are_listed_and_ended(client: Client, keyturn: Cli, account: Account, server: Server) -> None:
    own = next(item for item in client.sessions.list() if item.current)
    assert own.description.startswith("Keyturn CLI login from ")
    with Client(environ=keyturn.env({"HEROKU_API_KEY": server.token(account)})) as other:
        assert other.sessions.end(own.id).id == own.id
        with pytest.raises(Unauthorized) as dead:
            client.account()
        assert dead.value.reason
        assert other.sessions.logout().current


def test_keys_are_added_and_removed(client: Client, tmp_path: Path, account: Account) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@laptop", "-f", tmp_path / "id"], check=True
    )
    public = (tmp_path / "id.pub").read_text()
    added = client.keys.add(public)
    assert (added.comment, added.email) == ("me@laptop", account.email)
    assert [key.fingerprint for key in client.keys.list()] == [added.fingerprint]
    assert client.keys.remove(added.fingerprint).id == added.id
    assert client.keys.list() == []
    with pytest.raises(Invalid):
        client.keys.add("ssh-ed25519 nonsense")


def test_the_password_is_changed_and_this_login_lives(server: Server, keyturn: Cli) -> None:
    account = server.new_account()
    keyturn.log_in(account)
    with Client(environ=keyturn.env()) as client:
        client.change_password(account.password, "a much better sentence than before")
        assert client.account().email == account.email
        with pytest.raises(ApiError):
            client.change_password(account.password, "yet another sentence to remember")


def test_the_rate_limit_counts_down(client: Client) -> None:
    before = client.rate_limit().remaining
    client.authorizations.list()
    assert client.rate_limit().remaining < before


def test_the_token_comes_from_where_it_was_named(server: Server, client: Client, keyturn: Cli) -> None:
    made = client.authorizations.create("named")
    assert made.access_token is not None
    with Client(environ=keyturn.env({"HEROKU_API_KEY": made.access_token.token})) as named:
        assert named.verify().credential_id == made.id
    with Client(token=made.access_token.token, environ=keyturn.env({"HEROKU_API_KEY": "other"})) as named:
        assert named.verify().credential_id == made.id
    with Client(server.url, environ={"HOME": "/nonexistent"}) as nobody, pytest.raises(NotLoggedIn) as refused:
        nobody.account()
    assert refused.value.next == "keyturn login"


def test_a_host_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(HostError):
        Client("http://a b", "token")


ALONE = """
import sys
before = set(sys.modules)
from keyturn.client import *
Client("example.com", "t")
print(*{name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
"""


def test_the_library_needs_the_standard_library_alone() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["keyturn"]


def test_a_list_spans_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {client.authorizations.create(f"number {number}").id for number in range(4)}
    request = client._transport.request

    def in_small_pages(method: str, path: str, *, headers: dict[str, str] | None = None) -> object:
        return request(method, path, headers=headers or {"Range": "id ..; max=2"})

    monkeypatch.setattr(client._transport, "request", in_small_pages)
    assert made <= {item.id for item in client.authorizations.list()}

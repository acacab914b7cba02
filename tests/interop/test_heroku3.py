"""heroku3, the Python library for Heroku's API, unmodified."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, cast

import heroku3
import heroku3.api
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Account, Server

pytestmark = pytest.mark.interop


@pytest.fixture
def connect(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """heroku3 for a token; its address of Heroku is the one thing that is set."""
    monkeypatch.setattr(heroku3.api, "HEROKU_URL", server.url)
    return cast("Callable[[str], Any]", heroku3.from_key)


@pytest.fixture
def heroku(connect: Callable[[str], Any], server: Server, account: Account) -> Any:
    """heroku3, logged in."""
    return connect(server.token(account))


def public_key(folder: Path, name: str) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True)
    return (folder / f"{name}.pub").read_text()


def test_the_account_is_shown(heroku: Any, account: Account) -> None:
    assert heroku.is_authenticated
    assert heroku.account().email == account.email


def test_a_wrong_token_is_not_authenticated(connect: Callable[[str], Any]) -> None:
    assert not connect("01234567-89ab-cdef-0123-456789abcdef").is_authenticated


def test_what_is_left_of_the_rate_limit_is_told_alike_in_header_and_body(heroku: Any) -> None:
    heroku.account()
    told = heroku.ratelimit_remaining()
    assert told > 0
    assert int(heroku.rate_limit.remaining) == told
    heroku.account()
    assert heroku.ratelimit_remaining() < told, "a request was not counted"


def test_ssh_keys_are_added_listed_and_removed(heroku: Any, tmp_path: Path) -> None:
    account = heroku.account()
    for name in ("laptop", "desktop"):
        account.add_key(public_key(tmp_path, name))
    keys = {key.comment: key for key in heroku.keys()}  # noqa: SIM118
    assert set(keys) == {"laptop", "desktop"}
    account.remove_key(keys["laptop"].fingerprint)
    assert [key.comment for key in heroku.keys()] == ["desktop"]  # noqa: SIM118
    keys["desktop"].delete()
    assert not list(heroku.keys())


def test_authorizations_are_listed_shown_and_deleted(heroku: Any, server: Server, account: Account) -> None:
    token = server.token(account)
    made = server.call("POST", "/oauth/authorizations", token, json={"description": "for heroku3"}).json()
    assert made["id"] in {one.id for one in heroku.oauthauthorizations()}
    shown = heroku.oauthauthorization(made["id"])
    assert shown.id == made["id"]
    assert made["access_token"]["token"].startswith(shown.access_token.token.partition("*")[0])
    assert shown.access_token.token != made["access_token"]["token"]
    heroku.oauthauthorization_delete(made["id"])
    assert made["id"] not in {one.id for one in heroku.oauthauthorizations()}
    refused = server.call("GET", "/account", made["access_token"]["token"])
    assert (refused.status_code, refused.json()["reason"]) == (401, "revoked_by_owner")


def test_a_list_longer_than_a_page_is_followed_to_its_end(heroku: Any, server: Server, account: Account) -> None:
    token = server.token(account)
    made = {
        server.call("POST", "/oauth/authorizations", token, json={"description": f"number {n}"}).json()["id"]
        for n in range(205)
    }
    listed = [one.id for one in heroku.oauthauthorizations()]
    assert len(listed) == len(set(listed)), "a page's last entry came again"
    assert made <= set(listed)
    assert len(heroku.oauthauthorizations(limit=7)) == 7


def test_the_password_is_changed_and_only_the_token_that_did_it_lives_on(
    heroku: Any, connect: Callable[[str], Any], server: Server, account: Account
) -> None:
    other = server.token(account)
    heroku.account().change_password(account.password, "eleven patient herons wade")
    assert heroku.account().email == account.email
    refused = server.call("GET", "/account", other)
    assert (refused.status_code, refused.json()["reason"]) == (401, "password_changed")
    changed = type(account)(account.email, "eleven patient herons wade")
    assert connect(server.token(changed)).is_authenticated


def test_a_wrong_old_password_changes_nothing(heroku: Any, server: Server, account: Account) -> None:
    with pytest.raises(requests.HTTPError):
        heroku.account().change_password("that is not the password", "eleven patient herons wade")
    assert server.token(account)

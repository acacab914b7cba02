"""An OAuth client with the widest scope still makes and ends no credential of the account that let it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.world import NEW_PASSWORD, PASSWORD

from keyturn.core import scope
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Client
    from tests.support.site import Site

CHANGES = [
    ("POST", "/oauth/authorizations", {}),
    ("POST", "/oauth/authorizations/~/actions/regenerate-tokens", {}),
    ("POST", "/oauth/authorizations/{id}/actions/regenerate-tokens", {}),
    ("PATCH", "/oauth/authorizations/{id}", {"expires_in": None}),
    ("DELETE", "/oauth/authorizations/{id}", {}),
    ("DELETE", "/oauth/sessions", {}),
    ("POST", "/oauth/clients", {"name": "x", "redirect_uri": "https://example.com"}),
    ("POST", "/account/keys", {"public_key": "ssh-ed25519 x"}),
    ("PUT", "/account/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
    ("PATCH", "/account", {"password": PASSWORD, "new_password": NEW_PASSWORD}),
    ("PATCH", "/account", {"password": PASSWORD, "email": "eve@example.com"}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_what_would_outlive_the_authorization_is_refused(
    site: Site, client: Client, method: str, path: str, body: dict[str, object]
) -> None:
    account = site.account()
    held, given = site.mint(account, Kind.AUTHORIZATION), site.secret(account, Kind.OAUTH)
    reply = client.request(method, path.format(id=held.grant.id), token=given, json=body)
    assert (reply.status, reply.json["reason"]) == (403, "not_for_clients")
    assert site.ended(held) is None
    with site.store.reading() as tx:
        assert [grant.kind for grant in tx.grants(account.id)] == [Kind.AUTHORIZATION, Kind.OAUTH]


def test_a_client_that_may_not_change_the_password_changes_the_name(site: Site, client: Client) -> None:
    given = site.secret(site.account(), Kind.OAUTH)
    named = client.request("PATCH", "/account", token=given, json={"name": "Ada"})
    assert (named.status, named.json["name"]) == (200, "Ada")
    both = client.request(
        "PATCH", "/account", token=given, json={"name": "Eve", "password": PASSWORD, "new_password": NEW_PASSWORD}
    )
    assert (both.status, both.json["reason"]) == (403, "not_for_clients")
    assert client.get("/account", token=given).json["name"] == "Ada"


def test_a_client_still_reads_and_gives_itself_up(site: Site, client: Client) -> None:
    given = site.secret(site.account(), Kind.OAUTH)
    for path in ("/account", "/verify", "/account/keys", "/oauth/authorizations"):
        assert client.get(path, token=given).status == 200
    told = client.get("/credentials/why?method=POST&path=/oauth/authorizations", token=given).json
    assert (told["verdict"], told["reason"]) == ("refused", "not_for_clients")


def test_every_permission_that_makes_or_ends_credentials_is_kept_from_clients() -> None:
    writing = {name for name in scope.PERMISSIONS if name.endswith((":write", ":password", ":two-factor"))}
    assert writing - scope.NOT_FOR_CLIENTS == {"account:write", "apps:write", "git:write"}

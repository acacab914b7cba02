"""Why a credential works or does not: the verdict is the real request's."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.world import PASSWORD

from keyturn.core import scope, token
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Client
    from tests.support.site import Site

PATHS = [
    "/account", "/verify", "/account/keys", "/account/keys/x", "/oauth/authorizations", "/oauth/authorizations/x",
    "/oauth/sessions", "/oauth/sessions/~", "/account/rate-limits", "/teams", "/account/preview", "/credentials/x/why",
    "/nope", "/account/password", "/account/features", "/oauth/authorizations/x/actions/regenerate-tokens",
]  # fmt: skip
# the verdict must come without doing anything, so the real request that follows may change things
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(METHODS),
    path=st.sampled_from(PATHS),
    scopes=st.lists(st.sampled_from(list(scope.SCOPES)), min_size=1, unique=True),
    dead=st.booleans(),
)
def test_the_verdict_is_the_real_requests(
    site: Site, client: Client, method: str, path: str, scopes: list[str], dead: bool
) -> None:
    account = site.account(f"u{len(site.audit())}@example.com")
    made = site.mint(account, Kind.AUTHORIZATION, scopes=tuple(scopes), asked=60 if dead else None)
    if dead:
        site.clock.advance(minutes=1)
    told = client.get(f"/credentials/why?method={method}&path={quote(path)}", token=made.secret)
    assert told.status == 200
    real = client.request(method, path, token=made.secret)
    refused = real.status in (401, 403, 405) or (
        real.status == 404 and method != "HEAD" and real.json["resource"] == "route"
    )
    if method == "HEAD" and real.status == 404:
        refused = told.json["verdict"] == "refused"
    assert (told.json["verdict"] == "refused") is refused
    if refused and method != "HEAD":
        assert told.json["status"] == real.status
        assert told.json["message"] == real.json["message"]
        assert told.json.get("reason") == real.json.get("reason")


def test_a_dead_token_is_explained_to_its_holder(site: Site, client: Client) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="nightly build")
    client.request("DELETE", f"/oauth/authorizations/{made.grant.id}", token=site.secret(account))
    told = client.get("/credentials/why", token=made.secret).json
    assert (told["alive"], told["verdict"], told["reason"]) == (False, "refused", "revoked_by_owner")
    assert told["credential"]["description"] == "nightly build"
    assert told["credential"]["ended_by"] == account.email
    assert told["next"] == f"keyturn authorizations:create --like {made.grant.id}"


@pytest.mark.parametrize("overlap", [0, 86400])
def test_a_rotated_token_learns_nothing_of_its_successor(overlap: int, site: Site, client: Client) -> None:
    """It may be in a thief's hands, and that may be why it was rotated."""
    account = site.account()
    old = site.mint(account, Kind.AUTHORIZATION, scopes=("identity",))
    acting = site.secret(account)
    client.get("/account", ("User-Agent", "old"), token=old.secret)
    path = f"/oauth/authorizations/{old.grant.id}/actions/regenerate-tokens"
    new = client.post(path, token=acting, json={"overlap": overlap or None}).json["access_token"]
    site.new_client("192.0.2.77").get("/account", ("User-Agent", "successor"), token=new["token"])
    site.write_uses()
    told = client.get("/credentials/why", token=old.secret)
    credential = told.json["credential"]
    assert told.json["alive"] is bool(overlap)
    assert credential["access_token"]["token"] == token.mask(old.secret or "")
    assert [use["agent"] for use in credential["uses"]] == ["old"]
    for secret in (new["id"], token.mask(new["token"]), "192.0.2.77", "successor"):
        assert secret not in told.text


@pytest.mark.parametrize(
    "text", [token.make("authorization", bytes), "kta_short", "undefined", token.make("web", bytes)]
)
def test_an_unknown_text_learns_nothing_but_its_form(site: Site, client: Client, text: str) -> None:
    told = client.get("/credentials/why", token=text).json
    assert told["credential"] is None
    assert told["reason"] in ("unknown", "malformed", "wrong_kind")


def test_a_password_is_no_token_here_either(site: Site, client: Client) -> None:
    from tests.support.asgi import basic

    account = site.account()
    assert client.get("/credentials/why", basic(account.email, PASSWORD)).status == 401
    assert client.get("/credentials/why").status == 401


def test_one_by_its_id_is_explained_to_its_owner_and_to_administrators_alone(site: Site, client: Client) -> None:
    account, boss = site.account(), site.account("boss@example.com", admin=True)
    made = site.mint(account, Kind.AUTHORIZATION, scopes=("read",))
    path = f"/credentials/{made.grant.id}/why?method=POST&path=/account/keys"
    for asker in (site.secret(account), site.secret(boss, proven=True)):
        told = client.get(path, token=asker).json
        assert (told["alive"], told["verdict"], told["status"], told["reason"]) == (
            True,
            "refused",
            403,
            "insufficient_scope",
        )
        assert told["scope"] == ["global"]
        assert told["credential"]["id"] == made.grant.id
    stranger = client.get(path, token=site.secret(site.account("eve@example.com")))
    unknown = client.get("/credentials/nobody/why", token=site.secret(account))
    assert (stranger.status, unknown.status) == (404, 404)
    assert stranger.json == unknown.json


def test_an_administrator_never_sees_a_secret(site: Site, client: Client) -> None:
    made = site.mint(site.account(), Kind.AUTHORIZATION)
    boss = site.secret(site.account("boss@example.com", admin=True), proven=True)
    assert made.secret is not None
    told = client.get(f"/credentials/{made.grant.id}/why", token=boss)
    assert (told.status, made.secret in told.text) == (200, False)

"""The token endpoint in its two dialects, clients over HTTP, and metadata that tells the truth."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.support.oauth import CALLBACK, CHALLENGE, VERIFIER
from tests.support.oauth_site import AUTHORIZE, answer, basic, decide, exchange, make_client, path
from tests.support.site import Site
from tests.support.world import EMAIL, PASSWORD

from keyturn.core import scope

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.asgi import Client
    from tests.support.site import Browser


@pytest.fixture
def app(site: Site) -> dict[str, Any]:
    """A client, of an account of its own."""
    token = site.login(site.account("owner@example.com"))
    return make_client(site, token)


@pytest.fixture
def browser(site: Site) -> Browser:
    """Ada's browser, signed in."""
    site.account()
    opened = site.browser()
    opened.sign_in()
    return opened


@pytest.fixture
def code(browser: Browser, app: dict[str, Any]) -> str:
    return answer(decide(browser, path(app)))[1]["code"]


def test_a_form_gets_the_flat_answer_of_the_rfc(site: Site, app: dict[str, Any], code: str) -> None:
    got = exchange(site, app, code)
    assert got.status == 200
    assert (got.header("cache-control"), got.header("pragma")) == ("no-store", "no-cache")
    body = got.json
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 28800, "read")
    assert body["refresh_token_expires_in"] == 30 * 86400
    renewed = site.client.post(
        "/oauth/token",
        basic(app["id"], app["secret"]),
        form={"grant_type": "refresh_token", "refresh_token": body["refresh_token"]},
    )
    assert renewed.status == 200
    assert renewed.json["access_token"] != body["access_token"]


def test_herokus_json_gets_herokus_answer(site: Site, app: dict[str, Any], code: str) -> None:
    asked = {
        "grant": {"type": "authorization_code", "code": code},
        "client": {"secret": app["secret"]},
        "refresh_token": None,
    }
    got = site.client.post("/oauth/tokens", json=asked)
    assert got.status == 201
    body = got.json
    assert body["access_token"]["expires_in"] == 28800
    assert body["access_token"]["token"].startswith("kto_")
    assert body["refresh_token"]["token"].startswith("ktr_")
    assert {"id", "authorization", "session", "user", "created_at", "updated_at"} <= set(body)
    assert body["token_type"] == "Bearer"
    asked = {
        "grant": {"type": "refresh_token"},
        "refresh_token": {"token": body["refresh_token"]["token"]},
        "client": {"secret": app["secret"]},
    }
    # as curl -n sends it: with the account's own e-mail and token from netrc beside it
    again = site.client.post("/oauth/tokens", basic(EMAIL, "kta_" + "x" * 38), json=asked)
    assert again.status == 201
    assert again.json["authorization"] == body["authorization"]


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "kty_wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "nonsense"}, 401, "invalid_client"),
        ({"code": ""}, 400, "invalid_request"),
        ({"code": "nonsense"}, 400, "invalid_grant"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"code_verifier": VERIFIER}, 400, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/"}, 400, "invalid_grant"),
    ],
)
def test_each_wrong_request_has_its_error_and_leaves_the_code_good(
    change: dict[str, str], status: int, error: str, site: Site, app: dict[str, Any], code: str
) -> None:
    got = exchange(site, app, code, **change)
    assert (got.status, got.json["error"], got.json["id"]) == (status, error, error)
    assert got.json["message"]
    assert (got.header("www-authenticate") or "").startswith("Basic") == (status == 401)
    counted = [key[1] for key in site.face.refusals.take()]
    assert counted == (["invalid_client"] if status == 401 else []), "for the audit trail"
    assert exchange(site, app, code).status == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"grant_type": 5}, {"grant_type": ["authorization_code"]}, {"grant": {"type": {}}}, {"grant": {}}, {"grant": "x"},
        {"grant": {"type": "authorization_code", "code": 7}}, {"grant": {"type": "refresh_token"}, "refresh_token": "x"},
        {"grant": {"type": "authorization_code", "code": "x"}, "client": "x"}, {},
    ],
)  # fmt: skip
def test_json_of_another_shape_is_an_invalid_request_and_never_a_fault(asked: Any, client: Client) -> None:
    got = client.post("/oauth/tokens", json=asked)
    assert (got.status, got.json["error"]) in {(400, "invalid_request"), (400, "invalid_grant")}


def test_a_client_that_proves_itself_in_two_ways_is_refused(site: Site, app: dict[str, Any], code: str) -> None:
    form = {"grant_type": "authorization_code", "code": code, "client_secret": app["secret"]}
    both = site.client.post("/oauth/tokens", basic(app["id"], app["secret"]), form=form)
    assert (both.status, both.json["error"]) == (400, "invalid_request")


def test_errors_are_plain_ascii_whatever_the_client_is_called(site: Site, browser: Browser) -> None:
    token = site.login(site.account("owner@example.com"))
    app = make_client(site, token, 'Ünï "quoted" \\ ✓')
    tokens = exchange(site, app, answer(decide(browser, path(app)))[1]["code"]).json
    site.client.delete(f"/oauth/clients/{app['id']}", token=token)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_secret": app["secret"]}
    got = site.client.post("/oauth/tokens", form=form).json
    assert (got["error"], got["reason"]) == ("invalid_grant", "client_removed")
    assert all(" " <= c <= "~" and c not in '"\\' for c in got["error_description"])
    assert "Ünï" in got["message"]


def test_revocation_is_200_for_what_is_unknown_and_401_for_a_stranger(
    site: Site, app: dict[str, Any], code: str
) -> None:
    tokens, who = exchange(site, app, code).json, basic(app["id"], app["secret"])
    revoke = "/oauth/revoke"
    assert site.client.post(revoke, who, form={"token": "nonsense"}).status == 200
    assert site.client.post(revoke, form={"token": tokens["access_token"]}).status == 401
    assert site.client.post(revoke, who, form={}).json["error"] == "invalid_request"
    assert site.client.get("/account", token=tokens["access_token"]).status == 200
    hinted = {"token": tokens["refresh_token"], "token_type_hint": "refresh_token"}
    assert site.client.post(revoke, who, form=hinted).status == 200
    dead = site.client.get("/account", token=tokens["access_token"])
    assert (dead.status, dead.json["reason"]) == (401, "revoked_by_client")
    assert site.client.post(revoke, who, form=hinted).status == 200


def test_a_person_sees_and_takes_back_what_was_let_in(
    site: Site, browser: Browser, app: dict[str, Any], code: str
) -> None:
    tokens = exchange(site, app, code).json
    login = site.client.request("POST", "/oauth/authorizations", basic(EMAIL, PASSWORD)).json["access_token"]["token"]
    (found,) = [a for a in site.client.get("/oauth/authorizations", token=login).json if a["client"]]
    assert found["client"] == {"id": app["id"], "name": "Dashboard", "redirect_uri": CALLBACK}
    assert (found["kind"], found["scope"], found["grant"]["expires_in"]) == ("oauth_access", ["read"], 0)
    assert found["access_token"]["expires_in"] == 28800
    assert found["refresh_token"]["expires_in"] == 30 * 86400
    for secret in tokens["access_token"], tokens["refresh_token"]:
        assert secret not in repr(found)
    target = f"/oauth/tokens/{found['refresh_token']['id']}"
    seen = site.client.delete(target + "?dry_run=true", token=login).json
    assert [e["id"] for e in seen["ends"]] == [found["id"]]
    assert site.client.get("/account", token=tokens["access_token"]).status == 200
    assert site.client.delete(target, token=login).json["authorization"]["id"] == found["id"]
    assert site.client.get("/account", token=tokens["access_token"]).json["reason"] == "revoked_by_owner"
    assert site.client.delete(target, token=login).status == 404


def test_an_access_token_says_when_it_expires_and_does_not_nag(site: Site, app: dict[str, Any], code: str) -> None:
    tokens = exchange(site, app, code).json
    ends = (site.clock() + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
    site.clock.advance(hours=7, minutes=59)
    got = site.client.get("/account", token=tokens["access_token"])
    assert got.header("keyturn-expires-at") == ends
    assert got.header("warning-message") is None
    site.clock.advance(minutes=1)
    assert site.client.get("/account", token=tokens["access_token"]).json["reason"] == "expired"


# Clients over HTTP, and the server's description of itself.


def test_a_client_over_its_whole_life(site: Site, app: dict[str, Any]) -> None:
    token = site.client.request("POST", "/oauth/authorizations", basic("owner@example.com", PASSWORD)).json[
        "access_token"
    ]["token"]
    one = f"/oauth/clients/{app['id']}"
    assert app["secret"].startswith("kty_")
    for shown in (site.client.get(one, token=token).json, *site.client.get("/oauth/clients", token=token).json):
        assert (shown["name"], shown["secret"]) == ("Dashboard", "**********")
    changed = site.client.request("PATCH", one, token=token, json={"name": "New", "redirect_uri": None}).json
    assert (changed["name"], changed["redirect_uri"]) == ("New", CALLBACK)
    bad = site.client.request("PATCH", one, token=token, json={"redirect_uri": "http://evil.example/"})
    assert (bad.status, bad.json["field"]) == (422, "redirect_uri")
    rotated = site.client.post(one + "/actions/rotate-credentials", token=token).json
    assert rotated["secret"] not in (app["secret"], "**********")
    narrow = site.client.post("/oauth/authorizations", token=token, json={"scope": ["write"]}).json["access_token"][
        "token"
    ]
    assert site.client.get("/oauth/clients", token=narrow).status == 403
    assert site.client.delete(one, token=token).json["id"] == app["id"]
    assert site.client.get(one, token=token).status == 404


def test_the_preview_of_a_removal_counts_other_accounts_and_names_none(
    site: Site, app: dict[str, Any], code: str
) -> None:
    exchange(site, app, code)
    token = site.client.request("POST", "/oauth/authorizations", basic("owner@example.com", PASSWORD)).json[
        "access_token"
    ]["token"]
    seen = site.client.delete(f"/oauth/clients/{app['id']}?dry_run=true", token=token)
    assert seen.json["ends_of_others"] == {"credentials": 1, "accounts": 1}
    assert (seen.json["dry_run"], seen.json["event"], seen.json["ends"]) == (True, "client_removed", [])
    assert EMAIL not in seen.text
    assert site.client.get(f"/oauth/clients/{app['id']}", token=token).status == 200


def test_the_metadata_is_what_the_server_does(tmp_path: Path) -> None:
    site = Site(tmp_path, url="https://keyturn.example")
    try:
        told = site.client.get("/.well-known/oauth-authorization-server").json
        assert told["issuer"] == "https://keyturn.example"
        for name in ("authorization_endpoint", "token_endpoint", "revocation_endpoint"):
            assert told[name].startswith(told["issuer"] + "/oauth/")
        token = site.login(site.account())
        app = make_client(site, token)
        browser = site.browser()
        browser.sign_in()
        authorize, tokens = (urlsplit(told[name]).path for name in ("authorization_endpoint", "token_endpoint"))
        assert authorize == AUTHORIZE
        for kind in ("code", "token", "id_token", "code token", "none"):
            page = browser.page(path(app, response_type=kind))
            assert (page.status == 200) == (kind in told["response_types_supported"])
        for method in ("S256", "plain", "none"):
            page = browser.page(path(app, code_challenge=CHALLENGE, code_challenge_method=method))
            assert (page.status == 200) == (method in told["code_challenge_methods_supported"])
        for name in ("openid", "admin", *scope.SCOPES):
            assert (browser.page(path(app, scope=name)).status == 200) == (name in told["scopes_supported"])
        _, got = answer(decide(browser, path(app)))
        assert (got["iss"] == told["issuer"]) == told["authorization_response_iss_parameter_supported"]
        supported = set(told["grant_types_supported"])
        for kind in ("authorization_code", "refresh_token", "password", "client_credentials", "implicit"):
            error = site.client.post(tokens, form={"grant_type": kind}).json["error"]
            assert (error != "unsupported_grant_type") == (kind in supported)
        assert set(told["token_endpoint_auth_methods_supported"]) == {"client_secret_basic", "client_secret_post"}
        form = {"grant_type": "authorization_code", "code": got["code"]}
        assert site.client.post(tokens, basic(app["id"], app["secret"]), form=form).status == 200
        again = answer(decide(browser, path(app)))[1]["code"]
        assert exchange(site, app, again).status == 200
    finally:
        site.close()

"""Every way to present a token, and every way to do it wrong."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from tests.support.asgi import basic, bearer
from tests.support.world import EMAIL, PASSWORD

from keyturn.core import token
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.asgi import Client
    from tests.support.site import Site

WAYS: dict[str, Callable[[str], tuple[str, str]]] = {
    "bearer": bearer,
    "bearer in lower case": lambda t: ("Authorization", f"bearer {t}"),
    "bearer in upper case": lambda t: ("AUTHORIZATION", f"BEARER {t}"),
    "bearer with more spaces": lambda t: ("Authorization", f"Bearer   {t} "),
    "basic, as curl -n does": lambda t: basic(EMAIL, t),
    "basic, as git does": lambda t: basic("heroku", t),
    "basic, any user": lambda t: basic("né/x", t),
    "basic, no user, as heroku3 does": lambda t: basic("", t),
    "basic, the token as user, as curl -u does": lambda t: basic(t, ""),
    "basic in lower case": lambda t: ("Authorization", basic("u", t)[1].replace("Basic", "basic")),
}
PATHS = ["/account", "/verify", "/account/keys", "/oauth/sessions"]


@pytest.mark.parametrize("way", WAYS)
def test_a_token_is_taken_in_every_way(way: str, site: Site, client: Client) -> None:
    presented = WAYS[way](site.login())
    assert [client.get(path, presented).status for path in PATHS] == [200] * 4


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.SSH_KEY])
def test_every_kind_of_token_but_a_browsers_opens_the_api(kind: Kind, site: Site, client: Client) -> None:
    reply = client.get("/account", token=site.secret(site.account(), kind))
    if kind is Kind.WEB:
        assert (reply.status, reply.json["reason"]) == (401, "wrong_kind")
    else:
        assert reply.status == 200


@pytest.mark.parametrize("path", PATHS)
def test_no_credential_is_a_challenge_without_an_error_code(path: str, client: Client) -> None:
    reply = client.get(path)
    assert (reply.status, reply.json["id"], reply.json["reason"]) == (401, "unauthorized", "missing")
    assert reply.header("www-authenticate") == 'Bearer realm="Keyturn"'


def test_two_authorization_headers_are_a_bad_request_even_when_both_are_good(site: Site, client: Client) -> None:
    good = site.login()
    for path in PATHS:
        for headers in ([bearer(good), bearer(good)], [bearer(good), basic("", good)], [basic("a", "b"), bearer("c")]):
            reply = client.get(path, *headers)
            assert (reply.status, reply.json["id"]) == (400, "bad_request")
            assert "two Authorization headers" in reply.json["message"]


QUERIES = ["access_token={}", "token={}", "TOKEN={}", "x=1&whatever={}", "api_key={}", "token=anything"]


@pytest.mark.parametrize("path", PATHS)
def test_a_token_in_the_query_is_refused_and_not_repeated(path: str, site: Site, client: Client) -> None:
    good = site.login()
    for query in QUERIES:
        for headers in ([], [bearer(good)]):
            reply = client.get(f"{path}?{query.format(good)}", *headers)
            assert (reply.status, reply.json["id"]) == (400, "bad_request")
            assert good not in reply.text


@pytest.mark.parametrize("path", PATHS)
def test_the_accounts_password_is_refused_as_a_token_with_a_sentence(path: str, site: Site, client: Client) -> None:
    site.account()
    reply = client.get(path, basic(EMAIL, PASSWORD))
    assert (reply.status, reply.json["reason"]) == (401, "password_as_token")
    assert "never the account's own password" in reply.json["message"]
    assert reply.json["next"] == "keyturn login"
    assert PASSWORD not in reply.text


def test_the_accounts_password_opens_nothing_by_any_method(site: Site, client: Client) -> None:
    site.account()
    for method, path in [
        ("PATCH", "/account"),
        ("PUT", "/account/password"),
        ("POST", "/account/keys"),
        ("GET", "/oauth/authorizations"),
        ("DELETE", "/oauth/sessions/~"),
        ("PATCH", "/oauth/authorizations/x"),
    ]:
        assert client.request(method, path, basic(EMAIL, PASSWORD)).json["reason"] == "password_as_token"


MALFORMED = {
    "undefined": "the word undefined",
    "": "it is empty",
    "Bearer {}": "the word of an Authorization header",
    '"{}"': "quotation marks",
    "HEROKU_API_KEY={}": "a whole assignment",
    "{}x": "too long",
    "01234567-89ab-cdef-0123-456789abcdef": "does not begin like a Keyturn token",
    "tökén": "does not begin like",
}


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_token_is_told_what_is_wrong_with_it(text: str, site: Site, client: Client) -> None:
    presented = text.format(site.login())
    for path in PATHS:
        reply = client.get(path, ("Authorization", f"Bearer {presented}"))
        assert (reply.status, reply.json["id"], reply.json["reason"]) == (401, "unauthorized", "malformed")
        assert MALFORMED[text] in reply.json["message"]
        assert 'error="invalid_token"' in (reply.header("www-authenticate") or "")
        assert len(presented) < 20 or presented not in reply.text


UNREADABLE = [
    "Digest username=x",
    "Negotiate abc",
    "ktl_abc",
    "",
    "Basic",
    "Basic !!!",
    "Basic " + base64.b64encode(b"nocolon").decode(),
    "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
    "Bearer\xa0x",
    "\x80\xff",
]


@pytest.mark.parametrize("value", UNREADABLE)
def test_an_authorization_header_that_cannot_be_read_is_a_401_that_says_so(value: str, client: Client) -> None:
    for path in PATHS:
        reply = client.get(path, ("Authorization", value))
        assert (reply.status, reply.json["id"], reply.json["reason"]) == (401, "unauthorized", "malformed")
        assert reply.json["message"]


def test_a_token_cut_on_paste_is_told_apart_from_one_that_was_never_issued(site: Site, client: Client) -> None:
    assert client.get("/account", token=site.login()[:-5]).json["reason"] == "malformed"
    never = client.get("/account", token=token.make("login", bytes))
    assert never.json == {
        "id": "unauthorized",
        "message": "Invalid credentials provided.",
        "reason": "unknown",
        "next": "keyturn login",
    }


def test_the_halves_of_a_login_under_way_are_no_keys_to_the_api(site: Site, client: Client) -> None:
    begun = client.post("/auth", json={}).json
    for half in (begun["token"], begun["browser_url"].rsplit("/", 1)[1]):
        assert client.get("/account", token=half).json["reason"] == "wrong_kind"


def test_a_browsers_cookie_is_no_credential_of_the_api(site: Site) -> None:
    site.account()
    browser = site.browser()
    assert browser.sign_in().status == 303
    assert browser.page("/").text.count("Signed in as") == 1
    assert browser.get("/account").json["reason"] == "missing"
    assert browser.request("PATCH", "/account", json={"name": "Eve"}).status == 401

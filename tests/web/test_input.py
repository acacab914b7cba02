"""Input: lenient in form, strict in what it means; never a fault."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.asgi import basic
from tests.support.site import Site
from tests.support.world import EMAIL, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.asgi import Client, Reply

AUTH = "/oauth/authorizations"


@pytest.mark.parametrize(
    ("body", "seconds", "scope"),
    [
        ({}, None, ["global"]),
        ({"expires_in": None, "scope": None, "description": None}, None, ["global"]),
        ({"expires_in": "3600"}, 3600, ["global"]),
        ({"expires_in": 3600}, 3600, ["global"]),
        ({"expires_in": ""}, None, ["global"]),
        ({"scope": "read,write"}, None, ["read", "write"]),
        ({"scope": ["read"]}, None, ["read"]),
        ({"client": None, "redirect_uri": None, "surprise": {"deep": [1]}}, None, ["global"]),
    ],
)
def test_an_authorization_is_asked_for_leniently(
    body: dict[str, Any], seconds: int | None, scope: list[str], site: Site, client: Client
) -> None:
    reply = client.post(AUTH, token=site.login(), json=body)
    assert (reply.status, reply.json["access_token"]["expires_in"], reply.json["scope"]) == (201, seconds, scope)
    assert reply.json["description"]


def test_a_body_comes_in_many_forms(site: Site, client: Client) -> None:
    secret = site.login()

    def described(*headers: tuple[str, str], body: bytes | list[bytes] = b"") -> str:
        reply = client.request("POST", AUTH, *headers, token=secret, body=body)
        assert reply.status == 201, reply.body
        return str(reply.json["description"])

    raw = b'{"description": "ci \xc3\xa9"}'
    form = ("Content-Type", "application/x-www-form-urlencoded")
    assert described(body=raw) == "ci é"
    assert described(form, body=raw) == "ci é"  # curl -d says that it is a form
    assert described(("Content-Type", "application/vnd.heroku+json; version=3"), body=raw) == "ci é"
    assert described(body=[raw[:5], b"", raw[5:]]) == "ci é"
    assert described(form, body=b"description=ci+%C3%A9&expires_in=60") == "ci é"
    assert described(body=b" \r\n ") == described(form, body=b"") == described() == "Long-lived user authorization"


@pytest.mark.parametrize(
    "accept",
    [
        "application/vnd.heroku+json; version=3",
        "application/vnd.heroku+json; version=3.cedar-acm",
        "*/*",
        "text/html",
        "",
    ],
)
def test_any_accept_is_answered_with_json(accept: str, site: Site, client: Client) -> None:
    reply = client.get("/account", ("Accept", accept), token=site.login())
    assert (reply.status, reply.header("content-type")) == (200, "application/json")


def test_an_authorization_changes_without_a_client_and_with_nothing_at_all(site: Site, client: Client) -> None:
    secret = site.login()
    made = client.post(AUTH, token=secret, json={"description": "ci"}).json
    for body in (b"", b"{}", b'{"description": null}', b'{"client": null}'):
        reply = client.request("PATCH", f"{AUTH}/{made['id']}", token=secret, body=body)
        assert (reply.status, reply.json["description"]) == (200, "ci")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", AUTH, {"expires_in": "soon"}, "expires_in"),
        ("POST", AUTH, {"expires_in": -1}, "expires_in"),
        ("POST", AUTH, {"expires_in": 1e300}, "expires_in"),
        ("POST", AUTH, {"expires_in": True}, "expires_in"),
        ("POST", AUTH, {"scope": ["root"]}, "scope"),
        ("POST", AUTH, {"scope": {"a": 1}}, "scope"),
        ("POST", AUTH, {"description": ["x"]}, "description"),
        ("POST", AUTH, {"client": "x"}, "client"),
        ("POST", "/account/keys", {}, "public_key"),
        ("POST", "/account/keys", {"public_key": "x"}, "public_key"),
        ("PATCH", "/account", {"beta": "yes"}, "beta"),
        ("PATCH", "/account", {"name": "x" * 500}, "name"),
        ("PUT", "/account/password", {}, "password"),
        ("PUT", "/account/password", {"current_password": PASSWORD, "new_password": "short"}, "password"),
        ("POST", "/auth", {"expires_in": "soon"}, "expires_in"),
        ("POST", "/auth", {"description": 7}, "description"),
    ],
)
def test_what_cannot_be_taken_names_its_field_and_leaves_no_row(
    method: str, path: str, body: dict[str, Any], field: str, site: Site, client: Client
) -> None:
    secret = site.login()
    before = site.audit()
    reply = client.request(method, path, token=secret, json=body)
    assert (reply.status, reply.json["id"], reply.json["field"]) == (422, "invalid_params", field)
    assert reply.json["message"]
    assert site.audit() == before


NO_OBJECT = [
    b"{", b"[1,2]", b"[]", b"5", b"null", b'"text"', b"{'a': 1}", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}',
    b'{"\\udfff": 1}', b"\xff\xfe{", b'{"a": "\xff"}', b"{" * 5000, b"[" * 60000, b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b"\x00", b'{"a": "x"} {', b"description=x",
]  # fmt: skip


@pytest.mark.parametrize("raw", NO_OBJECT)
def test_a_body_that_is_no_json_object_is_a_bad_request(raw: bytes, site: Site, client: Client) -> None:
    secret = site.login()
    for method, path in (("POST", AUTH), ("PATCH", "/account"), ("POST", "/auth")):
        reply = client.request(method, path, ("Content-Type", "application/json"), token=secret, body=raw)
        assert reply.status == 400, reply.body
        assert reply.json["id"] == "bad_request"


def test_a_body_that_is_too_large_is_refused_before_it_is_read_to_its_end(site: Site, client: Client) -> None:
    secret = site.login()
    most = b'{"description": "' + b" " * (64 * 1024 - 20) + b'"}'
    assert client.request("POST", AUTH, token=secret, body=most).status == 201
    for body in (most + b"  ", [b"x" * 1000] * 66, [b"{"] + [b" "] * 65536):
        reply = client.request("POST", AUTH, token=secret, body=body)
        assert (reply.status, reply.header("connection")) == (413, "close")
    assert client.request("POST", "/auth", body=most + b"  ").status == 413
    assert client.request("POST", AUTH, basic(EMAIL, PASSWORD), body=most + b"  ").status == 413


def test_a_body_is_not_read_for_whoever_may_not(client: Client) -> None:
    for body in (b"x" * 10**6, b"{"):
        assert client.request("POST", AUTH, body=body).status == 401


def test_a_request_that_breaks_off_in_its_body_changes_nothing(site: Site, client: Client) -> None:
    secret = site.login()

    async def broken() -> int:
        from tests.support.asgi import Exchange, bearer, scope_of

        exchange = Exchange(site.app, scope_of("POST", AUTH, [bearer(secret)]))
        exchange.start([b'{"description": "cut"', b""])
        exchange.incoming = type(exchange.incoming)()
        exchange.incoming.put_nowait({"type": "http.request", "body": b'{"descr', "more_body": True})
        exchange.disconnect()
        return (await exchange.reply()).status

    assert site.runner.run(broken()) == 400
    assert len(client.get(AUTH, token=secret).json) == 1


def test_a_body_that_does_not_come_in_time_is_refused(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn.web.call.BODY_SECONDS", 0.5)
    secret = site.login()

    async def dripping(path: str) -> Reply:
        exchange = client.begin("POST", path, token=secret, body=[b"{", b""])
        exchange.incoming = asyncio.Queue()
        assert exchange.task is not None
        while not exchange.task.done():
            exchange.incoming.put_nowait({"type": "http.request", "body": b" ", "more_body": True})
            await asyncio.sleep(0.02)
        return await exchange.reply()

    for path in (AUTH, "/auth", "/sign-in"):
        reply = site.runner.run(dripping(path))
        assert (reply.status, reply.header("connection")) == (408, "close")
        assert reply.json["message"] == "The body did not come within 0.5 seconds."
    assert len(client.get(AUTH, token=secret).json) == 1


# nothing that is sent is a fault

METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
SEGMENT = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"), max_size=20
) | st.sampled_from(["%00", "%ff", "%2e%2e", "~", "%0d%0aX:1", "[", "%C3%A9", "01900000-0000-7000-8000-000000000000"])
ROUTES = [
    "/account", "/account/password", "/account/rate-limits", "/account/features", "/account/keys", "/account/keys/{}",
    AUTH, AUTH + "/{}",
    AUTH + "/~", AUTH + "/{}/actions/regenerate-tokens", "/oauth/sessions", "/oauth/sessions/{}", "/teams", "/auth",
    "/healthz", "/", "/sign-in", "/sign-out", "/setup/{}", "/auth/browser/{}", "/auth/browser/{}/switch", "/sessions/{}/end",
    "/static/{}", "/verify", "/{}",
]  # fmt: skip
ODD = st.sampled_from(["\x00", "\ud800", "9" * 400, PASSWORD])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        "description",
        "expires_in",
        "scope",
        "client",
        "public_key",
        "name",
        "beta",
        "allow_tracking",
        "email",
        "password",
        "new_password",
        "current_password",
        "next",
        "csrf",
        "decision",
        "overlap",
        "redirect_uri",
    ]
)
BODIES = (
    st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(FIELDS, JSON, max_size=5).map(lambda value: json.dumps(value).encode())
)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
NAMES = st.sampled_from(
    [
        "Range",
        "If-None-Match",
        "Content-Type",
        "Accept",
        "Cookie",
        "Origin",
        "Sec-Fetch-Site",
        "User-Agent",
        "Host",
        "Authorization",
        "Content-Length",
    ]
)
HOSTILE = st.sampled_from(
    [
        ("Origin", "http://["),
        ("Origin", "null"),
        ("Range", "id ..; ;"),
        ("Range", "id ]x..y; max=999999,order=desc"),
        ("Range", "max=²"),
        ("Cookie", "keyturn_session_8420=ktw_x; keyturn_browser_8420="),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Accept", "text/html"),
        ("Authorization", "Basic OjpA"),
        ("Host", "[::1"),
    ]
)
HEADERS = st.lists(st.tuples(NAMES, VALUE) | HOSTILE, max_size=3)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """One site for all examples, with a login that outlives them."""
    site = Site(tmp_path_factory.mktemp("fuzz"), api_limit=0, begin_limit=0)
    yield site, site.login()
    site.close()


@settings(max_examples=600)
@given(METHODS, st.sampled_from(ROUTES), SEGMENT, HEADERS, BODIES, st.booleans(), VALUE)
def test_no_request_is_a_fault(
    shared: tuple[Site, str],
    method: str,
    route: str,
    segment: str,
    headers: list[tuple[str, str]],
    body: bytes,
    known: bool,
    query: str,
) -> None:
    site, secret = shared
    target = route.format(segment) + ("?" + query if len(query) > 40 else "")
    target = target.encode("ascii", "replace").decode().replace("#", "")
    reply = site.client.request(method, target, *headers, token=secret if known else None, body=body)
    assert reply.status < 500, (method, target, headers, body)
    if reply.status >= 400 and reply.header("content-type") == "application/json" and method != "HEAD":
        assert {"id", "message"} <= set(reply.json)


PAGES = ["/sign-in", "/sign-out", "/setup/x", "/auth/browser/x", "/auth/browser/x/switch", "/sessions/x/end"]
ORIGINS = st.sampled_from(["http://localhost:8420", "http://[", "null", "", "https://evil.example"]) | VALUE


@settings(max_examples=100)
@given(st.dictionaries(FIELDS, st.text(max_size=60), max_size=4), st.sampled_from(PAGES), ORIGINS)
def test_no_form_is_a_fault(shared: tuple[Site, str], fields: dict[str, str], path: str, origin: str) -> None:
    site, _ = shared
    browser = site.browser()
    csrf = browser.form(browser.page("/sign-in"), "/sign-in")["csrf"]
    readable = {name: text.encode("utf-8", "replace").decode() for name, text in fields.items()}
    assert browser.post(path, ("Origin", origin), form=readable | {"csrf": csrf}).status < 500


@pytest.mark.parametrize("path", ["//[", "/\\[x", "//evil.example", "/?", "\x00", "http://[::1"])
def test_no_next_page_is_a_fault(path: str, site: Site) -> None:
    site.account()
    browser = site.browser()
    reply = browser.submit(browser.page("/sign-in"), "/sign-in", email=EMAIL, password=PASSWORD, next=path)
    assert (reply.status, reply.header("location")) == (303, "/?" if path == "/?" else "/")


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "\x80", "null", ""])
def test_an_origin_that_cannot_be_read_is_a_foreign_one(origin: str, site: Site) -> None:
    site.account()
    browser = site.browser()
    fields = browser.form(browser.page("/sign-in"), "/sign-in") | {"email": EMAIL, "password": PASSWORD}
    assert browser.post("/sign-in", ("Origin", origin), form=fields).status == 403

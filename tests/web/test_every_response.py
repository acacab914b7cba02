"""What every response carries, whatever it answers."""

from __future__ import annotations

import logging
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.support.asgi import basic
from tests.support.site import Site
from tests.support.world import EMAIL

from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.asgi import Client, Reply


def some_replies(site: Site) -> list[Reply]:
    """One answer of every sort: good, refused, unknown, faulty, of pages and of files."""
    client, good = site.client, site.login()
    narrow = site.secret(site.account("n@example.com"), Kind.AUTHORIZATION, scopes=("identity",))
    return [
        client.get("/account", token=good),
        client.get("/account"),
        client.get("/account", token="undefined"),
        client.get("/account?token=x"),
        client.get("/account/keys", token=narrow),
        client.get("/account/rate-limits", token=good),
        client.get("/oauth/authorizations", token=good),
        client.get("/oauth/authorizations/none", token=good),
        client.get("/no/such/path", token=good),
        client.get("/no/such/page", ("Accept", "text/html")),
        client.request("DELETE", "/account", token=good),
        client.request("POST", "/oauth/authorizations", token=good, body=b"{"),
        client.post("/oauth/authorizations", token=good, json={"expires_in": "x"}),
        client.post("/oauth/authorizations", basic(EMAIL, "wrong")),
        client.post("/auth", json={}),
        client.get("/auth/cli/none"),
        client.get("/healthz"),
        client.get("/verify", token=good),
        client.get("/"),
        client.get("/sign-in"),
        client.get("/setup/x"),
        client.get("/auth/browser/x"),
        client.post("/sign-in", form={}),
        client.get("/static/keyturn.css"),
        client.get("/static/none.css"),
        client.get("/static/../app.py"),
        client.get("/static/%00"),
        client.request("POST", "/static/keyturn.css"),
    ]


def test_every_response_has_its_id_the_requests_left_and_the_headers_of_safety(site: Site) -> None:
    replies = some_replies(site)
    for reply in replies:
        assert reply.status < 500, reply
        assert uuid.UUID(reply.header("request-id")).version == 4
        assert int(reply.header("ratelimit-remaining") or "") >= 0
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("x-frame-options") == "DENY"
        assert reply.header("referrer-policy") in ("no-referrer", "same-origin")
        assert reply.header("strict-transport-security") is None
    assert len({reply.header("request-id") for reply in replies}) == len(replies)


def test_json_ends_with_a_newline_which_its_length_counts(site: Site) -> None:
    replies = [reply for reply in some_replies(site) if reply.header("content-type") == "application/json"]
    assert len(replies) >= 15
    for reply in replies:
        assert reply.body[-2:] in (b"}\n", b"]\n"), reply
        assert int(reply.header("content-length") or "") == len(reply.body)


def test_nothing_but_files_may_be_kept_by_a_cache(site: Site) -> None:
    for reply in some_replies(site):
        if "text/css" not in (reply.header("content-type") or "") and reply.status != 404:
            assert reply.header("cache-control") == "no-store", reply


def test_every_page_has_a_strict_policy_for_its_content(site: Site) -> None:
    pages = [reply for reply in some_replies(site) if "text/html" in (reply.header("content-type") or "")]
    assert len(pages) >= 6
    for page in pages:
        policy = dict(part.strip().split(" ", 1) for part in (page.header("content-security-policy") or "").split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["style-src"] == policy["form-action"] == "'self'"
        assert "unsafe" not in str(policy)
        scripts = re.findall(r"<script.*?</script>", page.text, re.DOTALL)
        assert page.text.count("<script") == len(scripts)
        assert all(re.fullmatch(r'<script src="/static/[^"]+" defer></script>', script) for script in scripts), scripts
        assert "style=" not in page.text
        assert " onclick" not in page.text


def test_over_tls_browsers_are_told_to_stay_there(tmp_path: Path) -> None:
    site = Site(tmp_path, url="https://keys.example.com")
    assert site.client.get("/account").header("strict-transport-security") == "max-age=31536000"
    site.close()


@pytest.mark.parametrize(
    ("method", "path", "resource"),
    [("GET", "/nothing", "route"), ("GET", "/oauth/authorizations/", "route"), ("POST", "/oauth/nothing", "route")],
)
def test_a_path_that_there_is_not_is_told_in_json(method: str, path: str, resource: str, client: Client) -> None:
    reply = client.request(method, path)
    assert (reply.status, reply.json["id"], reply.json["resource"]) == (404, "not_found", resource)


def test_a_path_that_there_is_not_is_a_page_for_people(client: Client) -> None:
    reply = client.get("/nothing", ("Accept", "text/html,application/xhtml+xml"))
    assert reply.status == 404
    assert "There is no such page" in reply.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/account", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("PUT", "/oauth/authorizations", {"GET", "HEAD", "POST"}),
        ("GET", "/auth", {"POST"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_told_which_ones_there_are(method: str, path: str, allowed: set[str], client: Client) -> None:
    reply = client.request(method, path)
    assert reply.status == 405
    assert {name.strip() for name in (reply.header("allow") or "").split(",")} == allowed
    assert reply.json["id"]


@pytest.mark.parametrize(
    "path",
    ["/account", "/verify", "/account/keys", "/account/rate-limits", "/oauth/authorizations", "/healthz", "/sign-in"],
)
def test_a_head_answers_as_get_does_without_the_body(path: str, site: Site, client: Client) -> None:
    secret = site.login()
    head, get = client.request("HEAD", path, token=secret), client.get(path, token=secret)
    changing = {"request-id", "ratelimit-remaining", "set-cookie", "content-length"}
    assert head.status == get.status == 200
    assert head.body == b""
    assert head.header("content-length") is not None

    def steady(reply: Reply) -> list[tuple[str, str]]:
        return [(name, value) for name, value in reply.headers if name not in changing]

    assert steady(head) == steady(get)


def test_a_fault_is_answered_without_a_trace_and_logged_without_a_secret(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, begun = site.login(), site.client.post("/auth", json={}).json

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the wheels came off")

    monkeypatch.setattr("keyturn.actions.grants.listed", broken)
    monkeypatch.setattr("keyturn.actions.cli_login.shown", broken)
    with caplog.at_level(logging.DEBUG):
        api = site.client.get("/oauth/authorizations", token=secret)
        page = site.client.get(begun["browser_url"], ("Accept", "text/html"))
    for reply in (api, page):
        assert reply.status == 500
        assert "wheels" not in reply.text
        assert "Traceback" not in reply.text
        assert (reply.header("request-id") or "-") in caplog.text
    assert api.json["id"] == "internal_server_error"
    assert "the wheels came off" in caplog.text
    assert secret not in caplog.text
    assert begun["browser_url"].rsplit("/", 1)[1] not in caplog.text


def test_a_store_that_does_not_answer_is_a_503_that_asks_to_try_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    secret = site.login()
    site.store.close()
    site.path.write_bytes(b"this is no database" * 1000)
    for path in ("/account", "/verify", "/account/keys", "/oauth/authorizations", "/healthz", "/auth/cli/x"):
        reply = site.client.get(path, token=secret)
        assert reply.status == 503, path
        assert reply.json["message"]
    assert site.client.get("/account", token=secret).header("retry-after") == "2"
    assert site.client.post("/auth", json={}).status == 503
    assert site.browser().page("/setup/x").status == 503
    site.close()

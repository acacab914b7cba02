"""GET /verify, as a reverse proxy asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from tests.support.world import EMAIL

from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Client
    from tests.support.site import Site


def test_a_good_token_is_answered_with_whose_it_is(site: Site, client: Client) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, scopes=("read", "write"), asked=3600)
    reply = client.get("/verify", token=made.secret)
    assert reply.status == 200
    facts = {name: value for name, value in reply.headers if name.startswith("x-keyturn-")}
    assert facts == {
        "x-keyturn-account": account.id,
        "x-keyturn-email": EMAIL,
        "x-keyturn-scope": "read write",
        "x-keyturn-credential": made.grant.id,
        "x-keyturn-kind": "authorization",
        "x-keyturn-expires-at": "2026-03-02T10:00:00Z",
    }
    assert reply.json == {
        "account": account.id,
        "email": EMAIL,
        "scope": "read write",
        "credential": made.grant.id,
        "kind": "authorization",
        "expires_at": "2026-03-02T10:00:00Z",
    }
    assert reply.header("cache-control") == "no-store"


def test_a_token_without_an_expiry_has_no_header_for_it(site: Site, client: Client) -> None:
    reply = client.get("/verify", token=site.secret(site.account(), Kind.API_KEY))
    assert reply.header("x-keyturn-expires-at") is None
    assert reply.json["expires_at"] is None


@pytest.mark.parametrize("email", ["ünï@xn--bcher-kva.example", "a%41@example.com", "日本@xn--r8jz45g.jp"])
def test_an_email_of_any_language_fits_into_a_header(email: str, site: Site, client: Client) -> None:
    reply = client.get("/verify", token=site.login(site.account(email)))
    header = reply.header("x-keyturn-email") or ""
    assert header.isascii()
    assert reply.json["email"] == email
    assert unquote(header) == email  # one way to read it, so that nobody passes for another


@pytest.mark.parametrize(
    ("held", "asked", "status"),
    [
        ("global", "write-protected", 200),
        ("read write", "read", 200),
        ("read write", "read,write", 200),
        ("read write", "read%20write", 200),
        ("write", "read", 200),
        ("read", "", 200),
        ("read", "write", 403),
        ("read", "global", 403),
        ("identity", "read", 403),
        ("read write", "read&scope=read-protected", 403),
        ("global", "root", 400),
    ],
)
def test_a_scope_can_be_asked_for(held: str, asked: str, status: int, site: Site, client: Client) -> None:
    secret = site.secret(site.account(), Kind.AUTHORIZATION, scopes=tuple(held.split()))
    reply = client.get(f"/verify?scope={asked}", token=secret)
    assert reply.status == status
    if status == 403:
        assert reply.header("x-keyturn-reason") == reply.json["reason"] == "insufficient_scope"
        assert 'error="insufficient_scope"' in (reply.header("www-authenticate") or "")
    if status != 200:
        assert reply.header("x-keyturn-account") is None


def test_a_revocation_is_in_force_with_the_next_request(site: Site, client: Client) -> None:
    account = site.account()
    acting, made = site.login(account), site.mint(account, Kind.AUTHORIZATION)
    assert client.get("/verify", token=made.secret).status == 200
    client.delete(f"/oauth/authorizations/{made.grant.id}", token=acting)
    reply = client.get("/verify", token=made.secret)
    assert (reply.status, reply.header("x-keyturn-reason")) == (401, "revoked_by_owner")


def test_any_method_may_ask_since_proxies_pass_on_the_callers(site: Site, client: Client) -> None:
    secret = site.login()
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        assert client.request(method, "/verify", token=secret).header("x-keyturn-email") == EMAIL


def test_a_refusal_says_its_reason_in_a_header(site: Site, client: Client) -> None:
    assert client.get("/verify").header("x-keyturn-reason") == "missing"
    assert client.get("/verify", token="undefined").header("x-keyturn-reason") == "malformed"
    assert client.get("/verify?token=x").header("x-keyturn-reason") == "bad_request"


def test_a_refusal_has_its_body_as_a_header_too_for_proxies_that_read_nothing_else(site: Site, client: Client) -> None:
    account = site.account()
    acting = site.login(account)
    narrow = site.secret(account, Kind.AUTHORIZATION, scopes=("read",))
    dead = site.mint(account, Kind.AUTHORIZATION, description='夜 🌙 \\ " %0d%0a' + "🌙" * 280)
    client.delete(f"/oauth/authorizations/{dead.grant.id}", token=acting)
    for path, token in (
        ("/verify", None), ("/verify", "x"), ("/verify", acting[:-1] + "x"), ("/verify?scope=write", narrow),
        ("/verify?scope=x", narrow), ("/verify", dead.secret),
    ):  # fmt: skip
        reply = client.get(path, token=token)
        header = (reply.header("x-keyturn-refusal") or "").encode("latin-1")
        assert header + b"\n" == reply.body, reply
        whole = sum(len(name) + len(value) + 4 for name, value in reply.headers)
        assert whole < 4000  # as much as nginx reads of a head, with its first line and its date
        assert reply.status in (400, 401, 403)
    assert "🌙" in header.decode()
    assert client.get("/verify", token=acting).header("x-keyturn-refusal") is None

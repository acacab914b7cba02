"""What a dead, forbidden or unknown credential is answered, and that refusals are counted into the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.asgi import basic
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import accounts, refusals
from keyturn.core import reasons
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Client, Reply
    from tests.support.site import Site

PATHS = ["/account", "/verify", "/account/keys"]


def refused(site: Site, client: Client, secret: str) -> Reply:
    """The answer of /account, which is that of every other route too."""
    replies = [client.get(path, token=secret) for path in PATHS]
    assert replies[0].json == replies[1].json == replies[2].json
    assert replies[1].header("x-keyturn-reason") == replies[0].json["reason"]
    for reply in replies:
        assert reply.status == 401
        assert reply.header("cache-control") == "no-store"
        assert reply.header("www-authenticate") == (
            f'Bearer realm="Keyturn", error="invalid_token", error_description="{reply.json["reason"]}"'
        )
        assert secret not in reply.text
    return replies[0]


@pytest.mark.parametrize("reason", sorted(reasons.ENDINGS))
def test_every_way_to_die_is_told_to_the_holder(reason: str, site: Site, client: Client) -> None:
    made = site.mint(site.account(), Kind.AUTHORIZATION, description="nightly build")
    assert made.secret is not None
    with site.store.writing() as tx:
        tx.change_grant(made.grant.id, ended_at=site.clock(), ended_reason=reason)
    body = refused(site, client, made.secret).json
    assert body["id"] == "unauthorized"
    assert body["reason"] == reason
    assert body["ended_at"] == "2026-03-02T09:00:01Z"
    assert body["credential"] == {"id": made.grant.id, "kind": "authorization", "description": "nightly build"}
    assert body["message"].startswith("This authorization “nightly build” ")
    assert "2 March 2026 at 09:00 UTC" in body["message"]
    assert body["next"]


def test_an_expired_token_says_when_it_expired_and_what_to_do(site: Site, client: Client) -> None:
    secret = site.secret(site.account(), asked=60)
    site.clock.now = site.clock.now.replace(minute=1, second=0)  # its very last moment
    assert (
        refused(site, client, secret).json["message"] == "This login “a laptop” expired on 2 March 2026 at 09:01 UTC."
    )


def test_an_expired_and_under_scoped_token_is_told_that_it_expired(site: Site, client: Client) -> None:
    secret = site.secret(site.account(), Kind.AUTHORIZATION, scopes=("identity",), asked=60)
    assert client.get("/account/keys", token=secret).status == 403
    site.clock.advance(minutes=2)
    reply = client.get("/account/keys", token=secret)
    assert (reply.status, reply.json["reason"]) == (401, "expired")


def test_a_suspended_accounts_token_is_told_so(site: Site, client: Client) -> None:
    secret = site.login()
    accounts.suspend(site.env, site.by(), EMAIL)
    body = refused(site, client, secret).json
    assert (body["reason"], body["next"]) == ("owner_suspended", "ask your administrator")
    accounts.unsuspend(site.env, site.by(), EMAIL)
    body = refused(site, client, secret).json  # what ended stays ended, and another can be had
    assert (body["reason"], body["next"]) == ("owner_suspended", "keyturn login")
    assert "when its account was suspended" in body["message"]


def test_the_token_before_a_rotation_is_told_that_there_is_a_newer_one(site: Site, client: Client) -> None:
    account = site.account()
    made, acting = site.mint(account, Kind.AUTHORIZATION), site.login(account)
    again = client.post(f"/oauth/authorizations/{made.grant.id}/actions/regenerate-tokens", token=acting)
    assert client.get("/account", token=again.json["access_token"]["token"]).status == 200
    assert refused(site, client, made.secret or "").json["reason"] == "rotated"


def test_a_living_token_without_the_right_is_forbidden_and_told_which_scope_it_takes(
    site: Site, client: Client
) -> None:
    secret = site.secret(site.account(), Kind.AUTHORIZATION, scopes=("read", "identity"))
    reply = client.get("/oauth/authorizations", token=secret)
    assert reply.status == 403
    assert reply.json == {
        "id": "forbidden",
        "message": "This token's scope (read, identity) does not allow this: it takes global.",
        "reason": "insufficient_scope",
        "next": "keyturn authorizations:create --scope global",
        "scope": ["global"],
    }
    challenge = 'Bearer realm="Keyturn", error="insufficient_scope", scope="global"'
    assert reply.header("www-authenticate") == challenge


# The least scope that opens each route; every other scope that is not wider is refused before anything happens.
LEAST = {
    ("GET", "/account"): "identity",
    ("PATCH", "/account"): "global",
    ("PUT", "/account/password"): "global",
    ("GET", "/account/rate-limits"): "identity",
    ("GET", "/account/features"): "read",
    ("GET", "/teams"): "read",
    ("GET", "/account/keys"): "read",
    ("POST", "/account/keys"): "global",
    ("GET", "/account/keys/x"): "read",
    ("DELETE", "/account/keys/x"): "global",
    ("GET", "/oauth/authorizations"): "global",
    ("POST", "/oauth/authorizations"): "global",
    ("GET", "/oauth/authorizations/x"): "global",
    ("PATCH", "/oauth/authorizations/x"): "global",
    ("DELETE", "/oauth/authorizations/x"): "global",
    ("POST", "/oauth/authorizations/x/actions/regenerate-tokens"): "global",
    ("GET", "/oauth/sessions"): "global",
    ("DELETE", "/oauth/sessions/x"): "global",
    ("DELETE", "/oauth/sessions/~"): "identity",
}


@pytest.mark.parametrize(("method", "path"), LEAST, ids=str)
def test_each_route_takes_the_scope_of_the_table(method: str, path: str, site: Site, client: Client) -> None:
    account = site.account()
    opens = {"identity": {"identity", "read", "global"}, "read": {"read", "global"}, "global": {"global"}}
    for scope in ("identity", "read", "global"):
        secret = site.secret(account, Kind.AUTHORIZATION, scopes=(scope,))
        allowed = client.request(method, path, token=secret).status != 403
        assert allowed == (scope in opens[LEAST[method, path]]), scope


def test_refusals_are_counted_into_the_audit_trail_many_to_a_row(site: Site, client: Client) -> None:
    account = site.account()
    dead = site.mint(account, Kind.AUTHORIZATION, asked=60)
    narrow = site.mint(account, Kind.AUTHORIZATION, scopes=("read",))
    site.clock.advance(hours=1)
    for path in (*PATHS, "/account"):
        client.get(path, token=dead.secret)
    client.get("/oauth/sessions", token=narrow.secret)
    client.get("/verify?scope=write", token=narrow.secret)
    client.get("/account", token="undefined")
    client.get("/account", basic(EMAIL, PASSWORD))
    client.get("/account/keys", basic(EMAIL, PASSWORD))
    client.get("/account")
    refusals.write(site.env, site.face.refusals.take())
    rows = {
        (event.reason, event.grant_id, event.account_id, event.details["count"], event.details.get("what"))
        for event in site.audit()
        if (event.action, event.outcome, event.address) == ("request", "refused", client.address)
    }
    assert rows == {
        ("expired", dead.grant.id, account.id, 4, None),
        ("insufficient_scope", narrow.grant.id, account.id, 1, "GET /oauth/sessions"),
        ("insufficient_scope", narrow.grant.id, account.id, 1, None),
        ("malformed", None, None, 1, None),
        ("password_as_token", None, None, 2, None),
    }
    assert site.face.refusals.take() == {}


def test_what_somebody_may_not_do_with_an_app_is_in_the_trail_with_what_they_tried(site: Site, client: Client) -> None:
    owner, other = site.account(), site.account("bob@example.com")
    assert client.post("/apps", json={"name": "blue-sky"}, token=site.login(owner)).status == 201
    member = site.login(other)
    added = client.post("/apps/blue-sky/collaborators", json={"user": "bob@example.com"}, token=site.login(owner))
    assert added.status == 201
    for _ in range(2):
        assert client.request("DELETE", "/apps/blue-sky", token=member).status == 403
    refusals.write(site.env, site.face.refusals.take())
    (event,) = (event for event in site.audit() if event.outcome == "refused")
    assert (event.account_id, event.reason) == (other.id, "not_permitted")
    assert event.details == {"count": 2, "what": "DELETE /apps/{app}", "app": "blue-sky"}


def test_a_flood_of_refusals_does_not_fill_the_memory(site: Site) -> None:
    for number in range(refusals.MOST_PENDING + 500):
        site.face.refusals.note(None, "malformed", f"192.0.2.{number}")
    counts = site.face.refusals.take()
    assert len(counts) == refusals.MOST_PENDING + 1
    assert counts[refusals.Refusal(None, "malformed", "various")] == 500


def test_a_storm_of_retries_with_a_dead_token_stays_401_and_harms_nobody_else(site: Site, client: Client) -> None:
    account = site.account()
    dead, other = site.secret(account, asked=1), site.login(account)
    site.clock.advance(hours=1)
    assert {client.get("/account", token=dead).status for _ in range(300)} == {401}
    reply = client.get("/account", token=other)
    assert (reply.status, reply.header("ratelimit-remaining")) == (200, "4499")

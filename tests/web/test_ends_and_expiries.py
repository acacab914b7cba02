"""The dead stay listed, with why; an expiry can be changed within the caps; answers warn before the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyturn.core.policy import DAY, HOUR, YEAR, Kind

if TYPE_CHECKING:
    from tests.support.asgi import Client
    from tests.support.site import Site


def change(client: Client, token: str, identity: str, expires_in: object) -> Any:
    return client.request("PATCH", f"/oauth/authorizations/{identity}", token=token, json={"expires_in": expires_in})


def test_the_dead_stay_listed_with_when_why_and_by_whom(site: Site, client: Client) -> None:
    account = site.account()
    token, made = site.secret(account), site.mint(account, Kind.AUTHORIZATION, description="old build")
    expired = site.mint(account, Kind.AUTHORIZATION, asked=60, description="short")
    client.get("/account", ("User-Agent", "cron"), token=made.secret)
    site.write_uses()
    client.request("DELETE", f"/oauth/authorizations/{made.grant.id}", token=token)
    site.clock.advance(minutes=5)
    assert made.grant.id not in [a["id"] for a in client.get("/oauth/authorizations", token=token).json]
    everything = client.get("/oauth/authorizations?include=ended", token=token)
    found = {a["id"]: a for a in everything.json}
    assert found[made.grant.id]["reason"] == "revoked_by_owner"
    assert found[made.grant.id]["ended_by"] == account.email
    assert "was revoked by its owner on 2 March 2026" in found[made.grant.id]["life"]
    assert [use["agent"] for use in found[made.grant.id]["uses"]] == ["cron"]
    assert (found[expired.grant.id]["reason"], found[expired.grant.id]["ended_by"]) == ("expired", None)
    assert made.secret is not None
    assert made.secret not in everything.text, "the secret is gone for good"


def test_ended_logins_are_among_the_sessions_when_asked_for(site: Site, client: Client) -> None:
    account = site.account()
    token, other = site.secret(account), site.mint(account)
    client.request("DELETE", f"/oauth/sessions/{other.grant.id}", token=token)
    assert [s["reason"] for s in client.get("/oauth/sessions?include=ended", token=token).json if "reason" in s] == [
        "logged_out"
    ]


def test_an_authorization_is_prolonged_shortened_and_made_to_last_forever(site: Site, client: Client) -> None:
    account = site.account()
    token, made = site.secret(account), site.mint(account, Kind.AUTHORIZATION, asked=HOUR)
    site.clock.advance(minutes=30)
    longer = change(client, token, made.grant.id, DAY)
    assert longer.json["access_token"]["expires_in"] == DAY
    assert longer.json["life"].startswith("expires in 1 day (2026-03-03 09:30 UTC), or sooner")
    assert change(client, token, made.grant.id, None).json["life"].startswith("never expires")
    change(client, token, made.grant.id, "60")
    site.clock.advance(seconds=60)
    assert client.get("/verify", token=made.secret).json["reason"] == "expired"


def test_a_login_never_outlives_its_year_however_often_it_is_prolonged(site: Site, client: Client) -> None:
    account = site.account()
    token, login = site.secret(account, Kind.API_KEY), site.mint(account)
    site.clock.advance(days=100)
    reply = change(client, token, login.grant.id, YEAR)
    assert (reply.status, reply.json["field"]) == (422, "expires_in")
    assert "a login lives at most 365 days, of which 100 days are over" in reply.json["message"]
    assert change(client, token, login.grant.id, 264 * DAY).status == 200
    never = change(client, token, login.grant.id, None)
    assert (never.status, never.json["field"]) == (422, "expires_in")


def test_a_token_cannot_prolong_itself(site: Site, client: Client) -> None:
    made = site.mint(site.account(), Kind.AUTHORIZATION, asked=HOUR)
    assert made.secret is not None
    for longer in (DAY, None):
        reply = change(client, made.secret, made.grant.id, longer)
        assert (reply.status, reply.json["field"]) == (422, "expires_in")
    assert change(client, made.secret, made.grant.id, 60).status == 200


@pytest.mark.parametrize("asked", [0, -5, 1.5, "soon", 10**12, True, [], {}])
def test_an_expiry_that_cannot_be_changes_nothing(site: Site, client: Client, asked: object) -> None:
    account = site.account()
    token, made = site.secret(account), site.mint(account, Kind.AUTHORIZATION, asked=HOUR)
    before = client.get(f"/oauth/authorizations/{made.grant.id}", token=token).json
    reply = change(client, token, made.grant.id, asked)
    assert (reply.status, reply.json["field"]) == (422, "expires_in")
    assert client.get(f"/oauth/authorizations/{made.grant.id}", token=token).json == before


def test_answers_say_when_the_token_expires_and_warn_in_the_last_tenth_of_its_life(site: Site, client: Client) -> None:
    made = site.mint(site.account(), Kind.AUTHORIZATION, asked=10 * HOUR)
    early = client.get("/account", token=made.secret)
    assert early.header("keyturn-expires-at") == "2026-03-02T19:00:00Z"
    assert early.header("warning-message") is None
    site.clock.advance(hours=8, minutes=59)
    assert client.get("/account", token=made.secret).header("warning-message") is None
    site.clock.advance(minutes=1)
    for path in ("/account", "/verify", "/account/keys", "/nope-but-authenticated"):
        warning = client.get(path, token=made.secret).header("warning-message")
        assert path.startswith("/nope") or f"authorizations:update {made.grant.id} -e SECONDS" in (warning or "")


def test_a_token_that_never_expires_is_silent(site: Site, client: Client) -> None:
    reply = client.get("/account", token=site.secret(site.account(), Kind.AUTHORIZATION))
    assert (reply.header("keyturn-expires-at"), reply.header("warning-message")) == (None, None)


def test_a_storm_of_retries_with_a_dead_token_stays_401_and_hurts_nobody(site: Site, client: Client) -> None:
    account = site.account()
    live, dead = site.secret(account), site.mint(account, Kind.AUTHORIZATION)
    client.request("DELETE", f"/oauth/authorizations/{dead.grant.id}", token=live)
    statuses = {client.get("/account", token=dead.secret).status for _ in range(10_000)}
    assert statuses == {401}
    assert client.get("/account", token=live).status == 200
    other = site.new_client(client.address)
    assert other.get("/account", token=site.secret(site.account("b@example.com"))).status == 200
    assert client.get("/account", token=dead.secret).json["reason"] == "revoked_by_owner"

"""Rotation: at once, or with an overlap that ends itself; a fleet of clients sees no failed request."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from keyturn.actions import overlap
from keyturn.core.policy import DAY, HOUR, Kind

if TYPE_CHECKING:
    from tests.support.asgi import Client, Reply
    from tests.support.site import Site


def authorization(site: Site, client: Client, **body: Any) -> tuple[str, str, str]:
    """A login's token, and the id and token of a new authorization."""
    token = site.login()
    made = client.request("POST", "/oauth/authorizations", token=token, json={"description": "fleet", **body}).json
    return token, made["id"], made["access_token"]["token"]


def rotate(client: Client, token: str, identity: str, **body: Any) -> Reply:
    return client.request("POST", f"/oauth/authorizations/{identity}/actions/regenerate-tokens", token=token, json=body)


def test_without_an_overlap_the_old_token_dies_at_once_and_says_so(site: Site, client: Client) -> None:
    token, identity, old = authorization(site, client)
    new = rotate(client, token, identity).json["access_token"]["token"]
    assert client.get("/account", token=new).status == 200
    refusal = client.get("/account", token=old)
    assert (refusal.status, refusal.json["reason"]) == (401, "rotated")


def test_with_an_overlap_both_work_and_the_old_one_says_that_it_ends(site: Site, client: Client) -> None:
    token, identity, old = authorization(site, client)
    reply = rotate(client, token, identity, overlap=DAY)
    new = reply.json["access_token"]["token"]
    assert reply.json["overlap"]["ends_at"] == "2026-03-03T09:00:01Z"
    assert reply.json["overlap"]["token"].startswith(old[:10])
    assert old not in reply.text
    both = [client.get("/account", token=old), client.get("/account", token=new)]
    assert [reply.status for reply in both] == [200, 200]
    assert "was rotated" in (both[0].header("warning-message") or "")
    assert both[0].header("keyturn-expires-at") == "2026-03-03T09:00:01Z"
    assert both[1].header("warning-message") is None
    site.clock.advance(days=1)
    refusal = client.get("/account", token=old)
    assert (refusal.status, refusal.json["reason"]) == (401, "rotated")
    assert client.get("/account", token=new).status == 200


def test_the_list_says_who_still_uses_the_old_token(site: Site, client: Client) -> None:
    token, identity, old = authorization(site, client)
    rotate(client, token, identity, overlap=DAY)
    client.get("/account", ("User-Agent", "old-cron/1"), token=old)
    site.write_uses()
    (found,) = [a for a in client.get("/oauth/authorizations", token=token).json if a["id"] == identity]
    assert [use["agent"] for use in found["overlap"]["uses"]] == ["old-cron/1"]
    assert found["uses"] == []


def test_an_old_token_that_nobody_uses_any_more_ends_before_its_overlap(site: Site, client: Client) -> None:
    token, identity, old = authorization(site, client)
    rotate(client, token, identity, overlap=7 * DAY, idle=2 * HOUR)
    site.clock.advance(hours=1, minutes=59)
    client.get("/account", token=old)
    site.write_uses()
    site.clock.advance(hours=1)
    overlap.end_overlaps(site.env)
    assert client.get("/verify", token=old).status == 200, "used an hour ago"
    site.write_uses()
    site.clock.advance(hours=2, minutes=2)
    overlap.end_overlaps(site.env)
    assert client.get("/verify", token=old).json["reason"] == "rotated"


def test_another_rotation_ends_the_overlap_of_the_one_before(site: Site, client: Client) -> None:
    token, identity, first = authorization(site, client)
    second = rotate(client, token, identity, overlap=DAY).json["access_token"]["token"]
    third = rotate(client, token, identity, overlap=DAY).json["access_token"]["token"]
    assert [client.get("/verify", token=t).status for t in (first, second, third)] == [401, 200, 200]


def test_a_revocation_ends_old_and_new_alike(site: Site, client: Client) -> None:
    token, identity, old = authorization(site, client)
    new = rotate(client, token, identity, overlap=DAY).json["access_token"]["token"]
    client.request("DELETE", f"/oauth/authorizations/{identity}", token=token)
    reasons = [client.get("/verify", token=t).json["reason"] for t in (old, new)]
    assert reasons == ["revoked_by_owner", "revoked_by_owner"]


def test_an_overlap_never_outlives_the_authorization(site: Site, client: Client) -> None:
    token, identity, old = authorization(site, client, expires_in=HOUR)
    rotate(client, token, identity, overlap=DAY)
    assert client.get("/verify", token=old).header("keyturn-expires-at") == "2026-03-02T10:00:01Z"
    site.clock.advance(hours=1)
    assert client.get("/verify", token=old).json["reason"] == "expired"


@pytest.mark.parametrize(
    ("field", "asked"), [("overlap", 31 * DAY), ("overlap", -1), ("overlap", "soon"), ("idle", 1.5)]
)
def test_an_overlap_that_cannot_be_leaves_all_as_it_was(site: Site, client: Client, field: str, asked: object) -> None:
    token, identity, old = authorization(site, client)
    reply = rotate(client, token, identity, **{"overlap": DAY, field: asked})
    assert (reply.status, reply.json["field"]) == (422, field)
    assert client.get("/verify", token=old).header("warning-message") is None


def test_the_api_key_has_no_overlap(site: Site, client: Client) -> None:
    token = site.login()
    rotate(client, token, "~")
    reply = rotate(client, token, "~", overlap=DAY)
    assert (reply.status, reply.json["field"]) == (422, "overlap")


@pytest.mark.parametrize("seed", range(3))
def test_a_rolling_fleet_of_clients_sees_no_failed_request(site: Site, client: Client, seed: int) -> None:
    chance = random.Random(seed)
    token, identity, first = authorization(site, client)
    fleet = [first] * 8
    failed = []
    for _ in range(4):  # rotations, each rolled out over half a day while all work on
        new = rotate(client, token, identity, overlap=DAY).json["access_token"]["token"]
        for machine in chance.sample(range(8), 8):
            site.clock.advance(minutes=chance.randint(20, 90))
            fleet[machine] = new
            failed += [r for r in (client.get("/account", token=held) for held in fleet) if r.status != 200]
            site.write_uses()
            overlap.end_overlaps(site.env)
        site.clock.advance(days=3)
        overlap.end_overlaps(site.env)
        failed += [r for r in (client.get("/account", token=held) for held in fleet) if r.status != 200]
    assert failed == []
    assert client.get("/account", token=first).json["reason"] == "rotated"


def test_an_ssh_or_web_credential_is_not_rotated(site: Site, client: Client) -> None:
    account = site.account()
    web = site.mint(account, Kind.WEB)
    assert rotate(client, site.secret(account), web.grant.id).status == 404

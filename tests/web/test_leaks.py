"""Anyone may report leaked tokens; they end at once, and the answer discloses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyturn.core import token
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Client, Reply
    from tests.support.site import Site


def report(client: Client, *tokens: Any) -> Reply:
    return client.request("POST", "/credentials/revoke", json={"tokens": list(tokens)})


@pytest.mark.parametrize("kind", [Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.AUTHORIZATION])
def test_a_reported_token_ends_at_once_and_says_why(site: Site, client: Client, kind: Kind) -> None:
    made = site.mint(site.account(), kind)
    assert report(client, f" {made.secret}\n").status == 202
    assert site.ended(made) == "reported_leaked"
    if kind is not Kind.WEB:
        assert client.get("/account", token=made.secret).json["reason"] == "reported_leaked"


def test_the_answer_is_the_same_for_genuine_dead_and_invented_tokens(site: Site, client: Client) -> None:
    account = site.account()
    live, dead = site.secret(account, Kind.AUTHORIZATION), site.mint(account, Kind.AUTHORIZATION, asked=1).secret
    site.clock.advance(seconds=1)
    invented = token.make("authorization", lambda count: b"x" * count)
    answers = [report(client, text) for text in (live, dead, invented, "no token at all")]
    assert {(reply.status, reply.text) for reply in answers} == {(202, '{"received":1}\n')}


def test_a_report_of_many_ends_each_of_them_and_nothing_else(site: Site, client: Client) -> None:
    account, other = site.account(), site.account("b@example.com")
    leaked = [site.mint(account, Kind.AUTHORIZATION), site.mint(other, Kind.AUTHORIZATION)]
    kept = site.mint(account, Kind.AUTHORIZATION)
    assert report(client, *(made.secret for made in leaked), "junk").json == {"received": 3}
    assert [site.ended(made) for made in (*leaked, kept)] == ["reported_leaked", "reported_leaked", None]


def test_a_token_that_was_rotated_away_does_not_end_its_successor(site: Site, client: Client) -> None:
    account = site.account()
    made, login = site.mint(account, Kind.AUTHORIZATION), site.secret(account)
    path = f"/oauth/authorizations/{made.grant.id}/actions/regenerate-tokens"
    new = client.request("POST", path, token=login).json["access_token"]["token"]
    report(client, made.secret)
    assert client.get("/verify", token=new).status == 200


@pytest.mark.parametrize("tokens", [None, [], "kta_x", [1], [None], ["x"] * 101, {}])
def test_a_report_of_another_form_is_refused_in_words(client: Client, tokens: object) -> None:
    reply = client.request("POST", "/credentials/revoke", json={"tokens": tokens})
    assert (reply.status, reply.json["field"]) == (422, "tokens")


def test_tokens_in_the_url_are_refused(client: Client) -> None:
    text = token.make("authorization", bytes)
    assert client.request("POST", f"/credentials/revoke?tokens={text}", json={"tokens": ["x"]}).status == 400


def test_a_flood_of_reports_from_one_address_is_held_back(site: Site, client: Client) -> None:
    statuses = [report(client, "x").status for _ in range(610)]
    assert statuses.count(202) == 600
    assert statuses[-1] == 429
    assert report(site.new_client("192.0.2.1"), "x").status == 202


def test_a_flood_from_all_addresses_of_one_ipv6_customer_is_one_flood(site: Site) -> None:
    senders = [site.new_client(f"2001:db8:1:2::{number:x}") for number in range(1, 11)]
    statuses = [report(sender, "x").status for _ in range(61) for sender in senders]
    assert statuses.count(202) == 600

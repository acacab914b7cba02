"""Law B7 on the wire: where an operator turns soft expiry on, a token only reads before its end, and is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.rules import put_in_force

from keyturn.core.overrides import parse
from keyturn.core.policy import DEFAULT, HOUR, Kind

if TYPE_CHECKING:
    from tests.support.site import Site

SOFT = parse('[soft_expiry]\nlogin = "24 hours"\n', name="policy.toml")
CHANGES = [
    ("POST", "/oauth/authorizations", {"description": "a robot"}),
    ("PATCH", "/account", {"name": "Ada"}),
    ("PUT", "/account/password", {"current_password": "x", "new_password": "y"}),
    ("POST", "/account/keys", {"public_key": "x"}),
    ("DELETE", "/oauth/sessions", None),
    ("POST", "/oauth/authorizations/~/actions/regenerate-tokens", None),
]
READS = ["/account", "/account/keys", "/oauth/authorizations", "/oauth/sessions", "/verify", "/verify?scope=read"]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_in_its_last_day_a_login_changes_nothing(method: str, path: str, body: object, site: Site) -> None:
    put_in_force(site, SOFT)
    token = site.login()
    site.clock.advance(days=364)
    reply = site.client.request(method, path, token=token, json=body)
    assert (reply.status, reply.json["id"], reply.json["reason"]) == (403, "forbidden", "read_only_before_expiry")
    assert reply.json["message"] == "This login expires on 2 March 2027 at 09:00 UTC and may only read until then."
    assert reply.json["next"] == "keyturn login"
    assert reply.all("www-authenticate") == []  # no scope would help
    assert "scope" not in reply.json


@pytest.mark.parametrize("path", READS)
def test_it_still_reads_until_its_hard_stop(path: str, site: Site) -> None:
    put_in_force(site, SOFT)
    token = site.login()
    site.clock.advance(days=365, seconds=-2)
    assert site.client.get(path, token=token).status == 200
    site.clock.advance(seconds=2)
    reply = site.client.get(path, token=token)
    assert (reply.status, reply.json["reason"]) == (401, "expired")


def test_it_can_still_be_given_up(site: Site) -> None:
    put_in_force(site, SOFT)
    token = site.login()
    site.clock.advance(days=364, hours=5)
    assert site.client.delete("/oauth/sessions/~", token=token).status == 200


def test_a_reverse_proxy_that_asks_for_a_scope_to_write_is_refused(site: Site) -> None:
    put_in_force(site, SOFT)
    token = site.login()
    assert site.client.get("/verify?scope=write", token=token).header("x-keyturn-read-only") is None
    site.clock.advance(days=364, hours=5)
    for scope in ("write", "write-protected", "global", "read,write"):
        reply = site.client.get(f"/verify?scope={scope}", token=token)
        assert (reply.status, reply.header("x-keyturn-reason")) == (403, "read_only_before_expiry")
    assert site.client.get("/verify", token=token).header("x-keyturn-read-only") == "true"


def test_every_change_is_possible_the_second_before(site: Site) -> None:
    put_in_force(site, SOFT)
    token = site.login()
    site.clock.advance(days=364, seconds=-2)
    assert site.client.request("PATCH", "/account", token=token, json={"name": "Ada"}).status == 200


def test_other_kinds_and_other_servers_know_nothing_of_it(site: Site) -> None:
    account = site.account()
    for rules, kind in ((SOFT, Kind.AUTHORIZATION), (DEFAULT, Kind.LOGIN)):
        put_in_force(site, rules)
        token = site.secret(account, kind, asked=HOUR)
        site.clock.advance(seconds=HOUR - 2)
        assert site.client.request("PATCH", "/account", token=token, json={"name": "Ada"}).status == 200


def test_a_mint_tells_of_it(site: Site) -> None:
    put_in_force(site, SOFT)
    token = site.login()
    (life,) = (row["life"] for row in site.client.get("/oauth/sessions", token=token).json)
    assert "(2027-03-02 09:00 UTC; read-only from 2027-03-01 09:00)" in life

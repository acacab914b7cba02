"""Law: GET /policy answers the rules in force, all of them, to anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.rules import STRICTEST, put_in_force

from keyturn.core import published, reasons
from keyturn.core.overrides import parse
from keyturn.core.policy import DEFAULT, EFFECTS, LIVES, REASON_OF, Event, Kind

if TYPE_CHECKING:
    from tests.support.site import Site


def test_it_is_told_without_a_credential_and_has_every_cell(site: Site) -> None:
    reply = site.client.get("/policy")
    assert reply.status == 200
    kinds = {kind["kind"]: kind for kind in reply.json["kinds"]}
    assert list(kinds) == list(Kind)
    for kind, life in LIVES.items():
        told = kinds[kind]
        assert (told["default"], told["longest"], told["noun"]) == (life.default, life.longest, life.noun)
        assert told["soft_expiry"] is None
    effects = {
        (event["event"], kind): told for event in reply.json["events"] for kind, told in event["effects"].items()
    }
    assert effects == EFFECTS
    assert {event["event"]: event["reason"] for event in reply.json["events"]} == REASON_OF
    assert {row["id"] for row in reply.json["reasons"]} >= set(reasons.ENDINGS) | set(reasons.FORBIDDEN)
    assert reply.json["notices"]["thresholds"] == list(DEFAULT.thresholds)
    for name in ("retention", "overlap_longest", "oauth_access", "oauth_refresh"):
        assert reply.json[name] == getattr(DEFAULT, name)


def test_every_event_has_a_name_of_its_own() -> None:
    assert set(published.EVENTS) == set(Event)
    assert len(set(published.EVENTS.values())) == len(Event)


def test_it_tells_what_an_operator_made_stricter(site: Site) -> None:
    put_in_force(site, STRICTEST)
    told = {event["event"]: event["effects"] for event in site.client.get("/policy").json["events"]}
    assert told["password_change"]["authorization"] == "dies"
    put_in_force(site, parse('retention = "90 days"\nsoft_expiry.login = "1 hour"', name="p"))
    body = site.client.get("/policy").json
    assert body["retention"] == 90 * 86400
    assert next(kind["soft_expiry"] for kind in body["kinds"] if kind["kind"] == "login") == 3600


def test_the_page_that_approves_a_login_shows_the_life_in_force(site: Site) -> None:
    put_in_force(site, parse('lifetimes.login.default = "8 hours"', name="p"))
    site.account()
    browser = site.browser()
    browser.sign_in()
    begun = site.client.post("/auth", json={"description": "Keyturn CLI login from laptop"}).json
    page = browser.page(begun["browser_url"])
    assert "8 hours, or until you log out" in page.text
    assert "365 days" not in page.text

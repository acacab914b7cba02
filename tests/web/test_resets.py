"""A forgotten password over HTTP: the API as Heroku's schema has it, and the pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.core import overrides
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Site


def link(site: Site) -> str:
    """The path of the newest mail's link."""
    site.clock.advance(seconds=1)
    with site.store.reading() as tx:
        body = tx.outgoing()[0].body
    found = re.search(rf"{re.escape(site.url_of_site)}(/reset/ktp_\w+)\n", body)
    assert found, body
    return found[1]


def test_the_api_answers_the_same_for_an_address_without_an_account(site: Site) -> None:
    site.account()
    known = site.client.post("/password-resets", json={"email": EMAIL})
    unknown = site.client.post("/password-resets", json={"email": "bob@example.com"})
    assert known.status == unknown.status == 201
    assert known.text.replace(EMAIL, "bob@example.com") == unknown.text
    changing = {"request-id", "content-length"}
    assert [h for h in known.headers if h[0] not in changing] == [h for h in unknown.headers if h[0] not in changing]
    assert known.json["user"]["email"] == EMAIL


def test_the_api_finalizes_with_the_links_secret_and_gives_no_credential(site: Site) -> None:
    account = site.account()
    old = site.secret(account, Kind.API_KEY)
    site.client.post("/password-resets", json={"email": EMAIL})
    target = f"/password-resets/{link(site).rpartition('/')[2]}/actions/finalize"
    differ = site.client.post(target, json={"password": NEW_PASSWORD, "password_confirmation": PASSWORD})
    assert (differ.status, differ.json["field"]) == (422, "password_confirmation")
    done = site.client.post(target, json={"password": NEW_PASSWORD, "password_confirmation": NEW_PASSWORD})
    assert done.status == 200
    assert [e["reason"] for e in done.json["ended"]] == ["password_reset"]
    assert site.client.get("/account", token=old).json["reason"] == "password_reset"
    assert "make a new one" in done.json["message"]
    assert not done.json.keys() - {"created_at", "user", "ended", "message"}
    again = site.client.post(target, json={"password": PASSWORD, "password_confirmation": PASSWORD})
    assert again.status == 410


def test_too_many_requests_are_told_when_to_come_again(site: Site) -> None:
    answers = [site.client.post("/password-resets", json={"email": "bob@example.com"}) for _ in range(6)]
    assert [a.status for a in answers] == [201] * 5 + [429]
    assert int(str(answers[-1].header("retry-after"))) >= 1


def test_a_link_goes_to_the_servers_own_address_whatever_the_host_header_says(site: Site) -> None:
    site.account()
    evil = site.new_client()
    evil.url = "http://evil.example"
    assert evil.post("/password-resets", json={"email": EMAIL}).status == 201
    assert link(site)
    with site.store.reading() as tx:
        assert "evil.example" not in tx.outgoing()[0].body


def test_a_person_asks_for_a_link_sees_what_will_end_and_signs_in_with_the_new_password(site: Site) -> None:
    account = site.account()
    site.mint(account, description="the <laptop>")
    browser = site.browser()
    assert 'href="/reset"' in browser.page("/sign-in").text
    asked = browser.submit(browser.page("/reset"), "/reset", email=EMAIL)
    assert asked.status == 200
    assert "If there is an account" in asked.text
    target = link(site)
    page = browser.page(target)
    assert "the &lt;laptop&gt;" in page.text
    assert browser.page(target).status == 200  # looking uses nothing up
    wrong = browser.submit(page, target, password="short", password_confirmation="short")
    assert wrong.status == 422
    assert "the &lt;laptop&gt;" in wrong.text
    done = browser.submit(wrong, target, password=NEW_PASSWORD, password_confirmation=NEW_PASSWORD)
    assert done.status == 200
    assert "1 credential ended" in done.text
    assert browser.page(target).status == 410
    assert browser.sign_in(EMAIL, NEW_PASSWORD, start="/sign-in").status == 303


def test_the_page_says_the_same_for_an_address_without_an_account(site: Site) -> None:
    site.account()

    def ask(email: str) -> Reply:
        browser = site.browser()
        return browser.submit(browser.page("/reset"), "/reset", email=email)

    known, unknown = ask(EMAIL), ask("bob@example.com")
    assert known.status == unknown.status == 200
    assert known.text.replace(EMAIL, "bob@example.com") == unknown.text


@pytest.mark.parametrize("path", ["/reset", "/reset/ktp_x"])
def test_the_pages_cannot_be_framed_and_leak_no_address(path: str, site: Site) -> None:
    page = site.browser().page(path)
    assert "frame-ancestors 'none'" in str(page.header("content-security-policy"))
    assert (page.header("cache-control"), page.header("referrer-policy")) == ("no-store", "same-origin")


def test_a_form_from_elsewhere_neither_mails_nor_changes_anything(site: Site) -> None:
    site.account()
    browser = site.browser()
    browser.page("/reset")
    assert browser.post("/reset", form={"email": EMAIL}).status == 403
    with site.store.reading() as tx:
        assert tx.outgoing() == []


def test_the_page_says_that_authorizations_live_on_only_where_they_do(site: Site) -> None:
    site.account()
    site.client.post("/password-resets", json={"email": EMAIL})
    path = link(site)
    assert "Authorizations you made for programs live on." in site.browser().page(path).text
    rules = overrides.parse('[ends.password_reset]\nauthorization = "dies"\n', name="policy.toml")
    object.__setattr__(site.env, "policy", rules)
    page = site.browser().page(path).text
    assert "live on" not in page
    assert "The link that brought you here works once." in page

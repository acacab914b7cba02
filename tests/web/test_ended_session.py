"""A browser whose session ended is told of what, and that the form it sent was not done."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from tests.support.site import BROWSER
from tests.support.world import PASSWORD

from keyturn.actions import administer
from keyturn.actions.env import By
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

NEW = "/settings/authorizations/new"


def two_browsers(site: Site) -> tuple[Browser, Browser]:
    site.account()
    one, other = site.browser(), site.browser()
    for browser in (one, other):
        browser.sign_in()
    return one, other


def text_of(page: Reply) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.text))


def end_others(browser: Browser) -> None:
    path = "/settings/sessions/end-others"
    browser.submit(browser.page(path), path)


@pytest.mark.parametrize("path", ["/", NEW, "/sign-in"])
def test_the_sign_in_form_says_when_and_of_what_the_session_ended(path: str, site: Site) -> None:
    one, other = two_browsers(site)
    end_others(other)
    page = one.page(path)
    assert "This browser session was logged out on 2 March 2026" in text_of(page)
    assert 'action="/sign-in"' in page.text
    assert "was not done" not in page.text
    assert one.sign_in().status == 303
    assert 'action="/sign-in"' not in one.page("/").text


def test_an_expired_session_and_a_suspended_account_say_so_too(site: Site) -> None:
    one, _ = two_browsers(site)
    site.clock.advance(days=1)
    assert "This browser session expired on 3 March 2026" in text_of(one.page("/"))
    one.sign_in()
    admin = site.mint(site.account("grace@example.com", admin=True), Kind.WEB)
    with site.store.reading() as tx:
        account = tx.account_by_email("ada@example.com")
    assert account is not None
    administer.suspend(site.env, By(site.principal(admin)), account.id)
    assert "account was suspended" in unescape(one.page("/").text)


def test_a_form_of_a_session_that_ended_is_not_done_and_says_so(site: Site) -> None:
    one, other = two_browsers(site)
    page = one.page(NEW)
    end_others(other)
    reply = one.submit(page, NEW, description="backup job", scope="read", expiry="never", on="", days="")
    assert reply.status == 401
    assert "was logged out on 2 March 2026" in text_of(reply)
    assert "What you filled in was not done." in reply.text
    assert one.form(reply, "/sign-in")["next"] == NEW
    again = one.submit(reply, "/sign-in", email="ada@example.com", password=PASSWORD)
    assert (again.status, again.header("location")) == (303, NEW)
    with site.store.reading() as tx:
        [account] = tx.accounts()
        assert {grant.kind for grant in tx.grants(account.id)} == {Kind.WEB}


def test_after_a_form_without_a_page_of_its_own_one_goes_on_at_the_start(site: Site) -> None:
    one, other = two_browsers(site)
    page = one.page("/settings/profile")
    end_others(other)
    path = "/settings/sessions/devices/forget"
    reply = one.request("POST", path, BROWSER, form={"csrf": one.form(page, "/sign-out")["csrf"]})
    assert reply.status == 401
    assert one.form(reply, "/sign-in")["next"] == "/"


def test_strangers_and_those_who_signed_out_are_told_nothing(site: Site) -> None:
    one, other = two_browsers(site)
    stale = one.page(NEW)
    one.submit(one.page("/"), "/sign-out")
    for browser in (one, site.browser()):
        assert "This browser session" not in browser.page("/").text
    assert one.submit(stale, NEW, description="x").status == 403
    end_others(other)
    reply = other.request("POST", NEW, BROWSER, ("Origin", "https://evil.example"), form={"csrf": "x"})
    assert reply.status == 403


def test_a_copy_of_a_cookie_that_was_renewed_is_told_nothing(site: Site) -> None:
    one, _ = two_browsers(site)
    copy = site.browser()
    copy.cookies = dict(one.cookies)
    site.clock.advance(minutes=16)
    asked = one.submit(one.page(NEW), NEW, description="kept", scope="read", expiry="never", on="", days="")
    assert one.submit(asked, NEW, password=PASSWORD).status == 201
    page = copy.page("/").text
    assert 'action="/sign-in"' in page
    assert "This browser session" not in page

"""Moments on pages are elements that scripts say in the reader's own zone: none stands in a text, where it stays UTC's."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.web.test_page_authorizations import signed_in
from tests.web.test_page_credential import own, rotate

from keyturn.actions import accounts, grants
from keyturn.core.policy import DAY, Event, Kind

if TYPE_CHECKING:
    from tests.support.site import Site

WRITTEN = re.compile(r"\d{4},? (?:at )?\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d|\bUTC\b|\d (?:March|April|May|June) 2026")


def written(page: str) -> list[str]:
    """The moments in the page's text that are no elements."""
    body = page[page.index("<main") :]
    return WRITTEN.findall(re.sub(r"<[^>]+>", " ", re.sub(r"<time .*?</time>", "", body)))


def test_a_new_token_and_a_rotated_one_say_their_ends(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, asked=30 * DAY)
    browser = signed_in(site)
    path = "/settings/authorizations/new"
    page = browser.submit(browser.page(path), path, description="deploys", scope="read", expiry=str(30 * DAY))
    assert page.status in (201, 303)
    if page.status == 201:
        assert 'data-when="told"' in page.text
        assert written(page.text) == []
    page = rotate(browser, made, str(DAY))
    if page.status == 201:
        assert "goes on until <time" in page.text
        assert written(page.text) == []
    assert written(browser.page(own(made)).text) == []


def test_what_died_says_when_in_every_list_and_on_its_page(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="deploys")
    with site.store.writing() as tx:
        grants.end(site.env, tx, site.by(made), Event.REVOKE, account.id, target=made.grant.id)
    site.clock.advance(days=3)
    browser = signed_in(site)
    for path in ("/", "/?state=ended", "/?view=table&state=ended", "/settings/authorizations?view=ended", own(made)):
        page = browser.page(path).text
        assert "deploys" in page
        assert written(page) == [], path


def test_a_changed_end_is_told_as_moments(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, asked=30 * DAY)
    browser = signed_in(site)
    path = own(made, "edit")
    browser.submit(browser.page(path), path, description="deploys", expiry=str(90 * DAY), on="", days="")
    page = browser.page(own(made)).text
    assert "Expiry changed" in page
    assert written(page) == []


def test_who_is_suspended_is_told_when_at_the_sign_in(site: Site) -> None:
    account = site.account()
    accounts.suspend(site.env, site.by(), account.email)
    site.clock.advance(hours=2)
    page = site.browser().sign_in()
    assert "This account was suspended on <time" in page.text
    assert written(page.text) == []


def test_a_session_that_ended_is_told_when(site: Site) -> None:
    site.account()
    browser = signed_in(site)
    site.clock.advance(days=3)
    page = browser.page("/").text
    assert "This browser session expired on <time" in page
    assert written(page) == []


def test_a_day_without_its_time_is_only_said_when_it_is_far(site: Site) -> None:
    account = site.account()
    for days in (1, 30):
        site.mint(account, Kind.AUTHORIZATION, asked=days * DAY)
    page = signed_in(site).page("/?view=table").text
    said = re.findall(r'data-when="day">([^<]*)<', page)
    assert said == [
        f"{end.day} {end:%B %Y}" + (f", {end:%H:%M} UTC" if days < 2 else "")
        for days, end in ((days, site.clock() + timedelta(days=days)) for days in (1, 1, 30))
    ]

"""/settings/password over HTTP: what it foretells, what it does, what it never shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.support import factors, mailed
from tests.support.rules import STRICTEST, put_in_force
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

HERE = "/settings/password"
SESSION = "keyturn_session_8420"
HOSTILE = "<img src=x onerror=alert(1)>\"'"


def signed_in(site: Site, start: str = "/") -> Browser:
    browser = site.browser()
    assert browser.sign_in(start=start).status == 303
    return browser


def change(browser: Browser, page: Reply | None = None, /, **values: str) -> Reply:
    given = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD} | values
    return browser.submit(page or browser.page(HERE), HERE, **given)


def signs_in(site: Site, password: str) -> bool:
    return site.browser("203.0.113.200").sign_in(EMAIL, password).status == 303


def test_the_page_foretells_what_ends_and_does_just_that(site: Site) -> None:
    account = site.account()
    login, key = site.mint(account), site.mint(account, Kind.API_KEY, description="the key")
    kept = site.mint(account, Kind.AUTHORIZATION, description="deploy bot")
    browser = signed_in(site)
    page = browser.page(HERE)
    ends, lives = page.text.split("This lives on")
    assert "a laptop" in ends
    assert "the key" in ends
    assert "replaced by a new one" in ends
    assert "deploy bot" in lives
    assert site.ended(login) is None
    done = change(browser, page)
    assert done.status == 200
    assert [site.ended(each) for each in (login, key, kept)] == ["password_changed", "password_changed", None]
    assert "a laptop" in done.text
    assert signs_in(site, NEW_PASSWORD)
    assert not signs_in(site, PASSWORD)
    assert any("password of your account was changed" in mail.subject for mail in mailed.mails(site, EMAIL))


def test_the_new_api_key_is_shown_once_works_and_no_password_is_ever_shown(site: Site) -> None:
    site.mint(site.account(), Kind.API_KEY)
    browser = signed_in(site)
    done = change(browser)
    keys = set(re.findall(r"ktk_\w{38}", done.text))
    assert len(keys) == 1
    assert site.client.get("/account", token=keys.pop()).status == 200
    words = re.sub(r"<[^>]+>", "", done.text)  # with the server's address, or clients send the key to Heroku
    assert "export HEROKU_API_KEY HEROKU_HOST=http://localhost:8420" in words
    assert done.header("cache-control") == "no-store"
    for page in (done, browser.page(HERE), browser.page("/")):
        assert PASSWORD not in page.text
        assert NEW_PASSWORD not in page.text
    assert "ktk_" not in re.sub(r"\*{10}", "", browser.page(HERE).text)


def test_the_browser_stays_with_a_new_secret_and_a_copy_of_the_old_one_is_worth_nothing(site: Site) -> None:
    site.account()
    browser, thief = signed_in(site), site.browser()
    thief.cookies = dict(browser.cookies)
    assert "ada@example.com" in thief.page("/").text
    change(browser)
    assert browser.cookies[SESSION] != thief.cookies[SESSION]
    assert browser.page(HERE).status == 200
    assert 'name="current_password"' in browser.page(HERE).text
    assert 'action="/sign-in"' in thief.page("/").text


def test_this_browser_too_is_signed_out_where_that_is_wished(site: Site) -> None:
    site.mint(site.account(), Kind.API_KEY)
    browser = signed_in(site)
    page = browser.page(HERE)
    assert "sign_out" not in browser.form(page, HERE)
    done = change(browser, page, sign_out="1")
    assert done.status == 200
    assert "ktk_" in done.text  # shown all the same: nowhere else would it be
    assert "this browser" in done.text
    assert SESSION not in browser.cookies
    assert 'action="/sign-in"' in browser.page(HERE).text
    assert "/sign-out" not in done.text


def test_where_the_policy_ends_the_acting_session_the_page_says_so_and_offers_nothing_to_keep(site: Site) -> None:
    account = site.account()
    site.mint(account, description="the laptop")
    put_in_force(site, STRICTEST)
    browser = signed_in(site)
    page = browser.page(HERE)
    assert "signed out as well" in page.text
    assert 'name="sign_out"' not in page.text
    assert "?like=" not in page.text
    assert change(browser, page).status == 200
    assert SESSION not in browser.cookies


def test_what_ends_can_be_kept_by_an_authorization_made_like_it_first(site: Site) -> None:
    account = site.account()
    made = [site.mint(account, description="the laptop"), site.mint(account, Kind.API_KEY, description="API key")]
    browser = signed_in(site)
    links = re.findall(r'href="(/settings/authorizations/new\?like=[^"]+)"', browser.page(HERE).text)
    assert sorted(links) == sorted(f"/settings/authorizations/new?like={each.grant.id}" for each in made)
    for link in links:
        assert browser.page(link).status == 200


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"current_password": "wrong guess"}, "current_password"),
        ({"current_password": ""}, "current_password"),
        ({"new_password_again": "another one entirely"}, "new_password_again"),
        ({"new_password": "short", "new_password_again": "short"}, "new_password"),
        ({"new_password": "passwordpassword", "new_password_again": "passwordpassword"}, "new_password"),
        ({"new_password": "ada@example.com", "new_password_again": "ada@example.com"}, "new_password"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_changed_or_shown_again(
    values: dict[str, str], field: str, site: Site
) -> None:
    login = site.mint(site.account())
    browser = signed_in(site)
    page = change(browser, None, **values)
    assert page.status == 422
    invalid = [part for part in page.text.split("<input") if "aria-invalid" in part]
    assert [f'name="{field}"' in part for part in invalid] == [True]
    assert 'aria-describedby="' in invalid[0]
    for typed in (PASSWORD, NEW_PASSWORD, *values.values()):
        assert not typed or typed == EMAIL or f'"{typed}"' not in page.text
    assert site.ended(login) is None
    assert signs_in(site, PASSWORD)


def test_guessing_is_slowed_down(site: Site) -> None:
    site.account()
    browser = signed_in(site)
    answers = [change(browser, current_password="wrong guess").status for _ in range(6)]
    assert answers == [422] * 5 + [429]
    assert signs_in(site, PASSWORD)  # from where the owner is: nobody is locked out


def test_with_a_second_factor_it_is_asked_for_before_the_form_and_a_shorter_password_will_do(site: Site) -> None:
    holder = factors.with_app(site)
    browser = site.browser()
    browser.sign_in()
    browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code())
    form = browser.page(HERE)
    assert 'minlength="8"' in form.text
    site.clock.advance(minutes=16)
    gate = browser.page(HERE)
    assert "Confirm it is you" in gate.text
    # the password alone, from a stolen session, does nothing
    refused = change(browser, form)
    assert "Confirm it is you" in refused.text
    assert NEW_PASSWORD not in refused.text
    assert PASSWORD not in refused.text
    assert browser.submit(gate, HERE, code=holder.fresh_code()).status == 303
    done = change(browser, new_password="mauve zx owl", new_password_again="mauve zx owl")
    assert done.status == 200, done.text
    assert "Your password is changed" in done.text


def test_a_proof_of_a_while_ago_asks_for_nothing_but_the_password_that_is_given(site: Site) -> None:
    site.account()
    browser = signed_in(site)
    page = browser.page(HERE)
    site.clock.advance(minutes=16)
    assert "Your password is changed" in change(browser, page).text


def test_remembered_browsers_are_forgotten_with_the_old_password(site: Site) -> None:
    holder = factors.with_app(site)
    browser = site.browser()
    browser.sign_in()
    browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code(), remember="1")
    browser.submit(browser.page("/"), "/sign-out")
    assert browser.sign_in().header("location") == "/"
    asked = browser.page(HERE)  # a remembered browser is no proof of the second factor
    assert "Confirm it is you" in asked.text
    assert browser.submit(asked, HERE, code=holder.fresh_code()).status == 303
    assert "Your password is changed" in change(browser).text
    browser.submit(browser.page("/"), "/sign-out")
    assert browser.sign_in(password=NEW_PASSWORD).header("location") == "/sign-in/second"


def test_hostile_names_are_words_before_and_after(site: Site) -> None:
    site.mint(site.account(), description=HOSTILE)
    browser = signed_in(site)
    before = browser.page(HERE)
    for page in (before, change(browser, before)):
        assert "<img src=x" not in page.text
        assert "&lt;img src=x" in page.text


def test_an_account_under_single_sign_on_is_told_where_its_password_is(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    form = browser.page(HERE)
    with site.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    page = browser.page(HERE)
    assert (page.status, "single sign-on" in page.text, '<input type="password"' in page.text) == (200, True, False)
    assert change(browser, form).status == 422


def test_a_form_from_elsewhere_and_a_look_change_nothing(site: Site) -> None:
    login = site.mint(site.account())
    browser = signed_in(site)
    values = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
    assert browser.post(HERE, form=values).status == 403
    before = len(site.audit())
    browser.page(HERE)
    assert len(site.audit()) == before
    assert site.ended(login) is None
    assert signs_in(site, PASSWORD)


def test_three_hundred_credentials_fit_a_page(site: Site) -> None:
    account = site.account()
    for _ in range(300):
        site.mint(account, description="x" * 300)
    browser = signed_in(site)
    page = browser.page(HERE)
    assert "and 280 more" in page.text
    assert len(page.body) < 100_000
    assert len(change(browser, page).body) < 100_000


# a forgotten password, where there is a second factor


def test_a_reset_by_mail_bypasses_no_second_factor_and_signs_nobody_in(site: Site) -> None:
    holder = factors.with_app(site)
    browser = site.browser()
    browser.sign_in()
    browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code(), remember="1")
    browser.submit(browser.page("/"), "/sign-out")
    browser.submit(browser.page("/reset"), "/reset", email=EMAIL)
    target = mailed.path(site, EMAIL)
    page = browser.page(target)
    assert 'minlength="8"' in page.text
    done = browser.submit(page, target, password=NEW_PASSWORD, password_confirmation=NEW_PASSWORD)
    assert (done.status, SESSION in browser.cookies) == (200, False)
    assert "second factor" in done.text
    # not even in the browser that was remembered
    assert browser.sign_in(password=NEW_PASSWORD).header("location") == "/sign-in/second"
    assert SESSION not in browser.cookies
    assert holder.reload().mfa_since is not None
    assert any("was changed" in mail.subject for mail in mailed.mails(site, EMAIL))


def test_a_reset_makes_its_place_no_known_one_before_the_second_factor(site: Site) -> None:
    holder = factors.with_app(site)
    elsewhere = site.browser("203.0.113.201")
    elsewhere.submit(elsewhere.page("/reset"), "/reset", email=EMAIL)
    target = mailed.path(site, EMAIL)
    elsewhere.submit(elsewhere.page(target), target, password=NEW_PASSWORD, password_confirmation=NEW_PASSWORD)
    with site.store.reading() as tx:
        assert not tx.knows_place(holder.account.id, "203.0.113.201")


def test_an_account_under_single_sign_on_gets_a_mail_that_explains_and_no_link(site: Site) -> None:
    account = site.account()
    with site.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    browser = site.browser()
    known = browser.submit(browser.page("/reset"), "/reset", email=EMAIL)
    unknown = browser.submit(browser.page("/reset"), "/reset", email="bob@example.com")
    assert known.text.replace(EMAIL, "bob@example.com") == unknown.text
    (mail,) = mailed.mails(site)
    assert "single sign-on" in mail.body
    assert "ktp_" not in mail.body

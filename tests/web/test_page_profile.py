"""/settings/profile and the link that proves an address, over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.support import factors, mailed
from tests.support.world import EMAIL, PASSWORD

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.core.credential import Account

HERE, CHANGE, LINK = "/settings/profile", "/settings/profile/email", "/settings/profile/link"
NEW = "new@example.com"
HOSTILE = "<img src=x onerror=alert(1)>\"'"


def signed_in(site: Site, **options: str) -> Browser:
    """A browser in which the account of EMAIL, made for it, has signed in."""
    site.account(**options)  # type: ignore[arg-type]
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def change(browser: Browser, **values: str) -> Reply:
    return browser.submit(
        browser.page(HERE), CHANGE, **({"email": NEW, "current_password": PASSWORD} | values)
    )  # fmt: skip


def owner(site: Site, email: str = EMAIL) -> Account:
    with site.store.reading() as tx:
        found = tx.account_by_email(email)
    assert found is not None
    return found


def test_the_page_shows_the_account_and_changes_its_name(site: Site) -> None:
    browser = signed_in(site, name="Ada")
    page = browser.page(HERE)
    assert page.status == 200
    assert page.text.count("<h1") == 1
    assert 'value="Ada"' in page.text
    assert "not confirmed" in page.text
    assert browser.submit(page, HERE, name="Ada L.").header("location") == HERE
    assert owner(site).name == "Ada L."
    assert "Your name is changed." in browser.page(HERE).text
    assert browser.submit(browser.page(HERE), HERE, name="").status == 303
    assert owner(site).name is None


def test_a_hostile_name_is_words_everywhere_on_the_page(site: Site) -> None:
    browser = signed_in(site, name=HOSTILE)
    for page in (browser.page(HERE), browser.submit(browser.page(HERE), HERE, name=HOSTILE * 10)):
        assert "<img src=x" not in page.text
        assert "&lt;img src=x" in page.text
    assert owner(site).name == HOSTILE


def test_a_new_address_waits_until_the_link_in_its_mail_is_confirmed_by_a_button(site: Site) -> None:
    browser = signed_in(site)
    assert change(browser).status == 303
    page = browser.page(HERE)
    assert f"A link is on its way to {NEW}" in page.text
    assert f'Waiting for you to open the link sent to <bdi class="words">{NEW}</bdi>' in page.text
    assert mailed.origin(site, NEW) == site.url_of_site
    assert any("asked for your account" in mail.subject for mail in mailed.mails(site, EMAIL))
    target = mailed.path(site, NEW)
    elsewhere = site.browser("203.0.113.77")  # where the mail is read: nobody signed in
    asked = elsewhere.page(target)
    assert (asked.status, owner(site).verified_at) == (200, None)
    assert EMAIL not in asked.text
    done = elsewhere.submit(asked, target)
    assert (done.status, owner(site, NEW).verified_at is not None) == (200, True)
    assert NEW not in done.text
    assert elsewhere.page(target).status == 410
    assert elsewhere.submit(asked, target).status == 410
    assert "not confirmed" not in browser.page(HERE).text
    assert "Waiting for you" not in browser.page(HERE).text


def test_a_change_that_waits_can_be_taken_back(site: Site) -> None:
    browser = signed_in(site)
    change(browser)
    target = mailed.path(site, NEW)
    assert browser.submit(browser.page(HERE), f"{CHANGE}/take-back").header("location") == HERE
    page = browser.page(HERE)
    assert f"Your address stays {EMAIL}." in page.text
    assert "Waiting for you" not in page.text
    assert browser.page(target).status == 410


def test_in_the_owners_browser_the_link_changes_the_address_and_says_so(site: Site) -> None:
    browser = signed_in(site)
    change(browser)
    site.clock.advance(seconds=1)
    assert browser.submit(browser.page(HERE), LINK).status == 303  # the link once more
    target = mailed.path(site, NEW)
    assert browser.submit(browser.page(target), target).header("location") == HERE
    assert f"Your address is {NEW} now" in browser.page(HERE).text


def test_an_address_that_another_account_has_is_answered_like_a_free_one(site: Site) -> None:
    site.account("grace@example.com")
    browser = signed_in(site)
    texts = []
    for email in ("grace@example.com", "nobody@example.com"):
        assert change(browser, email=email).status == 303
        texts.append(re.sub(r'value="[0-9a-f]+\.[0-9a-f]+"', "", browser.page(HERE).text.replace(email, "X")))
        assert f'Waiting for you to open the link sent to <bdi class="words">{email}</bdi>' in browser.page(HERE).text
    assert texts[0] == texts[1]


def test_in_the_owners_browser_the_link_leads_back_to_the_profile(site: Site) -> None:
    browser = signed_in(site)
    assert browser.submit(browser.page(HERE), LINK).header("location") == HERE
    target = mailed.path(site, EMAIL)
    assert browser.submit(browser.page(target), target).header("location") == HERE
    assert "Your e-mail address is confirmed." in browser.page(HERE).text


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"current_password": "wrong"}, "current_password"),
        ({"current_password": ""}, "current_password"),
        ({"email": "nonsense"}, "email"),
        ({"email": EMAIL}, "email"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_the_address_typed_is_kept(
    values: dict[str, str], field: str, site: Site
) -> None:
    browser = signed_in(site)
    page = change(browser, **values)
    assert page.status == 422
    invalid = next(part for part in page.text.split("<input") if "aria-invalid" in part)
    assert f'name="{field}"' in invalid
    assert 'id="error"' in page.text
    assert f'value="{values.get("email", NEW)}"' in page.text
    assert PASSWORD not in page.text
    assert owner(site).email == EMAIL


def test_guessing_the_password_there_is_slowed_down(site: Site) -> None:
    browser = signed_in(site)
    answers = [change(browser, current_password="wrong guess").status for _ in range(6)]
    assert answers == [422] * 5 + [429]


def test_a_proof_of_a_while_ago_does_without_asking_twice_since_the_password_is_given(site: Site) -> None:
    browser = signed_in(site)
    page = browser.page(HERE)
    site.clock.advance(minutes=16)
    assert browser.submit(page, CHANGE, email=NEW, current_password=PASSWORD).status == 303
    assert f'sent to <bdi class="words">{NEW}</bdi>' in browser.page(HERE).text


def test_with_a_second_factor_the_code_is_asked_for_and_the_address_is_not_lost(site: Site) -> None:
    holder = factors.with_app(site)
    browser = site.browser()
    browser.sign_in()
    browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code())
    page = browser.page(HERE)
    assert 'name="current_password"' not in page.text
    site.clock.advance(minutes=16)
    asked = browser.submit(page, CHANGE, email=NEW)
    assert "Confirm it is you" in asked.text
    assert owner(site).email == EMAIL
    assert browser.submit(asked, CHANGE, code=holder.wrong_code()).status == 422
    # the password of a stolen session is no way around it
    assert browser.submit(page, CHANGE, email=NEW, current_password=PASSWORD).status == 200
    assert owner(site).email == EMAIL
    done = browser.submit(asked, CHANGE, code=holder.fresh_code())
    assert done.status == 303
    assert f'sent to <bdi class="words">{NEW}</bdi>' in browser.page(HERE).text


def test_links_are_limited_and_the_page_says_how_long_to_wait(site: Site) -> None:
    browser = signed_in(site)
    for _ in range(5):
        browser.submit(browser.page(HERE), LINK)
    browser.submit(browser.page(HERE), LINK)
    assert "Too many links were asked for" in browser.page(HERE).text
    assert len(mailed.mails(site, EMAIL)) == 5


def test_a_link_leads_to_the_servers_own_address_whatever_the_host_header_says(site: Site) -> None:
    browser = signed_in(site)
    page = browser.page(HERE)
    fields = browser.form(page, LINK)
    headers = (("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"))
    browser.url = "http://evil.example"
    browser.request("POST", LINK, *headers[1:], form=fields)
    assert mailed.origin(site, EMAIL) == site.url_of_site
    assert all("evil.example" not in mail.body for mail in mailed.mails(site))


def test_over_the_api_a_new_address_gets_its_link_too(site: Site) -> None:
    login = site.login()
    done = site.client.request("PATCH", "/account", token=login, json={"email": NEW, "password": PASSWORD})
    assert (done.status, done.json["email"], done.json["pending_email"]) == (200, EMAIL, NEW)
    target = mailed.path(site, NEW)
    browser = site.browser()
    browser.submit(browser.page(target), target)
    account = site.client.get("/account", token=login).json
    assert (account["email"], account["verified"]) == (NEW, True)


def test_an_account_under_single_sign_on_is_told_where_its_address_comes_from(site: Site) -> None:
    browser = signed_in(site)
    page = browser.page(HERE)
    with site.store.writing() as tx:
        tx.change_account(owner(site).id, federated=True)
    assert "single sign-on" in browser.page(HERE).text
    assert f'action="{CHANGE}"' not in browser.page(HERE).text
    assert browser.submit(page, CHANGE, email=NEW, current_password=PASSWORD).status == 422


@pytest.mark.parametrize("path", [HERE, CHANGE, LINK])
def test_a_form_from_elsewhere_and_a_stranger_change_nothing(path: str, site: Site) -> None:
    browser = signed_in(site, name="Ada")
    values = {"name": "Eve", "email": NEW, "current_password": PASSWORD}
    assert browser.post(path, form=values).status == 403
    stranger = site.browser()
    assert stranger.submit(stranger.page("/sign-in"), "/sign-in", email="x@example.com", password="y").status == 401
    fields = stranger.form(stranger.page("/sign-in"), "/sign-in") | values
    assert stranger.post(path, form=fields).status == 303
    account = owner(site)
    assert (account.name, account.email) == ("Ada", EMAIL)
    assert mailed.mails(site) == []


def test_looking_changes_nothing(site: Site) -> None:
    browser = signed_in(site)
    before, account = len(site.audit()), owner(site)
    for path in (HERE, CHANGE, LINK):
        browser.page(path)
    assert (len(site.audit()), owner(site)) == (before, account)


@pytest.mark.parametrize("secret", ["x", "kte_x", "%00", "ktp_" + "0" * 38])
def test_a_link_that_never_was_is_gone_and_leaks_no_address(secret: str, site: Site) -> None:
    page = site.browser().page(f"/confirm-email/{secret}")
    assert page.status == 410
    assert (page.header("cache-control"), page.header("referrer-policy")) == ("no-store", "same-origin")

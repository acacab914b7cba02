"""/sign-up and /join over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support import mailed
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import invitations
from keyturn.actions.env import By

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.core.credential import Account

BOB = "bob@example.com"
SESSION = "keyturn_session_8420"
HOSTILE = "<img src=x onerror=alert(1)>\"'"


@pytest.fixture
def open_site(site: Site) -> Site:
    """A server whose policy opens sign-up."""
    mailed.with_rules(site, sign_up="open")
    site.account("operator@example.com")
    return site


def ask(browser: Browser, email: str = BOB) -> Reply:
    return browser.submit(browser.page("/sign-up"), "/sign-up", email=email)


def invited(site: Site, **options: object) -> str:
    """The path of an invitation's link."""
    made = invitations.invite(site.env, By(), None, **({"email": BOB} | options))  # type: ignore[arg-type]
    return f"/join/{made.secret}"


def join(browser: Browser, path: str, **values: str) -> Reply:
    given = {"name": "Bob", "password": PASSWORD, "password_again": PASSWORD} | values
    return browser.submit(browser.page(path), path, **given)


def account_of(site: Site, email: str = BOB) -> Account | None:
    with site.store.reading() as tx:
        return tx.account_by_email(email)


def test_by_invitation_alone_there_is_no_page_to_sign_up(site: Site) -> None:
    browser = site.browser()
    assert browser.page("/sign-up").status == 404
    assert "invitation" in browser.page("/sign-up").text
    fields = browser.form(browser.page("/sign-in"), "/sign-in") | {"email": BOB}
    assert browser.post("/sign-up", form=fields).status == 404
    assert mailed.mails(site) == []
    assert "/sign-up" not in browser.page("/sign-in").text


def test_somebody_signs_up_follows_the_mail_and_is_signed_in(open_site: Site) -> None:
    browser = open_site.browser()
    assert 'href="/sign-up"' in browser.page("/sign-in").text
    assert "Look into your mail" in ask(browser).text
    assert account_of(open_site) is None
    path = mailed.path(open_site, BOB)
    assert mailed.origin(open_site, BOB) == open_site.url_of_site
    page = browser.page(path)
    assert page.status == browser.page(path).status == 200  # looking uses nothing up
    assert BOB in page.text
    done = join(browser, path)
    assert (done.status, done.header("location")) == (303, "/")
    assert BOB in browser.page("/").text
    found = account_of(open_site)
    assert found is not None
    assert (found.name, found.admin, found.verified_at is not None) == ("Bob", False, True)
    assert browser.page(path).status == 410
    assert browser.page("/sign-up").status == 303


def test_nothing_tells_an_address_with_an_account_from_one_without(open_site: Site) -> None:
    open_site.account()
    answers = []
    for number, email in enumerate((EMAIL, "zoe@example.com")):
        browser = open_site.browser(f"203.0.113.{number}")
        replies = [ask(browser, email) for _ in range(6)]
        changing = {"request-id", "content-length", "set-cookie"}
        answers.append(
            [
                (r.status, r.text.replace(email, "?").split('name="csrf"')[0], [h for h in r.headers if h[0] not in changing])
                for r in replies
            ]
        )  # fmt: skip
    assert answers[0] == answers[1]
    assert [status for status, _, _ in answers[0]] == [200] * 5 + [429]
    to_known, to_unknown = (mailed.mails(open_site, email)[0] for email in (EMAIL, "zoe@example.com"))
    assert to_known.subject == to_unknown.subject
    assert "/join/" not in to_known.body
    assert f"{open_site.url_of_site}/reset" in to_known.body


def test_domains_are_kept_and_told(site: Site) -> None:
    mailed.with_rules(site, sign_up="open", sign_up_domains=("example.com",))
    site.account("operator@example.com")
    browser = site.browser()
    assert "example.com" in browser.page("/sign-up").text
    page = ask(browser, "bob@evil.com")
    assert page.status == 422
    assert "for addresses of example.com" in page.text
    assert 'value="bob@evil.com"' in page.text
    assert mailed.mails(site) == []
    assert ask(browser).status == 200


@pytest.mark.parametrize("email", ["", "nonsense", HOSTILE, f"{HOSTILE}@example.com"])
def test_what_is_no_address_is_said_and_escaped(email: str, open_site: Site) -> None:
    page = ask(open_site.browser(), email)
    assert page.status == 422
    assert "<img src=x" not in page.text
    assert mailed.mails(open_site) == []


def test_the_link_leads_to_the_servers_own_address_whatever_the_host_header_says(open_site: Site) -> None:
    browser = open_site.browser()
    fields = browser.form(browser.page("/sign-up"), "/sign-up") | {"email": BOB}
    browser.url = "http://evil.example"
    browser.request("POST", "/sign-up", ("X-Forwarded-Host", "evil.example"), form=fields)
    assert mailed.origin(open_site, BOB) == open_site.url_of_site
    assert all("evil.example" not in mail.body for mail in mailed.mails(open_site))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"password": "short", "password_again": "short"}, "password"),
        ({"password": BOB, "password_again": BOB}, "password"),
        ({"password_again": "another one entirely"}, "password_again"),
        ({"name": "x" * 201}, "name"),
    ],
)
def test_a_mistake_stands_beside_its_field_keeps_the_name_and_the_link_and_shows_no_password(
    values: dict[str, str], field: str, site: Site
) -> None:
    path = invited(site)
    browser = site.browser()
    page = join(browser, path, **values)
    assert page.status == 422
    invalid = next(part for part in page.text.split("<input") if "aria-invalid" in part)
    assert f'name="{field}"' in invalid
    assert f'value="{values.get("name", "Bob")}"' in page.text
    assert PASSWORD not in page.text
    assert account_of(site) is None
    assert browser.submit(page, path, name="Bob", password=PASSWORD, password_again=PASSWORD).status == 303


def test_an_invitation_fills_in_the_name_and_an_administrators_says_so(site: Site) -> None:
    page = site.browser().page(invited(site, name="Robert", admin=True))
    assert 'value="Robert"' in page.text
    assert "Administrator" in page.text


def test_hostile_names_in_an_invitation_are_words(site: Site) -> None:
    browser = site.browser()
    path = invited(site, name=HOSTILE)
    for page in (browser.page(path), join(browser, path, name=HOSTILE, password="x", password_again="x")):
        assert "<img src=x" not in page.text
        assert "&lt;img src=x" in page.text


def test_where_a_second_factor_is_asked_of_everybody_it_is_set_up_before_anything_else(site: Site) -> None:
    mailed.with_rules(site, mfa_required="all")
    browser = site.browser()
    assert join(browser, invited(site)).status == 303
    for path in ("/", "/settings/profile", "/settings/password", "/settings/close"):
        reply = browser.page(path)
        assert (reply.status, str(reply.header("location")).split("?")[0]) == (303, "/settings/two-factor")


def test_a_session_is_new_and_the_one_that_the_browser_had_is_over(site: Site) -> None:
    site.account(admin=True)
    browser = site.browser()
    browser.sign_in()
    old = site.browser()
    old.cookies = dict(browser.cookies)
    assert join(browser, invited(site)).status == 303
    assert browser.cookies[SESSION] != old.cookies[SESSION]
    assert BOB in browser.page("/").text
    assert 'action="/sign-in"' in old.page("/").text


def test_a_form_from_elsewhere_makes_nothing(open_site: Site) -> None:
    path = invited(open_site)
    browser = open_site.browser()
    browser.page(path)
    values = {"name": "Eve", "password": PASSWORD, "password_again": PASSWORD, "email": BOB}
    for target in (path, "/sign-up"):
        assert browser.post(target, form=values).status == 403
    assert account_of(open_site) is None
    assert mailed.mails(open_site) == []


def test_administrators_pages_of_invitations_are_for_administrators(site: Site) -> None:
    site.account()
    browser = site.browser()
    browser.sign_in()
    fields = browser.form(browser.page("/settings/profile"), "/sign-out") | {"email": BOB, "admin": "1"}
    assert browser.page("/admin/accounts/new").status == 403
    assert browser.post("/admin/accounts/new", form=fields).status == 403
    assert mailed.mails(site) == []


@pytest.mark.parametrize("secret", ["x", "ktn_x", "%00", "ktn_" + "0" * 38])
def test_a_link_that_never_was_is_gone_and_leaks_no_address(secret: str, site: Site) -> None:
    page = site.browser().page(f"/join/{secret}")
    assert page.status == 410
    assert (page.header("cache-control"), page.header("referrer-policy")) == ("no-store", "same-origin")
    assert "frame-ancestors 'none'" in str(page.header("content-security-policy"))


def test_a_policy_that_closed_meanwhile_takes_no_form(open_site: Site) -> None:
    browser = open_site.browser()
    page = browser.page("/sign-up")
    open_site.env = replace(open_site.env, policy=mailed.with_rules(open_site, sign_up="invitation"))
    browser.app = open_site.app
    assert browser.submit(page, "/sign-up", email=BOB).status == 404
    assert mailed.mails(open_site) == []

"""The administrators' pages about accounts: found, looked at, and acted on as each page foretold."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from tests.support.world import PASSWORD

from keyturn.actions import administer
from keyturn.actions.env import Post
from keyturn.core.credential import Account, Use
from keyturn.core.policy import HOUR, Kind
from keyturn.web import app

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.actions.env import Env
    from keyturn.store.interface import Outgoing

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e{{7*7}}"
GRACE = "grace@example.com"


class Letterbox:
    """A mail server that takes everything."""

    def send(self, item: Outgoing, now: object) -> None:
        """Takes it over."""


def with_mail(site: Site) -> None:
    """From now on a mail server is configured."""
    env: Env = dataclasses.replace(site.env, post=Post(mail=Letterbox(), public_url=site.url_of_site))
    site.face = dataclasses.replace(site.face, env=env)
    site.app = app.build(site.face)


def admin(site: Site) -> Browser:
    """An administrator's browser."""
    site.account(admin=True)
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def path_of(account: Account) -> str:
    return f"/admin/accounts/{account.id}"


def text_of(reply: Reply) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", reply.text)).split())


def change(site: Site, account: Account, **changes: object) -> None:
    with site.store.writing() as tx:
        tx.change_account(account.id, **changes)


def latest_mail(site: Site) -> Outgoing:
    with site.store.reading() as tx:
        return tx.outgoing(1)[0]


def test_accounts_are_listed_by_address_with_their_states(site: Site) -> None:
    browser = admin(site)
    grace = site.account(GRACE, name="Grace Hopper")
    closed = site.account("zoe@example.com")
    change(site, grace, mfa_since=site.clock(), suspended_at=site.clock(), federated=True, verified_at=site.clock())
    change(site, closed, closed_at=site.clock())
    page = text_of(browser.page("/admin/accounts"))
    assert "ada@example.com (you) Administrator Not confirmed just now" in page
    assert "grace@example.com Grace Hopper Suspended Two-factor Single sign-on never" in page
    assert "zoe@example.com Closed never" in page


@pytest.mark.parametrize("text", ["GRACE@", "hopper", "ace@exam"])
def test_an_account_is_found_by_a_part_of_address_or_name(site: Site, text: str) -> None:
    browser = admin(site)
    site.account(GRACE, name="Grace Hopper")
    page = browser.page(f"/admin/accounts?text={text}")
    assert path_of(site_account(site, GRACE)) in page.text
    assert "ada@example.com (you)" not in text_of(page)


def site_account(site: Site, email: str) -> Account:
    with site.store.reading() as tx:
        found = tx.account_by_email(email)
    assert found is not None
    return found


@pytest.mark.parametrize("text", ["%25", "_", "nobody", "%00", "%3Cscript%3Ealert(1)%3C/script%3E", "%27%3B--"])
def test_a_search_without_a_match_says_so_and_takes_no_wildcards(site: Site, text: str) -> None:
    page = admin(site).page(f"/admin/accounts?text={text}")
    assert page.status == 200
    if text == "%00":  # nothing is left to look for
        assert "ada@example.com (you)" in text_of(page)
    else:
        assert "No account is like that" in page.text
        assert "<script>alert" not in page.text


def test_many_accounts_come_a_page_at_a_time_each_once(site: Site) -> None:
    browser = admin(site)
    with site.store.writing() as tx:
        for number in range(administer.PAGE + 20):
            now = site.clock()
            tx.add_account(Account(site.env.new_id(), f"p{number:03}@x.example", None, False, now, now), None)
    found, path = [], "/admin/accounts"
    while path:
        page = browser.page(path).text
        assert len(page) < 100_000
        found += re.findall(r"<bdi class=\"words\">(p\d+@x\.example)</bdi>", page)
        further = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(further[1]) if further else ""
    assert found == [f"p{number:03}@x.example" for number in range(administer.PAGE + 20)]


def test_an_account_is_shown_with_what_it_holds_and_what_ends_next(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE, name="Grace")
    brief = site.mint(grace, Kind.AUTHORIZATION, asked=8 * HOUR, description="deploy")
    site.mint(grace, Kind.LOGIN)
    site.mint(grace, Kind.LOGIN)
    with site.store.writing() as tx:
        tx.add_uses([Use(brief.token.id, "203.0.113.77", "curl/8", site.clock(), site.clock(), 1)], 5)
    page = text_of(browser.page(path_of(grace)))
    assert "Holds 2 logins , 1 authorization" in page or "Holds 2 logins, 1 authorization" in page
    assert "Expires next deploy , in 8 hours" in page or "Expires next deploy, in 8 hours" in page
    assert "203.0.113.77" in page
    assert brief.token.mask in page
    assert "An authorization was made" in page


def test_hostile_names_are_text_on_every_page_about_the_account(site: Site) -> None:
    browser, eve = admin(site), site.account("eve@example.com")
    change(site, eve, name=HOSTILE[:200], mfa_since=site.clock())
    key = site.mint(eve, Kind.AUTHORIZATION, description=HOSTILE, asked=HOUR)
    by = dataclasses.replace(site.by(key), agent=HOSTILE, address=HOSTILE)
    with site.store.writing() as tx:
        tx.add_uses([Use(key.token.id, HOSTILE, HOSTILE, site.clock(), site.clock(), 1)], 5)
        tx.audit([dataclasses.replace(site.audit()[0], agent=by.agent, address=by.address, account_id=eve.id, id=None)])
    here = path_of(eve)
    for path in (
        "/admin/accounts", here, f"{here}/suspend", f"{here}/administrator", f"{here}/second-factors", f"{here}/password",
        f"{here}/revoke?credential={key.grant.id}", "/admin/expiring", "/admin/audit",
    ):  # fmt: skip
        page = browser.page(path)
        assert page.status == 200
        assert "<script>alert" not in page.text, path
        assert "<img" not in page.text, path
        assert "49" not in re.findall(r"onerror=alert\(1\)&gt;\u202e(\d+)", page.text)
        assert "alert(1)" in page.text, path


def test_the_suspension_does_what_its_page_says(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    keys = [site.mint(grace, kind, description=f"a {kind}") for kind in (Kind.LOGIN, Kind.AUTHORIZATION, Kind.SERVICE)]
    action = f"{path_of(grace)}/suspend"
    page = browser.page(action)
    told = text_of(page)
    assert "2 credentials end with it" in told
    ends, lives = told.split("This lives on")
    assert ("a login" in ends, "a authorization" in ends, "a service" in lives) == (True, True, True)
    done = browser.submit(page, action)
    assert done.header("location") == path_of(grace)
    assert [site.ended(key) for key in keys] == ["owner_suspended", "owner_suspended", None]
    after = text_of(browser.page(path_of(grace)))
    assert "grace@example.com is suspended; 2 credentials ended." in after
    assert "Let it sign in again" in after
    assert site.browser().sign_in(GRACE).status == 401
    browser.submit(browser.page(path_of(grace)), f"{path_of(grace)}/unsuspend")
    assert site.browser().sign_in(GRACE).status == 303


def test_an_administrator_is_made_and_unmade(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    other = site.browser()
    other.sign_in(GRACE)
    assert other.page("/admin/accounts").status == 403
    action = f"{path_of(grace)}/administrator"
    page = browser.page(action)
    assert "with its password alone" in page.text
    assert "Its browser sessions end" in page.text
    browser.submit(page, action)
    assert "Sign in" in other.page("/admin/accounts").text  # a session of before gives nobody the new rights
    other.sign_in(GRACE, start="/admin/accounts")
    assert other.page("/admin/accounts").status == 200
    browser.submit(browser.page(action), action)
    assert other.page("/admin/accounts").status == 403


def test_a_form_that_does_not_say_what_it_wants_changes_nothing(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    action = f"{path_of(grace)}/administrator"
    assert browser.submit(browser.page(action), action, admin="yes").status == 422
    password = f"{path_of(grace)}/password"
    assert browser.submit(browser.page(password), password, way="mail").status == 422, "there is no mail server"
    assert not site_account(site, GRACE).admin


def test_nobody_gets_a_page_to_do_it_to_themselves(site: Site) -> None:
    browser = admin(site)
    mine = path_of(site_account(site, "ada@example.com"))
    page = browser.page(mine)
    assert "This is your own account" in page.text
    assert f"{mine}/suspend" not in page.text
    for act in ("suspend", "administrator", "second-factors"):
        assert browser.page(f"{mine}/{act}").status == 422


def test_second_factors_are_reset_after_a_warning(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    change(site, grace, mfa_since=site.clock())
    action = f"{path_of(grace)}/second-factors"
    page = browser.page(action)
    assert "whom you know by other means" in page.text
    browser.submit(page, action)
    assert site_account(site, GRACE).mfa_since is None
    assert latest_mail(site).subject == "An administrator reset your second factors"


def test_without_a_mail_server_the_password_link_is_shown_once(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    action = f"{path_of(grace)}/password"
    shown = browser.submit(browser.page(action), action)
    found = re.search(r"http://localhost:8420(/reset/\w+)", shown.text)
    assert shown.status == 200
    assert shown.header("cache-control") == "no-store"
    assert found is not None
    assert "Choose a new password" in site.browser().page(found[1]).text
    assert found[1] not in browser.page(path_of(grace)).text + browser.page("/admin/outbox").text


def test_with_a_mail_server_the_password_link_goes_to_the_owner_alone(site: Site) -> None:
    with_mail(site)
    browser, grace = admin(site), site.account(GRACE)
    action = f"{path_of(grace)}/password"
    done = browser.submit(browser.page(action), action)
    assert done.header("location") == path_of(grace)
    mail = latest_mail(site)
    assert mail.recipient == GRACE
    found = re.search(r"http://localhost:8420(/reset/\w+)", mail.body)
    assert found is not None
    assert found[1] not in browser.page(path_of(grace)).text
    assert "Choose a new password" in site.browser().page(found[1]).text


def test_one_credential_is_revoked_from_the_list(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    key, other = (site.mint(grace, Kind.AUTHORIZATION, description=name) for name in ("first", "second"))
    page = browser.page(path_of(grace))
    target = f"{path_of(grace)}/revoke?credential={key.grant.id}"
    assert target in page.text
    asked = browser.page(target)
    assert "first" in asked.text
    assert "second" not in asked.text
    browser.submit(asked, f"{path_of(grace)}/revoke")
    assert (site.ended(key), site.ended(other)) == ("revoked_by_admin", None)
    assert browser.page(target).status == 404


def test_a_credential_of_another_account_is_not_there(site: Site) -> None:
    browser, grace, eve = admin(site), site.account(GRACE), site.account("eve@example.com")
    key, own = site.mint(eve, Kind.AUTHORIZATION), site.mint(grace, Kind.AUTHORIZATION)
    assert browser.page(f"{path_of(grace)}/revoke?credential={key.grant.id}").status == 404
    page = browser.page(f"{path_of(grace)}/revoke?credential={own.grant.id}")
    assert browser.submit(page, f"{path_of(grace)}/revoke", credential=key.grant.id).status == 404
    assert site.ended(key) is None


@pytest.mark.parametrize("identity", ["nothing", "0" * 36, "%00", "..%2f..", "%F0%9F%92%A9"])
def test_an_id_that_is_none_is_answered_not_found(site: Site, identity: str) -> None:
    browser = admin(site)
    for act in ("", "/suspend", "/administrator", "/second-factors", "/password", "/revoke?credential=x"):
        assert browser.page(f"/admin/accounts/{identity}{act}").status == 404, act


def test_a_closed_account_is_shown_and_nothing_is_offered(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    change(site, grace, closed_at=site.clock())
    page = browser.page(path_of(grace))
    assert "closed this account" in page.text
    assert "/suspend" not in page.text
    assert browser.page(f"{path_of(grace)}/suspend").status == 404


def test_somebody_is_invited_by_a_link_to_hand_on_and_joins(site: Site) -> None:
    browser = admin(site)
    page = browser.page("/admin/accounts/new")
    assert "No invitation is open" in page.text
    shown = browser.submit(page, "/admin/accounts/new", email=GRACE, name=HOSTILE[:100], admin="1")
    found = re.search(r"http://localhost:8420(/join/\w+)", shown.text)
    assert found is not None
    assert "an administrator&#39;s" in shown.text
    listed = browser.page("/admin/accounts/new")
    assert GRACE in listed.text
    assert found[1] not in listed.text
    assert "<script>alert" not in listed.text
    guest = site.browser()
    joining = guest.page(found[1])
    guest.submit(joining, found[1], name="Grace", password=PASSWORD, password_again=PASSWORD)
    assert site_account(site, GRACE).admin


def test_with_a_mail_server_the_invitation_is_mailed(site: Site) -> None:
    with_mail(site)
    browser = admin(site)
    done = browser.submit(browser.page("/admin/accounts/new"), "/admin/accounts/new", email=GRACE)
    assert done.status == 303
    mail = latest_mail(site)
    assert mail.recipient == GRACE
    found = re.search(r"http://localhost:8420/join/\w+", mail.body)
    assert found is not None
    assert found[0] not in browser.page("/admin/accounts/new").text


def test_an_invitation_that_was_taken_back_is_worth_nothing(site: Site) -> None:
    browser = admin(site)
    shown = browser.submit(browser.page("/admin/accounts/new"), "/admin/accounts/new", email=GRACE)
    found = re.search(r"http://localhost:8420(/join/\w+)", shown.text)
    assert found is not None
    assert site.browser().page(found[1]).status == 200
    browser.submit(browser.page("/admin/accounts/new"), "/admin/accounts/new/take-back")
    assert site.browser().page(found[1]).status == 410
    assert "No invitation is open" in browser.page("/admin/accounts/new").text


@pytest.mark.parametrize("email", ["", "no address", HOSTILE, "ada@example.com"])
def test_a_bad_address_is_said_at_its_field_and_what_was_typed_is_kept(site: Site, email: str) -> None:
    browser = admin(site)
    page = browser.submit(
        browser.page("/admin/accounts/new"), "/admin/accounts/new", email=email, name="Grace & Co", admin="1"
    )
    assert page.status == 422
    assert 'aria-invalid="true"' in page.text
    assert 'role="alert"' in page.text
    assert "<script>alert" not in page.text
    kept = browser.form(page, "/admin/accounts/new")
    assert (kept["name"], kept["admin"]) == ("Grace & Co", "1")

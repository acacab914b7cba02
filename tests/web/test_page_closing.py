"""/settings/close and DELETE /account over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import factors, mailed
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import clients, grants
from keyturn.actions.env import By
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

HERE = "/settings/close"
SESSION = "keyturn_session_8420"
HOSTILE = "<img src=x onerror=alert(1)>\"'"


def signed_in(site: Site, email: str = EMAIL) -> Browser:
    browser = site.browser()
    assert browser.sign_in(email).status == 303
    return browser


def close(browser: Browser, email: str = EMAIL) -> Reply:
    return browser.submit(browser.page(HERE), HERE, email=email)


def client_used_by(site: Site, owner: Credential, user: Account, name: str = "Weather") -> Credential:
    """What ``user`` let a client of the owner do."""
    made = clients.create(
        site.env, site.by(owner), site.principal(owner), name=name, redirect_uri="https://w.example/cb"
    ).client
    with site.store.writing() as tx:
        return grants.mint(site.env, tx, By(), user, Kind.OAUTH, scopes=("read",), description=name, client_id=made.id)


def test_the_page_foretells_all_that_ends_and_does_just_that(site: Site) -> None:
    account, bob = site.account(), site.account("bob@example.com")
    kinds = (Kind.LOGIN, Kind.API_KEY, Kind.AUTHORIZATION)
    made = [site.mint(account, kind, description=f"the {kind} of mine") for kind in kinds]
    given = client_used_by(site, made[0], bob)
    browser = signed_in(site)
    page = browser.page(HERE)
    for kind in kinds:
        assert f"the {kind} of mine" in page.text
    assert "1 authorization of 1 other account ends" in page.text
    assert EMAIL in page.text
    assert [site.ended(each) for each in made] == [None] * 3
    done = close(browser)
    assert (done.status, "Your account is closed" in done.text) == (200, True)
    assert [site.ended(each) for each in made] == ["account_closed"] * 3
    assert site.ended(given) == "client_removed"
    told = site.client.get("/account", token=made[0].secret)
    assert (told.status, told.json["reason"]) == (401, "account_closed")
    assert SESSION not in browser.cookies
    assert 'action="/sign-in"' in browser.page("/").text
    assert any("was closed" in mail.subject for mail in mailed.mails(site, EMAIL))


def test_afterwards_sign_in_and_reset_answer_as_for_an_unknown_address(site: Site) -> None:
    site.account()
    close(signed_in(site))
    answers = []
    for email in (EMAIL, "nobody@example.com"):
        browser = site.browser()
        signing_in = browser.sign_in(email, PASSWORD)
        asking = browser.submit(browser.page("/reset"), "/reset", email=email)
        answers.append([(each.status, each.text.replace(email, "?")) for each in (signing_in, asking)])
    plain = [[(s, text.split('name="csrf"')[0]) for s, text in each] for each in answers]
    assert plain[0] == plain[1]
    assert not any("/reset/" in mail.body for mail in mailed.mails(site))


def test_the_address_can_be_used_by_a_new_account_which_sees_nothing_of_the_old(site: Site) -> None:
    site.mint(site.account(), description="a secret plan")
    close(signed_in(site))
    site.account(password=NEW_PASSWORD)
    browser = site.browser()
    assert browser.sign_in(EMAIL, PASSWORD).status == 401
    assert browser.sign_in(EMAIL, NEW_PASSWORD).status == 303
    for path in ("/", "/settings/activity", "/settings/profile"):
        assert "a secret plan" not in browser.page(path).text


@pytest.mark.parametrize("typed", ["", "ada", "bob@example.com", "ada@example.comm"])
def test_another_address_than_ones_own_closes_nothing_and_is_kept_in_the_form(typed: str, site: Site) -> None:
    login = site.mint(site.account())
    browser = signed_in(site)
    page = close(browser, typed)
    assert page.status == 422
    invalid = next(part for part in page.text.split("<input") if "aria-invalid" in part)
    assert 'name="email"' in invalid
    assert f'value="{typed}"' in invalid
    assert site.ended(login) is None


def test_case_and_spaces_around_do_not_count(site: Site) -> None:
    site.account()
    assert close(signed_in(site), f" {EMAIL.upper()} ").status == 200


def test_a_session_alone_closes_nothing_the_proof_is_asked_for_and_the_form_not_lost(site: Site) -> None:
    login = site.mint(site.account())
    browser = signed_in(site)
    page = browser.page(HERE)
    site.clock.advance(minutes=16)
    asked = browser.submit(page, HERE, email=EMAIL)
    assert "Confirm it is you" in asked.text
    assert site.ended(login) is None
    assert browser.submit(asked, HERE, password="wrong").status == 422
    done = browser.submit(asked, HERE, password=PASSWORD)
    assert "Your account is closed" in done.text
    assert site.ended(login) == "account_closed"
    assert 'action="/sign-in"' in browser.page("/").text


def test_with_a_second_factor_the_proof_is_that(site: Site) -> None:
    holder = factors.with_app(site)
    browser = site.browser()
    browser.sign_in()
    browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code())
    page = browser.page(HERE)
    site.clock.advance(minutes=16)
    asked = browser.submit(page, HERE, email=EMAIL)
    assert browser.submit(asked, HERE, password=PASSWORD).status == 422
    assert "Your account is closed" in browser.submit(asked, HERE, code=holder.fresh_code()).text
    assert holder.reload().closed_at is not None


def test_the_last_administrator_is_told_what_to_do(site: Site) -> None:
    login = site.mint(site.account(admin=True))
    browser = signed_in(site)
    page = browser.page(HERE)
    assert "last administrator" in page.text
    assert f'action="{HERE}"' not in page.text
    fields = browser.form(page, "/sign-out") | {"email": EMAIL}
    assert browser.post(HERE, form=fields).status == 422
    assert site.ended(login) is None
    site.account("boss@example.com", admin=True)
    assert close(browser).status == 200


def test_hostile_names_are_words(site: Site) -> None:
    account, bob = site.account(), site.account("bob@example.com")
    login = site.mint(account, description=HOSTILE)
    client_used_by(site, login, bob, HOSTILE)
    page = signed_in(site).page(HERE)
    assert "<img src=x" not in page.text
    assert page.text.count("&lt;img src=x") == 2


def test_a_form_from_elsewhere_a_look_and_a_stranger_close_nothing(site: Site) -> None:
    login = site.mint(site.account())
    browser = signed_in(site)
    assert browser.post(HERE, form={"email": EMAIL}).status == 403
    before = len(site.audit())
    browser.page(HERE)
    assert len(site.audit()) == before
    assert site.browser().page(HERE).text.count('action="/sign-in"') == 1
    assert site.ended(login) is None


def test_three_hundred_credentials_fit_a_page(site: Site) -> None:
    account = site.account()
    for _ in range(300):
        site.mint(account, description="x" * 300)
    page = signed_in(site).page(HERE)
    assert "and 281 more" in page.text
    assert len(page.body) < 100_000


# the API


def delete(site: Site, token: str, path: str = "/account", **body: str) -> Reply:
    return site.client.request("DELETE", path, token=token, json=body)


def test_the_api_closes_with_the_password_and_foretells_with_dry_run(site: Site) -> None:
    account = site.account()
    site.mint(account, Kind.AUTHORIZATION)
    bob = site.account("bob@example.com")
    login = site.mint(account)
    client_used_by(site, login, bob)
    token = str(login.secret)
    foretold = delete(site, token, "/account?dry_run=true")
    assert (foretold.status, foretold.json["event"], foretold.json["lives"]) == (200, "close", [])
    assert [c["ends_of_others"] for c in foretold.json["clients"]] == [{"credentials": 1, "accounts": 1}]
    assert "bob" not in foretold.text
    for body in ({}, {"password": "wrong"}):
        assert delete(site, token, **body).status == 422
    assert site.client.get("/account", token=token).status == 200
    done = delete(site, token, password=PASSWORD)
    assert (done.status, done.json["email"]) == (200, EMAIL)
    assert {e["id"] for e in done.json["ended"]} == {e["id"] for e in foretold.json["ends"]}
    assert site.client.get("/account", token=token).json["reason"] == "account_closed"


def test_over_the_api_a_second_factor_is_asked_for_as_well(site: Site) -> None:
    holder = factors.with_app(site)
    token = site.login(holder.account)
    refused = delete(site, token, password=PASSWORD)
    assert (refused.status, refused.json["id"]) == (403, "two_factor")
    assert holder.reload().closed_at is None
    code = ("Heroku-Two-Factor-Code", holder.fresh_code())
    done = site.client.request("DELETE", "/account", code, token=token, json={"password": PASSWORD})
    assert done.status == 200


def test_a_narrow_token_and_an_oauth_client_close_nothing(site: Site) -> None:
    account = site.account()
    login = site.mint(account)
    narrow = site.secret(account, Kind.AUTHORIZATION, scopes=("write-protected",))
    given = client_used_by(site, login, account)
    for token in (narrow, str(given.secret)):
        assert delete(site, token, password=PASSWORD).status == 403
    assert site.ended(login) is None

"""The proof of who one is, asked before a sensitive form: nothing typed is lost, and nobody gets around it."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import factors, oauth_site
from tests.support.factors import ORIGIN, Holder, options_on
from tests.support.mailed import mails
from tests.support.site import BROWSER, Browser, Forms, Site
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import cli_login
from keyturn.core import policy
from keyturn.web import dashboard

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = "/settings/two-factor"
APP = f"{HERE}/app"
OFF = f"{HERE}/off"
SESSION = "keyturn_session_8420"
HOSTILE = '"><script>alert(1)</script>'


def stale(site: Site, holder: Holder) -> Browser:
    """A browser whose proof is a quarter of an hour old."""
    browser = site.browser()
    if browser.sign_in(holder.account.email).header("location") == "/sign-in/second":
        browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code())
    site.clock.advance(seconds=policy.REAUTH)
    return browser


def fields(text: str, action: str) -> list[dict[str, str]]:
    return [found for there, found in Forms(text).found if there == action]


def test_a_proof_counts_for_a_quarter_of_an_hour(site: Site) -> None:
    browser = stale(site, factors.without(site))
    site.clock.advance(seconds=-1)
    assert "Scan this" in browser.submit(browser.page(APP), APP).text
    site.clock.advance(seconds=1)
    assert "Confirm it is you" in browser.submit(browser.page(APP), APP).text


def test_the_fields_are_carried_and_the_form_goes_on_after_the_proof(site: Site) -> None:
    browser = stale(site, factors.without(site))
    asked = browser.submit(browser.page(APP), APP, name=HOSTILE, next="/settings/sessions")
    assert "<script>alert" not in asked.text
    (form,) = fields(asked.text, APP)
    assert form["carry:name"] == HOSTILE
    done = browser.submit(asked, APP, password=PASSWORD)
    assert "Scan this" in done.text
    assert 'name="next" value="/settings/sessions"' in done.text


def test_passwords_are_never_carried(site: Site) -> None:
    holder = factors.with_app(site)
    browser = stale(site, holder)
    asked = browser.submit(browser.page(OFF), OFF, current_password=PASSWORD, New_Password="x-secret-x")
    assert PASSWORD not in asked.text
    assert "x-secret-x" not in asked.text
    assert "Passwords you had typed were not kept" in asked.text
    done = browser.submit(asked, OFF, code=holder.fresh_code())
    assert done.status == 422  # the page with its own password field again
    assert 'name="current_password"' in done.text
    assert holder.reload().mfa_since is not None


def test_a_wrong_proof_keeps_the_fields_and_is_not_shown_again(site: Site) -> None:
    browser = stale(site, factors.without(site))
    asked = browser.submit(browser.page(APP), APP, name="my phone")
    wrong = browser.submit(asked, APP, password="not the password")
    assert wrong.status == 422
    assert "not the password of this account" in wrong.text
    assert 'value="not the password"' not in wrong.text
    assert fields(wrong.text, APP)[0]["carry:name"] == "my phone"
    assert "Scan this" in browser.submit(wrong, APP, password=PASSWORD).text


def test_with_a_second_factor_the_password_alone_is_refused(site: Site) -> None:
    holder = factors.with_app(site)
    browser = stale(site, holder)
    asked = browser.submit(browser.page(APP), APP)
    assert 'name="password"' not in asked.text
    refused = browser.submit(asked, APP, password=PASSWORD)
    assert refused.status == 422
    assert "takes your second factor" in refused.text
    assert "Scan this" in browser.submit(asked, APP, code=holder.fresh_code()).text


def test_a_recovery_code_and_a_passkey_prove_it_too(site: Site) -> None:
    holder = factors.with_passkey(site)
    browser = site.browser()
    browser.sign_in()
    browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.recovery[0])
    site.clock.advance(seconds=policy.REAUTH)
    asked = browser.submit(browser.page(APP), APP)
    answer = json.dumps(holder.device.get(options_on(asked), ORIGIN))
    assert "Scan this" in browser.submit(asked, APP, passkey=answer).text
    site.clock.advance(seconds=policy.REAUTH)
    asked = browser.submit(browser.page(APP), APP)
    assert browser.submit(asked, APP, passkey=answer).status == 422  # a replay
    assert "Scan this" in browser.submit(asked, APP, code=holder.recovery[1]).text


def test_a_used_code_proves_nothing_again(site: Site) -> None:
    holder = factors.with_app(site)
    browser = stale(site, holder)
    asked = browser.submit(browser.page(APP), APP)
    code = holder.fresh_code()
    browser.submit(asked, APP, code=code)
    other = site.browser()
    other.sign_in()
    assert other.submit(other.page("/sign-in/second"), "/sign-in/second", code=code).status == 401


def test_the_proof_of_another_account_is_none(site: Site) -> None:
    mine, other = factors.with_app(site), factors.with_app(site, "eve@example.com")
    browser = stale(site, mine)
    asked = browser.submit(browser.page(APP), APP)
    site.clock.advance(seconds=30)
    assert browser.submit(asked, APP, code=other.code()).status == 422
    assert browser.submit(asked, APP, code=other.recovery[0]).status == 422


def test_the_page_says_what_the_proof_is_for(site: Site) -> None:
    browser = stale(site, factors.without(site))
    asked = browser.submit(browser.page(APP), APP)
    assert "a proof that is not older than 15 minutes to set up an authenticator app." in asked.text
    assert "to set up an authenticator app." in browser.submit(asked, APP, password="wrong").text


def test_every_form_that_takes_a_proof_says_what_for() -> None:
    def route(path: str, *_runs: Any, **options: Any) -> tuple[str, dict[str, Any]]:
        return path, options

    made: Callable[..., list[tuple[str, dict[str, Any]]]] = dashboard.routes  # type: ignore[assignment]
    asking = [
        (path, options) for path, options in made(route, route) if options.get("sensitive") or options.get("gate")
    ]
    assert len(asking) > 20
    assert [path for path, options in asking if not options.get("to")] == []


@pytest.mark.parametrize("csrf", ["", "0" * 64])
def test_the_proof_is_taken_from_our_own_form_alone(csrf: str, site: Site) -> None:
    browser = stale(site, factors.without(site))
    asked = browser.submit(browser.page(APP), APP)
    (form,) = fields(asked.text, APP)
    before = site.actions()
    assert browser.request("POST", APP, BROWSER, form=form | {"csrf": csrf, "password": PASSWORD}).status == 403
    foreign = ("Origin", "https://evil.example")
    assert browser.request("POST", APP, BROWSER, foreign, form=form | {"password": PASSWORD}).status == 403
    assert site.actions() == before


@pytest.mark.parametrize("proof", ["form", "page", "", "yes"])
def test_claiming_a_proof_without_one_does_nothing(proof: str, site: Site) -> None:
    browser = stale(site, factors.without(site))
    csrf = browser.form(browser.page(APP), APP)["csrf"]
    before = site.actions()
    form = {"csrf": csrf, "proof": proof, "carry:proof": "form", "carry:csrf": csrf, "name": "x"}
    reply = browser.request("POST", APP, BROWSER, form=form)
    assert reply.status == 422
    assert "Confirm it is you" in reply.text
    assert site.actions() == before


def test_nothing_leads_away_from_the_confirmation(site: Site) -> None:
    browser = stale(site, factors.without(site))
    csrf = browser.form(browser.page(APP), APP)["csrf"]
    reply = browser.request(
        "POST", f"{APP}?next=https://evil.example", BROWSER, form={"csrf": csrf, "next": "//evil.example"}
    )
    targets = [html.unescape(found) for found in re.findall(r'(?:href|action)="([^"]*)"', reply.text)]
    assert all(target.startswith(("/", "#")) and not target.startswith("//") for target in targets)
    done = browser.submit(reply, f"{APP}?next=https://evil.example", password=PASSWORD)
    assert 'name="next" value="/"' in done.text


@pytest.mark.parametrize(("path", "cancel"), [(OFF, HERE), (APP, HERE), (f"{HERE}/recovery", HERE)])
def test_cancel_leads_back_to_a_page_that_is_there(path: str, cancel: str, site: Site) -> None:
    holder = factors.with_app(site)
    browser = stale(site, holder)
    asked = browser.submit(browser.page(path), path)
    assert f'<a href="{cancel}">Cancel</a>' in asked.text
    assert browser.page(cancel).status == 200


def test_the_secret_of_the_session_is_new_even_when_the_form_then_fails(site: Site) -> None:
    holder = factors.with_app(site)
    browser = stale(site, holder)
    page = browser.page(OFF)
    before = browser.cookies[SESSION]
    asked = browser.submit(page, OFF)
    failed = browser.submit(asked, OFF, code=holder.fresh_code())
    assert failed.status == 422
    assert browser.cookies[SESSION] != before
    assert browser.page(HERE).status == 200
    assert "On since" in browser.page(HERE).text


def test_a_page_that_asks_before_it_is_shown_comes_after_the_proof(site: Site) -> None:
    browser = stale(site, factors.without(site))
    path = f"{HERE}/passkey"
    asked = browser.page(f"{path}?next=/settings/sessions")
    assert "Confirm it is you" in asked.text
    assert "data-options" not in asked.text
    done = browser.submit(asked, f"{path}?next=/settings/sessions", password=PASSWORD)
    assert (done.status, done.header("location")) == (303, f"{path}?next=/settings/sessions")
    assert options_on(browser.page(path))


def test_wrong_proofs_are_slowed_down(site: Site) -> None:
    browser = stale(site, factors.without(site))
    asked = browser.submit(browser.page(APP), APP, name="my phone")
    for _ in range(5):
        assert browser.submit(asked, APP, password="a wrong password").status == 422
    slow = browser.submit(asked, APP, password=PASSWORD)
    assert slow.status == 429
    assert fields(slow.text, APP)[0]["carry:name"] == "my phone"


def test_a_remembered_browser_is_no_proof_of_the_second_factor(site: Site) -> None:
    holder = factors.with_app(site)
    browser = site.browser()
    browser.sign_in()
    browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code(), remember="1")
    browser.submit(browser.page(HERE), "/sign-out")
    site.clock.advance(days=2)
    assert browser.sign_in(start="/sign-in").header("location") == "/"  # signed in by the password alone
    asked = browser.submit(browser.page(APP), APP, name="a thief's")
    assert "Confirm it is you" in asked.text
    assert "Scan this" not in asked.text
    assert "Scan this" in browser.submit(asked, APP, code=holder.fresh_code()).text


def test_a_session_that_the_password_let_in_is_no_proof_once_there_is_a_second_factor(site: Site) -> None:
    holder = factors.without(site)
    thief = site.browser("192.0.2.66")
    thief.sign_in()  # knows the password
    begun = thief.submit(thief.page(APP), APP, name="a thief's")
    assert "Scan this" in begun.text
    site.clock.advance(minutes=1)
    factors.add_app(holder)
    for page, values in ((thief.page(APP), {"name": "another"}), (begun, {"code": "123456"})):
        assert "Confirm it is you" in thief.submit(page, APP, **values).text
    asked = thief.submit(thief.page(APP), APP)
    assert "Scan this" in thief.submit(asked, APP, code=holder.fresh_code()).text  # the owner's


# What lasts longer than the session that lets it in: a command line's login, an OAuth client.


def begin_login(site: Site) -> dict[str, str]:
    return dict(site.client.post("/auth", json={"description": "a thief's laptop"}).json)


def collected(site: Site, begun: dict[str, str]) -> str | None:
    """The token of the login; None while nobody approved it."""
    secret = begun["cli_url"].rpartition("/")[2]
    if cli_login.poll(site.env, secret, begun["token"]) is not None:
        return None
    return str(json.loads(site.client.get(begun["cli_url"], token=begun["token"]).body)["access_token"])


@pytest.mark.parametrize("second", [True, False])
def test_a_stolen_session_approves_no_login_of_a_command_line(second: bool, site: Site) -> None:
    holder = factors.with_app(site) if second else factors.without(site)
    browser, begun = stale(site, holder), begin_login(site)
    asked = browser.submit(browser.page(begun["browser_url"]), begun["browser_url"], decision="approve")
    assert "Confirm it is you" in asked.text
    assert f'<a href="{begun["browser_url"]}">Cancel</a>' in asked.text
    assert collected(site, begun) is None
    proof = {"code": holder.wrong_code()} if second else {"password": "a wrong password"}
    assert browser.submit(asked, begun["browser_url"], **proof).status == 422
    assert collected(site, begun) is None
    proof = {"code": holder.fresh_code()} if second else {"password": PASSWORD}
    assert "Logged in" in browser.submit(asked, begun["browser_url"], **proof).text
    assert site.client.get("/account", token=collected(site, begun)).status == 200
    assert browser.page("/settings/sessions").status == 200  # the session's new secret reached the browser


def test_right_after_signing_in_a_login_is_approved_at_once_and_the_owner_is_told(site: Site) -> None:
    factors.without(site)
    browser = site.browser()
    browser.sign_in()
    site.clock.advance(seconds=policy.REAUTH - 1)
    begun = begin_login(site)
    assert (
        "Logged in" in browser.submit(browser.page(begun["browser_url"]), begun["browser_url"], decision="approve").text
    )
    assert not mails(site, EMAIL)
    assert collected(site, begun)
    (told,) = mails(site, EMAIL)
    assert told.subject == "A command line was logged in to your account"
    assert "“a thief's laptop”, asked for from 198.51.100.7" in told.body


def test_denying_a_login_takes_no_proof_and_one_that_is_over_asks_for_none(site: Site) -> None:
    browser, begun = stale(site, factors.without(site)), begin_login(site)
    page = browser.page(begun["browser_url"])
    assert "Login denied" in browser.submit(page, begun["browser_url"], decision="deny").text
    assert browser.submit(page, begun["browser_url"], decision="approve").status == 410


def oauth_client(site: Site) -> dict[str, object]:
    return oauth_site.make_client(site, site.login(site.account("mallory@example.com")), name="Handy Tool")


@pytest.mark.parametrize("second", [True, False])
def test_a_stolen_session_lets_no_oauth_client_in(second: bool, site: Site) -> None:
    holder = factors.with_app(site) if second else factors.without(site)
    client = oauth_client(site)
    browser, target = stale(site, holder), oauth_site.path(client, scope="global")
    asked = oauth_site.decide(browser, target)
    assert "Confirm it is you" in asked.text
    assert f'<a href="{html.escape(target)}">Cancel</a>' in asked.text
    assert "oauth.allow" not in site.actions()
    # the form that asks must end at the client as well, else browsers stop the redirect
    assert "form-action 'self' https://app.example.com;" in str(asked.header("content-security-policy"))
    proof = {"code": holder.fresh_code()} if second else {"password": PASSWORD}
    _, got = oauth_site.answer(browser.submit(asked, Forms(asked.text).found[-1][0], **proof))
    assert oauth_site.exchange(site, client, got["code"]).status == 200
    assert browser.page("/settings/sessions").status == 200


def test_denying_an_oauth_client_takes_no_proof(site: Site) -> None:
    client = oauth_client(site)
    browser = stale(site, factors.without(site))
    assert oauth_site.answer(oauth_site.decide(browser, oauth_site.path(client), "deny"))[1]["error"] == "access_denied"


def test_the_owner_is_told_of_an_oauth_client_that_was_let_in(site: Site) -> None:
    factors.without(site)
    client, browser = oauth_client(site), site.browser()
    browser.sign_in()
    _, got = oauth_site.answer(oauth_site.decide(browser, oauth_site.path(client)))
    assert not mails(site, EMAIL)
    oauth_site.exchange(site, client, got["code"])
    (told,) = mails(site, EMAIL)
    assert told.subject == "An application was let in to your account: Handy Tool"
    assert "with the scopes read." in told.body


# The sentence after a redirect.


@pytest.mark.parametrize(
    "forged",
    [
        base64.urlsafe_b64encode(b"\0" * 32 + json.dumps(["error", "Call 0900 666"]).encode()).decode(),
        base64.urlsafe_b64encode(b"\0" * 32 + b"[" * 4000).decode(),
        "", "%%%", "A" * 3000, "ä",
    ],
)  # fmt: skip
def test_a_sentence_that_we_did_not_write_is_not_shown(forged: str, site: Site) -> None:
    site.account()
    browser = site.browser()
    browser.sign_in()
    browser.page("/")
    browser.cookies["keyturn_flash_8420"] = forged
    reply = browser.page(HERE)
    assert reply.status == 200
    assert "0900" not in reply.text
    assert 'class="flash"' not in reply.text


def test_the_sentence_of_another_browser_is_not_shown(site: Site) -> None:
    holder = factors.with_app(site)
    one, two = site.browser(), site.browser()
    for browser in (one, two):
        browser.sign_in(EMAIL)
        browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code())
        browser.page("/")
    one.submit(one.page(OFF), OFF, current_password=PASSWORD)
    two.cookies["keyturn_flash_8420"] = one.cookies["keyturn_flash_8420"]
    assert 'class="flash"' not in two.page(HERE).text
    assert "is off" in one.page(HERE).text

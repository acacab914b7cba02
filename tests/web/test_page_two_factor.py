"""The pages of one's own second factors: set up, shown once, renamed, removed, turned off."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support import factors
from tests.support.authenticator import Authenticator
from tests.support.factors import ORIGIN, Holder, options_on, secrets_of, seed_of_key
from tests.support.site import Browser, Site
from tests.support.world import PASSWORD

from keyturn.actions.sign_in import must_have_second_factor
from keyturn.core import policy, recovery
from keyturn.web import app
from keyturn.web.pages import sessions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.asgi import Reply

HERE = "/settings/two-factor"
SESSION = "keyturn_session_8420"
HOSTILE = "<img src=x onerror=alert(1)>\"'"


def signed_in(site: Site, holder: Holder) -> Browser:
    """A browser in which the holder has just signed in."""
    browser = site.browser()
    reply = browser.sign_in(holder.account.email)
    if reply.header("location") == "/sign-in/second":
        browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code())
    assert SESSION in browser.cookies
    return browser


def begin_app(browser: Browser, **values: str) -> Reply:
    return browser.submit(browser.page(f"{HERE}/app"), f"{HERE}/app", **values)


def key_on(page: Reply) -> str:
    found = re.search(r"data-copied>([A-Z2-7]{4}(?: [A-Z2-7]{4}){7})<", page.text)
    assert found, page.text
    return found[1]


def add_passkey(browser: Browser, device: Authenticator, name: str = "my laptop") -> Reply:
    page = browser.page(f"{HERE}/passkey")
    answer = json.dumps(device.create(options_on(page), ORIGIN))
    return browser.submit(page, f"{HERE}/passkey", name=name, passkey=answer)


def factor_ids(browser: Browser) -> list[str]:
    """Of the factors that the page lists."""
    return list(dict.fromkeys(re.findall(rf"{HERE}/factors/([0-9a-f-]+)", browser.page(HERE).text)))


# An authenticator app.


def test_an_app_is_set_up_and_the_recovery_codes_are_shown_once(site: Site) -> None:
    holder = factors.without(site)
    browser = signed_in(site, holder)
    assert "Off: your password alone" in browser.page(HERE).text
    shown = begin_app(browser, name="my phone")
    assert "<svg" in shown.text
    holder.seed = seed_of_key(key_on(shown))
    before = browser.cookies[SESSION]
    done = browser.submit(shown, f"{HERE}/app", code=holder.code())
    codes = secrets_of(done)
    assert len(set(codes)) == recovery.COUNT
    assert all(recovery.looks_like(code) for code in codes)
    assert done.header("cache-control") == "no-store"
    assert browser.cookies[SESSION] != before
    over = browser.page(HERE)
    assert "On since" in over.text
    assert "my phone" in over.text
    assert not any(code in over.text for code in codes)
    again = site.browser()
    again.cookies = dict(browser.cookies) | {SESSION: before}
    assert again.page(HERE).text.count("On since") == 0  # the session's old secret is dead


def test_turning_it_on_offers_to_end_the_sessions_that_the_password_alone_let_in(site: Site) -> None:
    holder = factors.without(site)
    other = signed_in(site, holder)
    browser = signed_in(site, holder)
    shown = begin_app(browser)
    holder.seed = seed_of_key(key_on(shown))
    done = browser.submit(shown, f"{HERE}/app", code=holder.code())
    assert "1 other session of your account was begun before" in done.text
    assert 'href="/settings/sessions/end-others"' in done.text
    browser.submit(browser.page("/settings/sessions/end-others"), "/settings/sessions/end-others")
    assert "On since" not in other.page(HERE).text
    renewed = browser.submit(browser.page(f"{HERE}/recovery"), f"{HERE}/recovery")
    assert len(secrets_of(renewed)) == recovery.COUNT
    assert "was begun before" not in renewed.text


def test_a_wrong_first_code_turns_nothing_on_and_keeps_the_same_key_on_the_page(site: Site) -> None:
    holder = factors.without(site)
    browser = signed_in(site, holder)
    shown = begin_app(browser)
    holder.seed = seed_of_key(key_on(shown))
    for code in (holder.wrong_code(), "", "ä", holder.code(5)):
        wrong = browser.submit(shown, f"{HERE}/app", code=code)
        assert wrong.status == 422
        assert key_on(wrong) == key_on(shown)
        assert 'aria-invalid="true"' in wrong.text
    assert holder.reload().mfa_since is None
    assert secrets_of(browser.submit(wrong, f"{HERE}/app", code=holder.code()))


def test_the_key_is_in_no_address_and_no_cookie_and_on_no_later_page(site: Site) -> None:
    holder = factors.without(site)
    browser = signed_in(site, holder)
    shown = begin_app(browser)
    key = key_on(shown).replace(" ", "")
    assert key not in json.dumps([browser.cookies, shown.headers])
    assert key not in "".join(re.findall(r'(?:href|action|src)="([^"]*)"', shown.text))
    assert key not in browser.page(HERE).text.replace(" ", "")
    assert key not in browser.page(f"{HERE}/app").text.replace(" ", "")


def test_a_set_up_of_somebody_else_or_one_that_is_done_is_no_set_up(site: Site) -> None:
    mine, other = factors.without(site), factors.without(site, "eve@example.com")
    browser, foreign = signed_in(site, mine), signed_in(site, other)
    shown = begin_app(browser)
    mine.seed = seed_of_key(key_on(shown))
    fields = browser.form(shown, f"{HERE}/app")
    stolen = foreign.submit(foreign.page(f"{HERE}/app"), f"{HERE}/app", factor=fields["factor"], code=mine.code())
    assert (stolen.status, stolen.header("location")) == (303, HERE)
    assert other.reload().mfa_since is None
    other_tab = browser.submit(shown, f"{HERE}/app", code=mine.wrong_code())
    browser.submit(shown, f"{HERE}/app", code=mine.code())
    again = browser.submit(other_tab, f"{HERE}/app", code=mine.code(1))
    assert "That set-up is over" in browser.page(again.header("location") or "").text


# Passkeys.


def test_a_passkey_is_added_and_known_for_what_it_is(site: Site) -> None:
    browser = signed_in(site, factors.without(site))
    assert secrets_of(add_passkey(browser, Authenticator()))
    key = Authenticator(flags=0x05, transports=("usb",))
    before = browser.cookies[SESSION]
    done = add_passkey(browser, key, HOSTILE)
    assert (done.status, done.header("location")) == (303, HERE)
    assert browser.cookies[SESSION] != before
    over = browser.page(HERE)
    assert "synced" in over.text
    assert "on one device" in over.text
    assert HOSTILE not in over.text
    assert "&lt;img src=x" in over.text


def test_a_registration_is_taken_once_and_in_its_own_session(site: Site) -> None:
    browser = signed_in(site, factors.without(site))
    page = browser.page(f"{HERE}/passkey")
    device = Authenticator()
    answer = json.dumps(device.create(options_on(page), ORIGIN))
    other = signed_in(site, factors.without(site, "eve@example.com"))
    stolen = other.submit(other.page(f"{HERE}/passkey"), f"{HERE}/passkey", passkey=answer)
    assert stolen.status == 422
    page = browser.page(f"{HERE}/passkey")
    answer = json.dumps(device.create(options_on(page), ORIGIN))
    assert browser.submit(page, f"{HERE}/passkey", passkey=answer).status == 200
    again = browser.submit(browser.page(f"{HERE}/passkey"), f"{HERE}/passkey", passkey=answer)
    assert again.status == 422
    assert len(factor_ids(browser)) == 1


@pytest.mark.parametrize("garbage", ["", "{", "[]", "null", "{}", '{"response": 1}', "[" * 4000, "x" * 60_000])
def test_a_garbled_passkey_is_refused_with_the_form_again(garbage: str, site: Site) -> None:
    browser = signed_in(site, factors.without(site))
    reply = browser.submit(browser.page(f"{HERE}/passkey"), f"{HERE}/passkey", name="my key", passkey=garbage)
    assert reply.status == 422
    assert 'value="my key"' in reply.text
    assert options_on(reply)


def test_where_passkeys_cannot_be_the_page_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, url="http://192.0.2.1:8420")
    site.account()
    browser = site.browser()
    browser.sign_in()
    assert "Passkeys belong to a host name" in browser.page(HERE).text
    assert "data-options" not in browser.page(f"{HERE}/passkey").text
    site.close()


# Recovery codes.


def test_new_codes_are_made_by_a_form_alone_and_can_be_had_as_a_file(site: Site) -> None:
    holder = factors.with_app(site)
    browser = signed_in(site, holder)
    asked = browser.page(f"{HERE}/recovery")
    assert not secrets_of(asked)
    shown = browser.submit(asked, f"{HERE}/recovery")
    codes = secrets_of(shown)
    assert len(codes) == recovery.COUNT
    assert not set(codes) & set(holder.recovery)
    file = browser.submit(shown, f"{HERE}/recovery/download")
    assert file.header("content-type") == "text/plain; charset=utf-8"
    assert file.header("content-disposition") == 'attachment; filename="recovery-codes.txt"'
    assert file.header("cache-control") == "no-store"
    assert all(code in file.text for code in codes)


def test_the_file_holds_nothing_but_codes(site: Site) -> None:
    browser = signed_in(site, factors.with_app(site))
    shown = browser.submit(browser.page(f"{HERE}/recovery"), f"{HERE}/recovery")
    file = browser.submit(shown, f"{HERE}/recovery/download", codes="<script>alert(1)</script> rm -rf / =cmd()")
    assert not re.search(r"script|rm|cmd", file.text)


def test_few_codes_left_are_warned_of(site: Site) -> None:
    holder = factors.with_app(site)
    browser = signed_in(site, holder)
    for number, code in enumerate(holder.recovery, 1):
        window = site.browser()
        window.sign_in()
        window.submit(window.page("/sign-in/second"), "/sign-in/second", code=code)
        text = browser.page(HERE).text
        left = recovery.COUNT - number
        assert f"{left} of {recovery.COUNT} left" in text
        assert ("Make new ones</a> before you need them" in text) == (left < 3)
    assert "No recovery code is left" in text


# Names, removal, off.


def test_a_factor_is_renamed_and_removed_but_never_the_last_one(site: Site) -> None:
    holder = factors.with_app(site)
    browser = signed_in(site, holder)
    (phone,) = factor_ids(browser)
    page = browser.page(f"{HERE}/factors/{phone}")
    assert "your only second factor" in page.text
    refused = browser.submit(page, f"{HERE}/factors/{phone}", name="x" * 61)
    assert refused.status == 422
    browser.submit(page, f"{HERE}/factors/{phone}", name=HOSTILE)
    assert "&lt;img src=x" in browser.page(HERE).text
    form = browser.form(page, f"{HERE}/factors/{phone}")
    last = browser.request("POST", f"{HERE}/factors/{phone}/remove", form={"csrf": form["csrf"]})
    assert last.status == 303
    assert factor_ids(browser) == [phone]
    add_passkey(browser, Authenticator())
    assert browser.submit(browser.page(f"{HERE}/factors/{phone}"), f"{HERE}/factors/{phone}/remove").status == 303
    assert phone not in factor_ids(browser)
    assert len(factor_ids(browser)) == 1


def test_another_account_s_factors_and_browsers_are_not_there(site: Site) -> None:
    mine, other = factors.with_app(site), factors.with_app(site, "eve@example.com")
    (theirs,) = factor_ids(signed_in(site, other))
    browser = signed_in(site, mine)
    page = browser.page(HERE)
    csrf = browser.form(page, "/sign-out")["csrf"]
    assert browser.page(f"{HERE}/factors/{theirs}").status == 404
    for path in (f"factors/{theirs}", f"factors/{theirs}/remove"):
        assert browser.request("POST", f"{HERE}/{path}", form={"csrf": csrf, "name": "x"}).status == 404


def test_turning_off_takes_the_password_and_forgets_everything(site: Site) -> None:
    holder = factors.with_app(site)
    browser = signed_in(site, holder)
    page = browser.page(f"{HERE}/off")
    wrong = browser.submit(page, f"{HERE}/off", current_password="not it at all")
    assert wrong.status == 422
    assert "The current password is wrong" in wrong.text
    assert "not it at all" not in wrong.text
    assert holder.reload().mfa_since is not None
    done = browser.submit(page, f"{HERE}/off", current_password=PASSWORD)
    assert (done.status, done.header("location")) == (303, HERE)
    assert holder.reload().mfa_since is None
    assert "Off: your password alone" in browser.page(HERE).text
    assert site.browser().sign_in().header("location") == "/"
    assert "Two-factor sign-in was turned off" in factors.all_text(factors.letters(site))


def with_policy(site: Site, required: str) -> Site:
    """The same site after a restart with another policy."""
    site.env = replace(site.env, policy=replace(site.env.policy, mfa_required=required))
    site.face = replace(site.face, env=site.env)
    site.app = app.build(site.face)
    return site


def test_where_the_policy_asks_for_it_it_stays_on(site: Site) -> None:
    holder = factors.with_app(site)
    browser = signed_in(with_policy(site, "all"), holder)
    assert "it stays on" in browser.page(HERE).text
    page = browser.page(f"{HERE}/off")
    assert "it stays on" in page.text
    csrf = browser.form(page, "/sign-out")["csrf"]
    forced = browser.request("POST", f"{HERE}/off", form={"csrf": csrf, "current_password": PASSWORD})
    assert forced.status == 422
    assert holder.reload().mfa_since is not None


def test_somebody_under_single_sign_on_is_asked_by_their_own_provider(site: Site) -> None:
    account = site.account()
    browser = site.browser()
    browser.sign_in()
    with site.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    browser.app = with_policy(site, "all").app
    assert "through your organization" in browser.page(HERE).text
    assert not must_have_second_factor(site.env, replace(account, federated=True))


# What holds for all of these pages.


@pytest.mark.parametrize("path", ["", "/app", "/passkey", "/recovery", "/off"])
def test_strangers_are_asked_to_sign_in_and_looking_changes_nothing(path: str, site: Site) -> None:
    holder = factors.with_app(site)
    reply = site.browser().page(HERE + path)
    assert 'action="/sign-in"' in reply.text
    browser = signed_in(site, holder)
    before = site.actions()
    page = browser.page(HERE + path)
    assert page.status == 200
    assert len(page.body) < 100_000
    assert page.text.count("<h1") == 1
    assert site.actions() == before


@pytest.mark.parametrize("path", ["/app", "/passkey", "/recovery", "/off", "/recovery/download"])
def test_forms_without_the_token_are_refused(path: str, site: Site) -> None:
    holder = factors.with_app(site)
    browser = signed_in(site, holder)
    before = site.actions()
    reply = browser.request("POST", HERE + path, form={"current_password": PASSWORD, "name": "x"})
    assert reply.status == 403
    assert site.actions() == before


@pytest.mark.parametrize("path", ["/app", "/passkey", "/recovery", "/off"])
def test_a_session_that_was_stolen_changes_nothing_after_a_quarter_of_an_hour(path: str, site: Site) -> None:
    holder = factors.with_app(site)
    browser = signed_in(site, holder)
    csrf = browser.form(browser.page(HERE), "/sign-out")["csrf"]
    site.clock.advance(seconds=policy.REAUTH)
    before = site.actions()
    form = {"csrf": csrf, "current_password": PASSWORD, "name": "x", "passkey": "{}"}
    reply = browser.request("POST", HERE + path, form=form)
    assert "Confirm it is you" in reply.text
    assert site.actions() == before


def asked_again(site: Site, device: str) -> bool:
    """Whether a browser with that cookie is asked for a second factor when its session is over."""
    later = site.browser()
    later.cookies = {"keyturn_device_8420": device}
    return later.sign_in().header("location") == "/sign-in/second"


def test_browsers_are_forgotten_one_by_one_or_all(site: Site) -> None:
    holder = factors.with_app(site)
    windows = []
    for _ in range(3):
        window = site.browser()
        window.sign_in()
        site.clock.advance(seconds=30)
        window.submit(window.page("/sign-in/second"), "/sign-in/second", code=holder.code(), remember="1")
        windows.append(window)
    held = [window.cookies["keyturn_device_8420"] for window in windows]
    page = windows[0].page(HERE)
    assert "3 browsers are asked for the password alone." in page.text
    listed = windows[0].page(sessions.BROWSERS.partition("#")[0])
    assert f'href="{sessions.BROWSERS}"' in page.text
    assert f'id="{sessions.BROWSERS.partition("#")[2]}"' in listed.text
    actions = re.findall(rf'action="({sessions.HERE}/devices/[0-9a-f-]+/forget)"', listed.text)
    assert len(actions) == 3
    windows[0].submit(listed, actions[1])
    assert [asked_again(site, device) for device in held] == [False, True, False]
    assert "2 browsers are asked for the password alone." in windows[0].page(HERE).text
    windows[0].submit(listed, f"{sessions.HERE}/devices/forget")
    assert "None. You can have a browser remembered" in windows[0].page(HERE).text
    assert [asked_again(site, device) for device in held] == [True, True, True]

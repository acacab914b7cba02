"""Signing in with a second factor in the browser: cookies, sessions that nobody fixes, and a policy that nobody gets around."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.support import factors
from tests.support.factors import ORIGIN, Holder, options_on, secrets_of, seed_of_key
from tests.support.second import account_of, restart
from tests.support.site import BROWSER, Browser, Site
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import resets
from keyturn.actions.authenticate import web_session
from keyturn.actions.env import By
from keyturn.core import policy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.asgi import Reply

SECOND = "/sign-in/second"
ALONE = "/sign-in/passkey"
SESSION = "keyturn_session_8420"
PENDING = "keyturn_second_8420"
DEVICE = "keyturn_device_8420"


def at_second(site: Site, *, start: str = "/") -> Browser:
    """A browser whose password was right."""
    browser = site.browser()
    assert browser.sign_in(start=start).header("location") == SECOND
    return browser


def give(browser: Browser, code: str, **values: str) -> Reply:
    return browser.submit(browser.page(SECOND), SECOND, code=code, **values)


def alive(site: Site, secret: str) -> bool:
    return web_session(site.env, secret) is not None


# Ways in.


def test_the_code_leads_on_to_where_the_sign_in_was_for(site: Site) -> None:
    holder = factors.with_app(site)
    browser = at_second(site, start="/settings/sessions")
    assert SESSION not in browser.cookies
    done = give(browser, holder.code())
    assert (done.status, done.header("location")) == (303, "/settings/sessions")
    assert PENDING not in browser.cookies
    assert browser.page("/settings/sessions").status == 200


def test_until_then_the_browser_sees_nothing(site: Site) -> None:
    factors.with_app(site)
    browser = at_second(site)
    assert 'action="/sign-in"' in browser.page("/").text
    assert 'action="/sign-in"' in browser.page("/settings/two-factor").text


def test_wrong_codes_are_said_and_the_tenth_ends_it(site: Site) -> None:
    holder = factors.with_app(site)
    browser = at_second(site)
    for _ in range(policy.SECOND_STEP_TRIES - 1):
        reply = give(browser, "aaaa-aaaa-aaaa-aaaa")
        assert reply.status == 401
        assert "That recovery code is wrong" in reply.text
        assert "aaaa-aaaa" not in reply.text
    over = give(browser, "aaaa-aaaa-aaaa-aaaa")
    assert over.status == 410
    assert PENDING not in browser.cookies
    assert 'action="/sign-in"' in over.text
    assert holder.recovery


@pytest.mark.parametrize("code", ["", "   ", "ä" * 50, "1" * 5000, "'; --", "\x00"])
def test_what_is_no_code_is_refused(code: str, site: Site) -> None:
    factors.with_app(site)
    assert give(at_second(site), code).status in (401, 422)


def test_ten_minutes_later_it_begins_again(site: Site) -> None:
    holder = factors.with_app(site)
    browser = at_second(site)
    page = browser.page(SECOND)
    site.clock.advance(seconds=policy.SECOND_STEP)
    late = browser.submit(page, SECOND, code=holder.code())
    assert late.status == 410
    assert SESSION not in browser.cookies


def test_too_many_wrong_codes_are_told_what_works_at_once(site: Site) -> None:
    holder = factors.with_app(site)
    browser = at_second(site)
    for _ in range(5):
        give(browser, holder.wrong_code())
    browser = at_second(site)
    for _ in range(5):
        give(browser, holder.wrong_code())
    throttled = give(browser, holder.code())
    assert throttled.status == 429
    assert "a recovery code works at once" in throttled.text
    assert give(browser, holder.recovery[0]).status == 303


def test_a_passkey_is_a_second_factor(site: Site) -> None:
    holder = factors.with_passkey(site)
    browser = at_second(site)
    page = browser.page(SECOND)
    done = browser.submit(page, SECOND, passkey=json.dumps(holder.device.get(options_on(page), ORIGIN)))
    assert (done.status, done.header("location")) == (303, "/")


def test_a_passkey_alone_signs_in_and_goes_on(site: Site) -> None:
    holder = factors.with_passkey(site)
    browser = site.browser()
    page = browser.page(f"{ALONE}?next=/settings/sessions")
    options = options_on(page)
    assert (options["userVerification"], options["allowCredentials"]) == ("required", [])
    done = browser.submit(page, ALONE, passkey=json.dumps(holder.device.get(options, ORIGIN)))
    assert (done.status, done.header("location")) == (303, "/settings/sessions")
    assert browser.page("/settings/sessions").status == 200


def test_a_passkey_that_did_not_check_its_user_does_not_sign_in_alone(site: Site) -> None:
    holder = factors.with_passkey(site)
    browser = site.browser()
    page = browser.page(ALONE)
    done = browser.submit(page, ALONE, passkey=json.dumps(holder.device.get(options_on(page), ORIGIN, flags=0x01)))
    assert done.status == 401
    assert SESSION not in browser.cookies


def test_an_answer_that_was_seen_on_its_way_is_worth_nothing_in_another_browser(site: Site) -> None:
    holder = factors.with_passkey(site)
    victim, thief = site.browser(), site.browser()
    answer = json.dumps(holder.device.get(options_on(victim.page(ALONE)), ORIGIN))
    assert thief.submit(thief.page(ALONE), ALONE, passkey=answer).status == 401
    assert victim.submit(victim.page(ALONE), ALONE, passkey=answer).status == 401  # and it is used up


@pytest.mark.parametrize(
    "next_path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_led_away(next_path: str, site: Site) -> None:
    holder = factors.with_passkey(site)
    browser = site.browser()
    page = browser.page(ALONE)
    answer = json.dumps(holder.device.get(options_on(page), ORIGIN))
    assert browser.submit(page, ALONE, passkey=answer, next=next_path).header("location") == "/"
    other = site.browser()
    other.submit(other.page("/"), "/sign-in", email=EMAIL, password=PASSWORD, next=next_path)
    assert give(other, holder.recovery[0]).header("location") == "/"


def test_a_passkey_signs_in_from_the_sign_in_form_itself(site: Site) -> None:
    holder = factors.with_passkey(site)
    browser = site.browser()
    page = browser.page("/settings/sessions")
    assert 'autocomplete="username webauthn"' in page.text
    assert "data-passkey-autofill" in page.text
    assert options_on(page)["allowCredentials"] == []  # it tells nothing of accounts
    done = browser.submit(page, ALONE, passkey=json.dumps(holder.device.get(options_on(page), ORIGIN)))
    assert (done.status, done.header("location")) == (303, "/settings/sessions")
    assert "Sign out" in browser.page("/").text


def test_who_looks_at_the_sign_in_form_too_often_gets_the_link_alone(tmp_path: Path) -> None:
    site = Site(tmp_path, begin_limit=2)
    pages = [site.browser().page("/").text for _ in range(3)]
    site.close()
    assert ["data-passkey-autofill" in page for page in pages] == [True, True, False]
    assert all('href="/sign-in/passkey?next=%2F"' in page and 'name="password"' in page for page in pages)


# What others can tell.


def test_with_a_wrong_password_nothing_tells_who_has_a_second_factor(site: Site) -> None:
    factors.with_app(site, "mfa@example.com")
    factors.without(site, "plain@example.com")
    seen: set[tuple[object, ...]] = set()
    for email in ("mfa@example.com", "plain@example.com", "nobody@example.com"):
        browser = site.browser(f"198.51.100.{len(seen) + 1}")
        reply = browser.sign_in(email, "a wrong password")
        text = reply.text.replace(email, "EMAIL").replace(browser.form(reply, "/sign-in")["csrf"], "CSRF")
        seen.add((reply.status, text, tuple(sorted(browser.cookies))))
    assert len(seen) == 1


def test_the_page_of_passkeys_tells_nothing_of_accounts(site: Site) -> None:
    factors.with_passkey(site)
    assert options_on(site.browser().page(ALONE))["allowCredentials"] == []


# Sessions that nobody fixes.


def test_a_planted_session_is_not_kept_by_a_sign_in_with_a_second_factor(site: Site) -> None:
    holder, attacker = factors.with_app(site), factors.without(site, "eve@example.com")
    eve = site.browser()
    eve.sign_in("eve@example.com")
    planted = eve.cookies[SESSION]
    browser = at_second(site)
    browser.cookies[SESSION] = planted
    give(browser, holder.code())
    assert browser.cookies[SESSION] != planted
    principal = web_session(site.env, browser.cookies[SESSION])
    assert principal is not None
    assert principal.account_id == holder.account.id != attacker.account.id
    assert not alive(site, planted)  # what the browser had before ends


def test_the_secret_is_new_after_each_proof_and_the_old_one_dead(site: Site) -> None:
    factors.without(site)
    browser = site.browser()
    browser.sign_in()
    secrets = [browser.cookies[SESSION]]
    site.clock.advance(seconds=policy.REAUTH)
    page = browser.submit(browser.page("/settings/two-factor/app"), "/settings/two-factor/app")
    shown = browser.submit(page, "/settings/two-factor/app", password=PASSWORD)
    secrets.append(browser.cookies[SESSION])
    found = re.search(r"data-copied>([A-Z2-7 ]+)<", shown.text)
    assert found
    holder = Holder(site, account_of(site), seed_of_key(found[1]))
    assert secrets_of(browser.submit(shown, "/settings/two-factor/app", code=holder.code()))
    secrets.append(browser.cookies[SESSION])
    assert len(set(secrets)) == 3
    assert [alive(site, secret) for secret in secrets] == [False, False, True]


@pytest.mark.parametrize(("url", "name"), [(ORIGIN, DEVICE), ("https://keys.example.com", "__Host-keyturn_device")])
def test_what_remembers_a_browser_is_out_of_reach_of_scripts(url: str, name: str, tmp_path: Path) -> None:
    site = Site(tmp_path, url=url)
    holder = factors.with_app(site)
    browser = at_second(site)
    done = give(browser, holder.code(), remember="1")
    line = next(line for line in done.all("set-cookie") if line.startswith(name + "="))
    assert {"HttpOnly", "Path=/", "SameSite=lax", f"Max-Age={30 * policy.DAY}"} <= set(line.split("; "))
    assert ("Secure" in line) == url.startswith("https")
    site.close()


def test_a_browser_is_remembered_only_when_that_is_wished(site: Site) -> None:
    holder = factors.with_app(site)
    browser = at_second(site)
    give(browser, holder.code())
    assert DEVICE not in browser.cookies
    browser = at_second(site)
    give(browser, holder.fresh_code(), remember="1")
    again = site.browser()
    again.cookies = {DEVICE: browser.cookies[DEVICE]}
    assert again.sign_in().header("location") == "/"
    wrong = site.browser()
    wrong.cookies = {DEVICE: browser.cookies[DEVICE]}
    assert wrong.sign_in(password="a wrong password").status == 401


def test_a_policy_of_never_offers_no_remembering_and_takes_none(site: Site) -> None:
    holder = factors.with_app(site)
    restart(site, remember_device=0)
    browser = at_second(site)
    page = browser.page(SECOND)
    assert "remember" not in browser.form(page, SECOND)
    browser.submit(page, SECOND, code=holder.code(), remember="1")
    assert DEVICE not in browser.cookies


def test_a_host_header_made_up_changes_nothing(site: Site) -> None:
    holder = factors.with_passkey(site)
    browser = site.browser()
    poisoned = browser.get(ALONE, ("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), BROWSER)
    assert options_on(poisoned)["rpId"] == "localhost"
    assert "evil.example" not in poisoned.text
    answer = json.dumps(holder.device.get(options_on(poisoned), "http://evil.example"))
    assert browser.submit(poisoned, ALONE, passkey=answer).status == 401
    token = holder.recovery[0]
    thief = at_second(site)
    page = thief.page(SECOND)
    headers = (("Host", "evil.example"), ("Origin", "https://other.example"))
    assert thief.request("POST", SECOND, *headers, form=thief.form(page, SECOND) | {"code": token}).status == 403
    with site.store.reading() as tx:
        assert "evil.example" not in "".join(mail.body for mail in tx.outgoing(100))


def test_a_new_password_by_mail_leaves_the_second_factor_to_be_proven(site: Site) -> None:
    holder = factors.with_app(site)
    _, secret = resets.ask_as_operator(site.env, By(), EMAIL)
    browser = site.browser()
    page = browser.page(f"/reset/{secret}")
    browser.submit(page, f"/reset/{secret}", password=NEW_PASSWORD, password_confirmation=NEW_PASSWORD)
    assert SESSION not in browser.cookies or not alive(site, browser.cookies[SESSION])
    again = site.browser()
    assert again.sign_in(password=NEW_PASSWORD).header("location") == SECOND
    assert give(again, holder.fresh_code()).status == 303

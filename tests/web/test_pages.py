"""The pages: forms that nobody can forge, cookies that nobody can fix, and names that are only text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.support.site import BROWSER, Browser, Site
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import accounts
from keyturn.actions.env import By
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.asgi import Reply


def cookie_lines(reply: Reply) -> dict[str, set[str]]:
    """Name -> attributes, in lower case, of each cookie that is set."""
    lines = {}
    for line in reply.all("set-cookie"):
        first, *rest = (part.strip() for part in line.split(";"))
        lines[first.partition("=")[0]] = {part.lower() for part in rest}
    return lines


def sessions(site: Site) -> list[str | None]:
    """How each browser session ended, oldest first."""
    with site.store.reading() as tx:
        return [g.ended_reason for account in tx.accounts() for g in tx.grants(account.id) if g.kind is Kind.WEB]


# signing in and out


def test_signing_in_leads_to_the_start_and_signing_out_ends_the_session_on_the_server(site: Site) -> None:
    site.account(name="Ada")
    browser = site.browser()
    reply = browser.sign_in()
    assert (reply.status, reply.header("location")) == (303, "/")
    home = browser.page("/")
    assert "Ada" in home.text
    kept = dict(browser.cookies)
    out = browser.submit(home, "/sign-out")
    assert (out.status, out.header("location")) == (303, "/sign-in")
    assert sessions(site) == ["logged_out"]
    browser.cookies = kept  # a copy of the cookie is worth nothing
    assert "Ada" not in browser.page("/").text


@pytest.mark.parametrize(
    ("url", "name", "secure"),
    [
        ("http://localhost:8420", "keyturn_session_8420", False),
        ("https://keys.example.com", "__Host-keyturn_session", True),
    ],
)
def test_cookies_are_out_of_reach_of_scripts_and_other_sites(url: str, name: str, secure: bool, tmp_path: Path) -> None:
    site = Site(tmp_path, url=url)
    site.account()
    browser = site.browser()
    lines = cookie_lines(browser.page("/")) | cookie_lines(browser.sign_in())
    assert name in lines
    for attributes in lines.values():
        assert {"httponly", "path=/", "samesite=lax"} <= attributes
        assert ("secure" in attributes) == secure
        assert not any(part.startswith("domain") for part in attributes)
    site.close()


def test_a_session_is_new_at_each_sign_in_whatever_cookie_was_planted(site: Site) -> None:
    account = site.account()
    first, second = site.browser(), site.browser()
    first.sign_in()
    planted = first.cookies["keyturn_session_8420"]
    second.cookies["keyturn_session_8420"] = "ktw_planted"
    second.sign_in()
    assert second.cookies["keyturn_session_8420"] not in ("ktw_planted", planted)
    assert len(sessions(site)) == 2
    assert site.face.env.store.find_account(account.id) is not None


def test_a_session_ends_a_day_after_the_sign_in(site: Site) -> None:
    site.account()
    browser = site.browser()
    browser.sign_in()
    site.clock.advance(hours=23, minutes=59)
    assert "Signed in as" in browser.page("/").text
    site.clock.advance(minutes=1)
    assert "Signed in as" not in browser.page("/").text


def test_a_suspended_account_is_signed_out_with_the_next_page(site: Site) -> None:
    site.account()
    browser = site.browser()
    browser.sign_in()
    accounts.suspend(site.env, By(), EMAIL)
    assert "Signed in as" not in browser.page("/").text
    reply = browser.sign_in()
    assert reply.status == 401
    assert "suspended" in reply.text


def test_a_wrong_password_and_an_unknown_email_get_the_same_page(site: Site) -> None:
    site.account("known@example.com")
    known, unknown = site.browser(), site.browser()
    replies = [
        known.sign_in("known@example.com", "a wrong password"),
        unknown.sign_in("other@example.com", "a wrong password"),
    ]
    assert [reply.status for reply in replies] == [401, 401]
    texts = [
        reply.text.replace(email, "EMAIL").replace(browser.form(reply, "/sign-in")["csrf"], "CSRF")
        for reply, email, browser in zip(
            replies, ("known@example.com", "other@example.com"), (known, unknown), strict=True
        )
    ]
    assert texts[0] == texts[1]
    assert "do not belong together" in texts[0]
    assert "a wrong password" not in texts[0]


def test_too_many_tries_are_told_how_long_to_wait(site: Site) -> None:
    site.account()
    browser = site.browser()
    for _ in range(5):
        assert browser.sign_in(password="a wrong password").status == 401
    reply = browser.sign_in()
    assert reply.status == 429
    assert "Try again in 1 second" in reply.text


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil",
        "/\tx",
        "/ä",
        "",
    ],
)
def test_no_next_page_leads_away(path: str, site: Site) -> None:
    site.account()
    browser = site.browser()
    reply = browser.submit(browser.page("/sign-in"), "/sign-in", email=EMAIL, password=PASSWORD, next=path)
    assert (reply.status, reply.header("location")) == (303, "/")


def test_a_next_page_of_our_own_is_gone_to(site: Site) -> None:
    site.account()
    browser = site.browser()
    reply = browser.submit(
        browser.page("/sign-in"), "/sign-in", email=EMAIL, password=PASSWORD, next="/auth/browser/ktb_x?y=1"
    )
    assert reply.header("location") == "/auth/browser/ktb_x?y=1"


# forgery


def forged(browser: Browser, action: str, fields: dict[str, str], *headers: tuple[str, str]) -> int:
    return browser.request("POST", action, BROWSER, *headers, form=fields).status


def test_a_form_is_taken_only_with_the_token_of_this_browser_and_this_session(site: Site) -> None:
    site.account()
    site.account("eve@example.com")
    victim, attacker = site.browser(), site.browser()
    before = victim.form(victim.page("/"), "/sign-in")["csrf"]
    victim.sign_in()
    attacker.sign_in("eve@example.com")
    good = victim.form(victim.page("/"), "/sign-out")["csrf"]
    theirs = attacker.form(attacker.page("/"), "/sign-out")["csrf"]
    for token in ("", "x", "é", theirs, before, good[:-1], good.upper()):
        assert forged(victim, "/sign-out", {"csrf": token}) == 403, token
    assert forged(victim, "/sign-out", {}) == 403
    assert sessions(site) == [None, None]
    assert forged(victim, "/sign-out", {"csrf": good}) == 303


def test_a_form_of_one_session_is_not_taken_for_another_in_the_same_browser(site: Site) -> None:
    account = site.account()
    browser = site.browser()
    browser.sign_in()
    of_the_first = browser.form(browser.page("/"), "/sign-out")
    browser.cookies["keyturn_session_8420"] = site.mint(account, Kind.WEB).secret or ""
    assert forged(browser, "/sign-out", of_the_first) == 403
    assert forged(browser, "/sign-out", browser.form(browser.page("/"), "/sign-out")) == 303


def test_a_sign_in_cannot_be_forced_on_a_browser_that_did_not_ask_for_the_form(site: Site) -> None:
    site.account()
    fields = site.browser().form(site.browser().page("/"), "/sign-in") | {"email": EMAIL, "password": PASSWORD}
    assert forged(site.browser(), "/sign-in", fields) == 403
    assert sessions(site) == []


@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", "https://evil.example")],
        [("Origin", "http://localhost:9999")],
        [("Origin", "http://localhost.evil.example:8420")],
        [("Origin", "null")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site")],
        [("Origin", "http://localhost:8420"), ("Sec-Fetch-Site", "cross-site")],
    ],
)
def test_a_form_from_another_site_is_refused_even_with_the_right_token(
    headers: list[tuple[str, str]], site: Site
) -> None:
    site.account()
    browser = site.browser()
    browser.sign_in()
    good = browser.form(browser.page("/"), "/sign-out")
    assert forged(browser, "/sign-out", good, *headers) == 403
    assert sessions(site) == [None]
    assert forged(browser, "/sign-out", good) == 303  # browsers that send neither header are served


def test_a_form_that_is_too_large_or_no_form_is_refused(site: Site) -> None:
    site.account()
    browser = site.browser()
    browser.sign_in()
    for body in (b"x" * 70_000, b"{", b"\xff\xfe"):
        assert browser.request("POST", "/sign-out", BROWSER, body=body).status in (400, 403, 413)
    assert sessions(site) == [None]


def test_what_only_takes_forms_says_so(site: Site) -> None:
    for path in ("/sign-out", "/sessions/x/end", "/auth/browser/x/switch"):
        assert site.browser().page(path).status == 405


# hostile text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_hostile_names_are_text_on_every_page(site: Site) -> None:
    account = site.account(name=HOSTILE)
    site.mint(account, description=HOSTILE)
    client = site.new_client()
    begun = client.request("POST", "/auth", ("User-Agent", HOSTILE), json={"description": HOSTILE}).json
    browser = site.browser()
    pages = [browser.page(begun["browser_url"])]
    pages.append(browser.sign_in("<b>" + HOSTILE, "x"))
    browser.sign_in(start=begun["browser_url"])
    pages += [browser.page("/"), browser.page(begun["browser_url"])]
    pages.append(browser.submit(pages[-1], begun["browser_url"], decision="deny"))
    for page in pages:
        assert "<script>" not in page.text
        ours = re.findall(r'<script src="/static/[a-z]+\.js\?v=[0-9a-f]+" defer></script>', page.text)
        assert page.text.count("<script") == len(ours) > 0, "our own files', and none of theirs"
        assert "<img" not in page.text
        assert "&lt;script&gt;" in page.text


# the pages of a command line's login


def test_a_person_sees_which_machine_asks_and_approves_after_signing_in(site: Site) -> None:
    site.account()
    machine = site.new_client("192.0.2.50")
    begun = machine.request(
        "POST", "/auth", ("User-Agent", "keyturn-cli/1"), json={"description": "login from laptop", "expires_in": 3600}
    ).json
    browser = site.browser()
    first = browser.page(begun["browser_url"])
    assert first.status == 200
    assert "login from laptop" in first.text
    reply = browser.sign_in(start=begun["browser_url"])
    assert reply.header("location") == begun["browser_url"]
    site.clock.advance(minutes=2)
    asked = browser.page(begun["browser_url"])
    for words in (
        "login from laptop",
        "192.0.2.50",
        "keyturn-cli/1",
        "2 minutes ago",
        "1 hour",
        "another address",
        EMAIL,
    ):
        assert words in asked.text, words
    assert browser.submit(asked, begun["browser_url"], decision="perhaps").status == 200
    done = browser.submit(asked, begun["browser_url"], decision="approve")
    assert (done.status, "logged in" in done.text) == (200, True)
    assert machine.get(begun["cli_url"], token=begun["token"]).json["email"] == EMAIL
    for again in (browser.page(begun["browser_url"]), browser.submit(asked, begun["browser_url"], decision="approve")):
        assert again.status == 410
        assert begun["browser_url"].rsplit("/", 1)[1] not in again.text


def test_a_login_is_not_approved_by_a_link_or_without_a_session(site: Site) -> None:
    site.account()
    begun = site.new_client().post("/auth", json={}).json
    browser = site.browser()
    fields = browser.form(browser.page(begun["browser_url"]), "/sign-in") | {"decision": "approve"}
    reply = browser.request("POST", begun["browser_url"], BROWSER, form=fields)
    assert (reply.status, reply.header("location")) == (303, begun["browser_url"])
    browser.sign_in()
    browser.page(begun["browser_url"] + "?decision=approve")
    with site.store.reading() as tx:
        login = tx.cli_login(begun["cli_url"].rsplit("/", 1)[1])
    assert login is not None
    assert login.state == "pending"


def test_another_account_can_be_chosen_before_approving(site: Site) -> None:
    site.account()
    begun = site.new_client().post("/auth", json={}).json
    browser = site.browser()
    browser.sign_in(start=begun["browser_url"])
    asked = browser.page(begun["browser_url"])
    reply = browser.submit(asked, begun["browser_url"] + "/switch")
    assert (reply.status, reply.header("location")) == (303, begun["browser_url"])
    assert sessions(site) == ["logged_out"]
    assert "/sign-in" in browser.page(begun["browser_url"]).text


def test_a_denial_is_confirmed_and_a_guessed_or_late_address_is_told_apart(site: Site) -> None:
    site.account()
    browser = site.browser()
    begun = site.new_client().post("/auth", json={}).json
    browser.sign_in(start=begun["browser_url"])
    denied = browser.submit(browser.page(begun["browser_url"]), begun["browser_url"], decision="deny")
    assert "Login denied" in denied.text
    assert browser.page("/auth/browser/ktb_guess").status == 404
    late = site.new_client().post("/auth", json={}).json
    site.clock.advance(minutes=10)
    assert browser.page(late["browser_url"]).status == 410


# the first account


def test_the_first_account_is_made_in_the_browser_by_the_one_time_link(site: Site) -> None:
    path = f"/setup/{accounts.open_setup(site.env)}"
    browser = site.browser()
    page = browser.page(path)
    assert page.status == 200
    wrong = browser.submit(page, path, email=EMAIL, name="Ada", password="short")
    assert wrong.status == 422
    assert "too short" in wrong.text
    assert browser.form(wrong, path)["email"] == EMAIL
    made = browser.submit(wrong, path, email=EMAIL, name="Ada", password=PASSWORD)
    assert (made.status, made.header("location")) == (303, "/")
    assert "Administrator" in browser.page("/").text
    assert browser.page(path).status == site.browser().page(path).status == 410


def test_a_setup_link_that_is_guessed_makes_nothing(site: Site) -> None:
    accounts.open_setup(site.env)
    browser = site.browser()
    csrf = browser.form(browser.page("/sign-in"), "/sign-in")["csrf"]
    fields = {"csrf": csrf, "email": EMAIL, "name": "", "password": PASSWORD}
    assert browser.request("POST", "/setup/kti_guess", BROWSER, form=fields).status == 410
    with site.store.reading() as tx:
        assert tx.count_accounts() == 0

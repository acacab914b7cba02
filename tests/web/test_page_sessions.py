"""The page of sessions: every login and browser of the account, and the browsers that are remembered."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.site import BROWSER
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import grants, sessions
from keyturn.actions.env import By
from keyturn.core import token
from keyturn.core.credential import Device
from keyturn.core.policy import Kind
from keyturn.web.pages import agents

if TYPE_CHECKING:
    from tests.support.site import Browser, Site

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

HERE = "/settings/sessions"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
DEVICE_COOKIE = "keyturn_device_8420"


def signed_in(site: Site) -> Browser:
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def made(site: Site, account: Account, kind: Kind, by: By, description: str = "a laptop") -> Credential:
    site.clock.advance(seconds=1)  # ids sort in the order of making
    with site.store.writing() as tx:
        return grants.mint(site.env, tx, by, account, kind, scopes=("global",), description=description)


def remembered(site: Site, account: Account, secret: str, agent: str = CHROME) -> str:
    now = site.clock()
    device = Device(site.env.new_id(), account.id, 1, "203.0.113.4", agent, now, now + timedelta(days=30), now)
    with site.store.writing() as tx:
        tx.add_device(device, token.digest(secret))
    return device.id


def devices(site: Site, account: Account) -> set[str]:
    with site.store.reading() as tx:
        return {device.id for device in tx.devices(account.id, site.clock())}


def rows(text: str) -> list[str]:
    return re.findall(r'<a href="/settings/credentials/([0-9a-f-]+)"', text)


def test_each_login_and_browser_is_listed_with_its_program_in_words(site: Site) -> None:
    account = site.account()
    login = made(site, account, Kind.LOGIN, By(None, "203.0.113.9", "keyturn/1.0.2 (cli; linux)"), "my thinkpad")
    phone = made(site, account, Kind.WEB, By(None, "203.0.113.10", CHROME), "Browser session")
    made(site, account, Kind.AUTHORIZATION, By(), "no session")
    text = signed_in(site).page(HERE).text
    assert rows(text)[1:] == [phone.grant.id, login.grant.id]
    for words in ("my thinkpad", "203.0.113.9", "keyturn CLI 1.0 on Linux", "Chrome on Linux", "expires", "never used"):
        assert words in text
    assert text.count("This browser") == 1
    assert text.index("This browser") < text.index("my thinkpad")
    assert "no session" not in text


def test_the_last_use_is_told(site: Site) -> None:
    secret = site.login()
    site.client.get("/account", token=secret)
    site.write_uses()
    site.clock.advance(hours=3)
    assert re.search(r"used <time [^>]*>3 hours ago</time>", signed_in(site).page(HERE).text)


def test_a_login_that_is_in_use_is_ended_only_after_a_look_at_who_uses_it(site: Site) -> None:
    account = site.account()
    idle, busy = (site.mint(account, Kind.LOGIN, description=name) for name in ("idle", "busy"))
    browser = signed_in(site)
    site.client.get("/account", token=busy.secret)
    site.write_uses()
    text = browser.page(HERE).text
    assert f'action="/sessions/{idle.grant.id}/end"' in text
    assert f'action="/sessions/{busy.grant.id}/end"' not in text
    assert f'href="/settings/credentials/{busy.grant.id}/revoke"' in text
    asks = browser.page(f"/settings/credentials/{busy.grant.id}/revoke")
    assert "198.51.100.7" in asks.text
    browser.submit(asks, f"/settings/credentials/{busy.grant.id}/revoke")
    assert site.reason(busy.secret) == "logged_out"


def test_one_is_ended_and_the_page_says_so(site: Site) -> None:
    login = site.mint(site.account(), description="my laptop")
    browser = signed_in(site)
    reply = browser.submit(browser.page(HERE), f"/sessions/{login.grant.id}/end")
    assert (reply.status, reply.header("location")) == (303, HERE)
    assert site.ended(login) == "logged_out"
    after = browser.page(HERE).text
    assert "The login ended." in after
    assert login.grant.id not in after


@pytest.mark.parametrize("own", ["its id", "~"])
def test_the_session_at_hand_signs_out(site: Site, own: str) -> None:
    site.account()
    browser = signed_in(site)
    identity = rows(browser.page(HERE).text)[0] if own != "~" else own
    fields = browser.form(browser.page(HERE), "/sign-out")
    assert browser.request("POST", f"/sessions/{identity}/end", BROWSER, form=fields).header("location") == "/sign-in"
    assert "Sessions</h1>" not in browser.page(HERE).text


@pytest.mark.parametrize("identity", ["none", "00000000-0000-7000-8000-000000000000", "%00"])
def test_what_is_not_there_cannot_be_ended(site: Site, identity: str) -> None:
    site.account()
    browser = signed_in(site)
    fields = browser.form(browser.page(HERE), "/sign-out")
    assert browser.request("POST", f"/sessions/{identity}/end", BROWSER, form=fields).status == 404


def test_another_accounts_sessions_and_browsers_look_as_if_they_were_not_there(site: Site) -> None:
    site.account()
    eve = site.account("eve@example.com")
    hers, device = site.mint(eve), remembered(site, eve, "e" * 20)
    browser = signed_in(site)
    fields = browser.form(browser.page(HERE), "/sign-out")
    for path in (f"/sessions/{hers.grant.id}/end", f"{HERE}/devices/{device}/forget"):
        assert browser.request("POST", path, BROWSER, form=fields).status == 404
    assert site.ended(hers) is None
    assert devices(site, eve) == {device}
    # nor does "all" reach them, or the secret of her remembered browser
    browser.cookies[DEVICE_COOKIE] = "e" * 20
    browser.submit(browser.page(HERE + "/end-others"), HERE + "/end-others")
    browser.submit(browser.page(HERE + "/end-all"), HERE + "/end-all")
    assert site.ended(hers) is None
    assert devices(site, eve) == {device}


def test_ending_all_others_foretells_what_ends_and_spares_this_browser(site: Site) -> None:
    account = site.account()
    login, web = site.mint(account, description="my laptop"), site.mint(account, Kind.WEB)
    key = site.mint(account, Kind.AUTHORIZATION, description="deploy")
    browser = signed_in(site)
    asked = browser.page(HERE + "/end-others")
    assert "my laptop" in asked.text
    assert "1 authorization" in asked.text
    assert [site.ended(each) for each in (login, web, key)] == [None, None, None]
    reply = browser.submit(asked, HERE + "/end-others")
    assert (reply.status, reply.header("location")) == (303, HERE)
    assert [site.ended(each) for each in (login, web, key)] == ["logged_out", "logged_out", None]
    after = browser.page(HERE).text
    assert "2 other sessions ended" in after
    assert len(rows(after)) == 1


def test_ending_all_others_forgets_the_other_browsers_only(site: Site) -> None:
    account = site.account()
    mine, other = remembered(site, account, "m" * 20), remembered(site, account, "o" * 20)
    browser = signed_in(site)
    browser.cookies[DEVICE_COOKIE] = "m" * 20
    assert {mine, other} == devices(site, account)
    browser.submit(browser.page(HERE + "/end-others"), HERE + "/end-others")
    assert devices(site, account) == {mine}
    assert "There was no other session" in browser.page(HERE).text


def test_a_session_that_has_ended_meanwhile_ends_no_others(site: Site) -> None:
    account = site.account()
    acting, other = site.mint(account, Kind.WEB), site.mint(account)
    principal, by = site.principal(acting), site.by(acting)
    sessions.end(site.env, by, principal, acting.grant.id)
    with pytest.raises(Exception, match="logged out"):
        sessions.end_others(site.env, by, principal)
    assert site.ended(other) is None


def test_ending_all_signs_this_browser_out_too_and_forgets_every_browser(site: Site) -> None:
    account = site.account()
    login, _ = site.mint(account), remembered(site, account, "m" * 20)
    browser = signed_in(site)
    browser.cookies[DEVICE_COOKIE] = "m" * 20
    reply = browser.submit(browser.page(HERE + "/end-all"), HERE + "/end-all")
    assert (reply.status, reply.header("location")) == (303, "/sign-in")
    assert site.ended(login) == "logged_out"
    assert devices(site, account) == set()
    assert DEVICE_COOKIE not in browser.cookies
    assert "All sessions ended, here too." in browser.page("/sign-in").text
    with site.store.reading() as tx:
        assert tx.count_grants(account.id, site.clock()) == 0


def test_the_dead_have_a_tab_with_their_reason(site: Site) -> None:
    account = site.account()
    login, other = site.mint(account, description="lost laptop"), site.mint(account, description="the other")
    by = site.by(other)
    sessions.end(site.env, by, site.principal(other), login.grant.id)
    browser = signed_in(site)
    text = browser.page(HERE + "?view=ended").text
    assert rows(text) == [login.grant.id]
    assert "logged out, by" in text
    site.clock.advance(days=366)
    text = signed_in(site).page(HERE + "?view=ended").text
    assert "it expired" in text
    assert other.grant.id in text


def test_remembered_browsers_are_listed_and_forgotten_one_by_one(site: Site) -> None:
    account = site.account()
    mine, other = remembered(site, account, "m" * 20), remembered(site, account, "o" * 20, HOSTILE)
    browser = signed_in(site)
    browser.cookies[DEVICE_COOKIE] = "m" * 20
    page = browser.page(HERE)
    assert page.text.count("This browser") == 2  # the session, and the remembered browser
    assert "<script>alert" not in page.text
    assert browser.submit(page, f"{HERE}/devices/{other}/forget").status == 303
    assert devices(site, account) == {mine}
    assert DEVICE_COOKIE in browser.cookies
    browser.submit(page, f"{HERE}/devices/{mine}/forget")
    assert devices(site, account) == set()
    assert DEVICE_COOKIE not in browser.cookies


def test_remembered_browsers_are_forgotten_all_at_once(site: Site) -> None:
    account = site.account()
    for secret in ("m" * 20, "o" * 20):
        remembered(site, account, secret)
    browser = signed_in(site)
    browser.submit(browser.page(HERE), HERE + "/devices/forget")
    assert devices(site, account) == set()
    assert "2 browsers are no longer remembered" in browser.page(HERE).text
    assert "All of them" not in browser.page(HERE).text


@pytest.mark.parametrize("view", ["", "?view=ended"])
def test_hostile_names_and_programs_are_text(site: Site, view: str) -> None:
    account = site.account()
    found = made(site, account, Kind.LOGIN, By(None, "203.0.113.9", HOSTILE), HOSTILE)
    web = made(site, account, Kind.WEB, By(None, "203.0.113.9", HOSTILE))
    browser = signed_in(site)
    if view:
        for each in (found, web):
            sessions.end(site.env, site.by(each), site.principal(each), each.grant.id)
    text = browser.page(HERE + view).text + browser.page(HERE + "/end-all").text
    assert "&lt;script&gt;" in text
    assert "<script>alert" not in text
    assert "<img" not in text


@pytest.mark.parametrize("path", ["/end-others", "/end-all", "/devices/forget"])
def test_a_form_from_elsewhere_ends_nothing(site: Site, path: str) -> None:
    account = site.account()
    login, device = site.mint(account), remembered(site, account, "o" * 20)
    browser = signed_in(site)
    fields = browser.form(browser.page(HERE), "/sign-out")
    for headers, form in (((), {}), ((("Origin", "https://evil.example"),), fields)):
        assert browser.request("POST", HERE + path, BROWSER, *headers, form=form).status == 403
    assert site.ended(login) is None
    assert devices(site, account) == {device}


@pytest.mark.parametrize("path", ["", "/end-others", "/end-all", "?view=ended"])
def test_strangers_are_asked_to_sign_in(site: Site, path: str) -> None:
    reply = site.browser().page(HERE + path)
    assert 'name="password"' in reply.text


def walked(browser: Browser, path: str) -> list[str]:
    """The ids of all pages, from the first to the last."""
    found: list[str] = []
    while path:
        text = browser.page(path).text
        assert len(text) < 100_000
        found += rows(text)
        follow = re.search(r'rel="next" href="([^"]+)"', text)
        path = follow[1].replace("&amp;", "&") if follow else ""
    return found


def test_long_lists_have_pages_and_lose_nothing(site: Site) -> None:
    account = site.account()
    living = [site.mint(account).grant.id for _ in range(70)]
    dead = [site.mint(account) for _ in range(60)]
    browser = signed_in(site)
    [own] = set(walked(browser, HERE)) - {*living, *(each.grant.id for each in dead)}
    with site.store.writing() as tx:
        tx.end_grants([each.grant.id for each in dead], at=site.clock(), reason="logged_out", by=None)
    assert walked(browser, HERE) == [own, *reversed(living)]
    assert walked(browser, HERE + "?view=ended") == [each.grant.id for each in reversed(dead)]


@pytest.mark.parametrize("before", ["x", "'", "%00", "9" * 400])
def test_a_made_up_page_is_the_first(site: Site, before: str) -> None:
    site.account()
    assert len(rows(signed_in(site).page(f"{HERE}?before={before}").text)) == 1


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (CHROME, "Chrome on Linux"),
        (CHROME.replace("Chrome/", "HeadlessChrome/"), "Chrome on Linux"),
        (CHROME + " Edg/142.0.0.0", "Edge on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari on an iPhone",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        ("keyturn/1.0.0 (cli; linux)", "keyturn CLI 1.0 on Linux"),
        ("keyturn/1.2.0 (library; darwin)", "keyturn library 1.2 on macOS"),
        ("heroku-cli/8.11.5 linux-x64 node-v20.17.0", "Heroku CLI 8.11"),
        ("curl/8.5.0", "curl 8.5"),
        ("", "an unnamed program"),
        ("Mozilla/5.0 (a test)", "Mozilla/5.0 (a test)"),
        ("something\r\nof\tits own", "something of its own"),
        ("x" * 500, "x" * 59 + "…"),
    ],
)
def test_user_agents_are_said_in_words(agent: str, words: str) -> None:
    assert agents.in_words(agent) == words


def test_the_password_is_not_asked_again_for_ending(site: Site) -> None:
    site.account()
    browser = site.browser()
    browser.sign_in(EMAIL, PASSWORD)
    site.clock.advance(minutes=16)
    assert browser.submit(browser.page(HERE + "/end-others"), HERE + "/end-others").status == 303

"""The pages, in Chromium: with and without scripts, under the strict policy that they are sent with."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.conftest import Account, Server
    from tests.interop.conftest import Window

pytestmark = pytest.mark.interop

MACHINE = f"Keyturn CLI login from {socket.gethostname()}"


def begin_login(server: Server) -> dict[str, Any]:
    """What a command line does first: ask for an address to open in the browser."""
    begun = server.call("POST", "/auth", json={"description": MACHINE})
    assert begun.status_code == 201, begun.text
    return dict(begun.json())


def collect(server: Server, begun: dict[str, Any]) -> dict[str, Any]:
    """What it does last: wait for the outcome."""
    return dict(json.loads(server.call("GET", begun["cli_url"], begun["token"]).text))


def setup_link(server: Server) -> str:
    found = re.search(r"http://\S+/setup/\S+", server.log())
    assert found, server.log()
    return found[0]


def make_first_account(page: Page, link: str, password: str) -> None:
    page.goto(link)
    page.get_by_label("E-mail address").fill("admin@example.com")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Make the account").click()


def test_the_link_of_the_first_start_makes_the_administrator_once(fresh_server: Server, window: Window) -> None:
    link = setup_link(fresh_server)
    make_first_account(window.page, link, "seven quiet lanterns burn")
    expect(window.page.get_by_text("Administrator", exact=True)).to_be_visible()
    expect(window.page.get_by_text("Signed in as admin@example.com")).to_be_visible()
    window.page.goto(link)
    expect(window.page.get_by_role("button", name="Make the account")).to_have_count(0)
    expect(window.page.get_by_role("main").get_by_role("heading")).to_be_visible()
    assert re.search(r"/setup/\S+", fresh_server.log()), "the link is printed at the first start"
    fresh_server.stop()
    fresh_server.start()
    assert not re.search(r"/setup/\S+", fresh_server.log()), "a store with an account needs no link"


def test_a_short_password_is_refused_at_setup_and_the_link_still_works(
    fresh_server: Server, window_without_scripts: Window
) -> None:
    page = window_without_scripts.page
    link = setup_link(fresh_server)
    page.goto(link)
    page.get_by_label("E-mail address").fill("admin@example.com")
    page.get_by_label("Password").fill("password1234567")  # long enough for the browser, too common for the server
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("E-mail address")).to_have_value("admin@example.com")
    page.get_by_label("Password").fill("seven quiet lanterns burn")
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("Administrator", exact=True)).to_be_visible()


def test_a_wrong_password_is_said_and_the_address_kept(server: Server, account: Account, window: Window) -> None:
    window.page.goto(f"{server.url}/sign-in")
    window.sign_in(account.email, "not the password at all")
    expect(window.page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(window.page.get_by_label("E-mail address")).to_have_value(account.email)
    expect(window.page.get_by_label("Password")).to_have_value("")
    window.page.get_by_label("Password").fill(account.password)
    window.page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(window.page.get_by_text(f"Signed in as {account.email}")).to_be_visible()


def test_signing_out_ends_the_session_and_going_back_does_not_bring_it_again(
    server: Server, account: Account, window: Window
) -> None:
    window.page.goto(server.url)
    window.sign_in(account.email, account.password)
    expect(window.page.get_by_text(f"Signed in as {account.email}")).to_be_visible()
    cookies = window.context.cookies()
    window.page.get_by_role("button", name="Sign out").click()
    expect(window.page.get_by_role("heading", name="Sign in")).to_be_visible()
    window.context.add_cookies(cookies)  # type: ignore[arg-type]  # as a thief of the old cookie would
    window.page.goto(server.url)
    expect(window.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_approval_names_the_machine_and_its_address(server: Server, account: Account, window: Window) -> None:
    begun = begin_login(server)
    window.page.goto(server.url + begun["browser_url"])
    expect(window.page.get_by_text(MACHINE)).to_be_visible()  # before the sign-in already
    window.sign_in(account.email, account.password)
    main = window.page.get_by_role("main")
    expect(main).to_contain_text(MACHINE)
    expect(main).to_contain_text(re.compile(r"127\.0\.0\.1|::1"))
    expect(main).to_contain_text(account.email)
    expect(main).to_contain_text("Approve only if you started this login yourself")
    main.get_by_role("button", name="Approve login").click()
    expect(window.page.get_by_role("heading", name="logged in")).to_be_visible()
    got = collect(server, begun)
    assert got["email"] == account.email
    assert server.call("GET", "/account", got["access_token"]).status_code == 200


def test_a_denied_login_gives_no_token(server: Server, account: Account, window: Window) -> None:
    begun = begin_login(server)
    window.page.goto(server.url + begun["browser_url"])
    window.sign_in(account.email, account.password)
    window.page.get_by_role("button", name="Deny").click()
    expect(window.page.get_by_role("heading", name="Login denied")).to_be_visible()
    got = collect(server, begun)
    assert got["reason"] == "denied"
    assert "access_token" not in got


def test_a_link_already_used_says_so_and_offers_no_second_approval(
    server: Server, account: Account, window: Window
) -> None:
    begun = begin_login(server)
    window.page.goto(server.url + begun["browser_url"])
    window.sign_in(account.email, account.password)
    window.page.get_by_role("button", name="Approve login").click()
    expect(window.page.get_by_role("heading", name="logged in")).to_be_visible()
    collect(server, begun)
    window.page.goto(server.url + begun["browser_url"])
    expect(window.page.get_by_role("main").get_by_role("heading")).to_be_visible()
    expect(window.page.get_by_role("button", name="Approve login")).to_have_count(0)


def test_a_description_cannot_smuggle_markup_into_the_page(server: Server, account: Account, window: Window) -> None:
    evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    begun = server.call("POST", "/auth", json={"description": evil}).json()
    window.page.goto(server.url + begun["browser_url"])
    window.sign_in(account.email, account.password)
    expect(window.page.get_by_text(evil)).to_be_visible()
    assert window.page.locator("img, script:not(head > script[src^='/static/keyturn.js'])").count() == 0


def test_everything_works_without_scripts(server: Server, account: Account, window_without_scripts: Window) -> None:
    page = window_without_scripts.page
    begun = begin_login(server)
    page.goto(server.url + begun["browser_url"])
    window_without_scripts.sign_in(account.email, account.password)
    page.get_by_role("button", name="Approve login").click()
    expect(page.get_by_role("heading", name="logged in")).to_be_visible()
    login = collect(server, begun)["access_token"]
    page.get_by_role("link", name="account page").click()
    page.get_by_role("navigation").get_by_role("link", name="Sessions").click()
    page.get_by_role("button", name=f"End {MACHINE}").click()
    expect(page.get_by_text(MACHINE)).to_have_count(0)
    refused = server.call("GET", "/account", login)
    assert (refused.status_code, refused.json()["reason"]) == (401, "logged_out")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/auth/browser/", "/setup/wrong", "/nothing-here"])
def test_pages_come_under_a_strict_policy_and_need_no_inline_code(server: Server, window: Window, path: str) -> None:
    if path == "/auth/browser/":
        path = begin_login(server)["browser_url"]
    response = window.page.goto(server.url + path)
    assert response is not None
    headers = response.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] in {"no-referrer", "same-origin"}
    assert window.page.locator("style, [style], script:not([src])").count() == 0
    assert not re.search(r"<[^>]+\son[a-z]+=", window.page.content())
    assert window.page.title()
    assert window.page.locator("h1").count() == 1

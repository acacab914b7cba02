"""The main path through one's account: with the keyboard alone, and with the mouse where no script runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import pytest
from playwright.sync_api import expect
from tests.interop.conftest import PATIENCE
from tests.interop.filled import ssh_key

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from tests.conftest import Account, Server
    from tests.interop.conftest import Window

pytestmark = pytest.mark.interop

NEW_PASSWORD = "nine slow ferries at anchor"
MOST_TABS = 120
HIDDEN_FOCUS = """() => {
    const here = document.activeElement, box = here.getBoundingClientRect()
    const rings = [here, here.parentElement, here.closest("label")].filter(Boolean).map(e => getComputedStyle(e))
    const outlined = s => s.outlineStyle != "none" && parseFloat(s.outlineWidth) > 0
    if (!rings.some(s => outlined(s) || s.boxShadow != "none")) return "no ring around " + here.outerHTML.slice(0, 200)
    if (box.width == 0 || box.bottom < 20 || box.top > innerHeight - 20) return `at ${box.top} to ${box.bottom} of ${innerHeight}`
    return ""
}"""
"""Why nobody sees what has the focus; empty when it is seen."""


class Hand(Protocol):
    """How somebody works a page."""

    def use(self, thing: Locator) -> None:
        """Presses a button or follows a link."""

    def choose(self, thing: Locator) -> None:
        """Picks a choice."""

    def write(self, field: Locator, text: str) -> None:
        """Fills in a field."""


class Mouse:
    """By pointing."""

    def use(self, thing: Locator) -> None:
        thing.click()

    def choose(self, thing: Locator) -> None:
        thing.check()

    def write(self, field: Locator, text: str) -> None:
        field.fill(text)


class Keyboard:
    """By Tab, Enter, Space, the arrows and letters; what has the focus must be seen to have it."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def _reach(self, thing: Locator) -> None:
        expect(thing).to_be_visible()
        wanted = thing.element_handle()
        in_content = "it => !!it.closest('main') && !document.activeElement.closest('main')"
        if self._page.evaluate(in_content, wanted):
            self._page.keyboard.press("Tab")
            if self._page.evaluate("document.activeElement.matches('.skip')"):
                self._page.keyboard.press("Enter")
        for _ in range(MOST_TABS):
            if self._page.evaluate("it => document.activeElement === it", wanted):
                break
            self._page.keyboard.press("Tab")
        else:
            pytest.fail(f"{MOST_TABS} tabs do not lead to {thing}")
        deadline = time.monotonic() + PATIENCE
        while wrong := self._page.evaluate(HIDDEN_FOCUS):  # it may still be scrolled to
            assert time.monotonic() < deadline, f"the focus on {thing} is not to be seen: {wrong}"

    def use(self, thing: Locator) -> None:
        self._reach(thing)
        self._page.keyboard.press("Enter")

    def choose(self, thing: Locator) -> None:
        # Tab stops once at a group of choices; the arrows go on within it
        expect(thing).to_be_attached()
        group = thing.get_attribute("name")
        wanted = thing.element_handle()
        for _ in range(MOST_TABS):
            if self._page.evaluate("name => document.activeElement.name === name", group):
                break
            self._page.keyboard.press("Tab")
        for _ in range(20):
            if self._page.evaluate("it => document.activeElement === it", wanted):
                self._page.keyboard.press("Space")
                break
            self._page.keyboard.press("ArrowDown")
        expect(thing).to_be_checked()

    def write(self, field: Locator, text: str) -> None:
        self._reach(field)
        self._page.keyboard.press("Control+A")
        self._page.keyboard.insert_text(text)


def sign_in(hand: Hand, page: Page, server: Server, account: Account) -> None:
    page.goto(server.url)
    hand.write(page.get_by_label("E-mail address"), account.email)
    hand.write(page.get_by_label("Password"), account.password)
    hand.use(page.get_by_role("main").get_by_role("button", name="Sign in", exact=True))
    expect(page.get_by_role("heading", name="Credentials", level=1)).to_be_visible()


def make_authorization(hand: Hand, page: Page, server: Server) -> str:
    """Makes one in words, and returns the token that is shown, which works."""
    hand.use(page.get_by_role("link", name="New authorization"))
    hand.write(page.get_by_label("What is it for?"), "nightly build")
    hand.choose(page.get_by_role("radio").and_(page.locator("[name=scope][value=global]")))
    hand.use(page.get_by_role("main").get_by_role("button", name="Create authorization"))
    expect(page.get_by_text("This is the only time")).to_be_visible()
    token = page.locator("[data-copied]").first.inner_text().strip()
    assert server.call("GET", "/account", token).status_code == 200
    return token


def revoke(hand: Hand, page: Page, server: Server, token: str) -> None:
    """Goes on from the page that showed the token to its end."""
    hand.use(page.get_by_role("link", name="I have stored it"))
    expect(page.get_by_text(token)).to_have_count(0)
    hand.use(page.get_by_role("main").get_by_role("link", name="Revoke"))
    expect(page.get_by_role("heading", name="What happens")).to_be_visible()
    hand.use(page.get_by_role("main").get_by_role("button", name="Revoke"))
    expect(page.get_by_role("status").first).to_be_visible()
    refused = server.call("GET", "/account", token)
    assert (refused.status_code, refused.json()["reason"]) == (401, "revoked_by_owner")


def to(hand: Hand, page: Page, name: str) -> None:
    """Goes to another page by the navigation."""
    hand.use(page.get_by_role("navigation", name="Account and settings").get_by_role("link", name=name, exact=True))
    expect(page.get_by_role("navigation").get_by_role("link", name=name, exact=True)).to_have_attribute(
        "aria-current", "page"
    )


def walk(hand: Hand, page: Page, server: Server, account: Account) -> None:
    """The whole path."""
    elsewhere = server.token(account)
    sign_in(hand, page, server, account)
    token = make_authorization(hand, page, server)
    revoke(hand, page, server, token)

    to(hand, page, "SSH keys")
    key = ssh_key("ada@laptop")
    hand.write(page.get_by_label("Public keys"), key)
    hand.use(page.get_by_role("main").get_by_role("button", name="Add", exact=True))
    expect(page.get_by_text("The key was added.")).to_be_visible()
    assert [each["public_key"] for each in server.call("GET", "/account/keys", elsewhere).json()] == [key]

    to(hand, page, "Sessions")
    hand.use(page.get_by_role("button", name="End Heroku CLI login from a test"))
    expect(page.get_by_role("status").first).to_be_visible()
    assert server.call("GET", "/account", elsewhere).json()["reason"] == "logged_out"

    again = server.token(account)
    to(hand, page, "Password")
    preview = page.get_by_role("region", name="What ends with the old password")
    expect(preview).to_contain_text("Heroku CLI login from a test")
    hand.write(page.get_by_label("Current password"), account.password)
    hand.write(page.get_by_role("textbox", name="New password", exact=True), NEW_PASSWORD)
    hand.write(page.get_by_label("New password again"), NEW_PASSWORD)
    hand.use(page.get_by_role("main").get_by_role("button", name="Change password"))
    expect(page.get_by_role("region", name="What ended with the old one")).to_contain_text(
        "Heroku CLI login from a test"
    )
    assert server.call("GET", "/account", again).json()["reason"] == "password_changed"

    hand.use(page.get_by_role("button", name="Sign out").first)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_main_path_needs_nothing_but_a_keyboard(server: Server, account: Account, window: Window) -> None:
    window.page.emulate_media(reduced_motion="reduce")
    walk(Keyboard(window.page), window.page, server, account)


def test_the_main_path_needs_no_script(server: Server, account: Account, window_without_scripts: Window) -> None:
    walk(Mouse(), window_without_scripts.page, server, account)


def test_the_first_tab_leads_past_the_navigation(server: Server, account: Account, window: Window) -> None:
    page = window.page
    page.goto(server.url)
    window.sign_in(account.email, account.password)
    expect(page.get_by_role("heading", name="Credentials", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_one_button_copies_the_new_token(server: Server, account: Account, window: Window) -> None:
    page = window.page
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(server.url)
    window.sign_in(account.email, account.password)
    token = make_authorization(Mouse(), page, server)
    page.locator(".secret").get_by_role("button", name="Copy").click()
    expect(page.locator(".secret").get_by_role("button")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == token

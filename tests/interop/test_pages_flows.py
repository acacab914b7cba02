"""What people do with their account from one end to the other, in Chromium, with mails that really arrive."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect
from tests.conftest import Account, Server, environment, run
from tests.interop.conftest import Window
from tests.interop.filled import Filled
from tests.support.receivers import MailReceiver

from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.interop

PATIENCE = 60  # seconds, for a mail
PASSWORD = "nine slow ferries at anchor"


@dataclass
class Post:
    """A server whose mails arrive, and where."""

    server: Server
    mails: MailReceiver
    read: set[int] = field(default_factory=set)

    def link(self, to: str, path: str) -> str:
        """The link with that path in the next mail to the address that has one."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for number, mail in enumerate(self.mails.mails):
                found = re.search(rf"{re.escape(self.server.url)}{path}/\S+", mail.text)
                if found and mail.recipients == [to] and number not in self.read:
                    self.read.add(number)
                    return found[0]
            time.sleep(0.1)
        pytest.fail(f"no mail with {path} came to {to}: {[str(mail.message['Subject']) for mail in self.mails.mails]}")


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    with MailReceiver() as mails:
        variables = {
            "KEYTURN_SMTP_URL": f"smtp://127.0.0.1:{mails.port}?starttls=false",
            "KEYTURN_MAIL_FROM": "Keyturn <keyturn@example.com>",
        }
        server = Server(tmp_path_factory.mktemp("post"), "--upkeep-seconds", "1", variables=variables)
        yield Post(server, mails)
        server.stop()


def sign_in(window: Window, server: Server, account: Account) -> None:
    window.page.goto(f"{server.url}/sign-in")
    window.sign_in(account.email, account.password)


def start(page: Page) -> None:
    """Waits for the start page."""
    expect(page.get_by_role("heading", name="Credentials", level=1)).to_be_visible()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def code(key: str, when: str = "now") -> str:
    """What another program than ours says the code is."""
    command = ["oathtool", "--totp", "--base32", "--now", when, key.replace(" ", "")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def set_up_app(page: Page, server: Server) -> tuple[str, list[str]]:
    """Turns two-factor sign-in on with an app: its key, and the recovery codes."""
    page.goto(f"{server.url}/settings/two-factor")
    page.get_by_role("link", name="Set up an authenticator app").click()
    page.get_by_role("button", name="Show the QR code").click()
    expect(page.locator(".enrol-code svg")).to_be_visible()
    key = page.locator(".enrol .copyable code, .enrol .copyable [data-copied]").first.inner_text()
    page.get_by_label("Code", exact=True).fill(code(key))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("This is the only time they are shown")).to_be_visible()
    shown = page.get_by_role("region", name="Keep them now").inner_text()
    return key, re.findall(r"\b[A-Za-z0-9]{4,6}(?:-[A-Za-z0-9]{4,6})+\b", shown)


def test_an_invitation_becomes_an_account_whose_address_is_proven(post: Post, window: Window) -> None:
    page, server = window.page, post.server
    admin = server.create_account("invites@example.com", "tall oaks from acorns grow", admin=True)
    sign_in(window, server, admin)
    start(page)
    page.goto(f"{server.url}/admin/accounts/new")
    page.get_by_label("E-mail address").fill("grace@example.com")
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_role("region", name="Open invitations")).to_contain_text("grace@example.com")
    sign_out(page)
    link = post.link("grace@example.com", "/join")
    page.goto(link)
    page.get_by_label("Name").fill("Grace Hopper")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    start(page)
    page.goto(f"{server.url}/settings/profile")
    expect(page.get_by_role("region", name="E-mail address")).to_contain_text("confirmed")
    expect(page.get_by_role("region", name="E-mail address")).not_to_contain_text("not confirmed")
    page.goto(link)
    expect(page.get_by_role("button", name="Make the account")).to_have_count(0)


def test_a_forgotten_password_is_replaced_by_mail_and_the_sessions_end(post: Post, window: Window) -> None:
    page, server = window.page, post.server
    account = server.new_account()
    login = server.token(account)
    page.goto(f"{server.url}/sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail address").fill(account.email)
    page.get_by_role("button", name="Mail me a link").click()
    link = post.link(account.email, "/reset")
    page.goto(link)
    page.get_by_role("textbox", name="New password", exact=True).fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("button", name="Change password")).to_have_count(0)
    assert server.call("GET", "/account", login).json()["reason"] == "password_reset"
    sign_in(window, server, account)
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(window, server, Account(account.email, PASSWORD))
    start(page)
    sign_out(page)
    page.goto(link)
    expect(page.get_by_role("textbox", name="New password", exact=True)).to_have_count(0)


def test_codes_of_an_app_sign_in_once_each_and_a_remembered_browser_needs_none(post: Post, window: Window) -> None:
    page, server = window.page, post.server
    account = server.new_account()
    sign_in(window, server, account)
    start(page)
    key, recovery = set_up_app(page, server)
    assert len(recovery) == 10
    page.get_by_role("link", name="I have kept them").click()
    sign_out(page)

    window.sign_in(account.email, account.password)
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()
    used = code(key)
    page.get_by_label("Code of your app").fill("000000" if used != "000000" else "000001")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Code of your app").fill(code(key, "30 seconds"))  # the code of now was used to set it up
    page.get_by_label("Remember this browser").check()
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    start(page)
    sign_out(page)

    window.sign_in(account.email, account.password)
    start(page)
    sign_out(page)

    window.context.clear_cookies()
    sign_in(window, server, account)
    page.get_by_label("Code of your app").fill(recovery[0])
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    start(page)
    page.goto(f"{server.url}/settings/two-factor")
    expect(page.get_by_role("region", name="Recovery codes")).to_contain_text("9 of 10 left")


def test_a_passkey_signs_in_without_a_password(server: Server, account: Account, window: Window) -> None:
    page = window.page
    debugger = window.context.new_cdp_session(page)
    debugger.send("WebAuthn.enable")
    what = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options = what | {"isUserVerified": True, "automaticPresenceSimulation": True}
    device = debugger.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def touched(yes: bool) -> None:
        # not at the sign-in form before its time: that asks at once, for the browser to offer the passkey in the field
        debugger.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": device, "enabled": yes})

    sign_in(window, server, account)
    start(page)
    page.goto(f"{server.url}/settings/two-factor/passkey")
    page.get_by_label("Name").fill("this laptop")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_text("This is the only time they are shown")).to_be_visible()
    touched(False)
    sign_out(page)

    touched(True)
    page.get_by_role("button", name="Use a passkey").click()
    start(page)
    touched(False)
    sign_out(page)

    window.sign_in(account.email, account.password)
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()
    touched(True)
    page.get_by_role("button", name="Use a passkey").click()
    start(page)


def test_a_suspension_is_seen_before_it_is_done_and_told_to_curl(post: Post, window: Window, home: Path) -> None:
    page, server = window.page, post.server
    admin = server.create_account("suspends@example.com", "tall oaks from acorns grow", admin=True)
    account = server.new_account()
    token = server.token(account)
    (home / ".netrc").write_text(f"machine localhost\n  login {account.email}\n  password {token}\n")
    (home / ".netrc").chmod(0o600)
    ask = ["curl", "-sn", f"{server.url}/account"]
    assert json.loads(run(ask, None, environment(home)).out)["email"] == account.email
    sign_in(window, server, admin)
    start(page)
    page.goto(f"{server.url}/admin/accounts")
    page.get_by_role("link", name=account.email).click()
    page.get_by_role("link", name="Suspend").click()
    expect(page.get_by_role("main")).to_contain_text("Heroku CLI login from a test")
    assert server.call("GET", "/account", token).status_code == 200, "the preview changes nothing"
    page.get_by_role("button", name="Suspend the account").click()
    expect(page.get_by_role("status").first).to_contain_text("is suspended; 1 credential ended.")
    assert json.loads(run(ask, None, environment(home)).out)["reason"] == "owner_suspended"


def test_the_timeline_says_of_what_a_key_died(server: Server, account: Account, window: Window) -> None:
    filled = Filled(server.data, server.url)
    try:
        owner = filled.owner(account.email)
        filled.made(owner, Kind.AUTHORIZATION, "nightly build", 9, asked=86400)
        lost = filled.made(owner, Kind.AUTHORIZATION, "deploy", 9)
        filled.ends(Event.LEAK, owner, 1, lost)
        filled.made(owner, Kind.AUTHORIZATION, "metrics", 9)
    finally:
        filled.close()
    page = window.page
    sign_in(window, server, account)
    start(page)
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="deploy", exact=True))
    expect(row).to_contain_text("reported")
    expired = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="nightly build", exact=True))
    expect(expired).to_contain_text("expired")
    page.get_by_role("link", name="As a table").click()
    table = page.get_by_role("row").filter(has_text="deploy")
    expect(table).to_contain_text("reported")
    page.get_by_role("link", name="deploy", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("reported")


def test_the_activity_is_downloaded_as_lines_of_json(server: Server, account: Account, window: Window) -> None:
    page = window.page
    server.token(account)
    sign_in(window, server, account)
    start(page)
    page.goto(f"{server.url}/settings/activity")
    with page.expect_download() as coming:
        page.locator("a[href*='.jsonl']").first.click()
    assert coming.value.suggested_filename.endswith(".jsonl")
    lines = coming.value.path().read_text().splitlines()
    assert {"sign_in", "login.create"} <= {json.loads(line)["action"] for line in lines}


@pytest.mark.parametrize(
    ("zone", "scripts"),
    [("Pacific/Auckland", True), ("America/Los_Angeles", True), ("Asia/Kathmandu", True), ("Pacific/Auckland", False)],
)
def test_a_day_that_is_chosen_ends_where_the_reader_is(
    zone: str, scripts: bool, server: Server, account: Account, chromium: Browser
) -> None:
    window = Window(chromium, javascript=scripts, zone=zone)
    page, today = window.page, datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    sign_in(window, server, account)
    start(page)
    for ahead in (40, 220):  # of summer and of winter time
        day, after = today + timedelta(days=ahead), today + timedelta(days=ahead + 1)
        page.goto(f"{server.url}/settings/authorizations/new")
        page.get_by_label("What is it for?").fill(f"until {day:%Y-%m-%d}")
        page.locator("[name=scope][value=read]").check()
        page.locator("[name=expiry][value=own]").check()
        page.get_by_label("Through this day").fill(f"{day:%Y-%m-%d}")
        hint = page.locator("#on-hint").inner_text()
        page.get_by_role("button", name="Create authorization").click()
        page.get_by_text("This is the only time").wait_for()
        made = server.call("GET", "/oauth/authorizations", server.token(account)).json()
        (found,) = [each for each in made if each["description"] == f"until {day:%Y-%m-%d}"]
        span = timedelta(seconds=found["access_token"]["expires_in"])
        end = datetime.fromisoformat(found["created_at"]) + span
        wanted = after.replace(tzinfo=ZoneInfo(zone) if scripts else UTC)
        assert abs(end - wanted) < timedelta(seconds=30), (end, wanted)
        said = f"{after.day} {after:%B %Y}, 00:00 " if scripts else "in UTC"
        assert said in hint
    window.context.close()
    assert window.complaints == []

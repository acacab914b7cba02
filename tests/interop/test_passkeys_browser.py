"""Second factors in Chromium, against the real server: passkeys by its virtual authenticator, codes by oathtool."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.support.factors import seed_of_key

from keyturn.core import totp

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import CDPSession, Page
    from tests.conftest import Account, Server
    from tests.interop.conftest import Window

pytestmark = pytest.mark.interop

HERE = "/settings/two-factor"


@dataclass
class Device:
    """A virtual authenticator of the browser's own [WebAuthn L3 11, through the Chrome DevTools Protocol]."""

    cdp: CDPSession
    id: str

    def verifies(self, yes: bool) -> None:
        """Whether the person at the device passes its check from now on."""
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": yes})

    def answers(self, yes: bool) -> None:
        """Whether the person touches it whenever it is asked; not, and it waits."""
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": self.id, "enabled": yes})

    def passkeys(self) -> list[dict[str, Any]]:
        """What it holds."""
        return list(self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"])


@pytest.fixture
def device_in() -> Callable[[Window], Device]:
    """Gives a window a device with a fingerprint reader, which answers at once."""

    def add(window: Window) -> Device:
        cdp = window.context.new_cdp_session(window.page)
        cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        return Device(cdp, cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"])

    return add


def sign_in(window: Window, server: Server, account: Account, path: str = "/") -> None:
    window.page.goto(server.url + path)
    window.sign_in(account.email, account.password)


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def signed_in(page: Page) -> None:
    expect(page.get_by_role("button", name="Sign out").first).to_be_visible()


def add_passkey(page: Page, server: Server, name: str) -> list[str]:
    """Adds a passkey; the recovery codes that are shown with the first."""
    page.goto(server.url + HERE)
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    return page.get_by_role("list", name="Recovery codes").get_by_role("code").all_inner_texts()


def test_a_passkey_is_made_and_signs_in_beside_the_password_and_alone(
    server: Server, account: Account, window: Window, device_in: Callable[[Window], Device]
) -> None:
    device, page = device_in(window), window.page
    sign_in(window, server, account, HERE)
    assert len(add_passkey(page, server, "this browser")) == 10
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("link", name="Change this browser")).to_be_visible()
    (held,) = device.passkeys()
    assert held["rpId"] == "localhost"
    assert held["isResidentCredential"]

    device.answers(False)  # the sign-in form asks it at once, for the browser to offer it in the e-mail field
    sign_out(page)
    window.sign_in(account.email, account.password)
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()
    device.answers(True)
    page.get_by_role("button", name="Use a passkey").click()
    signed_in(page)

    device.answers(False)
    sign_out(page)
    device.answers(True)
    page.get_by_role("button", name="Use a passkey").click()
    signed_in(page)
    assert device.passkeys()[0]["signCount"] > held["signCount"]


def test_a_passkey_whose_person_fails_the_check_signs_nobody_in_alone(
    server: Server, account: Account, window: Window, device_in: Callable[[Window], Device]
) -> None:
    device, page = device_in(window), window.page
    sign_in(window, server, account, HERE)
    add_passkey(page, server, "this browser")
    page.get_by_role("link", name="I have kept them").click()
    device.verifies(False)
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was changed; you can try again")
    device.verifies(True)
    page.get_by_role("button", name="Use a passkey").click()
    signed_in(page)


def test_a_device_that_has_one_already_makes_no_second(
    server: Server, account: Account, window: Window, device_in: Callable[[Window], Device]
) -> None:
    device, page = device_in(window), window.page
    sign_in(window, server, account, HERE)
    add_passkey(page, server, "this browser")
    page.goto(server.url + HERE + "/passkey")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("already has a passkey for your account")
    assert len(device.passkeys()) == 1


def make_stale(server: Server) -> None:
    """Every proof was given long ago: as an hour later, without waiting for it."""
    with sqlite3.connect(server.data / "keyturn.db", timeout=30) as database:
        database.execute("UPDATE grants SET proven_at = 0 WHERE kind = 'web'")


def test_a_passkey_confirms_what_takes_a_proof_and_the_form_goes_on(
    fresh_server: Server, window: Window, device_in: Callable[[Window], Device]
) -> None:
    account, page = fresh_server.new_account(), window.page
    device_in(window)
    sign_in(window, fresh_server, account, HERE)
    add_passkey(page, fresh_server, "this browser")
    make_stale(fresh_server)
    page.goto(fresh_server.url + HERE + "/app")
    page.get_by_label("Name").fill("my phone")
    page.get_by_role("button", name="Show the QR code").click()
    expect(page.get_by_role("heading", name="Confirm it is you")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    page.get_by_label("Code", exact=True).fill(oathtool(key_on(page)))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("link", name="Change my phone")).to_be_visible()


# An authenticator app, without scripts.


def oathtool(key: str, at: datetime | None = None) -> str:
    """The code that oathtool makes of the key, as an app does."""
    path = shutil.which("oathtool")
    assert path, "oathtool is not installed: run `make test`"
    when = ["--now", at.strftime("%Y-%m-%d %H:%M:%S UTC")] if at else []
    made = subprocess.run(
        [path, "--totp", "--base32", *when, "-"], input=key, capture_output=True, encoding="ascii", check=True
    )
    return made.stdout.strip()


def key_on(page: Page) -> str:
    return page.locator("#scan code").inner_text()


def test_without_scripts_an_app_is_set_up_and_signs_in_with_oathtool_s_codes(
    server: Server, account: Account, window_without_scripts: Window
) -> None:
    window, page = window_without_scripts, window_without_scripts.page
    sign_in(window, server, account, HERE)
    page.get_by_role("link", name="Set up an authenticator app").click()
    page.get_by_role("button", name="Show the QR code").click()
    key = key_on(page)
    page.get_by_label("Code", exact=True).fill("000000" if oathtool(key) != "000000" else "000001")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert")).to_contain_text("not the code of now")
    assert key_on(page) == key
    page.get_by_label("Code", exact=True).fill(oathtool(key))
    page.get_by_role("button", name="Confirm").click()
    codes = page.get_by_role("list", name="Recovery codes").get_by_role("code").all_inner_texts()
    assert len(codes) == 10
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as a file").click()
    assert download.value.suggested_filename == "recovery-codes.txt"
    assert all(code in download.value.path().read_text() for code in codes)
    page.get_by_role("link", name="I have kept them").click()
    sign_out(page)

    window.sign_in(account.email, account.password)
    page.get_by_label("Code of your app").fill(codes[0])
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    signed_in(page)
    sign_out(page)

    window.sign_in(account.email, account.password)
    page.get_by_label("Code of your app").fill(next_code(key))
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    signed_in(page)


def next_code(key: str) -> str:
    """oathtool's code of half a minute from now: a clock that is ahead by so much is forgiven, and it was never used."""
    made = subprocess.run(
        [shutil.which("oathtool") or "", "--totp", "--base32", "--now", "now + 30 seconds", "-"],
        input=key, capture_output=True, encoding="ascii", check=True,
    )  # fmt: skip
    return made.stdout.strip()


@pytest.mark.parametrize(
    "when", ["1970-01-01 00:00:59", "2005-03-18 01:58:29", "2026-11-22 03:00:00", "2603-10-11 11:33:20"]
)
@pytest.mark.parametrize("seed", [b"12345678901234567890", b"\x00" * 20, b"\xff" * 20, bytes(range(20))])
def test_our_codes_are_oathtool_s(when: str, seed: bytes) -> None:
    at = datetime.strptime(when, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    key = totp.base32(seed)
    assert seed_of_key(key) == seed
    assert totp.code(seed, totp.step_at(at)) == oathtool(key, at)

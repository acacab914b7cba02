"""OAuth with programs that are not ours: requests-oauthlib as the client, Chromium as the person's browser, and the real
Heroku CLI as whoever registers clients.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from oauthlib.oauth2 import InvalidGrantError
from playwright.sync_api import expect
from requests_oauthlib import OAuth2Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Account, Cli, Server
    from tests.interop.conftest import Heroku, Window

pytestmark = pytest.mark.interop


class Callback:
    """A program on this machine that waits for the browser to come back, on a port that it was given."""

    def __init__(self) -> None:
        self.got: list[str] = []
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/callback"):
                    got.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(
                    b"<!doctype html><title>Back</title><link rel=icon href=data:,><h1>Back at the application</h1>"
                )

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/callback"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def callback() -> Iterator[Callback]:
    running = Callback()
    yield running
    running.server.shutdown()
    running.server.server_close()
    running.thread.join()


@pytest.fixture
def session(server: Server, callback: Callback, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OAuth2Session, str]]:
    """requests-oauthlib with PKCE, and the secret of its client, which was registered without a port."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    token = server.token(server.new_account())
    asked = {"name": "A program", "redirect_uri": "http://127.0.0.1/callback"}
    made = server.call("POST", "/oauth/clients", token, json=asked).json()
    opened = OAuth2Session(made["id"], redirect_uri=callback.url, scope=["identity", "read"], pkce="S256")
    opened.trust_env = False
    yield opened, made["secret"]
    opened.close()


def test_a_program_is_let_in_in_the_browser_refreshes_and_gives_up(
    server: Server, account: Account, window: Window, callback: Callback, session: tuple[OAuth2Session, str]
) -> None:
    program, secret = session
    about = server.call("GET", "/.well-known/oauth-authorization-server").json()
    address, state = program.authorization_url(about["authorization_endpoint"])
    page = window.page
    page.goto(address)
    expect(page.get_by_text("A program")).to_be_visible()  # before the sign-in already
    window.sign_in(account.email, account.password)
    expect(page.get_by_role("heading", name="Allow A program?")).to_be_visible()
    main = page.get_by_role("main")
    expect(main).to_contain_text("Read who the account is")
    expect(main).to_contain_text(account.email)
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading", name="Back at the application")).to_be_visible()
    (back,) = callback.got
    assert f"state={state}" in back
    tokens = program.fetch_token(about["token_endpoint"], authorization_response=callback.url.removesuffix("/callback") + back,
                                 client_secret=secret)  # fmt: skip
    assert tokens["scope"] == ["identity", "read"]
    assert program.get(server.url + "/account").json()["email"] == account.email
    assert program.get(server.url + "/oauth/authorizations").status_code == 403
    first = tokens["refresh_token"]
    who: dict[str, Any] = {"client_id": program.client_id, "client_secret": secret}
    renewed = program.refresh_token(about["token_endpoint"], **who)
    assert renewed["refresh_token"] != first
    assert program.get(server.url + "/account").status_code == 200
    given_up = requests.post(about["revocation_endpoint"], {"token": renewed["access_token"], **who}, timeout=60)
    assert given_up.status_code == 200
    assert server.call("GET", "/account", renewed["access_token"]).json()["reason"] == "revoked_by_client"
    with pytest.raises(InvalidGrantError):
        program.refresh_token(about["token_endpoint"], refresh_token=first, **who)


def test_a_program_that_is_denied_learns_it_and_gets_nothing(
    account: Account,
    server: Server,
    window_without_scripts: Window,
    callback: Callback,
    session: tuple[OAuth2Session, str],
) -> None:
    program, _ = session
    page = window_without_scripts.page
    page.goto(program.authorization_url(server.url + "/oauth/authorize")[0])
    window_without_scripts.sign_in(account.email, account.password)
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", name="Back at the application")).to_be_visible()
    (back,) = callback.got
    assert "error=access_denied" in back
    assert "code=" not in back


def test_an_error_reaches_the_program_through_a_sign_in_too(
    account: Account, server: Server, window: Window, callback: Callback, session: tuple[OAuth2Session, str]
) -> None:
    program, _ = session
    address, _ = program.authorization_url(server.url + "/oauth/authorize")
    window.page.goto(address.replace("identity+read", "nonsense"))
    window.page.get_by_label("E-mail address").fill(account.email)
    window.page.get_by_label("Password").fill("wrong")
    window.page.get_by_role("button", name="Sign in").click()
    window.sign_in(account.email, account.password)
    expect(window.page.get_by_role("heading", name="Back at the application")).to_be_visible()
    assert "error=invalid_scope" in callback.got[0]


def test_a_person_forgets_the_password_and_chooses_another(server: Server, account: Account, window: Window) -> None:
    made = server.admin("accounts:reset-password", account.email, "--public-url", server.url)
    assert made.code == 0, made
    assert account.email in made.err
    token, page = server.token(account), window.page
    page.goto(made.out.strip())
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    expect(page.get_by_text("Heroku CLI login from a test")).to_be_visible()
    page.get_by_role("textbox", name="New password").fill("nine white swans at dawn")
    page.get_by_label("The same again").fill("nine white swans at dawn")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("heading", name="Your password is changed")).to_be_visible()
    assert server.call("GET", "/account", token).json()["reason"] == "password_reset"
    page.get_by_role("link", name="Sign in").click()
    window.sign_in(account.email, "nine white swans at dawn")
    expect(page.get_by_text(f"Signed in as {account.email}")).to_be_visible()


def test_the_real_heroku_cli_registers_shows_changes_rotates_and_removes_a_client(
    heroku: Heroku, keyturn: Cli, account: Account
) -> None:
    keyturn.log_in(account)
    made = json.loads(heroku("clients:create", "Dashboard", "https://app.example.com/callback", "--json").out)
    assert made["secret"].startswith("kty_")
    listed = heroku("clients")
    assert made["id"] in listed.out
    assert "https://app.example.com/callback" in listed.out
    shown = heroku("clients:info", made["id"], "--shell")
    assert f"HEROKU_OAUTH_ID={made['id']}" in shown.out
    assert "HEROKU_OAUTH_SECRET=" in shown.out
    assert made["secret"] not in shown.out
    changed = heroku("clients:update", made["id"], "--name", "Panel")
    assert changed.code == 0, changed
    assert "Panel" in heroku("clients:info", made["id"]).out
    rotated = json.loads(heroku("clients:rotate", made["id"], "--json").out)
    assert rotated["secret"] not in (made["secret"], "")
    refused = heroku("clients:create", "Bad", "http://192.0.2.1/callback")  # its own check lets this through
    assert refused.code == 2, refused
    assert "must begin with https://" in refused.err
    gone = heroku("clients:destroy", made["id"])
    assert gone.code == 0, gone
    assert "No OAuth clients." in heroku("clients").out

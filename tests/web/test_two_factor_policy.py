"""A policy that asks for a second factor, which nobody gets around: sessions without one reach their set-up alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from starlette.routing import Router
from tests.support import factors
from tests.support.authenticator import Authenticator
from tests.support.factors import ORIGIN, Holder, options_on, secrets_of, seed_of_key
from tests.support.second import account_of, restart
from tests.support.site import BROWSER, Browser, Site
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import accounts, cli_login
from keyturn.actions.authenticate import web_session
from keyturn.actions.env import By
from keyturn.actions.factors import reset_as_operator
from keyturn.core.policy import Kind
from keyturn.web.pages.visit import Page
from keyturn.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator


SECOND = "/sign-in/second"
ALONE = "/sign-in/passkey"
SESSION = "keyturn_session_8420"
PENDING = "keyturn_second_8420"
DEVICE = "keyturn_device_8420"


def pages(site: Site) -> Iterator[tuple[str, Page]]:
    """Every page of the application, by its path."""
    router = next(value for value in vars(site.app).values() if isinstance(value, Router))
    for route in router.routes:
        if isinstance(route, Route) and isinstance(route.app, Page):
            yield route.path, route.app


def restricted(site: Site, *, admin: bool = False) -> Browser:
    factors.without(site, admin=admin)
    browser = site.browser()
    browser.sign_in()
    principal = web_session(site.env, browser.cookies[SESSION])
    assert principal is not None
    return browser


OPEN = {"/settings/two-factor", "/sign-out"}
"""What a session that must set up a second factor may reach, and what begins so."""


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_session_without_the_factor_that_the_policy_asks_for_reaches_no_page_but_its_set_up(
    method: str, site: Site
) -> None:
    restart(site, mfa_required="all")
    browser = restricted(site, admin=True)
    csrf = browser.form(browser.page("/settings/two-factor"), "/sign-out")["csrf"]
    walked, before = 0, site.actions()
    for path, _ in pages(site):
        target = re.sub(r"\{[^}]*\}", "019cad5e-1111-7000-8000-000000000001", path)
        if any(target.startswith(prefix) for prefix in OPEN) or path.startswith("/confirm"):
            continue
        reply = browser.request(method, target, BROWSER, form={"csrf": csrf} if method == "POST" else None)
        if reply.status == 405:
            continue
        assert reply.status == 303, (method, path, reply.status)
        assert (reply.header("location") or "").startswith("/settings/two-factor"), path
        walked += 1
    assert walked > 10
    assert site.actions() == before


def test_only_these_pages_are_there_for_such_a_session(site: Site) -> None:
    open_to_it = {path for path, page in pages(site) if page._enrolling}
    assert {path for path in open_to_it if not any(path.startswith(prefix) for prefix in OPEN)} == {
        "/confirm-email/{secret}"
    }


@pytest.mark.parametrize(
    ("required", "admin", "held"), [("admins", True, True), ("admins", False, False), ("none", True, False)]
)
def test_the_policy_says_whom_it_holds(required: str, admin: bool, held: bool, site: Site) -> None:
    restart(site, mfa_required=required)
    reply = restricted(site, admin=admin).page("/")
    assert (reply.status == 303) == held


def test_a_policy_made_stricter_holds_for_sessions_that_are_there(site: Site) -> None:
    browser = restricted(site)
    assert browser.page("/").status == 200
    restart(site, mfa_required="all")
    browser.app = site.app
    assert browser.page("/").header("location") == "/settings/two-factor"


def test_such_a_session_approves_no_command_line(site: Site) -> None:
    restart(site, mfa_required="all")
    browser = restricted(site)
    begun = cli_login.begin(site.env, By(), description="keyturn CLI login from a laptop", expires_in=None)
    path = f"/auth/browser/{begun.browser_secret}"
    csrf = browser.form(browser.page("/settings/two-factor"), "/sign-out")["csrf"]
    assert browser.page(path).header("location") == f"/settings/two-factor?next={path.replace('/', '%2F')}"
    assert browser.request("POST", path, form={"csrf": csrf, "decision": "approve"}).status == 303
    with site.store.reading() as tx:
        assert not [g for g in tx.grants(account_of(site).id) if g.kind is Kind.LOGIN]


def test_its_token_is_no_key_to_the_api(site: Site) -> None:
    restart(site, mfa_required="all")
    browser = restricted(site)
    assert site.client.get("/account", token=browser.cookies[SESSION]).status == 401


def test_after_the_set_up_it_goes_on_to_where_it_was_heading_as_a_whole_session(site: Site) -> None:
    restart(site, mfa_required="all")
    browser = restricted(site)
    sent = browser.page("/settings/sessions").header("location") or ""
    over = browser.page(sent)
    assert "Set up a second factor to go on" in over.text
    assert 'class="side"' not in over.text
    link = re.search(r'href="(/settings/two-factor/app\?next=[^"]*)"', over.text)
    assert link
    shown = browser.submit(browser.page(link[1]), "/settings/two-factor/app")
    found = re.search(r"data-copied>([A-Z2-7 ]+)<", shown.text)
    assert found
    holder = Holder(site, account_of(site), seed_of_key(found[1]))
    codes = browser.submit(shown, "/settings/two-factor/app", code=holder.code())
    assert 'href="/settings/sessions"' in codes.text
    assert 'class="side"' in codes.text
    assert browser.page("/settings/sessions").status == 200


def test_a_passkey_frees_it_too(site: Site) -> None:
    restart(site, mfa_required="all")
    browser = restricted(site)
    page = browser.page("/settings/two-factor/passkey?next=//evil.example")
    answer = json.dumps(Authenticator().create(options_on(page), ORIGIN))
    codes = browser.submit(page, "/settings/two-factor/passkey", passkey=answer)
    assert "evil.example" not in codes.text
    assert secrets_of(codes)
    assert browser.page("/").status == 200


def test_a_short_password_whose_factor_an_administrator_took_away_only_sets_one_up(site: Site) -> None:
    holder = factors.with_app(site)
    session = holder.session()
    short = "qv7zk-2mxw"
    accounts.change_password(
        site.env, site.by(session), site.principal(session), current_password=PASSWORD, new_password=short
    )
    reset_as_operator(site.env, By(), EMAIL)
    browser = site.browser()
    browser.sign_in(password=short)
    assert browser.page("/").header("location") == "/settings/two-factor"
    assert "Your password is short" in browser.page("/settings/two-factor").text

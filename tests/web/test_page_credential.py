"""One credential's page, of every kind, and the forms that change, rotate and end it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.site import BROWSER
from tests.support.world import PASSWORD, START
from tests.web.test_page_authorizations import HOSTILE, signed_in, text_of, token_on

from keyturn.actions import authorizations, grants
from keyturn.actions.preview import preview
from keyturn.core import decide
from keyturn.core.policy import DAY, HOUR, YEAR, Event, Kind

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account, Grant

GRANTS = [kind for kind in Kind if kind is not Kind.SSH_KEY]


def own(made: Credential, act: str = "") -> str:
    return f"/settings/credentials/{made.grant.id}" + (f"/{act}" if act else "")


def stored(site: Site, made: Credential) -> Grant:
    with site.store.reading() as tx:
        grant = tx.grant(made.grant.id)
    assert grant is not None
    return grant


def rotate(browser: Browser, made: Credential, overlap: str, idle: str = "7200") -> Reply:
    path = own(made, "rotate")
    return browser.submit(browser.page(path), path, overlap=overlap, idle=idle)


def alive(site: Site, account: Account) -> set[str]:
    with site.store.reading() as tx:
        return {grant.id for grant in tx.grants(account.id, alive_at=site.clock())}


@pytest.mark.parametrize("kind", GRANTS)
def test_every_kind_has_a_page_alive_and_dead(site: Site, kind: Kind) -> None:
    account = site.account()
    made = site.mint(account, kind, description=HOSTILE)
    browser = signed_in(site)
    page = browser.page(own(made))
    assert page.status == 200
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert page.text.count("<h1") == 1
    assert "When it ends" in page.text
    with site.store.writing() as tx:
        grants.end(site.env, tx, site.by(made), Event.LEAK, account.id, target=made.grant.id)
    page = browser.page(own(made))
    assert page.status == 200
    assert "<script>alert" not in page.text
    assert decide.death_sentence(kind, "", "reported_leaked", site.clock()) in text_of(page.text)
    assert "reported leaked" in text_of(page.text)
    for act in ("edit", "rotate", "revoke"):
        assert f'{own(made, act)}"' not in page.text, "nothing can be done to the dead"


@pytest.mark.parametrize("kind", GRANTS)
@pytest.mark.parametrize("act", ["edit", "rotate", "revoke"])
def test_only_what_is_possible_is_offered_and_done(site: Site, kind: Kind, act: str) -> None:
    every: dict[str, set[Kind]] = {
        "edit": {Kind.LOGIN, Kind.AUTHORIZATION, Kind.SERVICE},
        "rotate": {Kind.LOGIN, Kind.AUTHORIZATION, Kind.SERVICE},
        "revoke": {kind for kind in GRANTS if kind is not Kind.WORKLOAD},
    }
    possible = every[act]
    account = site.account()
    made = site.mint(account, kind)
    browser = signed_in(site)
    page = browser.page(own(made))
    assert (f'href="{own(made, act)}"' in page.text) is (kind in possible)
    reply = browser.page(own(made, act))
    assert reply.status == (200 if kind in possible else 303)
    before = site.actions()
    if kind not in possible:
        csrf = browser.form(page, "/sign-out")["csrf"]
        values = {"csrf": csrf, "overlap": "0", "description": "other", "expiry": "30"}
        reply = browser.request("POST", own(made, act), BROWSER, ("Origin", browser.url), form=values)
        assert reply.status == 303
        assert site.actions() == before
        assert made.grant.id in alive(site, account)


def test_it_says_what_may_be_known_and_no_secret(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="deploys", scopes=("read",), asked=30 * DAY)
    assert made.secret is not None
    site.client.get("/account", token=made.secret)
    site.write_uses()
    site.clock.advance(hours=3)
    page = signed_in(site).page(own(made)).text
    words = text_of(page)
    assert made.secret not in page
    assert made.token.mask in words
    assert "198.51.100.7" in words
    assert "in use" in words
    assert "read apps and resources, but no configuration values" in words
    assert "in 30 days" in words
    assert "you revoke it" in words
    assert "Made" in words
    assert made.grant.id in words


@pytest.mark.parametrize("path", ["", "/edit", "/rotate", "/revoke"])
def test_another_accounts_are_not_there_for_administrators_either(site: Site, path: str) -> None:
    site.account(admin=True)
    other = site.mint(site.account("eve@example.com"), Kind.AUTHORIZATION, description="eve's")
    browser = signed_in(site)
    for where in (own(other) + path, f"/settings/credentials/nothing{path}", f"/settings/credentials/%00{path}"):
        reply = browser.page(where)
        assert reply.status == 404
        assert "eve" not in reply.text


@pytest.mark.parametrize("act", ["edit", "rotate", "revoke"])
def test_another_accounts_are_not_changed(site: Site, act: str) -> None:
    site.account()
    eve = site.account("eve@example.com")
    other = site.mint(eve, Kind.AUTHORIZATION, description="eve's")
    browser = signed_in(site)
    csrf = browser.form(browser.page("/settings/authorizations/new"), "/settings/authorizations/new")["csrf"]
    values = {"csrf": csrf, "overlap": "0", "description": "mine", "expiry": "30"}
    reply = browser.request("POST", own(other, act), BROWSER, ("Origin", browser.url), form=values)
    assert reply.status == 404
    assert stored(site, other) == other.grant
    assert site.reason(other.secret) is None


def test_looking_changes_nothing(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION)
    browser = signed_in(site)
    before = site.actions()
    for act in ("", "edit", "rotate", "revoke"):
        assert browser.page(own(made, act)).status == 200
    assert site.actions() == before
    assert stored(site, made) == made.grant


def test_a_form_without_our_token_changes_nothing(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION)
    browser = signed_in(site)
    for act in ("edit", "rotate", "revoke"):
        values = {"overlap": "0", "description": "x", "expiry": "keep", "csrf": "x"}
        assert browser.request("POST", own(made, act), BROWSER, form=values).status == 403
    assert stored(site, made) == made.grant


def test_a_new_name_and_another_end(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="deploys", asked=30 * DAY)
    browser = signed_in(site)
    path = own(made, "edit")
    page = browser.page(path)
    assert re.search(r'value="keep" checked', page.text)
    reply = browser.submit(page, path, description=HOSTILE, expiry=str(90 * DAY), on="", days="")
    assert (reply.status, reply.header("location")) == (303, own(made))
    changed = stored(site, made)
    assert changed.description == HOSTILE.rstrip("\u202e")
    assert changed.expires_at == site.clock() + timedelta(days=90)
    assert site.reason(made.secret) is None
    page = browser.page(own(made))
    assert "It ends in 90 days" in text_of(page.text)
    assert "31 May 2026, 09:00 UTC" in text_of(page.text)
    assert "Renamed" in text_of(page.text)
    assert "Expiry changed" in text_of(page.text)
    assert "<script>alert" not in page.text


def test_a_name_alone_keeps_the_end_and_nothing_is_nothing(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="deploys", asked=30 * DAY)
    browser = signed_in(site)
    path = own(made, "edit")
    browser.submit(browser.page(path), path, description="deploys of staging", expiry="keep", on="", days="")
    assert stored(site, made).description == "deploys of staging"
    assert stored(site, made).expires_at == made.grant.expires_at
    before = site.actions()
    browser.submit(browser.page(path), path, expiry="keep", on="", days="")
    assert site.actions() == before


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        (Kind.AUTHORIZATION, {"description": ""}, "Say what it is for"),
        (Kind.AUTHORIZATION, {"description": "x" * 301}, "at most 300 characters"),
        (Kind.AUTHORIZATION, {"expiry": "own", "days": "-3"}, "whole number"),
        (Kind.AUTHORIZATION, {"expiry": "keep", "days": "3"}, "chose something else"),
        (Kind.LOGIN, {"expiry": "never"}, "cannot be made to last forever"),
        (Kind.LOGIN, {"expiry": str(YEAR + DAY)}, "lives at most 365 days"),
    ],
)
def test_what_is_wrong_with_a_change_is_said_on_the_form(
    site: Site, kind: Kind, wrong: dict[str, str], said: str
) -> None:
    account = site.account()
    made = site.mint(account, kind, description="deploys")
    browser = signed_in(site)
    path = own(made, "edit")
    values = {"description": "deploys 2", "expiry": "keep", "on": "", "days": ""} | wrong
    reply = browser.submit(browser.page(path), path, **values)
    assert reply.status == 422
    assert said in text_of(reply.text)
    assert stored(site, made) == made.grant


@pytest.mark.parametrize(
    ("act", "values"),
    [("edit", {"description": "x", "expiry": "never", "on": "", "days": ""}), ("rotate", {"overlap": "0"})],
)
def test_prolonging_and_rotating_take_a_proof(site: Site, act: str, values: dict[str, str]) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, asked=30 * DAY)
    browser = signed_in(site)
    page = browser.page(own(made, act))
    site.clock.advance(minutes=16)
    asked = browser.submit(page, own(made, act), **values)
    assert "Confirm it is you" in asked.text
    assert stored(site, made) == made.grant
    assert site.reason(made.secret) is None
    done = browser.submit(asked, own(made, act), password=PASSWORD)
    assert done.status in (201, 303)
    assert stored(site, made) != made.grant


def test_rotated_at_once_the_old_token_is_dead_and_the_new_one_works(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION)
    reply = rotate(signed_in(site), made, "0")
    assert reply.status == 201
    secret = token_on(reply.text)
    assert site.reason(made.secret) == "rotated"
    assert site.client.get("/account", token=secret).status == 200
    assert "ended at once" in text_of(reply.text)


def test_in_the_overlap_both_tokens_work_and_each_user_is_told_apart(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, asked=90 * DAY)
    browser = signed_in(site)
    reply = rotate(browser, made, str(7 * DAY), idle=str(DAY))
    secret = token_on(reply.text)
    assert "goes on until 9 March 2026" in text_of(reply.text)
    assert "unused for 1 day" in text_of(reply.text)
    assert site.client.get("/account", ("User-Agent", "behind/1"), token=made.secret).status == 200
    assert site.new_client("203.0.113.77").get("/account", ("User-Agent", "ahead/2"), token=secret).status == 200
    site.write_uses()
    page = browser.page(own(made)).text
    words = text_of(page)
    assert "It has two tokens now." in words
    rows = {cell: "old token" in row for row in page.split("<tr") for cell in ("behind/1", "ahead/2") if cell in row}
    assert rows == {"behind/1": True, "ahead/2": False}
    assert secret not in page
    assert stored(site, made).expires_at == made.grant.expires_at
    site.clock.advance(days=7, seconds=1)
    assert site.reason(made.secret) == "rotated"
    assert site.reason(secret) is None
    assert "two tokens" not in text_of(browser_after(site, browser).page(own(made)).text)


def browser_after(site: Site, browser: Browser) -> Browser:
    """The same person a week later: the session is over, they sign in anew."""
    browser.sign_in()
    assert site.clock() > START
    return browser


@pytest.mark.parametrize("overlap", ["", "x", "-1", str(31 * DAY), "9" * 30])
def test_an_overlap_that_cannot_be_ends_nothing(site: Site, overlap: str) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION)
    reply = rotate(signed_in(site), made, overlap)
    assert reply.status == 422
    assert 'id="error"' in reply.text
    assert site.reason(made.secret) is None
    assert stored(site, made) == made.grant


def test_whoever_used_it_lately_is_shown_before_it_is_revoked_and_what_is_foretold_happens(site: Site) -> None:
    account = site.account()
    site.mint(account)
    made = site.mint(account, Kind.AUTHORIZATION, description="deploys")
    site.mint(account, Kind.AUTHORIZATION, description="other")
    site.client.get(
        "/account", ("User-Agent", "deployer/1 " + HOSTILE.encode("ascii", "ignore").decode()), token=made.secret
    )
    site.write_uses()
    browser = signed_in(site)
    page = browser.page(own(made, "revoke"))
    assert "It is in use" in text_of(page.text)
    assert "deployer/1" in text_of(page.text)
    assert "<script>alert" not in page.text
    endings = re.findall(r"<li>.*?<strong>(.*?)</strong>", page.text.partition("This ends")[2], re.DOTALL)
    assert [text_of(each) for each in endings] == ["deploys"]
    foretold = {ending.grant.id for ending, _ in preview(site.env, site.by(made), Event.REVOKE).ends}
    before = alive(site, account)
    reply = browser.submit(page, own(made, "revoke"))
    assert (reply.status, reply.header("location")) == (303, own(made))
    assert before - alive(site, account) == foretold == {made.grant.id}
    assert site.reason(made.secret) == "revoked_by_owner"
    after = text_of(browser.page(own(made)).text)
    assert "was revoked by you" in after
    assert f"keyturn authorizations:create --like {made.grant.id}" in after
    assert "Create like this one" in after


def test_what_ended_meanwhile_is_said_to_be_over(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION)
    browser = signed_in(site)
    pages = {act: browser.page(own(made, act)) for act in ("edit", "rotate", "revoke")}
    authorizations.revoke(site.env, site.by(made), site.principal(made), made.grant.id)
    before = site.actions()
    for act, page in pages.items():
        reply = browser.submit(page, own(made, act), overlap="0", expiry="keep", on="", days="", description="new")
        assert reply.status == 303
        assert "over already" in text_of(browser.page(own(made)).text)
    assert site.actions() == before


@pytest.mark.parametrize(("kind", "verb"), [(Kind.LOGIN, "Log it out"), (Kind.WEB, "End this session")])
def test_logins_and_sessions_are_logged_out(site: Site, kind: Kind, verb: str) -> None:
    account = site.account()
    made = site.mint(account, kind)
    browser = signed_in(site)
    page = browser.page(own(made, "revoke"))
    assert verb in page.text
    assert browser.submit(page, own(made, "revoke")).status == 303
    assert stored(site, made).ended_reason == "logged_out"


def test_the_session_one_is_in_signs_out_here(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    with site.store.reading() as tx:
        session = grants.with_tokens(tx, tx.grants(account.id))[0]
    page = browser.page(own(session, "revoke"))
    assert "you will be signed out here" in text_of(page.text)
    reply = browser.submit(page, own(session, "revoke"))
    assert reply.header("location") == "/sign-in"
    assert stored(site, session).ended_reason is not None
    assert 'action="/sign-in"' in browser.page(own(session)).text


def test_no_cookie_or_mask_of_a_browser_session_is_shown(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    with site.store.reading() as tx:
        session = grants.with_tokens(tx, tx.grants(account.id))[0]
    page = browser.page(own(session)).text
    assert session.token.mask not in page
    assert "this browser" in page


def test_soft_expiry_says_from_when_on_it_may_only_read(site: Site) -> None:
    from dataclasses import replace

    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, asked=10 * DAY)
    object.__setattr__(site.env, "policy", replace(site.env.policy, soft_expiry={Kind.AUTHORIZATION: 6 * HOUR}))
    assert "it may only read" in text_of(signed_in(site).page(own(made)).text)

"""The words of the pages: one for each thing, and true ones."""

from __future__ import annotations

import base64
import re
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import mailed
from tests.support.world import EMAIL, PASSWORD

import keyturn.web
from keyturn.actions import accounts, authorizations, grants, invitations, keys, refusals
from keyturn.actions.env import By
from keyturn.core.policy import DAY, Kind

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

TEMPLATES = sorted((Path(keyturn.web.__file__).parent / "templates").glob("*.html"))
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
NOT_SAID = {
    "another spelling of E-mail": r"\bEmail\b",
    "another word for a confirmed address": r"[Nn]ot verified|unverified|unconfirmed|not proven|not confirmed yet",
    "another word for a credential that nobody used": r"not used yet|use not recorded|not known",
}
KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode() + " ada@laptop"


def signed_in(site: Site) -> Browser:
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def by_firefox(site: Site, account: Account, kind: Kind) -> Credential:
    with site.store.writing() as tx:
        return grants.mint(
            site.env,
            tx,
            By(None, "192.0.2.4", FIREFOX),
            account,
            kind,
            scopes=("global",),
            description="Browser session",
        )


def text_of(page: Reply) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text.split("<main", 1)[1])).split())


# one word for each thing


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
@pytest.mark.parametrize("what", NOT_SAID)
def test_the_pages_have_one_word_for_each_thing(template: Path, what: str) -> None:
    said = re.sub(r"\{#.*?#\}", "", template.read_text(), flags=re.DOTALL)
    assert re.findall(NOT_SAID[what], said) == []


def test_an_address_that_nobody_confirmed_is_called_the_same_by_its_owner_and_by_administrators(site: Site) -> None:
    account = site.account(admin=True)
    browser = signed_in(site)
    pages = ("/settings/profile", "/admin/accounts", f"/admin/accounts/{account.id}")
    for path in pages:
        assert "not confirmed" in text_of(browser.page(path)).lower(), path
    with site.store.writing() as tx:
        tx.change_account(account.id, verified_at=site.clock())
    for path in pages:
        assert "not confirmed" not in text_of(browser.page(path)).lower(), path
    assert "confirmed just now" in text_of(browser.page(pages[-1]))


def test_a_key_that_nobody_used_is_called_never_used_on_every_page(site: Site) -> None:
    account = site.account()
    login = site.mint(account)
    key = keys.add(site.env, site.by(login), site.principal(login), KEY).key
    browser = signed_in(site)
    for path in ("/", "/?view=table", "/settings/keys", f"/settings/keys/{key.id}"):
        assert "never used" in text_of(browser.page(path)), path


# browser sessions have the name of their browser


def test_a_browser_session_is_called_by_its_browser_wherever_it_is_named(site: Site) -> None:
    account = site.account(admin=True)
    browser = signed_in(site)
    other = by_firefox(site, account, Kind.WEB)
    browser.submit(browser.page("/reset"), "/reset", email=EMAIL)
    act = f"/settings/credentials/{other.grant.id}"
    pages = (
        "/", "/?by=end", "/?view=table", "/settings/sessions", "/settings/sessions/end-others", "/settings/password", act,
        f"/admin/accounts/{account.id}", mailed.path(site, EMAIL),
    )  # fmt: skip
    for path in pages:
        assert "Firefox on Linux" in text_of(browser.page(path)), path
    assert browser.submit(browser.page(f"{act}/revoke"), f"{act}/revoke").status == 303
    for path in ("/?state=ended", "/settings/sessions?view=ended", "/settings/activity", "/admin/audit"):
        assert "Firefox on Linux" in text_of(browser.page(path)), path


def test_programs_are_named_and_what_they_said_of_themselves_is_kept_beside(site: Site) -> None:
    account = site.account()
    made = by_firefox(site, account, Kind.AUTHORIZATION)
    assert site.client.get("/account", ("User-Agent", FIREFOX), token=made.secret).status == 200
    site.write_uses()
    page = signed_in(site).page(f"/settings/credentials/{made.grant.id}")
    assert text_of(page).count("Firefox on Linux") == 2
    assert "Mozilla" not in text_of(page)
    assert page.text.count(f'title="{FIREFOX}"') == 2


def test_the_program_is_said_once_where_the_browser_that_acted_has_its_name(site: Site) -> None:
    account = site.account(admin=True)
    session = by_firefox(site, account, Kind.WEB)
    by = By(site.principal(session), "192.0.2.4", FIREFOX)
    accounts.update(site.env, by, site.principal(session), {"name": "Ada"})
    browser = signed_in(site)
    page = browser.page("/settings/activity")
    assert "The profile was changed: name 192.0.2.4 Firefox on Linux just now" in text_of(page)
    assert f'href="/settings/credentials/{session.grant.id}"' in page.text
    assert "with Firefox" not in text_of(browser.page("/admin/audit"))


# what is said is so


def test_a_request_that_was_refused_is_told_with_the_reason_and_how_often(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="the deploys")
    authorizations.revoke(site.env, site.by(made), site.principal(made), made.grant.id)
    for _ in range(3):
        assert site.client.get("/account", token=made.secret).status == 401
    refusals.write(site.env, site.face.refusals.take())
    said = text_of(signed_in(site).page("/settings/activity?kind=requests"))
    assert (
        "A request with an ended or wrong token was refused refused revoked by its owner, 3 times" in said
    )  # "refused" is the badge


def test_whoever_ended_a_credential_is_told_that_they_did(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="the deploys")
    authorizations.revoke(site.env, site.by(made), site.principal(made), made.grant.id)
    browser = signed_in(site)
    for path in (
        "/?state=ended",
        "/?state=ended&view=table",
        f"/settings/credentials/{made.grant.id}",
        "/settings/activity",
    ):
        said = text_of(browser.page(path))
        assert "revoked by you" in said, path
        assert "by its owner" not in said, path
    # who holds the token need not be the owner
    assert "revoked by its owner" in site.client.get("/account", token=made.secret).text


def test_what_makes_a_new_one_is_said_plainly(site: Site) -> None:
    account = site.account()
    made = site.mint(account)
    authorizations.revoke(site.env, site.by(made), site.principal(made), made.grant.id)
    said = text_of(signed_in(site).page(f"/settings/credentials/{made.grant.id}"))
    assert "makes a new one like it" in said


def test_what_is_left_of_a_life_is_rounded_the_same_everywhere(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, asked=30 * DAY)
    path = f"/settings/credentials/{made.grant.id}"
    browser = signed_in(site)
    rotated = browser.submit(browser.page(f"{path}/rotate"), f"{path}/rotate", overlap="0")
    assert "Expires in 30 days (" in text_of(rotated)
    assert "in 30 days" in text_of(browser.page(path))
    told = site.client.get(f"/oauth/authorizations/{made.grant.id}", token=site.login(account)).json["life"]
    assert told.startswith("expires in 30 days (")


def test_where_nothing_ends_nothing_else_is_spoken_of(site: Site) -> None:
    site.account()
    browser = signed_in(site)
    page = text_of(browser.page("/settings/password"))
    assert "What ends with the old password Nothing ends." in page
    browser.submit(browser.page("/"), "/sign-out")
    browser.submit(browser.page("/reset"), "/reset", email=EMAIL)
    assert "Nothing ends with the old password." in text_of(browser.page(mailed.path(site, EMAIL)))


def test_without_a_second_factor_the_sessions_say_that_there_is_none(site: Site) -> None:
    site.account()
    assert "You have no second factor yet: set one up" in text_of(signed_in(site).page("/settings/sessions"))


@pytest.mark.parametrize("way", ["set-up", "invitation"])
def test_whoever_is_let_in_by_a_link_has_signed_in(site: Site, way: str) -> None:
    if way == "set-up":
        path = f"/setup/{accounts.open_setup(site.env)}"
    else:
        path = f"/join/{invitations.invite(site.env, By(), None, email=EMAIL).secret}"
    browser = site.browser()
    given = {"name": "Ada", "password": PASSWORD} | (
        {"email": EMAIL} if way == "set-up" else {"password_again": PASSWORD}
    )
    assert browser.submit(browser.page(path), path, **given).status == 303
    assert "Last sign-in just now" in text_of(browser.page("/settings/profile"))


# where one goes from here


def test_newcomers_are_told_first_how_to_get_the_command_line(site: Site) -> None:
    site.account()
    said = text_of(signed_in(site).page("/"))
    assert 0 < said.index("pip install keyturn") < said.index("keyturn login --host")


def test_the_keys_page_leads_to_those_that_have_ended(site: Site) -> None:
    account = site.account()
    login = site.mint(account)
    key = keys.add(site.env, site.by(login), site.principal(login), KEY).key
    keys.remove(site.env, site.by(login), site.principal(login), key.id)
    browser = signed_in(site)
    link = re.search(r'<a href="([^"]+)">those that have ended</a>', browser.page("/settings/keys").text)
    assert link is not None
    assert "ada@laptop" in text_of(browser.page(unescape(link[1])))


@pytest.mark.parametrize("path", ["/settings/credentials/0190-unknown", "/settings/keys/x", "/settings/clients/x"])
def test_a_page_of_what_there_is_not_leads_on(site: Site, path: str) -> None:
    site.account()
    page = signed_in(site).page(path)
    assert page.status == 404
    assert 'href="/">Go to the start</a>' in page.text


def test_where_a_password_is_chosen_it_is_said_that_more_than_its_length_is_looked_at(site: Site) -> None:
    setup = site.browser().page(f"/setup/{accounts.open_setup(site.env)}")
    site.account()
    for page in (setup, signed_in(site).page("/settings/password")):
        assert "One that is easy to guess is refused when you send it." in text_of(page)

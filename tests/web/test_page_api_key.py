"""The API key's page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.site import BROWSER
from tests.support.world import PASSWORD
from tests.web.test_page_authorizations import signed_in, text_of, token_on

from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.core.credential import Account, Grant

HERE = "/settings/api-key"
REGENERATE = f"{HERE}/regenerate"


def make(browser: Browser) -> Reply:
    return browser.submit(browser.page(HERE), HERE)


def keys(site: Site, account: Account, *, alive: bool = True) -> list[Grant]:
    with site.store.reading() as tx:
        found = tx.grants(account.id, alive_at=site.clock() if alive else None)
    return [grant for grant in found if grant.kind is Kind.API_KEY]


def test_the_first_one_is_made_and_shown_once(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    page = browser.page(HERE)
    assert "You have no API key" in page.text
    made = browser.submit(page, HERE)
    assert made.status == 201
    secret = token_on(made.text)
    assert site.client.get("/account", token=secret).status == 200
    key = keys(site, account)[0]
    for path in (HERE, REGENERATE, f"/settings/credentials/{key.id}", "/settings/authorizations", "/"):
        assert secret not in browser.page(path).text
    assert not any(secret in str(event) for event in site.audit())
    after = text_of(browser.page(HERE).text)
    assert re.search(r"ktk_\w{6}\*{10}\w{5}", after)
    assert "Only its digest is kept, so it cannot be shown again" in after
    assert "change your password" in after
    assert "For production, take an authorization" in after


def test_the_old_one_and_its_users_are_shown_before_it_is_regenerated(site: Site) -> None:
    account = site.account()
    login = site.mint(account)
    browser = signed_in(site)
    old = token_on(make(browser).text)
    site.client.get("/account", ("User-Agent", "cron-script/3"), token=old)
    site.write_uses()
    page = browser.page(REGENERATE)
    assert "cron-script/3" in page.text
    endings = re.findall(r"<li>.*?<strong>(.*?)</strong>", page.text.partition("This ends")[2], re.DOTALL)
    assert [text_of(each) for each in endings] == ["API key"]
    assert "replaced by a new one" in page.text
    made = browser.submit(page, REGENERATE)
    assert made.status == 201
    assert site.reason(old) == "key_regenerated"
    assert site.reason(token_on(made.text)) is None
    assert site.reason(login.secret) is None, "nothing else ended"
    assert len(keys(site, account)) == 1


def test_regenerating_takes_a_proof(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    old = token_on(make(browser).text)
    page = browser.page(REGENERATE)
    site.clock.advance(minutes=16)
    asked = browser.submit(page, REGENERATE)
    assert "Confirm it is you" in asked.text
    assert site.reason(old) is None
    made = browser.submit(asked, REGENERATE, password=PASSWORD)
    assert made.status == 201
    assert site.reason(old) == "key_regenerated"
    assert len(keys(site, account)) == 1


def test_a_form_that_saw_another_key_ends_nothing(site: Site) -> None:
    site.account()
    browser = signed_in(site)
    first, other = browser.page(HERE), browser.page(HERE)
    kept = token_on(browser.submit(first, HERE).text)
    reply = browser.submit(other, HERE)  # from another tab
    assert (reply.status, reply.header("location")) == (303, HERE)
    assert site.reason(kept) is None
    assert "changed meanwhile" in text_of(browser.page(HERE).text)


def test_looking_and_foreign_forms_make_nothing(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    browser.page(HERE)
    assert browser.page(REGENERATE).status == 303
    for path in (HERE, REGENERATE):
        assert browser.request("POST", path, BROWSER, form={"replaces": "", "csrf": "x"}).status == 403
    assert keys(site, account) == []


def test_it_is_revoked_on_its_own_page(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    secret = token_on(make(browser).text)
    path = f"/settings/credentials/{keys(site, account)[0].id}/revoke"
    assert path in browser.page(HERE).text
    assert browser.submit(browser.page(path), path).status == 303
    assert site.reason(secret) == "revoked_by_owner"
    assert "You have no API key" in browser.page(HERE).text


def test_an_account_under_single_sign_on_has_none_and_is_told_why(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    form = browser.page(HERE)
    with site.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    page = browser.page(HERE)
    assert "An account under single sign-on has no API key" in text_of(page.text)
    assert "Make an API key" not in page.text
    assert browser.submit(form, HERE).status == 422
    assert keys(site, account, alive=False) == []

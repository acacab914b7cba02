"""The pages of OAuth clients: registered, changed, given a new secret, removed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.support.site import BROWSER
from tests.support.world import PASSWORD

from keyturn.actions import clients, grants
from keyturn.actions.env import By
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.site import Browser, Site

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account, OAuthClient

HERE = "/settings/clients"
NEW = HERE + "/new"
URI = "https://status.example.com/callback"
HOSTILE = "<script>alert(1)</script>\"'><img src=x>"


def signed_in(site: Site) -> Browser:
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def register(site: Site, account: Account, name: str = "Status board") -> OAuthClient:
    acting = site.mint(account)
    return clients.create(site.env, site.by(acting), site.principal(acting), name=name, redirect_uri=URI).client


def let_in(site: Site, account: Account, client: OAuthClient) -> Credential:
    with site.store.writing() as tx:
        return grants.mint(
            site.env, tx, By(), account, Kind.OAUTH, scopes=("identity",), description=client.name, client_id=client.id
        )


def stored(site: Site, account: Account) -> list[OAuthClient]:
    with site.store.reading() as tx:
        return tx.clients(account.id)


def is_secret(site: Site, client: OAuthClient, secret: str) -> bool:
    with site.store.reading() as tx:
        return clients.is_secret(tx, client, secret)


def secret_in(text: str) -> str:
    return re.search(r'<code class="secret-text" data-copied>([^<]+)</code>', text)[1]  # type: ignore[index]


def test_without_a_client_the_page_says_what_one_is_for(site: Site) -> None:
    site.account()
    text = signed_in(site).page(HERE).text
    assert "No OAuth client yet" in text
    assert f'href="{NEW}"' in text
    assert 'href="/settings/authorizations"' in text


def test_a_client_is_registered_and_its_secret_shown_once(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    form = browser.page(NEW)
    assert "https:// URL" in form.text  # the rule is said beforehand
    reply = browser.submit(form, NEW, name="Status board", redirect_uri=URI)
    assert reply.status == 200
    assert reply.header("cache-control") == "no-store"
    [client] = stored(site, account)
    secret = secret_in(reply.text)
    assert is_secret(site, client, secret)
    for words in (
        client.id,
        URI,
        "/oauth/authorize",
        "/oauth/tokens",
        "/oauth/revoke",
        "/.well-known/oauth-authorization-server",
    ):
        assert words in reply.text
    for path in (HERE, f"{HERE}/{client.id}", f"{HERE}/{client.id}/rotate"):
        assert secret not in browser.page(path).text
    assert all(secret not in str(event) for event in site.audit())


@pytest.mark.parametrize(
    ("name", "uri", "field", "sentence"),
    [
        ("", URI, "name", "Give the client a name"),
        ("x" * 81, URI, "name", "at most 80 characters"),
        ("Board", "ftp://x", "redirect_uri", "The redirect URI must be a whole URL"),
        ("Board", "http://example.com/cb", "redirect_uri", "The redirect URI must begin with https://"),
        ("Board", URI + "#x", "redirect_uri", "must not have a fragment"),
        ("Board", "javascript:alert(1)", "redirect_uri", "The redirect URI must be"),
    ],
)
def test_what_cannot_be_taken_is_said_at_its_field_and_kept(
    site: Site, name: str, uri: str, field: str, sentence: str
) -> None:
    account = site.account()
    browser = signed_in(site)
    client = register(site, account)
    for path in (NEW, f"{HERE}/{client.id}"):
        reply = browser.submit(browser.page(path), path, name=name, redirect_uri=uri)
        assert reply.status == 422
        assert sentence in reply.text
        wrong = re.findall(
            r'<input[^>]*id="(\w+)"[^>]*aria-invalid="true"[^>]*aria-describedby="[^"]*error"', reply.text
        )
        assert wrong == [field]
        typed = browser.form(reply, path)
        assert (typed["name"], typed["redirect_uri"]) == (name, uri)
    assert stored(site, account) == [client]


def test_a_client_is_changed(site: Site) -> None:
    account = site.account()
    client = register(site, account)
    browser = signed_in(site)
    path = f"{HERE}/{client.id}"
    typed = browser.form(browser.page(path), path)
    assert (typed["name"], typed["redirect_uri"]) == (client.name, URI)
    reply = browser.submit(browser.page(path), path, name="Board", redirect_uri="https://b.example.com/cb")
    assert (reply.status, reply.header("location")) == (303, path)
    [changed] = stored(site, account)
    assert (changed.name, changed.redirect_uri) == ("Board", "https://b.example.com/cb")


def test_its_page_says_how_many_let_it_in(site: Site) -> None:
    account = site.account()
    client = register(site, account)
    browser = signed_in(site)
    assert "none yet" in browser.page(f"{HERE}/{client.id}").text
    let_in(site, account, client)
    assert "1, your own" in browser.page(f"{HERE}/{client.id}").text
    for email in ("eve@example.com", "bob@example.com"):
        let_in(site, site.account(email), client)
    text = browser.page(f"{HERE}/{client.id}").text
    assert "3 in all: 1 of your own, 2 from 2 other accounts" in text
    assert "eve@example.com" not in text


def test_a_new_secret_replaces_the_old_once_that_is_agreed_to(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    old = secret_in(browser.submit(browser.page(NEW), NEW, name="Board", redirect_uri=URI).text)
    [client] = stored(site, account)
    held = let_in(site, account, client)
    path = f"{HERE}/{client.id}/rotate"
    asked = browser.page(path)
    assert is_secret(site, client, old)
    new = secret_in(browser.submit(asked, path).text)
    assert new != old
    assert is_secret(site, client, new)
    assert not is_secret(site, client, old)
    assert site.ended(held) is None


def test_removing_a_client_foretells_what_ends_of_oneself_and_of_how_many_others(site: Site) -> None:
    account, eve = site.account(), site.account("eve@example.com")
    client = register(site, account)
    mine, hers, again = let_in(site, account, client), let_in(site, eve, client), let_in(site, eve, client)
    browser = signed_in(site)
    path = f"{HERE}/{client.id}/remove"
    asked = browser.page(path)
    assert "2 authorizations of 1 other account end" in asked.text
    assert "Of your own, this ends" in asked.text
    assert "eve@example.com" not in asked.text
    assert stored(site, account) == [client]
    assert browser.submit(asked, path).header("location") == HERE
    assert [site.ended(each) for each in (mine, hers, again)] == ["client_removed"] * 3
    assert stored(site, account) == []
    assert browser.page(path).status == 404


def test_another_accounts_client_is_not_there(site: Site) -> None:
    site.account()
    eve = site.account("eve@example.com")
    hers = register(site, eve)
    browser = signed_in(site)
    fields = browser.form(browser.page(HERE), "/sign-out") | {"name": "mine now", "redirect_uri": URI}
    for path in (f"{HERE}/{hers.id}", f"{HERE}/{hers.id}/rotate", f"{HERE}/{hers.id}/remove", f"{HERE}/none"):
        assert browser.page(path).status == 404
        reply = browser.request("POST", path, BROWSER, form=fields)
        assert reply.status == 404, path
    assert stored(site, eve) == [hers]


SENSITIVE = ["new", "", "rotate", "remove"]


@pytest.mark.parametrize("what", SENSITIVE)
def test_an_old_proof_is_asked_for_anew_and_nothing_is_lost(site: Site, what: str) -> None:
    account = site.account()
    client = register(site, account)
    browser = signed_in(site)
    path = NEW if what == "new" else f"{HERE}/{client.id}/{what}".rstrip("/")
    page = browser.page(path)
    site.clock.advance(minutes=16)
    typed = {"name": "Another", "redirect_uri": URI} if what in ("new", "") else {}
    asked = browser.submit(page, path, **typed)
    assert "Confirm it is you" in asked.text
    assert stored(site, account) == [client]
    wrong = browser.submit(asked, path, password="not the password")
    assert wrong.status == 422
    assert stored(site, account) == [client]
    done = browser.submit(wrong, path, password=PASSWORD)
    assert done.status == (200 if what in ("new", "rotate") else 303)
    names = [each.name for each in stored(site, account)]
    assert names == {"new": [client.name, "Another"], "": ["Another"], "rotate": [client.name], "remove": []}[what]


@pytest.mark.parametrize("what", SENSITIVE)
def test_a_form_from_elsewhere_changes_nothing(site: Site, what: str) -> None:
    account = site.account()
    client = register(site, account)
    browser = signed_in(site)
    path = NEW if what == "new" else f"{HERE}/{client.id}/{what}".rstrip("/")
    reply = browser.request("POST", path, BROWSER, form={"name": "x", "redirect_uri": URI, "csrf": "0" * 64})
    assert reply.status == 403
    assert stored(site, account) == [client]


def test_hostile_names_are_text(site: Site) -> None:
    account = site.account()
    client = register(site, account, HOSTILE)
    let_in(site, account, client)
    browser = signed_in(site)
    paths = [HERE, *(f"{HERE}/{client.id}{rest}" for rest in ("", "/rotate", "/remove"))]
    texts = [browser.page(path).text for path in paths]
    texts.append(browser.submit(browser.page(paths[2]), paths[2]).text)
    for text in texts:
        assert "&lt;script&gt;" in text
        assert "<script>alert" not in text
        assert "<img" not in text


def test_many_clients_have_pages(site: Site) -> None:
    account = site.account()
    for number in range(55):
        register(site, account, f"client-{number:02}-of-many")
    browser = signed_in(site)
    first, second = browser.page(HERE), browser.page(HERE + "?page=2")
    assert len(first.body) < 100_000
    assert [sum(f"client-{n:02}-of-many" in page.text for page in (first, second)) for n in range(55)] == [1] * 55

"""The page of one's own activity: the audit trail in words, filtered and exported, and nobody else's rows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.site import BROWSER

from keyturn.actions import accounts, activity, administer, audit, clients, grants, keys, sessions
from keyturn.actions.env import By
from keyturn.core.policy import Kind
from keyturn.store.interface import AuditSearch

if TYPE_CHECKING:
    from tests.support.site import Browser, Site

    from keyturn.core.credential import Account

HERE = "/settings/activity"
EXPORT = HERE + ".jsonl"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def signed_in(site: Site) -> Browser:
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def happen(
    site: Site, account: Account | None, action: str = "account.update", *, by: By | None = None, **facts: Any
) -> None:
    with site.store.writing() as tx:
        audit.record(site.env, tx, by or By(), action, account_id=account.id if account else None, **facts)


def plain(text: str) -> str:
    """A page's text without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", text.split("<main", 1)[1]).split())


def exported(browser: Browser, query: str = "") -> list[dict[str, Any]]:
    reply = browser.page(EXPORT + query)
    assert reply.status == 200
    return [json.loads(line) for line in reply.text.splitlines()]


# what is shown


def test_an_action_of_a_later_version_is_shown_as_it_is(site: Site) -> None:
    account = site.account()
    happen(site, account, f"later.{HOSTILE[:40]}")
    text = signed_in(site).page(HERE).text
    assert "later.&lt;script&gt;" in text
    assert "<script>alert" not in text


def test_what_happened_is_told_in_words_with_when_where_and_by_what(site: Site) -> None:
    account = site.account()
    site.clock.advance(hours=2)
    login = site.mint(account, description="my laptop")
    by = By(site.principal(login), "203.0.113.9", "keyturn/1.0.0 (cli; linux)")
    clients.create(site.env, by, site.principal(login), name="Status board", redirect_uri="https://x.example.com/")
    page = signed_in(site).page(HERE)
    words = plain(page.text)
    for sentence in ("The account was made", "A login was made: my laptop", "Signed in with the password"):
        assert sentence in words
    assert "An OAuth client was registered: Status board 203.0.113.9 keyturn CLI 1.0 on Linux with my laptop" in words
    assert f'href="/settings/credentials/{login.grant.id}"' in page.text
    assert re.search(r'<time datetime="[^"]+" title="2 March 2026, 09:00 UTC"[^>]*>2 hours ago', page.text)


def test_somebody_who_tried_to_sign_in_is_shown(site: Site) -> None:
    site.account()
    site.browser("192.0.2.66").sign_in(password="a guess that is wrong")
    words = plain(signed_in(site).page(HERE).text)
    assert "Somebody tried to sign in refused the password was wrong 192.0.2.66" in words


def test_an_administrator_who_did_it_is_named_but_not_where_they_are(site: Site) -> None:
    account = site.account()
    root = site.mint(site.account("root@example.com", admin=True), description="their laptop")
    by = By(site.principal(root), "192.0.2.1", "their-program/1.0", "their-request")
    accounts.suspend(site.env, by, account.email)
    accounts.unsuspend(site.env, by, account.email)
    browser = signed_in(site)
    page = browser.page(HERE)
    assert "The account was suspended by root@example.com" in plain(page.text)
    lines = exported(browser)
    assert [each["actor"] for each in lines if each["action"] == "account.suspend"] == ["root@example.com"]
    for text in (page.text, json.dumps(lines)):
        for theirs in ("192.0.2.1", "their-program", "their laptop", root.grant.id, "their-request"):
            assert theirs not in text


@pytest.mark.parametrize(
    "query", ["address=192.0.2.1", "text=192.0.2", "text=their-pro", "credential={credential}", "text={credential}"]
)
def test_a_filter_does_not_tell_what_is_hidden_of_an_administrator(query: str, site: Site) -> None:
    account, admin = site.account(), site.account("root@example.com", admin=True)
    root = site.mint(admin, description="their laptop")
    by = By(site.principal(root), "192.0.2.1", "their-program/1.0", "their-request")
    administer.set_admin(site.env, by, account.id, admin=True)
    administer.set_admin(site.env, by, account.id, admin=False)
    browser = signed_in(site)
    found = exported(browser, "?" + query.format(credential=root.grant.id))
    assert [each["action"] for each in found if each["actor"] == "root@example.com"] == []
    # of what they are shown, filters find all
    own = exported(browser, "?address=198.51.100.7")
    assert {each["address"] for each in own} == {"198.51.100.7"}
    assert len(exported(browser, "?text=admin_o")) == 2
    # and an administrator everything
    search = AuditSearch(address="192.0.2.1", text="their-program")
    assert len(activity.search(site.env, search).entries) == 2


def test_nothing_of_another_account_is_shown_or_exported(site: Site) -> None:
    account, eve = site.account(), site.account("eve@example.com", admin=True)
    mine, hers = site.mint(account, description="mine"), site.mint(eve, description="her laptop")
    client = clients.create(
        site.env, site.by(mine), site.principal(mine), name="Board", redirect_uri="https://x.example.com/"
    ).client
    with site.store.writing() as tx:
        held = grants.mint(
            site.env, tx, By(), eve, Kind.OAUTH, scopes=("identity",), description="her grant", client_id=client.id
        )
    clients.remove(site.env, site.by(mine), site.principal(mine), client.id)  # done by the one, about the other
    assert site.ended(held) == "client_removed"
    sessions.end(site.env, site.by(hers), site.principal(hers), hers.grant.id)
    browser = signed_in(site)
    text = browser.page(HERE).text + browser.page(EXPORT).text
    for theirs in (eve.id, eve.email, hers.grant.id, held.grant.id, "her laptop", "her grant"):
        assert theirs not in text
    assert {line["account_id"] for line in exported(browser)} == {account.id}
    # nor can a query ask for them
    for query in (f"?account_id={eve.id}", f"?about={eve.id}", f"?credential={hers.grant.id}", f"?text={eve.id}"):
        assert {line["account_id"] for line in exported(browser, query)} <= {account.id}
        assert hers.grant.id not in browser.page(HERE + query).text.replace(query[12:], "")


def test_hostile_names_programs_and_addresses_are_text(site: Site) -> None:
    account = site.account()
    login = site.mint(account, description=HOSTILE)
    by = By(site.principal(login), HOSTILE[:40], HOSTILE)
    principal = site.principal(login)
    clients.create(site.env, by, principal, name=HOSTILE, redirect_uri="https://x.example.com/")
    happen(site, account, "client.update", by=by, before={"name": HOSTILE}, after={"name": HOSTILE})
    happen(site, account, "sign_in", by=by, way=HOSTILE)
    happen(site, account, "login.create", by=by, scope=[HOSTILE])
    browser = signed_in(site)
    for path in (
        HERE,
        f"{HERE}?text=%3Cscript%3E&address=%22%3E%3Cscript%3E&since=%3Cscript%3E&credential={login.grant.id}",
    ):
        text = browser.page(path).text
        assert "&lt;script&gt;" in text
        assert "<script>alert" not in text
        assert "<img" not in text


# filters and pages


def trail(site: Site) -> tuple[Account, Browser]:
    """An account with something of everything, over three days."""
    account = site.account()
    login = site.mint(account, description="laptop")
    site.browser("192.0.2.66").sign_in(password="a guess that is wrong")
    site.clock.advance(days=1)
    happen(
        site,
        account,
        "ssh_key.create",
        by=By(site.principal(login), "203.0.113.9", "curl/8.5.0"),
        fingerprint="SHA256:50%off",
    )
    site.clock.advance(days=1)
    return account, signed_in(site)


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("kind=keys", ["ssh_key.create"]),
        ("kind=sign-in", ["sign_in", "sign_in"]),
        ("kind=sessions", ["web.create", "login.create"]),
        ("outcome=refused", ["sign_in"]),
        ("address=203.0.113.9", ["ssh_key.create"]),
        ("since=2026-03-03&until=2026-03-03", ["ssh_key.create"]),
        ("until=2026-03-02", ["sign_in", "login.create", "account.create"]),
        ("text=50%25off", ["ssh_key.create"]),
        ("text=CURL", ["ssh_key.create"]),
        ("text=50_off", []),
        ("kind=nonsense&outcome=x&since=yesterday&until=0000-00-00&credential=x", None),
        ("until=9999-12-31&since=0001-01-01", None),
        ("before=99999999999999999999999999", None),
        ("before=-1", None),
        ("text=%00%27%22", []),
    ],
)
def test_filters_narrow_the_page_and_the_export_alike(site: Site, query: str, actions: list[str] | None) -> None:
    _, browser = trail(site)
    every = [line["action"] for line in exported(browser)]
    assert [line["action"] for line in exported(browser, "?" + query)] == (every if actions is None else actions)
    page = browser.page(f"{HERE}?{query}")
    assert page.status == 200
    assert page.text.count('<li class="ledger-row">') == len(every if actions is None else actions)
    if actions == []:
        assert "Nothing here is like that" in page.text


def test_a_wrong_date_is_said_and_kept_at_its_field(site: Site) -> None:
    _, browser = trail(site)
    text = browser.page(f"{HERE}?since=yesterday").text
    assert "That is no day" in text
    assert re.search(r'<input[^>]*id="since"[^>]*aria-invalid="true"[^>]*aria-describedby="error"', text)


def test_only_what_one_credential_did_can_be_asked_for(site: Site) -> None:
    account, browser = trail(site)
    login = next(event.details["made"] for event in site.audit(account) if event.action == "login.create")
    assert [line["action"] for line in exported(browser, f"?credential={login}")] == ["ssh_key.create"]


def test_long_trails_have_pages_and_lose_nothing(site: Site) -> None:
    account = site.account()
    for number in range(120):
        happen(site, account, "account.update", fields=[f"field-{number:03}"])
    browser = signed_in(site)
    found, path = [], f"{HERE}?kind=account&text=field"
    while path:
        page = browser.page(path)
        assert len(page.body) < 100_000
        found += re.findall(r"field-(\d{3})", page.text.split('<ul class="ledger"')[1])
        follow = re.search(r'rel="next" href="([^"]+)"', page.text)
        path = follow[1].replace("&amp;", "&") if follow else ""
    assert found == [f"{number:03}" for number in reversed(range(120))]


# the export


def test_the_export_is_a_file_of_json_lines_that_nobody_keeps(site: Site) -> None:
    account, browser = trail(site)
    reply = browser.page(EXPORT)
    assert reply.header("content-disposition") == 'attachment; filename="activity-2026-03-04.jsonl"'
    assert reply.header("cache-control") == "no-store"
    assert reply.header("content-type") == "application/jsonl"
    lines = exported(browser)
    assert [line["id"] for line in lines] == [event.id for event in site.audit(account)]
    assert all(re.fullmatch(r"2026-03-0\dT[\d:.]+Z", line["at"]) for line in lines)
    assert set(lines[0]) >= {"id", "at", "action", "outcome", "actor", "credential_id", "address", "agent", "details"}


def test_a_long_export_comes_in_chunks_of_whole_lines_and_is_complete(site: Site) -> None:
    account = site.account()
    with site.store.writing() as tx:
        events = [audit.event(site.env, By(), "account.update", account_id=account.id, number=n) for n in range(2500)]
        audit.record_all(tx, events)
    chunks = list(activity.export(site.env, AuditSearch(), owner=account.id))
    assert [chunk.count(b"\n") for chunk in chunks] == [1000, 1000, 501]
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert len(exported(signed_in(site))) == 2503


def test_an_export_holds_no_transaction_between_its_chunks(site: Site) -> None:
    account = site.account()
    with site.store.writing() as tx:
        audit.record_all(
            tx, [audit.event(site.env, By(), "account.update", account_id=account.id) for _ in range(1500)]
        )
    lines = activity.export(site.env, AuditSearch(), owner=account.id)
    next(lines)
    site.mint(account)  # a writer is not held up, and what it writes does not shift the rest
    assert next(lines).count(b"\n") == 501


def test_an_export_has_no_secret(site: Site) -> None:
    account = site.account()
    login = site.mint(account)
    principal, by = site.principal(login), site.by(login)
    made = clients.create(site.env, by, principal, name="Board", redirect_uri="https://x.example.com/")
    browser = signed_in(site)
    text = browser.page(EXPORT).text + browser.page(HERE).text
    for secret in (login.secret, made.secret, *browser.cookies.values()):
        assert secret is not None
        assert secret not in text
    with site.store.reading() as tx:
        assert str(tx.password_hash(account.id)) not in text


def test_an_export_without_anything_is_an_empty_file(site: Site) -> None:
    site.account()
    assert exported(signed_in(site), "?text=nothing+is+like+this") == []


@pytest.mark.parametrize("path", [HERE, EXPORT])
def test_strangers_are_asked_to_sign_in(site: Site, path: str) -> None:
    site.account()
    reply = site.browser().page(path)
    assert 'name="password"' in reply.text
    assert "The account was made" not in reply.text


def test_looking_changes_nothing(site: Site) -> None:
    account, browser = trail(site)
    before = site.audit(account)
    browser.page(HERE)
    exported(browser)
    assert site.audit(account) == before
    assert browser.request("POST", HERE, BROWSER, form={}).status == 405


# what administrators see


def test_an_administrators_search_names_everybody_and_hides_nothing(site: Site) -> None:
    account = site.account()
    root = site.mint(site.account("root@example.com", admin=True))
    by = By(site.principal(root), "192.0.2.1", "a-program/1.0")
    accounts.suspend(site.env, by, account.email)
    found = activity.search(site.env, AuditSearch(action="account.suspend"))
    [entry] = found.entries
    assert found.older is None
    assert entry.account is not None
    assert entry.actor is not None
    assert entry.by is not None
    assert (entry.account.email, entry.actor.email, entry.by.id) == (account.email, "root@example.com", root.grant.id)
    assert entry.event.address == "192.0.2.1"
    [line] = b"".join(activity.export(site.env, AuditSearch(action="account.suspend"))).splitlines()
    assert json.loads(line)["address"] == "192.0.2.1"


def test_an_ssh_key_is_said_to_be_added_and_not_made(site: Site) -> None:
    login = site.mint(site.account())
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm9V4wrZBXeqVRQ4rTmUyA6mXnoB1kO3H0FFZ0lTg5B me"
    keys.add(site.env, site.by(login), site.principal(login), key)
    assert "An SSH key was added: " in plain(signed_in(site).page(HERE).text)

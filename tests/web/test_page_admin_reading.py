"""The administrators' pages that only tell: what expires, the rules, the audit trail, the outbox, how the server is."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest
from tests.support.site import Site
from tests.support.world import PASSWORD, START

from keyturn.actions import apps, letters, outbox, resets
from keyturn.actions.env import By, Post
from keyturn.adapters.commands import CommandPolicy
from keyturn.adapters.git import Git
from keyturn.core import overrides, policy, published
from keyturn.core.policy import DAY, HOUR, Event, Kind
from keyturn.store.interface import AuditEvent, Outgoing
from keyturn.web import app
from keyturn.web.pages.admin import policy as policy_page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.asgi import Reply
    from tests.support.site import Browser

    from keyturn.actions.env import Env
    from keyturn.core.credential import Account

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
GRACE = "grace@example.com"


class Letterbox:
    """A mail server that takes everything."""

    def send(self, item: Outgoing, now: object) -> None:
        """Takes it over."""


def admin(site: Site) -> Browser:
    site.account(admin=True)
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def with_env(site: Site, **changes: object) -> Env:
    """The site's Env, otherwise; for browsers made from now on."""
    env = dataclasses.replace(site.env, **changes)  # type: ignore[arg-type]
    site.env = env
    site.face = dataclasses.replace(site.face, env=env)
    site.app = app.build(site.face)
    return env


def text_of(reply: Reply) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", reply.text)).split())


# What expires


def test_what_expires_is_listed_by_span_the_next_first_with_its_owner(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    for name, life in (("in a year", 365 * DAY), ("late", 80 * DAY), ("soon", 20 * HOUR), ("week", 5 * DAY)):
        site.mint(grace, Kind.AUTHORIZATION, asked=life, description=name)
    site.mint(grace, Kind.AUTHORIZATION, description="for ever")
    seen = {}
    for days in (1, 7, 30, 90):
        page = browser.page(f"/admin/expiring?days={days}")
        seen[days] = re.findall(r'<bdi class="words">(soon|week|late|in a year|for ever)</bdi>', page.text)
        assert f"/admin/accounts/{grace.id}" in page.text
    assert seen == {1: ["soon"], 7: ["soon", "week"], 30: ["soon", "week"], 90: ["soon", "week", "late"]}


def test_browser_sessions_are_shown_only_when_asked_for(site: Site) -> None:
    browser = admin(site)
    assert "Nothing expires within 7 days" in text_of(browser.page("/admin/expiring"))
    assert "Browser session" in text_of(browser.page("/admin/expiring?days=7&kind=web")).split("Credential Account")[1]


def test_hundreds_that_expire_come_a_page_at_a_time_each_once(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    for number in range(130):
        site.mint(grace, Kind.AUTHORIZATION, asked=HOUR + number, description=f"key {number:03}")
    found, path = [], "/admin/expiring?days=1"
    while path:
        page = browser.page(path).text
        assert len(page) < 100_000
        found += re.findall(r"key \d+", page)
        further = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(further[1]) if further else ""
    assert found == [f"key {number:03}" for number in range(130)]


@pytest.mark.parametrize(
    "query", ["days=x", "days=-1", "kind=nothing", "page=0", "page=999999", "page=%00", "page=%D9%A3"]
)
def test_a_query_that_means_nothing_is_left_out(site: Site, query: str) -> None:
    assert admin(site).page(f"/admin/expiring?{query}").status == 200


# The policy


def test_the_default_policy_says_that_it_is_that(site: Site) -> None:
    page = text_of(admin(site).page("/admin/policy"))
    assert "These are the default rules; nothing was changed." in page
    assert "by default:" not in page
    for event in Event:
        assert published.EVENTS[event] in page


def test_every_cell_of_the_matrix_is_what_the_rules_in_force_say(site: Site) -> None:
    rules = overrides.parse('[ends.password_change]\nauthorization = "dies"\nlogin = "dies"\n', name="policy.toml")
    with_env(site, policy=rules)
    page = admin(site).page("/admin/policy").text
    matrix = page[page.index('id="matrix"') :]
    rows = re.findall(r"<tr>(.*?)</tr>", matrix[: matrix.index("</table>")], re.DOTALL)[1:]
    assert len(rows) == len(Event)
    for event, row in zip(Event, rows, strict=True):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)[1:]
        assert len(cells) == len(Kind)
        for kind, cell in zip(Kind, cells, strict=True):
            word = policy_page.SIGNS.get(rules.effects[event, kind], ("",))[0]
            assert (re.search(r'class="badge[^"]*">([^<]*)<', cell) or ["", ""])[1] == word
            changed = rules.effects[event, kind] is not policy.DEFAULT.effects[event, kind]
            assert ("by default" in cell) == changed


def test_where_the_matrix_has_no_room_each_event_lists_the_kinds_under_what_it_does_to_them(site: Site) -> None:
    rules = overrides.parse('[ends.password_change]\nauthorization = "dies"\n', name="policy.toml")
    with_env(site, policy=rules)
    page = admin(site).page("/admin/policy").text
    events = re.findall(r"<details><summary>.*?</details>", page, re.DOTALL)
    assert len(events) == len(Event)
    for event, said in zip(Event, events, strict=True):
        told: dict[str, str] = {}
        for word, kinds in re.findall(r"<dt><span[^>]*>([^<]*)</span></dt><dd>(.*?)</dd>", said, re.DOTALL):
            told |= dict.fromkeys(re.sub(r" <span.*?</span>", "", kinds).split(", "), word)
        met = {kind: policy_page.SIGNS.get(rules.effects[event, kind], ("",))[0] for kind in Kind}
        assert told == {policy.LIVES[kind].noun: word for kind, word in met.items() if word}
        assert ("by default" in said) == (event is Event.PASSWORD_CHANGE)


def test_what_an_operator_changed_is_marked_with_what_it_was(site: Site) -> None:
    rules = overrides.parse(
        'retention = "180 days"\n[lifetimes.login]\ndefault = "30 days"\n[two_factor]\nrequired = "all"\n'
        '[sign_up]\nby = "open"\ndomains = ["example.com"]\n[soft_expiry]\nauthorization = "2 days"\n', name="policy.toml",
    )  # fmt: skip
    with_env(site, policy=rules)
    admin(site)
    with site.store.writing() as tx:
        account = tx.account_by_email("ada@example.com")
        assert account is not None
    with_env(site, policy=dataclasses.replace(rules, mfa_required="none"))
    browser = site.browser()
    browser.sign_in()
    page = text_of(browser.page("/admin/policy"))
    assert "30 days changed by default: 365 days" in page
    assert "180 days changed by default: 400 days" in page
    assert "whoever has an e-mail address changed by default: only whom an administrator invites" in page
    assert "example.com changed by default: any domain" in page
    assert "2 days changed by default: off" in page
    assert "5 rules differ from the default" in page


# The audit trail


def note(site: Site, account: Account, **facts: object) -> None:
    event = AuditEvent(site.clock(), "sign_in", "ok", account_id=account.id, actor_id=account.id)
    with site.store.writing() as tx:
        tx.audit([dataclasses.replace(event, **facts)])  # type: ignore[arg-type]


def test_the_trail_is_searched_by_everything_one_knows(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    note(site, grace, action="mfa.reset", address="192.0.2.44", agent="odd/1", at=START + timedelta(days=3))
    note(site, grace, outcome="refused", reason="wrong_password", address="192.0.2.45")
    wanted = "An administrator took all second factors off"
    for query in (
        f"account={GRACE}", f"account={grace.id}", "actor=GRACE@example.com", "kind=two-factor", "address=192.0.2.44",
        "text=odd", "since=2026-03-05", "since=2026-03-05&until=2026-03-05", "action=mfa.", "action=mfa.reset&outcome=ok",
    ):  # fmt: skip
        assert wanted in browser.page(f"/admin/audit?{query}").text, query
    for query in (
        "account=ada@example.com", "kind=keys", "address=192.0.2.45", "text=even", "until=2026-03-04", "action=mfa",
        "outcome=refused", "since=2026-03-06",
    ):  # fmt: skip
        assert wanted not in browser.page(f"/admin/audit?{query}").text, query


def test_a_name_that_no_account_has_is_said_and_shows_nothing(site: Site) -> None:
    page = admin(site).page(f"/admin/audit?account={HOSTILE.replace('=', '%3D').replace(' ', '+')}")
    assert "There is no account" in page.text
    assert "<script>alert" not in page.text
    assert 'aria-invalid="true"' in page.text
    assert "Signed in" not in page.text.split("</form>")[-1]
    assert admin_export(site, "actor=nobody@example.com") == []


def admin_export(site: Site, query: str = "") -> list[dict[str, object]]:
    browser = site.browser()
    browser.sign_in()
    reply = browser.page(f"/admin/audit.jsonl?{query}")
    assert reply.status == 200
    assert "attachment" in (reply.header("content-disposition") or "")
    return [json.loads(line) for line in reply.text.splitlines()]


def test_the_export_has_what_the_page_finds_all_of_it(site: Site) -> None:
    admin(site)
    grace = site.account(GRACE)
    for number in range(120):
        note(site, grace, action="mfa.on", request_id=str(number), details={"name": HOSTILE})
    lines = admin_export(site, f"account={GRACE}&action=mfa.on")
    assert [line["request_id"] for line in lines] == [str(number) for number in reversed(range(120))]
    assert {line["actor"] for line in lines} == {GRACE}
    assert "sign_in" in {line["action"] for line in admin_export(site)}


def test_the_trail_comes_a_page_at_a_time_each_event_once(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    for number in range(110):
        note(site, grace, address=f"n{number:03}", agent=HOSTILE)
    found, path = [], f"/admin/audit?actor={GRACE}"
    while path:
        page = browser.page(path).text
        assert len(page) < 100_000
        assert "<script>alert" not in page
        found += re.findall(r"<bdi class=\"words\">(n\d{3})</bdi>", page)
        further = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(further[1]) if further else ""
    assert found == [f"n{number:03}" for number in reversed(range(110))]


# The outbox


def test_without_a_mail_server_a_mail_is_read_here_after_a_fresh_proof(site: Site) -> None:
    browser, grace = admin(site), site.account(GRACE)
    resets.ask(site.env, By(), GRACE, lambda secret: f"http://localhost:8420/reset/{secret}")
    outbox.send_due(site.env)
    page = browser.page("/admin/outbox")
    assert "No mail server is configured" in page.text
    assert "http://localhost:8420/reset/" not in page.text
    found = re.search(r'href="(/admin/outbox/[^"]+)"', page.text)
    assert found is not None
    assert re.search(r"http://localhost:8420/reset/\w+", browser.page(found[1]).text)
    site.clock.advance(minutes=16)
    asked = browser.page(found[1])
    assert "Confirm it is you" in asked.text
    assert "/reset/" not in asked.text
    proven = browser.submit(asked, found[1], password=PASSWORD)
    assert proven.header("location") == found[1]
    assert grace.email in browser.page(found[1]).text


def test_with_a_mail_server_no_text_is_shown_of_what_waits_or_failed(site: Site) -> None:
    site.account(GRACE)
    resets.ask(site.env, By(), GRACE, lambda secret: f"http://localhost:8420/reset/{secret}")
    with_env(site, post=Post(mail=Letterbox()))
    browser = admin(site)
    page = browser.page("/admin/outbox")
    item = outbox.listed(site.env)[0]
    assert "texts are not shown" in text_of(page)
    assert GRACE in page.text
    assert f"/admin/outbox/{item.id}" not in page.text
    assert browser.page(f"/admin/outbox/{item.id}").status == 404


def test_the_state_of_each_mail_and_webhook_is_told(site: Site) -> None:
    now = site.clock()
    items = {
        "waiting": Outgoing("1", "mail", GRACE, "one", "text", now, next_at=now),
        "failing": Outgoing("2", "mail", GRACE, "two", "text", now, attempts=2, next_at=now, error=HOSTILE),
        "given up": Outgoing("3", "webhook", "hooks.example", "three", "{}", now, attempts=9, error="it is away"),
        "sent": Outgoing("4", "mail", GRACE, HOSTILE, "", now, attempts=1, sent_at=now),
        "held": Outgoing("5", "mail", GRACE, "five", "text", now, next_at=now, error="no mail server is configured"),
    }
    with site.store.writing() as tx:
        for item in items.values():
            tx.add_outgoing(item)
    page = admin(site).page("/admin/outbox")
    assert re.findall(r'data-label="State"><div><span class="badge[^"]*">([^<]+)<', page.text) == list(reversed(items))
    assert "<script>alert" not in page.text
    assert re.findall(r"/admin/outbox/(\d)", page.text) == ["5", "2", "1"], "no webhook, and nothing that was sent"


def test_a_hostile_mail_is_text(site: Site) -> None:
    with site.store.writing() as tx:
        letters.mail(site.env, tx, GRACE, HOSTILE, HOSTILE + "\n</pre>")
    browser = admin(site)
    page = browser.page(f"/admin/outbox/{outbox.listed(site.env)[0].id}").text
    assert "<script>alert" not in page
    assert page.count("</pre>") == 1


# The server's health


def test_a_fresh_server_on_localhost_says_what_to_look_at(site: Site) -> None:
    browser = admin(site)
    site.account(GRACE)
    page = text_of(browser.page("/admin/health"))
    assert "Nothing is broken" in page
    assert "Address http://localhost:8420 Look at this" in page
    assert "Mail server none configured Look at this" in page
    assert "Administrators 1 Look at this" in page
    assert "1 of 1 administrator without one" in page
    assert "Second factors 0 of 2 accounts (0%)" in page
    assert "SQLite 3." in page
    assert "Policy the default" in page


def test_a_server_that_is_as_it_should_be_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, url="https://keys.example.com")
    try:
        with_env(site, post=Post(mail=Letterbox()))
        for email in ("ada@example.com", GRACE):
            site.account(email, admin=True)
        browser = site.browser()
        browser.sign_in()
        with site.store.writing() as tx:
            for account in tx.accounts():
                tx.change_account(account.id, mfa_since=START)
        page = text_of(browser.page("/admin/health"))
        assert "All is as it should be." in page
        assert "Address https://keys.example.com Fine" in page
    finally:
        site.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://keys.example.com", "in the clear"),
        ("https://192.0.2.7", "Passkeys need a name"),
        ("https://localhost", "this machine alone"),
    ],
)
def test_an_address_that_does_not_do_is_said_with_what_to_do(tmp_path: Path, url: str, says: str) -> None:
    site = Site(tmp_path, url=url)
    try:
        page = text_of(admin(site).page("/admin/health"))
    finally:
        site.close()
    assert f"Address {url} {'Mend' if url.startswith('http:') else 'Look at'} this" in page
    assert says in page


def test_failing_mails_and_a_missing_key_are_to_be_mended(site: Site) -> None:
    now = site.clock()
    with site.store.writing() as tx:
        tx.add_outgoing(Outgoing("2", "mail", GRACE, "two", "text", now, attempts=2, next_at=now, error="it is away"))
    with_env(site, sealer=None, post=Post(mail=Letterbox()))
    page = text_of(admin(site).page("/admin/health"))
    assert "Outbox 1 waiting, 1 with failed tries Mend this" in page
    assert "Seeds of one-time codes no key to seal them Mend this" in page
    assert "2 things to mend" in page


def health(site: Site) -> str:
    """The page, for an administrator who signs in anew."""
    browser = site.browser()
    browser.sign_in()
    return text_of(browser.page("/admin/health"))


def test_how_git_is_served_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    account = site.account(GRACE)
    who = site.principal(site.mint(account))
    for name in ("quiet-river", "loud-river", "dry-river"):
        apps.create(site.env, site.by(), who, name=name)
    apps.destroy(site.env, site.by(), who, "dry-river")
    site.face = dataclasses.replace(site.face, git=site.repositories)
    with_env(site)
    site.account(admin=True)
    page = health(site)
    assert "Apps 2, each with a repository" in page
    assert "Git served over HTTP Fine" in page
    assert "Git over SSH not served" in page
    assert "Pushes judged by no program of yours" in page
    site.face = dataclasses.replace(site.face, ssh_url="ssh://git@git.example.com:2222")
    with_env(site, push_policy=CommandPolicy(["true"]))
    page = health(site)
    assert "Git over SSH at ssh://git@git.example.com:2222" in page
    assert "Pushes judged by a program of yours (--pre-receive)" in page
    monkeypatch.setenv("PATH", "")
    without = Git(site.path.parent / "repositories")
    site.face = dataclasses.replace(site.face, git=without)
    with_env(site)
    assert "Git there is no git program Mend this" in health(site)
    without.close()


def test_a_store_that_does_not_tell_what_it_is_is_to_be_mended(site: Site) -> None:
    browser = admin(site)
    with closing(sqlite3.connect(site.path)) as damaged:
        damaged.execute("DROP TABLE alembic_version")
    page = browser.page("/admin/health")
    assert page.status == 200
    assert "Store it does not answer Mend this" in text_of(page)

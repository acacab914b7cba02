"""The start page: every credential of the account, as a picture and as a table, however many there are."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest
from tests.support.world import START

from keyturn.actions import authorizations, grants, overview
from keyturn.actions.overview import State, Wish
from keyturn.core import decide
from keyturn.core.policy import DAY, HOUR, Event, Kind
from keyturn.web import timeline
from keyturn.web.pages.home import Asked, asked

if TYPE_CHECKING:
    from tests.support.site import Browser, Site

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

LONGEST_PAGE = 100_000
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e" + "&" * 300


def signed_in(site: Site) -> Browser:
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def end(site: Site, found: Credential, event: Event) -> None:
    with site.store.writing() as tx:
        grants.end(site.env, tx, site.by(found), event, found.grant.account_id, target=found.grant.id)


def shown(page: str) -> list[str]:
    """The ids of the rows that lead to a credential, in their order; the headline is none."""
    rows = page[page.index('class="tl"') :]
    return re.findall(r'<a class="tl-link" href="/settings/(?:credentials|keys)/([^"]+)"', rows)


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", page)).split())


def fill(site: Site, account: Account, count: int, description: str = "a token") -> None:
    """Many of all kinds, of which a third ended."""
    kinds = (Kind.AUTHORIZATION, Kind.LOGIN, Kind.OAUTH, Kind.API_KEY, Kind.SERVICE, Kind.WEB, Kind.WORKLOAD)
    with site.store.writing() as tx:
        for number in range(count):
            made = grants.mint(
                site.env,
                tx,
                site.by(),
                account,
                kinds[number % len(kinds)],
                scopes=("global",),
                description=description[:300],
            )
            if number % 3 == 0:
                tx.end_grants([made.grant.id], at=site.clock(), reason="revoked_by_owner", by=account.id)


def test_with_no_key_yet_the_page_teaches_how_to_get_one(site: Site) -> None:
    site.account()
    page = signed_in(site).page("/").text
    assert "No keys yet" in page
    assert "keyturn login --host http://localhost:8420" in text_of(page)
    assert "<details" not in page[page.index("No keys yet") : page.index("keyturn")], "nothing is folded away"


@pytest.mark.parametrize("view", ["", "?view=table"])
def test_what_ends_next_comes_first_and_the_dead_last_each_once(site: Site, view: str) -> None:
    account = site.account()
    never = site.mint(account, Kind.AUTHORIZATION)
    late = site.mint(account, Kind.AUTHORIZATION, asked=90 * DAY)
    soon = site.mint(account, Kind.AUTHORIZATION, asked=2 * HOUR)
    dead = site.mint(account, Kind.LOGIN)
    end(site, dead, Event.LOGOUT)
    browser = signed_in(site)
    mine = browser.page("/" + view).text
    ids = shown(mine)
    web = next(i for i in ids if i not in {c.grant.id for c in (never, late, soon, dead)})
    assert ids == [soon.grant.id, web, late.grant.id, never.grant.id, dead.grant.id]


def test_the_headline_passes_over_what_comes_and_goes_by_design(site: Site) -> None:
    account = site.account()
    site.mint(account, Kind.AUTHORIZATION, description="deploys", asked=30 * DAY)
    browser = signed_in(site)
    page = browser.page("/").text
    headline = text_of(page[page.index("Next to expire") : page.index("</section>", page.index("Next to expire"))])
    assert "deploys" in headline
    assert "this authorization was given 30 days" in headline
    assert "1 browser session ends sooner, by design" in headline
    assert "keyturn authorizations:update" in headline


def test_the_dead_say_of_what_and_by_whom(site: Site) -> None:
    account = site.account()
    leaked, out = site.mint(account, Kind.AUTHORIZATION), site.mint(account, Kind.LOGIN)
    revoked = site.mint(account, Kind.AUTHORIZATION)
    now = site.clock()
    end(site, out, Event.LOGOUT)
    end(site, revoked, Event.REVOKE)
    with site.store.writing() as tx:
        tx.end_grants([leaked.grant.id], at=now, reason="reported_leaked", by=None)
    browser = signed_in(site)
    words = text_of(browser.page("/").text)
    assert decide.death_sentence(Kind.AUTHORIZATION, "", "reported_leaked", now) in words
    assert decide.death_sentence(Kind.LOGIN, "", "logged_out", now) + " By you." in words
    table = text_of(browser.page("/?view=table").text)
    assert "2 March 2026, 09:00 UTCreported leaked" in table
    assert "logged outby you" in table
    assert "UTCrevoked by you" in table


def test_a_table_by_kind_is_one_with_a_heading_for_each_and_what_else_ends_them_once(site: Site) -> None:
    account = site.account()
    for kind in (Kind.LOGIN, Kind.AUTHORIZATION, Kind.AUTHORIZATION):
        site.mint(account, kind)
    page = signed_in(site).page("/?view=table&by=kind").text
    assert page.count("<table") == page.count("<thead>") == 1
    groups = re.findall(r'<tbody>\s*<tr class="table-group"><th scope="rowgroup"[^>]*>(.*?)</th>', page)
    assert [text_of(each) for each in groups] == ["Browser sessions 1", "Logins 1", "Authorizations 2"]
    assert text_of(page).count(timeline.else_ends(Kind.AUTHORIZATION, site.clock())) == 1


def test_uses_and_rotation_are_told(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="deploys")
    assert site.client.get("/account", token=made.secret).status == 200
    site.write_uses()
    authorizations.regenerate(site.env, site.by(made), site.principal(made), made.grant.id, overlap=7 * DAY, idle=DAY)
    site.clock.advance(hours=3)
    words = text_of(signed_in(site).page("/").text)
    assert "used 3 hours ago" in words
    assert "old token ends in 7 days" in words


@pytest.mark.parametrize("description", ["a token", HOSTILE])
@pytest.mark.parametrize(
    "view", ["", "view=table", "by=end", "state=ended", "by=end&view=table", "state=ended&view=table"]
)
def test_three_hundred_stay_under_100_kilobytes_and_the_rest_is_a_link(site: Site, view: str, description: str) -> None:
    account = site.account()
    fill(site, account, 300, description)
    reply = signed_in(site).page("/?" + view)
    assert reply.status == 200
    assert len(reply.body) < LONGEST_PAGE
    ids = shown(reply.text)
    assert len(ids) == len(set(ids)) > 20
    assert "more" in text_of(reply.text) or "Next page" in reply.text
    assert "<script>alert" not in reply.text
    assert "<img" not in reply.text
    assert "style=" not in reply.text


def test_every_one_of_three_hundred_is_reached_once_by_paging(site: Site) -> None:
    account = site.account()
    fill(site, account, 300)
    browser = signed_in(site)
    with site.store.reading() as tx:
        every = {grant.id for grant in tx.grants(account.id)}
    seen: list[str] = []
    for state in ("alive", "ended"):
        page, number = browser.page(f"/?state={state}&by=end").text, 1
        seen += shown(page)
        while "Next page" in page:
            number += 1
            page = browser.page(f"/?state={state}&by=end&page={number}").text
            seen += shown(page)
    assert sorted(seen) == sorted(every)


def test_many_are_grouped_by_kind_with_a_link_to_the_rest(site: Site) -> None:
    account = site.account()
    fill(site, account, 300)
    page = signed_in(site).page("/").text
    assert 'href="/?kind=authorization"' in page
    only = signed_in(site).page("/?kind=service").text
    with site.store.reading() as tx:
        services = {grant.id for grant in tx.grants(account.id) if grant.kind is Kind.SERVICE}
    assert set(shown(only)) <= services
    assert len(shown(only)) > 20


def test_a_text_finds_names_and_addresses_in_any_case(site: Site) -> None:
    account = site.account()
    wanted = site.mint(account, Kind.AUTHORIZATION, description="Nightly BACKUP")
    site.mint(account, Kind.AUTHORIZATION, description="deploys")
    browser = signed_in(site)
    assert shown(browser.page("/?text=backup").text) == [wanted.grant.id]
    nothing = browser.page("/?text=%3Cscript%3Enothing").text
    assert shown(nothing) == []
    assert "Nothing here is like that" in nothing
    assert "<script>nothing" not in nothing


def test_soon_are_those_whose_holders_are_warned(site: Site) -> None:
    account = site.account()
    soon = site.mint(account, Kind.AUTHORIZATION, asked=10 * DAY)
    site.mint(account, Kind.AUTHORIZATION, asked=90 * DAY)
    site.clock.now = START + timedelta(days=9, hours=12)
    assert shown(signed_in(site).page("/?state=soon").text) == [soon.grant.id]


def test_nobody_sees_another_accounts_credentials(site: Site) -> None:
    site.account()
    other = site.mint(site.account("eve@example.com"), description="eve's laptop")
    page = signed_in(site).page("/?text=" + other.grant.id).text
    assert shown(page) == []
    assert "eve" not in page


@pytest.mark.parametrize(
    "query",
    [
        "kind=nothing",
        "state=%00",
        "page=-1",
        "page=99999999999",
        "page=٣",
        "by=x",
        "view=x",
        "=&&==",
        "text=" + "a" * 5000,
        "page=5",
    ],
)
def test_a_query_that_means_nothing_shows_the_page_all_the_same(site: Site, query: str) -> None:
    site.account()
    query = query.encode().decode("latin-1")
    browser = signed_in(site)
    reply = browser.page("/?" + "".join(c if c.isascii() else f"%{ord(c):02X}" for c in query))
    assert reply.status == 200


@pytest.mark.parametrize(
    "wanted",
    [
        Asked(Wish()),
        Asked(Wish(kind=Kind.LOGIN, state=State.SOON, text="a&b=c d", by_kind=False, page=3), table=True),
        Asked(Wish(by_kind=True, page=2)),
    ],
)
def test_a_link_says_what_is_asked(wanted: Asked) -> None:
    link = wanted.link(page=wanted.wish.page)
    assert link.startswith("/")
    assert asked(link.partition("?")[2]) == wanted
    assert asked(wanted.link(state="ended").partition("?")[2]).wish.page == 1


def test_ssh_keys_are_among_them(site: Site) -> None:
    account = site.account()
    login = site.mint(account)
    body = {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIABBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWjAxMjM0 ada@laptop"}
    reply = site.client.request("POST", "/account/keys", token=login.secret, json=body)
    assert reply.status == 201, reply.text
    page = signed_in(site).page("/").text
    assert f'href="/settings/credentials/{reply.json["id"]}"' in page
    assert "ada@laptop" in page


def test_an_overview_costs_look_ups_of_what_is_shown_alone(site: Site) -> None:
    account = site.account()
    fill(site, account, 300)
    found = overview.of(site.env, account.id)
    assert sum(len(group.shown) for group in found.living) <= len(Kind) * overview.GROUP_MOST
    assert len(found.ended.shown) == overview.ENDED_MOST
    assert sum(group.total for group in found.living) + found.ended.total == found.states[State.ANY] == 300

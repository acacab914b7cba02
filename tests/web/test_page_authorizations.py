"""The list of authorizations, and the form that makes one."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from tests.support.site import BROWSER
from tests.support.world import PASSWORD, START

from keyturn.actions import authorizations, grants
from keyturn.core import overrides
from keyturn.core.policy import DAY, HOUR, YEAR, Kind
from keyturn.web.pages import lives
from keyturn.web.pages.authorizations import SCOPES

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.core.credential import Account, Grant

HERE = "/settings/authorizations"
NEW = f"{HERE}/new"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e"


def signed_in(site: Site) -> Browser:
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def token_on(page: str) -> str:
    found = re.search(r'class="secret-text"[^>]*>(kt[a-z]_[0-9A-Za-z]{38})<', page)
    assert found is not None, text_of(page)
    return found[1]


def create(browser: Browser, **values: str) -> Reply:
    asked = {"description": "backup job", "scope": "read", "expiry": str(30 * DAY), "on": "", "days": ""} | values
    return browser.submit(browser.page(NEW), NEW, **asked)


def newest(site: Site, account: Account) -> Grant:
    with site.store.reading() as tx:
        return next(g for g in reversed(tx.grants(account.id)) if g.kind is Kind.AUTHORIZATION)


def ids_on(page: str) -> list[str]:
    return re.findall(r'<a href="/settings/credentials/([^"]+)"', page)


def test_with_none_the_page_teaches_and_leads_to_the_form(site: Site) -> None:
    site.account()
    page = signed_in(site).page(HERE).text
    assert "No authorizations yet" in page
    assert f'href="{NEW}"' in page
    assert "keyturn authorizations:create" in text_of(page)


def test_the_living_and_the_dead_have_a_tab_each(site: Site) -> None:
    account = site.account()
    never = site.mint(account, Kind.AUTHORIZATION, description="deploys")
    soon = site.mint(account, Kind.AUTHORIZATION, description="import", asked=HOUR)
    client = site.mint(account, Kind.OAUTH, description="a dashboard")
    dead = site.mint(account, Kind.AUTHORIZATION, description="old")
    site.mint(account, Kind.LOGIN)
    authorizations.revoke(site.env, site.by(never), site.principal(never), dead.grant.id)
    browser = signed_in(site)
    page = browser.page(HERE).text
    assert ids_on(page) == [soon.grant.id, client.grant.id, never.grant.id]
    assert "never expires" in text_of(page)
    assert "Living (3)" in page
    site.clock.advance(hours=2)
    ended = browser.page(HERE + "?view=ended").text
    assert ids_on(ended) == [soon.grant.id, dead.grant.id]
    assert "revoked by you" in text_of(ended)
    assert "expired on" in text_of(ended)


def test_fifty_a_page_and_every_one_is_reached(site: Site) -> None:
    account = site.account()
    with site.store.writing() as tx:
        made = [
            grants.mint(site.env, tx, site.by(), account, Kind.AUTHORIZATION, scopes=("read",), description=HOSTILE * 3)
            for _ in range(120)
        ]
    browser, seen, path = signed_in(site), [], HERE
    while True:
        reply = browser.page(path)
        assert len(reply.body) < 100_000
        seen += ids_on(reply.text)
        more = re.search(r'rel="next" href="([^"]+)"', reply.text)
        if more is None:
            break
        path = unescape(more[1])
    assert len(seen) == 120
    assert set(seen) == {each.grant.id for each in made}


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=9999999999", "page=x", "view=%00", "view=x&page=5", "&&="]
)
def test_a_query_that_means_nothing_shows_the_list_all_the_same(site: Site, query: str) -> None:
    site.account()
    assert signed_in(site).page(f"{HERE}?{query}").status == 200


def test_the_new_token_works_at_once_and_is_shown_nowhere_else(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    made = create(browser, description="backup job")
    assert made.status == 201
    assert made.header("cache-control") == "no-store"
    secret = token_on(made.text)
    assert site.client.get("/account", token=secret).status == 200
    grant = newest(site, account)
    assert (grant.description, grant.scopes) == ("backup job", ("read",))
    assert grant.expires_at == START.replace(month=4, day=1)
    site.write_uses()
    assert secret not in str(made.headers)
    for path in (HERE, NEW, f"/settings/credentials/{grant.id}", f"{NEW}?like={grant.id}", "/", "/settings/api-key"):
        assert secret not in browser.page(path).text
    assert not any(secret in value for value in browser.cookies.values())
    assert not any(secret in str(event) for event in site.audit())


def test_the_lines_beside_the_token_put_no_secret_on_a_command_line(site: Site) -> None:
    site.account()
    page = create(signed_in(site)).text
    secret = token_on(page)
    lines = [text_of(part) for part in re.findall(r'<code class="terminal-command".*?</code>', page, re.DOTALL)]
    with_it = [line for line in lines if secret in line]
    assert with_it == [f"machine localhost login ada@example.com password {secret}"]
    assert "curl -n http://localhost:8420/account" in lines
    # with the server's address wherever the token is set: clients without it send the token to Heroku
    files = [unescape(part) for part in re.findall(r'<code class="terminal-command" data-copied>([^<]*)</code>', page)]
    assert files == [
        "env:\n  HEROKU_API_KEY: ${{ secrets.HEROKU_API_KEY }}\n  HEROKU_HOST: http://localhost:8420",
        "variables:\n  HEROKU_HOST: http://localhost:8420",
    ]
    assert "export HEROKU_API_KEY HEROKU_HOST=http://localhost:8420" in lines
    assert any("curl -H @-" in line for line in lines)
    assert "or sooner if you revoke it" in text_of(page)


@pytest.mark.parametrize("scope", [value for value, _ in SCOPES])
def test_every_choice_of_scope_is_taken(site: Site, scope: str) -> None:
    account = site.account()
    assert create(signed_in(site), scope=scope).status == 201
    assert set(newest(site, account).scopes) == set(scope.split())


@pytest.mark.parametrize(
    ("chosen", "seconds"),
    [
        ({"expiry": str(8 * HOUR)}, 8 * HOUR),
        ({"expiry": str(YEAR)}, YEAR),
        ({"expiry": "never"}, None),
        ({"expiry": "own", "days": "45"}, 45 * DAY),
        ({"expiry": "own", "on": "2026-03-02"}, 15 * HOUR),
        ({"expiry": "own", "on": "2026-03-12"}, 10 * DAY + 15 * HOUR),
        # where the reader is: in Auckland, in Los Angeles (of summer time by then), in Kathmandu, where days begin and end
        ({"expiry": "own", "on": "2026-03-12", "on_end": "2026-03-12T11:00:00Z"}, 10 * DAY + 2 * HOUR),
        ({"expiry": "own", "on": "2026-03-12", "on_end": "2026-03-13T07:00:00Z"}, 10 * DAY + 22 * HOUR),
        ({"expiry": "own", "on": "2026-03-12", "on_end": "2026-03-12T18:15:00Z"}, 10 * DAY + 9 * HOUR + 900),
        ({"expiry": "own", "on": "2026-03-12", "on_end": "2026-03-12T10:00:00Z"}, 10 * DAY + HOUR),
        ({"expiry": "own", "on": "2026-03-12", "on_end": "2026-03-13T12:00:00Z"}, 11 * DAY + 3 * HOUR),
        # the day before, still under way in Honolulu
        ({"expiry": "own", "on": "2026-03-01", "on_end": "2026-03-02T10:00:00Z"}, HOUR),
        ({"expiry": "own", "days": "45", "on_end": "2026-03-12T11:00:00Z"}, 45 * DAY),
        ({"expiry": str(8 * HOUR), "on_end": "2026-03-12T11:00:00Z"}, 8 * HOUR),
    ],
)
def test_every_choice_of_life_is_what_it_says(site: Site, chosen: dict[str, str], seconds: int | None) -> None:
    account = site.account()
    browser = signed_in(site)  # a browser session ends after a day itself, and limits nothing
    assert create(browser, **chosen).status == 201
    ends = newest(site, account).expires_at
    assert (ends and round((ends - START).total_seconds())) == seconds


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"description": "   "}, "Say what it is for"),
        ({"description": "x" * 301}, "Description is too long: at most 300 characters."),
        ({"scope": ""}, "Choose what it may do."),
        ({"scope": "root"}, "Unknown scope"),
        ({"scope": HOSTILE}, "nknown scope"),
        ({"expiry": ""}, "Choose when it ends."),
        ({"expiry": "-1"}, "Choose when it ends."),
        ({"expiry": "0"}, "less than a hundred years"),
        ({"expiry": "٣"}, "Choose when it ends."),
        ({"expiry": "99999999999"}, "less than a hundred years"),
        ({"expiry": "own"}, "Give the day on which it ends"),
        ({"expiry": "own", "on": "2027-01-01", "days": "3"}, "Not both."),
        ({"expiry": "own", "days": "0"}, "whole number"),
        ({"expiry": "own", "days": "9" * 40}, "whole number"),
        ({"expiry": "own", "days": "1e3"}, "whole number"),
        ({"expiry": "own", "on": "12 March"}, "2027-03-31"),
        ({"expiry": "own", "on": "9999-12-31"}, "2027-03-31"),
        ({"expiry": "own", "on": "2026-03-01"}, "That day is over"),
        ({"expiry": str(DAY), "days": "3"}, "chose something else"),
        *(
            ({"expiry": "own", "on": "2026-03-12", "on_end": end}, "Choose the day again.")
            for end in (
                "2026-03-12T09:59:00Z",
                "2026-03-12T09:45:00Z",
                "2026-03-13T12:15:00Z",
                "2026-04-12T11:00:00Z",
                "2026-03-12T11:07:00Z",
                "2026-03-12T11:00:30Z",
                "2026-03-12T11:00:00",
                "2026-03-12T11:00:00+00:00",
                "2026-03-12 11:00:00Z",
                "2026-02-31T11:00:00Z",
                "2026-03-12T24:00:00Z",
                "٢٠٢٦-03-12T11:00:00Z",
                HOSTILE,
                "0",
            )
        ),
        ({"expiry": "own", "on": "2026-03-02", "on_end": "2026-03-02T09:00:00Z"}, "Choose the day again."),
        ({"expiry": "own", "on": "2026-03-01", "on_end": "2026-03-01T12:00:00Z"}, "That day is over"),
    ],
)
def test_what_is_wrong_is_said_beside_the_form_and_loses_nothing(site: Site, wrong: dict[str, str], said: str) -> None:
    account = site.account()
    reply = create(signed_in(site), **wrong)
    assert reply.status == 422
    assert said in text_of(reply.text)
    assert 'id="error"' in reply.text
    assert "<script>alert" not in reply.text
    assert "<img" not in reply.text
    if "description" not in wrong:
        assert 'value="backup job"' in reply.text
    with site.store.reading() as tx:
        assert all(grant.kind is Kind.WEB for grant in tx.grants(account.id))


def test_like_another_one_even_a_dead_one(site: Site) -> None:
    account = site.account()
    model = site.mint(account, Kind.AUTHORIZATION, description=HOSTILE, scopes=("identity", "read"), asked=30 * DAY)
    authorizations.revoke(site.env, site.by(model), site.principal(model), model.grant.id)
    browser = signed_in(site)
    page = browser.page(f"{NEW}?like={model.grant.id}")
    assert page.status == 200
    assert "<script>alert" not in page.text
    assert re.search(r'value="identity read" checked', page.text)
    assert re.search(rf'value="{30 * DAY}" checked', page.text)
    fields = browser.form(page, NEW)
    assert fields["description"] == model.grant.description
    made = browser.submit(page, NEW, scope="identity read", expiry=str(30 * DAY))
    assert made.status == 201
    grant = newest(site, account)
    assert grant.id != model.grant.id
    assert (grant.description, grant.scopes) == (HOSTILE.rstrip("\u202e"), model.grant.scopes)


@pytest.mark.parametrize("kind", [Kind.LOGIN, Kind.API_KEY, Kind.SERVICE])
def test_an_authorization_takes_the_place_of_what_is_to_end(site: Site, kind: Kind) -> None:
    model = site.mint(site.account(), kind, description="nightly job")
    browser = signed_in(site)
    page = browser.page(f"{NEW}?like={model.grant.id}")
    name = "nightly job (2)" if kind is Kind.SERVICE else "nightly job"  # two of one list must not look the same
    assert browser.form(page, NEW)["description"] == name
    assert re.search(rf'value="{YEAR if kind is Kind.LOGIN else "never"}" checked', page.text)


def test_one_like_a_living_one_gets_the_next_free_number(site: Site) -> None:
    account = site.account()
    made = [site.mint(account, Kind.AUTHORIZATION, description=name) for name in ("deploys", "deploys (3)", "x" * 300)]
    browser = signed_in(site)
    names = [browser.form(browser.page(f"{NEW}?like={each.grant.id}"), NEW)["description"] for each in made]
    assert names == ["deploys (2)", "deploys (2)", "x" * 293 + " (2)"]
    for name in names[1:]:
        assert create(browser, description=name).status == 201
    assert browser.form(browser.page(f"{NEW}?like={made[0].grant.id}"), NEW)["description"] == "deploys (4)"


def test_a_search_finds_over_all_pages_and_without_scripts(site: Site) -> None:
    account = site.account()
    with site.store.writing() as tx:
        made = [
            grants.mint(
                site.env, tx, site.by(), account, Kind.AUTHORIZATION, scopes=("read",), description=f"worker {n}"
            )
            for n in range(120)
        ]
    dead = site.mint(account, Kind.AUTHORIZATION, description="worker of old", asked=1)
    site.clock.advance(seconds=2)
    browser = signed_in(site)
    first = browser.page(HERE)
    assert "Page 1 of 3, what ends next first." in text_of(first.text)
    assert 'action="/settings/authorizations" role="search"' in first.text
    found = browser.page(HERE + "?text=WORKER+117")
    assert ids_on(found.text) == [made[117].grant.id]
    assert "Living (1)" in found.text
    assert 'value="WORKER 117"' in found.text
    assert ids_on(browser.page(f"{HERE}?text={made[3].grant.id}").text) == [made[3].grant.id]
    every, path = [], HERE + "?text=worker"
    while path:
        page = browser.page(path).text
        every += ids_on(page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(more[1]) if more else ""
    assert len(set(every)) == len(every) == 120
    ended = re.search(r'href="([^"]*view=ended[^"]*)"', found.text)
    assert ended is not None
    assert "None that ended has these words" in browser.page(unescape(ended[1])).text
    assert ids_on(browser.page(f"{HERE}?view=ended&text=old").text) == [dead.grant.id]
    none = browser.page(f"{HERE}?text=%3Cscript%3E")
    assert "None has these words" in none.text
    assert "<script>" not in none.text


def test_what_the_pages_say_of_a_new_password_is_the_policy_in_force(site: Site) -> None:
    account = site.account()
    site.mint(account, Kind.API_KEY)
    browser = signed_in(site)
    paths = (HERE, NEW, "/settings/api-key", "/")
    before = [text_of(browser.page(path).text) for path in paths]
    assert "Each lives on when you log out or change your password, and can be replaced" in before[0]
    assert "It lives on when you log out or change your password." in before[1]
    assert "An authorization lives on, may less" in before[2]
    rules = overrides.parse('[ends.password_change]\nauthorization = "dies"\n', name="policy.toml")
    object.__setattr__(site.env, "policy", rules)
    after = [text_of(browser.page(path).text) for path in paths]
    assert "Each lives on when you log out, and can be replaced" in after[0]
    assert "or change your password" in after[1]
    assert "It lives on when you log out." in after[1]
    assert "An authorization may less" in after[2]
    for text in after:
        assert "lives on when you log out or change your password" not in text


def test_the_start_page_promises_no_more_than_the_policy(site: Site) -> None:
    site.account()
    browser = signed_in(site)
    assert "a token of its own for production: it lives on when you log out or change your password" in text_of(
        browser.page("/").text
    )
    rules = overrides.parse('[ends.password_change]\nauthorization = "dies"\n', name="policy.toml")
    object.__setattr__(site.env, "policy", rules)
    assert "a token of its own for production: it lives on when you log out keyturn" in text_of(browser.page("/").text)


def test_nothing_can_be_made_like_another_accounts_or_another_kind(site: Site) -> None:
    account = site.account()
    other = site.mint(site.account("eve@example.com"), Kind.AUTHORIZATION, description="eve's")
    client = site.mint(account, Kind.OAUTH)
    browser = signed_in(site)
    for identity in (other.grant.id, client.grant.id, "nothing", "~", "%00"):
        reply = browser.page(f"{NEW}?like={identity}")
        assert reply.status == 404, identity
        assert "eve" not in reply.text
    assert create(browser, like=other.grant.id).status == 404


def test_a_life_that_the_policy_does_not_allow_is_neither_offered_nor_given(site: Site) -> None:
    account = site.account()
    rules = overrides.parse('[lifetimes.authorization]\ndefault = "60 days"\nlongest = "60 days"\n', name="policy.toml")
    object.__setattr__(site.env, "policy", rules)
    browser = signed_in(site)
    page = browser.page(NEW).text
    assert 'value="never"' not in page
    assert f'value="{90 * DAY}"' not in page
    assert f'value="{60 * DAY}"' in page
    for expiry in ("never", str(90 * DAY)):
        assert create(browser, expiry=expiry).status == 422
    with site.store.reading() as tx:
        assert all(grant.kind is Kind.WEB for grant in tx.grants(account.id))
    assert create(browser, expiry=str(60 * DAY)).status == 201


def test_it_takes_a_proof_that_is_not_old_and_the_form_is_not_lost(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    page = browser.page(NEW)
    site.clock.advance(minutes=16)
    asked = browser.submit(page, NEW, description="kept", scope="read", expiry="never", on="", days="")
    assert asked.status == 200
    assert "Confirm it is you" in asked.text
    with site.store.reading() as tx:
        assert all(grant.kind is Kind.WEB for grant in tx.grants(account.id))
    made = browser.submit(asked, NEW, password=PASSWORD)
    assert made.status == 201
    assert newest(site, account).description == "kept"
    assert site.client.get("/account", token=token_on(made.text)).status == 200


def test_a_form_from_elsewhere_makes_nothing(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    fields = {"description": "x", "scope": "global", "expiry": "never"}
    good = browser.form(browser.page(NEW), NEW)["csrf"]
    for headers, csrf in (
        ([], ""),
        ([("Origin", "https://evil.example")], good),
        ([("Sec-Fetch-Site", "cross-site")], good),
    ):
        reply = browser.request("POST", NEW, BROWSER, *headers, form=fields | {"csrf": csrf})
        assert reply.status == 403
    with site.store.reading() as tx:
        assert all(grant.kind is Kind.WEB for grant in tx.grants(account.id))


def test_strangers_get_the_sign_in_form(site: Site) -> None:
    site.account()
    for path in (HERE, NEW):
        assert 'action="/sign-in"' in site.browser().page(path).text


def test_an_account_under_single_sign_on_is_told_why_there_are_none(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    form = browser.page(NEW)
    with site.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    for path in (HERE, NEW):
        page = browser.page(path).text
        assert "single sign-on" in text_of(page)
        assert "Create authorization" not in page
    reply = browser.submit(form, NEW, description="x", scope="read", expiry="never", on="", days="")
    assert reply.status == 422


def test_the_longest_life_of_a_living_one_counts_from_when_it_was_made(site: Site) -> None:
    account = site.account()
    login = site.mint(account, Kind.LOGIN)
    site.clock.advance(days=300)
    cards = lives.cards_again(login.grant, site.env.policy.lives[Kind.LOGIN], site.clock())
    assert [card.value for card in cards] == ["keep", str(8 * HOUR), str(30 * DAY), str(65 * DAY - 1), "own"]

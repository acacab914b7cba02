"""Forms whose answer shows a secret count once: reloading that answer, a double click, or a second worker makes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import factors
from tests.support.authenticator import Authenticator
from tests.support.factors import ORIGIN, options_on
from tests.support.site import BROWSER, Browser
from tests.support.world import PASSWORD

from keyturn.actions import clients, once
from keyturn.actions.refusals import Refusals
from keyturn.core import policy
from keyturn.core.policy import DAY, Kind
from keyturn.store import sql
from keyturn.web import app, dashboard
from keyturn.web.face import Face
from keyturn.web.limits import Limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.asgi import Reply
    from tests.support.site import Site

NEW = "/settings/authorizations/new"


@dataclass
class Form:
    """A form that counts once, filled in: where it is, what it makes, and where one goes who sends it again."""

    path: str
    goes_to: str
    values: dict[str, str] = field(default_factory=dict)
    fresh: Callable[[Browser], dict[str, str]] = lambda _browser: {}
    """What must be made for the page at hand."""
    status: int = 200


def authorization(site: Site) -> Form:
    values = {"description": "backup job", "scope": "read", "expiry": str(30 * DAY), "on": "", "days": ""}
    return Form(NEW, "/settings/authorizations", values, status=201)


def rotation(site: Site) -> Form:
    with site.store.reading() as tx:
        [account] = tx.accounts()
    one = site.mint(account, Kind.AUTHORIZATION, description="deploys").grant.id
    here = f"/settings/credentials/{one}"
    return Form(f"{here}/rotate", here, {"overlap": str(DAY), "idle": "7200"}, status=201)


def first_key(site: Site) -> Form:
    return Form("/settings/api-key", "/settings/api-key", status=201)


def next_key(site: Site) -> Form:
    with site.store.reading() as tx:
        [account] = tx.accounts()
    site.mint(account, Kind.API_KEY)
    return Form("/settings/api-key/regenerate", "/settings/api-key", status=201)


def client(site: Site) -> Form:
    values = {"name": "Status board", "redirect_uri": "https://board.example/back"}
    return Form("/settings/clients/new", "/settings/clients", values)


def client_secret(site: Site) -> Form:
    with site.store.reading() as tx:
        [account] = tx.accounts()
    acting = site.mint(account)
    made = clients.create(
        site.env, site.by(acting), site.principal(acting), name="Board", redirect_uri="https://board.example/back"
    )
    here = f"/settings/clients/{made.client.id}"
    return Form(f"{here}/rotate", here)


def two_factor_app(site: Site) -> Form:
    return Form("/settings/two-factor/app", "/settings/two-factor", {"name": "phone"})


def passkey(site: Site) -> Form:
    return Form("/settings/two-factor/passkey", "/settings/two-factor", {"name": "laptop"}, answer_passkey)


def answer_passkey(browser: Browser) -> dict[str, str]:
    page = browser.page("/settings/two-factor/passkey")
    made = json.dumps(Authenticator().create(options_on(page), ORIGIN))
    return browser.form(page, "/settings/two-factor/passkey") | {"passkey": made}


def recovery(site: Site) -> Form:
    return Form("/settings/two-factor/recovery", "/settings/two-factor")


def invitation(site: Site) -> Form:
    return Form("/admin/accounts/new", "/admin/accounts/new", {"email": "grace@example.com", "name": ""})


def reset_link(site: Site) -> Form:
    here = f"/admin/accounts/{site.account('grace@example.com').id}"
    return Form(f"{here}/password", here, {"way": "show"})


FORMS: dict[str, Callable[[Site], Form]] = {
    "/settings/authorizations/new": authorization, "/settings/credentials/{id}/rotate": rotation,
    "/settings/api-key": first_key, "/settings/api-key/regenerate": next_key, "/settings/clients/new": client,
    "/settings/clients/{id}/rotate": client_secret, "/settings/two-factor/app": two_factor_app,
    "/settings/two-factor/passkey": passkey, "/settings/two-factor/recovery": recovery,
    "/admin/accounts/new": invitation, "/admin/accounts/{id}/password": reset_link,
}  # fmt: skip


def opened(site: Site, make: Callable[[Site], Form]) -> tuple[Browser, Form, dict[str, str]]:
    """An administrator's browser, and the form with all that it would send."""
    holder = factors.with_app(site, admin=True) if make is recovery else factors.without(site, admin=True)
    form = make(site)
    browser = site.browser()
    if browser.sign_in().header("location") == "/sign-in/second":
        browser.submit(browser.page("/sign-in/second"), "/sign-in/second", code=holder.fresh_code())
    fields = form.fresh(browser) or browser.form(browser.page(form.path), form.path)
    return browser, form, fields | form.values


def send(browser: Browser, path: str, fields: dict[str, str]) -> Reply:
    return browser.request(
        "POST", path, BROWSER, ("Origin", browser.url), ("Sec-Fetch-Site", "same-origin"), form=fields
    )


def made_in(site: Site) -> dict[str, list[Any]]:
    """Every row that such a form could make, change or end."""
    names = ("grants", "tokens", "clients", "factors", "recovery_codes", "invitations", "password_resets", "outbox")
    with sqlite3.connect(site.path) as database:
        return {name: database.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


def test_every_form_that_counts_once_is_tried_here() -> None:
    def marked(path: str, *_runs: Any, **options: Any) -> str | None:
        return path if options.get("once") else None

    made: Callable[..., Any] = dashboard.routes
    assert {path for path in made(marked, marked) if path} == set(FORMS)


@pytest.mark.parametrize("name", FORMS)
def test_sent_again_it_makes_nothing_and_leads_to_what_was_made(name: str, site: Site) -> None:
    browser, form, fields = opened(site, FORMS[name])
    before = made_in(site)
    assert send(browser, form.path, fields).status == form.status
    once_made = made_in(site)
    assert once_made != before
    again = send(browser, form.path, fields)
    assert (again.status, again.header("location")) == (303, form.goes_to)
    assert made_in(site) == once_made
    assert "nothing was done now" in browser.page(form.goes_to).text


@pytest.mark.parametrize("name", FORMS)
def test_of_eight_at_once_over_two_workers_one_acts(name: str, site: Site) -> None:
    browser, form, fields = opened(site, FORMS[name])
    store = sql.SqlStore(sql.engine_for(site.url))
    limits = Limit(4500), Limit(4500), Limit(600)
    worker = Face(dataclasses.replace(site.env, store=store), site.url_of_site, *limits, Refusals())
    windows = [Browser(each, site.runner, url=site.url_of_site) for each in [site.app, app.build(worker)] * 4]

    async def all_at_once() -> list[Reply]:
        for window in windows:
            window.cookies = dict(browser.cookies)
        return await asyncio.gather(*(w.send("POST", form.path, BROWSER, form=fields) for w in windows))

    replies = site.runner.run(all_at_once())
    worker.offload.close()
    store.close()
    sent_before = [reply for reply in replies if (reply.status, reply.header("location")) == (303, form.goes_to)]
    # a new factor renews the session's secret: who comes a moment after has the old one, and does nothing either
    late = [reply for reply in replies if reply.status == 403 and "Nothing was changed." in reply.text]
    assert len(sent_before) + len(late) == 7
    assert [reply.status for reply in replies if reply not in sent_before + late] == [form.status]


def secret_on(reply: Reply) -> str:
    found = re.search(r'class="secret-text"[^>]*>([^<]+)<', reply.text)
    assert found is not None, reply.text
    return found[1]


def test_a_rotation_that_is_reloaded_leaves_the_old_token_and_the_new_one_alive(site: Site) -> None:
    account = factors.without(site, admin=True).account
    old = site.mint(account, Kind.AUTHORIZATION, description="production")
    browser = site.browser()
    browser.sign_in()
    path = f"/settings/credentials/{old.grant.id}/rotate"
    fields = browser.form(browser.page(path), path) | {"overlap": str(DAY), "idle": str(DAY)}
    new = secret_on(send(browser, path, fields))
    for _ in range(3):
        assert send(browser, path, fields).status == 303
    assert old.secret is not None
    assert [site.client.get("/account", token=each).status for each in (old.secret, new)] == [200, 200]


def test_a_form_that_waited_for_a_proof_counts_once_too(site: Site) -> None:
    browser, form, fields = opened(site, authorization)
    site.clock.advance(seconds=policy.REAUTH)
    asked = send(browser, form.path, fields)
    assert "Confirm it is you" in asked.text
    proof = browser.form(asked, form.path) | {"password": PASSWORD}
    assert send(browser, form.path, proof).status == 201
    made = made_in(site)
    assert send(browser, form.path, proof).status == 303  # the answer reloaded
    assert send(browser, form.path, fields).status == 303  # back to the form itself
    assert [rows[:1] for rows in made["grants"]] == [rows[:1] for rows in made_in(site)["grants"]]


@pytest.mark.parametrize("carried", ["", "0" * 32, "0" * 32 + "." + "0" * 64])
def test_a_form_that_is_not_ours_does_not_pass_by_way_of_the_proof(carried: str, site: Site) -> None:
    browser, form, fields = opened(site, authorization)
    site.clock.advance(seconds=policy.REAUTH)
    proof = browser.form(send(browser, form.path, fields), form.path) | {"password": PASSWORD}
    reply = send(browser, form.path, proof | {"carry:csrf": carried})
    assert reply.status == 403
    assert "Nothing was changed" in reply.text
    with site.store.reading() as tx:
        [account] = tx.accounts()
        assert all(grant.kind is Kind.WEB for grant in tx.grants(account.id))


def test_the_form_of_another_session_is_not_ours(site: Site) -> None:
    browser, form, fields = opened(site, authorization)
    other = site.browser()
    other.sign_in()
    theirs = other.form(other.page(form.path), form.path)["csrf"]
    assert send(browser, form.path, fields | {"csrf": theirs}).status == 403
    assert send(browser, form.path, fields | {"csrf": fields["csrf"].partition(".")[2]}).status == 403
    assert send(browser, form.path, fields).status == 201


def test_what_was_wrong_can_be_reloaded_and_put_right_in_either_form(site: Site) -> None:
    browser, form, fields = opened(site, authorization)
    for _ in range(2):
        wrong = send(browser, form.path, fields | {"description": ""})
        assert wrong.status == 422
    new = browser.form(wrong, form.path)
    assert new["csrf"] != fields["csrf"]
    assert send(browser, form.path, new | form.values).status == 201
    assert send(browser, form.path, fields).status == 201  # it made nothing so far: another form, another authorization


def test_every_rendering_has_a_form_of_its_own(site: Site) -> None:
    browser, form, _ = opened(site, authorization)
    assert send(browser, form.path, browser.form(browser.page(form.path), form.path) | form.values).status == 201
    assert send(browser, form.path, browser.form(browser.page(form.path), form.path) | form.values).status == 201


def test_forms_are_forgotten_when_no_session_can_send_them_any_more(site: Site) -> None:
    browser, form, fields = opened(site, authorization)
    assert send(browser, form.path, fields).status == 201
    site.clock.advance(days=1)
    assert once.forget(site.env) == 0
    assert "Sign in" in browser.page(form.path).text
    site.clock.advance(seconds=1)
    assert once.forget(site.env) == 1
    assert send(browser, form.path, fields).status != 201

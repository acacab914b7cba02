"""A request that takes its time: what ended while its body was on the way acts no more when it is there."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from keyturn.actions import grants
from keyturn.actions.env import By
from keyturn.core.policy import Event

if TYPE_CHECKING:
    from tests.support.asgi import Exchange, Reply
    from tests.support.site import Site


async def held_back(exchange: Exchange, body: bytes, site: Site, account_id: str) -> Reply:
    """The answer when everything of the account ends between the request's head and its body."""
    for _ in range(50):  # the application has seen the head, and waits
        await asyncio.sleep(0)
    assert not exchange.sent
    with site.store.writing() as tx:
        grants.end(site.env, tx, By(), Event.SUSPEND, account_id)
    exchange.incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})
    return await exchange.reply()


def living(site: Site, account_id: str) -> list[str]:
    with site.store.reading() as tx:
        return [grant.kind for grant in tx.grants(account_id, alive_at=site.clock())]


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/oauth/authorizations", {"description": "mine for good"}),
        ("POST", "/oauth/authorizations/~/actions/regenerate-tokens", {}),
        ("POST", "/oauth/clients", {"name": "mine", "redirect_uri": "https://example.com/"}),
        ("GET", "/oauth/authorizations", {}),
    ],
)
def test_a_token_that_was_revoked_before_the_body_came_does_nothing(
    method: str, target: str, body: dict[str, str], site: Site
) -> None:
    account = site.account()
    secret = site.secret(account)

    async def run() -> Reply:
        exchange = site.client.begin(method, target, token=secret, body=[])
        return await held_back(exchange, json.dumps(body).encode(), site, account.id)

    reply = site.runner.run(run())
    assert (reply.status, reply.json["reason"]) == (401, "owner_suspended")
    assert living(site, account.id) == []


def test_a_browser_session_that_ended_before_the_form_came_approves_nothing(site: Site) -> None:
    account = site.account()
    browser = site.browser()
    browser.sign_in()
    path = site.client.post("/auth", json={"description": "a stranger"}).json["browser_url"]
    form = browser.form(browser.page(path), path) | {"decision": "approve"}

    async def run() -> Reply:
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        exchange = browser.begin("POST", path, kind, body=[])
        return await held_back(exchange, urlencode(form).encode(), site, account.id)

    assert site.runner.run(run()).status == 401
    assert "cli_login.approve" not in site.actions()

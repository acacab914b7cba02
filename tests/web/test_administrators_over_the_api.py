"""What administrators may do over the API, and by what: two things, both of them reading, by a login that they proved to be
theirs since they are one (docs/decisions/0021).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Router
from tests.support import factors
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import administer, authorizations, clients, transfers
from keyturn.actions.env import By
from keyturn.core.policy import Kind
from keyturn.web.call import Endpoint
from keyturn.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.asgi import Client, Reply
    from tests.support.site import Site

    from keyturn.core.credential import Account

BOSS, EVE, BOB = "boss@example.com", "eve@example.com", "bob@example.com"
SUSPENSION = f"/account/preview?event=suspend&account={EMAIL}"
ADMINISTRATORS = {"GET /account/preview", "GET /credentials/{id}/why"}


def promote(site: Site, account: Account) -> None:
    root = site.account("root@example.com", admin=True)
    administer.set_admin(site.env, site.by(site.mint(root, Kind.WEB)), account.id, admin=True)


def told(reply: Reply) -> tuple[int, str | None, str | None]:
    """What an answer comes to: a refusal's reason and mend, or how much a list has."""
    if isinstance(reply.json, list):
        return reply.status, f"{len(reply.json)} of them", None
    return reply.status, reply.json.get("reason"), reply.json.get("next")


REFUSED = (403, "administrators_login", "keyturn login")


def asked(site: Site, token: str, grant_id: str = "nobody's") -> list[tuple[int, str | None, str | None]]:
    """What the two acts of administrators answer."""
    return [told(site.client.get(path, token=token)) for path in (SUSPENSION, f"/credentials/{grant_id}/why")]


@pytest.mark.parametrize("kind", [Kind.LOGIN, Kind.AUTHORIZATION, Kind.API_KEY])
def test_a_token_of_before_the_promotion_is_no_administrators(site: Site, kind: Kind) -> None:
    account = site.account()
    held = site.mint(account, kind, proven=True)
    assert held.secret is not None
    others = site.mint(site.account(EVE), Kind.AUTHORIZATION).grant.id
    assert [status for status, *_ in asked(site, held.secret, others)] == [403, 404]
    promote(site, account)
    assert site.ended(held) is None
    assert asked(site, held.secret, others) == asked(site, held.secret) == [REFUSED] * 2
    # its own things are its own, as ever
    assert site.client.get(f"/credentials/{held.grant.id}/why", token=held.secret).status == 200
    fresh = site.secret(account, proven=True)
    assert [status for status, *_ in asked(site, fresh, others)] == [200, 200]


def test_what_is_made_with_a_token_of_before_is_no_administrators_either(site: Site, client: Client) -> None:
    account = site.account()
    stolen = site.mint(account, Kind.LOGIN, proven=True)
    assert stolen.secret is not None
    promote(site, account)
    made = [
        client.post("/oauth/authorizations", token=stolen.secret, json={"description": text}).json["access_token"][
            "token"
        ]
        for text in ("deploy", "Heroku CLI login from laptop")
    ]
    again = client.post(f"/oauth/authorizations/{stolen.grant.id}/actions/regenerate-tokens", token=stolen.secret)
    key = client.post("/oauth/authorizations/~/actions/regenerate-tokens", token=made[0])
    for secret in [*made, *(each.json["access_token"]["token"] for each in (again, key) if each.status == 201)]:
        assert asked(site, secret) == [REFUSED] * 2


def test_a_login_approved_before_the_promotion_and_collected_after_it_is_no_administrators(site: Site) -> None:
    account = site.account()
    waiting = site.client.post("/auth", json={"description": "Heroku CLI login from laptop"}).json
    browser = site.browser()
    browser.sign_in()
    path = waiting["browser_url"].removeprefix(site.url_of_site)
    browser.submit(browser.page(path), path, decision="approve")
    site.clock.advance(seconds=1)
    promote(site, account)
    site.clock.advance(seconds=1)
    collected = site.client.get(waiting["cli_url"], token=waiting["token"]).json
    assert asked(site, collected["access_token"]) == [REFUSED] * 2


def test_a_login_by_password_after_the_promotion_is_an_administrators(site: Site) -> None:
    account = site.account()
    promote(site, account)
    login, _ = authorizations.create_by_password(
        site.env, By(), EMAIL, PASSWORD, description="Heroku CLI login from laptop", expires_in=None, scopes=None
    )
    assert login.secret is not None
    assert [status for status, *_ in asked(site, login.secret, login.grant.id)] == [200, 200]


def test_a_proof_by_the_password_alone_counts_no_more_once_there_is_a_second_factor(site: Site) -> None:
    site.account()
    holder = factors.without(site, BOSS, admin=True)
    login = site.secret(holder.account, proven=True)
    assert asked(site, login)[0][0] == 200
    factors.add_app(holder)
    assert asked(site, login) == [REFUSED] * 2
    proven = site.client.request(
        "PUT", "/account/password", ("Heroku-Two-Factor-Code", holder.fresh_code()), token=login,
        json={"current_password": "wrong", "new_password": "x"},
    )  # fmt: skip
    assert proven.status != 200
    assert asked(site, login)[0][0] == 200


def test_who_is_promoted_a_second_time_logs_in_a_second_time(site: Site) -> None:
    account = site.account()
    root = site.by(site.mint(site.account("root@example.com", admin=True), Kind.WEB))
    administer.set_admin(site.env, root, account.id, admin=True)
    login = site.secret(account, proven=True)
    assert asked(site, login)[0][0] == 200
    administer.set_admin(site.env, root, account.id, admin=False)
    assert asked(site, login)[0] == (403, "administrators_only", "ask your administrator")
    administer.set_admin(site.env, root, account.id, admin=True)
    assert asked(site, login) == [REFUSED] * 2


# The walk: an administrator over the API is anybody else, but for the two.


def calls(site: Site) -> Iterator[tuple[str, str]]:
    router = next(value for value in vars(site.app).values() if isinstance(value, Router))
    for route in router.routes:
        if isinstance(route, Route) and isinstance(route.app, Endpoint) and route.app.permission is not None:
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path
    yield "GET", "/credentials/{id}/why"
    yield "GET", "/verify"


def adas(site: Site) -> dict[str, list[str]]:
    """One of everything of an account, by the names of the paths' variables."""
    holder, bob = factors.with_app(site), site.account(BOB)
    ada = holder.account
    login = site.mint(ada)
    assert login.secret is not None
    token = login.secret
    site.client.post("/apps", token=token, json={"name": "adas-app"})
    site.client.post("/apps/adas-app/collaborators", token=token, json={"user": BOB})
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHyYTAmGGvZ5hBJ6IPIqr3EQRdXUFzPFxp4JHYOkOhz ada@laptop"
    client = clients.create(
        site.env, site.by(login), site.principal(login), name="Board", redirect_uri="https://board.example.com/"
    )
    offered = transfers.offer(site.env, site.by(login), site.principal(login), app="adas-app", recipient=BOB)
    with site.store.reading() as tx:
        [factor] = tx.factors(holder.account.id)
    ids = [
        login.grant.id, site.mint(ada, Kind.AUTHORIZATION).grant.id, site.mint(ada, Kind.WEB).grant.id,
        site.client.post("/account/keys", ("Heroku-Two-Factor-Code", holder.fresh_code()), token=token,
                         json={"public_key": key}).json["id"],
        client.client.id, offered.transfer.id, factor.id, ada.id, EMAIL,
    ]  # fmt: skip
    return {"id": ids, "id:path": ids, "app": ["adas-app"], "who": [EMAIL, bob.id]}


def filled(path: str, things: dict[str, list[str]]) -> Iterator[str]:
    name = re.search(r"\{([^}]*)\}", path)
    if name is None:
        yield path
        return
    for value in things[name[1]]:
        yield from filled(path.replace(name[0], value, 1), things)


def test_over_the_api_an_administrator_may_what_everybody_may_and_two_things_more(site: Site) -> None:
    things = adas(site)
    eve, boss = site.account(EVE), site.account(BOSS, admin=True)
    body: dict[str, Any] = {
        "description": "x", "expires_in": 60, "code": "000000", "user": EMAIL, "recipient": EMAIL, "permissions": ["view"],
        "app": "adas-app", "state": "accepted", "redirect_uri": "https://x.example.com/",
    }  # fmt: skip
    more: set[str] = set()
    seen = 0
    for method, path in calls(site):
        for one in filled(path, things):
            query = f"?event=suspend&account={EMAIL}" if path == "/account/preview" else ""
            answers = []
            for who in (eve, boss):
                sent = body | {"name": f"app-of-{who.email.partition('@')[0]}"} if method != "GET" else None
                reply = site.client.request(method, one + query, token=site.secret(who, proven=True), json=sent)
                answers.append(told(reply))
            seen += 1
            if answers[0] != answers[1]:
                more.add(f"{method} {path}")
    assert seen > 100
    assert more == ADMINISTRATORS
    with site.store.reading() as tx:
        about = [event.action for event in tx.audit_events(things["id"][7]) if event.actor_id == boss.id]
    assert about == []

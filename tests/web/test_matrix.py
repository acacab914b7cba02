"""Law: every event ends exactly the credentials that the table of the policy says, and each says so on the wire.

Each case is a world that holds one credential of each kind, a second login that acts, and one event that really happens:
by its route, over the real store. The expectation is read off the table; the preview is asked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.causes import CAUSES, ELSEWHERE, MINTED, NOT_YET, targets
from tests.support.rules import STRICTEST, put_in_force
from tests.support.world import EMAIL

from keyturn.actions import accounts, grants, preview
from keyturn.actions.env import By
from keyturn.core import policy
from keyturn.core.overrides import parse
from keyturn.core.policy import DEFAULT, HOUR, ONE, REASON_OF, Effect, Event, Kind
from keyturn.web.pages.browser import cookie_name

if TYPE_CHECKING:
    from tests.support.site import Site

    from keyturn.actions.grants import Credential
    from keyturn.core.policy import Policy

RULES = {"default": DEFAULT, "strictest": STRICTEST}
CASES = [
    pytest.param(name, event, kind, id=f"{name}-{event}" + (f"-{kind}" if event in ONE else ""))
    for name, rules in RULES.items()
    for event in CAUSES
    for kind in targets(event, rules)
]


def test_every_event_is_in_the_matrix_or_known_to_be_impossible() -> None:
    assert set(CAUSES) | ELSEWHERE | NOT_YET == set(Event)
    assert not set(CAUSES) & (ELSEWHERE | NOT_YET)
    assert policy.NOT_YET == NOT_YET


def fate(site: Site, credential: Credential) -> str | None:
    """What the wire says of the very secret: None while it works, else the reason."""
    assert credential.secret is not None
    if credential.grant.kind is Kind.WEB:
        browser = site.browser()
        browser.cookies[cookie_name(site.face, "session")] = credential.secret
        return None if "Sign out" in browser.page("/").text else "signed out"
    reply = site.client.get("/verify", token=credential.secret)
    if reply.status == 200:
        assert reply.header("x-keyturn-credential") == credential.grant.id
        return None
    assert reply.status == 401
    assert reply.json["credential"]["id"] == credential.grant.id
    assert reply.header("x-keyturn-reason") == reply.json["reason"]
    reason: str = reply.json["reason"]
    return reason


def listed(site: Site) -> dict[str, str | None]:
    """What the owner, logged in anew, finds in the lists: by id, of what each ended."""
    accounts.unsuspend(site.env, By(), EMAIL)
    with site.store.reading() as tx:
        account = tx.account_by_email(EMAIL)
    assert account is not None
    token = site.secret(account)
    rows = [
        row
        for path in ("/oauth/authorizations", "/oauth/sessions")
        for row in site.client.get(f"{path}?include=ended", token=token).json
    ]
    assert all(("reason" in row) == ("ended_at" in row) for row in rows)
    return {row["id"]: row.get("reason") for row in rows}


def world(site: Site, rules: Policy, mortal: Kind | None) -> tuple[dict[str, Credential], Credential]:
    """One credential of each kind, by id, and the login that acts, which is one of them."""
    put_in_force(site, rules)
    account = site.account()
    made = [site.mint(account, kind, asked=HOUR if kind is mortal else None) for kind in MINTED]
    acting = site.mint(account, Kind.LOGIN)
    return {credential.grant.id: credential for credential in [*made, acting]}, acting


@pytest.mark.parametrize(("name", "event", "target"), CASES)
def test_an_event_ends_what_the_table_says_and_nothing_else(name: str, event: Event, target: Kind, site: Site) -> None:
    rules = RULES[name]
    credentials, acting = world(site, rules, target if event is Event.EXPIRY else None)
    about = next(credential for credential in credentials.values() if credential.grant.kind is target)
    assert acting.secret is not None
    assert {fate(site, credential) for credential in credentials.values()} == {None}

    doomed = set()
    for identity, credential in credentials.items():
        effect = rules.effects[event, credential.grant.kind]
        reached = event not in ONE or identity == about.grant.id
        spared = effect is Effect.SPARED and identity == acting.grant.id
        if reached and not spared and effect in (Effect.DIES, Effect.REPLACED, Effect.SPARED):
            doomed.add(identity)
    by = site.by(acting) if event is not Event.SUSPEND else By()
    with site.store.reading() as tx:
        foretold = grants.would_end(site.env, tx, by, event, about.grant.account_id, target=about.grant.id)
    assert {ending.grant.id for ending in foretold} == doomed
    if event in preview.OWN:
        shown = site.client.get(f"/account/preview?event={event}&id={about.grant.id}", token=acting.secret).json
        assert {row["id"] for row in shown["ends"]} == doomed
        assert {row["id"] for row in shown["lives"]} == set(credentials) - doomed

    CAUSES[event](site, acting.secret, about)

    for identity, credential in credentials.items():
        told = fate(site, credential)
        if identity not in doomed:
            assert told is None, (credential.grant.kind, told)
        else:
            assert told == ("signed out" if credential.grant.kind is Kind.WEB else REASON_OF[event])
    rows = listed(site)
    for identity in credentials:
        # a rotation ends the token, and its authorization goes on with another
        ended = identity in doomed and event is not Event.ROTATION
        assert rows[identity] == (REASON_OF[event] if ended else None)


@pytest.mark.parametrize("event", [Event.PASSWORD_CHANGE, Event.KEY_REGENERATED])
def test_what_is_replaced_has_a_successor(event: Event, site: Site) -> None:
    credentials, acting = world(site, DEFAULT, None)
    assert acting.secret is not None
    CAUSES[event](site, acting.secret, acting)
    key = site.client.get("/oauth/authorizations/~", token=acting.secret)
    assert key.status == 200
    assert key.json["id"] not in credentials


def test_an_api_key_expires_where_an_operator_says_so(site: Site) -> None:
    put_in_force(site, parse('lifetimes.api_key.longest = "90 days"', name="p"))
    acting = site.login()
    made = site.client.post("/oauth/authorizations/~/actions/regenerate-tokens", token=acting).json
    assert made["life"].startswith("expires in 90 days (2026-05-31 ")
    secret = made["access_token"]["token"]
    site.clock.advance(days=90, seconds=-1)
    assert site.client.get("/verify", token=secret).status == 200
    site.clock.advance(seconds=1)
    refused = site.client.get("/verify", token=secret)
    assert (refused.status, refused.json["reason"]) == (401, "expired")

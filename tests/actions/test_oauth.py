"""Authorization requests and codes of OAuth clients: each norm of RFC 6749, 7636 and 9700 as an attack that has to fail."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.oauth import CALLBACK, CHALLENGE, LOCAL, VERIFIER, challenge_of, register
from tests.support.world import NEW_PASSWORD, PASSWORD

from keyturn.actions import accounts, clients, consent, oauth_tokens
from keyturn.actions.env import Invalid
from keyturn.actions.oauth_tokens import Proof, TokenRefused
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.oauth import App
    from tests.support.world import World

    from keyturn.actions.grants import Credential

HOUR, DAY = 3600, 86400


@pytest.fixture
def owner(world: World) -> Credential:
    """Who registered the client."""
    return world.mint(world.account("owner@example.com"))


@pytest.fixture
def person(world: World) -> Credential:
    """Who is asked, signed in to a browser."""
    return world.mint(world.account(), Kind.WEB)


@pytest.fixture
def app(world: World, owner: Credential) -> App:
    return register(world, owner)


def refused(act: Callable[[], object]) -> tuple[str, str | None]:
    with pytest.raises(TokenRefused) as problem:
        act()
    return problem.value.error, problem.value.reason


# The authorization request.


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({}, None),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "read everything"}, "invalid_scope"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, None),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": CHALLENGE}, "invalid_request"),  # without a method it would be plain [RFC 7636 4.3]
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "=", "code_challenge_method": "S256"}, "invalid_request"),
    ],
)
def test_a_request_that_is_wrong_gets_its_error_and_no_code(
    more: dict[str, Any], error: str | None, world: World, app: App, person: Credential
) -> None:
    asked = app.asks(**more)
    assert consent.read(world.env, asked).error == error
    request, code = consent.allow(world.env, world.by(person), world.principal(person), asked)
    assert (request.error, code is None) == (error, error is not None)
    assert request.state == "xyz"


@pytest.mark.parametrize("name", ["scope", "state", "response_type", "code_challenge", "anything"])
def test_a_parameter_given_twice_is_an_error(name: str, world: World, app: App) -> None:
    asked = app.asks() | {name: ["read", "global"]}
    assert consent.read(world.env, asked).error == "invalid_request"


@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/", CALLBACK + "/", CALLBACK + "?x=1", CALLBACK.upper(), "http://app.example.com/callback"],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(
    uri: str, world: World, app: App, person: Credential
) -> None:
    asked = app.asks(redirect_uri=uri)
    for act in (
        lambda: consent.read(world.env, asked),
        lambda: consent.allow(world.env, world.by(person), world.principal(person), asked),
        lambda: consent.deny(world.env, world.by(person), asked),
    ):
        with pytest.raises(Invalid) as problem:
            act()
        assert problem.value.field == "redirect_uri"


def test_two_addresses_or_two_clients_in_one_request_are_nobodys(world: World, app: App) -> None:
    doubles: list[dict[str, list[str]]] = [
        {"redirect_uri": [CALLBACK, CALLBACK]},
        {"client_id": [app.id, app.id]},
        {"client_id": []},
    ]
    for double in doubles:
        with pytest.raises(Invalid):
            consent.read(world.env, app.asks() | double)


def test_a_client_that_is_unknown_removed_or_of_a_suspended_account_asks_nobody(
    world: World, owner: Credential, app: App
) -> None:
    gone = register(world, owner, "Gone")
    clients.remove(world.env, world.by(owner), world.principal(owner), gone.id)
    for identity in (gone.id, "nonsense", world.env.new_id()):
        with pytest.raises(Invalid, match="no such application"):
            consent.read(world.env, app.asks(client_id=identity))
    accounts.suspend(world.env, world.by(), "owner@example.com")
    with pytest.raises(Invalid, match="no such application"):
        consent.read(world.env, app.asks())


def test_on_plain_http_a_client_has_to_use_pkce(world: World, owner: Credential, person: Credential) -> None:
    local = register(world, owner, "Local", LOCAL)
    assert consent.read(world.env, local.asks()).error == "invalid_request"
    here = "http://127.0.0.1:51234/callback"
    code = local.code(person, redirect_uri=here, code_challenge=CHALLENGE, code_challenge_method="S256")
    made = local.exchange(code, uri=here, verifier=VERIFIER)
    assert world.reason(made.credential.secret) is None


def test_what_nobody_asked_for_is_everything_and_the_request_says_so(world: World, app: App) -> None:
    assert consent.read(world.env, app.asks(scope=None)).scopes == ("global",)
    assert consent.read(world.env, app.asks(scope="read,identity")).scopes == ("identity", "read")


# Code to tokens.


def test_a_code_becomes_tokens_with_the_scopes_that_were_allowed(world: World, app: App, person: Credential) -> None:
    made = app.exchange(app.code(person, scope="identity read")).credential
    assert made.secret is not None
    assert made.refresh is not None
    assert (made.secret[:4], str(made.refresh_secret)[:4]) == ("kto_", "ktr_")
    assert made.grant.scopes == ("identity", "read")
    assert (made.grant.kind, made.grant.client_id, made.grant.description) == (Kind.OAUTH, app.id, "Dashboard")
    now = world.clock()
    assert made.token.expires_at == now + timedelta(hours=8)
    assert made.refresh.expires_at == now + timedelta(days=30)
    assert made.grant.expires_at == now + timedelta(days=365)
    assert world.reason(made.secret) is None
    assert world.reason(made.refresh_secret) == "wrong_kind"


def test_neither_code_nor_refresh_token_is_in_the_database(world: World, app: App, person: Credential) -> None:
    code = app.code(person)
    made = app.exchange(code).credential
    with closing(sqlite3.connect(world.path)) as raw:
        dump = "\n".join(raw.iterdump())
    for secret in (code, made.secret, made.refresh_secret, app.secret):
        assert str(secret) not in dump


def test_a_code_used_twice_is_refused_and_ends_what_it_made(world: World, app: App, person: Credential) -> None:
    code = app.code(person)
    made = app.exchange(code).credential
    assert refused(lambda: app.exchange(code)) == ("invalid_grant", "token_reused")
    assert world.reason(made.secret) == "token_reused"
    assert refused(lambda: app.refresh(made.refresh_secret)) == ("invalid_grant", "token_reused")
    assert "oauth.reuse" in world.actions()


def test_whoever_has_a_used_code_and_no_secret_cannot_end_anything(world: World, app: App, person: Credential) -> None:
    code = app.code(person)
    made = app.exchange(code).credential
    assert refused(lambda: app.exchange(code, proof=Proof(app.id, "kty_wrong"))) == ("invalid_client", None)
    assert world.reason(made.secret) is None


@pytest.mark.parametrize(("seconds", "dead"), [(299, False), (300, True)])
def test_a_code_is_good_for_five_minutes(seconds: int, dead: bool, world: World, app: App, person: Credential) -> None:
    code = app.code(person)
    world.clock.advance(seconds=seconds)
    if dead:
        assert refused(lambda: app.exchange(code)) == ("invalid_grant", "expired")
    else:
        assert world.reason(app.exchange(code).credential.secret) is None


@pytest.mark.parametrize(
    ("client_id", "secret", "error"),
    [
        ("own", "wrong", "invalid_client"),
        ("own", None, "invalid_client"),
        ("own", "", "invalid_client"),
        (None, "wrong", "invalid_client"),
        ("other", "own", "invalid_client"),
        ("nonsense", "own", "invalid_client"),
        ("other", "other", "invalid_grant"),  # another client, well proven: but the code is not its own
        (None, "other", "invalid_client"),
    ],
)
def test_a_code_is_its_clients_alone(
    client_id: str | None, secret: str | None, error: str, world: World, owner: Credential, app: App, person: Credential
) -> None:
    other = register(world, owner, "Other")
    ids = {"own": app.id, "other": other.id, "nonsense": "nonsense", None: None}
    secrets = {"own": app.secret, "other": other.secret, "wrong": "kty_wrong", "": "", None: None}
    code = app.code(person)
    assert refused(lambda: app.exchange(code, proof=Proof(ids[client_id], secrets[secret])))[0] == error
    assert [g for g in world_grants(world, person) if g.kind is Kind.OAUTH] == []
    assert world.reason(app.exchange(code).credential.secret) is None  # and stays good for it


def world_grants(world: World, person: Credential) -> list[Any]:
    with world.store.reading() as tx:
        return list(tx.grants(person.grant.account_id))


def test_herokus_clients_leave_out_their_id(world: World, app: App, person: Credential) -> None:
    made = app.exchange(app.code(person), proof=Proof(None, app.secret)).credential
    renewed = app.refresh(made.refresh_secret, proof=Proof(None, app.secret)).credential
    assert world.reason(renewed.secret) is None


@pytest.mark.parametrize("named", [None, CALLBACK])
@pytest.mark.parametrize("given", [None, CALLBACK, "https://evil.example/", CALLBACK + "/"])
def test_the_exchange_names_the_address_of_the_request(
    named: str | None, given: str | None, app: App, person: Credential
) -> None:
    code = app.code(person, redirect_uri=named)
    if given == named or (named is None and given == CALLBACK):
        assert app.exchange(code, uri=given).credential.secret
    else:
        assert refused(lambda: app.exchange(code, uri=given))[0] == "invalid_grant"


@pytest.mark.parametrize(
    "verifier", [None, "", "x" * 43, VERIFIER[:-1], VERIFIER + "x", CHALLENGE, "ü" * 43, "x" * 129]
)
def test_a_code_asked_for_with_pkce_needs_its_verifier(verifier: str | None, app: App, person: Credential) -> None:
    code = app.code(person, code_challenge=CHALLENGE, code_challenge_method="S256")
    assert refused(lambda: app.exchange(code, verifier=verifier))[0] == "invalid_grant"
    assert app.exchange(code, verifier=VERIFIER).credential.secret


def test_a_verifier_for_a_code_asked_for_without_pkce_is_a_downgrade(app: App, person: Credential) -> None:
    code = app.code(person)
    assert refused(lambda: app.exchange(code, verifier=VERIFIER))[0] == "invalid_grant"


@given(st.text("abcXYZ019-._~", min_size=43, max_size=128), st.text("abcXYZ019-._~", min_size=43, max_size=128))
def test_a_verifier_proves_its_own_challenge_and_no_other(one: str, other: str) -> None:
    wrong = oauth_tokens._wrong_verifier
    assert wrong(challenge_of(one), one) is None
    assert (wrong(challenge_of(one), other) is None) == (one == other)


def test_a_password_changed_or_an_account_suspended_meanwhile_leaves_the_code_useless(
    world: World, app: App, person: Credential
) -> None:
    code = app.code(person)
    accounts.change_password(
        world.env, world.by(person), world.principal(person), current_password=PASSWORD, new_password=NEW_PASSWORD
    )
    assert refused(lambda: app.exchange(code)) == ("invalid_grant", "password_changed")
    code = app.code(person)
    accounts.suspend(world.env, world.by(), world.principal(person).email)
    assert refused(lambda: app.exchange(code)) == ("invalid_grant", "owner_suspended")


@pytest.mark.parametrize("text", ["", "nonsense", "ktx_", "undefined", "ktr_" + "0" * 38, "\x00", "ü"])
def test_what_was_never_issued_is_refused_without_a_write(text: str, world: World, app: App) -> None:
    before = len(world.audit())
    assert refused(lambda: app.exchange(text))[0] == "invalid_grant"
    assert refused(lambda: app.refresh(text))[0] == "invalid_grant"
    assert len(world.audit()) == before

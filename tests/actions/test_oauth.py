"""Codes and tokens of OAuth clients: each norm of RFC 6749, 7636, 7009 and 9700 as an attack that has to fail."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.oauth import CALLBACK, CHALLENGE, LOCAL, VERIFIER, challenge_of, register
from tests.support.world import NEW_PASSWORD, PASSWORD

from keyturn.actions import accounts, authorizations, clients, consent, grants, oauth_tokens
from keyturn.actions.env import Invalid, NotFound
from keyturn.actions.oauth_tokens import Proof, TokenRefused
from keyturn.core import policy
from keyturn.core.policy import Event, Kind

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


# Refreshing.


def test_a_refresh_gives_another_pair_and_the_old_access_token_goes_on_for_a_minute(
    world: World, app: App, person: Credential
) -> None:
    first = app.let_in(person)
    second = app.refresh(first.refresh_secret).credential
    assert second.grant.id == first.grant.id
    assert len({first.secret, second.secret, first.refresh_secret, second.refresh_secret}) == 4
    assert (world.reason(first.secret), world.reason(second.secret)) == (None, None)
    world.clock.advance(seconds=policy.OAUTH_OVERLAP)
    assert (world.reason(first.secret), world.reason(second.secret)) == ("rotated", None)


def test_a_refresh_token_used_twice_ends_the_whole_authorization(world: World, app: App, person: Credential) -> None:
    first = app.let_in(person)
    second = app.refresh(first.refresh_secret).credential
    world.clock.advance(seconds=1)
    assert refused(lambda: app.refresh(first.refresh_secret)) == ("invalid_grant", "token_reused")
    assert world.reason(second.secret) == "token_reused"
    assert refused(lambda: app.refresh(second.refresh_secret)) == ("invalid_grant", "token_reused")


def test_a_used_refresh_token_without_the_clients_secret_ends_nothing(
    world: World, owner: Credential, app: App, person: Credential
) -> None:
    first = app.let_in(person)
    second = app.refresh(first.refresh_secret).credential
    other = register(world, owner, "Other")
    for proof in (Proof(app.id, "kty_wrong"), Proof(None, None), other.proof):
        refused(lambda proof=proof: app.refresh(first.refresh_secret, proof=proof))  # type: ignore[misc]
    assert world.reason(second.secret) is None


def test_an_access_token_is_no_refresh_token_and_a_refresh_token_no_access_token(
    world: World, app: App, person: Credential
) -> None:
    made = app.let_in(person)
    assert refused(lambda: app.refresh(made.secret))[0] == "invalid_grant"
    assert world.reason(made.refresh_secret) == "wrong_kind"


def test_unused_for_thirty_days_a_refresh_token_is_over_and_used_it_slides_up_to_a_year(
    world: World, app: App, person: Credential
) -> None:
    idle = app.let_in(person)
    used = app.let_in(person)
    start = world.clock.now
    while world.clock.now < start + timedelta(days=335):
        world.clock.advance(days=29)
        used = app.refresh(used.refresh_secret).credential
        assert used.refresh is not None
        assert used.refresh.expires_at is not None
        assert used.grant.expires_at is not None
        assert used.refresh.expires_at <= used.grant.expires_at
    assert refused(lambda: app.refresh(idle.refresh_secret)) == ("invalid_grant", "expired")
    world.clock.now = start + timedelta(days=365)
    assert refused(lambda: app.refresh(used.refresh_secret)) == ("invalid_grant", "expired")
    assert world.reason(used.secret) == "expired"


def test_a_refresh_cannot_widen_or_change_the_scope(app: App, person: Credential) -> None:
    made = app.let_in(person, scope="identity read")
    for scopes in ("global", "read", "identity read write", "nonsense"):
        assert refused(lambda scopes=scopes: app.refresh(made.refresh_secret, scopes=scopes))[0] == "invalid_scope"  # type: ignore[misc]
    assert app.refresh(made.refresh_secret, scopes="read identity").credential.grant.scopes == ("identity", "read")


@pytest.mark.parametrize(
    ("event", "reason"),
    [(Event.REVOKE, "revoked_by_owner"), (Event.LEAK, "reported_leaked"), (Event.SUSPEND, "owner_suspended")],
)
def test_a_refresh_after_the_end_says_of_what_the_authorization_died(
    event: Event, reason: str, world: World, app: App, person: Credential
) -> None:
    made = app.let_in(person)
    with world.store.writing() as tx:
        grants.end(world.env, tx, world.by(), event, made.grant.account_id, target=made.grant.id)
    assert refused(lambda: app.refresh(made.refresh_secret)) == ("invalid_grant", reason)


def test_a_client_that_was_removed_learns_it_at_the_next_refresh(
    world: World, owner: Credential, app: App, person: Credential
) -> None:
    made = app.let_in(person)
    clients.remove(world.env, world.by(owner), world.principal(owner), app.id)
    assert refused(lambda: app.refresh(made.refresh_secret)) == ("invalid_grant", "client_removed")
    assert refused(lambda: app.refresh(made.refresh_secret, proof=Proof(app.id, "kty_wrong")))[0] == "invalid_client"


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40 * DAY)), max_size=12))
def test_of_any_order_of_refreshes_at_most_one_refresh_token_is_ever_good(steps: list[tuple[int, int]]) -> None:
    import tempfile
    from pathlib import Path

    from tests.support.world import World

    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        app = register(world, world.mint(world.account("owner@example.com")))
        made = app.let_in(world.mint(world.account(), Kind.WEB))
        held = [made.refresh_secret]
        alive, since = True, world.clock.now
        for which, wait in steps:
            world.clock.advance(seconds=wait + 1)
            back = min(which, len(held) - 1)
            good = (
                alive
                and back == 0
                and world.clock.now < min(since + timedelta(days=30), made.grant.expires_at or since)
            )
            try:
                held.insert(0, app.refresh(held[back]).credential.refresh_secret)
                assert good
                since = world.clock.now
            except TokenRefused as problem:
                assert not good
                alive = alive and problem.reason == "expired" and back == 0
        assert len(set(held)) == len(held)
        world.close()


# Giving up and taking back.


def test_a_client_gives_a_token_up_and_with_it_the_authorization(world: World, app: App, person: Credential) -> None:
    by_access, by_refresh = app.let_in(person), app.let_in(person)
    oauth_tokens.revoke(world.env, world.by(), app.proof, str(by_access.secret))
    oauth_tokens.revoke(world.env, world.by(), Proof(None, app.secret), str(by_refresh.refresh_secret))
    assert [world.reason(c.secret) for c in (by_access, by_refresh)] == ["revoked_by_client"] * 2
    assert refused(lambda: app.refresh(by_access.refresh_secret)) == ("invalid_grant", "revoked_by_client")
    oauth_tokens.revoke(world.env, world.by(), app.proof, str(by_access.secret))  # again: nothing to say [RFC 7009 2.2]


def test_a_client_can_give_up_nothing_but_its_own(
    world: World, owner: Credential, app: App, person: Credential
) -> None:
    other, made, login = (
        register(world, owner, "Other"),
        app.let_in(person),
        world.mint(world.account("kay@example.com")),
    )
    assert (
        refused(lambda: oauth_tokens.revoke(world.env, world.by(), other.proof, str(made.secret)))[0]
        == "unauthorized_client"
    )
    for proof in (
        Proof(app.id, "kty_wrong"),
        Proof(None, None),
        Proof("nonsense", app.secret),
        Proof(None, other.secret),
    ):
        wrong = refused(lambda proof=proof: oauth_tokens.revoke(world.env, world.by(), proof, str(made.secret)))  # type: ignore[misc]
        assert wrong[0] == "invalid_client"
    for text in (str(login.secret), "nonsense", "kto_" + "0" * 38):
        oauth_tokens.revoke(world.env, world.by(), app.proof, text)
    assert world.reason(made.secret) is None
    assert world.reason(login.secret) is None


def test_its_owner_takes_an_authorization_back_by_the_id_of_either_token(
    world: World, app: App, person: Credential
) -> None:
    one, two = app.let_in(person), app.let_in(person)
    assert one.refresh is not None
    by, principal = world.by(person), world.principal(person)
    oauth_tokens.remove(world.env, by, principal, one.refresh.id)
    oauth_tokens.remove(world.env, by, principal, two.token.id)
    assert [world.reason(c.secret) for c in (one, two)] == ["revoked_by_owner"] * 2
    other = world.mint(world.account("kay@example.com"))
    three = app.let_in(person)
    for identity in (three.token.id, "nonsense"):
        with pytest.raises(NotFound):
            oauth_tokens.remove(world.env, world.by(other), world.principal(other), identity)


def test_what_was_let_in_is_listed_with_its_client_and_masked(world: World, app: App, person: Credential) -> None:
    made = app.let_in(person)
    found = authorizations.listed(world.env, world.principal(person))
    assert [c.grant.id for c in found] == [made.grant.id]
    assert found[0].client is not None
    assert (found[0].client.id, found[0].secret) == (app.id, None)
    assert found[0].refresh is not None
    assert "**" in found[0].refresh.mask


def test_a_client_on_its_narrow_token_cannot_make_a_wider_one(world: World, app: App, person: Credential) -> None:
    from keyturn.actions.authenticate import authenticate
    from keyturn.core import decide
    from keyturn.core.credential import Principal

    made = app.let_in(person, scope="write-protected")
    acting = authenticate(world.env, str(made.secret))
    assert isinstance(acting, Principal)
    for permission in ("authorizations:write", "clients:read", "account:password", "sessions:write"):
        assert decide.authorize(acting, permission) is not None

"""OAuth clients' tokens after the exchange: refreshed, reused, given up, taken back [RFC 6749 6, RFC 7009, RFC 9700 4.14]."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.oauth import register

from keyturn.actions import accounts, authorizations, clients, grants, oauth_tokens
from keyturn.actions.env import NotFound
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


def test_the_client_of_a_suspended_account_gets_no_tokens_until_it_is_let_in_again(
    world: World, app: App, person: Credential
) -> None:
    first, code = app.let_in(person), app.code(person)
    accounts.suspend(world.env, world.by(), "owner@example.com")
    for act in (lambda: app.refresh(first.refresh_secret), lambda: app.exchange(code)):
        assert refused(act) == ("unauthorized_client", "owner_suspended")
    accounts.unsuspend(world.env, world.by(), "owner@example.com")
    assert app.refresh(first.refresh_secret).credential.grant.id == first.grant.id
    assert app.exchange(code).credential.secret

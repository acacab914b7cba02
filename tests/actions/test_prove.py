"""Proving once more who one is: what counts, for how long, and what it does to the session."""

from __future__ import annotations

import pytest
from tests.support.factors import HERE, ORIGIN, Holder, add_app, seed_of_key, with_app, with_passkey, without
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD, World

from keyturn.actions import accounts, authorizations, factors, prove, second_step
from keyturn.actions.authenticate import web_session
from keyturn.actions.env import By, NotFound, Refused, Throttled
from keyturn.core import policy, totp
from keyturn.core.policy import Kind


def refused_code(holder: Holder, code: str | None, kind: Kind = Kind.LOGIN) -> Refused:
    credential = holder.world.mint(holder.account, kind)
    with pytest.raises(Refused) as refusal:
        prove.require(holder.world.env, holder.world.by(credential), holder.world.principal(credential), code)
    return refusal.value


def test_the_password_renews_the_session_and_its_old_secret_is_dead(world: World) -> None:
    session = without(world).session()
    principal = world.principal(session)
    assert not prove.recently(world.env, principal)
    secret = prove.by_password(world.env, world.by(session), principal, PASSWORD)
    assert web_session(world.env, session.secret or "") is None
    renewed = web_session(world.env, secret)
    assert renewed is not None
    assert renewed.grant_id == principal.grant_id
    assert prove.recently(world.env, renewed)
    world.clock.advance(seconds=policy.REAUTH)
    assert not prove.recently(world.env, renewed)


def test_a_session_that_ended_while_the_password_was_checked_is_not_brought_back(world: World) -> None:
    session = without(world).session()
    principal, by = world.principal(session), world.by(session)
    accounts.suspend(world.env, By(), EMAIL)
    accounts.unsuspend(world.env, By(), EMAIL)
    with pytest.raises(Refused):
        prove.by_password(world.env, by, principal, PASSWORD)


def test_a_renewed_session_s_old_secret_renews_nothing(world: World) -> None:
    holder = with_app(world)
    session = holder.session()
    principal, by = world.principal(session), world.by(session)
    secret = prove.by_code(world.env, by, principal, holder.code())
    with pytest.raises(Refused):
        prove.by_code(world.env, by, principal, holder.fresh_code())
    assert web_session(world.env, secret) is not None


def test_with_a_second_factor_the_password_is_no_proof(world: World) -> None:
    session = with_app(world).session()
    with pytest.raises(Refused, match="second factor"):
        prove.by_password(world.env, world.by(session), world.principal(session), PASSWORD)
    assert web_session(world.env, session.secret or "") is not None


def test_a_login_that_the_password_let_in_takes_the_code_once_there_is_a_second_factor(world: World) -> None:
    holder = without(world)
    made, _ = authorizations.create_by_password(
        world.env, By(), EMAIL, PASSWORD, description="Heroku CLI login from a laptop", expires_in=None, scopes=None
    )
    world.clock.advance(minutes=1)
    add_app(holder)
    by, principal = world.by(made), world.principal(made)
    with pytest.raises(Refused):
        prove.require(world.env, by, principal, None)
    prove.require(world.env, by, principal, holder.fresh_code())
    prove.require(world.env, by, principal, None)


def test_what_the_password_alone_began_turns_into_no_factor_once_there_is_a_second_factor(world: World) -> None:
    holder = without(world)
    session = holder.session()
    login = world.mint(holder.account)
    begun = factors.begin_codes(world.env, world.by(login), world.principal(login), name="a thief's")
    seed = seed_of_key(begun.key)
    with world.store.writing() as tx:
        tx.change_grant(session.grant.id, proven_at=world.clock(), scopes="enrol")
    world.clock.advance(minutes=1)
    add_app(holder)
    with pytest.raises(NotFound):
        factors.confirm_codes(
            world.env,
            world.by(login),
            world.principal(login),
            begun.factor.id,
            totp.code(seed, totp.step_at(world.clock())),
        )
    # nor does a session to set up a factor with become a whole one by it
    by, principal = world.by(session), world.principal(session)
    begun = factors.begin_codes(world.env, by, principal)
    code = totp.code(seed_of_key(begun.key), totp.step_at(world.clock()))
    with pytest.raises(Refused):
        factors.confirm_codes(world.env, by, principal, begun.factor.id, code)
    with world.store.reading() as tx:
        grant = tx.grant(session.grant.id)
    assert grant is not None
    assert grant.scopes == ("enrol",)


def test_the_password_of_another_account_is_no_proof(world: World) -> None:
    session = without(world).session()
    without(world, "eve@example.com", NEW_PASSWORD)
    with pytest.raises(Refused):
        prove.by_password(world.env, world.by(session), world.principal(session), NEW_PASSWORD)


def test_a_passkey_proves_it_when_it_was_asked_for_that(world: World) -> None:
    holder = with_passkey(world)
    session = holder.session()
    ways = prove.ways(world.env, world.principal(session))
    assert ways is not None
    for purpose, good in (("second", False), ("confirm", True)):
        options = second_step.passkey_options(world.env, purpose, HERE, ORIGIN, ways.passkeys)
        assert options is not None
        answer = holder.device.get(options, ORIGIN)
        if good:
            secret = prove.by_passkey(
                world.env, world.by(session), world.principal(session), answer, bound_to=HERE, origin=ORIGIN
            )
            assert web_session(world.env, secret) is not None
        else:
            with pytest.raises(Refused):
                prove.by_passkey(
                    world.env, world.by(session), world.principal(session), answer, bound_to=HERE, origin=ORIGIN
                )


def test_guesses_at_the_proof_count_with_those_at_the_sign_in(world: World) -> None:
    holder = with_app(world)
    session = holder.session()
    by, principal = world.by(session), world.principal(session)
    for _ in range(second_step.CODES.free):
        with pytest.raises(Refused):
            prove.by_code(world.env, by, principal, holder.wrong_code())
    with pytest.raises(Throttled):
        prove.by_code(world.env, by, principal, holder.code())
    assert web_session(world.env, session.secret or "") is not None
    assert prove.by_code(world.env, by, principal, holder.recovery[0])


def test_a_token_is_told_what_it_lacks(world: World) -> None:
    assert refused_code(with_app(world), None).deny.reason == "two_factor"
    assert refused_code(with_passkey(world, "eve@example.com"), None).deny.reason == "browser_only"


def test_a_login_s_proof_counts_a_while_and_an_authorization_s_for_one_call(world: World) -> None:
    holder = with_app(world)
    for kind, again in ((Kind.LOGIN, True), (Kind.AUTHORIZATION, False)):
        credential = world.mint(holder.account, kind)
        by, principal = world.by(credential), world.principal(credential)
        prove.require(world.env, by, principal, holder.fresh_code())
        if again:
            prove.require(world.env, by, principal, None)
        else:
            with pytest.raises(Refused):
                prove.require(world.env, by, principal, None)


def test_an_account_without_a_second_factor_is_not_asked(world: World) -> None:
    credential = world.mint(without(world).account, Kind.AUTHORIZATION)
    prove.require(world.env, world.by(credential), world.principal(credential), None)
    assert prove.ways(world.env, world.principal(credential)) is None

"""An account's second factors, added and taken away: by their owner, by an administrator, and by nobody else."""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authenticator import AlreadyThere, Authenticator
from tests.support.factors import (
    HERE,
    ORIGIN,
    Holder,
    add_app,
    add_passkey,
    creation_options,
    letters,
    with_app,
    with_passkey,
    without,
)
from tests.support.world import EMAIL, PASSWORD, World

from keyturn.actions import accounts, authorizations, factors, second_step, sign_in
from keyturn.actions.env import By, CannotUnseal, Invalid, NotFound, Refused
from keyturn.adapters import sealing
from keyturn.core import policy, recovery
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.actions.factors import Added, Overview


def overview(holder: Holder) -> Overview:
    return factors.overview(holder.world.env, holder.world.principal(holder.session()))


def answer(holder: Holder, given: dict[str, Any], *, bound_to: str = HERE) -> Added:
    """Gives what a browser made, in a session of the holder."""
    session, world = holder.session(), holder.world
    return factors.add_passkey(
        world.env, world.by(session), world.principal(session), given, name=None, bound_to=bound_to, origin=ORIGIN
    )


def act(holder: Holder, action: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """An action of the holder's, in a new session."""
    session, world = holder.session(), holder.world
    return action(world.env, world.by(session), world.principal(session), *arguments, **named)


# Adding.


def test_the_first_factor_turns_it_on_with_recovery_codes_and_a_letter(world: World) -> None:
    holder = with_app(world)
    assert holder.account.mfa_since is not None
    assert len(holder.recovery) == recovery.COUNT
    assert letters(world)[-1] == (EMAIL, "A second factor was added to your account: authenticator app")
    since = holder.account.mfa_since
    old = list(holder.recovery)
    add_passkey(holder)
    assert (holder.account.mfa_since, holder.recovery) == (since, old)
    assert overview(holder).recovery_left == recovery.COUNT


def test_no_secret_of_a_factor_is_in_the_database_in_plain_text(world: World) -> None:
    holder = with_app(world)
    raw = b"".join(path.read_bytes() for path in world.path.parent.glob(world.path.name + "*"))
    assert holder.seed not in raw
    assert not any(code.encode() in raw or code.replace("-", "").encode() in raw for code in holder.recovery)


def test_a_seed_moved_to_another_account_opens_nothing(world: World) -> None:
    mine, other = with_app(world), with_app(world, "eve@example.com")
    with world.store.writing() as tx:
        (victim,), (thief,) = tx.factors(mine.account.id), tx.factors(other.account.id)
        tx.change_factor(victim.id, seed=thief.seed)
        moved = tx.factor(victim.id)
    assert moved is not None
    with pytest.raises(CannotUnseal):
        second_step.unseal(world.env, moved)


def test_the_code_that_confirmed_an_app_is_used_up(world: World) -> None:
    holder = without(world)
    add_app(holder)
    world.clock.advance(minutes=-1)
    with world.store.writing() as tx:
        outcome = second_step.judge_code(world.env, tx, By(), holder.reload(), holder.code())
    assert isinstance(outcome, Refused)


def test_a_set_up_whose_seed_cannot_be_read_any_more_is_over_and_another_one_works(world: World) -> None:
    holder = without(world)
    begun = act(holder, factors.begin_codes)
    world.env = replace(world.env, sealer=sealing.open_or_make(world.path.parent / "new.keys", secrets.token_bytes))
    with pytest.raises(NotFound):
        act(holder, factors.confirm_codes, begun.factor.id, "123456")
    session = holder.session()
    with pytest.raises(NotFound):
        factors.begun_codes(world.env, world.principal(session), begun.factor.id)
    add_app(holder)
    assert overview(holder).since is not None


def test_beginning_anew_replaces_what_was_never_confirmed(world: World) -> None:
    holder = without(world)
    first = act(holder, factors.begin_codes)
    second = act(holder, factors.begin_codes)
    assert first.key != second.key
    with pytest.raises(NotFound):
        act(holder, factors.confirm_codes, first.factor.id, "123456")
    assert overview(holder).factors == []


@pytest.mark.parametrize("name", ["x" * 61, 5, ["a"]])
def test_what_is_no_name_is_refused(name: object, world: World) -> None:
    holder = with_app(world)
    with pytest.raises(Invalid):
        act(holder, factors.begin_codes, name=name)
    with pytest.raises(Invalid):
        act(holder, factors.rename, overview(holder).factors[0].id, name)


def test_a_name_is_one_line(world: World) -> None:
    holder = with_app(world)
    renamed = act(holder, factors.rename, overview(holder).factors[0].id, " my\r\nphone\x00\u202e ")
    assert renamed.name == "my phone"


def test_there_is_an_end_to_how_many(world: World) -> None:
    holder = with_passkey(world)
    for _ in range(policy.MOST_FACTORS - 1):
        holder.device = Authenticator()
        add_passkey(holder)
    with pytest.raises(Invalid, match="20"):
        act(holder, factors.begin_codes)
    holder.device = Authenticator()
    with pytest.raises(Invalid, match="20"):
        add_passkey(holder)


# Registrations, attacked.


def test_a_device_is_not_asked_for_a_second_passkey_and_one_of_the_same_id_is_refused(world: World) -> None:
    holder = with_passkey(world)
    with pytest.raises(AlreadyThere):
        holder.device.create(creation_options(holder), ORIGIN)
    known = holder.device.passkeys[0].id
    other = without(world, "eve@example.com")
    for whose in (holder, other):
        with pytest.raises(Invalid, match="known already"):
            answer(whose, Authenticator().create(creation_options(whose), ORIGIN, credential_id=known))
    assert other.reload().mfa_since is None


def test_a_registration_is_taken_once_whether_it_was_right_or_wrong(world: World) -> None:
    holder = without(world)
    options = creation_options(holder)
    device = Authenticator()
    with pytest.raises(Invalid, match="another site"):
        answer(holder, device.create(options, ORIGIN, rp_id="evil.example"))
    with pytest.raises(Invalid, match="took too long, or answered another request"):
        answer(holder, Authenticator().create(options, ORIGIN))
    given = Authenticator().create(creation_options(holder), ORIGIN)
    answer(holder, given)
    with pytest.raises(Invalid, match="took too long, or answered another request"):
        answer(holder, given)


@pytest.mark.parametrize(
    "attack",
    [
        lambda d, o: d.create(o, "http://localhost:9999"),
        lambda d, o: d.create(o, "https://keyturn.evil.example"),
        lambda d, o: d.create(o, ORIGIN, rp_id="evil.example"),
        lambda d, o: d.create(o, ORIGIN, challenge=b"\0" * 32),
        lambda d, o: d.create(o, ORIGIN, flags=0),
        lambda d, o: d.create(o, ORIGIN, client={"type": "webauthn.get"}),
        lambda d, o: d.create(o, ORIGIN, client={"crossOrigin": True}),
        lambda _, __: {},
    ],
)
def test_a_wrong_registration_adds_nothing(
    attack: Callable[[Authenticator, dict[str, Any]], dict[str, Any]], world: World
) -> None:
    holder = without(world)
    with pytest.raises(Invalid):
        answer(holder, attack(Authenticator(), creation_options(holder)))
    assert holder.reload().mfa_since is None
    assert overview(holder).factors == []


def test_a_registration_of_another_browser_or_too_late_is_refused(world: World) -> None:
    holder = without(world)
    given = Authenticator().create(creation_options(holder), ORIGIN)
    with pytest.raises(Invalid):
        answer(holder, given, bound_to="another browser")
    given = Authenticator().create(creation_options(holder), ORIGIN)
    world.clock.advance(seconds=policy.CHALLENGE)
    with pytest.raises(Invalid):
        answer(holder, given)


def test_a_session_that_ended_meanwhile_adds_nothing(world: World) -> None:
    holder = without(world)
    session = holder.session()
    setup = factors.begin_codes(world.env, world.by(session), world.principal(session))
    principal, by = world.principal(session), world.by(session)
    accounts.suspend(world.env, By(), EMAIL)
    accounts.unsuspend(world.env, By(), EMAIL)
    with pytest.raises(Refused):
        factors.confirm_codes(world.env, by, principal, setup.factor.id, "123456")
    with pytest.raises(Refused):
        factors.new_recovery_codes(world.env, by, principal)


# Taking away.


def test_of_two_one_can_go_and_the_owner_is_told(world: World) -> None:
    holder = with_app(world)
    add_passkey(holder)
    first, second = overview(holder).factors
    act(holder, factors.remove, first.id)
    assert letters(world)[-1] == (EMAIL, "A second factor was removed from your account")
    with pytest.raises(Invalid, match="last"):
        act(holder, factors.remove, second.id)
    assert holder.reload().mfa_since is not None


def test_nobody_touches_another_account_s_factor(world: World) -> None:
    mine, other = with_app(world), with_app(world, "eve@example.com")
    add_passkey(other)
    theirs = overview(mine).factors[0].id
    for action in (factors.remove, lambda e, b, p, f: factors.rename(e, b, p, f, "mine now")):
        with pytest.raises(NotFound):
            act(other, action, theirs)
    assert [factor.name for factor in overview(mine).factors] == ["my phone"]


def test_turning_off_takes_everything_and_tells_the_owner(world: World) -> None:
    holder = with_app(world)
    add_passkey(holder)
    act(holder, factors.turn_off, current_password=PASSWORD)
    found = overview(holder)
    assert (found.since, found.factors, found.recovery_left, found.devices) == (None, [], 0, [])
    assert letters(world)[-1] == (EMAIL, "Two-factor sign-in was turned off")


@pytest.mark.parametrize("given", ["a wrong password", "", None, 7])
def test_turning_off_takes_the_password(given: object, world: World) -> None:
    holder = with_app(world)
    with pytest.raises(Invalid):
        act(holder, factors.turn_off, current_password=given)
    assert holder.reload().mfa_since is not None


def test_a_password_too_short_to_stand_alone_keeps_it_on(world: World) -> None:
    holder, short = with_app(world), "qv7zk-2mxw"
    act(holder, accounts.change_password, current_password=PASSWORD, new_password=short)
    with pytest.raises(Invalid, match="15 characters"):
        act(holder, factors.turn_off, current_password=short)
    assert holder.reload().mfa_since is not None


def test_a_password_is_as_long_as_its_one_form_however_it_was_typed(world: World) -> None:
    """Its accents apart from their letters it has twice the characters, and is guessed no later."""
    holder, short = with_app(world), "éêèëôöïü"
    apart = unicodedata.normalize("NFD", short)
    assert (len(short), len(apart)) == (8, 16)
    act(holder, accounts.change_password, current_password=PASSWORD, new_password=short)
    with pytest.raises(Invalid, match="15 characters"):
        act(holder, factors.turn_off, current_password=apart)
    factors.reset_as_operator(world.env, By(), EMAIL)
    entered = sign_in.enter(world.env, By(), EMAIL, apart)
    assert entered.session is not None
    assert entered.session.grant.scopes == (sign_in.ENROL,)
    with pytest.raises(Refused) as refused:
        authorizations.create_by_password(world.env, By(), EMAIL, apart, description=None, expires_in=None, scopes=None)
    assert refused.value.deny.reason == "two_factor_to_set_up"


def test_an_administrator_s_reset_ends_the_browser_sessions_and_leaves_the_rest(world: World) -> None:
    holder = with_app(world)
    web, login = holder.session(), world.mint(holder.account, Kind.LOGIN)
    factors.reset_as_operator(world.env, By(), EMAIL)
    assert world.ended(web) == "revoked_by_admin"
    assert world.ended(login) is None
    assert letters(world)[-1] == (EMAIL, "An administrator reset your second factors")
    with pytest.raises(Invalid):
        factors.reset_as_operator(world.env, By(), EMAIL)

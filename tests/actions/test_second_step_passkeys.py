"""Passkeys at sign-in, attacked: every wrong answer is refused, and a right one is good once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.factors import HERE, ORIGIN, Holder, add_app, with_passkey
from tests.support.second import BY, begin, by_passkey, options_for, race, suspend

from keyturn.actions import factors, second_step, sign_in
from keyturn.actions.env import Refused
from keyturn.core import policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.world import World

    from keyturn.actions.second_step import Passed


def alone(holder: Holder, answer: dict[str, Any] | None = None) -> Passed:
    given = holder.device.get(options_for(holder, "sign_in"), ORIGIN) if answer is None else answer
    return second_step.pass_by_passkey_alone(holder.world.env, BY, given, bound_to=HERE, origin=ORIGIN)


def test_a_passkey_is_a_second_factor_and_both_in_one(world: World) -> None:
    holder = with_passkey(world)
    assert by_passkey(holder, begin(holder)).way == "passkey"
    passed = alone(holder)
    assert (passed.account.id, passed.way) == (holder.account.id, "passkey alone")
    session, _ = sign_in.by_second_step(world.env, BY, passed)
    assert session.secret


def test_without_checking_its_user_a_passkey_is_a_second_factor_but_never_both(world: World) -> None:
    holder = with_passkey(world)
    holder.device.flags = 0x01  # somebody touched it, no more
    assert by_passkey(holder, begin(holder)).way == "passkey"
    with pytest.raises(Refused, match="did not check that it is you"):
        alone(holder)


def attacks() -> dict[str, Callable[[Holder], dict[str, Any]]]:
    """What an attacker might have a browser answer at the second step."""

    def another_challenge(holder: Holder) -> dict[str, Any]:
        return holder.device.get(options_for(holder), ORIGIN, challenge=b"\0" * 32)

    def expired(holder: Holder) -> dict[str, Any]:
        answer = holder.device.get(options_for(holder), ORIGIN)
        holder.world.clock.advance(seconds=policy.CHALLENGE)
        return answer

    def used(holder: Holder) -> dict[str, Any]:
        answer = holder.device.get(options_for(holder), ORIGIN)
        by_passkey(holder, begin(holder), answer)
        return answer

    return {
        "another origin": lambda h: h.device.get(options_for(h), "http://localhost:9999"),
        "a site that looks like it": lambda h: h.device.get(options_for(h), "http://keyturn.localhost:8420"),
        "another relying party": lambda h: h.device.get(options_for(h), ORIGIN, rp_id="evil.example"),
        "inside another page": lambda h: h.device.get(options_for(h), ORIGIN, client={"crossOrigin": True}),
        "a registration in its place": lambda h: h.device.get(
            options_for(h), ORIGIN, client={"type": "webauthn.create"}
        ),
        "a challenge made up": another_challenge,
        "a challenge of another browser": lambda h: h.device.get(options_for(h, bound_to="another"), ORIGIN),
        "a challenge to sign in alone": lambda h: h.device.get(options_for(h, "sign_in"), ORIGIN),
        "a challenge to confirm": lambda h: h.device.get(options_for(h, "confirm"), ORIGIN),
        "an expired challenge": expired,
        "a used answer": used,
        "nobody touched it": lambda h: h.device.get(options_for(h), ORIGIN, flags=0),
        "another user": lambda h: h.device.get(options_for(h), ORIGIN, user_id=b"\1" * 16),
        "another key": lambda h: h.device.get(
            options_for(h), ORIGIN, key=with_passkey(h.world, "eve@example.com").device.passkeys[0].key
        ),
    }


@pytest.mark.parametrize("attack", list(attacks()))
def test_a_wrong_answer_of_a_passkey_is_refused(attack: str, world: World) -> None:
    holder = with_passkey(world)
    pending = begin(holder)
    answer = attacks()[attack](holder)
    with pytest.raises(Refused) as refusal:
        by_passkey(holder, pending, answer)
    assert refusal.value.deny.reason == "two_factor"
    by_passkey(holder, begin(holder))  # the owner still gets in


@pytest.mark.parametrize(
    "garbage", [{}, {"response": None}, {"id": 5, "response": {"clientDataJSON": []}}, {"response": {}}]
)
def test_garbage_is_refused(garbage: dict[str, Any], world: World) -> None:
    holder = with_passkey(world)
    with pytest.raises(Refused):
        by_passkey(holder, begin(holder), garbage)
    with pytest.raises(Refused):
        alone(holder, garbage)


def test_a_wrong_answer_uses_its_challenge_up(world: World) -> None:
    holder = with_passkey(world)
    options = options_for(holder)
    with pytest.raises(Refused):
        by_passkey(holder, begin(holder), holder.device.get(options, ORIGIN, user_id=b"\1" * 16))
    with pytest.raises(Refused, match="It took too long, or answered another request"):
        by_passkey(holder, begin(holder), holder.device.get(options, ORIGIN))


def test_of_eight_with_one_answer_of_a_passkey_exactly_one_gets_in(world: World) -> None:
    holder = with_passkey(world)
    answer = holder.device.get(options_for(holder), ORIGIN)
    pending = [begin(holder) for _ in range(8)]
    came = race(8, lambda number: by_passkey(holder, pending[number], answer))
    assert sum(isinstance(each, second_step.Passed) for each in came) == 1


def test_a_counter_that_does_not_grow_is_refused_and_noted(world: World) -> None:
    holder = with_passkey(world)
    holder.device.counts = True
    by_passkey(holder, begin(holder))
    by_passkey(holder, begin(holder))
    copy = holder.device.get(options_for(holder), ORIGIN, counter=2)
    with pytest.raises(Refused, match="second copy"):
        by_passkey(holder, begin(holder), copy)
    event = world.audit(holder.account)[0]
    assert (event.action, event.outcome) == ("second_factor", "refused")
    assert "second copy" in str(event.details)


def test_a_passkey_of_another_account_is_refused(world: World) -> None:
    mine, other = with_passkey(world), with_passkey(world, "eve@example.com")
    answer = other.device.get(options_for(other), ORIGIN)
    with pytest.raises(Refused, match="not known for this account"):
        by_passkey(mine, begin(mine), answer)
    assert alone(other).account.id == other.account.id  # and alone it opens its own account only


@pytest.mark.parametrize("said", [b"", b"\1" * 16])
def test_alone_a_passkey_must_say_whose_it_is(said: bytes, world: World) -> None:
    holder = with_passkey(world)
    with pytest.raises(Refused):
        alone(holder, holder.device.get(options_for(holder, "sign_in"), ORIGIN, user_id=said))


def test_a_removed_passkey_proves_nothing(world: World) -> None:
    holder = with_passkey(world)
    add_app(holder)
    session = holder.session()
    with world.store.reading() as tx:
        (passkey,) = second_step.ways(tx, holder.account.id).passkeys
    options, pending = options_for(holder), begin(holder)
    factors.remove(world.env, world.by(session), world.principal(session), passkey.id)
    with pytest.raises(Refused, match="not known"):
        by_passkey(holder, pending, holder.device.get(options, ORIGIN))
    with pytest.raises(Refused, match="not known"):
        alone(holder)


def test_a_suspended_account_is_not_entered_by_its_passkey(world: World) -> None:
    holder = with_passkey(world)
    suspend(holder)
    with pytest.raises(Refused) as refusal:
        alone(holder)
    assert refusal.value.deny.reason == "owner_suspended"


def test_a_challenge_for_a_registration_signs_nobody_in(world: World) -> None:
    holder = with_passkey(world)
    session = holder.session()
    made = factors.passkey_options(
        world.env, world.principal(session), bound_to=HERE, origin=ORIGIN, instance="Keyturn"
    )
    assert made is not None
    asked = options_for(holder, "sign_in") | {"challenge": made["challenge"]}
    with pytest.raises(Refused):
        alone(holder, holder.device.get(asked, ORIGIN))

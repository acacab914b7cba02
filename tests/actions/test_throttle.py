"""Guessing is slow; strangers lock nobody out; and accounts that do not exist look like those that do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support import mailed
from tests.support.mailed import SENDER
from tests.support.world import EMAIL, HOME, NEW_PASSWORD, PASSWORD, World

from keyturn.actions import resets, sign_in, throttle
from keyturn.actions.env import Refused, Throttled

STRANGER = "192.0.2.66"


def attempt(
    world: World, password: str = "a wrong password", *, email: str = EMAIL, address: str = STRANGER
) -> str | timedelta:
    """How a sign-in comes out: ``ok``, the reason of its refusal, or the time to wait."""
    try:
        sign_in.check_password(world.env, world.by(address=address), email, password)
    except Refused as refused:
        return refused.deny.reason
    except Throttled as throttled:
        return throttled.after
    return "ok"


def attempts(world: World, count: int, *, email: str = EMAIL, address: str = STRANGER) -> list[str | timedelta]:
    return [attempt(world, email=email, address=address) for _ in range(count)]


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_five_mistakes_are_free_and_then_the_wait_doubles(email: str, world: World) -> None:
    world.account()
    assert attempts(world, 5, email=email) == ["wrong_password"] * 5
    waits = []
    for _ in range(12):
        wait = attempt(world, email=email)
        assert isinstance(wait, timedelta)
        waits.append(round(wait.total_seconds()))
        world.clock.now += wait
        assert attempt(world, email=email) == "wrong_password"
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_the_right_password_waits_too_and_then_clears_the_count(world: World) -> None:
    world.account()
    attempts(world, 5)
    assert isinstance(attempt(world, PASSWORD), timedelta)
    world.clock.advance(seconds=2)
    assert attempt(world, PASSWORD) == "ok"
    assert attempts(world, 5) == ["wrong_password"] * 5


def test_a_try_that_had_to_wait_is_not_counted(world: World) -> None:
    world.account()
    attempts(world, 5)
    assert attempts(world, 3) == [timedelta(seconds=1)] * 3


def test_an_email_counts_as_one_whatever_its_case(world: World) -> None:
    world.account()
    for email in ("ADA@example.com", " ada@EXAMPLE.com", "ada@example.com", "Ada@Example.Com", "aDa@example.com"):
        attempt(world, email=email)
    assert isinstance(attempt(world), timedelta)


def test_an_address_that_tries_many_accounts_waits(world: World) -> None:
    world.account()
    for number in range(throttle.ADDRESS.free):
        assert attempt(world, email=f"user{number}@example.com") == "wrong_password"
    assert isinstance(attempt(world, PASSWORD), timedelta)
    assert attempt(world, PASSWORD, address=HOME) == "ok"


def test_one_good_account_buys_no_fresh_start_on_the_others(world: World) -> None:
    world.account()
    for number in range(throttle.ADDRESS.free - 1):
        attempt(world, email=f"user{number}@example.com")
    assert attempt(world, PASSWORD) == "ok"
    assert attempt(world, email="last@example.com") == "wrong_password"
    assert isinstance(attempt(world, email="one.more@example.com"), timedelta)


def attack(world: World, email: str = EMAIL) -> None:
    """Many addresses, each of which stays within what is free to it."""
    for number in range(throttle.ACCOUNT.free):
        attempt(world, email=email, address=f"198.51.100.{number}")


def test_an_account_under_attack_makes_new_places_wait_and_never_its_owner(world: World) -> None:
    world.account()
    assert attempt(world, PASSWORD, address=HOME) == "ok"  # a place that is known from now on
    attack(world)
    wait = attempt(world, PASSWORD, address="203.0.113.200")
    assert isinstance(wait, timedelta)
    assert wait <= throttle.ACCOUNT.most
    assert attempt(world, PASSWORD, address=HOME) == "ok"


def test_the_owner_gets_in_from_home_however_long_the_attack_goes_on(world: World) -> None:
    world.account()
    attempt(world, PASSWORD, address=HOME)
    for _ in range(5):
        attack(world)
        world.clock.advance(minutes=10)
        assert attempt(world, PASSWORD, address=HOME) == "ok"


def test_an_attack_is_over_for_new_places_five_minutes_after_its_last_try(world: World) -> None:
    world.account()
    for number in range(throttle.STRAIGHT - 1):
        attempt(world, address=f"198.51.100.{number}")
        world.clock.advance(minutes=5)
    assert attempt(world, PASSWORD, address="203.0.113.200") == "ok"


def straight_failures(world: World, email: str = EMAIL, count: int = throttle.STRAIGHT) -> None:
    """So patient that no wait stands in the way, and that a day's forgetting comes between."""
    for number in range(count):
        assert attempt(world, email=email, address=f"198.51.100.{number}") == "wrong_password"
        world.clock.advance(hours=13 if number % 2 else 0, minutes=15)
    world.clock.advance(days=2)


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_after_a_hundred_straight_failures_a_new_place_is_kept_out_however_patient_it_is(
    email: str, world: World
) -> None:
    world.account()
    straight_failures(world, email)
    for _ in range(3):
        with pytest.raises(Throttled) as kept_out:
            sign_in.check_password(world.env, world.by(address=STRANGER), email, PASSWORD)
        assert kept_out.value.held
        world.clock.advance(days=30)


def test_the_places_that_an_account_knows_go_on_and_a_success_clears_the_count(world: World) -> None:
    world.account()
    assert attempt(world, PASSWORD, address=HOME) == "ok"
    straight_failures(world)
    assert attempt(world, PASSWORD, address=HOME) == "ok"
    assert attempt(world, PASSWORD) == "ok"


def test_a_password_chosen_by_a_reset_link_lets_its_owner_in_everywhere_again(world: World) -> None:
    world.account()
    straight_failures(world)
    resets.ask(world.env, world.by(), EMAIL, SENDER.link)
    resets.finalize(world.env, world.by(), mailed.secret(world), password=NEW_PASSWORD, confirmation=NEW_PASSWORD)
    assert attempt(world, NEW_PASSWORD) == "ok"


def test_the_owner_is_told_of_a_hundred_guesses_once_and_nobody_is_where_there_is_no_account(world: World) -> None:
    world.account()
    assert attempt(world, PASSWORD, address=HOME) == "ok"
    straight_failures(world)
    assert attempt(world, address=HOME) == "wrong_password"
    straight_failures(world, "nobody@example.com")
    (told,) = mailed.mails(world)
    assert (told.recipient, told.subject) == (EMAIL, "Somebody is guessing the password of your account")


def test_an_unknown_email_under_attack_waits_like_a_known_one(world: World) -> None:
    world.account()
    attack(world)
    attack(world, "nobody@example.com")
    known = attempt(world, address="203.0.113.200")
    assert known == attempt(world, email="nobody@example.com", address="203.0.113.200")
    assert isinstance(known, timedelta)


def test_failures_are_forgotten_after_a_day(world: World) -> None:
    world.account()
    attempts(world, 5)
    world.clock.advance(hours=24, seconds=1)
    assert attempts(world, 5) == ["wrong_password"] * 5


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_a_place_is_an_ipv4_address_or_an_ipv6_network_of_one_customer(address: str, place: str) -> None:
    assert throttle.place_of(address) == place


def test_what_people_mistype_for_their_email_is_not_kept_readable(world: World) -> None:
    attempt(world, email="my secret passphrase")
    world.close()
    raw = b"".join(file.read_bytes() for file in world.path.parent.glob("keyturn.db*"))
    assert b"my secret passphrase" not in raw


def test_every_sign_in_is_written_down_with_how_it_came_out(world: World) -> None:
    account = world.account()
    attempt(world)
    attempt(world, PASSWORD, address=HOME)
    attempt(world, email="nobody@example.com")
    assert [
        (e.outcome, e.reason, e.account_id, e.address) for e in reversed(world.audit()) if e.action == "sign_in"
    ] == [
        ("refused", "wrong_password", account.id, STRANGER),
        ("ok", None, account.id, HOME),
        ("refused", "wrong_password", None, STRANGER),
    ]


def test_an_unknown_email_costs_as_much_hashing_as_a_known_one(world: World) -> None:
    class Counting:
        def __init__(self) -> None:
            self.seen: list[bool] = []

        def verify(self, hashed: str | None, text: str) -> bool:
            self.seen.append(hashed is not None)
            return world.passwords.verify(hashed, text)

        hash, outdated, weakness = world.passwords.hash, world.passwords.outdated, world.passwords.weakness

    from dataclasses import replace

    world.account()
    counting = Counting()
    world.env = replace(world.env, passwords=counting)
    attempt(world)
    attempt(world, email="nobody@example.com")
    assert counting.seen == [True, False]
    assert not world.passwords.verify(None, PASSWORD)

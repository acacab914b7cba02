"""A rotated token's overlap ends by itself, or earlier once nobody uses it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.world import START

from keyturn.actions import accounts, authorizations, overlap
from keyturn.actions.env import By
from keyturn.core.credential import Token, Use
from keyturn.core.policy import DAY, HOUR, Kind

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.actions.grants import Credential

ROTATED = START + timedelta(seconds=2)


@pytest.fixture
def old(world: World) -> Credential:
    """A token that was rotated with an overlap of a day, which two hours unused end."""
    account = world.account()
    made, ada = world.mint(account, Kind.AUTHORIZATION), world.principal(world.mint(account))
    assert world.clock.now == ROTATED
    authorizations.regenerate(world.env, By(), ada, made.grant.id, overlap=DAY, idle=2 * HOUR)
    return made


def stored(world: World, made: Credential) -> Token:
    with world.store.reading() as tx:
        return next(token for token in tx.tokens_of(made.grant.id) if token.id == made.token.id)


def use(world: World, made: Credential) -> None:
    with world.store.writing() as tx:
        tx.add_uses([Use(made.token.id, "198.51.100.4", "a robot", START, world.clock.now, 1)], 5)


def test_a_token_in_use_lives_until_its_overlap_is_over_and_not_longer(world: World, old: Credential) -> None:
    while world.clock.now < ROTATED + timedelta(hours=23):
        world.clock.advance(hours=1)
        use(world, old)
        assert overlap.end_overlaps(world.env) == 0
        assert world.reason(old.secret) is None
    world.clock.now = ROTATED + timedelta(days=1, minutes=7)
    assert overlap.end_overlaps(world.env) == 1
    token = stored(world, old)
    assert (token.ended_at, token.ended_reason) == (ROTATED + timedelta(days=1), "rotated")
    assert world.reason(old.secret) == "rotated"


def test_a_token_that_nobody_uses_ends_after_its_idle_limit(world: World, old: Credential) -> None:
    world.clock.now = ROTATED + timedelta(hours=2)
    assert overlap.end_overlaps(world.env) == 0  # a use of a few seconds ago may not be written yet
    world.clock.advance(minutes=1)
    assert overlap.end_overlaps(world.env) == 1
    assert world.reason(old.secret) == "rotated"
    assert world.actions()[-1] == "authorization.overlap_end"
    assert overlap.end_overlaps(world.env) == 0


def test_the_idle_time_counts_from_the_last_use(world: World, old: Credential) -> None:
    world.clock.now = ROTATED + timedelta(hours=1, minutes=30)
    use(world, old)
    world.clock.advance(hours=2)
    assert overlap.end_overlaps(world.env) == 0
    world.clock.advance(minutes=1)
    assert overlap.end_overlaps(world.env) == 1


def test_what_died_before_its_overlap_ended_is_not_called_rotated(world: World, old: Credential) -> None:
    world.clock.advance(minutes=5)
    suspended_at = world.clock.now
    accounts.suspend(world.env, By(), "ada@example.com")
    world.clock.advance(days=3)
    assert overlap.end_overlaps(world.env) == 1
    token = stored(world, old)
    assert (token.ended_at, token.ended_reason) == (suspended_at, "owner_suspended")


def test_the_new_token_is_left_alone(world: World, old: Credential) -> None:
    world.clock.advance(days=3)
    overlap.end_overlaps(world.env)
    with world.store.reading() as tx:
        newest = tx.tokens_of(old.grant.id)[-1]
    assert newest.ended_at is None

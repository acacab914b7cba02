"""A stricter policy caps what lives already, tells nobody too late, and touches nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyturn.actions.tighten import NOTICE, tighten
from keyturn.core import overrides
from keyturn.core.policy import DAY, Kind

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.world import World

    from keyturn.actions.grants import Credential

STRICT = '[lifetimes.authorization]\ndefault = "30 days"\nlongest = "30 days"\n'


def end_of(world: World, credential: Credential) -> datetime | None:
    with world.store.reading() as tx:
        grant = tx.grant(credential.grant.id)
    assert grant is not None
    return grant.expires_at


def test_what_would_live_too_long_is_capped_and_its_owner_has_time(world: World) -> None:
    account = world.account()
    old = world.mint(account, Kind.AUTHORIZATION)
    world.clock.advance(days=100)
    new, within = world.mint(account, Kind.AUTHORIZATION), world.mint(account, Kind.AUTHORIZATION, asked=10 * DAY)
    long, login, key = (
        world.mint(account, Kind.AUTHORIZATION, asked=99 * DAY),
        world.mint(account),
        world.mint(account, Kind.API_KEY),
    )
    before = [end_of(world, credential) for credential in (within, login, key)]
    env = replace(world.env, policy=overrides.parse(STRICT, name="policy.toml"))

    assert tighten(env) == 3

    assert end_of(world, old) == world.clock() + NOTICE, "long over the limit: still a week"
    assert end_of(world, new) == new.grant.created_at + timedelta(days=30)
    assert end_of(world, long) == long.grant.created_at + timedelta(days=30)
    assert [end_of(world, credential) for credential in (within, login, key)] == before
    told = [event for event in world.audit(account) if event.reason == "policy_tightened"]
    assert len(told) == 3
    assert tighten(env) == 0, "once is enough"
    world.clock.advance(days=3)
    assert tighten(env) == 0, "and a restart gives no further week"
    world.clock.advance(days=4)
    assert world.reason(old.secret) == "expired"


def test_the_rules_of_the_tables_cap_nothing(world: World) -> None:
    made = world.mint(world.account(), Kind.AUTHORIZATION)
    assert tighten(world.env) == 0
    assert end_of(world, made) is None


def test_the_dead_are_left_as_they_are(world: World) -> None:
    account = world.account()
    made = world.mint(account, Kind.AUTHORIZATION)
    with world.store.writing() as tx:
        tx.change_grant(made.grant.id, ended_at=world.clock(), ended_reason="revoked_by_owner")
    assert tighten(replace(world.env, policy=overrides.parse(STRICT, name="policy.toml"))) == 0

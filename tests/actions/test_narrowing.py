"""Minting only narrows: no wider in scope, and no longer in life, than the authorization that mints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyturn.actions import authorizations
from keyturn.actions.env import Invalid
from keyturn.core.policy import HOUR, Kind

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.actions.grants import Credential


def make(world: World, by: Credential, expires_in: int | None) -> Credential:
    principal = world.principal(by)
    return authorizations.create(
        world.env, world.by(by), principal, description="x", expires_in=expires_in, scopes=["read"]
    )


def test_an_authorization_that_expires_makes_none_that_outlives_it(world: World) -> None:
    account = world.account()
    short = world.mint(account, Kind.AUTHORIZATION, asked=HOUR)
    before = len(authorizations.listed(world.env, world.principal(short)))
    for expires_in in (None, HOUR + 1):
        with pytest.raises(Invalid, match="makes none that outlives it") as refused:
            make(world, short, expires_in)
        assert refused.value.field == "expires_in"
    assert len(authorizations.listed(world.env, world.principal(short))) == before
    made = make(world, short, HOUR - 1)
    assert short.grant.expires_at is not None
    assert made.grant.expires_at is not None
    assert made.grant.expires_at <= short.grant.expires_at


def test_where_a_person_vouches_and_without_end_what_never_expires_is_made(world: World) -> None:
    account = world.account()
    for by in (world.mint(account), world.mint(account, Kind.WEB), world.mint(account, Kind.AUTHORIZATION)):
        assert make(world, by, None).grant.expires_at is None

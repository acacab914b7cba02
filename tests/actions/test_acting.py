"""What acts is looked at again in the transaction that makes something: ended a moment before, it makes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.factors import with_app

from keyturn.actions import accounts, authorizations, cli_login, clients, consent, factors, grants, keys
from keyturn.actions.env import By, Refused
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.world import World

    from keyturn.core.credential import Principal

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g ada@laptop"


def _authorization(world: World, by: By, who: Principal) -> None:
    authorizations.create(world.env, by, who, description=None, expires_in=None, scopes=None)


def _longer(world: World, by: By, who: Principal) -> None:
    with world.store.reading() as tx:
        other = next(g for g in tx.grants(who.account_id, alive_at=world.clock()) if g.kind is Kind.AUTHORIZATION)
    authorizations.update(world.env, by, who, other.id, expires_in=None)


def _rotated(world: World, by: By, who: Principal) -> None:
    with world.store.reading() as tx:
        other = next(g for g in tx.grants(who.account_id, alive_at=world.clock()) if g.kind is Kind.AUTHORIZATION)
    authorizations.regenerate(world.env, by, who, other.id)


def _api_key(world: World, by: By, who: Principal) -> None:
    authorizations.regenerate(world.env, by, who, "~")


def _key(world: World, by: By, who: Principal) -> None:
    keys.add(world.env, by, who, KEY)


def _client(world: World, by: By, who: Principal) -> None:
    clients.create(world.env, by, who, name="mine", redirect_uri="https://example.com/")


def _approval(world: World, by: By, who: Principal) -> None:
    begun = cli_login.begin(world.env, By(), description=None, expires_in=None)
    cli_login.decide_login(world.env, by, who, begun.browser_secret, approve=True)


def _consent(world: World, by: By, who: Principal) -> None:
    with world.store.reading() as tx:
        client = next(c for account in tx.accounts() for c in tx.clients(account.id))
    consent.allow(world.env, by, who, {"client_id": [client.id], "response_type": ["code"], "scope": ["read"]})


def _name(world: World, by: By, who: Principal) -> None:
    accounts.update(world.env, by, who, {"name": "somebody else"})


def _named_factor(world: World, by: By, who: Principal) -> None:
    with world.store.reading() as tx:
        factor = tx.factors(who.account_id)[0]
    factors.rename(world.env, by, who, factor.id, "another name")


def _forgotten_browsers(world: World, by: By, who: Principal) -> None:
    factors.forget_device(world.env, by, who, None)


def _revoke(world: World, by: By, who: Principal) -> None:
    with world.store.writing() as tx:
        grants.end(world.env, tx, by, Event.REVOKE, who.account_id, target=who.grant_id)


def _rotate(world: World, by: By, who: Principal) -> None:
    with world.store.writing() as tx:
        tx.end_tokens(who.grant_id, world.clock(), "rotated")


def _suspend(world: World, by: By, who: Principal) -> None:
    del by
    accounts.suspend(world.env, By(), who.email)


@pytest.mark.parametrize("ending", [_revoke, _rotate, _suspend])
@pytest.mark.parametrize(
    "deed",
    [
        _authorization,
        _longer,
        _rotated,
        _api_key,
        _key,
        _client,
        _approval,
        _consent,
        _name,
        _named_factor,
        _forgotten_browsers,
    ],
)
def test_what_ended_a_moment_before_makes_and_changes_nothing(
    deed: Callable[[World, By, Any], None], ending: Callable[[World, By, Any], None], world: World
) -> None:
    account = with_app(world).account
    acting = world.mint(account)
    other = world.mint(account, Kind.AUTHORIZATION)
    by, who = world.by(acting), world.principal(acting)
    neighbour = world.mint(world.account(email="bob@example.com"))
    theirs = world.by(neighbour), world.principal(neighbour)
    clients.create(world.env, *theirs, name="theirs", redirect_uri="https://example.com/there")
    ending(world, by, who)
    if ending is _suspend and deed in (_longer, _rotated):
        return  # there is nothing left to prolong
    alive = world.reason(other.secret)
    before = [name for name in world.actions() if name != "cli_login.begin"]
    with pytest.raises(Refused) as refused:
        deed(world, by, who)
    assert refused.value.deny.reason in ("revoked_by_owner", "rotated", "owner_suspended")
    assert [name for name in world.actions() if name != "cli_login.begin"] == before
    assert world.reason(other.secret) == alive

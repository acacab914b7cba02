"""What an account under single sign-on cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyturn.actions import authorizations
from keyturn.actions.env import Invalid
from keyturn.core.policy import NOT_FOR_SSO, Kind

if TYPE_CHECKING:
    from tests.support.world import World


@pytest.mark.parametrize("kind", sorted(NOT_FOR_SSO))
def test_an_account_under_single_sign_on_has_no_credential_that_outlives_its_identity_provider(
    world: World, kind: Kind
) -> None:
    account = world.account()
    login = world.mint(account)
    with world.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    by, principal = world.by(login), world.principal(login)
    ways = {
        Kind.API_KEY: lambda: authorizations.regenerate(world.env, by, principal, authorizations.API_KEY_ID),
        Kind.AUTHORIZATION: lambda: authorizations.create(
            world.env, by, principal, description="ci", expires_in=None, scopes=None
        ),
    }
    with pytest.raises(Invalid, match="under single sign-on has no"):
        ways[kind]()
    with world.store.reading() as tx:
        assert [grant.kind for grant in tx.grants(account.id)] == [Kind.LOGIN]

"""Law: an SSH key is a credential like any other: it is found by its fingerprint, lives and dies by the policy, and says of
what; and a key that is gone can be added again.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest

from keyturn.actions import accounts, keys, notices, uses
from keyturn.actions.env import Invalid, NotFound
from keyturn.core import decide
from keyturn.core.credential import Deny, Principal
from keyturn.core.policy import DAY, Event, Kind

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.actions.grants import Credential
    from keyturn.actions.keys import Held

BLOB = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00 " + b"k" * 32
LINE = f"ssh-ed25519 {base64.b64encode(BLOB).decode()} ada@laptop"


def add(world: World, acting: Credential, text: str = LINE, expires_in: int | None = None) -> Held:
    return keys.add(world.env, world.by(acting), world.principal(acting), text, expires_in=expires_in)


def look_up(world: World) -> Principal | Deny:
    return decide.authenticate(world.store.find_token(hashlib.sha256(BLOB).digest()), world.clock(), world.env.policy)


def reason(world: World) -> str:
    found = look_up(world)
    assert isinstance(found, Deny)
    return found.reason


@pytest.fixture
def acting(world: World) -> Credential:
    return world.mint(world.account())


def test_a_key_is_found_by_the_hash_of_its_blob_and_may_fetch_and_push(world: World, acting: Credential) -> None:
    assert reason(world) == "unknown"
    held = add(world, acting)
    found = look_up(world)
    assert isinstance(found, Principal)
    assert (found.grant_id, found.kind, found.description) == (held.key.id, Kind.SSH_KEY, "ada@laptop")
    assert decide.authorize(found, "git:read") is decide.authorize(found, "git:write") is None
    assert decide.authorize(found, "authorizations:write") is not None
    assert held.credential.token.mask == held.key.sha256


def test_a_key_that_was_removed_says_so_and_can_be_added_again(world: World, acting: Credential) -> None:
    first = add(world, acting)
    keys.remove(world.env, world.by(acting), world.principal(acting), first.key.sha256)
    assert reason(world) == "revoked_by_owner"
    assert keys.listed(world.env, world.principal(acting)) == []
    with pytest.raises(NotFound):
        keys.remove(world.env, world.by(acting), world.principal(acting), first.key.id)
    again = add(world, acting)
    assert again.key.id != first.key.id
    assert isinstance(look_up(world), Principal)
    assert world.ended(first.credential) == "revoked_by_owner"


def test_a_key_can_be_given_an_end_and_is_free_afterwards(world: World, acting: Credential) -> None:
    other = world.mint(world.account("bob@example.com"))
    held = add(world, acting, expires_in=DAY)
    assert held.key.expires_at == held.credential.grant.expires_at
    with pytest.raises(Invalid, match="already been taken"):
        add(world, other)
    world.clock.advance(days=1)
    assert reason(world) == "expired"
    assert keys.listed(world.env, world.principal(acting)) == []
    assert add(world, other).key.email == "bob@example.com"
    found = look_up(world)
    assert isinstance(found, Principal)
    assert found.email == "bob@example.com"


def test_the_owner_is_told_before_a_key_ends(world: World, acting: Credential) -> None:
    add(world, acting, expires_in=40 * DAY)
    world.clock.advance(days=39, hours=2)
    assert notices.due(world.env)
    with world.store.reading() as tx:
        assert any("ada@laptop" in item.body for item in tx.outgoing())


def test_a_suspension_ends_keys_and_their_owner_can_add_them_anew(world: World, acting: Credential) -> None:
    add(world, acting)
    _, endings = accounts.suspend(world.env, world.by(), acting_email(world, acting))
    assert "ada@laptop" in {ending.grant.description for ending in endings}
    assert reason(world) == "owner_suspended"
    accounts.unsuspend(world.env, world.by(), acting_email(world, acting))
    back = world.mint(world.account("carol@example.com"))
    assert add(world, back).key.email == "carol@example.com"


def acting_email(world: World, acting: Credential) -> str:
    return world.principal(acting).email


def test_the_trail_names_the_fingerprint_when_a_key_comes_and_goes(world: World, acting: Credential) -> None:
    held = add(world, acting)
    keys.remove(world.env, world.by(acting), world.principal(acting), held.key.id)
    told = [event for event in world.audit() if event.action.startswith("ssh_key.")]
    assert [event.action for event in told] == ["ssh_key.end", "ssh_key.create"]
    assert {event.details["fingerprint"] for event in told} == {held.key.sha256}
    assert told[0].details["event"] == Event.REVOKE


def test_who_uses_a_key_is_counted_like_the_uses_of_a_token(world: World, acting: Credential) -> None:
    add(world, acting)
    found = look_up(world)
    assert isinstance(found, Principal)
    counter = uses.Uses()
    counter.note(found.token_id, "203.0.113.9", b"OpenSSH_9.2", world.clock())
    uses.write(world.env, counter.take())
    [held] = keys.held(world.env, world.principal(acting))
    assert [(use.address, use.agent) for use in held.credential.uses] == [("203.0.113.9", "OpenSSH_9.2")]


def test_an_account_holds_so_many_keys_and_no_more(
    world: World, acting: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST", 1)
    held = add(world, acting)
    other = f"ssh-ed25519 {base64.b64encode(BLOB[:-1] + b'x').decode()} another"
    with pytest.raises(Invalid, match="the account has 1 keys"):
        add(world, acting, other)
    keys.remove(world.env, world.by(acting), world.principal(acting), held.key.id)
    assert add(world, acting, other).key.comment == "another"

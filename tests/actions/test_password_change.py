"""A new password: what dies of it, what is spared, and what was under way when it happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.world import EMAIL, HOME, NEW_PASSWORD, PASSWORD, World

from keyturn.actions import accounts, audit, authorizations, cli_login, sign_in
from keyturn.actions.env import By, Invalid, Refused, Throttled
from keyturn.core.policy import EFFECTS, Effect, Event, Kind

if TYPE_CHECKING:
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account


def change(
    world: World, acting: Credential, *, current: object = PASSWORD, new: object = NEW_PASSWORD
) -> accounts.Changed:
    by = world.by(acting)
    assert by.principal is not None
    return accounts.change_password(world.env, by, by.principal, current_password=current, new_password=new)


def one_of_each(world: World, account: Account) -> dict[Kind, Credential]:
    return {kind: world.mint(account, kind) for kind in Kind if kind is not Kind.SSH_KEY}


@pytest.mark.parametrize("acting", [Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.AUTHORIZATION])
def test_it_kills_what_the_policy_says_and_spares_the_one_that_acts(acting: Kind, world: World) -> None:
    account = world.account()
    mine, others = one_of_each(world, account), one_of_each(world, account)
    stranger = one_of_each(world, world.account("grace@example.com"))
    changed = change(world, mine[acting])
    for kind, made in [*mine.items(), *others.items()]:
        effect = EFFECTS[Event.PASSWORD_CHANGE, kind]
        dies = effect is Effect.REPLACED or (effect is Effect.SPARED and made is not mine[acting])
        assert (world.ended(made) == "password_changed") == dies, (kind, made is mine[kind])
    assert all(world.ended(made) is None for made in stranger.values())
    assert {e.grant.id for e in changed.endings} == {
        made.grant.id for made in [*mine.values(), *others.values()] if world.ended(made)
    }


def test_the_api_key_is_replaced_by_a_new_one_that_works(world: World) -> None:
    account = world.account()
    old = world.mint(account, Kind.API_KEY)
    changed = change(world, world.mint(account))
    assert changed.api_key is not None
    assert world.reason(old.secret) == "password_changed"
    assert world.reason(changed.api_key.secret) is None
    assert changed.api_key.grant.kind is Kind.API_KEY


def test_no_api_key_is_made_where_there_was_none(world: World) -> None:
    assert change(world, world.mint(world.account())).api_key is None


def test_the_new_password_signs_in_and_the_old_one_does_not(world: World) -> None:
    change(world, world.mint(world.account()))
    assert sign_in.check_password(world.env, world.by(), EMAIL, NEW_PASSWORD).credential_version == 2
    with pytest.raises(Refused):
        sign_in.check_password(world.env, world.by(), EMAIL, PASSWORD)


def test_the_hash_the_endings_and_the_audit_come_together_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = world.account()
    acting, other, key = world.mint(account), world.mint(account), world.mint(account, Kind.API_KEY)
    before = len(world.audit())
    real = audit.record

    def failing(env: Any, tx: Any, by: Any, action: str, **details: Any) -> None:
        if action == "api_key.create":  # the last event of all
            raise RuntimeError("the trail is full")
        real(env, tx, by, action, **details)

    monkeypatch.setattr(audit, "record", failing)
    with pytest.raises(RuntimeError, match="the trail is full"):
        change(world, acting)
    monkeypatch.undo()
    assert [world.ended(made) for made in (acting, other, key)] == [None] * 3
    assert [event.action for event in world.audit()[: len(world.audit()) - before]] == [
        "sign_in"
    ]  # the proof of the old password
    assert sign_in.check_password(world.env, world.by(), EMAIL, PASSWORD).id == account.id


@pytest.mark.parametrize(
    ("current", "new", "problem"),
    [
        ("wrong", NEW_PASSWORD, Invalid),
        (None, NEW_PASSWORD, Invalid),
        ("", NEW_PASSWORD, Invalid),
        (5, NEW_PASSWORD, Invalid),
        (PASSWORD, "short", Invalid),
        (PASSWORD, None, Invalid),
        (PASSWORD, ["x" * 20], Invalid),
        (PASSWORD, "ada@example.com1", Invalid),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(
    current: object, new: object, problem: type[Exception], world: World
) -> None:
    account = world.account()
    acting, other = world.mint(account), world.mint(account)
    with pytest.raises(problem):
        change(world, acting, current=current, new=new)
    assert world.ended(other) is None
    assert world.store.find_account(account.id) == account or current == PASSWORD
    assert sign_in.check_password(world.env, world.by(), EMAIL, PASSWORD).credential_version == 1


def test_guessing_the_current_password_is_slowed_down_like_a_sign_in(world: World) -> None:
    acting = world.mint(world.account())
    for _ in range(5):
        with pytest.raises(Invalid):
            change(world, acting, current="wrong guess")
    with pytest.raises(Throttled):
        change(world, acting)


def test_it_is_written_down_who_changed_it_and_what_ended(world: World) -> None:
    account = world.account()
    acting, other = world.mint(account), world.mint(account)
    change(world, acting)
    events = {event.action: event for event in world.audit(account)}
    assert events["account.password_change"].actor_id == account.id
    assert events["account.password_change"].grant_id == acting.grant.id
    assert events["account.password_change"].address == HOME
    assert events["login.end"].details["ended"] == other.grant.id
    assert events["login.end"].reason == "password_changed"
    assert PASSWORD not in repr(world.audit())
    assert NEW_PASSWORD not in repr(world.audit())


# what was under way


def test_a_cli_login_approved_before_the_change_cannot_be_collected_after_it(world: World) -> None:
    account = world.account()
    acting = world.mint(account)
    begun = cli_login.begin(world.env, By(), description=None, expires_in=None)
    web = world.mint(account, Kind.WEB)
    cli_login.decide_login(world.env, world.by(web), world.principal(web), begun.browser_secret, approve=True)
    change(world, acting)
    alive = len(authorizations.listed(world.env, world.principal(acting)))
    assert cli_login.collect(world.env, By(), begun.login.id, begun.cli_secret) == cli_login.Failed("password_changed")
    assert len(authorizations.listed(world.env, world.principal(acting))) == alive


class Racing:
    """Passwords that let something happen while one of them is being hashed or verified."""

    def __init__(self, world: World, meanwhile: object) -> None:
        self._real, self._meanwhile = world.passwords, [meanwhile]
        self.weakness = self._real.weakness

    def verify(self, hashed: str | None, text: str) -> bool:
        right = self._real.verify(hashed, text)
        while self._meanwhile:
            self._meanwhile.pop()()  # type: ignore[operator]
        return right

    def hash(self, text: str) -> str:
        return self._real.hash(text)

    def outdated(self, hashed: str) -> bool:
        return self._real.outdated(hashed)


def racing(world: World, meanwhile: object) -> World:
    """The same world, in which ``meanwhile`` happens during the next check of a password."""
    other = object.__new__(World)
    other.__dict__.update(world.__dict__)
    from dataclasses import replace

    other.env = replace(world.env, passwords=Racing(world, meanwhile))
    return other


def test_a_sign_in_begun_with_the_old_password_does_not_finish_after_the_change(world: World) -> None:
    acting = world.mint(world.account())
    late = racing(world, lambda: change(world, acting))
    with pytest.raises(Refused):
        sign_in.enter(late.env, world.by(), EMAIL, PASSWORD)
    with world.store.reading() as tx:
        assert [g.kind for g in tx.grants(acting.grant.account_id, alive_at=world.clock())] == [Kind.LOGIN]


def test_a_mint_by_the_old_password_does_not_finish_after_the_change(world: World) -> None:
    acting = world.mint(world.account())
    late = racing(world, lambda: change(world, acting))
    with pytest.raises(Refused):
        authorizations.create_by_password(
            late.env, world.by(), EMAIL, PASSWORD, description="x", expires_in=None, scopes=None
        )
    assert len(authorizations.listed(world.env, world.principal(acting))) == 1


def test_a_proof_of_the_old_password_is_worth_nothing_once_it_was_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting = world.mint(world.account())
    proven = sign_in.check_password(world.env, world.by(), EMAIL, PASSWORD)
    change(world, acting)
    with pytest.raises(Refused):
        sign_in.session_for(world.env, world.by(), proven)
    monkeypatch.setattr(sign_in, "check_password", lambda *_: proven)
    with pytest.raises(Refused):
        authorizations.create_by_password(
            world.env, world.by(), EMAIL, PASSWORD, description="x", expires_in=None, scopes=None
        )
    with pytest.raises(Refused):
        change(world, acting, new="another password entirely")
    assert len(authorizations.listed(world.env, world.principal(acting))) == 1


def test_of_two_changes_at_once_one_wins_and_the_other_changes_nothing(world: World) -> None:
    account = world.account()
    first, second = world.mint(account), world.mint(account)
    late = racing(world, lambda: change(world, first))
    with pytest.raises(Invalid, match="current password is wrong"):
        change(late, second, new="another password entirely")
    assert world.ended(second) == "password_changed"
    assert sign_in.check_password(world.env, world.by(), EMAIL, NEW_PASSWORD).credential_version == 2


def test_a_session_is_not_made_for_an_account_suspended_meanwhile(world: World) -> None:
    world.account()
    late = racing(world, lambda: accounts.suspend(world.env, By(), EMAIL))
    with pytest.raises(Refused) as refused:
        sign_in.enter(late.env, world.by(), EMAIL, PASSWORD)
    assert refused.value.deny.reason == "owner_suspended"

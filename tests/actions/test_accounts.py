"""Accounts: the first one by its link, changes by their owners, suspension by an operator."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support import mailed
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD, World

from keyturn.actions import accounts, addresses, audit, authorizations, sign_in
from keyturn.actions.authenticate import authenticate
from keyturn.actions.env import By, Gone, Invalid, NotFound, Refused
from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from keyturn.core.credential import Account


def first(world: World, secret: str, *, email: str = EMAIL, password: str = PASSWORD) -> Account:
    return accounts.create_first(world.env, By(), secret, email=email, name=None, new_password=password)


def link(world: World) -> str:
    secret = accounts.open_setup(world.env)
    assert secret is not None
    return secret


def test_the_setup_link_makes_one_administrator_and_is_used_up(world: World) -> None:
    secret = link(world)
    assert first(world, secret).admin
    with pytest.raises(Gone):
        first(world, secret, email="eve@example.com")
    with world.store.reading() as tx:
        assert [account.email for account in tx.accounts()] == [EMAIL]
    assert accounts.open_setup(world.env) is None


def test_two_uses_of_the_setup_link_at_once_make_one_account(world: World) -> None:
    secret = link(world)
    together = threading.Barrier(4)
    outcomes: list[str] = []

    def use(number: int) -> None:
        together.wait()
        try:
            outcomes.append(first(world, secret, email=f"user{number}@example.com").email)
        except Gone:
            outcomes.append("gone")

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("gone") == 3
    with world.store.reading() as tx:
        assert tx.count_accounts() == 1


def test_a_second_use_that_began_before_the_first_ended_makes_no_account(world: World) -> None:
    secret = link(world)
    real = world.passwords

    class Slow:
        verify, outdated, weakness = real.verify, real.outdated, real.weakness

        def hash(self, text: str) -> str:
            if text == NEW_PASSWORD:  # while this one is hashed, the other is quicker
                first(world, secret)
            return real.hash(text)

    slow = replace(world.env, passwords=Slow())
    with pytest.raises(Gone):
        accounts.create_first(slow, By(), secret, email="eve@example.com", name=None, new_password=NEW_PASSWORD)


@pytest.mark.parametrize(("email", "password"), [("not an address", PASSWORD), (EMAIL, "short")])
def test_a_mistake_in_the_form_leaves_the_setup_link_good(email: str, password: str, world: World) -> None:
    secret = link(world)
    with pytest.raises(Invalid):
        first(world, secret, email=email, password=password)
    assert first(world, secret).email == EMAIL


def test_a_new_setup_link_ends_the_one_before(world: World) -> None:
    old, new = link(world), link(world)
    with pytest.raises(Gone):
        accounts.check_setup(world.env, old)
    accounts.check_setup(world.env, new)


def test_a_setup_link_runs_out_after_a_day(world: World) -> None:
    secret = link(world)
    world.clock.advance(hours=23, minutes=59)
    accounts.check_setup(world.env, secret)
    world.clock.advance(minutes=1)
    with pytest.raises(Gone):
        first(world, secret)


@pytest.mark.parametrize("secret", ["", "kti_guess", "ünïcode\ud800"])
def test_a_guessed_setup_link_is_gone(secret: str, world: World) -> None:
    link(world)
    with pytest.raises(Gone):
        accounts.check_setup(world.env, secret)


def test_a_setup_link_is_no_good_once_there_is_an_account(world: World) -> None:
    secret = link(world)
    world.account("grace@example.com")
    with pytest.raises(Gone):
        first(world, secret)


@pytest.mark.parametrize(
    "email",
    ["", "a", "@", "a@", "@b", "a b@c", "a@b@c", "a@b..c", "a@.b", "a@b.", "a:b@c", 'a"@b', "a\n@b", "a\x00@b", "<a>@b", "a@b,c@d",
     "x" * 65 + "@b", "a@" + "b" * 260, None, 5, ["a@b"]],
)  # fmt: skip
def test_what_is_no_email_address_is_refused(email: object, world: World) -> None:
    with pytest.raises(Invalid) as refused:
        accounts.create(world.env, By(), email=email, new_password=PASSWORD)  # type: ignore[arg-type]
    assert refused.value.field == "email"
    with world.store.reading() as tx:
        assert tx.count_accounts() == 0


@pytest.mark.parametrize(
    "email",
    ["a@localhost", "a+b@example.com", "ä@xn--bcher-kva.example", "o'brien"[0] + "@x.co", " padded@example.com "],
)
def test_an_email_address_of_any_language_is_taken(email: str, world: World) -> None:
    assert world.account(email).email == email.strip()


def test_an_email_is_taken_once_whatever_its_case(world: World) -> None:
    world.account()
    with pytest.raises(Invalid, match="there is an account"):
        world.account("ADA@Example.COM")


def test_making_an_account_is_written_down_together_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("the trail is full")

    monkeypatch.setattr(audit, "record", failing)
    monkeypatch.setattr(audit, "record_all", failing)
    with pytest.raises(RuntimeError):
        world.account()
    monkeypatch.undo()
    with world.store.reading() as tx:
        assert tx.count_accounts() == 0
    account = world.account()
    assert [(e.action, e.account_id) for e in world.audit()] == [("account.create", account.id)]


def test_an_account_changes_its_name_and_flags_and_nothing_else(world: World) -> None:
    made = world.mint(world.account())
    changes: dict[str, object] = {
        "name": " Ada\tLovelace\x00 ",
        "beta": True, "allow_tracking": False, "admin": True, "id": "x", "suspended_at": None, "federated": True,
    }  # fmt: skip
    account = accounts.update(world.env, world.by(made), world.principal(made), changes)
    assert (account.name, account.beta, account.allow_tracking) == ("Ada Lovelace", True, False)
    assert (account.admin, account.federated, account.id) == (False, False, made.grant.account_id)
    assert accounts.update(world.env, world.by(made), world.principal(made), {"name": None, "beta": None}).name is None


@pytest.mark.parametrize(("field", "value"), [("name", 5), ("name", "x" * 201), ("beta", "yes"), ("allow_tracking", 1)])
def test_a_change_that_cannot_be_taken_names_its_field_and_changes_nothing(
    field: str, value: object, world: World
) -> None:
    account = world.account()
    made = world.mint(account)
    with pytest.raises(Invalid) as refused:
        accounts.update(world.env, world.by(made), world.principal(made), {"name": "Eve", field: value})
    assert refused.value.field == field
    assert world.store.find_account(account.id) == account


def test_an_email_changes_with_the_password_alone(world: World) -> None:
    made = world.mint(world.account())
    by, principal = world.by(made), world.principal(made)
    with pytest.raises(Invalid, match="current password is wrong"):
        accounts.change_email(
            world.env, by, principal, current_password="wrong", email="new@example.com", sender=mailed.SENDER
        )
    accounts.change_email(
        world.env, by, principal, current_password=PASSWORD, email="new@example.com", sender=mailed.SENDER
    )
    addresses.prove(world.env, by, mailed.secret(world, "new@example.com"))
    assert sign_in.check_password(world.env, by, "new@example.com", PASSWORD).id == made.grant.account_id
    with pytest.raises(Refused):
        sign_in.check_password(world.env, by, EMAIL, PASSWORD)
    event = next(e for e in world.audit() if e.action == "account.email_change")
    assert event.details == {"before": EMAIL, "after": "new@example.com"}


# suspension


def test_a_suspended_account_is_out_everywhere_at_once(world: World) -> None:
    account = world.account()
    made = [world.mint(account, kind) for kind in (Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.AUTHORIZATION)]
    _, endings = accounts.suspend(world.env, By(), EMAIL.upper())
    assert {e.grant.id for e in endings} == {m.grant.id for m in made}
    assert {world.reason(m.secret) for m in made if m.grant.kind is not Kind.WEB} == {"owner_suspended"}
    with pytest.raises(Refused) as right:
        sign_in.check_password(world.env, world.by(), EMAIL, PASSWORD)
    with pytest.raises(Refused) as wrong:
        sign_in.check_password(world.env, world.by(), EMAIL, "a wrong password")
    assert right.value.deny.reason == "owner_suspended"
    assert wrong.value.deny.reason == "wrong_password"  # who does not know the password learns nothing


def test_an_account_let_in_again_signs_in_and_its_old_tokens_stay_dead(world: World) -> None:
    made = world.mint(world.account())
    accounts.suspend(world.env, By(), EMAIL)
    accounts.suspend(world.env, By(), EMAIL)
    accounts.unsuspend(world.env, By(), EMAIL)
    assert sign_in.enter(world.env, world.by(), EMAIL, PASSWORD).session
    assert world.reason(made.secret) == "owner_suspended"
    assert world.actions().count("account.suspend") == 1


def test_nobody_can_be_suspended_who_is_not_there(world: World) -> None:
    for act in (accounts.suspend, accounts.unsuspend):
        with pytest.raises(NotFound):
            act(world.env, By(), "nobody@example.com")


def test_a_hash_with_yesterdays_parameters_is_renewed_at_sign_in(world: World) -> None:
    account = world.account()
    stronger = replace(world.env, passwords=Argon2Passwords(passes=2, kibibytes=16, lanes=1))
    with pytest.raises(Refused):
        sign_in.check_password(stronger, world.by(), EMAIL, "a wrong password")
    for env in (stronger, stronger, world.env):
        sign_in.check_password(env, world.by(), EMAIL, PASSWORD)
        with world.store.reading() as tx:
            hashed = tx.password_hash(account.id)
        assert hashed is not None
        assert not env.passwords.outdated(hashed)


def test_a_password_typed_on_another_system_still_signs_in(world: World) -> None:
    world.account(password="vier Käuzchen am Mittag")
    assert sign_in.check_password(world.env, world.by(), EMAIL, "vier Ka\u0308uzchen am Mittag").email == EMAIL


def test_a_browser_session_is_told_from_the_api(world: World) -> None:
    world.account()
    session = sign_in.enter(world.env, world.by(), EMAIL, PASSWORD).session
    assert session is not None
    assert getattr(authenticate(world.env, session.secret or ""), "reason", None) == "wrong_kind"
    assert authorizations.listed(world.env, world.principal(session)) == []

"""Proving an e-mail address: what the link is good for, what kills it, and what a change of the address does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import factors
from tests.support.mailed import SENDER, mails, secret
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import accounts, addresses, resets, sign_in
from keyturn.actions import closing as closings
from keyturn.actions.env import By, Gone, Invalid, Refused, Throttled
from keyturn.core import policy
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

NEW = "new@example.com"


def ask(world: World, acting: Credential) -> str:
    return addresses.ask(world.env, world.by(acting), world.principal(acting), SENDER)


def change(world: World, acting: Credential, email: str = NEW, **options: object) -> Account:
    given: dict[str, object] = {"current_password": PASSWORD, "sender": SENDER, **options}
    return accounts.change_email(world.env, world.by(acting), world.principal(acting), email=email, **given)  # type: ignore[arg-type]


def verified(world: World, account: Account) -> bool:
    found = world.store.find_account(account.id)
    assert found is not None
    return found.verified_at is not None


def test_a_link_comes_by_mail_and_proves_the_address_once(world: World) -> None:
    account = world.account()
    assert ask(world, world.mint(account)) == EMAIL
    (mail,) = mails(world)
    assert (mail.recipient, mail.next_at) == (EMAIL, mail.created_at)
    assert "3 days" in mail.body
    link = secret(world)
    assert addresses.opened(world.env, link).id == account.id
    assert not verified(world, account)  # looking proves nothing
    assert addresses.prove(world.env, By(), link).verified_at == world.clock()
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), link)
    assert "email.verify" in world.actions()


def test_only_the_newest_link_works_and_a_proven_address_needs_none(world: World) -> None:
    login = world.mint(world.account())
    ask(world, login)
    first = secret(world)
    ask(world, login)
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), first)
    addresses.prove(world.env, By(), secret(world))
    with pytest.raises(Invalid, match="confirmed already"):
        ask(world, login)


@pytest.mark.parametrize(("late", "alive"), [(-1, True), (0, False), (1, False)])
def test_a_link_lives_for_three_days(late: int, *, alive: bool, world: World) -> None:
    account = world.account()
    ask(world, world.mint(account))
    made = mails(world)[0].created_at
    link = secret(world)
    world.clock.now = made + timedelta(seconds=policy.EMAIL_LINK + late)
    if alive:
        addresses.prove(world.env, By(), link)
    else:
        with pytest.raises(Gone):
            addresses.prove(world.env, By(), link)
    assert verified(world, account) == alive


def test_a_link_for_an_address_that_changed_meanwhile_proves_neither(world: World) -> None:
    account = world.account()
    login = world.mint(account)
    ask(world, login)
    old = secret(world)
    change(world, login)
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), old)
    new = secret(world, NEW)
    change(world, login, "third@example.com")
    change(world, login, NEW)  # and back: a link is spent all the same
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), new)
    assert not verified(world, account)


def test_a_link_is_bound_to_its_address_by_itself(world: World) -> None:
    account = world.account()
    ask(world, world.mint(account))
    link = secret(world)
    with world.store.writing() as tx:
        tx.change_account(account.id, email=NEW)  # by whatever way that forgets to spend the links
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), link)


def test_links_of_one_account_are_limited_and_the_wait_is_told(world: World) -> None:
    login = world.mint(world.account())
    for _ in range(5):
        ask(world, login)
    with pytest.raises(Throttled) as refused:
        ask(world, login)
    assert refused.value.after > timedelta(0)
    assert len(mails(world, EMAIL)) == 5


def test_an_address_is_not_flooded_with_links_by_changes_of_several_accounts(world: World) -> None:
    victim, refused = "victim@example.com", 0
    owners = [world.account(f"{number}@example.com") for number in range(4)]
    for account, login in [(owner, world.mint(owner)) for owner in owners]:
        for _ in range(2):
            try:
                change(world, login, victim)
            except Throttled:
                refused += 1
            with world.store.writing() as tx:
                tx.change_account(account.id, email=account.email)
    assert (sum("kte_" in mail.body for mail in mails(world, victim)), refused) == (5, 3)


def test_a_dead_credential_asks_for_nothing(world: World) -> None:
    account = world.account()
    login = world.mint(account)
    accounts.suspend(world.env, By(), EMAIL)
    with pytest.raises(Refused):
        ask(world, login)


@pytest.mark.parametrize("text", ["", "x", "kte_", "kte_" + "0" * 38, "\x00", "ü" * 42, "ktp_" + "A" * 38])
def test_what_was_never_issued_is_gone(text: str, world: World) -> None:
    for act in (addresses.opened, lambda env, secret: addresses.prove(env, By(), secret)):
        with pytest.raises(Gone):
            act(world.env, text)


def test_a_secret_of_another_kind_of_link_is_none(world: World) -> None:
    world.account()
    resets.ask(world.env, By(), EMAIL, lambda text: f"https://keyturn.example/reset/{text}")
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), secret(world))


def test_no_usable_secret_is_in_the_store_but_in_the_waiting_mail(world: World) -> None:
    ask(world, world.mint(world.account()))
    link = secret(world)
    with world.store.writing() as tx:
        for mail in tx.outgoing():
            tx.change_outgoing(mail.id, body="")
    with closing(sqlite3.connect(world.path)) as connection:
        assert link not in "\n".join(connection.iterdump())


# a change of the address


def test_a_change_counts_at_once_unproven_and_tells_the_old_address(world: World) -> None:
    account = world.account()
    login = world.mint(account)
    ask(world, login)
    addresses.prove(world.env, By(), secret(world))
    changed = change(world, login)
    assert (changed.email, changed.verified_at) == (NEW, None)
    old, new = mails(world, EMAIL)[0], mails(world, NEW)[0]
    assert "changed" in old.subject
    assert NEW in old.body
    assert "ktd_" not in old.body
    assert "kte_" not in old.body
    assert "kte_" in new.body
    addresses.prove(world.env, By(), secret(world, NEW))
    assert verified(world, account)


def test_with_a_second_factor_no_password_is_asked_and_without_one_no_face_can_waive_it(world: World) -> None:
    holder = factors.with_app(world)
    session = holder.session()
    assert change(world, session, current_password=None, proven=True).email == NEW
    plain = world.mint(world.account("bob@example.com"), Kind.WEB)
    with pytest.raises(Invalid, match="current password"):
        change(world, plain, "bobs@example.com", current_password=None, proven=True)


@pytest.mark.parametrize(
    ("email", "options", "match"),
    [
        ("grace@example.com", {}, "cannot be taken"),
        ("GRACE@example.com", {}, "cannot be taken"),
        (EMAIL, {}, "already"),
        ("nonsense", {}, "no e-mail|not an e-mail"),
        ("a@b\nBcc: all@example.com", {}, "not an e-mail"),
        (NEW, {"current_password": "wrong"}, "current password is wrong"),
        (NEW, {"current_password": ""}, "current password"),
    ],
)
def test_a_change_that_cannot_be_made_changes_and_mails_nothing(
    email: str, options: dict[str, object], match: str, world: World
) -> None:
    world.account("grace@example.com")
    account = world.account()
    login = world.mint(account)
    with pytest.raises(Invalid, match=match):
        change(world, login, email, **options)
    found = world.store.find_account(account.id)
    assert found is not None
    assert found.email == EMAIL
    assert mails(world) == []


def test_a_change_kills_reset_links_to_the_old_address_and_an_account_under_single_sign_on_has_none(
    world: World,
) -> None:
    account = world.account()
    login = world.mint(account)
    resets.ask(world.env, By(), EMAIL, lambda text: f"https://keyturn.example/reset/{text}")
    link = secret(world)
    change(world, login)
    with pytest.raises(Gone):
        resets.opened(world.env, By(), link)
    with world.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    with pytest.raises(Invalid, match="single sign-on"):
        change(world, login, "other@example.com")


def test_a_session_that_ended_while_the_password_was_judged_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = world.account()
    session = world.mint(account, Kind.WEB)
    real = sign_in.check_password

    def slow(*given: object) -> Account:
        proven = real(*given)  # type: ignore[arg-type]
        sign_in.sign_out(world.env, world.by(session))
        return proven

    monkeypatch.setattr(sign_in, "check_password", slow)
    with pytest.raises(Refused):
        change(world, session)
    found = world.store.find_account(account.id)
    assert found is not None
    assert found.email == EMAIL


def test_a_closed_account_proves_nothing(world: World) -> None:
    account = world.account()
    login = world.mint(account)
    ask(world, login)
    link = secret(world)
    closings.close(world.env, world.by(login), world.principal(login))
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), link)
    assert not verified(world, account)

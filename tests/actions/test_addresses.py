"""Proving an e-mail address: what the link is good for, what kills it, and what a change of the address does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import factors
from tests.support.mailed import SENDER, mails, secret, with_rules
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import accounts, addresses, resets, sign_in
from keyturn.actions import closing as closings
from keyturn.actions.env import By, Gone, Invalid, Refused, Throttled
from keyturn.core import policy
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.world import World

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

NEW = "new@example.com"


def ask(world: World, acting: Credential) -> str:
    return addresses.ask(world.env, world.by(acting), world.principal(acting), SENDER)


def change(world: World, acting: Credential, email: str = NEW, **options: object) -> str:
    given: dict[str, object] = {"current_password": PASSWORD, "sender": SENDER, **options}
    return accounts.change_email(world.env, world.by(acting), world.principal(acting), email=email, **given)  # type: ignore[arg-type]


def address_of(world: World, account: Account) -> str:
    found = world.store.find_account(account.id)
    assert found is not None
    return found.email


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
    assert addresses.opened(world.env, link) == addresses.Opened(account, EMAIL)
    assert not verified(world, account)  # looking proves nothing
    assert addresses.prove(world.env, By(), link).account.verified_at == world.clock()
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
    assert address_of(world, account) == EMAIL


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
    for login in [world.mint(world.account(f"{number}@example.com")) for number in range(4)]:
        for _ in range(2):
            try:
                change(world, login, victim)
            except Throttled:
                refused += 1
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


def test_a_change_counts_once_its_link_was_followed_and_the_old_address_is_told_both_times(world: World) -> None:
    account = world.account()
    login = world.mint(account)
    ask(world, login)
    addresses.prove(world.env, By(), secret(world))
    assert change(world, login) == NEW
    assert (address_of(world, account), verified(world, account)) == (EMAIL, True)
    assert addresses.pending(world.env, world.principal(login)) == NEW
    old, new = mails(world, EMAIL)[0], mails(world, NEW)[0]
    assert "Another e-mail address was asked for" in old.subject
    assert NEW in old.body
    assert "kte_" not in old.body
    assert "kte_" in new.body
    assert EMAIL not in new.body  # whoever gets it by mistake learns nobody's address
    link = secret(world, NEW)
    assert addresses.opened(world.env, link).changes
    assert address_of(world, account) == EMAIL  # looking changes nothing
    world.clock.advance(hours=1)
    addresses.prove(world.env, By(), link)
    assert (address_of(world, account), verified(world, account)) == (NEW, True)
    assert "was changed" in mails(world, EMAIL)[0].subject
    assert addresses.pending(world.env, world.principal(login)) is None
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), link)


def test_nobody_is_called_by_an_address_that_they_have_not_proven(world: World) -> None:
    mallory = world.account("mallory@example.com")
    trojan = world.mint(mallory, Kind.AUTHORIZATION)
    change(world, trojan, "victim@example.com")
    with world.store.reading() as tx:
        assert tx.account_by_email("victim@example.com") is None  # no collaborator, no recipient of a transfer
    before = len(mails(world, "victim@example.com"))
    resets.ask(world.env, By(), "victim@example.com", lambda text: f"https://keyturn.example/reset/{text}")
    assert len(mails(world, "victim@example.com")) == before
    link = secret(world, "victim@example.com")
    victim = world.account("victim@example.com")
    with pytest.raises(Gone, match="an account with this address"):  # who came first to prove it has it
        addresses.prove(world.env, By(), link)
    assert address_of(world, mallory) == "mallory@example.com"
    assert address_of(world, victim) == "victim@example.com"


def test_an_address_that_another_account_has_is_answered_like_a_free_one_and_only_its_mail_tells(world: World) -> None:
    ceo = world.account("ceo@example.com")
    answers: dict[str, list[object]] = {}
    for email in ("CEO@example.com", "nobody@example.com"):
        login = world.mint(world.account(f"asks-for-{email}"))
        answers[email] = []
        for _ in range(7):
            try:
                answers[email].append(change(world, login, email) == email)
                answers[email].append(addresses.pending(world.env, world.principal(login)) == email)
            except Throttled as refused:
                answers[email].append(refused.after)
    assert answers["CEO@example.com"] == answers["nobody@example.com"]
    assert sum(answer is True for answer in answers["CEO@example.com"]) == 10
    (*_, told) = mails(world, "CEO@example.com")
    assert "kte_" not in told.body
    assert "of an account already" in told.body
    assert "asks-for" not in told.body
    assert address_of(world, ceo) == "ceo@example.com"


def taken_back(world: World, login: Credential) -> None:
    assert addresses.take_back(world.env, world.by(login), world.principal(login)) == NEW
    assert addresses.take_back(world.env, world.by(login), world.principal(login)) is None


def password_changed(world: World, login: Credential) -> None:
    accounts.change_password(
        world.env, world.by(login), world.principal(login), current_password=PASSWORD, new_password=NEW_PASSWORD
    )


def password_reset(world: World, _: Credential) -> None:
    resets.ask(world.env, By(), EMAIL, lambda text: f"https://keyturn.example/reset/{text}")
    resets.finalize(
        world.env, By(), secret(world, EMAIL), password=NEW_PASSWORD, confirmation=NEW_PASSWORD
    )  # fmt: skip


def suspended_for_a_while(world: World, _: Credential) -> None:
    accounts.suspend(world.env, By(), EMAIL)
    accounts.unsuspend(world.env, By(), EMAIL)


@pytest.mark.parametrize("happens", [taken_back, password_changed, password_reset, suspended_for_a_while])
def test_what_ends_a_pending_change(happens: Callable[[World, Credential], None], world: World) -> None:
    account = world.account()
    login = world.mint(account)
    change(world, login)
    link = secret(world, NEW)
    happens(world, login)
    with pytest.raises(Gone):
        addresses.prove(world.env, By(), link)
    assert address_of(world, account) == EMAIL


def test_a_pending_change_runs_out_and_its_link_can_be_mailed_again(world: World) -> None:
    login = world.mint(world.account())
    change(world, login)
    first = secret(world, NEW)
    world.clock.advance(days=1)
    assert ask(world, login) == NEW
    assert secret(world, NEW) != first
    world.clock.advance(seconds=policy.EMAIL_LINK)
    assert addresses.pending(world.env, world.principal(login)) is None
    assert ask(world, login) == EMAIL


def test_where_accounts_are_for_some_domains_a_change_is_too(world: World) -> None:
    login = world.mint(world.account())
    with_rules(world, sign_up="open", sign_up_domains=("corp.example",))
    with pytest.raises(Invalid, match=r"addresses of corp\.example"):
        change(world, login)
    assert change(world, login, "ada@corp.example") == "ada@corp.example"


def test_with_a_second_factor_no_password_is_asked_and_without_one_no_face_can_waive_it(world: World) -> None:
    holder = factors.with_app(world)
    session = holder.session()
    assert change(world, session, current_password=None, proven=True) == NEW
    plain = world.mint(world.account("bob@example.com"), Kind.WEB)
    with pytest.raises(Invalid, match="current password"):
        change(world, plain, "bobs@example.com", current_password=None, proven=True)


@pytest.mark.parametrize(
    ("email", "options", "match"),
    [
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
    addresses.prove(world.env, By(), secret(world, NEW))
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

"""Closing an account: everything of it ends at once and for good, and its address is free for an account that inherits nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import factors
from tests.support.mailed import SENDER, mails, secret
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import (
    accounts,
    addresses,
    cli_login,
    clients,
    closing,
    grants,
    invitations,
    keys,
    resets,
    second_step,
    sign_in,
)
from keyturn.actions.authenticate import web_session
from keyturn.actions.env import By, Gone, Invalid, NotFound, Problem, Refused
from keyturn.core.policy import EFFECTS, Effect, Event, Kind

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@laptop"
ENDING = tuple(kind for kind in Kind if EFFECTS[Event.CLOSE, kind] is Effect.DIES and kind is not Kind.SSH_KEY)


def close(world: World, acting: Credential) -> closing.Closed:
    return closing.close(world.env, world.by(acting), world.principal(acting))


def client_of(world: World, owner: Credential, *, given_by: list[Account]) -> tuple[str, list[Credential]]:
    """A client of the owner, and what these accounts let it do."""
    made = clients.create(
        world.env, world.by(owner), world.principal(owner), name="Weather", redirect_uri="https://w.example/cb"
    ).client
    with world.store.writing() as tx:
        return made.id, [
            grants.mint(
                world.env, tx, By(), account, Kind.OAUTH, scopes=("read",), description="Weather", client_id=made.id
            )
            for account in given_by
        ]


def test_every_credential_ends_with_the_reason_that_its_holder_is_told(world: World) -> None:
    account = world.account()
    made = {kind: world.mint(account, kind) for kind in ENDING}
    stranger = world.mint(world.account("bob@example.com"))
    closed = close(world, made[Kind.WEB])
    assert {e.grant.id for e in closed.endings} == {each.grant.id for each in made.values()}
    assert {world.ended(each) for each in made.values()} == {"account_closed"}
    assert world.reason(made[Kind.LOGIN].secret) == "account_closed"
    assert web_session(world.env, made[Kind.WEB].secret or "") is None
    assert world.reason(stranger.secret) is None


def test_the_preview_is_the_effect(world: World) -> None:
    account, bob = world.account(), world.account("bob@example.com")
    acting, *_ = [world.mint(account, kind) for kind in ENDING]
    keys.add(world.env, world.by(acting), world.principal(acting), SSH)
    client, given = client_of(world, acting, given_by=[bob, bob, account])
    foreseen = closing.would_close(world.env, world.by(acting), world.principal(acting))
    before = len(world.audit())
    closed = close(world, acting)
    assert before < len(world.audit())
    assert {c.grant.id for _, c in foreseen.preview.ends} == {e.grant.id for e in closed.endings}
    assert foreseen.preview.lives == []
    assert [(r.client.id, r.others, r.other_accounts) for r in foreseen.clients] == [(client, 2, 1)]
    assert closed.others == 2
    assert "ada@laptop" in {c.grant.description for _, c in foreseen.preview.ends}
    assert [world.ended(each) for each in given] == ["client_removed", "client_removed", "account_closed"]


def test_looking_changes_nothing(world: World) -> None:
    account = world.account()
    acting = world.mint(account)
    before = world.audit()
    closing.would_close(world.env, world.by(acting), world.principal(acting))
    assert world.audit() == before
    assert world.store.find_account(account.id) == account


def test_nobody_signs_in_and_it_looks_like_an_account_that_never_was(world: World) -> None:
    close(world, world.mint(world.account()))
    told = []
    for email in (EMAIL, "nobody@example.com"):
        with pytest.raises(Refused) as refused:
            sign_in.check_password(world.env, world.by(), email, PASSWORD)
        told.append(refused.value.deny)
    assert told[0] == told[1]
    resets.ask(world.env, world.by(), EMAIL, lambda text: f"https://keyturn.example/reset/{text}")
    assert not any("/reset/" in mail.body for mail in mails(world))
    with pytest.raises(NotFound):
        resets.ask_as_operator(world.env, By(), EMAIL)
    with pytest.raises(NotFound):
        accounts.unsuspend(world.env, By(), EMAIL)


def test_what_was_under_way_comes_to_nothing(world: World) -> None:
    holder = factors.with_app(world)
    session = holder.session()
    entered = sign_in.enter(world.env, world.by(), EMAIL, PASSWORD)
    assert entered.second_step is not None
    begun = cli_login.begin(world.env, By(), description=None, expires_in=None)
    cli_login.decide_login(world.env, world.by(session), world.principal(session), begun.browser_secret, approve=True)
    resets.ask(world.env, world.by(), EMAIL, lambda text: f"https://keyturn.example/reset/{text}")
    reset = secret(world)
    addresses.ask(world.env, world.by(session), world.principal(session), SENDER)
    proof = secret(world)
    close(world, session)
    assert isinstance(cli_login.collect(world.env, By(), begun.login.id, begun.cli_secret), cli_login.Failed)
    for act in (
        lambda: second_step.pass_by_code(world.env, world.by(), entered.second_step or "", holder.fresh_code()),
        lambda: resets.finalize(
            world.env, world.by(), reset, password=NEW_PASSWORD, confirmation=NEW_PASSWORD
        ),
        lambda: addresses.prove(world.env, world.by(), proof),
        lambda: accounts.change_email(
            world.env, world.by(session), world.principal(session), email="x@example.com", current_password=PASSWORD,
            sender=SENDER,
        ),
    ):  # fmt: skip
        with pytest.raises((Gone, Refused, Invalid)):
            act()
    with world.store.reading() as tx:
        assert tx.count_grants(holder.account.id, world.clock()) == 0


def test_a_login_that_waits_is_told_that_the_account_was_closed(world: World) -> None:
    session = world.mint(world.account(), Kind.WEB)
    begun = cli_login.begin(world.env, By(), description=None, expires_in=None)
    cli_login.decide_login(world.env, world.by(session), world.principal(session), begun.browser_secret, approve=True)
    close(world, session)
    assert cli_login.collect(world.env, By(), begun.login.id, begun.cli_secret) == cli_login.Failed("account_closed")


def test_a_sign_in_whose_password_was_judged_before_gets_no_session_after(world: World) -> None:
    account = world.account()
    proven = sign_in.check_password(world.env, world.by(), EMAIL, PASSWORD)
    close(world, world.mint(account))
    with pytest.raises(Refused):
        sign_in.session_for(world.env, world.by(), proven)


def test_factors_keys_and_remembered_browsers_go(world: World) -> None:
    holder = factors.with_app(world)
    session = holder.session()
    keys.add(world.env, world.by(session), world.principal(session), SSH)
    with world.store.writing() as tx:
        device = second_step.remember(world.env, tx, world.by(session), holder.account)
    assert device
    close(world, session)
    closed = holder.reload()
    assert (closed.mfa_since, closed.verified_at, closed.closed_at) == (None, None, world.clock())
    with world.store.reading() as tx:
        assert tx.factors(closed.id) == []
        assert tx.keys(closed.id, world.clock()) == []
        assert tx.devices(closed.id, world.clock()) == []
        assert tx.count_recovery_codes(closed.id) == 0
        assert tx.password_hash(closed.id) is None


def test_the_address_is_free_for_an_account_that_inherits_nothing(world: World) -> None:
    account = world.account(name="Ada")
    acting = world.mint(account)
    keys.add(world.env, world.by(acting), world.principal(acting), SSH)
    client_of(world, acting, given_by=[account])
    close(world, acting)
    again = world.account(password=NEW_PASSWORD)
    assert again.id != account.id
    with pytest.raises(Refused):
        sign_in.check_password(world.env, world.by(), EMAIL, PASSWORD)
    assert sign_in.check_password(world.env, world.by(), EMAIL, NEW_PASSWORD).id == again.id
    fresh = world.mint(again)
    with world.store.reading() as tx:
        assert [grant.id for grant in tx.grants(again.id)] == [fresh.grant.id]
        assert (tx.keys(again.id, world.clock()), tx.clients(again.id)) == ([], [])
        assert {event.account_id for event in tx.audit_events(again.id)} == {again.id}
    # the key of the closed account can be added anew, by whoever has it
    assert keys.add(world.env, world.by(fresh), world.principal(fresh), SSH).key.email == EMAIL


def test_its_owner_is_told_by_mail_and_the_audit_trail_stays(world: World) -> None:
    account = world.account()
    close(world, world.mint(account))
    letter = next(mail for mail in mails(world, EMAIL) if "closed" in mail.subject)
    assert "cannot be opened again" in letter.body
    event = next(e for e in world.audit(account) if e.action == "account.close")
    assert event.details == {"email": EMAIL}
    assert event.actor_id == account.id


def test_the_last_administrator_stays_and_of_two_each_may_go_but_not_both(world: World) -> None:
    first = world.mint(world.account(admin=True))
    foreseen = closing.would_close(world.env, world.by(first), world.principal(first))
    assert foreseen.obstacle == closing.LAST_ADMIN
    with pytest.raises(Invalid, match="last administrator"):
        close(world, first)
    second = world.mint(world.account("boss@example.com", admin=True))
    suspended = world.account("gone@example.com", admin=True)
    accounts.suspend(world.env, By(), suspended.email)
    close(world, first)
    with pytest.raises(Invalid, match="last administrator"):  # the suspended one cannot act
        close(world, second)
    assert world.ended(second) is None


def test_an_account_under_single_sign_on_is_closed_where_it_comes_from(world: World) -> None:
    account = world.account()
    acting = world.mint(account)
    with world.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    with pytest.raises(Invalid, match="single sign-on"):
        close(world, acting)
    with pytest.raises(Invalid, match="single sign-on"):
        closing.close_by_password(world.env, world.by(acting), world.principal(acting), PASSWORD)
    assert world.ended(acting) is None


@pytest.mark.parametrize("password", ["wrong", "", None, 5])
def test_by_password_nothing_happens_without_the_right_one(password: object, world: World) -> None:
    acting = world.mint(world.account())
    with pytest.raises(Invalid):
        closing.close_by_password(world.env, world.by(acting), world.principal(acting), password)
    assert world.ended(acting) is None


def test_it_comes_as_a_whole_or_not_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    account = world.account()
    acting = world.mint(account)

    def failing(*_given: object, **_named: object) -> None:
        raise RuntimeError("the outbox is full")

    monkeypatch.setattr("keyturn.actions.letters.mail", failing)
    with pytest.raises(RuntimeError):
        close(world, acting)
    assert world.ended(acting) is None
    assert world.store.find_account(account.id) == account


def test_a_closed_account_cannot_be_closed_again_and_its_invitations_are_void(world: World) -> None:
    world.account("boss@example.com", admin=True)
    acting = world.mint(world.account(admin=True))
    link = invitations.invite(
        world.env, world.by(acting), world.principal(acting), email="bob@example.com", sender=SENDER
    ).secret
    close(world, acting)
    with pytest.raises(Problem):
        close(world, acting)
    with pytest.raises(Gone):
        invitations.opened(world.env, link)

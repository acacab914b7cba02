"""What administrators do to accounts, and what they cannot: to themselves, after their rights are gone, or at once."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.support.factors import Holder, with_app

from keyturn.actions import accounts, administer, preview, resets
from keyturn.actions.env import By, Gone, Invalid, NotFound, Problem, Refused
from keyturn.core.policy import HOUR, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.world import World

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account
    from keyturn.store.interface import Store, Tx

    Act = Callable[[World, By, Account, Credential], object]

GRACE = "grace@example.com"


def link(secret: str) -> str:
    return f"https://keys.example/reset/{secret}"


ACTS: dict[str, Act] = {
    "suspend": lambda world, by, account, _: administer.suspend(world.env, by, account.id),
    "unsuspend": lambda world, by, account, _: administer.unsuspend(world.env, by, account.id),
    "make administrator": lambda world, by, account, _: administer.set_admin(world.env, by, account.id, admin=True),
    "reset factors": lambda world, by, account, _: administer.reset_factors(world.env, by, account.id),
    "mail a link": lambda world, by, account, _: administer.reset_password(
        world.env, by, account.id, link, by_mail=True
    ),
    "show a link": lambda world, by, account, _: administer.reset_password(
        world.env, by, account.id, link, by_mail=False
    ),
    "revoke": lambda world, by, account, key: administer.revoke(world.env, by, account.id, key.grant.id),
}
ONESELF = ("suspend", "make administrator", "reset factors")


def session(world: World, account: Account) -> Credential:
    return world.mint(account, Kind.WEB, description="Browser session")


def change(world: World, account: Account, **changes: object) -> None:
    with world.store.writing() as tx:
        tx.change_account(account.id, **changes)


def now_of(world: World, account: Account) -> Account:
    with world.store.reading() as tx:
        found = tx.account(account.id)
    assert found is not None
    return found


def mails(world: World) -> list[tuple[str, str, str]]:
    """Recipient, subject and text, oldest first."""
    with world.store.reading() as tx:
        return [(item.recipient, item.subject, item.body) for item in reversed(tx.outgoing())]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("fate", ["demoted", "suspended", "signed out", "expired"])
def test_whoever_is_no_administrator_any_more_does_nothing(world: World, act: str, fate: str) -> None:
    admin, grace = world.account(admin=True), with_app(world, email=GRACE).account
    if act == "unsuspend":
        change(world, grace, suspended_at=world.clock())
    key = world.mint(grace, Kind.AUTHORIZATION)
    made = session(world, admin)
    by = world.by(made)  # as the request was let in, a moment before
    if fate == "demoted":
        change(world, admin, admin=False)
    elif fate == "suspended":
        change(world, admin, suspended_at=world.clock())
    elif fate == "expired":
        world.clock.advance(days=2)
    else:
        with world.store.writing() as tx:
            tx.end_grants([made.grant.id], at=world.clock(), reason="logged_out", by=admin.id)
    before = now_of(world, grace), world.audit(), mails(world), world.ended(key)
    with pytest.raises(Refused):
        ACTS[act](world, by, grace, key)
    assert (now_of(world, grace), world.audit(), mails(world), world.ended(key)) == before


@pytest.mark.parametrize("act", ONESELF)
def test_nobody_does_it_to_themselves_so_an_administrator_is_always_left(world: World, act: str) -> None:
    holder = with_app(world)
    change(world, holder.account, admin=True)
    made = session(world, holder.account)
    with pytest.raises(Invalid, match="You cannot"):
        ACTS[act](world, world.by(made), holder.account, made)
    with pytest.raises(Invalid, match="You cannot"):
        administer.set_admin(world.env, world.by(made), holder.account.id, admin=False)
    assert now_of(world, holder.account).admin
    assert now_of(world, holder.account).suspended_at is None
    assert now_of(world, holder.account).mfa_since is not None


@pytest.mark.parametrize("way", ["demote", "suspend"])
def test_of_two_administrators_who_turn_on_each_other_at_once_one_wins(world: World, way: str) -> None:
    for number in range(5):
        pair = [world.account(f"{name}{number}@example.com", admin=True) for name in ("ada", "grace")]
        sessions = [session(world, each) for each in pair]
        start = threading.Barrier(2)
        outcomes: list[str] = []

        def turn(by: By, other: Account, start: threading.Barrier = start, outcomes: list[str] = outcomes) -> None:
            start.wait()
            try:
                if way == "demote":
                    administer.set_admin(world.env, by, other.id, admin=False)
                else:
                    administer.suspend(world.env, by, other.id)
            except Problem as problem:
                outcomes.append(type(problem).__name__)
            else:
                outcomes.append("done")

        threads = [
            threading.Thread(target=turn, args=(world.by(mine), other))
            for mine, other in zip(sessions, reversed(pair), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["Refused", "done"]
        left = [now_of(world, each) for each in pair]
        assert [each.admin and each.suspended_at is None for each in left].count(True) == 1


def test_a_suspension_ends_what_its_preview_said_and_nothing_of_others(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    by = world.by(session(world, admin))
    held = [world.mint(grace, kind) for kind in Kind if kind is not Kind.SSH_KEY]
    others = world.mint(admin, Kind.AUTHORIZATION)
    told = preview.preview_suspension(world.env, by, GRACE)
    account, endings = administer.suspend(world.env, by, grace.id)
    assert account.suspended_at == world.clock()
    assert [(e.grant.id, e.reason) for e in endings] == [(e.grant.id, e.reason) for e, _ in told.ends]
    dead = {e.grant.id for e in endings}
    assert {c.grant.id for c in held if world.ended(c) == "owner_suspended"} == dead
    assert {c.grant.id for c in held if world.ended(c) is None} == {c.grant.id for c in told.lives}
    assert world.ended(others) is None
    assert (GRACE, "Your account was suspended") in [mail[:2] for mail in mails(world)]
    event = next(event for event in world.audit(grace) if event.action == "account.suspend")
    assert (event.actor_id, event.outcome, event.address) == (admin.id, "ok", by.address)


def test_a_password_link_of_before_a_suspension_opens_nothing_after_it(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    by = world.by(session(world, admin))
    _, secret = resets.ask_as_operator(world.env, By(), GRACE)
    administer.suspend(world.env, by, grace.id)
    assert administer.unsuspend(world.env, by, grace.id).suspended_at is None
    with pytest.raises(Gone):
        resets.opened(world.env, By(), secret)
    assert "Your account can be used again" in [subject for _, subject, _ in mails(world)]


def test_a_second_suspension_changes_and_tells_nothing(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    by = world.by(session(world, admin))
    first, _ = administer.suspend(world.env, by, grace.id)
    before = mails(world), world.audit()
    world.clock.advance(hours=1)
    again, endings = administer.suspend(world.env, by, grace.id)
    assert (again, endings) == (first, [])
    assert (mails(world), world.audit()) == before


def test_an_operator_s_suspension_is_told_to_the_owner_as_well_and_once(world: World) -> None:
    world.account(GRACE)
    for _ in range(2):
        accounts.suspend(world.env, By(), GRACE)
    world.clock.advance(seconds=1)  # mails of one instant have no order
    for _ in range(2):
        accounts.unsuspend(world.env, By(), GRACE)
    told = [(to, subject) for to, subject, body in mails(world) if "an operator of the server" in body]
    assert told == [(GRACE, "Your account was suspended"), (GRACE, "Your account can be used again")]
    with pytest.raises(NotFound):
        accounts.unsuspend(world.env, By(), "nobody@example.com")


def test_making_and_unmaking_an_administrator_is_audited_and_told(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    by = world.by(session(world, admin))
    key, before = world.mint(grace, Kind.AUTHORIZATION), session(world, grace)
    assert administer.set_admin(world.env, by, grace.id, admin=True).admin
    assert world.ended(before) == "revoked_by_admin"  # what it was worth less for may be in other hands
    after = session(world, grace)
    assert administer.set_admin(world.env, by, grace.id, admin=True).admin  # once is enough
    world.clock.advance(seconds=1)  # mails of one instant have no order
    assert not administer.set_admin(world.env, by, grace.id, admin=False).admin
    assert [e.action for e in world.audit(grace) if "admin_" in e.action] == ["account.admin_off", "account.admin_on"]
    assert {e.actor_id for e in world.audit(grace) if "admin_" in e.action} == {admin.id}
    told = [subject for recipient, subject, _ in mails(world) if recipient == GRACE]
    assert told == ["You are an administrator now", "You are no administrator any more"]
    assert (world.ended(key), world.ended(after)) == (None, None)


def test_a_suspended_account_becomes_no_administrator(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    by = world.by(session(world, admin))
    administer.suspend(world.env, by, grace.id)
    with pytest.raises(Invalid, match="suspended"):
        administer.set_admin(world.env, by, grace.id, admin=True)
    with pytest.raises(Invalid, match="suspended"):
        administer.reset_password(world.env, by, grace.id, link, by_mail=False)


def test_second_factors_are_taken_off_and_the_browser_sessions_end(world: World) -> None:
    admin = world.account(admin=True)
    holder: Holder = with_app(world, email=GRACE)
    web, login = session(world, holder.account), world.mint(holder.account)
    account = administer.reset_factors(world.env, world.by(session(world, admin)), holder.account.id)
    assert account.mfa_since is None
    assert world.ended(web) == "revoked_by_admin"
    assert world.ended(login) is None
    seen = administer.seen(world.env, account.id)
    assert (seen.factors, seen.recovery_left) == ([], 0)
    with pytest.raises(Invalid, match="no second factor"):
        administer.reset_factors(world.env, world.by(session(world, admin)), account.id)


def test_second_factors_are_taken_off_the_account_that_was_meant_whoever_has_its_address_meanwhile(
    world: World,
) -> None:
    admin = world.account(admin=True)
    meant, other = with_app(world, email=GRACE), with_app(world, email="eve@example.com")

    class Between:
        """The store; once a transaction of it is through, the two accounts have each other's address."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

        @contextmanager
        def writing(self) -> Iterator[Tx]:
            with world.store.writing() as tx:
                yield tx
            change(world, meant.account, email="elsewhere@example.com")
            change(world, other.account, email=GRACE)
            change(world, meant.account, email="eve@example.com")

    env = replace(world.env, store=cast("Store", Between()))
    administer.reset_factors(env, world.by(session(world, admin)), meant.account.id)
    assert now_of(world, meant.account).mfa_since is None
    assert now_of(world, other.account).mfa_since is not None


def test_a_mailed_password_link_is_in_the_mail_alone(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    assert administer.reset_password(world.env, world.by(session(world, admin)), grace.id, link, by_mail=True) is None
    recipient, _, text = mails(world)[-1]
    secret = text.split(link(""))[1].split()[0]
    assert recipient == GRACE
    assert resets.opened(world.env, By(), secret).account.id == grace.id
    assert secret not in repr(world.audit())


def test_a_shown_password_link_is_nowhere_else_and_ends_the_one_before(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    by = world.by(session(world, admin))
    first = administer.reset_password(world.env, by, grace.id, link, by_mail=False)
    second = administer.reset_password(world.env, by, grace.id, link, by_mail=False)
    assert first is not None
    assert second is not None
    with pytest.raises(Gone):
        resets.opened(world.env, By(), first.removeprefix(link("")))
    secret = second.removeprefix(link(""))
    assert resets.opened(world.env, By(), secret).account.id == grace.id
    assert secret not in repr(mails(world)) + repr(world.audit())
    assert mails(world)[-1][:2] == (GRACE, "An administrator made a link to choose your password")


def test_accounts_under_single_sign_on_get_no_password_link(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    change(world, grace, federated=True)
    with pytest.raises(Invalid, match="single sign-on"):
        administer.reset_password(world.env, world.by(session(world, admin)), grace.id, link, by_mail=False)


@pytest.mark.parametrize("act", ACTS)
def test_to_a_closed_account_nothing_is_done(world: World, act: str) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    key = world.mint(grace, Kind.AUTHORIZATION)
    change(world, grace, closed_at=world.clock())
    with pytest.raises(Invalid, match="closed"):
        ACTS[act](world, world.by(session(world, admin)), grace, key)
    assert administer.find(world.env, GRACE) == grace.id  # but it can be looked up still


@pytest.mark.parametrize("act", ACTS)
def test_an_account_that_is_not_there_is_said_to_be_not_there(world: World, act: str) -> None:
    admin = world.account(admin=True)
    made = session(world, admin)
    with pytest.raises(NotFound):
        ACTS[act](world, world.by(made), replace(admin, id="0" * 36), made)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.SSH_KEY])
def test_a_revoked_credential_ends_at_once_and_its_owner_is_told_once(world: World, kind: Kind) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    key, other = world.mint(grace, kind), world.mint(grace, kind)
    ending = administer.revoke(world.env, world.by(session(world, admin)), grace.id, key.grant.id)
    assert ending.grant.id == key.grant.id
    assert (world.ended(key), world.ended(other)) == ("revoked_by_admin", None)
    assert [recipient for recipient, _, _ in mails(world)] == [GRACE]
    assert key.secret is not None
    assert key.secret not in repr(mails(world))
    event = next(event for event in world.audit(grace) if event.action.endswith(".end"))
    assert (event.actor_id, event.reason) == (admin.id, "revoked_by_admin")


def test_only_a_living_credential_of_that_account_is_revoked_and_never_the_one_that_acts(world: World) -> None:
    admin, grace = world.account(admin=True), world.account(GRACE)
    mine, brief = session(world, admin), world.mint(grace, Kind.AUTHORIZATION, asked=HOUR)
    others = world.mint(admin, Kind.AUTHORIZATION)
    world.clock.advance(hours=2)
    for wrong in (brief, others):
        with pytest.raises(NotFound):
            administer.revoke(world.env, world.by(mine), grace.id, wrong.grant.id)
    with pytest.raises(Invalid, match="Sign out"):
        administer.revoke(world.env, world.by(mine), admin.id, mine.grant.id)
    assert world.ended(others) is None


def test_accounts_are_listed_a_page_at_a_time_each_once(world: World) -> None:
    with world.store.writing() as tx:
        for number in range(administer.PAGE + 7):
            made = replace(_blank(world), id=world.env.new_id(), email=f"p{number:03}@example.com")
            tx.add_account(made, None)
    first, more = administer.listed(world.env)
    rest, none = administer.listed(world.env, after=first[-1].id)
    assert (more, none) == (True, False)
    assert [a.email for a in (*first, *rest)] == [f"p{number:03}@example.com" for number in range(administer.PAGE + 7)]


def _blank(world: World) -> Account:
    from keyturn.core.credential import Account

    return Account("", "", None, admin=False, created_at=world.clock(), updated_at=world.clock())


def test_what_expires_is_found_across_accounts_a_page_at_a_time(world: World) -> None:
    ada, grace = world.account(), world.account(GRACE)
    made = [world.mint(owner, Kind.AUTHORIZATION, asked=n * HOUR) for n, owner in enumerate((ada, grace, ada), 1)]
    world.mint(grace, Kind.AUTHORIZATION, asked=100 * HOUR)
    world.mint(grace, Kind.WEB)
    before = world.clock.now.replace(hour=23)
    kinds = frozenset({Kind.AUTHORIZATION})
    first, more = administer.expiring(world.env, before, kinds, 1, 2)
    second, none = administer.expiring(world.env, before, kinds, 2, 2)
    assert (more, none) == (True, False)
    assert [(a.id, c.grant.id) for a, c in (*first, *second)] == [
        (owner.id, c.grant.id) for owner, c in zip((ada, grace, ada), made, strict=True)
    ]

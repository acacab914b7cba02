"""A login through the browser, half by half: who may approve, who may collect, and how often."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.world import EMAIL, World

from keyturn.actions import accounts, cli_login
from keyturn.actions.cli_login import Collected, Failed, Pending
from keyturn.actions.env import By, Gone, Invalid, NotFound, Refused
from keyturn.core import policy
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from keyturn.actions.cli_login import Begun

MACHINE = By(None, "192.0.2.50", "keyturn-cli")


def begin(world: World, **asked: object) -> Begun:
    every: dict[str, object] = {"description": "Keyturn CLI login from laptop", "expires_in": None}
    return cli_login.begin(world.env, MACHINE, **(every | asked))


def decide(world: World, begun: Begun, *, approve: bool = True) -> None:
    with world.store.reading() as tx:
        account = tx.account_by_email(EMAIL)
    web = world.mint(account or world.account(), Kind.WEB)
    cli_login.decide_login(world.env, world.by(web), world.principal(web), begun.browser_secret, approve=approve)


def collect(world: World, begun: Begun) -> Collected | Failed:
    return cli_login.collect(world.env, MACHINE, begun.login.id, begun.cli_secret)


def logins(world: World) -> int:
    with world.store.reading() as tx:
        return sum(grant.kind is Kind.LOGIN for account in tx.accounts() for grant in tx.grants(account.id))


def test_a_token_exists_only_when_the_command_line_collects_it(world: World) -> None:
    begun = begin(world)
    assert cli_login.poll(world.env, begun.login.id, begun.cli_secret) == Pending()
    decide(world, begun)
    assert cli_login.poll(world.env, begun.login.id, begun.cli_secret) is None
    assert logins(world) == 0
    got = collect(world, begun)
    assert isinstance(got, Collected)
    assert got.account.email == EMAIL
    assert (got.credential.grant.kind, got.credential.grant.description) == (
        Kind.LOGIN,
        "Keyturn CLI login from laptop",
    )
    assert (got.credential.grant.address, got.credential.grant.agent) == ("192.0.2.50", "keyturn-cli")
    assert world.reason(got.credential.secret) is None
    assert logins(world) == 1


def test_it_is_collected_once_however_many_try_at_once(world: World) -> None:
    begun = begin(world)
    decide(world, begun)
    together = threading.Barrier(4)
    got: list[object] = []

    def once() -> None:
        together.wait()
        try:
            got.append(collect(world, begun))
        except Gone:
            got.append("gone")

    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got.count("gone") == 3
    assert logins(world) == 1


def test_the_two_halves_are_unrelated_and_neither_does_the_others_work(world: World) -> None:
    begun = begin(world)
    web = world.mint(world.account(), Kind.WEB)
    with pytest.raises(NotFound):
        cli_login.decide_login(world.env, world.by(web), world.principal(web), begun.cli_secret, approve=True)
    with pytest.raises(NotFound):
        cli_login.shown(world.env, begun.cli_secret)
    decide(world, begun)
    for secret in (begun.browser_secret, "", "ktc_guess", "é\ud800"):
        for act in (cli_login.poll, cli_login.check_waiting):
            with pytest.raises(Refused):
                act(world.env, begun.login.id, secret)
        with pytest.raises(Refused):
            cli_login.collect(world.env, MACHINE, begun.login.id, secret)
    assert logins(world) == 0
    assert isinstance(collect(world, begun), Collected)  # the stranger spoilt nothing


def test_a_denied_login_gives_nothing_and_cannot_be_approved_any_more(world: World) -> None:
    begun = begin(world)
    decide(world, begun, approve=False)
    assert cli_login.poll(world.env, begun.login.id, begun.cli_secret) == Failed("denied")
    with pytest.raises(Gone):
        collect(world, begun)
    with pytest.raises(Gone):
        decide(world, begun)
    with pytest.raises(Gone):
        cli_login.shown(world.env, begun.browser_secret)
    assert logins(world) == 0


def test_nobody_decides_after_ten_minutes(world: World) -> None:
    begun = begin(world)
    world.account()
    world.clock.advance(minutes=9, seconds=59)
    assert cli_login.shown(world.env, begun.browser_secret) == begun.login
    assert cli_login.poll(world.env, begun.login.id, begun.cli_secret) == Pending()
    world.clock.advance(seconds=1)
    assert cli_login.poll(world.env, begun.login.id, begun.cli_secret) == Failed("timed_out")
    with pytest.raises(Gone, match="ten minutes"):
        decide(world, begun)


def test_an_approved_login_that_is_collected_too_late_gives_nothing(world: World) -> None:
    begun = begin(world)
    decide(world, begun)
    world.clock.advance(minutes=10)
    assert collect(world, begun) == Failed("timed_out")
    assert logins(world) == 0


def test_a_suspended_account_neither_approves_nor_collects(world: World) -> None:
    first, second = begin(world), begin(world)
    decide(world, first)
    accounts.suspend(world.env, By(), EMAIL)
    assert collect(world, first) == Failed("owner_suspended")
    with pytest.raises(Refused):
        decide(world, second)
    assert logins(world) == 0
    assert {e.reason for e in world.audit() if e.action == "cli_login.collect"} == {"owner_suspended"}


def test_the_life_asked_for_is_the_life_given_counted_from_the_collection(world: World) -> None:
    begun = begin(world, expires_in="3600")
    world.clock.advance(minutes=5)
    decide(world, begun)
    got = collect(world, begun)
    assert isinstance(got, Collected)
    assert got.credential.grant.expires_at is not None
    assert (got.credential.grant.expires_at - world.clock()).total_seconds() == 3600


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"expires_in": policy.YEAR + 1}, "expires_in"),
        ({"expires_in": "x"}, "expires_in"),
        ({"description": 5}, "description"),
    ],
)
def test_what_could_not_be_minted_is_refused_at_the_beginning(
    asked: dict[str, object], field: str, world: World
) -> None:
    with pytest.raises(Invalid) as refused:
        begin(world, **asked)
    assert refused.value.field == field
    assert world.audit() == []


def test_logins_that_came_to_nothing_are_forgotten_after_a_day(world: World) -> None:
    begun = begin(world)
    world.clock.advance(days=1, minutes=11)
    begin(world)
    with pytest.raises(NotFound):
        cli_login.check_waiting(world.env, begun.login.id, begun.cli_secret)


def test_begin_decision_and_mint_are_written_down(world: World) -> None:
    begun = begin(world)
    decide(world, begun)
    collect(world, begun)
    assert [a for a in world.actions() if a != "web.create"] == [
        "cli_login.begin", "account.create", "cli_login.approve", "login.create",
    ]  # fmt: skip
    assert begun.browser_secret not in repr(world.audit())
    assert begun.cli_secret not in repr(world.audit())

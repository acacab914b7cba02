"""The second factor at sign-in, attacked: guessed, replayed, raced, stolen, and taken from somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.factors import Holder, add_app, add_passkey, letters, with_app, with_passkey, without
from tests.support.second import BY, begin, by_passkey, race, suspend
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD, World

from keyturn.actions import accounts, factors, second_step, sign_in, throttle
from keyturn.actions.authenticate import web_session
from keyturn.actions.env import By, Env, Gone, Invalid, NotFound, Refused, Throttled
from keyturn.core import policy, recovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.actions.grants import Credential
    from keyturn.actions.second_step import Passed

DAYS_30 = 30


def give(holder: Holder, pending: str, code: str) -> Passed:
    return second_step.pass_by_code(holder.world.env, BY, pending, code)


def sign_in_by(holder: Holder, code: str, *, remember: bool = False) -> tuple[Credential, str | None]:
    passed = give(holder, begin(holder), code)
    return sign_in.by_second_step(holder.world.env, BY, passed, remember=remember)


def refused(holder: Holder, pending: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        give(holder, pending, code)
    assert refusal.value.deny.reason == "two_factor"


# Ways in.


def test_the_password_alone_leads_to_no_session(world: World) -> None:
    with_app(world)
    entered = sign_in.enter(world.env, BY, EMAIL, PASSWORD)
    assert entered.session is None
    assert world.actions()[-1] == "sign_in.password"


def test_the_app_s_code_of_now_leads_to_a_session(world: World) -> None:
    holder = with_app(world)
    session, device = sign_in_by(holder, holder.code())
    assert device is None
    assert session.grant.scopes == ("global",)
    assert web_session(world.env, session.secret or "") is not None
    assert world.actions()[-4:] == ["sign_in.password", "second_factor", "sign_in", "web.create"]


@pytest.mark.parametrize("steps", [-1, 1])
def test_a_clock_that_is_half_a_minute_off_is_forgiven(steps: int, world: World) -> None:
    holder = with_app(world)
    sign_in_by(holder, holder.code(steps))


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
def test_codes_of_other_times_are_refused(steps: int, world: World) -> None:
    holder = with_app(world)
    refused(holder, begin(holder), holder.code(steps))


def test_a_recovery_code_works_once_counts_down_and_is_told_to_the_owner(world: World) -> None:
    holder = with_app(world)
    code = holder.recovery[0]
    sign_in_by(holder, code.upper().replace("-", " "))
    with world.store.reading() as tx:
        assert tx.count_recovery_codes(holder.account.id) == recovery.COUNT - 1
    assert letters(world)[-1] == (EMAIL, "A recovery code of your account was used")
    refused(holder, begin(holder), code)
    sign_in_by(holder, holder.recovery[1])


def test_new_recovery_codes_end_the_old(world: World) -> None:
    holder = with_app(world)
    session = holder.session()
    new = factors.new_recovery_codes(world.env, world.by(session), world.principal(session))
    refused(holder, begin(holder), holder.recovery[0])
    sign_in_by(holder, new[0])


def test_each_recovery_code_is_for_its_own_account(world: World) -> None:
    mine, other = with_app(world), with_app(world, "eve@example.com")
    refused(mine, begin(mine), other.recovery[0])
    sign_in_by(other, other.recovery[0])


def test_a_code_of_another_account_is_refused(world: World) -> None:
    mine, other = with_app(world), with_app(world, "eve@example.com")
    assert mine.code() != other.code()
    refused(mine, begin(mine), other.code())


def test_a_set_up_that_was_never_confirmed_proves_nothing(world: World) -> None:
    holder = with_passkey(world)
    session = holder.session()
    factors.begin_codes(world.env, world.by(session), world.principal(session))
    add = Holder(world, holder.account)
    with world.store.reading() as tx:
        waiting = next(factor for factor in tx.factors(holder.account.id) if factor.kind == "totp")
    add.seed = second_step.unseal(world.env, waiting)
    refused(holder, begin(holder), add.code())


# Replay.


def test_a_code_is_good_once_even_for_another_sign_in(world: World) -> None:
    holder = with_app(world)
    code = holder.code()
    first, second = begin(holder), begin(holder)
    give(holder, first, code)
    refused(holder, second, code)


def test_a_code_before_the_one_used_last_is_refused(world: World) -> None:
    holder = with_app(world)
    earlier = holder.code(-1)
    sign_in_by(holder, holder.code())
    refused(holder, begin(holder), earlier)


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_of_eight_who_give_one_code_at_the_same_moment_exactly_one_gets_in(kind: str, world: World) -> None:
    holder = with_app(world)
    code = holder.code() if kind == "code" else holder.recovery[3]
    pending = [begin(holder) for _ in range(8)]
    came = race(8, lambda number: give(holder, pending[number], code))
    won = [each for each in came if isinstance(each, second_step.Passed)]
    assert [each.way for each in won] == [kind]
    assert sum(isinstance(each, Refused) for each in came) == 7


def test_of_eight_with_one_pending_sign_in_and_good_codes_exactly_one_gets_in(world: World) -> None:
    holder = with_app(world)
    pending = begin(holder)
    came = race(8, lambda number: give(holder, pending, holder.recovery[number]))
    assert sum(isinstance(each, second_step.Passed) for each in came) == 1
    with world.store.reading() as tx:
        assert tx.count_recovery_codes(holder.account.id) == recovery.COUNT - 1


# The pending sign-in.


def test_a_pending_sign_in_dies_after_ten_tries(world: World) -> None:
    holder = with_app(world)
    pending = begin(holder)
    for _ in range(policy.SECOND_STEP_TRIES):
        refused(holder, pending, "aaaa-aaaa-aaaa-aaaa")
    with pytest.raises(Gone):
        give(holder, pending, holder.recovery[0])
    sign_in_by(holder, holder.recovery[0])  # which that did not use up


def test_tries_at_the_same_moment_are_all_counted(world: World) -> None:
    holder = with_app(world)
    pending = begin(holder)
    came = race(24, lambda _: give(holder, pending, "aaaa-aaaa-aaaa-aaaa"))
    assert [type(each) for each in came].count(Refused) == policy.SECOND_STEP_TRIES
    assert [type(each) for each in came].count(Gone) == 24 - policy.SECOND_STEP_TRIES


@pytest.mark.parametrize(("seconds", "alive"), [(policy.SECOND_STEP - 1, True), (policy.SECOND_STEP, False)])
def test_a_pending_sign_in_dies_after_ten_minutes(seconds: int, alive: bool, world: World) -> None:
    holder = with_app(world)
    pending = begin(holder)
    world.clock.advance(seconds=seconds)
    if alive:
        give(holder, pending, holder.code())
    else:
        with pytest.raises(Gone):
            give(holder, pending, holder.code())


def change_password(holder: Holder) -> None:
    session = holder.session()
    env, by = holder.world.env, holder.world.by(session)
    accounts.change_password(
        env, by, holder.world.principal(session), current_password=PASSWORD, new_password=NEW_PASSWORD
    )


def admin_resets(holder: Holder) -> None:
    factors.reset_as_operator(holder.world.env, By(), holder.account.email)


@pytest.mark.parametrize("meanwhile", [change_password, suspend, admin_resets])
@pytest.mark.parametrize("by_recovery", [True, False])
def test_what_happens_meanwhile_ends_a_pending_sign_in(
    meanwhile: Callable[[Holder], None], by_recovery: bool, world: World
) -> None:
    holder = with_app(world)
    pending = begin(holder)
    meanwhile(holder)
    with pytest.raises(Gone):
        give(holder, pending, holder.recovery[0] if by_recovery else holder.code())


@pytest.mark.parametrize("meanwhile", [change_password, suspend])
def test_and_so_it_does_between_the_code_and_the_session(meanwhile: Callable[[Holder], None], world: World) -> None:
    holder = with_app(world)
    passed = give(holder, begin(holder), holder.code())
    meanwhile(holder)
    with pytest.raises(Refused):
        sign_in.by_second_step(world.env, BY, passed)


def test_a_password_that_was_right_before_two_factor_sign_in_was_turned_on_gives_no_session(world: World) -> None:
    holder = without(world)
    proven = sign_in.check_password(world.env, BY, EMAIL, PASSWORD)
    add_app(holder)  # it came first to the lock
    with pytest.raises(Refused, match="turned on meanwhile"):
        sign_in.session_for(world.env, BY, proven)


def test_a_factor_proven_before_all_were_taken_off_and_others_set_up_gives_no_session(world: World) -> None:
    holder = with_app(world)
    passed = give(holder, begin(holder), holder.code())
    admin_resets(holder)
    add_app(holder)
    with pytest.raises(Refused, match="turned on meanwhile"):
        sign_in.by_second_step(world.env, BY, passed)


def hundred_wrong_codes(holder: Holder) -> None:
    """So patient that no wait stands in the way, and that a day's forgetting comes between."""
    for number in range(throttle.STRAIGHT):
        holder.world.clock.advance(hours=25 if number % 9 == 0 else 0, minutes=15)
        with pytest.raises(Refused, match="wrong, or was used already"):
            give(holder, begin(holder), holder.wrong_code())
    holder.world.clock.advance(days=2)


def test_after_a_hundred_wrong_codes_in_a_row_the_right_one_is_refused_until_a_recovery_code_proves_the_owner(
    world: World,
) -> None:
    holder = with_app(world)
    hundred_wrong_codes(holder)
    assert letters(world).count((EMAIL, "Codes of your app are not taken any more")) == 1
    for _ in range(2):
        with pytest.raises(Refused, match="not taken any more until"):
            give(holder, begin(holder), holder.fresh_code())
    assert give(holder, begin(holder), holder.recovery[0]).way == "recovery code"
    assert give(holder, begin(holder), holder.fresh_code()).way == "code"


def test_after_a_hundred_wrong_codes_a_passkey_proves_the_owner_too(world: World) -> None:
    holder = with_app(world)
    add_passkey(holder)
    hundred_wrong_codes(holder)
    assert by_passkey(holder, begin(holder)).way == "passkey"
    assert give(holder, begin(holder), holder.fresh_code()).way == "code"


def test_after_a_hundred_wrong_codes_an_administrator_s_reset_begins_anew(world: World) -> None:
    holder = with_app(world)
    hundred_wrong_codes(holder)
    admin_resets(holder)
    add_app(holder)
    assert give(holder, begin(holder), holder.fresh_code()).way == "code"


def test_a_pending_sign_in_is_used_up_by_its_success(world: World) -> None:
    holder = with_app(world)
    pending = begin(holder)
    give(holder, pending, holder.code())
    with pytest.raises(Gone):
        give(holder, pending, holder.recovery[0])


@pytest.mark.parametrize("secret", ["", "kt2_nothing", "ktw_" + "a" * 40, "x" * 5000, "ä\ud800"])
def test_a_made_up_pending_sign_in_is_none(secret: str, world: World) -> None:
    with pytest.raises(Gone):
        second_step.waiting(world.env, secret)


# Guessing.


def fail(holder: Holder, times: int) -> list[type[Exception]]:
    """Wrong codes, each in a sign-in of its own where the one before is used up."""
    came: list[type[Exception]] = []
    pending = begin(holder)
    for number in range(times):
        if number % policy.SECOND_STEP_TRIES == 0:
            pending = begin(holder)
        try:
            give(holder, pending, holder.wrong_code())
        except (Refused, Throttled) as problem:
            came.append(type(problem))
    return came


def test_wrong_codes_slow_the_codes_down_but_neither_recovery_codes_nor_passkeys(world: World) -> None:
    holder = with_passkey(world)
    add_app(holder)
    assert fail(holder, 11) == [Refused] * 10 + [Throttled]
    with pytest.raises(Throttled):
        give(holder, begin(holder), holder.code())
    give(holder, begin(holder), holder.recovery[0])
    assert by_passkey(holder, begin(holder)).way == "passkey"


def test_the_owner_is_told_once_that_somebody_guesses(world: World) -> None:
    holder = with_app(world)
    fail(holder, 9)
    assert not any("guessing" in subject for _, subject in letters(world))
    for _ in range(5):
        world.clock.advance(minutes=16)
        fail(holder, 1)
    assert sum("guessing" in subject for _, subject in letters(world)) == 1


def test_the_owner_is_never_locked_out_for_good(world: World) -> None:
    holder = with_app(world)
    for _ in range(40):
        fail(holder, 1)
        world.clock.advance(minutes=16)
    sign_in_by(holder, holder.code())  # which starts the count anew
    assert fail(holder, 10) == [Refused] * 10


def test_whoever_has_the_password_gets_a_hundred_guesses_of_a_million_codes(world: World) -> None:
    holder = with_app(world)
    for _ in range(24 * 14):
        fail(holder, 1)
        world.clock.advance(minutes=5)
    with world.store.reading() as tx:
        (counted,) = tx.failures(second_step.code_keys(holder.account.id)[1:]).values()
    assert counted.count == throttle.STRAIGHT


def test_failures_of_the_day_before_are_forgotten(world: World) -> None:
    holder = with_app(world)
    fail(holder, 10)
    world.clock.advance(hours=25)
    assert fail(holder, 10) == [Refused] * 10


def test_one_account_s_wrong_codes_slow_no_other(world: World) -> None:
    mine, other = with_app(world), with_app(world, "eve@example.com")
    fail(other, 11)
    sign_in_by(mine, mine.code())


# Remembered browsers.


def remembered(holder: Holder) -> str:
    _, device = sign_in_by(holder, holder.code(), remember=True)
    assert device is not None
    return device


def is_known(holder: Holder, device: str, env: Env | None = None, password: str = PASSWORD) -> bool:
    entered = sign_in.enter(env or holder.world.env, BY, holder.account.email, password, device=device)
    return entered.session is not None


def test_a_remembered_browser_is_asked_for_the_password_alone_and_for_that_always(world: World) -> None:
    holder = with_app(world)
    device = remembered(holder)
    assert is_known(holder, device)
    with pytest.raises(Refused):
        sign_in.enter(world.env, BY, EMAIL, "a wrong password", device=device)
    assert not is_known(holder, "")


@pytest.mark.parametrize(("seconds", "alive"), [(-1, True), (0, False)])
def test_it_is_forgotten_after_thirty_days(seconds: int, alive: bool, world: World) -> None:
    holder = with_app(world)
    device = remembered(holder)
    world.clock.advance(days=DAYS_30, seconds=seconds)
    assert is_known(holder, device) is alive


def test_a_shorter_policy_holds_for_browsers_that_are_remembered_already(world: World) -> None:
    holder = with_app(world)
    device = remembered(holder)
    world.clock.advance(days=8)
    week = replace(world.env, policy=replace(world.env.policy, remember_device=7 * policy.DAY))
    never = replace(world.env, policy=replace(world.env.policy, remember_device=0))
    assert not is_known(holder, device, week)
    assert not is_known(holder, device, never)
    assert is_known(holder, device)


def test_a_policy_of_never_remembers_none(world: World) -> None:
    holder = with_app(world)
    world.env = replace(world.env, policy=replace(world.env.policy, remember_device=0))
    _, device = sign_in_by(holder, holder.code(), remember=True)
    assert device is None


def test_a_new_password_forgets_every_browser(world: World) -> None:
    holder = with_app(world)
    device = remembered(holder)
    change_password(holder)
    assert not is_known(holder, device, password=NEW_PASSWORD)
    session = holder.session()
    assert factors.overview(world.env, world.principal(session)).devices == []


@pytest.mark.parametrize("by_admin", [True, False])
def test_turned_off_and_on_again_knows_no_browser_of_before(by_admin: bool, world: World) -> None:
    holder = with_app(world)
    device = remembered(holder)
    if by_admin:
        admin_resets(holder)
    else:
        session = holder.session()
        factors.turn_off(world.env, world.by(session), world.principal(session), current_password=PASSWORD)
    holder.reload()
    add_app(holder)
    assert not is_known(holder, device)


def test_a_browser_of_somebody_else_is_worth_nothing(world: World) -> None:
    mine, other = with_app(world), with_app(world, "eve@example.com")
    assert not is_known(mine, remembered(other))


def test_a_forgotten_browser_is_asked_again_and_only_its_owner_can_forget_it(world: World) -> None:
    mine, other = with_app(world), with_app(world, "eve@example.com")
    device = remembered(mine)
    session, foreign = mine.session(), other.session()
    (known,) = factors.overview(world.env, world.principal(session)).devices
    with pytest.raises(NotFound):
        factors.forget_device(world.env, world.by(foreign), world.principal(foreign), known.id)
    assert factors.forget_device(world.env, world.by(foreign), world.principal(foreign), None) == 0
    assert is_known(mine, device)
    factors.forget_device(world.env, world.by(session), world.principal(session), known.id)
    assert not is_known(mine, device)


# Short passwords.


def test_a_password_that_was_short_beside_a_factor_alone_only_sets_one_up(world: World) -> None:
    holder = with_app(world)
    session = holder.session()
    short = "qv7zk-2mxw"
    accounts.change_password(
        world.env, world.by(session), world.principal(session), current_password=PASSWORD, new_password=short
    )
    admin_resets(holder)
    entered = sign_in.enter(world.env, BY, EMAIL, short)
    assert entered.session is not None
    assert entered.session.grant.scopes == (sign_in.ENROL,)


def test_a_short_password_is_refused_where_nothing_stands_beside_it(world: World) -> None:
    holder = without(world)
    session = holder.session()
    with pytest.raises(Invalid, match="15"):
        accounts.change_password(
            world.env, world.by(session), world.principal(session), current_password=PASSWORD, new_password="qv7zk-2mxw"
        )

"""A sign-in on its way to its second factor, as tests drive and disturb it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING, Any

from tests.support.factors import HERE, ORIGIN
from tests.support.world import EMAIL, HOME, PASSWORD

from keyturn.actions import accounts, second_step, sign_in
from keyturn.actions.env import By, Gone, Refused, Throttled
from keyturn.web import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.factors import Holder
    from tests.support.site import Site
    from tests.support.world import World

    from keyturn.actions.second_step import Passed
    from keyturn.core.credential import Account

BY = By(None, HOME, "a browser")


def begin(holder: Holder, *, device: str = "", password: str = PASSWORD) -> str:
    """The secret of a sign-in whose password was right."""
    entered = sign_in.enter(holder.world.env, BY, holder.account.email, password, device=device)
    assert entered.session is None
    assert entered.second_step is not None
    return entered.second_step


def race(many: int, act: Callable[[int], Any]) -> list[Any]:
    """What each of many threads came to that began at the same moment."""
    together = Barrier(many)

    def run(number: int) -> Any:
        together.wait()
        try:
            return act(number)
        except (Refused, Gone, Throttled) as problem:
            return problem

    with ThreadPoolExecutor(many) as threads:
        return list(threads.map(run, range(many)))


def suspend(holder: Holder) -> None:
    """Suspends the account."""
    accounts.suspend(holder.world.env, By(), holder.account.email)


def options_for(holder: Holder, purpose: str = "second", bound_to: str = HERE) -> dict[str, Any]:
    """What a page would ask the holder's passkeys."""
    env = holder.world.env
    with env.store.reading() as tx:
        known = second_step.ways(tx, holder.account.id).passkeys
    options = second_step.passkey_options(env, purpose, bound_to, ORIGIN, known if purpose != "sign_in" else ())
    assert options is not None
    return options


def by_passkey(holder: Holder, pending: str, answer: dict[str, Any] | None = None, *, bound_to: str = HERE) -> Passed:
    """Gives the pending sign-in the device's answer, or that one."""
    given = holder.device.get(options_for(holder), ORIGIN) if answer is None else answer
    return second_step.pass_by_passkey(holder.world.env, BY, pending, given, bound_to=bound_to, origin=ORIGIN)


def restart(site: Site, **rules: Any) -> None:
    """Another policy from now on."""
    site.env = replace(site.env, policy=replace(site.env.policy, **rules))
    site.face = replace(site.face, env=site.env)
    site.app = app.build(site.face)


def account_of(world: World) -> Account:
    """The account of the tests' usual address."""
    with world.store.reading() as tx:
        found = tx.account_by_email(EMAIL)
    assert found is not None
    return found

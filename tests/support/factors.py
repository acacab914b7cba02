"""Accounts with a second factor, and what their owners hold: an authenticator app, passkeys, recovery codes."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.authenticator import Authenticator
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import factors
from keyturn.core import totp
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.asgi import Reply
    from tests.support.world import World

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

ORIGIN = "http://localhost:8420"
HERE = "a browser"
"""What challenges are bound to, where no page does it."""


@dataclass
class Holder:
    """The owner of an account, with what proves them."""

    world: World
    account: Account
    seed: bytes = b""
    recovery: list[str] = field(default_factory=list)
    device: Authenticator = field(default_factory=Authenticator)

    def code(self, steps: int = 0) -> str:
        """What the app shows now, or some steps of 30 seconds later."""
        return totp.code(self.seed, totp.step_at(self.world.clock()) + steps)

    def fresh_code(self) -> str:
        """The app's next code, for which the clock moves on: one that was never used."""
        self.world.clock.advance(seconds=30)
        return self.code()

    def wrong_code(self) -> str:
        """Six digits that are no code of about now."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(
            text
            for text in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777")
            if text not in near
        )

    def session(self) -> Credential:
        """A browser session of the account."""
        return self.world.mint(self.account, Kind.WEB)

    def reload(self) -> Account:
        """The account as it is now."""
        with self.world.store.reading() as tx:
            found = tx.account(self.account.id)
        assert found is not None
        self.account = found
        return found


def seed_of_key(key: str) -> bytes:
    """The seed of the key that people type by hand."""
    plain = key.replace(" ", "")
    return base64.b32decode(plain + "=" * (-len(plain) % 8))


def without(world: World, email: str = EMAIL, password: str = PASSWORD, *, admin: bool = False) -> Holder:
    """A new account that has no second factor yet."""
    return Holder(world, world.account(email, password=password, admin=admin))


def with_app(world: World, email: str = EMAIL, password: str = PASSWORD, *, admin: bool = False) -> Holder:
    """A new account with an authenticator app, whose code of now was never used."""
    holder = without(world, email, password, admin=admin)
    add_app(holder)
    return holder


def add_app(holder: Holder) -> None:
    """An authenticator app for the account."""
    world, session = holder.world, holder.session()
    setup = factors.begin_codes(world.env, world.by(session), world.principal(session), name="my phone")
    holder.seed = seed_of_key(setup.key)
    added = factors.confirm_codes(
        world.env, world.by(session), world.principal(session), setup.factor.id, holder.code()
    )
    holder.recovery = added.recovery_codes or holder.recovery
    holder.reload()
    world.clock.advance(minutes=1)


def with_passkey(world: World, email: str = EMAIL, *, device: Authenticator | None = None) -> Holder:
    """A new account with a passkey."""
    holder = without(world, email)
    if device is not None:
        holder.device = device
    add_passkey(holder)
    return holder


def add_passkey(holder: Holder, name: str = "my laptop") -> None:
    """A passkey of the holder's device for the account."""
    world, session = holder.world, holder.session()
    options = creation_options(holder)
    added = factors.add_passkey(
        world.env, world.by(session), world.principal(session), holder.device.create(options, ORIGIN), name=name, bound_to=HERE,
        origin=ORIGIN,
    )  # fmt: skip
    holder.recovery = added.recovery_codes or holder.recovery
    holder.reload()


def creation_options(holder: Holder) -> dict[str, Any]:
    """What the browser is asked to make a passkey of."""
    world = holder.world
    options = factors.passkey_options(
        world.env, world.principal(holder.session()), bound_to=HERE, origin=ORIGIN, instance="Keyturn"
    )
    assert options is not None
    return options


def letters(world: World) -> list[tuple[str, str]]:
    """The mails that were written, oldest first: to whom, and their subjects."""
    with world.store.reading() as tx:
        return [(mail.recipient, mail.subject) for mail in tx.outgoing(1000)][::-1]


def options_on(page: Reply) -> dict[str, Any]:
    """The options for passkeys that the page's form has."""
    found = re.search(r'data-options="([^"]*)"', page.text)
    assert found, page.text
    return dict(json.loads(html.unescape(found[1])))


def secrets_of(page: Reply) -> list[str]:
    """The recovery codes that the page shows."""
    return re.findall(r"<li><code>([0-9a-z-]+)</code>", page.text)


def all_text(lines: Iterable[tuple[str, str]]) -> str:
    """Subjects in one text."""
    return "\n".join(subject for _, subject in lines)

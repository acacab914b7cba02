"""People with logins, who do things with apps by the actions alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import apps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.world import World

    from keyturn.actions.env import By
    from keyturn.core.credential import Account, Principal


class Person:
    """Somebody with a login."""

    def __init__(self, world: World, email: str) -> None:
        self.world, self.env = world, world.env
        self.account: Account = world.account(email)
        self.login = world.mint(self.account)

    @property
    def who(self) -> Principal:
        """Who acts."""
        return self.world.principal(self.login)

    @property
    def by(self) -> By:
        """The same, for the audit trail."""
        return self.world.by(self.login)

    def create(self, name: object = None) -> apps.Shown:
        """A new app."""
        made = apps.create(self.env, self.by, self.who, name=name)
        self.world.clock.advance(seconds=1)
        return made

    def share(self, app: str, whom: Person, *permissions: str) -> apps.Member:
        """Lets somebody else use one."""
        given = list(permissions) or None
        return apps.add_member(self.env, self.by, self.who, app, who=whom.account.email, permissions=given)[1]

    def seen(self) -> list[str]:
        """The names of the apps that it may use."""
        return [shown.app.name for shown in apps.listed(self.env, self.who)]

    def held(self, app: str) -> tuple[str, ...]:
        """What it may do with an app."""
        return apps.info(self.env, self.who, app).permissions


def each(*attempts: Callable[[], object]) -> tuple[Callable[[], object], ...]:
    """Things that are tried in turn."""
    return attempts


def repositories(world: World) -> int:
    """How many there are on the disk."""
    return len(list((world.path.parent / "repositories").glob("*.git")))

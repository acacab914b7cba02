"""What the store keeps of apps: a name is one living app's, and who gave it up is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.world import START

from keyturn.core.credential import App, Collaborator, Transfer
from keyturn.store.interface import Taken

if TYPE_CHECKING:
    from tests.support.world import World

LATER = START + timedelta(days=1)


def test_a_name_is_one_living_apps(world: World) -> None:
    owner = world.account()
    app = App("a1", "my-app", owner.id, START, START)
    with world.store.writing() as tx:
        tx.add_app(app)
        assert tx.app("a1") == tx.app_by_name("my-app") == app
    with pytest.raises(Taken), world.store.writing() as tx:
        tx.add_app(replace(app, id="a2"))
    with world.store.writing() as tx:
        tx.change_app("a1", name="other", released_at=LATER)
        assert tx.app_by_name("my-app") is None
        assert tx.app_by_name("other") == replace(app, name="other", released_at=LATER)
        assert [app.id for app in tx.apps_pushed(LATER)] == ["a1"]
        assert tx.apps_pushed(LATER + timedelta(seconds=1)) == []
        tx.end_app("a1", LATER)
        assert tx.apps_pushed(LATER) == []
        assert tx.app_by_name("other") is None
        tx.add_app(replace(app, id="a2", name="other"))
        ended = tx.app("a1")
        assert ended is not None
        assert ended.ended_at == LATER


def test_who_gave_a_name_up_last_is_known(world: World) -> None:
    ann, bob = world.account(), world.account("bob@example.com")
    with world.store.writing() as tx:
        for number, (owner, name, day) in enumerate(
            ((ann, "one", 1), (bob, "one", 2), (ann, "two", 3), (ann, "two", 5), (ann, "three", 4))
        ):
            at = START + timedelta(days=day)
            tx.add_app(App(f"a{number}", name, owner.id, START, at, ended_at=at))
        tx.add_app(App("a9", "one", ann.id, START, START))

        def by(name: str, since: int = 0, most: int = 100) -> str | None:
            found = tx.gave_up(name, START + timedelta(days=since), most)
            return found.id if found else None

        assert (by("one"), by("two"), by("none")) == ("a1", "a3", None)
        assert (by("two", 5), by("two", 6)) == ("a3", None)
        assert (by("three", most=1), by("three", most=2), by("one", most=1)) == (None, "a4", "a1")


def test_an_account_sees_what_it_owns_and_what_it_shares(world: World) -> None:
    ann, bob = world.account(), world.account("bob@example.com")
    with world.store.writing() as tx:
        for number, owner in enumerate((ann, bob, bob)):
            tx.add_app(App(f"a{number}", f"app-{number}", owner.id, START, START))
        shared = Collaborator("c1", "a1", ann.id, ("view", "deploy"), START, START)
        tx.add_collaborator(shared)
        assert [app.name for app in tx.apps_of(ann.id)] == ["app-0", "app-1"]
        assert tx.collaborators("a1") == [shared]
        tx.change_collaborator("a1", ann.id, permissions=("view",))
        assert tx.collaborator("a1", ann.id) == replace(shared, permissions=("view",))
        assert tx.collaborator("a1", bob.id) is None
        assert tx.remove_collaborator("a1", ann.id)
        assert not tx.remove_collaborator("a1", ann.id)
        assert [app.name for app in tx.apps_of(ann.id)] == ["app-0"]


def test_nobody_collaborates_on_an_app_that_ended_and_it_goes_nowhere(world: World) -> None:
    ann, bob = world.account(), world.account("bob@example.com")
    with world.store.writing() as tx:
        tx.add_app(App("a1", "my-app", ann.id, START, START))
        tx.add_collaborator(Collaborator("c1", "a1", bob.id, ("view",), START, START))
        transfer = Transfer("t1", "a1", ann.id, bob.id, "pending", START, START)
        tx.add_transfer(transfer)
        assert tx.transfers(ann.id) == tx.transfers(bob.id) == [transfer]
        tx.end_app("a1", LATER)
        assert tx.apps_of(bob.id) == []
        assert tx.collaborators("a1") == []
        assert tx.transfer("t1") is None

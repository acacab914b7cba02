"""Apps: made, named, listed, renamed and destroyed; and what becomes of them when an account ends."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support.people import Person, each, repositories

from keyturn.actions import accounts, apps, closing, git_access, sessions, transfers
from keyturn.actions.env import By, Env, Invalid, NotFound, Refused
from keyturn.core.apps import ALL, NAME
from keyturn.core.gitcmd import PUSH

if TYPE_CHECKING:
    from tests.support.world import World


def test_an_app_is_made_with_an_empty_repository(world: World, ada: Person) -> None:
    shown = ada.create("my-app")
    assert (shown.app.name, shown.app.owner_id, shown.permissions) == ("my-app", ada.account.id, ALL)
    folder = world.repositories.path(shown.app.id)
    done = subprocess.run(
        ["git", "--git-dir", str(folder), "rev-parse", "--is-bare-repository"], capture_output=True, check=True
    )
    assert done.stdout == b"true\n"
    assert world.actions()[-1] == "app.create"


@pytest.mark.parametrize("name", [None, ""])
def test_without_a_name_one_is_made(ada: Person, name: object) -> None:
    made = {ada.create(name).app.name for _ in range(5)}
    assert len(made) == 5
    assert all(NAME.fullmatch(each) for each in made)


def test_a_made_name_that_is_taken_is_not_used(world: World, ada: Person) -> None:
    class Repeating:
        """Every name is made of zeros until the third."""

        left = 2

        def __call__(self, count: int) -> bytes:
            if count == 8 and self.left:
                self.left -= 1
                return bytes(8)
            return world.env.random_bytes(count)

    env = Env(world.store, world.clock, Repeating(), world.passwords, repositories=world.repositories)
    first = apps.create(env, ada.by, ada.who)
    second = apps.create(env, ada.by, ada.who)
    assert first.app.name != second.app.name
    assert repositories(world) == 2


def test_when_every_made_name_is_taken_it_says_so(world: World, ada: Person) -> None:
    class Zeros:
        def __call__(self, count: int) -> bytes:
            return bytes(8) if count == 8 else world.env.random_bytes(count)

    env = Env(world.store, world.clock, Zeros(), world.passwords, repositories=world.repositories)
    apps.create(env, ada.by, ada.who)
    with pytest.raises(Invalid) as refused:
        apps.create(env, ada.by, ada.who)
    assert str(refused.value) == "no free name was found; give one"
    assert repositories(world) == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ab", "has 3 to 30 characters"),
        ("a" * 31, "has 3 to 30 characters"),
        ("My-App", "starts with a letter, ends with a letter or digit, and has only small letters, digits and dashes"),
        ("1abc", "starts with a letter"), ("abc-", "ends with a letter or digit"), ("a b c", "small letters"),
        ("../etc", "small letters"), ("abc\n", "small letters"), ("abc\0def", "small letters"), ("ärger", "small letters"),
        ("--upload-pack=x", "starts with a letter"), ("app\u202egnp", "small letters"), ("abc.git", "small letters"),
        (7, "a text"), (["abc"], "a text"), ({"a": 1}, "a text"), (True, "a text"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_refused_and_leaves_nothing(world: World, ada: Person, name: object, why: str) -> None:
    for attempt in each(lambda: ada.create(name), lambda: apps.rename(ada.env, ada.by, ada.who, "whole", name)):
        with pytest.raises(Invalid) as refused:
            attempt()
        assert why in str(refused.value)
        assert refused.value.field == "name"
    assert repositories(world) == 0


def test_a_taken_name_is_refused_whoever_has_it(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    for person in (ada, bob):
        with pytest.raises(Invalid, match="Name my-app is already taken"):
            person.create("my-app")
    assert repositories(world) == 1


def test_of_many_who_want_a_name_at_once_one_gets_it(world: World, ada: Person) -> None:
    who, by = ada.who, ada.by

    def attempt(_: int) -> bool:
        try:
            apps.create(world.env, by, who, name="wanted")
        except Invalid:
            return False
        return True

    with ThreadPoolExecutor(8) as many:
        assert sum(many.map(attempt, range(16))) == 1
    assert ada.seen() == ["wanted"]
    assert repositories(world) == 1


def test_nobody_owns_more_than_the_most(
    world: World, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn.core.apps.MOST_OWNED", 2)
    ada.create("one-app")
    bob.create("bobs-app")
    bob.share("bobs-app", ada)  # what is another's does not count
    ada.create("two-app")
    with pytest.raises(Invalid, match="owns 2 apps, the most allowed"):
        ada.create("three-app")
    transfers.offer(world.env, bob.by, bob.who, app="bobs-app", recipient=ada.account.email)
    with pytest.raises(Invalid, match="owns 2 apps, the most allowed"):
        transfers.answer(world.env, ada.by, ada.who, "bobs-app", "accepted")
    apps.destroy(world.env, ada.by, ada.who, "one-app")
    ada.create("three-app")
    assert ada.seen() == ["bobs-app", "three-app", "two-app"]


def test_a_list_has_what_one_owns_and_what_is_shared_with_one(ada: Person, bob: Person, carl: Person) -> None:
    for name in ("zebra", "apple", "mango"):
        ada.create(name)
    bob.create("bobs-app")
    ada.share("mango", bob, "view")
    assert ada.seen() == ["apple", "mango", "zebra"]
    assert [(s.app.name, s.owner.email, s.permissions) for s in apps.listed(bob.env, bob.who)] == [
        ("bobs-app", bob.account.email, ALL), ("mango", ada.account.email, ("view",)),
    ]  # fmt: skip
    assert carl.seen() == []


def test_an_app_goes_by_its_name_and_by_its_id(ada: Person) -> None:
    made = ada.create("my-app").app
    assert apps.info(ada.env, ada.who, "my-app").app == apps.info(ada.env, ada.who, made.id).app == made


@pytest.mark.parametrize("name", ["", "My-App", "no-such-app", "my-app\0", "my-app'; --", "x" * 9000, "%", "\u202e"])
def test_a_hostile_name_is_no_app(ada: Person, name: str) -> None:
    ada.create("my-app")
    with pytest.raises(NotFound):
        apps.info(ada.env, ada.who, name)


def test_a_renamed_app_keeps_its_repository_and_its_old_name_for_a_month(
    world: World, ada: Person, bob: Person
) -> None:
    before = ada.create("old-name").app
    world.clock.advance(hours=1)
    renamed = apps.rename(world.env, ada.by, ada.who, "old-name", "new-name").app
    assert (renamed.id, renamed.name, renamed.updated_at) == (before.id, "new-name", world.clock())
    assert world.repositories.path(renamed.id).is_dir()
    with pytest.raises(NotFound):
        apps.info(world.env, ada.who, "old-name")
    assert ada.seen() == ["new-name"]
    world.clock.advance(days=30)
    with pytest.raises(Invalid, match="Name old-name is already taken: another's app had it"):
        bob.create("old-name")
    world.clock.advance(seconds=1)
    assert bob.create("old-name").app.id != before.id
    with pytest.raises(Invalid, match="Name old-name is already taken"):
        apps.rename(world.env, ada.by, ada.who, "new-name", "old-name")


def test_renaming_to_the_same_name_changes_nothing(world: World, ada: Person) -> None:
    made = ada.create("my-app").app
    assert apps.rename(world.env, ada.by, ada.who, "my-app", "my-app").app == made
    assert "app.rename" not in world.actions()


@pytest.mark.parametrize("name", ["", None])
def test_renaming_to_nothing_is_refused(ada: Person, name: object) -> None:
    ada.create("my-app")
    with pytest.raises(Invalid, match="Name is empty"):
        apps.rename(ada.env, ada.by, ada.who, "my-app", name)


def test_of_two_renames_to_one_name_one_wins(world: World, ada: Person) -> None:
    names = [f"app-{number}" for number in range(6)]
    for name in names:
        ada.create(name)
    who, by = ada.who, ada.by

    def attempt(name: str) -> bool:
        try:
            apps.rename(world.env, by, who, name, "wanted")
        except Invalid:
            return False
        return True

    with ThreadPoolExecutor(6) as many:
        assert sum(many.map(attempt, names)) == 1
    assert ada.seen().count("wanted") == 1
    assert len(ada.seen()) == 6


def test_a_destroyed_app_is_gone_with_its_repository_and_after_a_month_its_name_is_free(
    world: World, ada: Person, bob: Person
) -> None:
    made = ada.create("my-app").app
    ada.share("my-app", bob)
    offered = transfers.offer(world.env, ada.by, ada.who, app="my-app", recipient=bob.account.email)
    (world.repositories.path(made.id) / "objects" / "pack" / "x.pack").write_bytes(b"much")
    destroyed = apps.destroy(world.env, ada.by, ada.who, "my-app")
    assert destroyed.app.id == made.id
    assert not world.repositories.path(made.id).exists()
    assert repositories(world) == 0
    assert ada.seen() == bob.seen() == []
    for gone in ("my-app", made.id):
        with pytest.raises(NotFound):
            apps.info(world.env, ada.who, gone)
    for person in (ada, bob):  # nobody declined it
        assert transfers.listed(world.env, person.who) == []
    with pytest.raises(NotFound):
        transfers.info(world.env, bob.who, offered.transfer.id)
    world.clock.advance(days=30, seconds=1)
    again = bob.create("my-app").app
    assert again.id != made.id
    with pytest.raises(NotFound):  # what was shared of the old one is not shared of the new
        apps.info(world.env, ada.who, "my-app")


def test_whoever_waits_for_a_name_does_not_get_what_others_push_there_still(
    world: World, ada: Person, bob: Person, carl: Person
) -> None:
    ada.create("my-app")
    ada.share("my-app", bob)
    apps.rename(world.env, ada.by, ada.who, "my-app", "our-app")
    ada.create("her-app")
    apps.destroy(world.env, ada.by, ada.who, "her-app")
    carl.create("trap")
    for name in ("my-app", "her-app"):
        with pytest.raises(Invalid, match=r"is kept for them until \d+ \w+ \d{4} at "):
            carl.create(name)
        with pytest.raises(Invalid, match=r"is kept for them until "):
            apps.rename(world.env, carl.by, carl.who, "trap", name)
        with pytest.raises(NotFound):  # so a push to the old address goes nowhere
            git_access.admit(world.env, bob.who, name, PUSH)
    assert git_access.admit(world.env, bob.who, "our-app", PUSH).name == "our-app"
    # its former owner may have it again, and it is theirs alone
    assert apps.rename(world.env, ada.by, ada.who, "our-app", "my-app").app.name == "my-app"
    assert ada.create("her-app").app.name == "her-app"


def test_who_gives_up_very_many_names_keeps_the_latest(
    world: World, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn.core.apps.MOST_RESERVED", 2)
    ada.create("name-0")
    for number in range(3):
        world.clock.advance(seconds=1)
        apps.rename(world.env, ada.by, ada.who, f"name-{number}", f"name-{number + 1}")
    assert bob.create("name-0").app.name == "name-0"
    for kept in ("name-1", "name-2"):
        with pytest.raises(Invalid, match="kept for them"):
            bob.create(kept)


# Accounts that end or are suspended.


def test_an_account_that_owns_apps_hands_them_on_or_destroys_them_before_it_closes(
    world: World, ada: Person, bob: Person
) -> None:
    for name in ("app-d", "app-b", "app-a", "app-c"):
        ada.create(name)
    obstacle = closing.would_close(world.env, ada.by, ada.who).obstacle
    assert obstacle is not None
    assert "This account owns app-a, app-b, app-c and 1 more." in obstacle
    assert "keyturn apps:transfer EMAIL -a APP" in obstacle
    with pytest.raises(Invalid, match="owns app-a") as refused:
        closing.close(world.env, ada.by, ada.who)
    assert refused.value.field == "account"
    transfers.offer(world.env, ada.by, ada.who, app="app-a", recipient=bob.account.email)
    transfers.answer(world.env, bob.by, bob.who, "app-a", "accepted")
    for name in ("app-b", "app-c", "app-d"):
        apps.destroy(world.env, ada.by, ada.who, name)
    assert closing.would_close(world.env, ada.by, ada.who).obstacle is None
    closing.close(world.env, ada.by, ada.who)
    _, left = apps.members(world.env, bob.who, "app-a")
    assert [m.account.email for m in left] == ["bob@example.com"]


def test_a_closed_account_leaves_others_apps_and_what_it_was_offered(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    ada.share("my-app", bob)
    offered = transfers.offer(world.env, ada.by, ada.who, app="my-app", recipient=bob.account.email)
    closing.close(world.env, bob.by, bob.who)
    with world.store.reading() as tx:
        assert tx.collaborators(offered.app.id) == []
    assert transfers.info(world.env, ada.who, offered.transfer.id).transfer.state == "declined"
    with pytest.raises(Invalid, match=r"nobody has an account with bob@example.com"):
        ada.share("my-app", bob)
    again = Person(world, "bob@example.com")
    assert again.seen() == []


def test_a_suspended_owner_does_nothing_and_the_app_goes_on_for_others(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    ada.share("my-app", bob, "manage")
    accounts.suspend(world.env, By(), ada.account.email)
    for attempt in each(
        lambda: ada.create("other"),
        lambda: apps.rename(ada.env, ada.by, ada.who, "my-app", "other"),
        lambda: apps.destroy(ada.env, ada.by, ada.who, "my-app"),
        lambda: apps.add_member(ada.env, ada.by, ada.who, "my-app", who="x"),
        lambda: transfers.offer(ada.env, ada.by, ada.who, app="my-app", recipient=bob.account.email),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.deny.reason == "owner_suspended"
    assert repositories(world) == 1
    assert bob.held("my-app") == ALL


def test_a_login_that_ended_meanwhile_changes_nothing(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    who, by = ada.who, ada.by
    sessions.end(world.env, by, who, ada.login.grant.id)
    for attempt in each(
        lambda: apps.create(world.env, by, who, name="other"),
        lambda: apps.rename(world.env, by, who, "my-app", "other"),
        lambda: apps.destroy(world.env, by, who, "my-app"),
        lambda: apps.add_member(world.env, by, who, "my-app", who=bob.account.email),
        lambda: apps.change_member(world.env, by, who, "my-app", bob.account.email, []),
        lambda: apps.remove_member(world.env, by, who, "my-app", "~"),
        lambda: transfers.offer(world.env, by, who, app="my-app", recipient=bob.account.email),
    ):
        with pytest.raises(Refused):
            attempt()
    assert repositories(world) == 1
    assert bob.seen() == []

"""Who may do what with an app, and how that is given and taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.people import Person, each

from keyturn.actions import apps, transfers
from keyturn.actions.env import Invalid, NotFound, Refused
from keyturn.core.apps import ALL, DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.world import World


# Who may do what: permission -> deed -> whether.


def _view(p: Person, other: Person) -> object:
    return apps.info(p.env, p.who, "my-app")


def _members(p: Person, other: Person) -> object:
    return apps.members(p.env, p.who, "my-app")


def _rename(p: Person, other: Person) -> object:
    return apps.rename(p.env, p.by, p.who, "my-app", "other-name")


def _add(p: Person, other: Person) -> object:
    return apps.add_member(p.env, p.by, p.who, "my-app", who=other.account.email, permissions=["view"])


def _update(p: Person, other: Person) -> object:
    return apps.change_member(p.env, p.by, p.who, "my-app", p.account.email, ["view"])


def _leave(p: Person, other: Person) -> object:
    return apps.remove_member(p.env, p.by, p.who, "my-app", "~")


def _remove(p: Person, other: Person) -> object:
    return apps.remove_member(p.env, p.by, p.who, "my-app", "dora@example.com")


def _offer(p: Person, other: Person) -> object:
    return transfers.offer(p.env, p.by, p.who, app="my-app", recipient=other.account.email)


def _destroy(p: Person, other: Person) -> object:
    return apps.destroy(p.env, p.by, p.who, "my-app")


DEEDS: dict[Callable[[Person, Person], object], str] = {
    _view: "view", _members: "view", _leave: "view", _rename: "manage", _add: "manage", _update: "manage", _remove: "manage",
    _offer: "own", _destroy: "own",
}  # fmt: skip
NOBODY = "nobody"


@pytest.mark.parametrize("held", [NOBODY, *ALL, "own"])
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__.strip("_"))
def test_who_may_do_what(
    held: str, deed: Callable[[Person, Person], object], world: World, ada: Person, bob: Person, carl: Person
) -> None:
    ada.create("my-app")
    ada.share("my-app", Person(world, "dora@example.com"))
    if held in ALL:
        ada.share("my-app", bob, held)
    actor = ada if held == "own" else bob
    before = world.actions()
    levels = [NOBODY, *ALL, "own"]
    if held == "own" and deed in (_leave, _update):  # an owner has no access to give up or to change
        with pytest.raises(Invalid, match=r"owns my-app"):
            deed(actor, carl)
    elif levels.index(held) >= levels.index(DEEDS[deed]):
        deed(actor, carl)
        return
    elif held == NOBODY:
        with pytest.raises(NotFound) as none:
            deed(actor, carl)
        assert str(none.value) == "Couldn't find that app."
    else:
        with pytest.raises(Refused) as refused:
            deed(actor, carl)
        assert (refused.value.deny.reason, refused.value.forbidden) == ("not_permitted", True)
        assert "my-app" in refused.value.deny.message
        assert refused.value.deny.next is not None
        assert refused.value.deny.next.startswith("ask ada@example.com, who owns the app")
    assert world.actions() == before


# Collaborators.


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, DEFAULT), ([], ("view",)), (["view"], ("view",)), (["deploy"], ("view", "deploy")),
        (["operate", "view"], ("view", "deploy", "operate")), (["manage"], ALL), (["view", "view"], ("view",)),
    ],
)  # fmt: skip
def test_a_permission_brings_those_before_it(ada: Person, bob: Person, asked: Any, given: tuple[str, ...]) -> None:
    ada.create("my-app")
    _, made = apps.add_member(ada.env, ada.by, ada.who, "my-app", who=bob.account.email, permissions=asked)
    assert made.permissions == bob.held("my-app") == given


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["admin"], "unknown permission 'admin'; the valid ones are view, deploy, operate, manage"),
        ("view", "must be a list"), ([1], "must be a list"), ({"view": True}, "must be a list"), (7, "must be a list"),
    ],
)  # fmt: skip
def test_permissions_that_are_none_are_refused(ada: Person, bob: Person, asked: Any, why: str) -> None:
    ada.create("my-app")
    for attempt in each(
        lambda: apps.add_member(ada.env, ada.by, ada.who, "my-app", who=bob.account.email, permissions=asked),
        lambda: apps.change_member(ada.env, ada.by, ada.who, "my-app", bob.account.email, asked),
    ):
        with pytest.raises(Invalid, match=why) as refused:
            attempt()
        assert refused.value.field == "permissions"
    assert bob.seen() == []


def test_somebody_who_is_added_is_told_by_mail(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    ada.share("my-app", bob, "deploy")
    with world.store.reading() as tx:
        (mail,) = [m for m in tx.outgoing(limit=10) if m.recipient == bob.account.email]
    assert mail.subject == "You can use the app my-app"
    assert "ada@example.com lets you use the app my-app" in mail.body
    assert "with these permissions: view, deploy" in mail.body
    assert "keyturn git:clone -a my-app" in mail.body


@pytest.mark.parametrize("form", ["email", "EMAIL", "id", "dict-email", "dict-id"])
def test_somebody_is_named_in_several_ways(ada: Person, bob: Person, form: str) -> None:
    ada.create("my-app")
    who: Any = {
        "email": bob.account.email, "EMAIL": bob.account.email.upper(), "id": bob.account.id,
        "dict-email": {"email": bob.account.email}, "dict-id": {"id": bob.account.id},
    }[form]  # fmt: skip
    apps.add_member(ada.env, ada.by, ada.who, "my-app", who=who)
    assert bob.seen() == ["my-app"]


@pytest.mark.parametrize(
    "who", ["nobody@example.com", "", "  ", None, 7, [], {}, {"email": 3}, {"email": None, "id": ["x"]}, "x\0y", "é"]
)
def test_somebody_who_is_nobody_is_refused(ada: Person, who: object) -> None:
    ada.create("my-app")
    with pytest.raises(Invalid) as refused:
        apps.add_member(ada.env, ada.by, ada.who, "my-app", who=who)
    assert refused.value.field == "user"


def test_nobody_is_added_twice_and_the_owner_not_at_all(ada: Person, bob: Person) -> None:
    ada.create("my-app")
    ada.share("my-app", bob, "view")
    with pytest.raises(Invalid, match=r"User bob@example.com is already a collaborator on app my-app"):
        ada.share("my-app", bob, "manage")
    assert bob.held("my-app") == ("view",)
    for who in ("~", ada.account.email):
        with pytest.raises(Invalid, match=r"ada@example.com owns my-app"):
            apps.add_member(ada.env, ada.by, ada.who, "my-app", who=who)


def test_an_app_has_no_more_collaborators_than_the_most(
    ada: Person, bob: Person, carl: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn.core.apps.MOST_COLLABORATORS", 1)
    ada.create("my-app")
    ada.share("my-app", bob)
    with pytest.raises(Invalid, match="my-app has 1 collaborators, the most allowed"):
        ada.share("my-app", carl)


def test_members_are_the_owner_first_and_what_each_may_do(ada: Person, bob: Person, carl: Person) -> None:
    ada.create("my-app")
    ada.share("my-app", carl, "view")
    ada.world.clock.advance(seconds=1)
    ada.share("my-app", bob)
    _, found = apps.members(bob.env, bob.who, "my-app")
    assert [(m.account.email, m.role, m.permissions) for m in found] == [
        ("ada@example.com", "owner", ALL), ("carl@example.com", "collaborator", ("view",)),
        ("bob@example.com", "collaborator", DEFAULT),
    ]  # fmt: skip
    for one in found:
        assert apps.member(ada.env, ada.who, "my-app", one.id)[1] == one
        assert apps.member(ada.env, ada.who, "my-app", one.account.id)[1] == one
    with pytest.raises(NotFound) as none:
        apps.member(ada.env, ada.who, "my-app", "nobody@example.com")
    assert none.value.resource == "collaborator"


def test_permissions_change_and_the_trail_has_both(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    ada.share("my-app", bob)
    world.clock.advance(hours=1)
    _, changed = apps.change_member(ada.env, ada.by, ada.who, "my-app", "BOB@example.com", ["view"])
    assert changed.permissions == bob.held("my-app") == ("view",)
    assert changed.since.updated_at == world.clock()
    event = world.audit()[0]
    assert (event.action, event.details["before"], event.details["after"]) == ("access.update", list(DEFAULT), ["view"])


def test_whoever_is_removed_sees_the_app_no_more(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    ada.share("my-app", bob)
    apps.remove_member(ada.env, ada.by, ada.who, "my-app", bob.account.email)
    assert bob.seen() == []
    with pytest.raises(NotFound):
        bob.held("my-app")
    with pytest.raises(NotFound) as none:
        apps.remove_member(ada.env, ada.by, ada.who, "my-app", bob.account.email)
    assert none.value.resource == "collaborator"


def test_a_manager_gives_and_takes_but_cannot_touch_the_owner(ada: Person, bob: Person, carl: Person) -> None:
    ada.create("my-app")
    ada.share("my-app", bob, "manage")
    bob.share("my-app", carl, "manage")
    apps.change_member(carl.env, carl.by, carl.who, "my-app", bob.account.email, ["view"])
    assert bob.held("my-app") == ("view",)
    for attempt in each(
        lambda: apps.remove_member(carl.env, carl.by, carl.who, "my-app", ada.account.email),
        lambda: apps.change_member(carl.env, carl.by, carl.who, "my-app", ada.account.email, ["view"]),
    ):
        with pytest.raises(Invalid, match=r"ada@example.com owns my-app"):
            attempt()
    assert ada.held("my-app") == ALL

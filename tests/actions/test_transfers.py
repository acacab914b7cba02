"""An app on its way to another owner."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support.people import Person, each

from keyturn.actions import apps, transfers
from keyturn.actions.env import Invalid, NotFound, Problem, Throttled
from keyturn.core.apps import ALL, DEFAULT

if TYPE_CHECKING:
    from tests.support.world import World


# Transfers.


def offer(giver: Person, taker: Person, app: str = "my-app") -> transfers.Moving:
    return transfers.offer(giver.env, giver.by, giver.who, app=app, recipient=taker.account.email)


def answer(taker: Person, state: object, app: str = "my-app") -> transfers.Moving:
    return transfers.answer(taker.env, taker.by, taker.who, app, state)


def test_an_app_that_is_taken_has_another_owner_and_the_one_before_stays(
    world: World, ada: Person, bob: Person
) -> None:
    before = ada.create("my-app").app
    ada.share("my-app", bob, "view")
    offer(ada, bob)
    assert bob.held("my-app") == ("view",)  # nothing changes before the answer
    taken = answer(bob, "accepted")
    assert (taken.transfer.state, taken.app.owner_id, taken.app.id) == ("accepted", bob.account.id, before.id)
    assert (ada.held("my-app"), bob.held("my-app")) == (DEFAULT, ALL)
    _, found = apps.members(world.env, bob.who, "my-app")
    assert [(m.account.email, m.role) for m in found] == [
        ("bob@example.com", "owner"),
        ("ada@example.com", "collaborator"),
    ]
    offer(bob, ada)
    answer(ada, "accepted")
    assert (ada.held("my-app"), bob.held("my-app")) == (ALL, DEFAULT)
    assert [t.transfer.state for t in transfers.listed(world.env, ada.who)] == ["accepted", "accepted"]


def test_the_recipient_is_told_by_mail(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    offer(ada, bob)
    with world.store.reading() as tx:
        (mail,) = [m for m in tx.outgoing(limit=10) if m.recipient == bob.account.email]
    assert mail.subject == "The app my-app is offered to you"
    assert "keyturn apps:transfer:accept my-app" in mail.body


def test_an_offer_that_is_declined_or_taken_back_changes_nothing(ada: Person, bob: Person) -> None:
    ada.create("my-app")
    offer(ada, bob)
    assert answer(bob, "declined").transfer.state == "declined"
    offer(ada, bob)
    taken_back = transfers.take_back(ada.env, ada.by, ada.who, "my-app")
    assert taken_back.transfer.state == "pending"  # as it was
    for person in (ada, bob):
        assert [each.transfer.state for each in transfers.listed(person.env, person.who)] == ["declined"]  # the first
    for attempt in each(lambda: answer(bob, "accepted"), lambda: answer(bob, "accepted", taken_back.transfer.id)):
        with pytest.raises(Problem):
            attempt()
    assert (ada.held("my-app"), bob.seen()) == (ALL, [])


def test_each_side_does_its_own_part_alone(ada: Person, bob: Person, carl: Person) -> None:
    ada.create("my-app")
    offer(ada, bob)
    with pytest.raises(Invalid, match=r"only bob@example\.com can answer; you can take it back"):
        answer(ada, "accepted")
    with pytest.raises(Invalid, match="only who offered it can take it back; you can decline it"):
        transfers.take_back(bob.env, bob.by, bob.who, "my-app")


@pytest.mark.parametrize("by_name", [True, False])
def test_a_third_party_sees_no_transfer(by_name: bool, ada: Person, bob: Person, carl: Person) -> None:
    ada.create("my-app")
    made = offer(ada, bob)
    one = "my-app" if by_name else made.transfer.id
    for attempt in each(
        lambda: answer(carl, "accepted", one),
        lambda: transfers.take_back(carl.env, carl.by, carl.who, one),
        lambda: transfers.info(carl.env, carl.who, one),
    ):
        with pytest.raises(NotFound) as none:
            attempt()
        assert none.value.resource == "app_transfer"
    assert transfers.listed(carl.env, carl.who) == []


def test_one_offer_at_a_time_and_none_to_oneself(ada: Person, bob: Person, carl: Person) -> None:
    ada.create("my-app")
    offer(ada, bob)
    with pytest.raises(Invalid, match="my-app is offered to somebody already; take that back first"):
        offer(ada, carl)
    with pytest.raises(Invalid, match="it is yours already"):
        offer(ada, ada)


@pytest.mark.parametrize("state", ["pending", "", None, 7, ["accepted"], "Accepted"])
def test_an_answer_is_yes_or_no(ada: Person, bob: Person, state: object) -> None:
    ada.create("my-app")
    offer(ada, bob)
    with pytest.raises(Invalid, match="state must be accepted or declined"):
        answer(bob, state)


@pytest.mark.parametrize("app", [None, 7, ["my-app"], {}])
def test_an_offer_names_its_app(ada: Person, bob: Person, app: object) -> None:
    with pytest.raises(Invalid, match="app must be a name or an id"):
        transfers.offer(ada.env, ada.by, ada.who, app=app, recipient=bob.account.email)


def test_an_offer_to_nobody_names_the_field(ada: Person) -> None:
    ada.create("my-app")
    with pytest.raises(Invalid, match="nobody has an account with") as refused:
        transfers.offer(ada.env, ada.by, ada.who, app="my-app", recipient="nobody@example.com")
    assert refused.value.field == "recipient"


def share(person: Person, who: str) -> None:
    apps.add_member(person.env, person.by, person.who, "my-app", who=who)


def propose(person: Person, who: str) -> None:
    transfers.offer(person.env, person.by, person.who, app="my-app", recipient=who)


def test_who_asks_for_many_that_have_no_account_waits_and_finds_nobody_meanwhile(
    world: World, ada: Person, bob: Person
) -> None:
    ada.create("my-app")
    for number in range(apps.MISSES.free):
        who = f"{number}@example.com"
        with pytest.raises(Invalid, match="nobody has an account with"):
            (share if number % 2 else propose)(ada, who)
    for who in (bob.account.email, "nobody@example.com"):
        for act in (share, propose):
            with pytest.raises(Throttled, match="who have no account here"):
                act(ada, who)
    world.clock.advance(seconds=2)
    offer(ada, bob)  # whoever mistyped has not to wait for long


def test_an_offer_of_an_owner_who_is_it_no_more_cannot_be_accepted(
    world: World, ada: Person, bob: Person, carl: Person
) -> None:
    made = ada.create("my-app").app
    offer(ada, bob)
    with world.store.writing() as tx:  # as an operator who mends something by hand
        tx.change_app(made.id, owner_id=carl.account.id)
    with pytest.raises(Invalid, match="my-app has another owner by now"):
        answer(bob, "accepted")
    assert carl.held("my-app") == ALL


def test_of_two_answers_at_once_one_counts(world: World, ada: Person, bob: Person) -> None:
    ada.create("my-app")
    made = offer(ada, bob).transfer.id
    who, by = bob.who, bob.by

    def attempt(state: str) -> str | None:
        try:
            transfers.answer(world.env, by, who, made, state)
        except Problem:
            return None
        return state

    with ThreadPoolExecutor(4) as many:
        counted = [s for s in many.map(attempt, ["accepted", "declined"] * 4) if s]
    assert len(counted) == 1
    assert transfers.info(world.env, who, made).transfer.state == counted[0]
    assert (bob.seen() == ["my-app"]) == (counted == ["accepted"])

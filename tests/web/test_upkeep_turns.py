"""The upkeep's thread: each job in its turn, and a fault of one is nobody else's."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.world import World

from keyturn.core.policy import DAY, Kind
from keyturn.store.interface import Unavailable
from keyturn.web import upkeep
from keyturn.web.upkeep import Job, Upkeep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keyturn.actions.env import Env


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_a_job_runs_at_once_and_then_when_its_time_has_come(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    jobs = (Job("often", 5, lambda _env: ran.append("often")), Job("seldom", 60, lambda _env: ran.append("seldom")))
    monkeypatch.setattr(upkeep, "jobs", lambda _every: jobs)
    thread = Upkeep(world.env)
    following = [thread.turn(now) for now in (100.0, 102.0, 105.5, 161.0)]
    assert ran == ["often", "seldom", "often", "often", "seldom"]
    assert 105 <= following[0] < 106


def test_a_job_that_fails_is_logged_and_tried_again_and_the_others_run(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    def full(_env: Env) -> None:
        raise Unavailable("disk full")

    def broken(_env: Env) -> None:
        raise ZeroDivisionError

    jobs = (Job("first", 5, full), Job("second", 5, broken), Job("third", 5, lambda _env: ran.append("third")))
    monkeypatch.setattr(upkeep, "jobs", lambda _every: jobs)
    thread = Upkeep(world.env)
    with caplog.at_level(logging.WARNING, "keyturn.upkeep"):
        thread.turn(0.0)
        thread.turn(6.0)
    assert ran == ["third", "third"]
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["first: the store does not answer: disk full", "second"] * 2


def test_the_dead_are_forgotten_after_the_retention_and_not_before(world: World) -> None:
    account = world.account()
    for _ in range(3):
        world.mint(account, Kind.AUTHORIZATION, asked=DAY)
    living = world.mint(account, Kind.AUTHORIZATION)
    world.clock.advance(days=400)
    assert upkeep.forget_dead(world.env) == 0
    world.clock.advance(days=1)
    assert upkeep.forget_dead(world.env) == 3
    with world.store.reading() as tx:
        assert [grant.id for grant in tx.grants(account.id)] == [living.grant.id]


def test_every_job_of_the_upkeep_runs_on_a_store_that_has_something_for_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.mint(world.account(), Kind.AUTHORIZATION, asked=60)
    world.clock.now += timedelta(minutes=2)
    with caplog.at_level(logging.WARNING, "keyturn.upkeep"):
        Upkeep(world.env).turn(0.0)
    assert caplog.records == []
    with world.store.reading() as tx:
        assert [item.error for item in tx.outgoing()] == ["no mail server is configured"]


def test_it_stops_when_it_is_told_to(world: World) -> None:
    thread = Upkeep(world.env)
    thread.start()
    thread.stop()
    assert not thread._thread.is_alive()

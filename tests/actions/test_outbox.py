"""What goes out arrives, once if it can be helped, or is given up with its reason."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.receivers import HttpReceiver, dead_port
from tests.support.world import START, World

from keyturn.actions import notices, outbox
from keyturn.actions.env import Post
from keyturn.adapters.webhooks import Receiver, WebhookCourier
from keyturn.store import sql

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Env
    from keyturn.store.interface import Outgoing

SECRET = bytes(range(32))


def to(env: Env, url: str) -> Env:
    """The same, with webhooks going to ``url``."""
    return replace(env, post=Post(webhook=WebhookCourier(Receiver(url, (SECRET,)))))


def put(env: Env, channel: str = "webhook", body: str = "{}") -> Outgoing:
    """One more in the outbox."""
    with env.store.writing() as tx:
        return notices.post(env, tx, channel, "somebody", "credential.ended", body)


def only(env: Env) -> Outgoing:
    """The one in the outbox."""
    (item,) = outbox.listed(env)
    return item


def test_what_was_taken_over_is_not_sent_again_and_leaves_no_text(world: World) -> None:
    with HttpReceiver() as receiver:
        env = to(world.env, receiver.url)
        put(env, body='{"a": 1}')
        assert outbox.send_due(env) == 1
        world.clock.advance(days=1)
        assert outbox.send_due(env) == 0
    assert [posted.body for posted in receiver.posted] == [b'{"a": 1}']
    item = only(env)
    assert (item.sent_at, item.next_at, item.error, item.body) == (START, None, None, "")


def test_a_receiver_that_fails_and_recovers_gets_it_with_the_same_id(world: World) -> None:
    with HttpReceiver(500, 503, 404) as receiver:
        env = to(world.env, receiver.url)
        put(env)
        waited = []
        while only(env).sent_at is None:
            outbox.send_due(env)
            assert outbox.send_due(env) == 0  # not before its time
            item = only(env)
            if item.next_at is not None:
                waited.append(item.next_at - world.clock.now)
                world.clock.now = item.next_at
    assert waited == [timedelta(seconds=10), timedelta(seconds=20), timedelta(seconds=40)]
    assert {posted.headers["webhook-id"] for posted in receiver.posted} == {only(env).id}
    assert len(receiver.posted) == 4


def test_after_three_days_it_is_given_up_with_its_reason(world: World) -> None:
    env = to(world.env, f"http://127.0.0.1:{dead_port()}")
    put(env)
    tries: list[datetime] = []
    while only(env).next_at is not None:
        world.clock.now = only(env).next_at or world.clock.now
        tries.append(world.clock.now)
        outbox.send_due(env)
    assert timedelta(days=2, hours=18) < tries[-1] - START <= timedelta(days=3)
    assert max(b - a for a, b in itertools.pairwise(tries)) == timedelta(hours=6)
    item = only(env)
    assert outbox.state(item) == "given up"
    assert item.error == "the receiver cannot be reached: Connection refused"
    assert item.attempts == len(tries)


@pytest.mark.parametrize(
    ("channel", "error"), [("mail", "no mail server is configured"), ("webhook", "no webhook is configured")]
)
def test_without_a_configuration_it_waits_and_says_so(world: World, channel: str, error: str) -> None:
    put(world.env, channel, "the text")
    outbox.send_due(world.env)
    item = only(world.env)
    assert (outbox.state(item), item.error, item.attempts, item.body) == ("waiting", error, 0, "the text")


def test_once_a_webhook_is_configured_what_waited_leaves(world: World) -> None:
    put(world.env)
    outbox.send_due(world.env)
    with HttpReceiver() as receiver:
        env = to(world.env, receiver.url)
        world.clock.advance(minutes=5)
        assert outbox.send_due(env) == 1


def test_what_waited_for_a_configuration_too_long_is_given_up(world: World) -> None:
    put(world.env)
    world.clock.advance(days=3)
    outbox.send_due(world.env)
    assert outbox.state(only(world.env)) == "given up"


def test_several_workers_at_once_send_each_exactly_once(world: World) -> None:
    with HttpReceiver() as receiver:
        env = to(world.env, receiver.url)
        ids = {put(env).id for _ in range(60)}
        workers = [replace(env, store=sql.SqlStore(sql.engine_for(world.url))) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(outbox.send_due, workers))
        for worker in workers:
            worker.store.close()
    assert sum(sent) == 60
    assert sorted(posted.headers["webhook-id"] for posted in receiver.posted) == sorted(ids)


class Killed(BaseException):
    """The worker is no more."""


class Dying(WebhookCourier):
    """Sends, and then the worker is killed before it can note so."""

    def send(self, item: Outgoing, now: datetime) -> None:
        super().send(item, now)
        raise Killed


def test_a_worker_that_is_killed_between_sending_and_noting_makes_a_duplicate_that_can_be_told(world: World) -> None:
    with HttpReceiver() as receiver:
        env = to(world.env, receiver.url)
        put(env)
        with pytest.raises(Killed):
            outbox.send_due(replace(env, post=Post(webhook=Dying(Receiver(receiver.url, (SECRET,))))))
        assert outbox.send_due(env) == 0  # for all that others know it is under way
        world.clock.advance(seconds=outbox.LEASE.total_seconds())
        assert outbox.send_due(env) == 1
    assert len(receiver.posted) == 2
    assert len({posted.headers["webhook-id"] for posted in receiver.posted}) == 1


def test_one_that_fails_does_not_hold_up_the_others(world: World) -> None:
    with HttpReceiver(500) as receiver:
        env = to(world.env, receiver.url)
        put(env)
        world.clock.advance(seconds=1)
        put(env)
        assert outbox.send_due(env) == 1


def test_what_was_sent_or_given_up_is_forgotten_after_a_month_and_what_waits_is_not(world: World) -> None:
    with HttpReceiver() as receiver:
        env = to(world.env, receiver.url)
        put(env)
        outbox.send_due(env)
        waiting = put(env)
        world.clock.advance(days=29)
        assert outbox.forget(env) == 0
        world.clock.advance(days=2)
        assert outbox.forget(env) == 1
        assert only(env).id == waiting.id

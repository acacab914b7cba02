"""Owners are told in time, once, whatever happens to the server."""

from __future__ import annotations

import json
import random
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.world import NEW_PASSWORD, PASSWORD, START, World

from keyturn.actions import accounts, authorizations, grants, leaks, notices, outbox
from keyturn.actions.env import By, Post
from keyturn.adapters.webhooks import Receiver, WebhookCourier
from keyturn.core import policy
from keyturn.core.credential import Use
from keyturn.core.policy import DAY, HOUR, Event, Kind
from keyturn.store import sql
from keyturn.store.interface import Taken

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Env
    from keyturn.actions.grants import Credential
    from keyturn.store.interface import Outgoing

SPANS = policy.DEFAULT.thresholds


def with_webhooks(env: Env) -> Env:
    """The same, with a receiver configured; nothing is sent to it here."""
    courier = WebhookCourier(Receiver("http://127.0.0.1:9", (bytes(32),)))
    return replace(
        env, post=Post(webhook=courier, webhook_host="hooks.example.com", public_url="https://keyturn.example.com")
    )


def out(world: World, channel: str = "mail") -> list[Outgoing]:
    """What is in the outbox, oldest first."""
    return [item for item in reversed(outbox.listed(world.env, 100_000)) if item.channel == channel]


def events(world: World) -> list[tuple[datetime, str, str, Any]]:
    """The webhooks in the outbox: when, which event, of which credential, the threshold or reason."""
    found = []
    for item in out(world, "webhook"):
        event = json.loads(item.body)
        data = event["data"]
        found.append((item.created_at, event["type"], data["id"], data.get("threshold") or data.get("reason")))
    return found


class Life:
    """A credential as this test sees it: what is to be told of it, by the words of the rule and not by its code."""

    def __init__(self, credential: Credential) -> None:
        self.id = credential.grant.id
        self.born = credential.grant.created_at
        self.changed(credential.grant.expires_at)
        self.over = False

    def changed(self, expires_at: datetime | None) -> None:
        """It has another expiry now."""
        self.expires_at = expires_at
        self.waiting: dict[int, datetime] = {}
        for span in SPANS:
            if expires_at is not None and span < (expires_at - self.born).total_seconds() / 2:
                moment = expires_at - timedelta(seconds=span)
                while moment.strftime("%A") in ("Saturday", "Sunday"):
                    moment -= timedelta(days=1)
                if moment > self.born:
                    self.waiting[span] = moment

    def look(self, now: datetime) -> tuple[str, Any] | None:
        """What must be told now."""
        if self.over:
            return None
        if self.expires_at is not None and self.expires_at <= now:
            self.over = True
            return "credential.ended", "expired"
        missed = [span for span, moment in self.waiting.items() if moment <= now]
        if not missed:
            return None
        self.waiting = {span: moment for span, moment in self.waiting.items() if span < min(missed)}
        return "credential.expiring", min(missed)


@pytest.mark.parametrize("seed", range(3))
def test_over_400_days_of_outages_restarts_and_racing_workers_each_threshold_is_told_exactly_once(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    world.env = with_webhooks(world.env)
    account = world.account()
    ada = world.principal(world.mint(account, Kind.API_KEY))
    other = replace(world.env, store=sql.SqlStore(sql.engine_for(world.url)))
    lives: list[Life] = []
    expected: list[tuple[datetime, str, str, Any]] = []
    late = timedelta(0)
    end = START + timedelta(days=400)
    with ThreadPoolExecutor(2) as pool:
        while world.clock.now < end:
            if len(lives) < 40 and chance.random() < 0.2:
                kind = chance.choice([Kind.AUTHORIZATION, Kind.SERVICE])
                asked = chance.choice([None, chance.randint(60, 3 * DAY), chance.randint(DAY, 399 * DAY)])
                lives.append(Life(world.mint(account, kind, asked=asked)))
            elif lives and chance.random() < 0.04:
                life = chance.choice(lives)
                if not life.over and (life.expires_at is None or life.expires_at > world.clock.now):
                    if chance.random() < 0.3:
                        authorizations.revoke(world.env, By(), ada, life.id)
                        expected.append((world.clock.now, "credential.ended", life.id, "revoked_by_owner"))
                        life.over = True
                    else:
                        asked = chance.randint(60, 300 * DAY)
                        changed = authorizations.update(world.env, By(), ada, life.id, expires_in=asked)
                        life.changed(changed.grant.expires_at)
            # most looks are hours apart; the server is off for days now and then, and for weeks at times
            outage = chance.choices([(1, 9), (24, 96), (200, 600)], [96, 3, 1])[0]
            world.clock.advance(hours=chance.uniform(*outage))
            if chance.random() < 0.02:  # a restart
                other.store.close()
                other = replace(other, store=sql.SqlStore(sql.engine_for(world.url)))
            list(pool.map(notices.due, [world.env, other]))
            for life in lives:
                told = life.look(world.clock.now)
                if told is not None:
                    expected.append((world.clock.now, told[0], life.id, told[1]))
                    late = max(late, world.clock.now - (life.expires_at or world.clock.now))
    other.store.close()
    assert late < timedelta(days=30)  # else the test's own rule would say too much
    assert sorted(events(world)) == sorted(expected)
    assert len(expected) > 40
    assert {what for _when, _type, _id, what in expected} >= {*SPANS, "expired", "revoked_by_owner"}


def test_while_the_server_runs_nobody_is_told_on_a_weekend(world: World) -> None:
    world.env = with_webhooks(world.env)
    account = world.account()
    for hours in range(0, 24 * 14, 13):
        world.mint(account, Kind.AUTHORIZATION, asked=80 * DAY + hours * HOUR)
    world.clock.advance(days=45)
    while world.clock.now < START + timedelta(days=100):
        world.clock.advance(hours=3)
        notices.due(world.env)
    told = [(when, span) for when, kind, _id, span in events(world) if kind == "credential.expiring"]
    assert len(told) == 26 * 4
    # a look comes three hours late at most, so what was due late on a Friday can be told early on a Saturday
    assert not [when for when, _span in told if when.weekday() >= 5 and (when - timedelta(hours=3)).weekday() >= 5]


def test_a_mail_goes_to_the_owner_with_the_last_use_and_no_secret(world: World) -> None:
    account = world.account()
    made = world.mint(account, Kind.AUTHORIZATION, asked=90 * DAY, description="deploy")
    with world.store.writing() as tx:
        used = START + timedelta(days=50)
        tx.add_uses([Use(made.token.id, "198.51.100.4", "curl/8.5", START, used, 3)], 5)
    world.clock.advance(days=83)
    assert notices.due(world.env) == 1
    assert notices.due(world.env) == 0
    (mail,) = out(world)
    assert mail.recipient == account.email
    assert mail.subject == "Your authorization “deploy” expires in 7 days"
    assert made.token.mask in mail.body
    assert "from 198.51.100.4 by curl/8.5" in mail.body
    assert made.secret is not None
    assert made.secret not in mail.body
    assert not re.search(r"kt[a-z]_[0-9A-Za-z]{38}", mail.body)


def test_the_use_of_the_old_token_in_its_overlap_is_told_too(world: World) -> None:
    account = world.account()
    made = world.mint(account, Kind.AUTHORIZATION, asked=90 * DAY)
    ada = world.principal(world.mint(account))
    world.clock.advance(days=82)
    authorizations.regenerate(world.env, By(), ada, made.grant.id, overlap=2 * DAY, idle=DAY)
    with world.store.writing() as tx:
        tx.add_uses([Use(made.token.id, "198.51.100.9", "old robot", START, world.clock.now, 3)], 5)
    world.clock.advance(days=1)
    notices.due(world.env)
    assert "from 198.51.100.9 by old robot" in out(world)[-1].body


def test_an_expiry_is_told_though_nobody_stamps_it(world: World) -> None:
    world.mint(world.account(), Kind.AUTHORIZATION, asked=60, description="brief")
    world.clock.advance(seconds=60)
    assert notices.due(world.env) == 1
    assert notices.due(world.env) == 0
    assert [mail.subject for mail in out(world)] == ["Your authorization “brief” expired"]


def test_what_the_owner_did_to_it_is_told_to_the_webhook_alone(world: World) -> None:
    world.env = with_webhooks(world.env)
    account = world.account()
    made, ada = world.mint(account, Kind.AUTHORIZATION), world.principal(world.mint(account))
    authorizations.revoke(world.env, By(), ada, made.grant.id)
    assert out(world) == []
    assert [(what, why) for _when, what, _id, why in events(world)] == [("credential.ended", "revoked_by_owner")]


def test_a_report_of_a_leak_tells_the_owner_at_once(world: World) -> None:
    account = world.account()
    made = world.mint(account, Kind.AUTHORIZATION, description="deploy")
    leaks.report(world.env, By(), [made.secret])
    (mail,) = out(world)
    assert mail.subject == "Your authorization “deploy” was reported leaked and ended"
    assert f"keyturn authorizations:create --like {made.grant.id}" in mail.body
    assert made.secret is not None
    assert made.secret not in mail.body


def test_a_suspension_is_one_mail_for_all_and_a_webhook_for_each(world: World) -> None:
    world.env = with_webhooks(world.env)
    account = world.account()
    world.mint(account)  # a login: not told of
    for _ in range(30):
        world.mint(account, Kind.AUTHORIZATION)
    accounts.suspend(world.env, By(), account.email)
    subjects = sorted(mail.subject for mail in out(world))
    assert subjects == ["30 of your credentials ended", "Your account was suspended"]
    assert {why for _when, _what, _id, why in events(world)} == {"owner_suspended"}
    assert len(events(world)) == 30


def test_a_changed_password_tells_of_the_api_key_that_it_replaced(world: World) -> None:
    account = world.account()
    world.mint(account, Kind.API_KEY, description="API key")
    ada = world.principal(world.mint(account))
    accounts.change_password(world.env, By(), ada, current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert any("keyturn authorizations:rotate ~" in mail.body for mail in out(world))


def test_an_ending_that_is_rolled_back_tells_nobody(world: World) -> None:
    account = world.account()
    made = world.mint(account, Kind.AUTHORIZATION)

    def end_and_fail() -> None:
        with world.store.writing() as tx:
            grants.end(world.env, tx, By(), Event.REVOKE_BY_ADMIN, account.id, target=made.grant.id)
            tx.add_account(account, None)  # there is one with that e-mail already

    with pytest.raises(Taken):
        end_and_fail()
    assert out(world) == []
    assert world.ended(made) is None


def test_a_clock_that_was_set_back_does_not_keep_a_revocation_from_happening(world: World) -> None:
    account = world.account()
    made, ada = world.mint(account, Kind.AUTHORIZATION, asked=60), world.principal(world.mint(account))
    world.clock.advance(seconds=60)
    notices.due(world.env)
    world.clock.advance(seconds=-50)
    authorizations.revoke(world.env, By(), ada, made.grant.id)
    assert world.ended(made) == "revoked_by_owner"
    assert len(out(world)) == 1


def test_after_an_upgrade_nobody_is_told_of_deaths_of_long_ago(world: World) -> None:
    world.mint(world.account(), Kind.AUTHORIZATION, asked=DAY)
    world.clock.advance(days=200)
    assert notices.due(world.env) == 0

"""A forgotten password: what the link is good for, what kills it, and what nobody learns of it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import mailed
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import accounts, addresses, outbox, resets, sign_in
from keyturn.actions.env import Gone, Invalid, NotFound, Post, Refused, Throttled
from keyturn.core.policy import Kind
from keyturn.store.interface import NOWHERE

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.actions.accounts import Changed
    from keyturn.store.interface import Outgoing


def ask(world: World, email: object = EMAIL, address: str = "203.0.113.9") -> str:
    return resets.ask(
        world.env, world.by(address=address), email, lambda secret: f"https://keyturn.example/reset/{secret}"
    )


def mails(world: World) -> list[Outgoing]:
    with world.store.reading() as tx:
        return [item for item in tx.outgoing() if item.channel == "mail" and item.next_at is not None]


def link(world: World) -> str:
    """The secret of the newest link that was mailed; the clock moves on, so that the next mail is newer."""
    found = next(filter(None, (re.search(r"/reset/(ktp_\w+)", mail.body) for mail in mails(world))))
    world.clock.advance(seconds=1)
    return found[1]


def finalize(world: World, secret: str, password: str = NEW_PASSWORD, again: str | None = None) -> Changed:
    return resets.finalize(
        world.env, world.by(), secret, password=password, confirmation=password if again is None else again
    )


def may_sign_in(world: World, password: str) -> bool:
    try:
        sign_in.check_password(world.env, world.by(), EMAIL, password)
    except Refused:
        return False
    return True


def test_a_link_comes_by_mail_and_replaces_the_password_once(world: World) -> None:
    world.account()
    ask(world)
    (mail,) = mails(world)
    assert (mail.recipient, mail.next_at) == (EMAIL, world.clock())
    assert "1 hour" in mail.body
    assert "203.0.113.9" in mail.body
    secret = link(world)
    finalize(world, secret)
    assert (may_sign_in(world, NEW_PASSWORD), may_sign_in(world, PASSWORD)) == (True, False)
    with pytest.raises(Gone):
        finalize(world, secret, "nine white swans at dawn")
    assert may_sign_in(world, NEW_PASSWORD)


def test_its_owner_is_told_afterwards_and_the_mail_has_no_link(world: World) -> None:
    account = world.account()
    world.mint(account, description="the laptop")
    ask(world)
    finalize(world, link(world))
    told = mails(world)[0]
    assert told.recipient == EMAIL
    assert "was changed" in told.subject
    assert "the laptop" in told.body
    assert "ktp_" not in told.body


def test_what_ends_is_what_was_shown_and_no_new_api_key_is_made(world: World) -> None:
    account = world.account()
    made = {
        kind: world.mint(account, kind) for kind in (Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.AUTHORIZATION, Kind.OAUTH)
    }
    ask(world)
    secret = link(world)
    seen = resets.opened(world.env, world.by(), secret)
    assert {ending.grant.kind for ending, _ in seen.endings} == {Kind.LOGIN, Kind.WEB, Kind.API_KEY}
    assert all(world.ended(c) is None for c in made.values())
    changed = finalize(world, secret)
    assert [e.grant.id for e in changed.endings] == [e.grant.id for e, _ in seen.endings]
    assert {kind: world.ended(c) for kind, c in made.items()} == {
        Kind.LOGIN: "password_reset", Kind.WEB: "password_reset", Kind.API_KEY: "password_reset",
        Kind.AUTHORIZATION: None, Kind.OAUTH: None,
    }  # fmt: skip
    assert changed.api_key is None
    with world.store.reading() as tx:
        alive = {grant.kind for grant in tx.grants(account.id, alive_at=world.clock())}
    assert alive == {Kind.AUTHORIZATION, Kind.OAUTH}
    assert any("make a new one, with: keyturn authorizations:rotate '~'" in mail.body for mail in mails(world))


def test_unknown_and_suspended_addresses_get_the_same_answer_and_no_mail(world: World) -> None:
    world.account()
    world.account("grace@example.com")
    accounts.suspend(world.env, world.by(), "grace@example.com")
    before = len(mails(world))
    assert ask(world, "nobody@example.com") == "nobody@example.com"
    assert ask(world, "grace@example.com") == "grace@example.com"
    assert len(mails(world)) == before
    assert ask(world) == EMAIL
    assert len(mails(world)) == before + 1


def test_as_much_is_written_for_an_address_that_nobody_has(world: World) -> None:
    world.account()
    grown = []
    for number, email in enumerate((EMAIL, "bob@example.com", "eve@example.com")):
        if number == 2:
            world.account(email)
            accounts.suspend(world.env, world.by(), email)  # of which they are told
            world.clock.advance(seconds=1)
        before = rows(world)
        ask(world, email, f"203.0.113.{number}")
        grown.append((sum(rows(world).values()) - sum(before.values()), lengths(world, email)))
        world.clock.advance(seconds=1)
    assert grown[0] == grown[1] == grown[2]


def lengths(world: World, email: str) -> list[int]:
    """Of the row that is to be sent to the address: how long each column is, but for the channel's name."""
    with closing(sqlite3.connect(world.path)) as connection:
        link = "recipient = ? AND next_at IS NOT NULL AND subject LIKE 'Choose%'"
        (row,) = connection.execute(f"SELECT * FROM outbox WHERE {link}", (email,)).fetchall()
        return [len(str(value)) for value in row if value not in ("mail", NOWHERE)]


class Nobody:
    """A mail server that must not be asked."""

    def send(self, item: Outgoing, now: object) -> None:
        raise AssertionError((item.recipient, now))


def test_what_was_written_for_nobody_is_shown_to_nobody_and_soon_swept(world: World) -> None:
    ask(world, "nobody@example.com")
    assert rows(world)["outbox"] == 1
    assert outbox.listed(world.env) == []
    with world.store.reading() as tx:
        counts = tx.counts(world.clock())
    assert (counts["outbox_waiting"], counts["outbox_failing"]) == (0, 0)
    assert outbox.send_due(replace(world.env, post=Post(mail=Nobody()))) == 0
    assert rows(world)["outbox"] == 0


def rows(world: World) -> dict[str, int]:
    """How many rows each table has."""
    with closing(sqlite3.connect(world.path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


@pytest.mark.parametrize("email", [None, 5, "", "nonsense", "a@b\r\nBcc: c@d", ["a@b"]])
def test_what_is_no_address_is_refused(email: object, world: World) -> None:
    with pytest.raises(Invalid) as refused:
        ask(world, email)
    assert refused.value.field == "email"


def test_known_and_unknown_addresses_are_throttled_alike(world: World) -> None:
    world.account()

    def tries_until_throttled(email: str) -> int:
        for count in range(50):
            try:
                ask(world, email, f"198.51.100.{count}")
            except Throttled:
                return count
        raise AssertionError("never throttled")

    assert tries_until_throttled(EMAIL) == tries_until_throttled("nobody@example.com") == resets.EMAIL.free
    assert len(mails(world)) == resets.EMAIL.free
    world.clock.advance(hours=1)
    ask(world)  # nobody is locked out for good


def test_one_place_cannot_ask_for_everybody(world: World) -> None:
    for count in range(resets.PLACE.free):
        ask(world, f"p{count}@example.com")
    with pytest.raises(Throttled):
        ask(world, "another@example.com")
    assert ask(world, "another@example.com", "198.51.100.1")


def test_a_new_link_ends_the_one_before(world: World) -> None:
    world.account()
    ask(world)
    first = link(world)
    ask(world)
    second = link(world)
    assert first != second
    with pytest.raises(Gone):
        resets.opened(world.env, world.by(), first)
    finalize(world, second)


@pytest.mark.parametrize(("span", "alive"), [(timedelta(minutes=59), True), (timedelta(minutes=60), False)])
def test_a_link_lives_for_an_hour(span: timedelta, alive: bool, world: World) -> None:
    world.account()
    ask(world)
    secret = link(world)
    world.clock.advance(seconds=span.total_seconds() - 1)
    if alive:
        finalize(world, secret)
    else:
        with pytest.raises(Gone):
            finalize(world, secret)
        assert may_sign_in(world, PASSWORD)


def test_a_link_dies_when_the_password_or_the_address_changes_and_with_a_suspension(world: World) -> None:
    acting = world.mint(world.account())
    by, principal = world.by(acting), world.principal(acting)
    ask(world)
    before_password = link(world)
    accounts.change_password(world.env, by, principal, current_password=PASSWORD, new_password=NEW_PASSWORD)
    ask(world)
    before_address = link(world)
    accounts.change_email(
        world.env, by, principal, current_password=NEW_PASSWORD, email="new@example.com", sender=mailed.SENDER
    )
    addresses.prove(world.env, by, mailed.secret(world, "new@example.com"))
    ask(world, "new@example.com")
    before_suspension = link(world)
    accounts.suspend(world.env, by, "new@example.com")
    for secret in (before_password, before_address, before_suspension):
        with pytest.raises(Gone):
            finalize(world, secret, "nine white swans at dawn")


@pytest.mark.parametrize(
    ("password", "again", "field"),
    [("short", "short", "password"), (NEW_PASSWORD, PASSWORD, "password_confirmation"), ("", "", "password"),
     (EMAIL, EMAIL, "password")],
)  # fmt: skip
def test_a_bad_password_changes_nothing_and_leaves_the_link_good(
    password: str, again: str, field: str, world: World
) -> None:
    login = world.mint(world.account())
    ask(world)
    secret = link(world)
    with pytest.raises(Invalid) as refused:
        finalize(world, secret, password, again)
    assert refused.value.field == field
    assert world.reason(login.secret) is None
    finalize(world, secret)
    assert world.reason(login.secret) == "password_reset"


@pytest.mark.parametrize("secret", ["", "nonsense", "ktp_" + "0" * 38, "ktl_x", "\x00"])
def test_an_invented_link_is_no_link(secret: str, world: World) -> None:
    world.account()
    with pytest.raises(Gone):
        resets.opened(world.env, world.by(), secret)
    with pytest.raises(Gone):
        finalize(world, secret)


def test_the_database_has_the_link_only_in_the_mail_that_waits_to_leave(world: World) -> None:
    world.account()
    ask(world)
    secret = link(world)
    with world.store.writing() as tx:
        tx.change_outgoing(mails(world)[0].id, body="", next_at=None, sent_at=world.clock())  # as when it has left
    with closing(sqlite3.connect(world.path)) as raw:
        assert secret not in "\n".join(raw.iterdump())


def test_a_reset_frees_an_owner_whom_guesses_of_others_hold_back(world: World) -> None:
    world.account()
    for _ in range(8):
        with pytest.raises((Refused, Throttled)):
            sign_in.check_password(world.env, world.by(), EMAIL, "wrong")
    ask(world)
    finalize(world, link(world))
    assert may_sign_in(world, NEW_PASSWORD)


def test_an_operator_gets_a_link_to_hand_on_and_no_mail_leaves(world: World) -> None:
    world.account()
    account, secret = resets.ask_as_operator(world.env, world.by(), EMAIL.upper())
    assert account.email == EMAIL
    assert mails(world) == []
    finalize(world, secret)
    with pytest.raises(NotFound):
        resets.ask_as_operator(world.env, world.by(), "nobody@example.com")
    accounts.suspend(world.env, world.by(), EMAIL)
    with pytest.raises(Invalid, match="suspended"):
        resets.ask_as_operator(world.env, world.by(), EMAIL)


def test_an_operator_gets_no_link_for_an_account_that_has_no_password(world: World) -> None:
    account = world.account()
    with world.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    with pytest.raises(Invalid, match="single sign-on"):
        resets.ask_as_operator(world.env, world.by(), EMAIL)


def test_the_trail_has_who_asked_and_what_was_done_and_no_secret(world: World) -> None:
    account = world.account()
    ask(world)
    secret = link(world)
    finalize(world, secret)
    trail = world.audit()
    assert {"password_reset.ask", "account.password_reset"} <= {event.action for event in trail}
    assert {event.account_id for event in trail if "password_reset" in event.action} == {account.id}
    assert secret not in repr(trail)

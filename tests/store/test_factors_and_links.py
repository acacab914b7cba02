"""What the store keeps of second factors, remembered browsers, sign-ins under way, links by mail and the audit trail: what is
good once is taken once, however many take it at the same moment.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.world import START, World

from keyturn.core.credential import Device, Factor
from keyturn.store import migrate
from keyturn.store.interface import (
    AuditEvent,
    AuditSearch,
    Challenge,
    EmailLink,
    Invitation,
    SecondStep,
    Taken,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.store.interface import Tx

LATER = START + timedelta(days=1)


def winners(world: World, take: Callable[[Tx], object]) -> int:
    """How many of eight writers at once are told that it was theirs."""
    told: list[bool] = []
    ready = threading.Barrier(8)

    def run() -> None:
        ready.wait()
        with world.store.writing() as tx:
            told.append(bool(take(tx)))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(told)


def passkey(account_id: str, name: bytes = b"one") -> Factor:
    return Factor(
        name.hex(), account_id, "passkey", "a key", START, START, credential_id=name, public_key=b"cose", sign_count=7,
        transports="internal usb", aaguid="0" * 36, backed_up=True,
    )  # fmt: skip


def test_a_factor_is_kept_whole_and_found_by_its_credential(world: World) -> None:
    account = world.account()
    key, app = passkey(account.id), Factor("f2", account.id, "totp", "app", START, seed=b"sealed")
    with world.store.writing() as tx:
        tx.add_factor(key)
        tx.add_factor(app)
        tx.change_factor(app.id, confirmed_at=LATER)
    with world.store.reading() as tx:
        assert tx.factors(account.id) == [key, replace(app, confirmed_at=LATER)]
        assert tx.factor_of_credential(b"one") == key
        assert tx.factor_of_credential(b"on") is None
    with world.store.writing() as tx:
        tx.remove_factor(key.id)
        assert tx.factors(account.id) == [replace(app, confirmed_at=LATER)]


def test_one_passkey_belongs_to_one_account(world: World) -> None:
    one, other = world.account(), world.account("bob@example.com")
    with world.store.writing() as tx:
        tx.add_factor(passkey(one.id))
    with pytest.raises(Taken), world.store.writing() as tx:
        tx.add_factor(replace(passkey(other.id), id="another"))


def test_a_step_is_used_once_and_never_one_before_it(world: World) -> None:
    account = world.account()
    with world.store.writing() as tx:
        tx.add_factor(Factor("f", account.id, "totp", "app", START, START, seed=b"sealed"))
    assert winners(world, lambda tx: tx.use_step("f", 100, START)) == 1
    with world.store.writing() as tx:
        assert not tx.use_step("f", 99, START)
        assert tx.use_step("f", 101, LATER)
        found = tx.factor("f")
        assert found is not None
        assert (found.last_step, found.last_used_at) == (101, LATER)


def test_a_recovery_code_is_used_once_by_its_own_account(world: World) -> None:
    one, other = world.account(), world.account("bob@example.com")
    with world.store.writing() as tx:
        tx.set_recovery_codes(one.id, [b"a" * 32, b"b" * 32], START)
        tx.set_recovery_codes(other.id, [b"c" * 32], START)
        assert not tx.use_recovery_code(other.id, b"a" * 32, START)
    assert winners(world, lambda tx: tx.use_recovery_code(one.id, b"a" * 32, START)) == 1
    with world.store.writing() as tx:
        assert tx.count_recovery_codes(one.id) == 1
        tx.set_recovery_codes(one.id, [b"d" * 32], START)
        assert not tx.use_recovery_code(one.id, b"b" * 32, START)
        assert (tx.count_recovery_codes(one.id), tx.count_recovery_codes(other.id)) == (1, 1)


def test_remembered_browsers_are_listed_until_they_expire_and_forgotten_by_account(world: World) -> None:
    one, other = world.account(), world.account("bob@example.com")
    devices = [
        Device(name, owner, 1, "192.0.2.1", "a browser", START, START + timedelta(days=days))
        for name, owner, days in (("d1", one.id, 1), ("d2", one.id, 30), ("d3", other.id, 30))
    ]
    with world.store.writing() as tx:
        for device in devices:
            tx.add_device(device, device.id.encode() * 16)
        assert tx.device(b"d2" * 16) == devices[1]
        assert [d.id for d in tx.devices(one.id, START)] == ["d1", "d2"]
        assert [d.id for d in tx.devices(one.id, LATER)] == ["d2"]
        tx.forget_devices(LATER + timedelta(seconds=1))
        assert tx.device(b"d1" * 16) is None
        assert tx.remove_devices(one.id, "d3") == 0
        assert tx.remove_devices(one.id) == 1
        assert tx.devices(other.id, START) == [devices[2]]


def test_a_second_step_counts_its_tries_and_is_forgotten(world: World) -> None:
    account = world.account()
    step = SecondStep(account.id, 1, "/next", 0, START, LATER)
    with world.store.writing() as tx:
        tx.add_second_step(step, b"s" * 32)
    winners(world, lambda tx: tx.count_try(b"s" * 32))
    with world.store.writing() as tx:
        assert tx.second_step(b"s" * 32) == replace(step, tries=8)
        tx.forget_second_steps(LATER)
        assert tx.second_step(b"s" * 32) is not None
        tx.forget_second_steps(LATER + timedelta(seconds=1))
        assert tx.second_step(b"s" * 32) is None


def test_a_challenge_is_taken_once(world: World) -> None:
    made = Challenge("sign_in", "a browser", LATER)
    with world.store.writing() as tx:
        tx.add_challenge(made, b"c" * 32)
        assert tx.take_challenge(b"x" * 32) is None
    assert winners(world, lambda tx: tx.take_challenge(b"c" * 32)) == 1


def test_an_invitation_is_found_listed_and_used_up_with_all_of_its_address(world: World) -> None:
    admin = world.account(admin=True)
    invited = Invitation(
        "i1", "New@Example.com", "New", admin=False, invited_by=admin.id, created_at=START, expires_at=LATER
    )
    own = Invitation("i2", "new@example.com", None, admin=False, invited_by=None, created_at=START, expires_at=LATER)
    with world.store.writing() as tx:
        tx.add_invitation(invited, b"1" * 32)
        tx.add_invitation(own, b"2" * 32)
        assert tx.invitation(b"1" * 32) == invited
        assert tx.invitations(START) == [invited]
        assert tx.invitations(LATER) == []
        tx.use_invitations("NEW@example.com", START)
        assert tx.invitations(START) == []
        used = tx.invitation(b"2" * 32)
        assert used is not None
        assert used.used_at == START
        assert not tx.remove_invitation("i1")


def test_a_link_that_proves_an_address_is_used_up_with_the_others_of_the_account(world: World) -> None:
    account = world.account()
    link = EmailLink(account.id, account.email, START, LATER)
    with world.store.writing() as tx:
        tx.add_email_link(link, b"e" * 32)
        tx.use_email_links(account.id, START)
        assert tx.email_link(b"e" * 32) == replace(link, used_at=START)
        assert tx.email_link(b"f" * 32) is None
        assert tx.forget_links(LATER) == 0
        assert tx.forget_links(LATER + timedelta(seconds=1)) == 1
        assert tx.email_link(b"e" * 32) is None


def test_a_closed_account_keeps_its_row_and_frees_its_address(world: World) -> None:
    account = world.account()
    with world.store.writing() as tx:
        tx.change_account(account.id, closed_at=START, password_hash=None)
        assert tx.account_by_email(account.email) is None
        kept = tx.account(account.id)
        assert kept is not None
        assert (kept.email, kept.closed_at) == (account.email, START)
    again = world.account()
    assert again.id != account.id


def test_accounts_come_in_pages_by_address_with_the_closed_ones_last(world: World) -> None:
    made = [world.account(f"{name}@example.com", name=name.title()) for name in ("cat", "ant", "bee", "100%")]
    with world.store.writing() as tx:
        tx.change_account(made[2].id, closed_at=START)
        order = ["100%@example.com", "ant@example.com", "cat@example.com", "bee@example.com"]
        assert [a.email for a in tx.accounts_page()] == order
        seen: list[str] = []
        after = ""
        while page := tx.accounts_page(after=after, most=1):
            seen += [a.email for a in page]
            after = page[-1].id
        assert seen == order
        assert [a.email for a in tx.accounts_page(text="CAT")] == ["cat@example.com"]
        assert [a.email for a in tx.accounts_page(text="%@")] == ["100%@example.com"]  # no wildcard
        assert tx.accounts_page(text="_") == []


def test_administrators_who_can_act_are_counted(world: World) -> None:
    admins = [world.account(f"a{n}@example.com", admin=True) for n in range(3)]
    world.account()
    with world.store.writing() as tx:
        tx.change_account(admins[0].id, suspended_at=START)
        tx.change_account(admins[1].id, closed_at=START)
        assert tx.count_admins() == 1


EVENTS = [
    AuditEvent(START, "login.create", "ok", "ann", "ann", "g1", "192.0.2.1", "curl", details={"made": "x1"}),
    AuditEvent(START, "sign_in", "refused", "ann", None, None, "192.0.2.9", "Mozilla", reason="wrong_password"),
    AuditEvent(LATER, "account.suspend", "ok", "bob", "ann", "g1", "192.0.2.1", "Mozilla"),
    AuditEvent(LATER, "login.end", "ok", "bob", "bob", "g2", "198.51.100.7", "100% curl"),
]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (AuditSearch(), [3, 2, 1, 0]),
        (AuditSearch(account_id="ann"), [2, 1, 0]),  # what was done by it, too
        (AuditSearch(actor_id="ann"), [2, 0]),
        (AuditSearch(action="login."), [3, 0]),
        (AuditSearch(action="login.end"), [3]),
        (AuditSearch(action="login"), []),
        (AuditSearch(outcome="refused"), [1]),
        (AuditSearch(grant_id="g1"), [2, 0]),
        (AuditSearch(address="192.0.2.1"), [2, 0]),
        (AuditSearch(since=LATER), [3, 2]),
        (AuditSearch(until=LATER), [1, 0]),
        (AuditSearch(text="X1"), [0]),
        (AuditSearch(text="%"), [3]),
        (AuditSearch(text="wrong_pass"), [1]),
        (AuditSearch(account_id="bob", text="curl"), [3]),
    ],
)
def test_the_audit_trail_is_searched_by_what_is_asked_and_nothing_else(
    search: AuditSearch, found: list[int], world: World
) -> None:
    with world.store.writing() as tx:
        tx.audit(EVENTS)
        assert tx.find_audit(search) == [EVENTS[n] for n in found]


def test_the_audit_trail_is_read_in_pages(world: World) -> None:
    with world.store.writing() as tx:
        tx.audit(EVENTS)
        seen: list[AuditEvent] = []
        before = None
        while page := tx.find_audit(AuditSearch(before=before), limit=3):
            seen += page
            before = page[-1].id
        assert seen == EVENTS[::-1]


def test_the_store_tells_what_it_is_and_how_much_it_holds(world: World) -> None:
    account = world.account(admin=True)
    made = world.mint(account, asked=60)
    world.mint(account)
    world.clock.advance(minutes=2)
    described = world.store.describe()
    assert str(described["engine"]).startswith("SQLite 3.")
    assert described["schema"] == migrate.head()
    assert isinstance(described["bytes"], int)
    assert described["bytes"] > 50_000
    with world.store.reading() as tx:
        counts = tx.counts(world.clock())
    assert counts["accounts"] == counts["administrators"] == 1
    assert (counts["credentials_alive"], counts["credentials_dead"]) == (1, 1)
    assert (counts["suspended"], counts["with_second_factor"]) == (0, 0)
    assert world.reason(made.secret) == "expired"


def test_a_form_that_counts_once_is_one_writers_and_is_forgotten_or_given_back(world: World) -> None:
    def spend(session: str, at: datetime) -> bool:
        try:
            with world.store.writing() as tx:
                tx.spend_form(session, "f" * 32, at)
        except Taken:
            return False
        return True

    assert [spend("ada", START), spend("ada", LATER), spend("grace", LATER)] == [True, False, True]
    with world.store.writing() as tx:
        tx.give_back_form("grace", "f" * 32)
    assert [spend("ada", LATER), spend("grace", LATER)] == [False, True]
    with world.store.writing() as tx:
        assert (tx.forget_forms(START), tx.forget_forms(LATER)) == (0, 1)
    assert [spend("ada", LATER), spend("grace", LATER)] == [True, False]

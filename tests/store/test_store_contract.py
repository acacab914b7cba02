"""What every store must keep: all or nothing, one writer at a time, one consistent view, and the two errors of the interface."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD, START, World

from keyturn.core import token
from keyturn.core.credential import Account, Grant, SshKey
from keyturn.core.policy import Kind
from keyturn.store import moments, sql
from keyturn.store.interface import AuditEvent, CliLogin, Failures, Taken, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


def test_an_exception_takes_everything_back(world: World) -> None:
    account = world.account()
    with pytest.raises(RuntimeError, match="halfway"), world.store.writing() as tx:  # noqa: PT012
        tx.change_account(account.id, name="half")
        tx.add_failure("key", START)
        raise RuntimeError("halfway")
    with world.store.reading() as tx:
        assert tx.account(account.id) == account
        assert tx.failures(["key"]) == {}
    assert world.store.find_account(account.id) == account


def test_a_writer_can_write_again_after_a_failure(world: World) -> None:
    for _ in range(40):  # more often than the pool has connections
        with pytest.raises(RuntimeError), world.store.writing():
            raise RuntimeError
    assert world.account().email == EMAIL


def test_nobody_sees_what_is_not_committed(world: World) -> None:
    account = world.account()
    with world.store.writing() as tx:
        tx.change_account(account.id, name="new")
        with world.store.reading() as other:
            assert other.account(account.id) == account
        assert world.store.find_account(account.id) == account
    found = world.store.find_account(account.id)
    assert found is not None
    assert found.name == "new"


def test_a_reader_sees_one_state_from_its_first_look_on(world: World) -> None:
    account = world.account()
    with world.store.reading() as tx:
        before = tx.account(account.id)
        with world.store.writing() as other:
            other.change_account(account.id, name="new")
        assert tx.account(account.id) == before
    with world.store.reading() as tx:
        assert tx.account(account.id) != before


def test_a_reader_cannot_be_held_up_by_a_writer(world: World) -> None:
    world.account()
    with world.store.writing() as tx:
        tx.add_failure("key", START)
        with world.store.reading() as other:
            assert other.count_accounts() == 1


def test_writers_in_threads_never_lose_an_update(world: World) -> None:
    account = world.account()

    def add() -> None:
        for _ in range(10):
            with world.store.writing() as tx:
                current = tx.account(account.id, lock=True)
                assert current is not None
                tx.change_account(account.id, credential_version=current.credential_version + 1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = world.store.find_account(account.id)
    assert found is not None
    assert found.credential_version == 1 + 40


def test_an_email_is_one_whatever_its_case(world: World) -> None:
    account = world.account("Ada@Example.com")
    with world.store.reading() as tx:
        assert tx.account_by_email(" aDA@eXAMPLE.COM ") == account
    with pytest.raises(Taken), world.store.writing() as tx:
        tx.add_account(replace(account, id="another", email="ADA@example.com"), None)
    with world.store.reading() as tx:
        assert tx.count_accounts() == 1


def test_an_account_keeps_all_that_it_was_given(world: World) -> None:
    account = replace(
        world.account(name="Ada"), id="0" * 36, email="grace@example.com", admin=True, last_login_at=START, suspended_at=START,
        allow_tracking=False, beta=True, federated=True, credential_version=7,
    )  # fmt: skip
    with world.store.writing() as tx:
        tx.add_account(account, "hash")
        assert tx.password_hash(account.id) == "hash"
    with world.store.reading() as tx:
        assert tx.account(account.id) == account
        assert [a.email for a in tx.accounts()] == [EMAIL, "grace@example.com"]
    assert world.store.find_account(account.id) == account
    assert world.store.find_account("nobody") is None


@given(st.datetimes(min_value=START.replace(year=1990, tzinfo=None), max_value=START.replace(year=2200, tzinfo=None)))
def test_a_time_is_kept_to_the_microsecond(naive: datetime) -> None:
    moment = naive.replace(tzinfo=START.tzinfo)
    kept = moments.Moment().process_bind_param(moment, None)
    assert moments.moment(kept) == moment


def test_a_token_is_found_by_its_digest_with_its_grant_and_account(world: World) -> None:
    account = world.account()
    made = world.mint(account, Kind.AUTHORIZATION, scopes=("read", "write"), asked=60, description="ci")
    assert made.secret is not None
    found = world.store.find_token(token.digest(made.secret))
    assert found is not None
    assert (found.grant_id, found.token_id, found.account_id) == (made.grant.id, made.token.id, account.id)
    assert (found.kind, found.scopes, found.description, found.email) == ("authorization", "read write", "ci", EMAIL)
    assert found.expires_at == made.grant.expires_at
    assert (found.ended_at, found.token_ended_at, found.suspended_at) == (None, None, None)
    assert world.store.find_token(token.digest(made.secret[:-1] + "!")) is None
    with world.store.reading() as tx:
        assert tx.find_token(token.digest(made.secret)) == found


def test_the_next_look_up_sees_the_end_of_a_grant_and_of_a_token(world: World) -> None:
    made = world.mint(world.account())
    digest = token.digest(made.secret or "")
    with world.store.writing() as tx:
        tx.end_tokens(made.grant.id, START, "rotated")
    found = world.store.find_token(digest)
    assert found is not None
    assert (found.token_ended_at, found.token_ended_reason) == (START, "rotated")
    with world.store.writing() as tx:
        tx.change_grant(made.grant.id, ended_at=START, ended_reason="logged_out")
    found = world.store.find_token(digest)
    assert found is not None
    assert (found.ended_at, found.ended_reason) == (START, "logged_out")


def test_only_the_living_grants_are_counted_alive(world: World) -> None:
    account, other = world.account(), world.account("grace@example.com")
    eternal, short, dead = (world.mint(account, Kind.AUTHORIZATION, asked=asked) for asked in (None, 60, None))
    world.mint(other)
    with world.store.writing() as tx:
        tx.change_grant(dead.grant.id, ended_at=START, ended_reason="revoked_by_owner")
    expiry = short.grant.expires_at
    assert expiry is not None
    with world.store.reading() as tx:
        assert [g.id for g in tx.grants(account.id)] == [eternal.grant.id, short.grant.id, dead.grant.id]
        assert tx.grants(account.id, alive_at=START) == [eternal.grant, short.grant]
        assert tx.grants(account.id, alive_at=expiry) == [eternal.grant]
        assert [tx.count_grants(account.id, at) for at in (START, expiry)] == [2, 1]
        assert tx.grant(short.grant.id) == short.grant
        assert tx.grant("none") is None


def test_tokens_are_found_for_more_grants_than_a_statement_takes_parameters(world: World) -> None:
    made = world.mint(world.account())
    with world.store.reading() as tx:
        assert tx.tokens([f"none {n}" for n in range(1200)] + [made.grant.id]) == {made.grant.id: made.token}


def test_the_current_token_of_a_grant_is_the_living_one_that_was_not_rotated(world: World) -> None:
    made = world.mint(world.account())
    current = replace(made.token, id="0" * 36)  # as if the clock had gone back
    ended = replace(made.token, id="f" * 36, ended_at=START, ended_reason="rotated")
    with world.store.writing() as tx:
        tx.change_token(made.token.id, made.grant.id, idle_limit=60)
        tx.add_token(current, b"1" * 32)
        tx.add_token(ended, b"2" * 32)
        assert tx.tokens([made.grant.id]) == {made.grant.id: current}
        rotated = replace(made.token, idle_limit=60)
        assert tx.living_tokens([made.grant.id]) == {made.grant.id: [rotated, current]}


def key_of(world: World, account: Account, name: str = "k1") -> SshKey:
    """A key's row, and the grant that says when it ends."""
    key = SshKey(name, account.id, EMAIL, "ssh-ed25519", "ssh-ed25519 AAAA me", "aa:bb", "SHA256:x", "me", START)
    with world.store.writing() as tx:
        tx.add_grant(Grant(name, account.id, Kind.SSH_KEY, ("write",), "me", START, START))
        tx.add_key(key)
    return key


def test_a_key_belongs_to_one_account(world: World) -> None:
    account, other = world.account(), world.account("grace@example.com")
    key = key_of(world, account)
    with pytest.raises(Taken):
        key_of(world, other, "k2")
    with world.store.reading() as tx:
        assert tx.keys(account.id, START) == [key]
        assert tx.key_of("SHA256:x") == key
        assert tx.keys(other.id, START) == []
        assert tx.grant("k2") is None
    with world.store.writing() as tx:
        tx.remove_key("k1")
        assert tx.keys(account.id, START) == []
        assert tx.key_of("SHA256:x") is None


def test_a_key_lives_as_long_as_its_grant(world: World) -> None:
    account = world.account()
    key = key_of(world, account)
    end = START + timedelta(days=1)
    with world.store.writing() as tx:
        tx.change_grant("k1", expires_at=end)
        assert tx.keys(account.id, START) == [replace(key, expires_at=end)]
        assert tx.keys(account.id, end) == []
        tx.end_grants(["k1"], at=START, reason="revoked_by_owner", by=None)
        assert tx.keys(account.id, START) == []
        assert tx.key_of("SHA256:x") == replace(key, expires_at=end)


def test_a_key_names_its_owner_by_the_address_of_today(world: World) -> None:
    account = world.account()
    key_of(world, account)
    with world.store.writing() as tx:
        tx.change_account(account.id, email="lovelace@example.com")
    with world.store.reading() as tx:
        assert tx.keys(account.id, START)[0].email == "lovelace@example.com"
        assert tx.account_by_email("LOVELACE@example.com") is not None
        assert tx.account_by_email(EMAIL) is None


def test_a_login_under_way_is_kept_until_it_is_forgotten(world: World) -> None:
    login = CliLogin("l1", b"b" * 32, b"c" * 32, "laptop", "192.0.2.1", "agent", 3600, START, START)
    with world.store.writing() as tx:
        tx.add_cli_login(login)
        tx.forget_cli_logins(START)
        assert tx.cli_login("l1") == tx.cli_login_by_browser(b"b" * 32) == login
        assert tx.cli_login_by_browser(b"c" * 32) is None
        tx.change_cli_login("l1", state="denied")
        assert tx.cli_login("l1") == replace(login, state="denied")
        tx.forget_cli_logins(START.replace(year=2027))
        assert tx.cli_login("l1") is None


def test_there_is_one_setup_link_at_most(world: World) -> None:
    with world.store.writing() as tx:
        assert tx.setup_link() is None
        tx.set_setup_link(b"1" * 32, START)
        tx.set_setup_link(b"2" * 32, START)
        assert tx.setup_link() == (b"2" * 32, START)
        tx.set_setup_link(None, None)
        assert tx.setup_link() is None


def test_failures_are_counted_cleared_and_forgotten(world: World) -> None:
    later = START.replace(hour=10)
    with world.store.writing() as tx:
        tx.add_failure("a", START)
        tx.add_failure("a", later)
        tx.add_failure("b", START)
        assert tx.failures(["a", "b", "c"]) == {"a": Failures(2, later), "b": Failures(1, START)}
        tx.add_failure("straight:c", START)
        tx.forget_failures(later, START)
        assert set(tx.failures(["a", "b", "straight:c"])) == {"a", "straight:c"}
        tx.forget_failures(later, later)
        assert set(tx.failures(["a", "b", "straight:c"])) == {"a"}
        tx.clear_failures(["a"])
        assert tx.failures(["a", "b"]) == {}


def test_a_place_is_known_to_its_account_alone(world: World) -> None:
    account, other = world.account(), world.account("grace@example.com")
    with world.store.writing() as tx:
        tx.add_place(account.id, "192.0.2.1", START)
        tx.add_place(account.id, "192.0.2.1", START)
        assert tx.knows_place(account.id, "192.0.2.1")
        assert not tx.knows_place(other.id, "192.0.2.1")
        assert not tx.knows_place(account.id, "192.0.2.2")


def test_the_audit_trail_is_kept_whole_newest_first(world: World) -> None:
    events = [
        AuditEvent(
            START, "a.b", "ok", "acc", "actor", "grant", "192.0.2.1", "agent", "req", "why", {"n": 1, "list": ["é"]}
        ),
        AuditEvent(START, "c.d", "refused"),
    ]
    with world.store.writing() as tx:
        for event in events:
            tx.audit([event])
    with world.store.reading() as tx:
        assert tx.audit_events() == events[::-1]
        assert tx.audit_events("acc") == events[:1]
        assert tx.audit_events(limit=1) == events[1:]


# the two errors of the interface


@pytest.fixture
def impatient(world: World) -> Iterator[sql.SqlStore]:
    """A second store over the same file, which waits for nobody."""
    engine = sql.engine_for(world.url)
    sa.event.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA busy_timeout=1"))
    store = sql.SqlStore(engine)
    yield store
    store.close()


def test_a_locked_database_is_unavailable_to_writers_and_not_to_readers(world: World, impatient: sql.SqlStore) -> None:
    account = world.account()
    with world.store.writing():
        with pytest.raises(Unavailable, match="locked"), impatient.writing() as tx:
            tx.add_failure("key", START)
        assert impatient.find_account(account.id) == account
        with impatient.reading() as tx:
            assert tx.count_accounts() == 1
    with impatient.writing() as tx:
        tx.add_failure("key", START)
    with world.store.reading() as tx:
        assert tx.failures(["key"])["key"].count == 1


def test_a_file_that_cannot_be_written_is_unavailable_and_still_read(world: World) -> None:
    account = world.account()
    store = sql.SqlStore(sql.engine_for(f"sqlite:///file:{world.path}?mode=ro&uri=true"))
    with pytest.raises(Unavailable, match="readonly"), store.writing() as tx:
        tx.change_account(account.id, name="x")
    assert store.find_account(account.id) == account
    store.close()


def test_a_full_disk_is_unavailable_and_recovers_by_itself(world: World) -> None:
    account = world.account()
    engine = sql.engine_for(world.url)
    sa.event.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA max_page_count=1"))
    store = sql.SqlStore(engine)
    with pytest.raises(Unavailable, match="full"), store.writing() as tx:
        tx.audit([AuditEvent(START, "big", "ok", details={"text": "x" * 100_000})])
    assert store.find_account(account.id) == account
    store.close()
    with world.store.writing() as tx:
        tx.audit([AuditEvent(START, "big", "ok", details={"text": "x" * 100_000})])


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = sql.SqlStore(sql.engine_for(f"sqlite:///{tmp_path}/no/such/folder.db"))
    with pytest.raises(Unavailable):
        store.find_token(bytes(32))
    with pytest.raises(Unavailable), store.reading():
        pass
    store.close()


def test_an_error_of_the_store_never_shows_what_was_to_be_stored(world: World) -> None:
    made = world.mint(world.account())
    with pytest.raises(Taken) as taken, world.store.writing() as tx:
        tx.add_token(made.token, token.digest(made.secret or ""))
    said = repr(taken.value) + str(taken.value.__cause__) + str(taken.value.__suppress_context__)
    assert made.token.mask not in said
    assert taken.value.__suppress_context__


# what lies in the file


def test_no_secret_lies_in_the_file(world: World) -> None:
    account = world.account(password=PASSWORD)
    secrets = [world.secret(account, kind) for kind in (Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.AUTHORIZATION)]
    world.account("grace@example.com", password=NEW_PASSWORD)
    world.close()
    raw = b"".join(file.read_bytes() for file in world.path.parent.glob("keyturn.db*"))
    assert EMAIL.encode() in raw
    for secret in (*secrets, PASSWORD, NEW_PASSWORD):
        assert secret.encode() not in raw
        assert secret[10:-6].encode() not in raw
    for secret in secrets:
        assert token.digest(secret) in raw


def test_a_password_is_kept_as_argon2id_with_a_salt_of_its_own(world: World) -> None:
    first, second = world.account(), world.account("grace@example.com")
    with closing(sqlite3.connect(world.path)) as connection:
        hashes = [row[0] for row in connection.execute("SELECT password_hash FROM accounts")]
    assert all(hashed.startswith("$argon2id$v=19$m=8,t=1,p=1$") for hashed in hashes)
    assert len(set(hashes)) == 2, (first, second)

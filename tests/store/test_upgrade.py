"""A store of an earlier version is brought up to date with everything that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic import command

from keyturn.core import policy
from keyturn.store import migrate, sql
from keyturn.store.moments import moment

if TYPE_CHECKING:
    from pathlib import Path

# One account with a login, as each version wrote it: by the names of the tables of then.
ROWS = (
    (
        "INSERT INTO accounts (id, email, email_key, admin, credential_version, allow_tracking, beta, federated, created_at,"
        " updated_at) VALUES ('a', 'ada@example.com', 'ada@example.com', 0, 1, 1, 0, 0, 1000, 1000)"
    ),
    (
        "INSERT INTO grants (id, account_id, kind, scopes, description, created_at, updated_at, address, agent)"
        " VALUES ('g', 'a', 'login', 'global', 'laptop', 1000, 1000, '', '')"
    ),
    "INSERT INTO tokens (digest, id, grant_id, mask, created_at) VALUES (x'" + "07" * 32 + "', 't', 'g', 'ktl_', 1000)",
)


def at_revision(engine: sa.Engine, revision: str) -> None:
    with engine.connect() as connection, connection.execution_options(writes=True).begin():
        settings = migrate.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)


@pytest.mark.parametrize("revision", ["0001"])
def test_an_upgrade_keeps_every_credential(tmp_path: Path, revision: str) -> None:
    engine = sql.engine_for(f"sqlite:///{tmp_path / 'old.db'}")
    at_revision(engine, revision)
    with engine.connect() as connection, connection.execution_options(writes=True).begin():
        for row in ROWS:
            connection.exec_driver_sql(row)
    assert migrate.migrate(engine)
    assert migrate.current(engine) == migrate.head()
    store = sql.SqlStore(engine)
    found = store.find_token(bytes([7]) * 32)
    store.close()
    assert found is not None
    assert (found.email, found.description, found.role, found.token_expires_at) == (
        "ada@example.com",
        "laptop",
        "access",
        None,
    )
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []
    engine.dispose()


ACCOUNT = sa.text(
    "INSERT INTO accounts (id, email, email_key, admin, credential_version, allow_tracking, beta, federated, created_at,"
    " updated_at) VALUES (:id, :email, :key, 0, 1, 1, 0, 0, :at, 1000)"
)


def test_addresses_that_only_case_folding_made_one_are_two_and_none_is_lost_where_two_become_one(
    tmp_path: Path,
) -> None:
    engine = sql.engine_for(f"sqlite:///{tmp_path / 'old.db'}")
    at_revision(engine, "0004")
    accounts = {  # by the keys of then: folded, and as they were composed
        "sharp": ("ada@straße.de", "ada@strasse.de"),
        "older": ("cafe\u0301@example.com", "cafe\u0301@example.com"),
        "later": ("CAF\u00c9@example.com", "caf\u00e9@example.com"),
        "plain": ("Grace@example.com", "grace@example.com"),
        "gone": ("ada@example.com", "closed:gone"),
    }
    with engine.connect() as connection, connection.execution_options(writes=True).begin():
        for number, (identity, (email, key)) in enumerate(accounts.items()):
            connection.execute(ACCOUNT, {"id": identity, "email": email, "key": key, "at": number})
    migrate.migrate(engine)
    store = sql.SqlStore(engine)
    with store.reading() as tx:
        by_email = {
            email: found.id if (found := tx.account_by_email(email)) else None
            for email in ("ada@straße.de", "ada@strasse.de", "café@example.com", "GRACE@example.com", "ada@example.com")
        }
        assert by_email == {
            "ada@straße.de": "sharp", "ada@strasse.de": None, "café@example.com": "older", "GRACE@example.com": "plain",
            "ada@example.com": None,
        }  # fmt: skip
        later = tx.account("later")
        assert later is not None
        assert later.email == "CAF\u00c9@example.com"
        assert tx.count_accounts() == len(accounts)
    store.close()
    engine.dispose()


def test_links_that_were_asked_for_are_told_from_an_operator_s_invitations_by_their_life(tmp_path: Path) -> None:
    engine = sql.engine_for(f"sqlite:///{tmp_path / 'old.db'}")
    at_revision(engine, "0006")
    add = sa.text(
        "INSERT INTO invitations (digest, id, email, email_key, admin, created_at, expires_at)"
        " VALUES (:digest, :id, 'ada@example.com', 'ada@example.com', 0, 0, :seconds * 1000000)"
    )
    with engine.connect() as connection, connection.execution_options(writes=True).begin():
        for number, seconds in enumerate((policy.SIGN_UP_LINK, policy.INVITATION)):
            connection.execute(add, {"digest": bytes([number]) * 32, "id": str(number), "seconds": seconds})
    migrate.migrate(engine)
    store = sql.SqlStore(engine)
    with store.reading() as tx:
        asked, operator_s = (tx.invitation(bytes([number]) * 32) for number in (0, 1))
    store.close()
    engine.dispose()
    assert asked is not None
    assert operator_s is not None
    assert (asked.asked, operator_s.asked) == (True, False)


def test_what_was_written_in_place_of_mails_to_nobody_goes_and_what_failed_stays(tmp_path: Path) -> None:
    engine = sql.engine_for(f"sqlite:///{tmp_path / 'old.db'}")
    at_revision(engine, "0009")
    add = sa.text(
        "INSERT INTO outbox (id, channel, recipient, subject, body, created_at, attempts, error)"
        " VALUES (:id, 'mail', 'ada@example.com', 'Choose a new password', '', 1000, :attempts, :error)"
    )
    with engine.connect() as connection, connection.execution_options(writes=True).begin():
        connection.execute(add, {"id": "n", "attempts": 0, "error": "nobody has an account with this address"})
        connection.execute(add, {"id": "f", "attempts": 9, "error": "the mail server is away"})
    migrate.migrate(engine)
    store = sql.SqlStore(engine)
    with store.reading() as tx:
        assert [item.id for item in tx.outgoing()] == ["f"]
    store.close()
    engine.dispose()


def test_who_was_made_an_administrator_is_one_since_then(tmp_path: Path) -> None:
    engine = sql.engine_for(f"sqlite:///{tmp_path / 'old.db'}")
    at_revision(engine, "0010")
    event = sa.text(
        "INSERT INTO audit (at, action, outcome, account_id, address, agent, request_id, details)"
        " VALUES (:at, :action, 'ok', :account, '', '', '', '{}')"
    )
    with engine.connect() as connection, connection.execution_options(writes=True).begin():
        for identity in ("first", "made", "was"):
            connection.execute(ACCOUNT, {"id": identity, "email": identity, "key": identity, "at": 1})
        connection.exec_driver_sql("UPDATE accounts SET admin = 1 WHERE id IN ('first', 'made')")
        for at, action, identity in (
            (5, "on", "made"),
            (6, "off", "made"),
            (7, "on", "made"),
            (8, "on", "was"),
            (9, "off", "was"),
        ):
            connection.execute(event, {"at": at, "action": f"account.admin_{action}", "account": identity})
    migrate.migrate(engine)
    store = sql.SqlStore(engine)
    with store.reading() as tx:
        since = {account.id: account.admin_since for account in tx.accounts()}
    store.close()
    engine.dispose()
    assert since == {"first": None, "made": moment(7), "was": None}

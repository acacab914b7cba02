"""How the database finds what it is asked for: by an index, and nowhere by reading a table through.

Every method of a transaction is run, and SQLite is asked for its plan of every statement that came of it, foreign keys
among them. A new method is to be added to CALLS; a table that it reads through is a fault, or has its reason in READ_THROUGH.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.support.world import EMAIL, START

from keyturn.core.credential import (
    Account,
    App,
    Collaborator,
    Device,
    Factor,
    Grant,
    OAuthClient,
    SshKey,
    Token,
    Transfer,
    Use,
)  # fmt: skip
from keyturn.core.policy import Kind
from keyturn.store import sql
from keyturn.store.interface import (
    AuditEvent,
    AuditSearch,
    Challenge,
    CliLogin,
    Code,
    EmailLink,
    Invitation,
    Outgoing,
    Reset,
    SecondStep,
    Slice,
    Tx,
)  # fmt: skip

if TYPE_CHECKING:
    import sqlite3

    from tests.support.world import World

DIGEST = b"d" * 32
LATER = START + timedelta(days=1)


def call(method: str, *args: object, label: str = "", **options: object) -> Any:
    """A method with its arguments; ``label`` where it is in the table more than once."""
    return pytest.param(method, args, options, label or method, id=label or method)


CALLS = [
    call("count_accounts"),
    call("accounts"),
    call("account", "ann", lock=True),
    call("account_by_email", EMAIL),
    call("password_hash", "ann"),
    call("add_account", Account("new", "new@example.com", None, False, START, START), None),
    call("change_account", "ann", name="Ada", email="ada@example.org"),
    call("accounts_page", text="ada", after="ann"),
    call("count_admins"),
    call("grants", "ann", alive_at=START),
    call("grants_slice", "ann", list(Kind), Slice(start="a", after=True, end="z", descending=True), alive_at=START),
    call("count_grants", "ann", START),
    call("grants_expiring", START, LATER, list(Kind), limit=5),
    call("grants_beyond", Kind.LOGIN, timedelta(days=1), START),
    call("forget_grants", LATER),
    call("grant", "grant"),
    call("add_grant", Grant("another", "ann", Kind.LOGIN, ("global",), "laptop", START, START)),
    call("change_grant", "grant", description="laptop"),
    call("end_grants", ["grant"], at=START, reason="expired", by=None),
    call("tokens", ["grant"]),
    call("add_token", Token("token", "grant", "kt_", START), DIGEST),
    call("living_tokens", ["grant"]),
    call("refresh_tokens", ["grant"]),
    call("tokens_of", "grant"),
    call("overlapping_tokens"),
    call("change_token", "token", "grant", idle_limit=60),
    call("end_tokens", "grant", START, "rotated", role="access"),
    call("find_token", DIGEST),
    call("retire_token", DIGEST, b"e" * 32),
    call("add_uses", [Use("token", "192.0.2.1", "curl", START, START, 1)], 5),
    call("uses", ["token"]),
    call("clients", "ann"),
    call("client", "client"),
    call("client_by_secret", DIGEST),
    call("client_secret", "client"),
    call("add_client", OAuthClient("new", "ann", "Bot", "https://bot.example", START, START), DIGEST),
    call("change_client", "client", name="Robot"),
    call("grants_of_client", "client"),
    call("add_code", Code("code", "client", "ann", 1, "global", "https://bot.example", None, START, LATER), DIGEST),
    call("code", DIGEST),
    call("change_code", DIGEST, used_at=START),
    call("forget_codes", START),
    call("add_reset", Reset("ann", 1, START, LATER), DIGEST),
    call("reset", DIGEST),
    call("use_resets", "ann", START),
    call("forget_resets", START),
    call("factors", "ann"),
    call("factor", "factor"),
    call("factor_of_credential", b"credential"),
    call("add_factor", Factor("new", "ann", "totp", "phone", START)),
    call("change_factor", "factor", name="phone"),
    call("remove_factor", "factor"),
    call("use_step", "factor", 5, START),
    call("set_recovery_codes", "ann", [DIGEST], START),
    call("use_recovery_code", "ann", DIGEST, START),
    call("count_recovery_codes", "ann"),
    call("add_device", Device("device", "ann", 1, "192.0.2.1", "Firefox", START, LATER), DIGEST),
    call("device", DIGEST),
    call("devices", "ann", START),
    call("use_device", "device", START),
    call("remove_devices", "ann", "device"),
    call("forget_devices", START),
    call("add_second_step", SecondStep("ann", 1, "/", 0, START, LATER), DIGEST),
    call("second_step", DIGEST),
    call("count_try", DIGEST),
    call("remove_second_step", DIGEST),
    call("forget_second_steps", START),
    call("add_challenge", Challenge("sign-in", "browser", LATER), DIGEST),
    call("take_challenge", DIGEST),
    call("forget_challenges", START),
    call("spend_form", "session", "form", START),
    call("give_back_form", "session", "form"),
    call("forget_forms", START),
    call("app", "app"),
    call("app_by_name", "my-app"),
    call("apps_of", "ann"),
    call("gave_up", "given-up", START, 100),
    call("apps_pushed", START),
    call("add_app", App("new", "new-app", "ann", START, START)),
    call("change_app", "app", name="other-app"),
    call("end_app", "app", START),
    call("collaborators", "app"),
    call("collaborator", "app", "ann"),
    call("add_collaborator", Collaborator("c", "app", "ann", ("view",), START, START)),
    call("change_collaborator", "app", "ann", permissions=("view",)),
    call("remove_collaborator", "app", "ann"),
    call("transfers", "ann"),
    call("transfer", "transfer"),
    call("add_transfer", Transfer("t", "app", "ann", "ann", "pending", START, START)),
    call("change_transfer", "t", state="accepted"),
    call("remove_transfer", "t"),
    call("add_invitation", Invitation("i", EMAIL, None, False, "ann", START, LATER), DIGEST),
    call("invitation", DIGEST),
    call("invitations", START),
    call("use_invitations", EMAIL, START),
    call("remove_invitation", "i"),
    call("add_email_link", EmailLink("ann", EMAIL, START, LATER), DIGEST),
    call("email_link", DIGEST),
    call("email_links", "ann", START),
    call("use_email_links", "ann", START),
    call("forget_links", START),
    call("noticed", ["grant"]),
    call("forget_notices", "grant"),
    call("add_notices", [("grant", "7 days")], START),
    call("add_outgoing", Outgoing("o", "mail", EMAIL, "Hello", "Hello", START)),
    call("due_outgoing", START),
    call("change_outgoing", "o", attempts=1),
    call("outgoing"),
    call("remove_outgoing", "o"),
    call("forget_outgoing", START),
    call("keys", "ann", START),
    call("key_of", "SHA256:x"),
    call("add_key", SshKey("k", "ann", EMAIL, "ssh-ed25519", "ssh-ed25519 AAAA", "aa:bb", "SHA256:y", "me", START)),
    call("remove_key", "k"),
    call("add_cli_login", CliLogin("l", DIGEST, DIGEST, "laptop", "192.0.2.1", "curl", None, START, LATER)),
    call("cli_login", "l"),
    call("cli_login_by_browser", DIGEST),
    call("change_cli_login", "l", state="denied"),
    call("forget_cli_logins", START),
    call("set_setup_link", DIGEST, LATER),
    call("setup_link"),
    call("failures", ["a", "b"]),
    call("add_failure", "a", START),
    call("clear_failures", ["a", "b"]),
    call("forget_failures", START, START),
    call("knows_place", "ann", "192.0.2.1"),
    call("add_place", "ann", "192.0.2.1", START),
    call("audit", [AuditEvent(START, "sign_in", "ok")]),
    call("audit_events", "ann"),
    call("find_audit", AuditSearch(about="ann", hidden_from="ann", before=9), label="find_audit about"),
    call("find_audit", AuditSearch(account_id="ann", text="grant"), label="find_audit account_id"),
    call("find_audit", AuditSearch(actor_id="ann"), label="find_audit actor_id"),
    call("find_audit", AuditSearch(text="ada"), label="find_audit text"),
    call("counts", START),
]
# For no request of everybody's: an operator's or administrator's, or what the upkeep does now and then.
READ_THROUGH = {
    "count_accounts": "before the first account is made, and when somebody signs up by themselves: an index, and no rows",
    "add_account": "no: only where rows wait for an account that is not there (OP_FkIfZero), which none may",
    "accounts": "an operator's list of all",
    "accounts_page": "an administrator looks for a part of a name",
    "count_admins": "an administrator closes their account, or looks at the server's health",
    "grants_beyond": "at the start with a stricter policy",
    "apps_pushed": "every five minutes, before a look at each app's folder, which costs more",
    "invitations": "an administrator's list of those that wait",
    "forget_links": "once an hour, of what a month left",
    "outgoing": "from the newest on, and no further than the page is long",
    "find_audit text": "an administrator looks for a word, from the newest event on until the page is full",
    "counts": "an administrator looks at the server's health",
}


ONE_ROW = ("SCAN setup_links", "SCAN generation", "SCAN CONSTANT ROW")
"""Where there is nothing to read through; the second is what triggers count up (migration 0008)."""


class Plans:
    """What the database says that it would do for each statement that runs."""

    def __init__(self, engine: sa.Engine) -> None:
        self.steps: list[str] = []
        sa.event.listen(engine, "before_cursor_execute", self._explain)

    def _explain(
        self, _sa: object, cursor: sqlite3.Cursor, statement: str, values: Any, _context: object, many: bool
    ) -> None:
        self.steps += plan(cursor.connection, statement, values[0] if many else values)

    @property
    def read_through(self) -> list[str]:
        return [step for step in self.steps if step.startswith("SCAN ") and step not in ONE_ROW]


def plan(raw: sqlite3.Connection, statement: str, values: Any) -> list[str]:
    return [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.fixture
def peopled(world: World) -> World:
    """A row of whatever a method asks for before it asks for more."""
    with world.store.writing() as tx:
        tx.add_account(Account("ann", EMAIL, None, False, START, START), None)
        tx.add_app(App("app", "my-app", "ann", START, START))
        tx.add_app(App("gone", "given-up", "ann", START, START, ended_at=LATER))
        tx.add_grant(Grant("grant", "ann", Kind.LOGIN, ("global",), "laptop", START, START, expires_at=START))
        tx.add_client(OAuthClient("client", "ann", "Bot", "https://bot.example", START, START), b"c" * 32)
    return world


@pytest.mark.parametrize(("method", "args", "options", "label"), CALLS)
def test_what_is_looked_up_is_found_by_an_index(
    method: str, args: tuple[object, ...], options: dict[str, object], label: str, peopled: World
) -> None:
    plans = Plans(peopled.store._engine)
    with peopled.store.writing() as tx:
        getattr(tx, method)(*args, **options)
    assert plans.steps or method.startswith(("add_", "spend_", "audit", "set_"))
    if label in READ_THROUGH:
        assert plans.read_through, f"{label} has an index now: take it out of READ_THROUGH"
    else:
        assert plans.read_through == []


def test_every_method_of_a_transaction_is_asked_for_its_plan() -> None:
    methods = {name for name in vars(Tx) if not name.startswith("_")}
    assert {each.values[0] for each in CALLS} == methods
    assert READ_THROUGH.keys() <= {each.values[3] for each in CALLS}


@pytest.mark.parametrize(
    ("statement", "values"), [(sql._FIND_TOKEN, (DIGEST,)), (sql._FIND_ACCOUNT, ("a",)), (sql._FIND_APP, ("a", "b"))]
)
def test_the_hot_path_is_found_by_an_index(statement: str, values: tuple[object, ...], world: World) -> None:
    raw = world.store._engine.raw_connection()
    steps = plan(raw.driver_connection, statement, values)  # type: ignore[arg-type]
    raw.close()
    assert steps
    assert not [step for step in steps if step.startswith("SCAN ")]

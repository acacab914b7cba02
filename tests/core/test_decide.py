"""Two steps and never one: dead before forbidden, and what each presenter is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyturn.core import decide, policy, reasons
from keyturn.core.credential import Deny, Found, Principal
from keyturn.core.policy import Kind

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)
ALIVE = Found(
    "token", None, None, "grant", "login", "read write", "my laptop", NOW + timedelta(seconds=1), None, None, "account",
    "ada@example.com", None, BEFORE, None, None, "access",
)  # fmt: skip


def refusal(found: Found | None) -> Deny:
    answer = decide.authenticate(found, NOW)
    assert isinstance(answer, Deny)
    return answer


def test_a_living_token_speaks_for_its_account() -> None:
    assert decide.authenticate(ALIVE, NOW) == Principal(
        "account",
        "ada@example.com",
        "grant",
        "token",
        "login",
        ("read", "write"),
        "my laptop",
        ALIVE.expires_at,
        BEFORE,
    )


def test_an_unknown_token_learns_nothing() -> None:
    assert refusal(None) == Deny("unknown", "Invalid credentials provided.", "keyturn login")


def test_a_token_is_dead_at_the_very_moment_of_its_expiry() -> None:
    found = ALIVE._replace(expires_at=NOW)
    assert refusal(found) == Deny(
        "expired", "This login “my laptop” expired on 21 November 2026 at 09:00 UTC.", "keyturn login", NOW,
        ("grant", "login", "my laptop"),
    )  # fmt: skip
    assert isinstance(decide.authenticate(found, NOW - timedelta(microseconds=1)), Principal)


@pytest.mark.parametrize("reason", sorted(reasons.ENDINGS))
def test_the_holder_of_a_dead_token_is_told_of_what_it_died(reason: str) -> None:
    told = refusal(ALIVE._replace(ended_at=BEFORE, ended_reason=reason))
    assert (told.reason, told.ended_at, told.credential) == (reason, BEFORE, ("grant", "login", "my laptop"))
    assert "21 November 2026 at 08:00 UTC" in told.message
    assert told.next


def test_a_rotated_token_is_dead_while_its_grant_lives() -> None:
    told = refusal(ALIVE._replace(token_ended_at=BEFORE, token_ended_reason="rotated"))
    assert (told.reason, told.ended_at) == ("rotated", BEFORE)


def test_a_suspended_owner_comes_before_an_expiry() -> None:
    told = refusal(ALIVE._replace(suspended_at=BEFORE))
    assert (told.reason, told.next) == ("owner_suspended", "ask your administrator")


def test_what_a_suspension_ended_sends_its_holder_to_the_administrator_only_while_it_lasts() -> None:
    ended = ALIVE._replace(ended_at=BEFORE, ended_reason="owner_suspended")
    assert refusal(ended).next == "keyturn login"
    during = refusal(ended._replace(suspended_at=BEFORE))
    assert (during.reason, during.next, during.ended_at) == ("owner_suspended", "ask your administrator", BEFORE)
    token = ALIVE._replace(token_ended_at=BEFORE, token_ended_reason="owner_suspended", suspended_at=BEFORE)
    assert refusal(token).next == "ask your administrator"


def test_what_died_of_something_else_says_so_though_its_owner_is_suspended() -> None:
    told = refusal(ALIVE._replace(ended_at=BEFORE, ended_reason="logged_out", suspended_at=NOW))
    assert told.reason == "logged_out"


def test_what_was_ended_before_it_expired_is_told_as_ended() -> None:
    told = refusal(ALIVE._replace(expires_at=NOW, ended_at=BEFORE, ended_reason="password_changed"))
    assert told.reason == "password_changed"


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.SSH_KEY])
def test_the_next_step_makes_a_credential_of_the_same_kind(kind: Kind) -> None:
    next_step = refusal(ALIVE._replace(kind=kind.value, expires_at=BEFORE)).next
    assert next_step is not None
    assert next_step.removesuffix(" --like grant") == policy.LIVES[kind].recreate


def test_a_token_that_may_not_is_told_which_scope_it_takes() -> None:
    answer = decide.authenticate(ALIVE, NOW)
    assert isinstance(answer, Principal)
    lacking = decide.authorize(answer, "account:write")
    assert lacking == Deny(
        "insufficient_scope", "This token's scope (read, write) does not allow this: it takes global.",
        "keyturn authorizations:create --scope global", needed=("global",),
    )  # fmt: skip
    assert decide.authorize(answer, "keys:read") is None


def test_a_malformed_text_is_told_what_is_wrong_and_not_repeated() -> None:
    told = decide.malformed("undefined")
    assert told.reason == "malformed"
    assert "it has no token stored" in told.message
    assert "hunter2" not in decide.malformed("hunter2").message


def test_a_browser_session_is_no_key_to_the_api() -> None:
    assert Kind.WEB not in decide.API_KINDS
    assert Kind.SSH_KEY not in decide.API_KINDS


def test_a_suspended_account_is_told_so_to_whoever_knew_its_password() -> None:
    assert decide.suspended(BEFORE).message == "This account was suspended on 21 November 2026 at 08:00 UTC."

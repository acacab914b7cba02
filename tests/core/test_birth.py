"""Law B12: what a credential is told at its birth is what ends it, under any rules; and soft expiry (B7), told and done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.births import NAMED, named
from tests.support.rules import STRICTEST, stricter_effects

from keyturn.core import decide, lifecycle, scope
from keyturn.core.credential import Deny, Found, Grant, Principal
from keyturn.core.overrides import parse
from keyturn.core.policy import DAY, DEFAULT, HOUR, YEAR, Event, Kind, Policy

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENDS = NOW + timedelta(days=30)


def newborn(kind: Kind, expires_at: datetime | None) -> Grant:
    return Grant("it", "account", kind, ("global",), "it", NOW, NOW, expires_at=expires_at)


@given(kind=st.sampled_from(Kind), rules=stricter_effects(), mortal=st.booleans())
def test_the_text_names_an_event_if_and_only_if_the_event_ends_it(kind: Kind, rules: Policy, *, mortal: bool) -> None:
    grant = newborn(kind, ENDS if mortal else None)
    told = named(lifecycle.told_at_birth(kind, grant.expires_at, NOW, rules))
    fatal = {
        event
        for event in Event
        if lifecycle.ends(event, [grant], NOW, acting="another", target="it", rules=rules)
        and (event is not Event.EXPIRY or mortal)
    }
    assert told & NAMED == fatal & NAMED
    if Event.PASSWORD_RESET in fatal:
        assert told & {Event.PASSWORD_CHANGE, Event.PASSWORD_RESET}


def test_under_the_strictest_rules_the_sentence_is_still_one() -> None:
    assert lifecycle.told_at_birth(Kind.AUTHORIZATION, None, NOW, STRICTEST) == (
        "never expires; ends if you log out everywhere, revoke it, change your password or regenerate the API key,"
        " or if an administrator revokes it, your account is suspended or your account is closed"
    )


@pytest.mark.parametrize(
    ("longest", "asked", "refused"),
    [(90 * DAY, 91 * DAY, "an authorization lives at most 90 days"), (90 * DAY, 90 * DAY, None)],
)
def test_an_operators_longest_life_is_the_longest_that_can_be_asked_for(
    longest: int, asked: int, refused: str | None
) -> None:
    rules = parse(f"lifetimes.authorization.longest = {longest}", name="p")
    if refused is None:
        assert lifecycle.expiry(Kind.AUTHORIZATION, asked, NOW, rules=rules) == NOW + timedelta(seconds=asked)
    else:
        with pytest.raises(lifecycle.TooLong, match=refused):
            lifecycle.expiry(Kind.AUTHORIZATION, asked, NOW, rules=rules)


# Soft expiry.

SOFT = Policy(soft_expiry={Kind.LOGIN: DAY, Kind.AUTHORIZATION: 2 * DAY})
WINDOWS = {Kind.LOGIN: DAY, Kind.AUTHORIZATION: 2 * DAY}


def found(kind: Kind, expires_at: datetime | None) -> Found:
    return Found(
        "token", None, None, "grant", kind.value, "global", "it", expires_at, None, None, "account", "ada@example.com",
        None, NOW, None, None, "access",
    )  # fmt: skip


@pytest.mark.parametrize("kind", sorted(decide.API_KINDS))
@pytest.mark.parametrize("rules", [DEFAULT, SOFT], ids=["default", "soft"])
@pytest.mark.parametrize("left", [30 * DAY, 2 * DAY + 1, 2 * DAY, DAY + 1, DAY, 1, 0, -1, None])
def test_before_its_hard_stop_a_kind_may_only_read_where_soft_expiry_is_on(
    kind: Kind, rules: Policy, left: int | None
) -> None:
    now = ENDS - timedelta(seconds=left or 0)
    principal = decide.authenticate(found(kind, None if left is None else ENDS), now, rules)
    if left is not None and left <= 0:
        assert isinstance(principal, Deny)
        assert principal.reason == "expired"
        return
    assert isinstance(principal, Principal)
    reading = rules is SOFT and left is not None and left <= WINDOWS.get(kind, 0)
    assert principal.read_only == reading
    for permission in scope.PERMISSIONS:
        refused = decide.authorize(principal, permission)
        if kind is Kind.OAUTH and permission in scope.NOT_FOR_CLIENTS:
            assert refused is not None
            assert refused.reason == "not_for_clients"
        elif reading and not permission.endswith(":read") and permission != "self:end":
            assert refused is not None
            assert (refused.reason, refused.needed) == ("read_only_before_expiry", ())
            assert "1 April 2026 at 09:00 UTC and may only read until then" in refused.message
            assert refused.next in ("keyturn login", "keyturn authorizations:create")
        else:
            assert refused is None


@given(life=st.integers(1, YEAR), window=st.integers(60, 40 * DAY), at=st.floats(0, 0.999))
def test_soft_expiry_takes_no_more_than_the_latter_half_of_a_life(life: int, window: int, at: float) -> None:
    rules, ends = Policy(soft_expiry={Kind.LOGIN: window}), NOW + timedelta(seconds=life)
    now = NOW + timedelta(seconds=life) * at
    principal = decide.authenticate(found(Kind.LOGIN, ends), now, rules)
    assert isinstance(principal, Principal)
    assert principal.read_only == (ends - now <= timedelta(seconds=min(window, life / 2)))


def test_soft_expiry_is_told_at_birth_and_whenever_it_is_listed() -> None:
    told = lifecycle.told_at_birth(Kind.LOGIN, ENDS, NOW, SOFT)
    assert told.startswith(
        "expires in 30 days (2026-04-01 09:00 UTC; read-only from 2026-03-31 09:00), or sooner if you "
    )
    later = lifecycle.told_at_birth(Kind.LOGIN, ENDS, ENDS - timedelta(hours=1), SOFT, created_at=NOW)
    assert later.startswith("expires in 1 hour (2026-04-01 09:00 UTC; read-only from 2026-03-31 09:00), or sooner")
    short = lifecycle.told_at_birth(Kind.LOGIN, NOW + timedelta(seconds=2 * HOUR), NOW, SOFT)
    assert "read-only from 2026-03-02 10:00" in short


def test_soft_expiry_is_off_by_default() -> None:
    assert DEFAULT.soft_expiry == {}
    for kind in Kind:
        assert lifecycle.read_only_from(kind, ENDS) is None
        assert "read-only" not in lifecycle.told_at_birth(kind, ENDS, NOW)

"""When credentials end: at birth, and at every event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import lifecycle, policy
from keyturn.core.credential import Grant
from keyturn.core.policy import EFFECTS, Effect, Event, Kind

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KINDS = st.sampled_from(list(Kind))
EVENTS = st.sampled_from(list(Event))
MOMENTS = st.integers(-(10**7), 10**7).map(lambda seconds: NOW + timedelta(seconds=seconds))


@st.composite
def states(draw: st.DrawFn) -> tuple[list[Grant], str | None, str | None]:
    """An account's grants, living and dead, the one that acts and the one that is meant."""
    count = draw(st.integers(0, 8))
    grants = []
    for number in range(count):
        ended = draw(st.none() | MOMENTS)
        grants.append(
            Grant(
                str(number),
                "account",
                draw(KINDS),
                ("global",),
                "",
                NOW,
                NOW,
                expires_at=draw(st.none() | MOMENTS),
                ended_at=ended,
                ended_reason="rotated" if ended else None,
            )
        )
    names = st.none() | st.sampled_from([str(number) for number in range(count + 1)])
    return grants, draw(names), draw(names)


def dies(event: Event, grant: Grant, acting: str | None, target: str | None) -> bool:
    """The rule, said once more and otherwise."""
    alive = grant.ended_at is None and (grant.expires_at is None or grant.expires_at > NOW)
    meant = event not in policy.ONE or grant.id == target
    effect = EFFECTS[event, grant.kind]
    return (
        alive
        and meant
        and (effect in (Effect.DIES, Effect.REPLACED) or (effect is Effect.SPARED and grant.id != acting))
    )


@given(states(), EVENTS)
def test_an_event_ends_exactly_what_the_table_says(
    state: tuple[list[Grant], str | None, str | None], event: Event
) -> None:
    grants, acting, target = state
    endings = lifecycle.ends(event, grants, NOW, acting=acting, target=target)
    assert [ending.grant for ending in endings] == [grant for grant in grants if dies(event, grant, acting, target)]
    assert {ending.reason for ending in endings} <= {policy.REASON_OF[event]}
    assert all(ending.replaced == (EFFECTS[event, ending.grant.kind] is Effect.REPLACED) for ending in endings)


@given(states(), EVENTS)
def test_the_dead_never_die_twice(state: tuple[list[Grant], str | None, str | None], event: Event) -> None:
    grants, acting, target = state
    assert all(not e.grant.ended_by_then(NOW) for e in lifecycle.ends(event, grants, NOW, acting=acting, target=target))


def grant(name: str, kind: Kind) -> Grant:
    return Grant(name, "account", kind, ("global",), "", NOW, NOW)


def test_a_password_change_spares_only_the_login_that_acts() -> None:
    grants = [
        grant("mine", Kind.LOGIN),
        grant("other", Kind.LOGIN),
        grant("key", Kind.API_KEY),
        grant("ci", Kind.AUTHORIZATION),
    ]
    endings = lifecycle.ends(Event.PASSWORD_CHANGE, grants, NOW, acting="mine")
    assert [(e.grant.id, e.reason, e.replaced) for e in endings] == [
        ("other", "password_changed", False), ("key", "password_changed", True),
    ]  # fmt: skip


def test_an_api_key_that_acts_is_replaced_all_the_same() -> None:
    assert [
        e.grant.id for e in lifecycle.ends(Event.PASSWORD_CHANGE, [grant("key", Kind.API_KEY)], NOW, acting="key")
    ] == ["key"]


def test_a_logout_ends_the_one_it_names_and_no_other() -> None:
    grants = [grant("a", Kind.LOGIN), grant("b", Kind.LOGIN)]
    assert [e.grant.id for e in lifecycle.ends(Event.LOGOUT, grants, NOW, target="b")] == ["b"]
    assert lifecycle.ends(Event.LOGOUT, grants, NOW) == []


def test_a_grant_is_over_at_the_very_moment_of_its_expiry() -> None:
    expiring = Grant("a", "account", Kind.LOGIN, (), "", NOW, NOW, expires_at=NOW)
    assert expiring.ended_by_then(NOW)
    assert not expiring.ended_by_then(NOW - timedelta(microseconds=1))


@given(KINDS, st.none() | st.integers(1, policy.LONGEST_ASKED + 10), st.none() | st.integers(0, 20 * policy.HOUR))
def test_an_expiry_never_exceeds_its_caps(kind: Kind, asked: int | None, sso_ago: int | None) -> None:
    since = None if sso_ago is None else NOW - timedelta(seconds=sso_ago)
    life = policy.LIVES[kind]
    longest = life.longest if life.longest is not None else policy.LONGEST_ASKED
    if asked is not None and asked > longest:
        with pytest.raises(lifecycle.TooLong) as refused:
            lifecycle.expiry(kind, asked, NOW, sso_since=since)
        assert refused.value.largest == longest
        return
    end = lifecycle.expiry(kind, asked, NOW, sso_since=since)
    wanted = asked if asked is not None else life.default
    capped = since is not None and kind in (Kind.LOGIN, Kind.WEB)
    if wanted is None and not capped:
        assert end is None
    else:
        assert end is not None
        limits = [] if wanted is None else [NOW + timedelta(seconds=wanted)]
        if capped and since is not None:
            limits.append(since + timedelta(hours=8))
        assert end == min(limits)


def test_nothing_that_was_asked_is_shortened_in_silence() -> None:
    assert lifecycle.expiry(Kind.LOGIN, policy.YEAR, NOW) == NOW + timedelta(days=365)
    with pytest.raises(
        lifecycle.TooLong, match=r"a login lives at most 365 days; the largest possible is 31536000 seconds"
    ):
        lifecycle.expiry(Kind.LOGIN, policy.YEAR + 1, NOW)
    with pytest.raises(lifecycle.TooLong, match="over a hundred years"):
        lifecycle.expiry(Kind.AUTHORIZATION, 2**63, NOW)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (None, None),
        ("", None),
        (3600, 3600),
        ("3600", 3600),
        (" 60 ", 60),
        ("60\x1f", 60),
        ("+60", 60),
        (60.0, 60),
        (1, 1),
        ("0060", 60),
    ],
)
def test_expires_in_is_read_leniently(asked: object, seconds: int | None) -> None:
    assert lifecycle.seconds_asked(asked) == seconds


@pytest.mark.parametrize(
    "asked",
    [
        0,
        -1,
        "0",
        "-5",
        True,
        False,
        1.5,
        "1.5",
        "1e3",
        "an hour",
        [],
        {},
        "٣٦٠٠",
        "³",
        "--5",
        "+-5",
        "9" * 21,
        float("inf"),
    ],
)
def test_an_expires_in_that_is_no_time_to_come_is_refused_in_words(asked: object) -> None:
    with pytest.raises(ValueError, match=r"^expires_in must be"):
        lifecycle.seconds_asked(asked)


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()) | st.binary())
def test_no_expires_in_raises_anything_but_a_sentence(asked: object) -> None:
    try:
        seconds = lifecycle.seconds_asked(asked)
    except ValueError as wrong:
        assert str(wrong).startswith("expires_in must be")  # noqa: PT017
    else:
        assert seconds is None or seconds >= 1


# What may be said of the death of each kind, and the events that the words stand for.
WORDS = {
    "log out": Event.LOGOUT,
    "revoke it": Event.REVOKE,
    "change your password": Event.PASSWORD_CHANGE,
    "regenerate it": Event.KEY_REGENERATED,
    "an administrator revokes it": Event.REVOKE_BY_ADMIN,
    "your account is suspended": Event.SUSPEND,
    "your account is closed": Event.CLOSE,
}


@pytest.mark.parametrize("kind", Kind)
def test_what_is_told_at_birth_is_what_can_kill_it(kind: Kind) -> None:
    told = lifecycle.told_at_birth(kind, None, NOW)
    assert told.startswith("never expires; ends if you ")
    newborn = grant("it", kind)
    assert "single sign-on" not in told, "nothing in this version turns it on"
    for words, event in WORDS.items():
        kills = bool(lifecycle.ends(event, [newborn], NOW, acting="another", target="it"))
        assert (words in told) == kills, (words, told)


def test_a_birth_is_told_as_a_sentence() -> None:
    assert lifecycle.told_at_birth(Kind.LOGIN, NOW + timedelta(days=365), NOW) == (
        "expires in 365 days (2027-03-02 09:00 UTC), or sooner if you log out, revoke it or change your password,"
        " or if an administrator revokes it, your account is suspended or your account is closed"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds"), (0, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (61, "1 minute 1 second"),
        (3600, "1 hour"), (5400, "1 hour 30 minutes"), (3601, "1 hour"), (8 * 3600, "8 hours"), (86400, "1 day"),
        (90000, "1 day"), (365 * 86400, "365 days"), (86399, "23 hours 59 minutes"),
    ],
)  # fmt: skip
def test_a_span_is_said_as_people_say_it(seconds: int, words: str) -> None:
    assert lifecycle.in_words(seconds) == words


@given(st.sampled_from(Kind), st.none() | st.integers(-3, 3), st.none() | st.integers(-3, 3))
def test_what_ends_with_the_other_and_no_later_does_not_outlast_it(
    kind: Kind, own: int | None, other: int | None
) -> None:
    def moment(days: int | None) -> datetime | None:
        return None if days is None else NOW + timedelta(days=days)

    later = other is not None and (own is None or own > other)
    assert lifecycle.outlasts(kind, moment(own), kind, moment(other)) is later


@pytest.mark.parametrize(
    ("kind", "other", "outlasts"),
    [
        (Kind.AUTHORIZATION, Kind.LOGIN, True),  # a new password ends logins, and the API key
        (Kind.AUTHORIZATION, Kind.API_KEY, True),
        (Kind.LOGIN, Kind.AUTHORIZATION, False),
        (Kind.API_KEY, Kind.AUTHORIZATION, False),
    ],
)
def test_what_survives_an_event_that_ends_the_other_outlasts_it(kind: Kind, other: Kind, outlasts: bool) -> None:
    assert lifecycle.outlasts(kind, NOW, other, NOW) is outlasts

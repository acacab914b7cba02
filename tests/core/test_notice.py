"""When owners are told of an expiry, and of which deaths."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import notice, reasons
from keyturn.core.credential import Grant
from keyturn.core.policy import DAY, HOUR, Kind

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FRIDAY = datetime(2026, 3, 6, 9, 0, tzinfo=UTC)
SPANS = (30 * DAY, 14 * DAY, 7 * DAY, DAY)


def grant(seconds: int | None, *, kind: Kind = Kind.AUTHORIZATION, born: datetime = MONDAY) -> Grant:
    end = None if seconds is None else born + timedelta(seconds=seconds)
    return Grant("g", "a", kind, ("global",), "deploy", born, born, expires_at=end)


def key(of: Grant, days: int) -> str:
    return next(threshold.key for threshold in notice.thresholds(of) if threshold.span == days * DAY)


@pytest.mark.parametrize(("days_after_monday", "told"), [(0, 0), (3, 3), (4, 4), (5, 4), (6, 4), (7, 7)])
def test_a_moment_on_a_weekend_moves_to_the_friday_before_at_the_same_time_of_day(
    days_after_monday: int, told: int
) -> None:
    moment = MONDAY + timedelta(days=days_after_monday)
    assert notice.before_weekend(moment) == MONDAY + timedelta(days=told)


@pytest.mark.parametrize(
    ("days", "told"),
    [(1, []), (2, []), (3, [1]), (14, [1]), (15, [7, 1]), (28, [7, 1]), (29, [14, 7, 1]), (60, [14, 7, 1]), (61, [30, 14, 7, 1])],
)  # fmt: skip
def test_only_thresholds_shorter_than_half_of_the_life_are_told(days: int, told: list[int]) -> None:
    assert [t.span // DAY for t in notice.thresholds(grant(days * DAY))] == told


def test_a_threshold_that_the_weekend_would_move_before_the_birth_is_not_told() -> None:
    born = FRIDAY.replace(hour=12)
    assert notice.thresholds(grant(60 * HOUR, born=born)) == []  # a day before Monday 00:00 is Sunday, so Friday 00:00


def test_what_never_expires_has_no_threshold() -> None:
    assert notice.thresholds(grant(None)) == []


@pytest.mark.parametrize("kind", sorted(set(Kind) - notice.TOLD))
def test_logins_and_the_like_are_not_told_of(kind: Kind) -> None:
    of = grant(90 * DAY, kind=kind)
    assert notice.thresholds(of) == []
    assert not notice.expired_untold(of, MONDAY + timedelta(days=91), ())
    assert not notice.mailed(of, "expired")


def test_after_an_outage_only_the_most_urgent_is_told_and_the_others_are_passed() -> None:
    of = grant(90 * DAY)
    due = notice.due(of, MONDAY + timedelta(days=84), ())
    assert due is not None
    assert due.tell.span == 7 * DAY
    assert [passed.span for passed in due.passed] == [30 * DAY, 14 * DAY]


def test_nothing_less_urgent_is_told_after_something_more_urgent() -> None:
    of = grant(90 * DAY)
    assert notice.due(of, MONDAY + timedelta(days=84), {key(of, 7)}) is None


def test_thresholds_that_the_weekend_puts_in_another_order_are_told_in_the_order_of_urgency_alone() -> None:
    end = MONDAY.replace(hour=10) + timedelta(days=6)  # Sunday; a day before is Saturday 10:00, so Friday 10:00
    spans = (35 * HOUR, 24 * HOUR)  # 35 hours before is Friday 23:00, later than that
    of = Grant("g", "a", Kind.SERVICE, ("global",), "", MONDAY - timedelta(days=20), MONDAY, expires_at=end)
    due = notice.due(of, FRIDAY.replace(hour=10), (), spans)
    assert due is not None
    assert due.tell.span == 24 * HOUR
    assert [passed.span for passed in due.passed] == [35 * HOUR]
    told = {due.tell.key, *(passed.key for passed in due.passed)}
    assert notice.due(of, FRIDAY.replace(hour=23), told, spans) is None


def test_a_changed_expiry_is_told_of_anew() -> None:
    before = grant(90 * DAY)
    after = grant(120 * DAY)
    assert notice.due(after, MONDAY + timedelta(days=113), {key(before, 7)}) is not None


def test_an_expiry_is_told_once_and_not_months_later() -> None:
    of = grant(90 * DAY)
    end = MONDAY + timedelta(days=90)
    assert not notice.expired_untold(of, end - timedelta(seconds=1), ())
    assert notice.expired_untold(of, end, ())
    assert notice.expired_untold(of, end + timedelta(days=29), ())
    assert not notice.expired_untold(of, end, {notice.ENDED})
    assert not notice.expired_untold(of, end + timedelta(days=30), ())
    assert notice.due(of, end, ()) is None


def test_every_ending_is_mailed_but_what_the_owner_did_to_that_very_credential() -> None:
    mailed = {reason for reason in reasons.ENDINGS if notice.mailed(grant(None), reason)}
    assert set(reasons.ENDINGS) - mailed == {"revoked_by_owner", "logged_out", "rotated"}


@given(
    seconds=st.integers(1, 500 * DAY),
    born=st.integers(0, 3000 * DAY).map(lambda s: MONDAY + timedelta(seconds=s)),
    spans=st.lists(st.integers(HOUR, 100 * DAY), max_size=6).map(tuple),
)
def test_no_threshold_is_on_a_weekend_or_outside_the_life_or_outside_the_window_that_is_looked_at(
    seconds: int, born: datetime, spans: tuple[int, ...]
) -> None:
    of = grant(seconds, born=born)
    assert of.expires_at is not None
    for threshold in notice.thresholds(of, spans):
        assert threshold.at.weekday() < 5
        assert born < threshold.at <= of.expires_at - timedelta(seconds=threshold.span)
        assert len(threshold.key) <= 20  # the column's width
        after, before = notice.window(threshold.at, spans)
        assert after < of.expires_at <= before


@given(
    days=st.integers(1, 400),
    looks=st.lists(st.integers(0, 420 * 24), max_size=60).map(sorted),
)
def test_however_irregularly_one_looks_each_threshold_is_told_or_passed_once_and_ever_more_urgent(
    days: int, looks: list[int]
) -> None:
    of, told = grant(days * DAY), set[str]()
    spans: list[int] = []
    for hours in looks:
        due = notice.due(of, MONDAY + timedelta(hours=hours), told, SPANS)
        if due is not None:
            keys = {due.tell.key, *(passed.key for passed in due.passed)}
            assert not keys & told
            told |= keys
            spans.append(due.tell.span)
    assert spans == sorted(set(spans), reverse=True)

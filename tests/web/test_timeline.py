"""Laws of the timeline's layout: everything is on it once, in the order of time, inside its frame, in core's own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.actions.grants import Credential
from keyturn.actions.overview import Group, Overview, State
from keyturn.core import decide, lifecycle, reasons
from keyturn.core.credential import Account, Grant, Token, Use
from keyturn.core.policy import DAY, HOUR, LIVES, YEAR, Kind
from keyturn.web import timeline, timescale
from keyturn.web.words import Moment

if TYPE_CHECKING:
    from keyturn.web.timeline import Picture, Row

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OWNER = Account("a1", "ada@example.com", None, admin=False, created_at=NOW, updated_at=NOW)

spans = st.integers(0, 120 * YEAR)
lives = st.one_of(st.none(), st.integers(1, 100 * YEAR))


def credential(
    number: int = 1, *, kind: Kind = Kind.AUTHORIZATION, age: float = DAY, life: float | None = None, ended: float | None = None,
    reason: str = "revoked_by_owner", by: str | None = None, uses: tuple[float, ...] = (), overlap: Token | None = None,
) -> Credential:  # fmt: skip
    """One of ``age`` seconds that lives ``life`` seconds in all; ``ended`` and ``uses`` are seconds ago."""
    made = NOW - timedelta(seconds=age)
    grant = Grant(
        f"g{number}", OWNER.id, kind, ("global",), f"number {number}", made, made,
        expires_at=None if life is None else made + timedelta(seconds=life),
        ended_at=None if ended is None else NOW - timedelta(seconds=min(ended, age)),
        ended_reason=None if ended is None else reason, ended_by=by,
    )  # fmt: skip
    token = Token(f"t{number}", grant.id, "…", made)
    used = [Use(token.id, "192.0.2.1", "curl", NOW, NOW - timedelta(seconds=min(ago, age)), 1) for ago in uses]
    return Credential(grant, token, uses=used, overlap=overlap, ended_by="eve@example.com" if by else None)


def picture_of(*found: Credential) -> Picture:
    """The layout of these, as if all were shown."""
    alive = sorted(
        (c for c in found if not c.grant.death(NOW)),
        key=lambda c: c.grant.expires_at or datetime.max.replace(tzinfo=UTC),
    )
    over = [c for c in found if c.grant.death(NOW)]
    mortal = next((c for c in alive if c.grant.expires_at), None)
    made = Overview(
        [Group(None, alive, len(alive))] if alive else [], Group(None, over, len(over)), mortal, 0, {}, dict.fromkeys(State, 0),
        by_kind=False, page=1, pages=1,
    )  # fmt: skip
    return timeline.draw(made, OWNER, NOW)


def row_of(found: Credential) -> Row:
    (row,) = picture_of(found).rows
    return row


credentials = st.builds(
    credential,
    number=st.integers(1, 10_000),
    kind=st.sampled_from(Kind),
    age=spans,
    life=lives,
    ended=st.one_of(st.none(), spans),
    reason=st.sampled_from(sorted(reasons.ENDINGS)),
    uses=st.lists(spans, max_size=5).map(tuple),
)


@given(st.lists(spans, max_size=8), st.lists(spans, max_size=8), st.booleans())
def test_places_follow_time_and_stay_inside_the_frame(past: list[int], future: list[int], ahead: bool) -> None:
    times = sorted(
        [NOW, *(NOW - timedelta(seconds=s) for s in past), *(NOW + timedelta(seconds=s) for s in future if ahead)]
    )
    scale = timescale.around(NOW, times, ahead=ahead)
    places = [scale.x(at) for at in times]
    assert places == sorted(places)
    assert all(timescale.MARGIN - 0.01 <= x <= scale.edge + 0.01 for x in places)
    assert scale.x(NOW) == scale.now
    labels = [tick.x for tick in scale.ticks]
    assert labels == sorted(labels)


@given(st.lists(spans, max_size=8))
def test_each_line_of_the_axis_stands_at_its_time(future: list[int]) -> None:
    scale = timescale.around(NOW, [NOW + timedelta(seconds=s) for s in future])
    lines = {tick.long: tick.x for tick in scale.ticks}
    steps = [step for step in timescale.LADDER if f"in {step.long}" in lines]
    assert len(steps) >= timescale.FEWEST
    for step in steps:
        assert scale.x(NOW + timedelta(seconds=step.seconds)) == lines[f"in {step.long}"]


def test_the_axis_has_no_more_columns_than_the_times_need() -> None:
    assert [tick.short for tick in timescale.around(NOW, [NOW + timedelta(hours=8)]).ticks] == ["1d", "1h", "1h", "1d"]
    longest = timescale.around(NOW, [NOW - timedelta(days=40), NOW + timedelta(days=300)])
    assert [tick.short for tick in longest.ticks] == [
        "3mo",
        "1mo",
        "1w",
        "1d",
        "1h",
        "1h",
        "1d",
        "1w",
        "1mo",
        "3mo",
        "1y",
    ]
    assert longest.never < longest.edge
    assert [tick.minor for tick in longest.ticks][-1], "its label would touch that of never on a phone"
    near = timescale.around(NOW, [NOW + timedelta(hours=8)])
    assert not near.ticks[-1].minor, "there is room beside never"
    behind = timescale.around(NOW, [NOW - timedelta(hours=1)], ahead=False)
    assert all(tick.x < behind.now for tick in behind.ticks)


@given(st.lists(credentials, max_size=12, unique_by=lambda c: c.grant.id))
def test_every_credential_has_one_row_and_each_row_runs_forward(found: list[Credential]) -> None:
    picture = picture_of(*found)
    assert sorted(row.id for row in picture.rows) == sorted(c.grant.id for c in found)
    for row in picture.rows:
        assert timescale.MARGIN - 0.01 <= row.start <= row.reach <= row.end <= picture.scale.edge + 0.01
        assert list(row.uses) == sorted(row.uses)
        assert row.dead or row.reach == picture.scale.now
        assert not row.dead or row.end == row.reach <= picture.scale.now
    places = [row.end for part in picture.living for row in part.rows]
    assert places == sorted(places), "what ends first is at the top"


@pytest.mark.parametrize("reason", sorted(reasons.ENDINGS))
def test_the_dead_say_what_core_says_of_their_end(reason: str) -> None:
    found = credential(ended=HOUR, reason=reason, by="another")
    row = row_of(found)
    assert str(row.fate) == decide.death_sentence(found.grant.kind, "", reason, NOW - timedelta(hours=1))
    assert [part.at for part in row.fate.parts if isinstance(part, Moment)] == [NOW - timedelta(hours=1)]
    assert row.reason == reason
    assert row.tone == ("bad" if reason in timeline.ALARMING else "over")
    assert row.by == "eve@example.com"


def test_who_ended_it_is_said_unless_the_reason_says_it() -> None:
    assert row_of(credential(ended=HOUR, reason="logged_out", by=OWNER.id)).by == "you"
    assert row_of(credential(ended=HOUR, reason="revoked_by_owner", by=OWNER.id)).by == ""
    assert row_of(credential(age=DAY, life=HOUR)).by == "", "nobody did, it expired"


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_says_what_else_ends_it_in_the_words_of_its_birth(kind: Kind) -> None:
    row = row_of(credential(kind=kind))
    told = lifecycle.told_at_birth(kind, None, NOW)
    assert told.endswith(str(row.fate))
    assert str(row.fate).startswith("if you ")
    assert row.noun == LIVES[kind].noun


def test_what_ends_soon_is_marked_when_its_holder_is_warned_too() -> None:
    for left in (1, HOUR, DAY, 6 * DAY, 8 * DAY, 30 * DAY):
        found = credential(age=90 * DAY - left, life=90 * DAY)
        due = lifecycle.warning_due(found.grant.created_at, found.grant.expires_at, NOW)
        assert row_of(found).tone == ("warn" if due else "calm")


def test_the_headline_says_why_then_and_what_to_do() -> None:
    login = picture_of(credential(kind=Kind.LOGIN, life=YEAR)).headline
    assert login is not None
    assert (login.because, login.mend, login.is_command) == ("a login lives for 365 days", "keyturn login", True)
    asked = picture_of(credential(7, life=90 * DAY)).headline
    assert asked is not None
    assert (asked.because, asked.mend) == (
        "this authorization was given 90 days",
        "keyturn authorizations:update g7 -e 90d",
    )
    short = picture_of(credential(7, age=60, life=HOUR)).headline
    assert short is not None
    assert short.mend == "keyturn authorizations:update g7 -e 3600"
    web = picture_of(credential(kind=Kind.WEB, age=60, life=DAY)).headline
    assert web is not None
    assert not web.is_command
    assert picture_of(credential()).headline is None


def test_a_rotated_token_is_drawn_until_its_own_end_or_that_of_its_grant() -> None:
    old = Token("old", "g1", "…", NOW - timedelta(days=9), expires_at=NOW + timedelta(days=5), idle_limit=HOUR)
    overlap = row_of(credential(age=9 * DAY, overlap=old)).overlap
    assert overlap is not None
    assert overlap.ends == old.expires_at
    sooner = row_of(credential(age=9 * DAY, life=10 * DAY, overlap=old))
    assert sooner.overlap is not None
    assert sooner.overlap.ends == sooner.ends
    assert sooner.overlap.until == sooner.end
    assert row_of(credential(age=9 * DAY, ended=HOUR, overlap=old)).overlap is None

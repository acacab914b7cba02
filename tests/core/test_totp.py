"""One-time codes: those of the RFCs, each good once, from clocks that are a little off; and what the QR code says."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import totp

SEED = b"12345678901234567890"  # of the RFCs' examples
NOW = datetime(2026, 3, 2, 9, 0, 10, tzinfo=UTC)
STEP = totp.step_at(NOW)

seeds = st.binary(min_size=totp.SEED_BYTES, max_size=totp.SEED_BYTES)
moments = st.datetimes(datetime(1970, 1, 2), datetime(2300, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (0, "755224"),
        (1, "287082"),
        (2, "359152"),
        (3, "969429"),
        (4, "338314"),
        (5, "254676"),
        (6, "287922"),
        (7, "162583"),
        (8, "399871"),
        (9, "520489"),
    ],
)
def test_the_codes_are_those_of_rfc_4226_appendix_d(step: int, code: str) -> None:
    assert totp.code(SEED, step) == code


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert totp.code(SEED, totp.step_at(now)) == code  # the last six of its eight digits
    assert totp.matching_step(SEED, code, now, None, window=0) == seconds // 30


def test_a_step_begins_every_thirty_seconds() -> None:
    start = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    steps = [totp.step_at(start + timedelta(seconds=second)) for second in (-0.001, 0, 29.999, 30)]
    assert steps == [STEP - 1, STEP, STEP, STEP + 1]


@pytest.mark.parametrize("off", [-1, 0, 1])
def test_a_clock_that_is_one_step_off_still_fits(off: int) -> None:
    assert totp.matching_step(SEED, totp.code(SEED, STEP + off), NOW, None) == STEP + off


@pytest.mark.parametrize("off", [-1000, -3, -2, 2, 3, 1000])
def test_a_clock_that_is_further_off_does_not(off: int) -> None:
    assert totp.matching_step(SEED, totp.code(SEED, STEP + off), NOW, None) is None


def test_the_window_is_what_was_asked_for() -> None:
    assert totp.matching_step(SEED, totp.code(SEED, STEP - 2), NOW, None, window=2) == STEP - 2
    assert totp.matching_step(SEED, totp.code(SEED, STEP - 1), NOW, None, window=0) is None


@given(seeds, moments, st.integers(-1, 1))
def test_a_code_that_was_used_is_refused_from_then_on(seed: bytes, now: datetime, off: int) -> None:
    text = totp.code(seed, totp.step_at(now) + off)
    used = totp.matching_step(seed, text, now, None)
    assert used is not None
    for later in (0, 30, 60, 90):
        again = totp.matching_step(seed, text, now + timedelta(seconds=later), used)
        # another step's code may be the same six digits; the used one's never counts
        assert again is None or again > used


def test_no_code_from_before_the_last_one_is_taken_any_more() -> None:
    before, last, after = (totp.code(SEED, STEP + off) for off in (-1, 0, 1))
    assert totp.matching_step(SEED, before, NOW, STEP) is None
    assert totp.matching_step(SEED, last, NOW, STEP) is None
    assert totp.matching_step(SEED, after, NOW, STEP) == STEP + 1


def test_a_stolen_code_cannot_be_used_by_turning_the_clock_back() -> None:
    text = totp.code(SEED, STEP)
    for minutes in range(-10, 11):
        assert totp.matching_step(SEED, text, NOW + timedelta(minutes=minutes), STEP) is None


@pytest.mark.parametrize("form", ["{}", " {} ", "\t{}\n", "\u00a0{}\u2009"])
def test_spaces_around_a_code_do_not_count(form: str) -> None:
    assert totp.matching_step(SEED, form.format(totp.code(SEED, STEP)), NOW, None) == STEP


def test_a_code_may_be_typed_as_the_app_shows_it() -> None:
    text = totp.code(SEED, STEP)
    assert totp.matching_step(SEED, f"{text[:3]} {text[3:]}", NOW, None) == STEP
    assert totp.matching_step(SEED, f"{text[:3]}\u202f{text[3:]}", NOW, None) == STEP


@pytest.mark.parametrize(
    "attack",
    [
        lambda text: text[:0],
        lambda text: text[:5],
        lambda text: "0" + text,
        lambda text: text + "0",
        lambda text: text + text,
        lambda text: text.translate({48 + digit: 0x660 + digit for digit in range(10)}),  # Arabic digits
        lambda text: text.translate({48 + digit: 0xFF10 + digit for digit in range(10)}),  # full width
        lambda text: "+" + text[1:],
        lambda text: f"{text[:3]}-{text[3:]}",
        lambda text: text + "\0",
        lambda text: f"{int(text)}.0",
        lambda text: "\ud800" + text,
        lambda text: text * 100_000,
    ],
)
def test_whatever_is_not_six_plain_digits_is_no_code(attack: object) -> None:
    assert callable(attack)
    assert totp.matching_step(SEED, attack(totp.code(SEED, STEP)), NOW, None) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert totp.matching_step(SEED, text, NOW, STEP + 1) is None


def test_another_seed_has_other_codes() -> None:
    other = bytes(reversed(SEED))
    assert totp.matching_step(other, totp.code(SEED, STEP), NOW, None) is None


def test_the_first_minute_of_1970_has_codes_too() -> None:
    start = datetime.fromtimestamp(0, UTC)
    assert totp.matching_step(SEED, totp.code(SEED, 0), start, None) == 0
    assert totp.matching_step(SEED, totp.code(SEED, 0), start, -1) == 0


@given(seeds)
def test_the_seed_typed_by_hand_is_the_seed(seed: bytes) -> None:
    typed = totp.base32(seed)
    assert [len(group) for group in typed.split(" ")] == [4] * 8
    assert typed.replace(" ", "") == totp.plain_base32(seed)
    assert base64.b32decode(totp.plain_base32(seed)) == seed


def test_a_key_uri_says_what_apps_read() -> None:
    assert totp.uri(SEED, "ada@example.com", "Keyturn at Babbage & Co.") == (
        "otpauth://totp/Keyturn%20at%20Babbage%20%26%20Co.:ada%40example.com"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Keyturn%20at%20Babbage%20%26%20Co."
    )


@pytest.mark.parametrize(
    "name",
    [
        "ada:root",
        "a?secret=AAAA",
        "a&secret=AAAA",
        "a#b",
        "a/../b",
        "%2e%2e",
        'ada" onload="x',
        "<b>ada</b>",
        "line\r\nbreak",
        "\u202egnissap",
        "\ud800",
        "+1 = 2;",
        "",
        " ",
        "🦉" * 300,
    ],
)
def test_no_name_makes_another_uri_of_it(name: str) -> None:
    for text in (totp.uri(SEED, name, "Keyturn"), totp.uri(SEED, "ada@example.com", name), totp.uri(SEED, name, name)):
        parts = urlsplit(text)
        assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
        asked = parse_qs(parts.query, strict_parsing=True)
        assert asked["secret"] == [totp.plain_base32(SEED)]
        assert set(asked) <= {"secret", "issuer"}
        assert parts.path.count("/") == 1
        assert parts.path.count(":") <= 1
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set("\"'<> \\")


@given(st.text(), st.text())
def test_the_label_is_issuer_and_account_whatever_they_are(account: str, issuer: str) -> None:
    parts = urlsplit(totp.uri(SEED, account, issuer))
    named = parse_qs(parts.query).get("issuer", [""])[0]
    label = unquote(parts.path[1:])
    assert label.startswith(named)
    assert all(len(name) <= totp.NAME_LONGEST and name.isprintable() for name in label.split(":"))

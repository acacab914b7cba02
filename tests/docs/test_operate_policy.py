"""Law: the guide to overrides is true: its example is taken as it stands, and its table has every setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keyturn.core.overrides import SPANS, BadPolicy, parse
from keyturn.core.policy import DAY, DEFAULT, Effect, Event, Kind

GUIDE = (Path(__file__).parents[2] / "docs" / "operate" / "policy.md").read_text(encoding="utf-8")


def test_the_example_is_taken_and_does_what_its_comments_say() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    rules = parse(example, name="policy.toml")
    assert (rules.retention, rules.overlap_longest) == (180 * DAY, 7 * DAY)
    assert (rules.lives[Kind.LOGIN].default, rules.lives[Kind.LOGIN].longest) == (30 * DAY, 90 * DAY)
    assert rules.lives[Kind.AUTHORIZATION].longest == 365 * DAY
    changed = {cell: effect for cell, effect in rules.effects.items() if effect != DEFAULT.effects[cell]}
    assert changed == {
        (Event.PASSWORD_CHANGE, Kind.AUTHORIZATION): Effect.DIES,
        (Event.PASSWORD_CHANGE, Kind.LOGIN): Effect.DIES,
    }
    assert rules.soft_expiry == {Kind.LOGIN: DAY}
    assert rules.thresholds[0] == 60 * DAY


def test_the_finding_it_shows_is_the_one_that_is_printed() -> None:
    with pytest.raises(BadPolicy) as wrong:
        parse('[lifetimes.login]\ndefault = "30 days"\nlongest = "400 days"\n', name="new.toml")
    assert f"keyturn admin: {wrong.value}\n" in GUIDE


def test_its_table_has_every_setting_with_its_largest_value() -> None:
    for name in ("lifetimes.KIND.default", "lifetimes.KIND.longest", "ends.EVENT.KIND", "soft_expiry.KIND", *SPANS):
        assert f"`{name}`" in GUIDE
    assert (DEFAULT.retention, DEFAULT.overlap_longest) == (400 * DAY, 30 * DAY)
    assert (DEFAULT.oauth_access, DEFAULT.oauth_refresh) == (8 * 3600, 30 * DAY)

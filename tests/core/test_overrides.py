"""Law: an operator's file makes rules stricter or has no effect at all, and is told everything that is wrong with it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from keyturn.core.overrides import SPANS, STRICTER, BadPolicy, parse
from keyturn.core.policy import DAY, DEFAULT, HOUR, LONGEST_ASKED, Effect, Event, Kind, Policy


def findings(text: str) -> list[str]:
    with pytest.raises(BadPolicy) as wrong:
        parse(text, name="policy.toml")
    assert str(wrong.value) == "\n".join(wrong.value.findings)
    return [finding.removeprefix("policy.toml, ") for finding in wrong.value.findings]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[lifetimes]\n[ends]\n", 'ends.logout.login = "dies"'])
def test_a_file_that_overrides_nothing_leaves_the_default(text: str) -> None:
    assert parse(text, name="p") == DEFAULT


def test_every_setting_is_taken() -> None:
    rules = parse(
        """
        retention = "90 days"
        overlap_longest = 3600
        oauth_access = "1 hour"
        oauth_refresh = "2 weeks"
        [lifetimes.login]
        default = "8 hours"
        longest = "30 days"
        [lifetimes.authorization]
        longest = "90 days"
        [ends.password_change]
        login = "dies"
        authorization = "spared"
        [soft_expiry]
        login = "1 hour 30 minutes"
        [notices]
        thresholds = ["1 day", "60 days", "30 days", "14 days", "7 days"]
        """,
        name="p",
    )
    assert (rules.lives[Kind.LOGIN].default, rules.lives[Kind.LOGIN].longest) == (8 * HOUR, 30 * DAY)
    assert (rules.lives[Kind.AUTHORIZATION].default, rules.lives[Kind.AUTHORIZATION].longest) == (90 * DAY, 90 * DAY)
    changed = {cell: effect for cell, effect in rules.effects.items() if effect != DEFAULT.effects[cell]}
    assert changed == {
        (Event.PASSWORD_CHANGE, Kind.LOGIN): Effect.DIES,
        (Event.PASSWORD_CHANGE, Kind.AUTHORIZATION): Effect.SPARED,
    }
    assert rules.soft_expiry == {Kind.LOGIN: 5400}
    assert rules.thresholds == (60 * DAY, 30 * DAY, 14 * DAY, 7 * DAY, DAY)
    assert (rules.retention, rules.overlap_longest) == (90 * DAY, HOUR)
    assert (rules.oauth_access, rules.oauth_refresh) == (HOUR, 14 * DAY)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[lifetimes.login]\n\n# more\nlongest = "400 days"',
         "line 4: lifetimes.login.longest: 400 days is more than the largest allowed, 365 days"),
        ('lifetimes.web.longest = "never"', "line 1: lifetimes.web.longest: never is more than the largest allowed, 1 day"),
        ('lifetimes.workload.default = "30 minutes"',
         "line 1: lifetimes.workload.default: 30 minutes is more than 15 minutes; an override only shortens"),
        ('[lifetimes.login]\nlongest = "7 days"\ndefault = "8 days"',
         "line 3: lifetimes.login.default: 8 days is more than longest, 7 days"),
        ('[lifetimes.authorization]\nlongest = "7 days"\ndefault = "never"',
         "line 3: lifetimes.authorization.default: never is more than longest, 7 days"),
        ("lifetimes.web.default = 59", "line 1: lifetimes.web.default: 59 seconds is less than the least allowed, 1 minute"),
        ("lifetimes.web.default = 86401", "line 1: lifetimes.web.default: 86401 seconds is more than the largest allowed, 1 day"),
        ("lifetimes.login.longest = -5", "line 1: lifetimes.login.longest: -5 seconds is less than the least allowed, 1 minute"),
        ('lifetimes.login.shortest = "1 day"',
         "line 1: lifetimes.login.shortest: there is no such setting; there are default, longest"),
        ('[ends.password_change]\napi_key = "dies"',
         "line 2: ends.password_change.api_key: this is replaced, which cannot be overridden"),
        ('[ends.suspend]\nservice = "dies"', "line 2: ends.suspend.service: this is moves, which cannot be overridden"),
        ('[ends.logout]\napi_key = "dies"', "line 2: ends.logout.api_key: this is never, which cannot be overridden"),
        ('[ends.logout]\nlogin = "lives"',
         "line 2: ends.logout.login: lives is more lenient than dies; an override only makes a rule stricter"),
        ('[ends.sso_on]\noauth_access = "replaced"',
         "line 2: ends.sso_on.oauth_access: replaced cannot be chosen; an override is one of lives, spared, dies"),
        ("[ends.sso_on]\noauth_access = true",
         "line 2: ends.sso_on.oauth_access: this must be one of lives, spared, dies, in quotes"),
        ('[ends.client_removed]\nlogin = "dies"',
         "line 2: ends.client_removed.login: this event is about the tokens of one OAuth client and reaches no other kind"),
        ('[soft_expiry]\nweb = "1 hour"',
         "line 2: soft_expiry.web: a browser session cannot be read-only; this is for tokens of the API"),
        ('[soft_expiry]\nworkload = "1 hour"',
         "line 2: soft_expiry.workload: 1 hour is not shorter than the life that it is the last stretch of, 15 minutes"),
        ('[notices]\nthresholds = ["30 days", "1 day"]',
         "line 2: notices.thresholds: 14 days, 7 days must stay; notices can be added, and none taken away"),
        ('[notices]\nthresholds = "30 days"',
         'line 2: notices.thresholds: this must be a list of at most 12 spans: ["30 days", "1 day"]'),
        ('[notices]\nwhen = "30 days"', "line 2: notices.when: there is no such setting; there is thresholds"),
        ('retention = "500 days"', "line 1: retention: 500 days is more than the largest allowed, 400 days"),
        ("lifetimes = 5", "line 1: lifetimes: this must be a table: [lifetimes]"),
        ("[[ends]]\n", "line 1: ends: this must be a table: [ends]"),
        ("a = 1\na = 2", "line 2: not TOML: Cannot overwrite a value"),
        ("\n[lifetimes", "line 2: not TOML: Expected ']' at the end of a table declaration"),
        (f"retention = {'9' * 5000}", "line 1: not TOML: it cannot be read"),
        (f"retention = {'[' * 5000}", "line 1: not TOML: it cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_line_and_key(text: str, found: str) -> None:
    assert findings(text) == [found]


@pytest.mark.parametrize(
    "value", ["true", "1.5", '""', '"soon"', '"30"', '"30 fortnights"', '"days"', "[]", "{}", "2026-03-02", '"-1 days"']
)
def test_a_span_of_another_form_is_refused(value: str) -> None:
    (found,) = findings(f"lifetimes.login.default = {value}")
    assert found.endswith('this must be a whole number of seconds, or words like "30 days" or "8 hours"')


def test_unknown_names_are_answered_with_those_that_there_are() -> None:
    assert (
        "line 1: lifetimes.logins: there is no such kind; the kinds are login, web" in findings("[lifetimes.logins]")[0]
    )
    assert "line 1: ends.logoff: there is no such event; the events are expiry, logout" in findings("[ends.logoff]")[0]
    assert "line 1: lifetime: there is no such setting; there are lifetimes, ends" in findings("[lifetime]")[0]


def test_all_findings_come_at_once_in_the_order_of_the_file() -> None:
    text = 'retention = "9 years"\n[ends.logout]\nlogin = "lives"\n[lifetimes.login]\ndefault = 0\nlongest = "800 days"\nx = 1\n'
    assert [found.split(":")[0] for found in findings(text)] == ["line 1", "line 3", "line 5", "line 6", "line 7"]


# Files at random: settings that are right, too long, of the wrong type, or not there.
TIMES: st.SearchStrategy[Any] = st.one_of(
    st.integers(-10, 2 * LONGEST_ASKED),
    st.integers(60, 40 * DAY),
    st.builds("{} {}s".format, st.integers(0, 500), st.sampled_from(["second", "minute", "hour", "day", "week"])),
    st.sampled_from(["never", "soon", True, 1.5]),
)
KINDS = st.sampled_from([*Kind, "nothing"])
CHOSEN: st.SearchStrategy[Any] = st.sampled_from([*Effect, "perishes", 3])
THRESHOLDS = st.lists(TIMES, max_size=3).map(lambda more: ["30 days", "14 days", 7 * DAY, DAY, *more])
FILES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(SPANS, TIMES),
        "lifetimes": st.dictionaries(KINDS, st.fixed_dictionaries({}, optional={"default": TIMES, "longest": TIMES}), max_size=3),
        "ends": st.dictionaries(
            st.sampled_from([*Event, "nothing"]), st.dictionaries(KINDS, CHOSEN, max_size=2), max_size=2
        ),
        "soft_expiry": st.dictionaries(KINDS, TIMES, max_size=2),
        "notices": st.fixed_dictionaries({}, optional={"thresholds": THRESHOLDS}),
    },
)  # fmt: skip


def lines(value: dict[str, Any], path: tuple[str, ...] = ()) -> list[str]:
    """The file, a setting a line, each with its whole key."""
    out = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            out += lines(inner, (*path, str(key)))
        else:
            out.append(f"{'.'.join((*path, str(key)))} = {json.dumps(inner)}")
    return out


def at_most(new: int | None, old: int | None) -> bool:
    return old is None or (new is not None and new <= old)


def assert_stricter(new: Policy, old: Policy) -> None:
    """Cell by cell."""
    for kind in Kind:
        life, before = new.lives[kind], old.lives[kind]
        assert at_most(life.default, before.default)
        assert at_most(life.longest, before.longest)
        assert at_most(life.default, life.longest)
        assert (life.noun, life.recreate) == (before.noun, before.recreate)
    for cell, effect in new.effects.items():
        before_effect = old.effects[cell]
        if effect != before_effect:
            assert STRICTER.index(effect) > STRICTER.index(before_effect)
    assert set(new.effects) == set(old.effects)
    assert set(new.thresholds) >= set(old.thresholds)
    assert list(new.thresholds) == sorted(set(new.thresholds), reverse=True)
    for name in SPANS:
        assert 60 <= getattr(new, name) <= getattr(old, name)


@given(FILES)
def test_what_is_accepted_is_at_least_as_strict_in_every_cell(file: dict[str, Any]) -> None:
    text = lines(file)
    try:
        rules = parse("\n".join(text), name="p")
    except BadPolicy as wrong:
        for finding in wrong.findings:
            found = re.fullmatch(r"p, line (\d+): ([\w.]+): .+", finding)
            assert found, finding
            assert text[int(found[1]) - 1].startswith(found[2]), finding
        return
    assert_stricter(rules, DEFAULT)
    # nothing that was written was left out
    for event, kinds in file.get("ends", {}).items():
        for kind, effect in kinds.items():
            assert rules.effects[event, kind] == effect
    assert set(rules.soft_expiry) == set(file.get("soft_expiry", {}))
    # and with one finding more, nothing of it is in force
    with pytest.raises(BadPolicy):
        parse("\n".join([*text, "nonsense = 1"]), name="p")


def accepted(file: dict[str, Any]) -> bool:
    try:
        parse("\n".join(lines(file)), name="p")
    except BadPolicy:
        return False
    return True


@pytest.mark.parametrize("section", ["lifetimes", "ends", "soft_expiry", "notices", *SPANS])
def test_the_random_files_are_of_both_sorts(section: str) -> None:
    assert find(FILES, lambda file: bool(lines({section: file[section]} if section in file else {})) and accepted(file))
    assert find(FILES, lambda file: bool(file.get(section)) and not accepted({section: file[section]}))


def test_whose_sign_in_takes_a_second_factor_and_who_may_sign_up() -> None:
    rules = parse(
        """
        [two_factor]
        required = "admins"
        remember = "7 days"
        [sign_up]
        by = "open"
        domains = ["Example.com", "sub.example.org"]
        """,
        name="p",
    )
    assert (rules.mfa_required, rules.remember_device) == ("admins", 7 * DAY)
    assert (rules.sign_up, rules.sign_up_domains) == ("open", ("example.com", "sub.example.org"))
    assert parse('[two_factor]\nremember = "never"', name="p").remember_device == 0


NO_LIST = 'line 3: sign_up.domains: this must be a list of domains: ["example.com"]'


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('[two_factor]\nrequired = "some"', "line 2: two_factor.required: this must be one of none, admins, all, in quotes"),
        ("[two_factor]\nrequired = true", "line 2: two_factor.required: this must be one of none, admins, all, in quotes"),
        ('[two_factor]\nremember = "31 days"', "line 2: two_factor.remember: 31 days is more than the largest allowed, 30 days"),
        ("[two_factor]\nforce = 1", "line 2: two_factor.force: there is no such setting; there are required, remember"),
        ('[sign_up]\nby = "anybody"', "line 2: sign_up.by: this must be one of invitation, open, in quotes"),
        ('[sign_up]\nby = "open"\ndomains = "example.com"', NO_LIST),
        ('[sign_up]\nby = "open"\ndomains = ["a b"]', NO_LIST),
        ('[sign_up]\nby = "open"\ndomains = ["-a.com"]', NO_LIST),
        ('[sign_up]\ndomains = ["a.com"]', 'line 2: sign_up.domains: domains are for open sign-up: by = "open"'),
        ("two_factor = 1", "line 1: two_factor: this must be a table: [two_factor]"),
    ],
)  # fmt: skip
def test_a_mistake_about_signing_in_or_up_is_named(text: str, finding: str) -> None:
    assert finding in findings(text)

"""An operator's overrides of the policy, read from a TOML text: they make a rule stricter, and never looser,
but for who may sign up.

    [lifetimes.login]                     # by kind: a shorter default or longest life
    default = "30 days"
    [ends.password_change]                # by event and kind: lives -> spared -> dies
    authorization = "dies"
    [soft_expiry]                         # by kind: how long before its end it may only read
    login = "24 hours"
    [two_factor]                          # whose sign-in takes a second factor: none, admins or all
    required = "admins"
    [sign_up]                             # the one thing that it opens: whoever has an address of these domains may join
    by = "open"
    domains = ["example.com"]

All that is wrong is said at once, with file, line and key; a text with a single finding has no effect at all.
docs/operate/policy.md is the guide.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from keyturn.core import policy
from keyturn.core.lifecycle import in_words
from keyturn.core.policy import DEFAULT, Effect, Event, Kind, Policy
from keyturn.core.toml_lines import line_of, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keyturn.core.policy import Life

LEAST: Final = 60  # seconds; a shorter life or window is a mistyped number, and would lock everybody out
MOST_THRESHOLDS: Final = 12

# From lenient to strict; what else a cell can be (replaced, moves, never) is not for an operator to change.
STRICTER: Final = (Effect.LIVES, Effect.SPARED, Effect.DIES)

# The fields of Policy that are one span each, and stand before the tables.
SPANS: Final = ("retention", "overlap_longest", "oauth_access", "oauth_refresh")

# Its events are about one client's tokens and reach nothing else.
_ABOUT_A_CLIENT: Final = Event.CLIENT_REMOVED

_UNITS: Final = {"second": 1, "minute": 60, "hour": policy.HOUR, "day": policy.DAY, "week": 7 * policy.DAY}
_SPAN: Final = re.compile(r"\s*(?:[0-9]{1,10}\s*(?:second|minute|hour|day|week)s?\s*)+")
_DOMAIN: Final = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")

_K = TypeVar("_K", Kind, Event)


class BadPolicy(ValueError):
    """A text that is no policy. ``findings`` are all that is wrong with it, a line each, with file, line and key."""

    def __init__(self, findings: Iterable[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(self.findings))


def parse(text: str, *, name: str) -> Policy:
    """The default policy, made stricter as ``text`` says. ``name`` is the file's, for messages. Raises BadPolicy."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as wrong:  # an absurdly long number is a ValueError of int's own
        said = re.fullmatch(r"(?s)(.*?) ?\(at (?:line ([0-9]+), column [0-9]+|end of document)\)", str(wrong))
        line = (said[2] if said else None) or text.count("\n") + 1
        raise BadPolicy([f"{name}, line {line}: not TOML: {said[1] if said else 'it cannot be read'}"]) from None
    reader = _Reader(name, lines_of(text))
    found = reader.policy(data)
    if reader.findings:
        raise BadPolicy(text for _, text in sorted(reader.findings))
    return found


def span(seconds: int | None) -> str:
    """Seconds in words, or as they are where words would round them; None: never."""
    if seconds is None:
        return "never"
    words = in_words(seconds)
    return words if _seconds(words) == seconds else f"{seconds} seconds"


def _seconds(value: object) -> int | None:
    """The seconds that ``value`` means; None when it is no span."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _SPAN.fullmatch(value):
        return sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"([0-9]+)\s*([a-z]+?)s?(?![a-z])", value))
    return None


class _Reader:
    """Walks the table of one file and gathers what is wrong, each with the line it stands on."""

    def __init__(self, name: str, lines: dict[tuple[str, ...], int]) -> None:
        self._name, self._lines = name, lines
        self.findings: list[tuple[int, str]] = []

    def _wrong(self, path: tuple[str, ...], what: str) -> None:
        line = line_of(path, self._lines)
        key = ".".join("".join(c if c.isprintable() else "?" for c in part[:40]) for part in path)
        self.findings.append((line, f"{self._name}, line {line}: {key}: {what}"))

    def policy(self, data: dict[str, Any]) -> Policy:
        """The policy that the whole file makes; worth something only when there are no findings."""
        known = ("lifetimes", "ends", "soft_expiry", "notices", "two_factor", "sign_up", *SPANS)
        for key in data:
            if key not in known:
                self._wrong((key,), f"there is no such setting; there are {', '.join(known)}")
        lives = self._lives(data)
        required, remember = self._two_factor(data)
        sign_up, domains = self._sign_up(data)
        spans = {name: self._shorter(data, name, getattr(DEFAULT, name)) for name in SPANS}
        return Policy(
            lives,
            self._effects(data),
            self._soft_expiry(data, lives),
            self._thresholds(data),
            retention=spans["retention"],
            overlap_longest=spans["overlap_longest"],
            oauth_access=spans["oauth_access"],
            oauth_refresh=spans["oauth_refresh"],
            mfa_required=required,
            remember_device=remember,
            sign_up=sign_up,
            sign_up_domains=domains,
        )

    # Signing in and up.

    def _section(self, data: dict[str, Any], name: str, *keys: str) -> dict[str, Any]:
        table = self._table(data.get(name, {}), (name,))
        for key in table:
            if key not in keys:
                self._wrong((name, key), f"there is no such setting; there are {', '.join(keys)}")
        return table

    def _choice(self, table: dict[str, Any], name: str, key: str, choices: tuple[str, ...]) -> str:
        value = table.get(key, choices[0])
        if value not in choices:
            self._wrong((name, key), f"this must be one of {', '.join(choices)}, in quotes")
            return choices[0]
        return str(value)

    def _two_factor(self, data: dict[str, Any]) -> tuple[str, int]:
        table = self._section(data, "two_factor", "required", "remember")
        required = self._choice(table, "two_factor", "required", ("none", "admins", "all"))
        if table.get("remember") == "never":
            return required, 0
        cap, path = DEFAULT.remember_device, ("two_factor", "remember")
        seconds = self._span(table["remember"], path) if "remember" in table else cap
        if seconds is not None and seconds > cap:
            self._wrong(path, f"{span(seconds)} is more than the largest allowed, {span(cap)}")
        return required, cap if seconds is None else seconds

    def _sign_up(self, data: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        table = self._section(data, "sign_up", "by", "domains")
        by = self._choice(table, "sign_up", "by", ("invitation", "open"))
        domains = table.get("domains", [])
        if not isinstance(domains, list) or not all(
            isinstance(name, str) and _DOMAIN.fullmatch(name.lower()) for name in domains
        ):
            self._wrong(("sign_up", "domains"), 'this must be a list of domains: ["example.com"]')
            return by, ()
        if domains and by != "open":
            self._wrong(("sign_up", "domains"), 'domains are for open sign-up: by = "open"')
        return by, tuple(name.lower() for name in domains)

    def _table(self, value: object, path: tuple[str, ...]) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self._wrong(path, f"this must be a table: [{'.'.join(path)}]")
        return {}

    def _named(self, table: dict[str, Any], path: tuple[str, ...], of: type[_K]) -> Iterator[tuple[_K, Any]]:
        """The entries of a table whose keys are kinds, or events."""
        names: dict[str, _K] = {str(member): member for member in of}
        for key, value in table.items():
            if key not in names:
                noun = of.__name__.lower()
                self._wrong((*path, key), f"there is no such {noun}; the {noun}s are {', '.join(names)}")
            else:
                yield names[key], value

    def _span(self, value: object, path: tuple[str, ...]) -> int | None:
        seconds = _seconds(value)
        if seconds is None:
            self._wrong(path, 'this must be a whole number of seconds, or words like "30 days" or "8 hours"')
        elif seconds < LEAST:
            self._wrong(path, f"{span(seconds)} is less than the least allowed, {span(LEAST)}")
            seconds = None
        return seconds

    def _shorter(self, table: dict[str, Any], key: str, cap: int) -> int:
        """A span that an override may only shorten."""
        if key not in table:
            return cap
        seconds = self._span(table[key], (key,))
        if seconds is not None and seconds > cap:
            self._wrong((key,), f"{span(seconds)} is more than the largest allowed, {span(cap)}")
        return cap if seconds is None else seconds

    # Lifetimes.

    def _lives(self, data: dict[str, Any]) -> dict[Kind, Life]:
        lives = dict(DEFAULT.lives)
        section = self._table(data.get("lifetimes", {}), ("lifetimes",))
        for kind, value in self._named(section, ("lifetimes",), Kind):
            lives[kind] = self._life(lives[kind], self._table(value, ("lifetimes", kind)), ("lifetimes", kind))
        return lives

    def _life(self, life: Life, table: dict[str, Any], path: tuple[str, ...]) -> Life:
        for key in table:
            if key not in ("default", "longest"):
                self._wrong((*path, key), "there is no such setting; there are default, longest")
        longest = self._length(life.longest, life, table, "longest", path)
        default = self._length(life.default, life, table, "default", path)
        if default is None or (longest is not None and default > longest):
            if "default" in table and "longest" in table:
                self._beyond(default, longest, (*path, "default"))
            default = longest  # a shorter longest alone shortens the default with it
        return replace(life, default=default, longest=longest)

    def _beyond(self, default: int | None, longest: int | None, path: tuple[str, ...]) -> None:
        if longest is not None:
            self._wrong(path, f"{span(default)} is more than longest, {span(longest)}")

    def _length(
        self, have: int | None, life: Life, table: dict[str, Any], key: str, path: tuple[str, ...]
    ) -> int | None:
        if key not in table:
            return have
        path = (*path, key)
        cap = policy.LONGEST_ASKED if life.longest is None else life.longest
        if isinstance(table[key], str) and table[key].strip() == "never":
            if have is not None:
                self._wrong(path, f"never is more than the largest allowed, {span(cap)}")
            return have
        seconds = self._span(table[key], path)
        if seconds is None:
            return have
        if seconds > cap:
            self._wrong(path, f"{span(seconds)} is more than the largest allowed, {span(cap)}")
        elif have is not None and seconds > have:
            self._wrong(path, f"{span(seconds)} is more than {span(have)}; an override only shortens")
        else:
            return seconds
        return have

    # What ends what.

    def _effects(self, data: dict[str, Any]) -> dict[tuple[Event, Kind], Effect]:
        effects = dict(DEFAULT.effects)
        section = self._table(data.get("ends", {}), ("ends",))
        for event, value in self._named(section, ("ends",), Event):
            table = self._table(value, ("ends", event))
            for kind, wanted in self._named(table, ("ends", event), Kind):
                effects[event, kind] = self._effect(effects[event, kind], wanted, ("ends", event, kind))
        return effects

    def _effect(self, have: Effect, wanted: object, path: tuple[str, ...]) -> Effect:
        if not isinstance(wanted, str) or wanted not in list(Effect):
            self._wrong(path, f"this must be one of {', '.join(STRICTER)}, in quotes")
        elif wanted == have:
            pass
        elif have not in STRICTER:
            self._wrong(path, f"this is {have}, which cannot be overridden")
        elif path[1] == _ABOUT_A_CLIENT:
            self._wrong(path, "this event is about the tokens of one OAuth client and reaches no other kind")
        elif wanted not in STRICTER:
            self._wrong(path, f"{wanted} cannot be chosen; an override is one of {', '.join(STRICTER)}")
        elif STRICTER.index(Effect(wanted)) < STRICTER.index(have):
            self._wrong(path, f"{wanted} is more lenient than {have}; an override only makes a rule stricter")
        else:
            return Effect(wanted)
        return have

    # Before the end.

    def _soft_expiry(self, data: dict[str, Any], lives: dict[Kind, Life]) -> dict[Kind, int]:
        found: dict[Kind, int] = {}
        section = self._table(data.get("soft_expiry", {}), ("soft_expiry",))
        for kind, value in self._named(section, ("soft_expiry",), Kind):
            path, life = ("soft_expiry", kind), lives[kind].default
            seconds = self._span(value, path)
            if kind is Kind.WEB:
                self._wrong(path, "a browser session cannot be read-only; this is for tokens of the API")
            elif seconds is not None and seconds >= (life or policy.LONGEST_ASKED):
                self._wrong(path, f"{span(seconds)} is not shorter than the life that it is the last stretch of, "
                            f"{span(life or policy.LONGEST_ASKED)}")  # fmt: skip
            elif seconds is not None:
                found[kind] = seconds
        return found

    def _thresholds(self, data: dict[str, Any]) -> tuple[int, ...]:
        path = ("notices", "thresholds")
        table = self._table(data.get("notices", {}), ("notices",))
        for key in table:
            if key != "thresholds":
                self._wrong(("notices", key), "there is no such setting; there is thresholds")
        if "thresholds" not in table:
            return DEFAULT.thresholds
        if not isinstance(table["thresholds"], list) or len(table["thresholds"]) > MOST_THRESHOLDS:
            self._wrong(path, f'this must be a list of at most {MOST_THRESHOLDS} spans: ["30 days", "1 day"]')
            return DEFAULT.thresholds
        spans = {seconds for value in table["thresholds"] if (seconds := self._span(value, path)) is not None}
        for seconds in sorted(spans):
            if seconds > policy.YEAR:
                self._wrong(path, f"{span(seconds)} is more than the largest allowed, {span(policy.YEAR)}")
        missing = [span(seconds) for seconds in DEFAULT.thresholds if seconds not in spans]
        if missing:
            self._wrong(path, f"{', '.join(missing)} must stay; notices can be added, and none taken away")
        return tuple(sorted(spans, reverse=True))

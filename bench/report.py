"""From measurements to the report: medians, ratios within a round, and each target with what came out."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from bench import git_http, ssh
from bench.tables import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.commands import Took
    from bench.load import Measured
    from bench.many import Cost


@dataclass
class Results:
    """All that one run found. Of `rounds`, each maps a target's name to what it did in that round."""

    facts: dict[str, str]
    sizes: list[int]
    rounds: list[dict[str, Measured]]
    memory: dict[str, dict[str, float]]
    calm: list[Measured]
    stormy: list[Measured]
    logins: float
    commands: dict[str, Took]
    pip: str
    seconds: int
    busy_before: float
    crowded: dict[str, dict[int, Cost]]
    first_pages: dict[str, float]
    git: dict[str, git_http.Cost]
    ssh: ssh.Found

    @property
    def verify(self) -> str:
        """The target that counts: /verify over the largest store."""
        return f"verify {self.sizes[-1]}"

    @property
    def like_the_smallest(self) -> str:
        """/verify over the largest store, with as many tokens in use as the smallest has."""
        return f"{self.verify} {self.sizes[0]}" if len(self.sizes) > 1 else self.verify

    def middle(self, name: str, value: Callable[[Measured], float]) -> float:
        """The median over the rounds."""
        return median(value(one[name]) for one in self.rounds)

    def ratio(self, name: str, other: str, value: Callable[[Measured], float]) -> float:
        """The median of the ratios within each round: what was measured side by side met the same noise."""
        return median(value(one[name]) / value(one[other]) for one in self.rounds)


def rate(one: Measured) -> float:
    """Requests a second."""
    return one.rate


def cost(one: Measured) -> float:
    """Server CPU a request."""
    return one.cost


def p99(one: Measured) -> float:
    """What 99 of 100 answers kept below, in milliseconds."""
    return one.p99


def count(number: int) -> str:
    """A number of tokens in words."""
    return f"10^{len(str(number)) - 1}" if str(number).strip("0") == "1" else str(number)


def _sizes(found: Results) -> list[int]:
    return sorted(next(iter(found.crowded.values())))


def markdown(found: Results) -> str:
    """The whole report."""
    parts = [
        "# What Keyturn costs, measured",
        "",
        "Written by `make bench`; README.md beside it says what is measured and how to read it.",
        "",
        *(f"- {name}: {value}" for name, value in found.facts.items()),
        _noise(found),
        f"- medians of {len(found.rounds)} rounds of {found.seconds} s each, the servers taking turns within a round",
        "",
        "## The targets",
        "",
        *table(("what", "to reach", "measured", ""), _targets(found)),
        "",
        "## Requests, one worker on one core, 32 connections",
        "",
        *table(
            ("", "CPU us/request", "of nginx's", "requests/s", "of nginx's", "p50 ms", "p99 ms", "memory MB"),
            [_server(found, name) for name in found.rounds[0]],
        ),
        "",
        _memory(found),
        "",
        "## One account with very many credentials",
        "",
        "In one process, without HTTP and without hashing. Statements grow by whole batches of 500, never by the credential.",
        "",
        *table(
            (
                "",
                *(f"{count(size)} credentials, ms" for size in _sizes(found)),
                *(f"{count(size)}, statements" for size in _sizes(found)),
            ),
            [
                (
                    act,
                    *(f"{by_size[size].milliseconds:.0f}" for size in _sizes(found)),
                    *(str(by_size[size].statements) for size in _sizes(found)),
                )
                for act, by_size in found.crowded.items()
            ],
        ),
        "",
        "## The first page from a cold start",
        "",
        "The very first request for a page, after a start of the server; what HTTP on this machine costs is taken off.",
        "",
        *table(("page", "ms of the server"), [(page, f"{took:.1f}") for page, took in found.first_pages.items()]),
        "",
        "## Token checks during a storm of logins",
        "",
        f"Four password logins in flight without a pause ({found.logins:.1f} a second came through), hashed on the same core.",
        "",
        *table(
            ("/verify", "requests/s", "p50 ms", "p99 ms"),
            [
                (
                    name,
                    f"{median(map(rate, some)):.0f}",
                    f"{median(one.p50 for one in some):.2f}",
                    f"{median(map(p99, some)):.1f}",
                )
                for name, some in (("without", found.calm), ("in the storm", found.stormy))
            ],
        ),
        "",
        "## git's first request",
        "",
        "Milliseconds of processor time, beside `git upload-pack` and `git receive-pack` started by hand on the same repository.",
        "",
        *git_http.section(found.git),
        "",
        "## Git over SSH",
        "",
        "Handshakes with an Ed25519 key, by the same client.",
        "",
        *ssh.section(found.ssh),
        "",
        "## Whole commands",
        "",
        f"From a wheel, installed by pip {found.pip} into a new virtual environment, against a server on this machine.",
        "",
        *table(
            ("command", "wall ms", "CPU ms", "runs"),
            [
                (f"`{name}`", f"{took.wall:.1f}", f"{took.cpu:.1f}", str(took.runs))
                for name, took in found.commands.items()
            ],
        ),
        "",
    ]
    return "\n".join(parts)


def _noise(found: Results) -> str:
    spread = [one["nginx"].cost for one in found.rounds]
    return (
        f"- noise: {found.busy_before:.1f} processes wanted a core before the run began; "
        f"nginx's own cost a request went from {min(spread):.1f} to {max(spread):.1f} us between rounds"
    )


def _memory(found: Results) -> str:
    held = found.memory[found.verify]
    return (
        f"Memory is what is resident after the run. Of Keyturn's with {count(found.sizes[-1])} tokens, {held['own']:.0f} MB are "
        f"the process's own, and {held['files']:.0f} MB are files that it maps (program, libraries, and the store as far as SQLite "
        "maps it), which the kernel may drop."
    )


def _server(found: Results, name: str) -> tuple[str, ...]:
    kind, *sizes = name.split()
    shown = f"Keyturn GET /verify, {count(int(sizes[0]))} tokens" if sizes else _NAMES[kind]
    if len(sizes) > 1:
        shown += f", {count(int(sizes[1]))} of them in use"
    return (
        shown,
        f"{found.middle(name, cost):.1f}",
        f"{found.ratio(name, 'nginx', cost):.1f}x",
        f"{found.middle(name, rate):.0f}",
        f"{found.ratio(name, 'nginx', rate):.2f}x",
        f"{found.middle(name, lambda one: one.p50):.2f}",
        f"{found.middle(name, p99):.2f}",
        f"{found.memory[name]['whole']:.0f}",
    )


_NAMES = {
    "account": "Keyturn GET /account, the same store",
    "hello": "uvicorn, a bare ASGI hello",
    "nginx": "nginx, a fixed 200",
    "oidc-provider": "oidc-provider, introspection, tokens in memory",
}


def _targets(found: Results) -> list[tuple[str, ...]]:
    commands: Mapping[str, Took] = found.commands
    token, whoami, python = (
        commands[name].wall for name in ("keyturn auth:token", "keyturn whoami", "python -I -c pass")
    )
    of = f"with {count(found.sizes[-1])} tokens"
    grown = f"/verify's cost, {count(found.sizes[-1])} tokens against {count(found.sizes[0])}"
    return [
        _least(
            "/verify a core-second, of oidc-provider's introspection",
            4,
            found.ratio("oidc-provider", found.verify, cost),
        ),
        _least("/verify a core-second, of nginx's fixed 200", 0.2, found.ratio("nginx", found.verify, cost)),
        _most(f"/verify's p99 at full load, {of}", 2, found.middle(found.verify, p99), "ms"),
        _most(grown, 1.4, found.ratio(found.like_the_smallest, f"verify {found.sizes[0]}", cost)),
        _most("/verify's p99 in a storm of logins", 10, median(map(p99, found.stormy)), "ms"),
        _most(f"a worker's memory, {of}", 100, found.memory[found.verify]["whole"], "MB"),
        _most("the first page from a cold start", 50, max(found.first_pages.values()), "ms"),
        _most(
            "`info/refs` while nothing or only refs changed, of git's own", git_http.TO_REACH, git_http.worst(found.git)
        ),
        _least("sshd's CPU a handshake, of ours", ssh.TO_REACH, found.ssh.ratio),
        _most("memory of an idle SSH connection", ssh.IDLE_KB, found.ssh.idle / 1000, "kB"),
        _most("`auth:token` against `python -I -c pass`", 2, token / python),
        _least("`auth:token` against the Heroku CLI's, times as fast", 50, commands["heroku auth:token"].wall / token),
        _least("`whoami` against the Heroku CLI's, times as fast", 12, commands["heroku auth:whoami"].wall / whoami),
    ]


def _least(what: str, target: float, value: float) -> tuple[str, ...]:
    return what, f"at least {target:g}x", f"{value:.2f}x", _verdict(value >= target)


def _most(what: str, target: float, value: float, unit: str = "x") -> tuple[str, ...]:
    gap = "" if unit == "x" else " "
    return what, f"at most {target:g}{gap}{unit}", f"{value:.2f}{gap}{unit}", _verdict(value <= target)


def _verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"

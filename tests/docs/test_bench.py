"""The report of the benchmarks: it has a section of whatever was measured, and each target with what came out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench import git_http, report, ssh
from bench.commands import Took
from bench.git_http import Cost
from bench.load import Measured
from bench.many import Cost as Act


def measured() -> Measured:
    return Measured(**dict.fromkeys(Measured.__dataclass_fields__, 1.0))


NAMES = ("verify 1000", "account", "hello", "nginx", "oidc-provider")
COMMANDS = ("python -I -c pass", "keyturn auth:token", "keyturn whoami", "heroku auth:token", "heroku auth:whoami")
GIT = {
    f"{asked.name}, {count} refs": Cost(1, 3.0 if asked.anew else 1.2, 1.0)
    for asked in git_http._ASKED
    for count in git_http.REFS
}
SSH = ssh.Found({"keyturn": ssh.Handshake(0.002, 500), "sshd": ssh.Handshake(0.009, 100)}, 19_000, 90)
FOUND = report.Results(
    {"processor": "a slow one"}, [1000], [dict.fromkeys(NAMES, measured())],
    {name: {"whole": 1.0, "own": 1.0, "files": 0.0} for name in NAMES}, [measured()], [measured()], 1.0,
    {name: Took(1.0, 1.0, 1) for name in COMMANDS}, "26", 1, 0.0, {"an act": {1: Act(1, 1)}}, {"a page": 1.0}, GIT, SSH,
)  # fmt: skip


def targets(found: report.Results) -> dict[str, list[str]]:
    lines = report.markdown(found).partition("## The targets")[2].partition("##")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


def test_git_over_http_and_ssh_are_sections_of_the_report() -> None:
    text = report.markdown(FOUND)
    for heading, lines in (("## git's first request", git_http.section(GIT)), ("## Git over SSH", ssh.section(SSH))):
        section = text.partition(heading)[2].partition("\n## ")[0]
        assert "\n".join(lines) in section
    assert "| push, asked of git anew, 1000 refs | 1.00 | 3.00 | 1.00 | 3.00x |" in text
    assert "| keyturn | 2.00 | 500 |" in text
    assert "19.0 kB each" in text


@pytest.mark.parametrize(
    ("target", "reached", "missed"),
    [
        (
            "`info/refs` while nothing or only refs changed, of git's own",
            (["at most 1.3x", "1.20x", "reached"], FOUND),
            (["at most 1.3x", "1.40x", "**missed**"], replace(FOUND, git=GIT | {"push, 1 refs": Cost(1, 1.4, 1)})),
        ),
        (
            "sshd's CPU a handshake, of ours",
            (["at least 4x", "4.50x", "reached"], FOUND),
            (
                ["at least 4x", "1.00x", "**missed**"],
                replace(FOUND, ssh=replace(SSH, handshakes=dict.fromkeys(SSH.handshakes, ssh.Handshake(1, 1)))),
            ),
        ),
        (
            "memory of an idle SSH connection",
            (["at most 20 kB", "19.00 kB", "reached"], FOUND),
            (["at most 20 kB", "21.00 kB", "**missed**"], replace(FOUND, ssh=replace(SSH, idle=21_000))),
        ),
    ],
)
def test_a_target_says_whether_it_was_reached(
    target: str, reached: tuple[list[str], report.Results], missed: tuple[list[str], report.Results]
) -> None:
    for wanted, found in (reached, missed):
        assert targets(found)[target] == wanted

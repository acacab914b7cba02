"""Runs the transcripts beside this file: each is a page to read, and a test of the whole system.

In a block marked `console`, `$ ` begins a command, `> ` continues it, and the lines below are all that it prints. `[..]` stands for
any text within a line, a line `...` for any lines, and `[exit 4]` at the end for an exit code other than 0. One bash runs the whole
page, in an empty folder that is also the home; what is still running at the end is stopped.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.conftest import environment

PAGES = sorted(Path(__file__).parent.glob("*.md"))
END = "\x1e"
PATIENCE = 120


@dataclass
class Step:
    """One command, as it stands on the page, with what it shall print."""

    typed: list[str]
    expected: list[str] = field(default_factory=list)

    @property
    def command(self) -> str:
        return "\n".join(line[2:] for line in self.typed)


def steps(page: str) -> list[Step]:
    """The commands of a page's console blocks, in order."""
    found: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step([line]))
            elif line.startswith("> ") and not found[-1].expected:
                found[-1].typed.append(line)
            else:
                found[-1].expected.append(line)
    return found


def pattern(expected: list[str]) -> re.Pattern[str]:
    """What the expected lines match, once each line ends with a newline."""
    lines = [
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(re.escape("[..]"), ".*") + r"\n"
        for line in expected
    ]
    return re.compile("".join(lines))


def as_expected(line: str, step: Step) -> str:
    """A line as the page has it, if the page has such a line: the difference then shows only what differs."""
    return next((one for one in step.expected if one != "..." and pattern([one]).fullmatch(f"{line}\n")), line)


def play(found: list[Step], home: Path) -> list[list[str]]:
    """Run the commands in one bash; what each printed, in lines."""
    script, printed = home / ".script", home / ".printed"
    script.write_text("".join(f"{step.command}\nprintf '{END}%d{END}' $?\n" for step in found))
    with printed.open("wb") as file:
        bash = subprocess.Popen(
            ["bash", "--norc", str(script)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=home,
            env=environment(home),
            start_new_session=True,
        )
    end = "(here bash ended)"
    try:
        bash.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        end = f"(this did not end within {PATIENCE} seconds)"
    with contextlib.suppress(ProcessLookupError):
        os.killpg(bash.pid, signal.SIGKILL)
    bash.wait()
    *outputs, unfinished = printed.read_text().split(END)
    done = [
        output.splitlines() + ([] if code == "0" else [f"[exit {code}]"])
        for output, code in zip(outputs[0::2], outputs[1::2], strict=True)
    ]
    return done + [[*unfinished.splitlines(), end] for _ in found[len(done) :]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_is_true(page: Path, home: Path) -> None:
    found = steps(page.read_text())
    assert found, f"{page.name} has no command in it"
    wanted: list[str] = []
    got: list[str] = []
    for step, lines in zip(found, play(found, home), strict=True):
        right = pattern(step.expected).fullmatch("".join(f"{line}\n" for line in lines))
        wanted += step.typed + step.expected
        got += step.typed + (step.expected if right else [as_expected(line, step) for line in lines])
    if wanted != got:
        pytest.fail("\n".join(difflib.unified_diff(wanted, got, page.name, "what happened", lineterm="", n=4)), False)

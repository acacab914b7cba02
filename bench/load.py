"""wrk on the other core, and what a request cost the server meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine

if TYPE_CHECKING:
    from bench.running import Running

CONNECTIONS = 32
_SCRIPT = Path(__file__).parent / "wrk.lua"


@dataclass(frozen=True)
class Target:
    """A request to repeat: one server's one path. `tokens`: a file of tokens to draw from; `body`: a form with `TOKEN` in it."""

    name: str
    server: Running
    path: str
    tokens: Path | None = None
    body: str | None = None


@dataclass(frozen=True)
class Measured:
    """One round against one target. Times of answers in milliseconds, `cost` in microseconds of server CPU a request."""

    rate: float
    p50: float
    p99: float
    cost: float


def press(target: Target, seconds: int) -> Measured:
    """Asks as fast as 32 connections can. Raises RuntimeError when an answer was not 2xx: a refusal is no work."""
    env = dict(os.environ)
    if target.tokens is not None:
        env["BENCH_TOKENS"] = str(target.tokens)
    if target.body is not None:
        env["BENCH_BODY"] = target.body
    url = f"http://127.0.0.1:{target.server.port}{target.path}"
    command = ["taskset", "-c", str(machine.cores()[1]), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    before = target.server.cpu()
    done = subprocess.run([*command, "-s", str(_SCRIPT), url], env=env, capture_output=True, text=True, check=True)
    used = target.server.cpu() - before
    told = json.loads(done.stdout.strip().splitlines()[-1])
    if told["refused"] or told["broken"] or not told["requests"]:
        raise RuntimeError(
            f"{target.name}: {told['refused']} refused and {told['broken']} broken of {told['requests']} requests"
        )
    asked = told["requests"]
    return Measured(asked / told["microseconds"] * 1e6, told["p50"], told["p99"], used / asked * 1e6)

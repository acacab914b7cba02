"""Keyturn's server and those that it is compared with, each one process on one core."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine, store
from bench.load import Target
from bench.running import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.running import Running

_HERE = Path(__file__).parent
# high enough never to refuse, and on: the counting is part of the work
_LIMIT = 10**9

_NGINX = """
daemon off; master_process off; pid {pid}; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {tmp}; proxy_temp_path {tmp}; fastcgi_temp_path {tmp}; uwsgi_temp_path {tmp}; scgi_temp_path {tmp};
  server {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 "hello"; }} }}
}}
"""


@contextmanager
def keyturn(data: Path, work: Path) -> Iterator[Running]:
    """One worker over the store in `data`, everything on."""
    port = free_port()
    code = "import sys; from keyturn.serve import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "--data", str(data), "--port", str(port), "--rate-limit", str(_LIMIT)]
    with running(command, port, work / f"{data.name}.log") as server:
        yield server


@contextmanager
def hello(work: Path) -> Iterator[Running]:
    """A bare ASGI application on the same uvicorn, with the same flags."""
    port = free_port()
    flags = ["--no-access-log", "--no-server-header", "--ws", "none", "--lifespan", "off", "--log-level", "error"]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        str(_HERE.parent),
        "bench.hello:app",
        "--port",
        str(port),
        *flags,
    ]
    with running(command, port, work / "hello.log") as server:
        yield server


@contextmanager
def nginx(work: Path) -> Iterator[Running]:
    """nginx with one process, which answers a fixed 200 from its configuration."""
    port = free_port()
    file = work / "nginx.conf"
    file.write_text(_NGINX.format(pid=work / "nginx.pid", tmp=work / "nginx", port=port))
    with running(["nginx", "-p", str(work), "-c", str(file)], port, work / "nginx.log") as server:
        yield server


@contextmanager
def oidc_provider(work: Path) -> Iterator[tuple[Running, Path]]:
    """npm's oidc-provider with its tokens in memory, and the file of those tokens."""
    told = machine.node()
    assert told is not None
    node, npm = told
    if not (_HERE / "node_modules" / "oidc-provider").is_dir():
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([*npm, "ci", *flags], cwd=_HERE, check=True, stdout=subprocess.DEVNULL)
    port, tokens = free_port(), work / "oidc-tokens.txt"
    command = [*node, str(_HERE / "oidc.mjs"), str(port), str(tokens)]
    with running(command, port, work / "oidc.log", {"NODE_ENV": "production"}) as server:
        yield server, tokens


@contextmanager
def all_of_them(work: Path, sizes: list[int]) -> Iterator[list[Target]]:
    """Everything to press, started; Keyturn's stores filled with so many tokens each, the last of which counts."""
    with ExitStack() as stack:
        targets = []
        for size in sizes:
            data = work / f"store-{size}"
            tokens = store.fill(data, size)
            server = stack.enter_context(keyturn(data, work))
            targets.append(Target(f"verify {size}", server, "/verify", tokens))
            if size > sizes[0]:  # as many in use as the smallest store has: what the size alone costs
                few = store.some_of(tokens, sizes[0])
                targets.append(Target(f"verify {size} {sizes[0]}", server, "/verify", few))
        targets.append(Target("account", server, "/account", tokens))
        targets.append(Target("hello", stack.enter_context(hello(work)), "/"))
        targets.append(Target("nginx", stack.enter_context(nginx(work)), "/"))
        peer, given = stack.enter_context(oidc_provider(work))
        form = "token=TOKEN&client_id=bench&client_secret=bench"
        targets.append(Target("oidc-provider", peer, "/token/introspection", given, form))
        yield targets

"""Real reverse proxies before a real server, by the configurations of docs/operate/proxies.md."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import START_SECONDS, STOP_SECONDS, Server, environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.tls import Authority

PAGE = (Path(__file__).parents[2] / "docs" / "operate" / "proxies.md").read_text(encoding="utf-8")
PROXY = "127.0.0.9"
"""From where nginx asks Keyturn: another address than that of the clients, who are on this machine as well."""


def fences(language: str) -> list[str]:
    """What stands in the page as code in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def placed(text: str, places: Mapping[str, str]) -> str:
    """The page's text with a test's own names, ports and files in place of the page's, each of which is there."""
    for there, here in places.items():
        assert there in text, there
        text = text.replace(there, here)
    return text


def free_port() -> int:
    """One that nobody listens at, and that the system gives to no connection meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port


HASTY = """import sys
from keyturn.cli.main import main
from keyturn.web.api import cli_auth
cli_auth.KEEP_ALIVE = 0.3
del sys.argv[0]
sys.exit(main())
"""


class Behind(Server):
    """`keyturn serve` as the page starts it, for a proxy at `public`; `url` is where the proxy finds it."""

    def __init__(self, folder: Path, public: str, proxy: str = PROXY) -> None:
        words = next(line for line in fences("sh")[0].splitlines() if line.startswith("keyturn serve ")).split()
        said = dict(zip(words[2::2], words[3::2], strict=True))
        assert said.pop("--data")
        assert said == {"--public-url": "https://keyturn.example.com", "--trusted-proxies": "127.0.0.1"}
        self._here = free_port()
        super().__init__(folder, "--port", str(self._here), "--public-url", public, "--trusted-proxies", proxy)

    def start(self, port: int = 0) -> None:
        """Start it, always at its own port, with more signs of life than one every 15 seconds."""
        self._through = [sys.executable, "-c", HASTY]
        super().start(port)
        self.port, self.url = self._here, f"http://127.0.0.1:{self._here}"


class Proxy:
    """A program that serves in the foreground until it is stopped."""

    def __init__(self, folder: Path, command: list[str], port: int) -> None:
        self.folder, self.port, self._log = folder, port, folder / "log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(folder)
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"{command[0]} did not start:\n{self.log()}")
            time.sleep(0.02)

    def log(self) -> str:
        """All that it has said."""
        return self._log.read_text()

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS)


def nginx(folder: Path, port: int, *files: str) -> Proxy:
    """nginx with these files as conf.d has them, in surroundings like Debian's; its only worker asks from `PROXY`."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is not installed: run `make test`"
    folder.mkdir()
    for number, text in enumerate(files):
        (folder / f"{number}.conf").write_text(text)
    temporary = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n"
        f"    client_body_temp_path {folder}/body;\n{temporary}"
        f"    access_log {folder}/access.log;\n    gzip on;\n    proxy_bind {PROXY};\n    include {folder}/[0-9].conf;\n}}\n"
    )
    return Proxy(folder, [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")], port)


def caddy(folder: Path, port: int, text: str) -> Proxy:
    """Caddy with these sites, which asks nobody for certificates and listens nowhere else."""
    program = shutil.which("caddy")
    assert program, "Caddy is not installed: run `make test`"
    folder.mkdir()
    (folder / "Caddyfile").write_text(
        f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {folder}/storage\n}}\n{text}"
    )
    return Proxy(folder, [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"], port)


def certificate(authority: Authority) -> tuple[str, str]:
    """Its file and that of its key, for localhost and 127.0.0.1."""
    files = authority.folder / "proxy.pem", authority.folder / "proxy.key"
    if not files[0].exists():
        authority.issue(9, *files)
    return str(files[0]), str(files[1])


def connections(port: int) -> set[str]:
    """From where there are some to the port, or were a minute ago: the kernel remembers each that was closed."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    there = f":{port:04X}"
    ends = {row[1] for row in rows if row[2].endswith(there)} | {row[2] for row in rows if row[1].endswith(there)}
    return {end for end in ends if not end.endswith(":0000")}


class Api:
    """Somebody's API, which knows nothing of tokens: it answers what it was told, and counts."""

    def __init__(self) -> None:
        self.told: list[list[tuple[str, str]]] = []
        """The headers of each request that reached it, as they came."""
        self.asked: list[str] = []
        """The method and the address of each."""
        told, asked = self.told, self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                told.append(self.headers.items())
                asked.append(f"{self.command} {self.path}")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding"):
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                status = 401 if self.path == "/its-own-401" else 200
                said = b"the API: %s %s %b\n" % (self.command.encode(), self.path.encode(), body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(said)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_nginx(folder: Path, port: int, authority: Authority, keyturn: int, api: int, _verify: str = "") -> Proxy:
    """nginx by the page: Keyturn is at https://localhost, and the API at https://127.0.0.1, both at that port."""
    files = certificate(authority)
    both = placed("\0".join(fences("nginx")), {
        "127.0.0.1:8420": f"127.0.0.1:{keyturn}",
        "127.0.0.1:9000": f"127.0.0.1:{api}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "keyturn.example.com": "localhost",
        "api.example.com": "127.0.0.1",
        "/etc/ssl/keyturn/fullchain.pem": files[0],
        "/etc/ssl/keyturn/key.pem": files[1],
    })  # fmt: skip
    return nginx(folder / "nginx", port, *both.split("\0"))


def start_caddy(
    folder: Path, port: int, authority: Authority, keyturn: int, api: int, verify: str = "/verify"
) -> Proxy:
    """Caddy by the page, but for where it has certificates from. ``verify``: what it asks Keyturn."""
    tls = f"\n\ttls {' '.join(certificate(authority))}"
    return caddy(folder / "caddy", port, placed("\n".join(fences("caddyfile")), {
        "127.0.0.1:8420": f"127.0.0.1:{keyturn}",
        "127.0.0.1:9000": f"127.0.0.1:{api}",
        "keyturn.example.com {": f"https://localhost:{port} {{{tls}",
        "api.example.com {": f"https://127.0.0.1:{port} {{{tls}",
        "uri /verify": f"uri {verify}",
    }))  # fmt: skip


START = {"nginx": start_nginx, "caddy": start_caddy}

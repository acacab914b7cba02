"""What the real curl, the real git and Python's netrc read, against what is read and written here."""

from __future__ import annotations

import base64
import netrc as python_netrc
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from keyturn.client import _netrc_text, netrc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"
Pair = tuple[str, str] | None


class Server(ThreadingHTTPServer):
    """Asks for Basic credentials, and keeps the last that it was given."""

    given: str | None = None

    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/x.git"

    def taken(self) -> Pair:
        header, self.given = self.given, None
        if header is None:
            return None
        login, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return login, password


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        header = self.headers.get("Authorization")
        self.server.given = header or self.server.given
        self.send_response(404 if header else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server((HOST, 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def curl_reads(server: Server, file: Path) -> Pair:
    command = ["curl", "--silent", "--disable", "-n", "--netrc-file", str(file), "--noproxy", "*", server.url()]
    subprocess.run(command, check=True, capture_output=True)
    return server.taken()


def git_reads(server: Server, home: Path) -> Pair:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "NO_PROXY": "*",
    }
    command = ["git", "-c", "credential.helper=", "ls-remote", server.url()]
    run = subprocess.run(command, env=environ, capture_output=True, check=False)
    assert run.returncode == 128
    return server.taken()


def python_reads(file: Path) -> Pair:
    entry = python_netrc.netrc(str(file)).authenticators(HOST)
    return None if entry is None else (entry[0], entry[2])


def ours(file: Path) -> Pair:
    entry = netrc.find(str(file), [HOST], use_default=True)
    return None if entry is None else (entry.login or "", entry.password or "")


M = f"machine {HOST}"
ALIKE = {
    "as Heroku writes it": f"{M}\n  login a\n  password b\n",
    "one line": f"{M} login a password b",
    "blanks": f"  machine\t{HOST}  login\ta \n\tpassword   b\t\n\n",
    "CRLF": f"# c\r\n{M}\r\n  login a\r\n  password b\r\nmachine x\r\n",
    "values on the next lines": f"machine\n{HOST}\nlogin\na\npassword\nb\n",
    "two on a line": f"machine x login y password z {M} login a password b machine w login u password v\n",
    "password first": f"{M} password b login a\n",
    "account": f"{M} account q login a password b\n",
    "password alone": f"machine x login y password z\n{M} password b\n",
    "quotes": f'{M} login "a" password "two words"\n',
    "escapes": f'{M} login a password "\\"\\\\b\\x"\n',
    "a quote inside": f"{M} login a password in\"si'de\n",
    "UTF-8 in quotes": f'{M} login "\u00e9" password "\u00fc\u4e2d"\n',
    "comments": f"# {M} login x password y\n{M} # c\n  login a # d\n  # password z\n  password b # e\n",
    "an open quote in a comment": f'# "\n{M} login a password b # "\n',
    "a macro above": f"macdef init\n{M} login x password y\n\n{M} login a password b\n",
    "a macro below": f"{M} login a password b\nmacdef init\nlogin x\npassword y\n\n",
    "default": "machine x login y password z\ndefault login a password b\n",
    "default below": f"{M} login a password b\ndefault login c password d\n",
    "no such host": "machine x login y password z\n",
    "a longer host": f"machine {HOST}.example login y password z\n",
    "a host with a port": f"machine {HOST}:8080 login y password z\n{M} login a password b\n",
    "values like keywords": f"{M} login login password password\nmachine x\n",
    "a hash inside": f"{M} login a#b password c#d\n",
    "a hash first, in quotes": f'{M} login "#a" password "#b"\n',
    "empty": "",
}


@pytest.mark.parametrize("text", ALIKE.values(), ids=ALIKE.keys())
def test_a_file_is_read_as_curl_git_and_python_read_it(server: Server, tmp_path: Path, text: str) -> None:
    file = tmp_path / ".netrc"
    file.write_bytes(text.encode())
    file.chmod(0o600)
    mine = ours(file)
    assert curl_reads(server, file) == mine
    assert git_reads(server, tmp_path) == mine
    assert python_reads(file) == mine


AS_CURL = {
    "first of duplicates": f"{M} login a password b\n{M} login x password y\n",
    "first of pairs": f"{M} login a password b\n{M} login x password y login z\n",
    "keywords in capitals": f"MACHINE {HOST} LOGIN a PASSWORD b\n",
    "stray words": f"stray\n{M} stray login a more password b\n",
    "user is a stray word": f"{M} user u password b\n",
    "backslash outside quotes": f"{M} login do\\main password b\\c\n",
    "text glued to a quote": f'{M} login "a"x password "b"\n',
    "default above": f"default login a password b\n{M} login x password y\n",
    "a quote left open below": f'{M} login a password b\nmachine x password "y\n',
    "a comment line where a value is due": f"{M} login a password\n# c\n b\n",
    "an empty password": f'{M} login a password ""\n{M} login x password y\n',
}


@pytest.mark.parametrize("text", AS_CURL.values(), ids=AS_CURL.keys())
def test_where_python_differs_a_file_is_read_as_curl_and_git_read_it(server: Server, tmp_path: Path, text: str) -> None:
    file = tmp_path / ".netrc"
    file.write_bytes(text.encode())
    mine = ours(file)
    assert mine is not None
    assert curl_reads(server, file) == mine
    assert git_reads(server, tmp_path) == mine


EDITED = {
    "nothing": "",
    "an old entry": f"{M} login x password y\n",
    "an old entry in quotes": f'{M}\r\n\tlogin "x y"\r\n\tpassword "\\"z" # c\r\n',
    "duplicates": f"{M} login x password y\n# c\n{M}\n  login v\n  password w\n",
    "a pair twice": f"{M} login x password y login v password w\n",
    "no password": f"{M}\n  login x\nmachine z login y password w\n",
    "nothing but the name": f"{M}\nmachine z login y password w\n",
    "Python's user": f"{M}\n  user u\n  password y\n",
    "a default": "machine z login y password w\n# all others\ndefault login d password e\n",
    "a macro at the end": f"machine z login y password w\nmacdef init\n{M} login x password y\n\n",
    "CRLF without a last line ending": "machine z\r\n login y\r\n password w",
}


@pytest.mark.parametrize("text", EDITED.values(), ids=EDITED.keys())
def test_curl_git_and_python_read_what_was_written(server: Server, tmp_path: Path, text: str) -> None:
    file = tmp_path / ".netrc"
    file.write_bytes(text.encode())
    netrc.write(str(file), ["z2", HOST, "z3"], "me@example.com", "KT-token_1.2~3")
    written = ("me@example.com", "KT-token_1.2~3")
    assert ours(file) == curl_reads(server, file) == git_reads(server, tmp_path) == python_reads(file) == written


def test_others_are_read_as_before_an_edit(server: Server, tmp_path: Path) -> None:
    file = tmp_path / ".netrc"
    # Several versions of curl 7 and 8 lose an entry without a login when another one follows it.
    for text in (text for name, text in ALIKE.items() if name != "password alone"):
        file.write_bytes(text.encode())
        before = ours(file)
        netrc.write(str(file), ["new.example"], "x", "y")
        assert curl_reads(server, file) == python_reads(file) == before
        assert netrc.find(str(file), ["new.example"]) is not None
        netrc.remove(str(file), ["new.example"])
        assert file.read_bytes() == text.encode()


values = st.text(
    st.one_of(
        st.sampled_from(list("\"\\# '$`!%&;<>|*?~=:,{}[]()^@+é中\u00a0\u2028\ufeff")),
        st.characters(exclude_categories=["Cc", "Cs"]),
    ),
    min_size=1,
    max_size=20,
).filter(lambda value: value.lower().encode() not in _netrc_text.KEYWORDS)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values.filter(lambda value: ":" not in value), values)
@example("#", '"')
@example("\\", "\\")
@example('"a', 'b"')
@example(" a ", " b ")
@example("\ufeff", "a:b")
@example("login", "password")
def test_any_value_is_read_back_alike_by_all(server: Server, tmp_path: Path, login: str, password: str) -> None:
    file = tmp_path / ".netrc"
    netrc.write(str(file), [HOST], login, password)
    assert ours(file) == curl_reads(server, file) == python_reads(file) == (login, password)


@pytest.mark.parametrize("password", ['q"q', "back\\slash", "#hash", "two words", "é", "中\u2028", "'", "$HOME`x`"])
def test_git_reads_special_characters_too(server: Server, tmp_path: Path, password: str) -> None:
    netrc.write(str(tmp_path / ".netrc"), [HOST], "L", password)
    assert git_reads(server, tmp_path) == ("L", password)

"""Law: `auth:token` starts like a bare Python, and no command loads what only another one needs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyturn.core import token as grammar

if TYPE_CHECKING:
    from pathlib import Path

RUN = """
import sys
before = set(sys.modules)
from keyturn.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
print(code, *sorted(set(sys.modules) - before), file=sys.stderr)
"""
TOKEN = grammar.make("login", lambda count: b"t" * count)
HEAVY = {
    "argparse",
    "json",
    "re",
    "http",
    "http.client",
    "dataclasses",
    "typing",
    "pathlib",
    "subprocess",
    "socket",
    "ssl",
    "enum",
}


def loaded(*words: str) -> tuple[str, int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}" + RUN, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    code, *modules = done.stderr.splitlines()[-1].split()
    return done.stdout, int(code), set(modules)


@pytest.fixture
def logged_in(home: Path) -> None:
    (home / ".netrc").write_text(f"machine api.heroku.com login me@example.com password {TOKEN}\n")


@pytest.mark.usefixtures("logged_in")
@pytest.mark.parametrize("words", [["auth:token"], ["auth", "token"]])
def test_auth_token_imports_no_more_than_it_reads(words: list[str]) -> None:
    out, code, modules = loaded(*words)
    assert (out, code) == (f"{TOKEN}\n", 0)
    assert modules & HEAVY == set()
    assert {name for name in modules if name.startswith("keyturn.")} == {
        "keyturn.cli", "keyturn.cli.auth_token", "keyturn.cli.main", "keyturn.client", "keyturn.client._netrc_file",
        "keyturn.client._netrc_text", "keyturn.client.credentials", "keyturn.client.errors", "keyturn.client.hosts",
        "keyturn.client.netrc", "keyturn.client.state", "keyturn.core", "keyturn.core.token",
    }  # fmt: skip


@pytest.mark.usefixtures("logged_in")
def test_status_asks_nobody_so_it_loads_no_network() -> None:
    _, code, modules = loaded("auth:status")
    assert code == 0
    assert modules & {"http.client", "socket", "ssl", "keyturn.client.transport"} == set()


def test_no_login_is_told_without_loading_the_network() -> None:
    _, code, modules = loaded("auth:token")
    assert code == 4
    assert modules & {"http.client", "socket", "ssl", "json"} == set()


def test_whoami_loads_neither_the_parser_nor_the_values_of_the_library() -> None:
    _, code, modules = loaded("whoami")
    assert code == 4
    assert (
        modules & {"argparse", "dataclasses", "inspect", "typing", "urllib.request", "subprocess", "keyturn.client.api"}
        == set()
    )


@pytest.mark.parametrize("words", [["help"], ["--version"], ["keys", "--help"]])
def test_the_server_is_loaded_by_its_own_commands_alone(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "keyturn", *words], capture_output=True, text=True, check=True
    )
    assert "keyturn.cli" in done.stderr
    for name in ("keyturn.serve", "keyturn.web", "keyturn.store", "starlette"):
        assert name not in done.stderr


def test_a_server_that_is_not_installed_is_said_so() -> None:
    without = "import sys; sys.modules['uvicorn'] = sys.modules['sqlalchemy'] = sys.modules['starlette'] = None\n"
    code = "from keyturn.cli.main import main; sys.exit(main(['serve', '--port', '0']))"
    done = subprocess.run([sys.executable, "-c", without + code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the server is not installed here" in done.stderr
    assert "pip install 'keyturn[server]'" in done.stderr


def test_ssl_is_put_off_and_is_whole_once_it_is_used() -> None:
    code = (
        "import keyturn.cli.asking, sys, http.client; assert '_ssl' not in sys.modules;"
        "import ssl; context = ssl.create_default_context(); assert '_ssl' in sys.modules;"
        "assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname;"
        "http.client.HTTPSConnection('localhost', context=context); http.client.HTTPSConnection('localhost');"
        "print(ssl.SSLError.__mro__[1].__name__, sys.modules['ssl'].__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["OSError", "ssl"]), done.stderr

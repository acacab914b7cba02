"""Keyturn behind nginx and Caddy, by docs/operate/proxies.md: everything is as without, and nobody forges an address."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import requests
from tests.cli.dialogue import decide, sign_in
from tests.conftest import Account, Cli, run
from tests.support.gits import Checkout, checkout, pusher
from tests.support.proxies import PROXY, START, Behind, connections, fences, free_port
from tests.support.tls import Authority

from keyturn.actions.git_access import GitLimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.interop


class Site:
    """A server, and a proxy before it."""

    def __init__(self, folder: Path, program: str) -> None:
        self.program = program
        self.authority = Authority(folder)
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        with ExitStack() as stack:
            self.server = Behind(folder / "server", self.url, PROXY if program == "nginx" else "127.0.0.1")
            stack.callback(self.server.stop)
            proxy = START[program](folder, self.port, self.authority, self.server.port, 9)
            stack.callback(proxy.stop)
            self.stop = stack.pop_all().close

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        """Asks through the proxy, with nothing that the surroundings add."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, self.url + path, timeout=60, verify=str(self.authority.file), allow_redirects=False, **options  # type: ignore[arg-type]
            )  # fmt: skip


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"), request.param)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def account(site: Site) -> Account:
    return site.server.new_account()


ALONE = pytest.mark.parametrize("site", ["nginx"], indirect=True)


@dataclass(frozen=True)
class Trusting(Cli):
    """Our command line, for the server behind the proxy, whose certificate it trusts."""

    trust: dict[str, str] = field(default_factory=dict)

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return super().env(self.trust | dict(more or {}))


@pytest.fixture
def trusting(site: Site, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """The test itself trusts the certificate, and so do the programs that it starts."""
    for name, value in site.authority.trusting().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def keyturn(site: Site, home: Path, trusting: None) -> Cli:
    """Our command line."""
    return Trusting(site.url, home, site.authority.trusting())


def listed(keyturn: Cli) -> dict[str, str]:
    """The logins of whoever is logged in: where each came from."""
    done = keyturn("sessions", "--json")
    assert done.code == 0, done
    return {login["description"]: login["address"] for login in json.loads(done.out)}


def curl(*words: str) -> tuple[int, str]:
    """The status and what came, head and body."""
    done = run(["curl", "-s", "-S", "-i", *words], None, dict(os.environ))
    assert done.code == 0, done
    return int(done.out.split()[1]), done.out


def test_a_login_by_password_is_used_by_curl_and_listed_with_the_client_s_address(
    keyturn: Cli, account: Account, site: Site
) -> None:
    keyturn.log_in(account)
    assert keyturn("whoami").out == f"{account.email}\n"
    status, said = curl("-n", f"{site.url}/account")
    assert (status, account.email in said) == (200, True)
    assert set(listed(keyturn).values()) == {"127.0.0.1"}
    assert keyturn("logout").code == 0
    status, said = curl("-n", f"{site.url}/account")
    assert status == 401


def test_a_login_in_the_browser_is_waited_for(keyturn: Cli, account: Account, site: Site) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "keyturn", "login"], env=keyturn.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as login:  # fmt: skip
        assert login.stderr is not None
        assert login.stdout is not None
        said = ""
        while not (found := re.search(re.escape(site.url) + r"/auth/browser/ktb_\w+", said)):
            line = login.stderr.readline()
            assert line, said
            said += line
        decide(found[0], account)
        assert login.stdout.read() == f"Logged in as {account.email}\n"
    assert set(listed(keyturn).values()) == {"127.0.0.1"}


def test_the_signs_of_life_of_one_that_waits_come_through_as_they_are_sent(site: Site) -> None:
    begun = site.ask("POST", "/auth", json={}).json()
    asked = {"headers": {"Authorization": f"Bearer {begun['token']}"}, "stream": True}
    with site.ask("GET", begun["cli_url"], **asked) as waiting:
        assert waiting.status_code == 200
        assert [waiting.raw.read(1) for _ in range(3)] == [b" "] * 3
        assert not waiting.raw.closed


def test_megabytes_are_pushed_and_cloned_and_what_git_packs_with_gzip_is_understood(site: Site, tmp_path: Path) -> None:
    ada = pusher(site.server)
    url = f"{site.url.replace('://', f'://x:{ada.token}@')}/{ada.app.name}.git"
    work = Checkout(checkout(tmp_path / "work").folder, site.authority.trusting())
    (work.folder / "large").write_bytes(secrets.token_bytes(5 << 20))
    work.git("add", "large")
    for number in range(40):
        work.git("commit", "-q", "--allow-empty", "-m", "something new")
        work.git("branch", f"branch-{number}")
    pushed = work.git("push", url, "--all")
    assert f"remote: Pushed to {ada.app.name} as {ada.account.email}." in pushed.err
    copied = Checkout(tmp_path, site.authority.trusting() | {"GIT_TRACE_CURL": "1"})
    cloned = copied.git("clone", "--no-local", url, "copy")
    assert "content-encoding: gzip" in cloned.err.lower()
    assert Checkout(tmp_path / "copy").head() == work.head()
    assert (tmp_path / "copy" / "large").stat().st_size == 5 << 20
    ada.fsck()
    assert {event.address for event in ada.audit()} == {"127.0.0.1"}


def test_a_push_without_the_right_is_told_why(site: Site, tmp_path: Path) -> None:
    ada, bob = pusher(site.server), pusher(site.server)
    url = f"{site.url.replace('://', f'://x:{bob.token}@')}/{ada.app.name}.git"
    work = Checkout(checkout(tmp_path / "work").folder, site.authority.trusting())
    refused = work.git("push", url, "main", check=False)
    assert refused.code != 0
    assert "keyturn apps" in refused.err


@ALONE  # Caddy itself hangs up on who goes on sending
def test_who_is_refused_in_the_middle_of_a_large_body_reads_why(site: Site) -> None:
    for _ in range(10):
        told = site.ask("POST", "/auth", data=bytes(8 << 20))
        assert (told.status_code, told.json()["message"]) == (413, "The body is larger than 65536 bytes.")


def test_cookies_are_for_tls_alone_and_browsers_are_told_so(site: Site, account: Account) -> None:
    page = site.ask("GET", "/sign-in", headers={"Accept-Encoding": "gzip"})
    assert page.status_code == 200
    cookies = page.raw.headers.getlist("Set-Cookie")
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("__Host-keyturn_")
        assert "; secure" in cookie.lower()
    assert "Content-Encoding" not in page.headers
    for path in ("/sign-in", "/account", "/healthz", "/verify"):
        assert site.ask("GET", path).headers["Strict-Transport-Security"] == "max-age=31536000"


@ALONE  # Caddy answers for the hosts that it knows
def test_links_lead_to_the_public_address_whatever_host_was_asked_for(site: Site) -> None:
    told = site.ask("GET", "/.well-known/oauth-authorization-server", headers={"Host": "evil.example"})
    assert told.json()["issuer"] == site.url


@ALONE  # Caddy answers at times only when the whole body is there
def test_a_body_goes_through_as_it_comes(site: Site) -> None:
    context = ssl.create_default_context(cafile=str(site.authority.file))
    with (
        socket.create_connection(("127.0.0.1", site.port)) as line,
        context.wrap_socket(line, server_hostname="localhost") as tls,
    ):
        tls.settimeout(60)
        tls.sendall(b"POST /auth HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n" + bytes(200_000))
        assert tls.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("trusting")
def test_an_answer_with_a_long_head_comes_through(site: Site, account: Account) -> None:
    token = {"Authorization": f"Bearer {site.server.token(account)}"}
    asked = {"name": "a client", "redirect_uri": "https://client.example/back"}
    client = site.ask("POST", "/oauth/clients", json=asked, headers=token).json()
    state = "s" * 6000
    with requests.Session() as browser:
        sign_in(browser, site.url, account)
        path = f"/oauth/authorize?client_id={client['id']}&response_type=wrong&state={state}"
        told = browser.get(site.url + path, allow_redirects=False)
    assert told.headers["Location"].startswith("https://client.example/back?error=unsupported_response_type")
    assert state in told.headers["Location"]


# who says where a request comes from


def login(site: Site, account: Account, *words: str, url: str = "", name: str) -> None:
    """A login from another program, with curl's further words."""
    asked = json.dumps({"description": f"Keyturn CLI login from {name}"})
    words = (*words, "-u", f"{account.email}:{account.password}", "-H", "Content-Type: application/json", "-d", asked)
    assert curl(*words, f"{url or site.url}/oauth/authorizations")[0] == 201


def test_an_address_that_a_client_claims_is_ignored(keyturn: Cli, account: Account, site: Site) -> None:
    for number, header in enumerate((
        "X-Forwarded-For: 203.0.113.66", "X-Forwarded-For: 203.0.113.66, 127.0.0.9", "X-FORWARDED-FOR: 127.0.0.9",
        "Forwarded: for=203.0.113.66", "X-Real-IP: 203.0.113.66", "Connection: close, X-Forwarded-For",
    )):  # fmt: skip
        login(site, account, "-H", header, name=f"liar-{number}")
    login(
        site, account, "-H", "X-Forwarded-For: 203.0.113.66", "-H", "X-Forwarded-For: 203.0.113.67", name="liar-twice"
    )
    login(site, account, "--interface", "127.0.0.2", name="elsewhere")
    keyturn.log_in(account)
    addresses = {name.rpartition(" ")[2]: address for name, address in listed(keyturn).items()}
    liars = {name: address for name, address in addresses.items() if name.startswith("liar-")}
    assert len(liars) == 7
    assert set(liars.values()) == {"127.0.0.1"}
    assert addresses["elsewhere"] == "127.0.0.2"


@ALONE
def test_past_nginx_only_the_trusted_address_could_claim_one(keyturn: Cli, account: Account, site: Site) -> None:
    forged = ("-H", "X-Forwarded-For: 203.0.113.66")
    login(site, account, *forged, url=site.server.url, name="another")
    login(site, account, *forged, "--interface", PROXY, url=site.server.url, name="the-proxy")
    keyturn.log_in(account)
    addresses = {name.rpartition(" ")[2]: address for name, address in listed(keyturn).items()}
    assert (addresses["another"], addresses["the-proxy"]) == ("127.0.0.1", "203.0.113.66")


# what the page's numbers stand for


@ALONE
def test_the_connection_to_keyturn_is_kept(site: Site) -> None:
    site.ask("GET", "/healthz")
    before = connections(site.server.port)
    for _ in range(20):
        assert site.ask("GET", "/healthz").status_code == 200
    assert connections(site.server.port) <= before


def test_nginx_waits_as_long_as_git_may_take_and_bounds_no_push() -> None:
    seconds = GitLimits().seconds
    for what in ("read", "send"):
        assert f"proxy_{what}_timeout {seconds:g}s;" in fences("nginx")[0]
    assert "client_max_body_size 0;" in fences("nginx")[0]

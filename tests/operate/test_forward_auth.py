"""An API behind GET /verify, by the configurations of docs/operate/proxies.md: who comes with a token is announced, and nobody
announces themselves.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from http.client import HTTPSConnection
from pathlib import Path
from ssl import create_default_context
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.support.gits import env_of
from tests.support.proxies import START, Api, Behind, Proxy, connections, fences, free_port, start_nginx
from tests.support.tls import Authority

from keyturn.actions import grants
from keyturn.actions.env import By
from keyturn.core.policy import Kind
from keyturn.web import hot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Account

pytestmark = pytest.mark.interop


@dataclass
class Said:
    """An answer to a caller."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Front:
    """A server, somebody's API, and a proxy before both, of which callers know the API alone."""

    def __init__(self, folder: Path, program: str, *, policy: str = "", verify: str = "/verify") -> None:
        """``policy``: of the server; ``verify``: what Caddy asks."""
        self.program = program
        self.authority = Authority(folder)
        self.port = free_port()
        with ExitStack() as stack:
            if policy:
                (folder / "server" / "data").mkdir(parents=True, mode=0o700)
                (folder / "server" / "data" / "policy.toml").write_text(policy)
            self.server = Behind(folder / "server", f"https://localhost:{self.port}")
            stack.callback(self.server.stop)
            self.api = Api()
            stack.callback(self.api.close)
            self.proxy: Proxy = START[program](
                folder, self.port, self.authority, self.server.port, self.api.port, verify
            )
            stack.callback(self.proxy.stop)
            self.stop = stack.pop_all().close

    def line(self) -> HTTPSConnection:
        """A connection of a caller's."""
        return HTTPSConnection(
            "127.0.0.1", self.port, timeout=60, context=create_default_context(cafile=str(self.authority.file))
        )

    def ask(
        self, path: str = "/things", token: str | None = None, *headers: tuple[str, str], method: str = "GET", body: bytes = b"",
        line: HTTPSConnection | None = None,
    ) -> Said:  # fmt: skip
        """A caller's request, with exactly these headers."""
        by = line or self.line()
        by.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            by.putheader(name, value)
        if token is not None:
            by.putheader("Authorization", f"Bearer {token}")
        if body:
            by.putheader("Content-Length", str(len(body)))
        by.endheaders(body or None)
        answer = by.getresponse()
        found: dict[str, str] = {}
        for name, value in answer.getheaders():
            found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
        said = Said(answer.status, found, answer.read().decode())
        if line is None:
            by.close()
        return said

    def told(self) -> dict[str, list[str]]:
        """What the API was told of the caller with the last request: by lower-case names, each value."""
        found: dict[str, list[str]] = {}
        for name, value in self.api.told[-1]:
            found.setdefault(name.lower(), []).append(value)
        return found

    def authorization(self, login: str, *scopes: str, **more: Any) -> tuple[str, str]:
        """A token of that account's with these scopes, and its id."""
        made = self.server.call(
            "POST", "/oauth/authorizations", login, json={"scope": list(scopes), "description": "a robot"} | more
        )
        assert made.status_code == 201, made.text
        return made.json()["access_token"]["token"], made.json()["id"]


PROGRAMS = ["nginx", "caddy"]
ALONE = pytest.mark.parametrize("front", ["nginx"], indirect=True)


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    """Each of the proxies that the page has."""
    return str(request.param)


@pytest.fixture(scope="module", params=PROGRAMS)
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("front"), request.param)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def account(front: Front) -> Account:
    return front.server.new_account()


@pytest.fixture(scope="module")
def login(front: Front, account: Account) -> str:
    return front.server.token(account)


EVERY = ("account", "email", "scope", "credential", "kind", "expires-at", "read-only")


def keyturns(told: dict[str, list[str]]) -> dict[str, list[str]]:
    """Of what the API was told what speaks of Keyturn, however it is spelled; one without a value says nothing."""
    return {name: values for name, values in told.items() if "keyturn" in name and values != [""]}


# who comes with a token


def test_a_good_token_lets_through_and_the_api_is_told_whose_it_is(front: Front, account: Account, login: str) -> None:
    token, identity = front.authorization(login, "read", "write", expires_in=3600)
    said = front.ask("/things?a=b", token, method="POST", body=b"the body")
    assert (said.status, said.text) == (200, "the API: POST /things?a=b the body\n")
    me = front.server.call("GET", "/account", login).json()
    told = front.told()
    [expires_at] = told.pop("x-keyturn-expires-at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", expires_at)
    assert keyturns(told) == {
        "x-keyturn-account": [me["id"]],
        "x-keyturn-email": [account.email],
        "x-keyturn-scope": ["read write"],
        "x-keyturn-credential": [identity],
        "x-keyturn-kind": ["authorization"],
    }
    assert told["x-forwarded-for"] == ["127.0.0.1"]
    assert "authorization" not in told


def test_curl_s_netrc_and_git_s_basic_are_taken_as_well(front: Front, login: str) -> None:
    found = requests.get(
        f"https://127.0.0.1:{front.port}/things", auth=("me", login), verify=str(front.authority.file), timeout=60
    )
    assert found.status_code == 200


def test_what_the_api_itself_refuses_is_passed_on(front: Front, login: str) -> None:
    said = front.ask("/its-own-401", login)
    assert (said.status, said.text) == (401, "the API: GET /its-own-401 \n")


def test_bodies_reach_the_api_alone_and_disturb_nobody_who_comes_after(front: Front, login: str) -> None:
    for token, status in ((login, 200), ("undefined", 401)) * 3:
        line = front.line()
        line.request(
            "POST", "/things", iter([b"some", b"thing"]), {"Authorization": f"Bearer {token}"}, encode_chunked=True
        )
        answer = line.getresponse()
        assert (answer.status, answer.read() == b"the API: POST /things something\n") == (status, status == 200)
        line.close()
        assert front.ask("/things", token, method="PUT", body=b"GET /verify HTTP/1.1\r\n\r\n").status == status
        assert front.ask("/things", login).status == 200
        assert front.ask("/things").status == 401


# who forges


ATTACKS: dict[str, list[tuple[str, str]]] = {
    "all of them": [(f"X-Keyturn-{name.title()}", "forged") for name in EVERY],
    "in small letters": [(f"x-keyturn-{name}", "forged") for name in EVERY],
    "twice": [(f"X-Keyturn-{name}", value) for name in EVERY for value in ("forged", "forged too")],
    "with underscores": [(f"X_Keyturn_{name.title().replace('-', '_')}", "forged") for name in EVERY],
    "with one underscore": [(f"X-Keyturn_{name}", "forged") for name in EVERY],
    "what only refusals have": [("X-Keyturn-Reason", "forged"), ("X-Keyturn-Refusal", "forged")],
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("path", ["/things", "/reports/1"])
def test_headers_that_a_caller_forges_never_reach_the_api(front: Front, login: str, attack: str, path: str) -> None:
    token, _ = front.authorization(login, "read")  # one without an end: two of the headers have nothing to say
    assert front.ask(path, token, *ATTACKS[attack]).status == 200
    told = front.told()
    assert set(keyturns(told)) == {f"x-keyturn-{name}" for name in EVERY[:5]}
    assert "forged" not in str(told)
    assert all(len(values) == 1 for name, values in told.items() if "keyturn" in name)


def test_what_keyturn_says_cannot_be_struck_out_as_if_it_were_for_one_hop(front: Front, login: str) -> None:
    token, _ = front.authorization(login, "read")
    for name in EVERY[:5]:
        assert front.ask("/things", token, ("Connection", f"close, X-Keyturn-{name.title()}")).status == 200
        assert f"x-keyturn-{name}" in front.told()
        assert front.ask("/things", token, ("Connection", "close"), ("Connection", f"x-KEYTURN-{name}")).status == 200
        assert f"x-keyturn-{name}" in front.told()


@pytest.mark.parametrize("attack", ATTACKS)
def test_without_a_token_they_let_nobody_in(front: Front, attack: str) -> None:
    before = len(front.api.told)
    assert front.ask("/things", None, *ATTACKS[attack]).status == 401
    assert front.ask("/things", "undefined", *ATTACKS[attack]).status == 401
    assert len(front.api.told) == before


def test_two_tokens_are_one_too_many(front: Front, login: str) -> None:
    before = len(front.api.told)
    assert front.ask("/things", login, ("Authorization", "Bearer undefined")).status in (400, 401)
    assert (
        front.ask("/things", None, ("Authorization", f"Bearer {login}"), ("Authorization", f"Bearer {login}")).status
        == 400
    )
    assert len(front.api.told) == before


def test_an_address_that_a_caller_claims_is_ignored(front: Front, login: str) -> None:
    assert front.ask("/things", login, ("X-Forwarded-For", "203.0.113.66")).status == 200
    assert front.told()["x-forwarded-for"] == ["127.0.0.1"]


# who is refused


def test_the_dead_learn_of_what_and_what_to_do(front: Front, login: str) -> None:
    token, identity = front.authorization(login, "read")
    assert front.ask("/things", token).status == 200
    front.server.call("DELETE", f"/oauth/authorizations/{identity}", login)
    reached = len(front.api.told)
    for method, body in (("GET", b""), ("POST", b"x" * 100_000), ("DELETE", b"")):
        said = front.ask("/things", token, method=method, body=body)
        assert (said.status, said.headers["content-type"]) == (401, "application/json")
        assert said.headers["x-keyturn-reason"] == said.json["reason"] == "revoked_by_owner"
        assert said.json["next"] == f"keyturn authorizations:create --like {identity}"
        assert "“a robot”" in said.json["message"]
        assert said.headers["www-authenticate"] == (
            'Bearer realm="Keyturn", error="invalid_token", error_description="revoked_by_owner"'
        )
        assert said.headers["cache-control"] == "no-store"
    assert front.ask("/things", token, method="HEAD").status == 401
    assert len(front.api.told) == reached


@pytest.mark.parametrize(
    ("token", "reason", "challenge"),
    [
        (None, "missing", 'Bearer realm="Keyturn"'),
        ("undefined", "malformed", 'Bearer realm="Keyturn", error="invalid_token", error_description="malformed"'),
    ],
)
def test_who_has_no_token_is_told_so(front: Front, token: str | None, reason: str, challenge: str) -> None:
    said = front.ask("/things", token)
    direct = front.server.call("GET", "/verify", token)
    assert (said.status, said.json) == (401, direct.json())
    assert (said.json["reason"], said.headers["x-keyturn-reason"]) == (reason, reason)
    assert said.headers["www-authenticate"] == challenge


def test_a_revocation_is_in_force_with_the_next_request_of_the_same_connection(front: Front, login: str) -> None:
    token, identity = front.authorization(login, "read")
    line = front.line()
    line.connect()
    port = line.sock.getsockname()[1]
    for _ in range(3):  # Keyturn knows the answer by heart then
        assert front.ask("/things", token, line=line).status == 200
    front.server.call("DELETE", f"/oauth/authorizations/{identity}", login)
    said = front.ask("/things", token, line=line)
    assert (said.status, said.json["reason"]) == (401, "revoked_by_owner")
    assert line.sock.getsockname()[1] == port
    line.close()


def test_a_scope_is_asked_for(tmp_path: Path, program: str) -> None:
    front = Front(tmp_path, program, verify="/verify?scope=read")
    try:
        login = front.server.token(front.server.new_account())
        reading, _ = front.authorization(login, "read")
        stranger, _ = front.authorization(login, "identity")
        assert front.ask("/reports/1", reading).status == 200
        reached = len(front.api.told)
        said = front.ask("/reports/1", stranger, method="POST", body=b"x")
        assert (said.status, said.json["id"], said.json["scope"]) == (403, "forbidden", ["read"])
        assert said.json["reason"] == said.headers["x-keyturn-reason"] == "insufficient_scope"
        assert said.headers["www-authenticate"] == 'Bearer realm="Keyturn", error="insufficient_scope", scope="read"'
        assert front.ask("/reports/1", "undefined").status == 401
        assert len(front.api.told) == reached
        if program == "nginx":  # asks for it at that location alone
            assert front.ask("/things", stranger).status == 200
    finally:
        front.stop()


SOFT = '[soft_expiry]\nauthorization = "30 minutes"\n'


def test_what_may_only_read_before_its_end_is_announced_so_and_cannot_hide_it(tmp_path: Path, program: str) -> None:
    front = Front(tmp_path, program, policy=SOFT)
    try:
        account = front.server.new_account()
        with env_of(front.server) as env:
            earlier = replace(env, clock=lambda: env.clock() - timedelta(minutes=59))
            with env.store.writing() as tx:
                owner = tx.account_by_email(account.email)
                assert owner is not None
                made = grants.mint(
                    earlier, tx, By(), owner, Kind.AUTHORIZATION, scopes=("global",), description="🌙" * 300, asked=3600
                )
        assert made.secret is not None
        said = front.ask(
            "/things", made.secret, ("X-Keyturn-Read-Only", "false"), ("Connection", "x-keyturn-read-only")
        )
        assert said.status == 200
        assert front.told()["x-keyturn-read-only"] == ["true"]
        if program == "nginx":
            assert "expires on" in said.headers["warning-message"]
        login = front.server.token(account)
        front.server.call("DELETE", f"/oauth/authorizations/{made.grant.id}", login)
        assert "🌙" * 300 in front.ask("/things", made.secret).json["message"]
    finally:
        front.stop()


def test_while_keyturn_is_down_nobody_is_let_through_and_all_are_told_to_come_again(
    tmp_path: Path, program: str
) -> None:
    front = Front(tmp_path, program)
    try:
        token = front.server.token(front.server.new_account())
        assert front.ask("/things", token).status == 200
        front.server.stop()
        for credential in (token, "undefined", None):
            for method, body in (("GET", b""), ("POST", b"x" * 100_000)):
                said = front.ask("/things", credential, ("X-Keyturn-Account", "forged"), method=method, body=body)
                assert (said.status, said.headers["content-type"]) == (503, "application/json")
                assert (said.json["id"], said.headers["retry-after"]) == ("service_unavailable", "5")
        assert len(front.api.told) == 1
        front.server.start()
        assert front.ask("/things", token).status == 200
    finally:
        front.stop()


# what is nginx' alone


@ALONE
def test_the_addresses_at_which_nginx_asks_are_nobody_else_s(front: Front, login: str) -> None:
    before = len(front.api.told)
    for path in ("/_keyturn/verify", "/_keyturn/verify/read", "/_keyturn/", "/%5fkeyturn/verify", "//_keyturn/verify"):
        assert front.ask(path, login).status == 404
    assert len(front.api.told) == before


@ALONE
def test_nginx_asks_over_a_connection_that_is_kept(front: Front, login: str) -> None:
    front.ask("/things", login)
    before = connections(front.server.port)
    for _ in range(20):
        assert front.ask("/things", login).status == 200
        assert front.ask("/things", "undefined").status == 401
    assert connections(front.server.port) <= before


def test_keyturn_is_asked_by_the_token_alone(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    with closing(Api()) as keyturn, closing(Api()) as api:  # an API says yes to everything
        proxy = start_nginx(tmp_path, port, authority, keyturn.port, api.port)
        try:
            requests.post(
                f"https://127.0.0.1:{port}/things?a=b", data="between the two", timeout=60, verify=str(authority.file),
                headers={"Authorization": "Bearer x", "Cookie": "a=b", "X-Forwarded-For": "203.0.113.66", "User-Agent": "a robot"},
            )  # fmt: skip
        finally:
            proxy.stop()
        assert (keyturn.asked, api.asked) == (["HEAD /verify"], ["POST /things?a=b"])
        [headers] = keyturn.told
        assert dict(headers) == {
            "Host": "127.0.0.1", "Authorization": "Bearer x", "User-Agent": "a robot", "X-Forwarded-For": "127.0.0.1"
        }  # fmt: skip


# what the page has to keep up with


def test_every_header_that_keyturn_says_is_named_on_the_page() -> None:
    source = Path(hot.__file__).read_text(encoding="utf-8")
    said = {name.lower() for name in re.findall(r"x-keyturn-[a-z-]+", source, re.IGNORECASE)}
    assert {f"x-keyturn-{name}" for name in EVERY} < said
    replaced = re.findall(r"^ {4}proxy_set_header (X-Keyturn-\S+) ", fences("nginx")[1], re.MULTILINE)
    assert {name.lower() for name in replaced} == said
    [copied] = re.findall(r"copy_headers (.*)", fences("caddyfile")[1])
    assert [name.lower() for name in copied.split()] == [f"x-keyturn-{name}" for name in EVERY]

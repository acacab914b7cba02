"""Law: a token reaches its own server and nothing else, and every answer becomes a value or an error that says what to do.

The servers here misbehave on purpose, which the real one does not.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.client.stub import JSON, Stub, answer

from keyturn.client import errors
from keyturn.client.transport import Transport, basic, proxy_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.client.stub import Reply


@pytest.fixture
def stub() -> Iterator[Callable[..., Stub]]:
    running: list[Stub] = []

    def start(*replies: Reply | None, port: int = 0) -> Stub:
        running.append(Stub(*replies, port=port))
        return running[-1]

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def to() -> Iterator[Callable[..., Transport]]:
    made: list[Transport] = []

    def connect(url: str, token: str | None = "sesame", **options: Any) -> Transport:
        made.append(Transport(url, token, **{"environ": {}, "timeout": 10, **options}))
        return made[-1]

    yield connect
    for transport in made:
        transport.close()


def test_a_request_says_who_asks_and_in_which_version(stub: Callable[..., Stub], to: Callable[..., Transport]) -> None:
    server = stub(answer({"email": "me@example.com"}))
    assert to(server.url).request("PATCH", "/account", {"name": "é"}).body == {"email": "me@example.com"}
    method, path, headers, body = server.seen[0]
    assert (method, path, json.loads(body)) == ("PATCH", "/account", {"name": "é"})
    assert headers["authorization"] == "Bearer sesame"
    assert headers["accept"] == "application/vnd.heroku+json; version=3"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("keyturn/")


def test_one_connection_serves_several_requests(stub: Callable[..., Stub], to: Callable[..., Transport]) -> None:
    server = stub(answer([]))
    transport = to(server.url)
    for _ in range(3):
        transport.request("GET", "/x")
    assert len(server.seen) == 3
    assert len(server.connections) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_is_not_followed(
    status: int, stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    thief = stub(answer({}))
    server = stub((status, {"Location": f"{thief.url}/account"}, b""))
    with pytest.raises(errors.ConnectionFailed, match="not followed") as refused:
        to(server.url).request("GET", "/account")
    assert thief.seen == []
    assert "sesame" not in str(refused.value)
    assert refused.value.next is not None
    assert thief.url in refused.value.next


@pytest.mark.parametrize(
    "location", ["//127.0.0.2/", "https://127.0.0.1:{port}/", "http://u:p@127.0.0.1:{port}/", "http://[x/", ""]
)
def test_a_redirect_that_only_looks_like_the_same_origin_is_not_followed(
    location: str, stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    server = stub((302, {}, b""))
    server.replies = [(302, {"Location": location.format(port=server.server_port)}, b"")]
    with pytest.raises(errors.ConnectionFailed):
        to(server.url).request("GET", "/account")


def test_a_redirect_on_the_same_origin_keeps_method_body_and_token(
    stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    server = stub((307, {"Location": "/v2/keys?x=1"}, b""), answer({}, 201))
    to(server.url).request("POST", "/keys", {"public_key": "k"})
    first, second = server.seen
    assert second[:2] == ("POST", "/v2/keys?x=1")
    assert second[3] == first[3]
    assert second[2]["authorization"] == "Bearer sesame"


def test_redirects_come_to_an_end(stub: Callable[..., Stub], to: Callable[..., Transport]) -> None:
    server = stub((302, {"Location": "/again"}, b""))
    with pytest.raises(errors.ConnectionFailed, match="without end"):
        to(server.url).request("GET", "/")
    assert len(server.seen) < 10


def test_a_list_is_read_over_all_its_pages(stub: Callable[..., Stub], to: Callable[..., Transport]) -> None:
    server = stub(
        answer([1, 2], 206, Next_Range="id ]2..; max=2"), answer([3, 4], 206, Next_Range="id ]4..; max=2"), answer([5])
    )
    assert to(server.url).pages("/things") == [1, 2, 3, 4, 5]
    assert [headers.get("range") for _, _, headers, _ in server.seen] == [None, "id ]2..; max=2", "id ]4..; max=2"]


def test_a_list_that_repeats_its_range_ends(stub: Callable[..., Stub], to: Callable[..., Transport]) -> None:
    server = stub(answer([1], 206, Next_Range="id 1.."))
    assert to(server.url).pages("/things") == [1, 1]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Invalid), (401, errors.Unauthorized), (402, errors.ApiError), (403, errors.Forbidden), (404, errors.NotFound),
        (409, errors.Invalid), (410, errors.NotFound), (413, errors.Invalid), (422, errors.Invalid), (429, errors.RateLimited),
        (500, errors.ServerFault), (503, errors.ServerFault), (304, errors.ApiError),
    ],
)  # fmt: skip
def test_a_refusal_carries_what_the_server_said(
    status: int, kind: type[errors.ApiError], stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    said = {"id": "some_id", "message": "No, since.", "reason": "expired", "next": "keyturn login", "field": "name"}
    server = stub(answer(said if status != 304 else "", status, Request_Id="r-1,r-2", Retry_After="7"))
    with pytest.raises(errors.ApiError) as caught:
        to(server.url).request("GET", "/x")
    refused = caught.value
    assert type(refused) is kind
    if status != 304:
        assert (refused.status, refused.id, refused.message, refused.reason, refused.next, refused.field, refused.request_id) == (
            status, "some_id", "No, since.", "expired", "keyturn login", "name", "r-1",
        )  # fmt: skip
    if isinstance(refused, errors.RateLimited):
        assert refused.retry_after == 7


@pytest.mark.parametrize(
    "reply",
    [
        (200, {"Content-Type": "text/html"}, b"<html>"),
        (200, JSON, b"{"),
        (200, JSON, b"\xff"),
        (200, JSON, b"[" * 100_000),
        (502, {"Content-Type": "text/html"}, b"<html>Bad Gateway"),
        (500, JSON, b'["not", "an", "object"]'),
        (500, JSON, b'{"message": 5, "id": null}'),
    ],
)
def test_what_no_keyturn_server_answers_is_a_server_fault(
    reply: Reply, stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    with pytest.raises(errors.ServerFault):
        to(stub(reply).url).request("GET", "/account")


def test_white_space_before_an_answer_keeps_the_connection_alive(
    stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    assert to(stub((200, JSON, b'   \n {"access_token": "x"}')).url).request("GET", "/auth/cli/1").body == {
        "access_token": "x"
    }


def test_a_broken_get_is_tried_again_and_a_broken_post_is_not(
    stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    server = stub(None, answer({"id": "1"}))
    assert to(server.url).request("GET", "/account").body == {"id": "1"}
    assert len(server.seen) == 2
    server = stub(None, answer({"id": "1"}))
    with pytest.raises(errors.ConnectionFailed, match="broke"):
        to(server.url).request("POST", "/oauth/authorizations", {})
    assert len(server.seen) == 1


def test_a_server_that_always_breaks_off_is_given_up(stub: Callable[..., Stub], to: Callable[..., Transport]) -> None:
    server = stub(None)
    with pytest.raises(errors.ConnectionFailed):
        to(server.url).request("GET", "/account")
    assert len(server.seen) == 3


def test_a_refused_connection_is_tried_again_for_any_method(
    stub: Callable[..., Stub], to: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]

    def start(_: float) -> None:
        if not late:
            late.append(stub(answer({"id": "1"}), port=port))

    late: list[Stub] = []
    monkeypatch.setattr(time, "sleep", start)
    assert to(f"http://127.0.0.1:{port}").request("POST", "/x", {}).body == {"id": "1"}


def test_nothing_listening_is_said_with_what_to_look_at(to: Callable[..., Transport]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with pytest.raises(errors.ConnectionFailed, match=f"nothing answers at http://127.0.0.1:{port}"):
        to(f"http://127.0.0.1:{port}").request("GET", "/account")


def test_a_silent_server_is_given_up(to: Callable[..., Transport]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(errors.ConnectionFailed, match="did not answer within"):
            to(url, timeout=0.2).request("GET", "/account")


def test_something_that_is_not_http_is_said_so(to: Callable[..., Transport]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(errors.ConnectionFailed):
            to(f"http://127.0.0.1:{other.getsockname()[1]}").request("POST", "/account")


@pytest.mark.parametrize("token", ["two\nlines", "a b", "é", "x\r\nHost: evil", "", "null\0"])
def test_a_token_that_cannot_be_one_is_never_sent(
    token: str, stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    server = stub(answer({}))
    with pytest.raises(errors.NotLoggedIn) as refused:
        to(server.url, token).request("GET", "/account")
    assert server.seen == []
    assert token == "" or token not in str(refused.value)


def test_a_warning_of_the_servers_is_passed_on_once(stub: Callable[..., Stub], to: Callable[..., Transport]) -> None:
    heard: list[str] = []
    transport = to(stub(answer([], X_Heroku_Warning="mind the gap")).url, warn=heard.append)
    transport.request("GET", "/a")
    transport.request("GET", "/b")
    assert heard == ["mind the gap"]


# Proxies.


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("http://far.example:80", {"http_proxy": "http://p:3128"}, ("p", 3128)),
        ("http://far.example:80", {"HTTP_PROXY": "p"}, ("p", 80)),
        ("http://far.example:80", {"HTTP_PROXY": "p", "REQUEST_METHOD": "GET"}, None),  # httpoxy
        ("https://far.example:443", {"HTTPS_PROXY": "http://p:1"}, ("p", 1)),
        ("https://far.example:443", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://far.example:443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://far.example:443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "near.example, example"}, None),
        ("https://far.example:443", {"HTTPS_PROXY": "http://p:1", "no_proxy": ".far.example"}, None),
        ("https://far.example:443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "far.example:443"}, None),
        ("https://far.example:443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ar.example"}, ("p", 1)),
        ("http://localhost:8420", {"http_proxy": "http://p:1"}, None),
        ("http://127.0.0.1:8420", {"http_proxy": "http://p:1"}, None),
    ],
)
def test_a_proxy_is_chosen_as_curl_chooses_it(url: str, environ: dict[str, str], proxy: tuple[str, int] | None) -> None:
    scheme, _, rest = url.partition("://")
    name, _, port = rest.partition(":")
    found = proxy_for(scheme, name, int(port), environ)
    assert (found and (found.host, found.port)) == proxy


@pytest.mark.parametrize("named", ["socks5://p:1", "http://:1", "http://p:port"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(named: str) -> None:
    with pytest.raises(errors.ConnectionFailed) as refused:
        proxy_for("https", "far.example", 443, {"HTTPS_PROXY": named.replace("://", "://u:hunter2@")})
    assert "hunter2" not in str(refused.value)


def test_a_proxy_gets_its_own_password_and_passes_the_request_on(
    stub: Callable[..., Stub], to: Callable[..., Transport]
) -> None:
    proxy = stub(answer({"id": "1"}))
    transport = to("http://far.example", environ={"http_proxy": proxy.url.replace("://", "://me:p%40ss@")})
    assert transport.request("GET", "/account").body == {"id": "1"}
    _, path, headers, _ = proxy.seen[0]
    assert path == "http://far.example/account"
    assert headers["host"] == "far.example"
    assert headers["proxy-authorization"] == basic("me", "p@ss")


# Certificates.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", path, "-out", f"{path}.crt",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


@pytest.fixture
def secure(stub: Callable[..., Stub], certificate: Path) -> Stub:
    server = stub(answer({"id": "1"}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certificate}.crt", certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def test_a_certificate_that_does_not_verify_is_refused_before_anything_is_sent(
    secure: Stub, to: Callable[..., Transport]
) -> None:
    with pytest.raises(errors.ConnectionFailed, match="certificate") as refused:
        to(f"https://localhost:{secure.server_port}").request("GET", "/account")
    assert secure.seen == []
    assert refused.value.next is not None
    assert "SSL_CERT_FILE" in refused.value.next


def test_a_private_authority_is_trusted_by_ssl_cert_file_for_its_names_alone(
    secure: Stub, to: Callable[..., Transport], certificate: Path
) -> None:
    os.environ["SSL_CERT_FILE"] = f"{certificate}.crt"
    assert to(f"https://localhost:{secure.server_port}").request("GET", "/account").body == {"id": "1"}
    with pytest.raises(errors.ConnectionFailed, match="certificate"):
        to(f"https://127.0.0.1:{secure.server_port}").request("GET", "/account")
    assert len(secure.seen) == 1


@pytest.mark.parametrize(("idle", "connections"), [(60.0, 1), (-1.0, 2)])
def test_a_connection_that_was_idle_for_long_is_not_used_again(
    idle: float,
    connections: int,
    stub: Callable[..., Stub],
    to: Callable[..., Transport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server may have given it up while a person typed an answer."""
    monkeypatch.setattr("keyturn.client.transport.IDLE", idle)
    server = stub(answer({}))
    transport = to(server.url)
    transport.request("GET", "/account")
    transport.request("POST", "/account/keys", {})
    assert len(server.connections) == connections

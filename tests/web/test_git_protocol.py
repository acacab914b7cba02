"""Requests of git as no git sends them: odd services, paths, methods and types are refused, in a sentence."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from tests.support.gits import pusher

if TYPE_CHECKING:
    from tests.conftest import Server
    from tests.support.gits import Pusher

FETCH = "info/refs?service=git-upload-pack"


@pytest.fixture(scope="module")
def ada(server: Server) -> Pusher:
    return pusher(server)


@pytest.mark.parametrize(
    "query",
    [
        "service=git-upload-pack&service=git-receive-pack",
        "service=git-receive-pack&service=git-upload-pack",
        "service=git-upload-pack&x=1",
        "service=git-upload-archive",
        "service=upload-pack",
        "service=",
        "service",
        "Service=git-upload-pack",
        "service=git-upload-pack%00",
        "service=--help",
        "service=git-upload-pack;service=git-receive-pack",
        "=git-upload-pack",
    ],
)
def test_the_service_is_one_of_two_and_named_once(ada: Pusher, query: str) -> None:
    answer = ada.server.call("GET", f"/{ada.app.name}.git/info/refs?{query}", ada.token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert (
        answer.text
        == "The query must be service=git-upload-pack or service=git-receive-pack, once, and nothing else.\n"
    )


@pytest.mark.parametrize(
    "what", ["info/refs", "HEAD", "objects/info/packs", "objects/pack/x.pack", "config", "", "info/refs/", "git-upload-archive",
             "../config", "info/../HEAD", "hooks/pre-receive"],
)  # fmt: skip
def test_the_dumb_protocol_is_refused_politely(ada: Pusher, what: str) -> None:
    with socket.create_connection(("localhost", ada.server.port)) as line:  # no client tidies the path up
        line.sendall(f"GET /{ada.app.name}.git/{what} HTTP/1.0\r\nAuthorization: Bearer {ada.token}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 404 ")
    assert answer.endswith(
        "Only git's smart HTTP protocol is served here: git clone, fetch and push (git 1.6.6 or newer).\n"
    )


@pytest.mark.parametrize(
    "name", ["..", "../../etc", "A-App", "x", "-x-", "a_b", "%2e%2e", "a%2fb", "app%00", "app%0a", "--upload-pack=x", "a/b", ".",
             "keyturn;id", "$(id)", "a" * 31, "a" * 5000, "ä-app", ".keyturn/home"],
)  # fmt: skip
def test_what_is_no_name_is_no_app(ada: Pusher, name: str) -> None:
    path = f"/{name}.git/{FETCH}".encode()
    with socket.create_connection(("localhost", ada.server.port)) as line:
        line.sendall(b"GET " + path + f" HTTP/1.0\r\nAuthorization: Bearer {ada.token}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
    assert answer.startswith(("HTTP/1.1 404 ", "HTTP/1.1 400 ")), answer
    assert answer.startswith("HTTP/1.1 400 ") or answer.endswith("Couldn't find that app.\nNext: keyturn apps\n")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_the_advertisement_is_got_and_nothing_else(ada: Pusher, method: str) -> None:
    answer = ada.server.call(method, f"/{ada.app.name}.git/{FETCH}", ada.token)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_a_service_is_posted_to_with_its_own_type_and_no_query(ada: Pusher) -> None:
    path = f"/{ada.app.name}.git/git-upload-pack"
    right = {"Content-Type": "application/x-git-upload-pack-request"}
    assert ada.server.call("GET", path, ada.token).headers["Allow"] == "POST"
    for wrong in (
        "",
        "application/x-git-receive-pack-request",
        "text/plain",
        right["Content-Type"] + "; charset=utf-8",
    ):
        answer = ada.server.call("POST", path, ada.token, data=b"0000", headers={"Content-Type": wrong})
        assert (answer.status_code, answer.headers["Content-Type"]) == (415, "text/plain; charset=utf-8"), wrong
    answer = ada.server.call("POST", path + "?x=1", ada.token, data=b"0000", headers=right)
    assert (answer.status_code, answer.text) == (400, "This address takes no query.\n")
    answer = ada.server.call("POST", path, ada.token, data=b"0000", headers=right | {"Content-Encoding": "br"})
    assert answer.status_code == 415


def test_a_token_in_the_query_is_refused_without_being_repeated(ada: Pusher) -> None:
    answer = ada.server.call("GET", f"/{ada.app.name}.git/git-upload-pack?token={ada.token}")
    assert ada.token not in answer.text
    assert answer.status_code in (400, 405)


@pytest.mark.parametrize(
    "version", ["version=3", "version=2:--x", "x", "version=2 ", "version=1:version=2", "version=\xff", "2"]
)
def test_odd_versions_of_the_protocol_are_left_out(ada: Pusher, version: str) -> None:
    answer = ada.server.call(
        "GET", f"/{ada.app.name}.git/{FETCH}", ada.token, headers={"Git-Protocol": version.encode("latin-1")}
    )
    assert answer.status_code == 200
    newer = "version=2" in version.strip().split(":")
    assert answer.content.startswith(b"000eversion 2" if newer else b"001e# service=git-upload-pack\n0000")


def test_a_push_is_told_the_first_version_even_when_it_asks_for_the_second(ada: Pusher) -> None:
    answer = ada.server.call(
        "GET",
        f"/{ada.app.name}.git/info/refs?service=git-receive-pack",
        ada.token,
        headers={"Git-Protocol": "version=2"},
    )
    assert answer.content.startswith(b"001f# service=git-receive-pack\n0000")
    assert answer.headers["Content-Type"] == "application/x-git-receive-pack-advertisement"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "body", [b"", b"0000", b"zzzz", b"ffff", b"0008what", b"\0" * 5000, b"0014command=fetch-it\n0000"]
)
@pytest.mark.parametrize("service", ["git-upload-pack", "git-receive-pack"])
def test_no_body_breaks_the_server(ada: Pusher, service: str, body: bytes) -> None:
    answer = ada.server.call(
        "POST",
        f"/{ada.app.name}.git/{service}",
        ada.token,
        data=body,
        headers={"Content-Type": f"application/x-{service}-request"},
    )
    assert answer.status_code == 200
    assert "Traceback" not in ada.server.log()


def test_a_body_that_is_no_gzip_is_told(ada: Pusher) -> None:
    answer = ada.server.call(
        "POST", f"/{ada.app.name}.git/git-upload-pack", ada.token, data=b"plain",
        headers={"Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip"},
    )  # fmt: skip
    assert answer.content == b"0025ERR the request's body is no gzip"


def test_two_authorizations_are_a_bad_request_in_text(ada: Pusher) -> None:
    with socket.create_connection(("localhost", ada.server.port)) as line:
        header = f"Authorization: Bearer {ada.token}\r\n"
        line.sendall(f"GET /{ada.app.name}.git/{FETCH} HTTP/1.0\r\n{header}{header}\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert "text/plain" in answer

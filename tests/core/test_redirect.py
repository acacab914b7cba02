"""Redirect URIs: which can be registered, which are the same, and how an answer is put on them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import redirect

GOOD = [
    "https://app.example.com/callback",
    "https://app.example.com/callback?tenant=1",
    "https://app.example.com:8443/",
    "https://app.example.com",
    "https://xn--bcher-kva.example/",
    "https://203.0.113.9/x",
    "http://localhost:5000/auth/heroku/callback",
    "http://127.0.0.1/",
    "http://[::1]:7000/cb",
    "http://box.local/",
    "http://10.1.2.3/cb",
    "http://172.16.0.1/cb",
    "http://192.168.1.4:3000/cb",
]
BAD = {
    "http://app.example.com/callback": "must begin with https://",
    "http://192.0.2.1/": "must begin with https://",
    "http://172.32.0.1/": "must begin with https://",
    "http://localhost.example.com/": "must begin with https://",
    "http://10.0.0.1.example.com/": "must begin with https://",
    "javascript:alert(1)": "whole URL",
    "data:text/html,x": "whole URL",
    "com.example.app:/callback": "whole URL",
    "//app.example.com/": "whole URL",
    "/callback": "whole URL",
    "https:///callback": "whole URL",
    "": "plain ASCII",
    "https://app.example.com:99999/": "whole URL",
    "https://me:pw@app.example.com/": "user name",
    "https://app.example.com@evil.example/": "user name",
    "https://app.example.com/#x": "fragment",
    "https://app.example.com/#": "fragment",
    "https://app.example.com/ x": "plain ASCII",
    "https://app.example.com/\r\nSet-Cookie: a=b": "plain ASCII",
    "https://app.example.com\\@evil.example/": "plain ASCII",
    "https://bücher.example/": "plain ASCII",
    "https://a;script-src.example/": "host name",
    "https://a,b.example/": "host name",
    "https://*.example.com/": "host name",
    "https://app.example.com/" + "x" * 1000: "too long",
}


@pytest.mark.parametrize("uri", GOOD)
def test_https_and_this_machine_and_private_networks_can_be_registered(uri: str) -> None:
    assert redirect.what_is_wrong(uri) is None


@pytest.mark.parametrize("uri", BAD)
def test_what_cannot_be_registered_says_why(uri: str) -> None:
    problem = redirect.what_is_wrong(uri)
    assert problem is not None
    assert BAD[uri] in problem


@pytest.mark.parametrize(
    "asked",
    [
        "https://app.example.com/callback/",
        "https://app.example.com/Callback",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/callback/../evil",
        "https://app.example.com/%63allback",
        "https://app.example.com:443/callback",
        "https://app.example.com:8443/callback",
        "https://APP.example.com/callback",
        "http://app.example.com/callback",
        "https://app.example.com.evil.example/callback",
        "https://app.example.com@evil.example/callback",
        "https://evil.example/callback",
        "",
    ],
)
def test_an_address_that_differs_by_anything_is_another(asked: str) -> None:
    assert not redirect.matches("https://app.example.com/callback", asked)
    assert redirect.matches("https://app.example.com/callback", "https://app.example.com/callback")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_on_the_own_machine_the_port_is_free_and_nothing_else(host: str) -> None:
    registered = f"http://{host}/cb?x=1"
    assert redirect.matches(registered, f"http://{host}:51234/cb?x=1")
    assert redirect.matches(f"http://{host}:8000/cb", f"http://{host}:51234/cb")
    for other in (
        f"http://{host}:51234/cb",
        f"http://{host}:51234/cb?x=2",
        f"https://{host}:51234/cb?x=1",
        f"http://{host}:51234@evil.example/cb?x=1",
        f"http://{host}:51234/cb?x=1#f",
        "http://192.168.1.2:51234/cb?x=1",
        f"http://{host}:999999/cb?x=1",
    ):
        assert not redirect.matches(registered, other), other


def test_on_a_private_network_the_port_is_not_free() -> None:
    assert not redirect.matches("http://192.168.1.2:80/cb", "http://192.168.1.2:81/cb")
    assert not redirect.matches("https://localhost:80/cb", "https://localhost:81/cb")


values = st.text(min_size=1, max_size=30)


@given(uri=st.sampled_from(GOOD), state=values, code=values)
def test_every_state_comes_back_as_it_was_and_the_address_keeps_its_own_query(uri: str, state: str, code: str) -> None:
    try:
        state.encode()
    except UnicodeEncodeError:
        return
    answered = redirect.with_answer(
        uri, {"code": code.encode(errors="replace").decode(), "error": None, "state": state}
    )
    assert answered.startswith(uri)
    assert redirect.what_is_wrong(answered) is None or "too long" in str(redirect.what_is_wrong(answered))
    before, after = dict(parse_qsl(urlsplit(uri).query)), dict(parse_qsl(urlsplit(answered).query))
    assert after == before | {"code": code.encode(errors="replace").decode(), "state": state}


@given(st.text(max_size=60), st.sampled_from(["https://", "http://localhost", "https://a.example/", ""]))
def test_no_address_that_is_taken_can_break_out_of_a_header_or_a_policy(text: str, start: str) -> None:
    uri = start + text
    if redirect.what_is_wrong(uri) is None:
        source = redirect.csp_source(uri)
        assert not set(source) & set(" ;,\r\n'\"*")
        assert source.startswith(("https:", "http:"))
        assert uri.isascii()
        assert uri.isprintable()


def test_the_policy_names_the_origin_and_for_ipv6_its_scheme() -> None:
    assert redirect.csp_source("https://app.example.com/callback?x=1") == "https://app.example.com"
    assert redirect.csp_source("http://localhost:5000/") == "http://localhost:5000"
    assert redirect.csp_source("http://[::1]:5000/") == "http:"

"""Law: every spelling of a server means one thing, and what cannot be meant is refused by name."""

from __future__ import annotations

import pytest

from keyturn.client.hosts import HostError, choose, parse


@pytest.mark.parametrize(
    ("text", "api_url", "machines", "lookups"),
    [
        ("example.com", "https://api.example.com", "api.example.com git.example.com", "api.example.com"),
        ("Example.COM", "https://api.example.com", "api.example.com git.example.com", "api.example.com"),
        ("http://localhost:8420", "http://localhost:8420", "localhost:8420 localhost", "localhost:8420 localhost"),
        ("http://localhost:8420/", "http://localhost:8420", "localhost:8420 localhost", "localhost:8420 localhost"),
        ("HTTP://LocalHost:8420", "http://localhost:8420", "localhost:8420 localhost", "localhost:8420 localhost"),
        ("localhost:8420", "http://localhost:8420", "localhost:8420 localhost", "localhost:8420 localhost"),
        ("localhost", "http://localhost", "localhost", "localhost"),
        ("http://localhost:80", "http://localhost", "localhost", "localhost"),
        ("https://localhost:443", "https://localhost", "localhost", "localhost"),
        ("https://localhost:80", "https://localhost:80", "localhost:80 localhost", "localhost:80 localhost"),
        ("127.0.0.1:8420", "http://127.0.0.1:8420", "127.0.0.1:8420 127.0.0.1", "127.0.0.1:8420 127.0.0.1"),
        ("10.0.0.5", "https://10.0.0.5", "10.0.0.5", "10.0.0.5"),
        (
            "example.com:8443",
            "https://example.com:8443",
            "example.com:8443 example.com",
            "example.com:8443 example.com",
        ),
        ("https://keys.example.com", "https://keys.example.com", "keys.example.com", "keys.example.com"),
        ("http://[::1]:8420", "http://[::1]:8420", "[::1]:8420 ::1", "[::1]:8420 ::1"),
        ("[::1]:8420", "http://[::1]:8420", "[::1]:8420 ::1", "[::1]:8420 ::1"),
    ],
)
def test_a_host_means_one_origin_and_its_netrc_machines(text: str, api_url: str, machines: str, lookups: str) -> None:
    host = parse(text)
    assert (host.api_url, list(host.machines), list(host.lookups)) == (api_url, machines.split(), lookups.split())


@pytest.mark.parametrize("text", ["example.com", "http://localhost:8420", "https://[::1]", "https://example.com:8443"])
def test_the_text_of_a_host_names_the_same_host(text: str) -> None:
    assert parse(parse(text).text) == parse(text)
    assert parse(text) != parse("https://other.example")


@pytest.mark.parametrize(
    "text",
    [
        "", "http://", "https:///x", "ftp://example.com", "file:///etc/passwd", "http://me:secret@example.com",
        "example.com/path", "http://example.com?x", "http://example.com#x", "exa mple.com", "example.com\r\nX-Evil: 1",
        "example.com\n", "ex\x00ample", "exämple.com", "example.com:", "example.com:0", "example.com:65536", "example.com:http",
        "::1", "[::1", "[::1]x", "[example]", "a..b", "-x.com", ".com",
        "http://http://example.com", "example.com:80:80", "exa$mple.com",
    ],
)  # fmt: skip
def test_what_names_no_host_is_refused(text: str) -> None:
    with pytest.raises(HostError):
        parse(text)


@pytest.mark.parametrize(
    ("flag", "variable", "remembered", "chosen", "source"),
    [
        ("a.example", "b.example", "c.example", "a.example", "--host"),
        (None, "b.example", "c.example", "b.example", "HEROKU_HOST"),
        (None, "", "c.example", "c.example", "the last login --host"),
        (None, " ", "c.example", "c.example", "the last login --host"),
        (None, "", None, "heroku.com", "the default"),
    ],
)
def test_the_nearest_naming_of_a_host_wins(
    flag: str | None, variable: str, remembered: str | None, chosen: str, source: str
) -> None:
    host, named_by = choose(flag, {"HEROKU_HOST": variable}, remembered)
    assert (host.text, named_by) == (chosen, source)


@pytest.mark.parametrize(
    ("flag", "variable", "begins"), [("", "good.example", "--host: "), (None, "http://b@d", "HEROKU_HOST: ")]
)
def test_a_bad_host_is_refused_by_the_name_of_what_gave_it(flag: str | None, variable: str, begins: str) -> None:
    with pytest.raises(HostError, match=f"^{begins}"):
        choose(flag, {"HEROKU_HOST": variable}, None)


def test_only_names_that_cannot_mean_another_machine_are_loopback() -> None:
    loopback = ["localhost", "127.0.0.1", "127.9.9.9", "http://x.localhost:1", "http://[::1]"]
    elsewhere = ["localhost.example.com", "127.0.0.1.example.com", "http://128.0.0.1", "notlocalhost", "http://[::2]"]
    assert [text for text in loopback + elsewhere if parse(text).loopback] == loopback


def test_the_browser_login_is_asked_for_at_the_api_itself_but_at_heroku() -> None:
    assert parse("example.com").login_url({}) == "https://api.example.com"
    assert parse("heroku.com").login_url({}) == "https://cli-auth.heroku.com"
    assert parse("example.com").login_url({"HEROKU_LOGIN_HOST": "https://login.example"}) == "https://login.example"

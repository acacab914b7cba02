"""Lists come in pages, answers have tags, and requests are counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.site import Site

from keyturn.core.policy import Kind
from keyturn.web.answer import PAGE_MOST, page
from keyturn.web.api.cli_auth import LOOK, LOOKS_A_SECOND, pause
from keyturn.web.limits import Limit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.asgi import Client

AUTH = "/oauth/authorizations"


def ids(count: int) -> list[str]:
    return [f"{number:04d}" for number in range(count)]


def cut(items: list[str], asked: str | None) -> Any:
    answer = page([SimpleNamespace(id=name) for name in items], lambda item: str(item.id), asked, lambda item: item.id)
    return answer.body, answer.status, dict(answer.headers)


@given(st.integers(0, 450), st.none() | st.integers(1, 450), st.booleans())
def test_walking_the_pages_gives_every_item_once_and_in_order(count: int, most: int | None, descending: bool) -> None:
    asked: str | None = "id ..;" + (f" max={most}" if most else "") + (", order=desc" if descending else "")
    seen: list[str] = []
    pages = 0
    while asked is not None:
        body, status, headers = cut(ids(count), asked)
        assert len(body) <= (most or 200)
        assert status == (206 if "Next-Range" in headers else 200)
        asked = headers.get("Next-Range")
        seen += body
        pages += 1
        assert pages <= count + 1, "walks in a circle"
    assert seen == sorted(ids(count), reverse=descending)
    assert pages == max(1, -(-count // (most or 200)))


def test_a_range_without_end_is_none_and_takes_no_time() -> None:
    """Read by trial and error, it would take years."""
    for asked in ("a" * 20_000 + "." * 20_000 + ",", " " * 40_000 + ",", "id 0001..;" + " " * 300):
        assert cut(ids(3), asked)[0] == ids(3)
    for asked in ("a" * 90 + "." * 90 + ",", "." * 199 + ","):  # of a length that is read
        assert cut(ids(3), asked)[1] == 200


@given(st.sets(st.integers(0, 40)), st.integers(0, 40), st.integers(0, 40), st.integers(1, 10), st.booleans())
def test_a_range_has_its_ends_and_nothing_outside(some: set[int], start: int, end: int, most: int, after: bool) -> None:
    names = [f"{number:04d}" for number in some]
    asked: str | None = f"id {']' if after else ''}{start:04d}..{end:04d}; max={most}"
    seen: list[str] = []
    while asked is not None:
        body, _, headers = cut(names, asked)
        asked = headers.get("Next-Range")
        seen += body
        assert len(seen) <= len(some), "walks in a circle"
    assert seen == sorted(f"{n:04d}" for n in some if start <= n <= end and not (after and n == start))


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "",
        "id ..; ;",
        "id ..",
        "..",
        "name ..; order=asc,max=200;",
        "id ..;max=0200",
        "bytes=0-5",
        "garbage",
        "id ]..[",
    ],
)
def test_a_range_is_read_leniently(asked: str | None) -> None:
    assert cut(ids(5), asked)[:2] == (ids(5), 200)


def test_no_page_is_longer_than_the_longest() -> None:
    assert len(cut(ids(2000), "id ..; max=999999")[0]) == PAGE_MOST
    assert len(cut(ids(5), "id ..; max=0")[0]) == 1


@given(st.text(max_size=60))
def test_no_range_is_a_fault(asked: str) -> None:
    for some in (asked, f"id {asked}", f"id ..{asked}; max={asked}"):
        body, status, headers = cut(ids(5), some)
        assert set(body) <= set(ids(5))
        assert status in (200, 206)
        assert "\n" not in headers.get("Next-Range", "")


def test_the_pages_of_a_real_list_are_walked_as_heroku3_does(site: Site, client: Client) -> None:
    account = site.account()
    secret = site.login(account)
    for _ in range(5):
        site.mint(account, Kind.AUTHORIZATION)
    asked, seen = "id ..; max=2;", []
    while asked:
        reply = client.get(AUTH, ("Range", asked), token=secret)
        seen += [item["id"] for item in reply.json]
        asked = reply.header("next-range") or ""
        assert reply.status == (206 if asked else 200)
        assert len(seen) <= 6, "walks in a circle"
    assert seen == [item["id"] for item in client.get(AUTH, ("Range", "id ..; ;"), token=secret).json]
    assert len(seen) == 6


def test_an_unchanged_list_is_answered_304_and_a_changed_one_is_not(site: Site, client: Client) -> None:
    account = site.account()
    secret = site.login(account)
    for path in ("/account", "/account/keys"):
        tag = client.get(path, token=secret).header("etag") or ""
        for sent in (tag, f"W/{tag}", f'"other", {tag}'):
            reply = client.get(path, ("If-None-Match", sent), token=secret)
            assert (reply.status, reply.body, reply.header("etag")) == (304, b"", tag)
            assert reply.header("ratelimit-remaining")
        assert client.get(path, ("If-None-Match", '"other"'), token=secret).status == 200
        assert client.get(path, ("If-None-Match", tag)).status == 401  # a tag is no credential
    tag = client.get("/account", token=secret).header("etag") or ""
    client.request("PATCH", "/account", token=secret, json={"name": "Ada"})
    assert client.get("/account", ("If-None-Match", tag), token=secret).status == 200


# limits


def test_at_the_limit_comes_a_429_with_the_time_to_wait(tmp_path: Path) -> None:
    site = Site(tmp_path, api_limit=3)
    account = site.account()
    mine, other = site.login(account), site.login(account)
    stranger = site.login(site.account("grace@example.com"))
    client = site.client
    left = [client.get(path, token=mine).header("ratelimit-remaining") for path in ("/account", "/account/keys")]
    left.append(client.get("/account", token=other).header("ratelimit-remaining"))
    assert left == ["2", "1", "0"]  # an account's, not a token's
    for path in ("/account", "/account/keys", AUTH):
        reply = client.get(path, token=mine)
        assert (reply.status, reply.json["id"], reply.header("retry-after")) == (429, "rate_limit", "1200")
        assert reply.header("ratelimit-remaining") == "0"
    assert client.get("/account", token=stranger).status == 200
    assert client.get("/verify", token=mine).status == 200  # counted by itself
    for _ in range(3):
        assert client.get("/account/rate-limits", token=mine).json == {"remaining": 0}
    assert client.get("/account", token="undefined").status == 401
    site.clock.advance(seconds=1200)
    assert client.get("/account/rate-limits", token=mine).header("ratelimit-remaining") == "1"
    assert client.get("/account", token=mine).status == 200
    assert client.get("/account", token=mine).status == 429
    site.close()


def test_an_address_begins_only_so_many_logins(tmp_path: Path) -> None:
    site = Site(tmp_path, begin_limit=2)
    assert [site.client.post("/auth", json={}).status for _ in range(3)] == [201, 201, 429]
    assert site.new_client("203.0.113.80").post("/auth", json={}).status == 201
    site.close()


def test_the_addresses_of_one_ipv6_customer_are_one_place(tmp_path: Path) -> None:
    site = Site(tmp_path, begin_limit=2)
    statuses = [site.new_client(f"2001:db8:1:2::{number}").post("/auth", json={}).status for number in range(1, 4)]
    assert statuses == [201, 201, 429]
    assert site.new_client("2001:db8:1:3::1").post("/auth", json={}).status == 201
    site.close()


def test_many_who_wait_look_no_more_often_together_than_some() -> None:
    assert pause(1) == pause(50) == LOOK
    for waiting in (51, 500, 5000):
        assert waiting / pause(waiting) == pytest.approx(LOOKS_A_SECOND)


@given(st.integers(1, 50), st.lists(st.floats(0, 400), max_size=80))
def test_never_more_than_the_limit_passes_in_an_hour_beyond_what_leaked_out(most: int, gaps: list[float]) -> None:
    limit, now, passed = Limit(most), 1_000_000.0, 0
    for gap in gaps:
        now += gap
        remaining, wait = limit.take("key", now)
        if not wait:
            passed += 1
            assert limit.remaining("key", now) == remaining
        else:
            assert remaining == limit.remaining("key", now) == 0
            assert wait <= 3600 / most + 1e-6
        leaked = (now - 1_000_000.0) / 3600 * most
        assert passed <= most + leaked + 1


def test_a_limit_of_nothing_limits_nothing() -> None:
    limit = Limit(0)
    assert [limit.take("key", 0.0) for _ in range(3)] == [(1_000_000, 0.0)] * 3


def test_whoever_waits_as_long_as_told_is_let_through() -> None:
    limit, now = Limit(7), 50.0
    while limit.take("key", now)[1] == 0.0:
        pass
    for _ in range(20):
        wait = limit.take("key", now)[1]
        assert wait > 0
        now += wait
        assert limit.take("key", now)[1] == 0.0


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    limit = Limit(2)
    limit.take("key", 1_000_000.0)
    limit.take("key", 1_000_000.0)
    assert limit.take("key", 1_000_000.0 - 86_400) == (1, 0.0)


def test_keys_do_not_disturb_one_another() -> None:
    limit = Limit(2)
    for number in range(3000):
        limit.take(f"other {number}", 0.0)
        limit.take(f"other {number}", 0.0)
    assert limit.take("mine", 0.0) == (1, 0.0)

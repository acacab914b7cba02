"""The browser login of a command line over HTTP: beginning, waiting, deciding, collecting."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.asgi import basic, bearer
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import accounts, cli_login
from keyturn.actions.env import By
from keyturn.core.policy import Kind
from keyturn.web.api import cli_auth

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.asgi import Client, Exchange, Reply
    from tests.support.site import Site


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the store all the time, so that no test waits."""
    monkeypatch.setattr(cli_auth, "LOOK", 0.001)


def begin(client: Client, **body: Any) -> dict[str, str]:
    reply = client.post("/auth", json={"description": "Heroku CLI login from laptop"} | body)
    assert reply.status == 201
    return dict(reply.json)


def decide(site: Site, begun: dict[str, str], *, approve: bool = True) -> None:
    """As the person does in the browser, by the action behind the page."""
    with site.store.reading() as tx:
        account = tx.account_by_email(EMAIL)
    web = site.mint(account or site.account(), Kind.WEB)
    secret = begun["browser_url"].rsplit("/", 1)[1]
    cli_login.decide_login(site.env, site.by(web), site.principal(web), secret, approve=approve)


def wait(client: Client, begun: dict[str, str]) -> Reply:
    return client.get(begun["cli_url"], token=begun["token"])


def meanwhile(site: Site, begun: dict[str, str], happen: Callable[[Exchange], None]) -> Reply:
    """The answer to a wait during which something happens, once the wait has begun."""

    async def run() -> Reply:
        exchange = site.client.begin("GET", begun["cli_url"], token=begun["token"])
        await exchange.messages(1)
        happen(exchange)
        return await exchange.reply()

    return site.runner.run(run())


def logins(site: Site) -> int:
    return site.actions().count("login.create")


def test_beginning_answers_the_two_halves_as_paths_of_this_host(client: Client) -> None:
    begun = begin(client, expires_in="3600")
    assert set(begun) == {"browser_url", "cli_url", "token", "expires_at"}
    assert begun["browser_url"].startswith("/auth/browser/ktb_")
    assert begun["cli_url"].startswith("/auth/cli/")
    assert begun["token"].startswith("ktc_")
    assert begun["token"] not in begun["browser_url"] + begun["cli_url"]
    assert begun["expires_at"] == "2026-03-02T09:10:00Z"
    assert client.request("POST", "/auth").status == 201  # with no body at all


def test_an_approved_login_is_collected_with_all_that_a_command_line_needs(site: Site, client: Client) -> None:
    begun = begin(client)
    decide(site, begun)
    reply = wait(client, begun)
    assert (reply.status, reply.header("content-type"), reply.header("cache-control")) == (
        200,
        "application/json",
        "no-store",
    )
    body = reply.json
    assert client.get("/account", token=body["access_token"]).json["email"] == body["email"] == EMAIL
    assert (body["kind"], body["expires_in"], body["expires_at"]) == ("login", 31536000, "2027-03-02T09:00:01Z")
    assert body["life"].startswith("expires in 365 days")
    [mine] = [item for item in client.get("/oauth/sessions", token=body["access_token"]).json if item["current"]]
    assert (mine["id"], mine["description"], mine["address"]) == (
        body["id"],
        "Heroku CLI login from laptop",
        client.address,
    )


def test_the_wait_sends_white_space_until_the_decision_and_then_the_token(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_auth, "KEEP_ALIVE", 0.0)
    begun = begin(client)

    async def run() -> Reply:
        exchange = client.begin("GET", begun["cli_url"], token=begun["token"])
        sent = await exchange.messages(4)
        assert sent[0]["status"] == 200
        assert [message["body"] for message in sent[1:4]] == [b" "] * 3
        assert exchange.task is not None
        assert not exchange.task.done()
        decide(site, begun)
        return await exchange.reply()

    reply = site.runner.run(run())
    assert reply.body.startswith(b"   ")
    assert reply.body.endswith(b"}\n")
    assert reply.header("content-length") is None
    assert reply.json["access_token"].startswith("ktl_")


def test_between_two_signs_of_life_there_is_time_for_less_than_a_minute() -> None:
    assert cli_auth.KEEP_ALIVE <= 30  # the Heroku command line gives up after 60 seconds without a byte


def test_a_denial_ends_the_wait_with_a_sentence(site: Site, client: Client) -> None:
    begun = begin(client)
    reply = meanwhile(site, begun, lambda _: decide(site, begun, approve=False))
    assert reply.status == 200
    assert reply.json == {"error": "The login was denied in the browser. Next: keyturn login", "reason": "denied"}
    assert wait(client, begun).json["reason"] == "denied"


def test_a_time_out_ends_the_wait_with_a_sentence(site: Site, client: Client) -> None:
    begun = begin(client)
    reply = meanwhile(site, begun, lambda _: site.clock.advance(minutes=10))
    assert (reply.status, reply.json["reason"]) == (200, "timed_out")
    assert "access_token" not in reply.json


def test_a_second_collection_is_gone(site: Site, client: Client) -> None:
    begun = begin(client)
    decide(site, begun)
    assert "access_token" in wait(client, begun).json
    reply = wait(client, begun)
    assert (reply.status, reply.json["id"]) == (410, "gone")
    assert "keyturn login" in reply.json["message"]
    assert logins(site) == 1


def test_of_two_that_wait_one_gets_the_token(site: Site, client: Client) -> None:
    begun = begin(client)

    async def run() -> list[Reply]:
        waiting = [client.begin("GET", begun["cli_url"], token=begun["token"]) for _ in range(2)]
        for exchange in waiting:
            await exchange.messages(1)
        decide(site, begun)
        return list(await asyncio.gather(*(exchange.reply() for exchange in waiting)))

    bodies = [reply.json for reply in site.runner.run(run())]
    assert sorted("access_token" in body for body in bodies) == [False, True]
    assert next(body for body in bodies if "error" in body)["reason"] == "collected"
    assert logins(site) == 1


def test_a_strangers_poll_is_refused_and_spoils_nothing(site: Site, client: Client) -> None:
    begun, other = begin(client), begin(client)
    decide(site, begun)
    for headers in (
        [],
        [bearer(other["token"])],
        [bearer("x")],
        [bearer(begun["browser_url"].rsplit("/", 1)[1])],
        [basic("", "x")],
    ):
        assert client.get(begun["cli_url"], *headers).status == 401
    assert client.get("/auth/cli/01900000-0000-7000-8000-000000000000", token=begun["token"]).status == 404
    assert client.get(begun["cli_url"], bearer(begun["token"]), bearer(begun["token"])).status == 400
    assert client.get(f"{begun['cli_url']}?token={begun['token']}").status == 400
    assert "access_token" in wait(client, begun).json


def test_asking_for_the_head_alone_collects_nothing(site: Site, client: Client) -> None:
    begun = begin(client)
    decide(site, begun)
    assert client.request("HEAD", begun["cli_url"], token=begun["token"]).status == 405
    assert "access_token" in wait(client, begun).json


def test_who_went_away_before_the_decision_is_minted_nothing(site: Site, client: Client) -> None:
    begun = begin(client)

    async def run() -> None:
        exchange = client.begin("GET", begun["cli_url"], token=begun["token"])
        await exchange.messages(1)
        exchange.disconnect()
        assert exchange.task is not None
        await exchange.task
        decide(site, begun)

    site.runner.run(run())
    assert logins(site) == 0
    assert "access_token" in wait(client, begun).json  # and may come again


def test_who_went_away_after_the_approval_and_before_the_mint_is_minted_nothing(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin(client)
    decide(site, begun)
    look = cli_login.poll

    async def run() -> None:
        loop = asyncio.get_running_loop()
        exchange = client.begin("GET", begun["cli_url"], token=begun["token"])

        async def leave() -> None:
            exchange.disconnect()
            for _ in range(10):  # until the application has noticed
                await asyncio.sleep(0)

        def look_and_lose(*asked: Any) -> Any:
            seen = look(*asked)
            asyncio.run_coroutine_threadsafe(leave(), loop).result()
            return seen

        monkeypatch.setattr(cli_login, "poll", look_and_lose)
        assert exchange.task is not None
        await exchange.task

    site.runner.run(run())
    monkeypatch.setattr(cli_login, "poll", look)
    assert logins(site) == 0
    assert "access_token" in wait(client, begun).json


def change_password(site: Site) -> None:
    with site.store.reading() as tx:
        account = tx.account_by_email(EMAIL)
    assert account is not None
    acting = site.mint(account)
    accounts.change_password(
        site.env, site.by(acting), site.principal(acting), current_password=PASSWORD, new_password=NEW_PASSWORD
    )


@pytest.mark.parametrize(
    ("happen", "reason"),
    [
        (change_password, "password_changed"),
        (lambda site: accounts.suspend(site.env, By(), EMAIL), "owner_suspended"),
        (lambda site: site.clock.advance(minutes=11), "timed_out"),
    ],
)
def test_what_happens_between_approval_and_collection_ends_the_login(
    happen: Callable[[Site], object], reason: str, site: Site, client: Client
) -> None:
    begun = begin(client)
    decide(site, begun)
    happen(site)
    before = logins(site)
    reply = wait(client, begun)
    assert (reply.status, reply.json["reason"]) == (200, reason)
    assert "access_token" not in reply.json
    assert logins(site) == before


def test_a_server_that_stops_sends_everybody_home_with_a_sentence(site: Site, client: Client) -> None:
    begun = begin(client)
    reply = meanwhile(site, begun, lambda _: site.face.stopping.set())
    assert reply.json["reason"] == "restarting"
    assert "keyturn login" in reply.json["error"]


def test_a_store_that_fails_during_the_wait_is_told_in_the_body(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyturn.store.interface import Unavailable

    begun = begin(client)

    def broken(*_: object) -> None:
        raise Unavailable("gone")

    reply = meanwhile(site, begun, lambda _: monkeypatch.setattr(cli_login, "poll", broken))
    assert (reply.status, reply.json["reason"]) == (200, "unavailable")


def test_no_answer_of_the_wait_repeats_its_secret(site: Site, client: Client) -> None:
    begun = begin(client)
    decide(site, begun)
    assert begun["token"] not in json.dumps(wait(client, begun).json)
    assert begun["token"] not in repr(site.audit())

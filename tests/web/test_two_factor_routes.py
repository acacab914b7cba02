"""The second factors over the API: a token alone neither sets one up nor takes one away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.app_codes import App
from tests.support.factors import with_passkey
from tests.support.rules import put_in_force
from tests.support.world import PASSWORD

from keyturn.core import recovery
from keyturn.core.overrides import parse
from keyturn.core.policy import Kind
from keyturn.web import qr

if TYPE_CHECKING:
    from tests.support.asgi import Client, Reply
    from tests.support.site import Site

    from keyturn.core.credential import Account

BASE = "/account/two-factor"
CHANGES = [("POST", "/app"), ("POST", "/recovery-codes"), ("DELETE", ""), ("DELETE", "/x")]


def code(text: str) -> tuple[str, str]:
    return "Heroku-Two-Factor-Code", text


def app_of(site: Site, key: str) -> App:
    return App(key, site.clock, lambda: site.clock.advance(seconds=1))


def enable(site: Site, token: str, **more: Any) -> tuple[App, list[str]]:
    """Turns it on, as a client does; the app, and the recovery codes."""
    begun = site.client.post(f"{BASE}/app", token=token, json={"password": PASSWORD} | more)
    assert begun.status == 201, begun.text
    app = app_of(site, begun.json["key"])
    body = {"password": PASSWORD, "code": app.code()}
    done = site.client.post(f"{BASE}/app/{begun.json['id']}/confirm", token=token, json=body)
    assert done.status == 200, done.text
    return app, done.json["recovery_codes"]


@pytest.fixture
def account(site: Site) -> Account:
    return site.account()


@pytest.fixture
def token(site: Site, account: Account) -> str:
    """An authorization's: it is asked for a code each time."""
    return site.secret(account, Kind.AUTHORIZATION)


def change(client: Client, token: str, method: str, path: str, *headers: tuple[str, str], **body: Any) -> Reply:
    return client.request(method, BASE + path, *headers, token=token, json=body)


def test_it_is_off_at_first(client: Client, token: str) -> None:
    assert client.get(BASE, token=token).json == {
        "enabled": False, "since": None, "required": False, "factors": [], "recovery_codes_left": 0, "remembered_browsers": 0,
    }  # fmt: skip


def test_it_is_turned_on_by_the_first_code_and_gives_recovery_codes_once(
    site: Site, client: Client, token: str
) -> None:
    begun = client.post(f"{BASE}/app", token=token, json={"password": PASSWORD, "name": "My phone"})
    assert begun.status == 201
    assert begun.json["uri"].startswith("otpauth://totp/Keyturn:ada%40example.com?secret=")
    assert "".join(begun.json["key"].split()) in begun.json["uri"]
    assert begun.json["qr"] == qr.terminal(begun.json["uri"])
    assert client.get(BASE, token=token).json["enabled"] is False
    app = app_of(site, begun.json["key"])
    path = f"{BASE}/app/{begun.json['id']}/confirm"
    wrong = client.post(path, token=token, json={"password": PASSWORD, "code": app.wrong()})
    assert (wrong.status, wrong.json["field"]) == (422, "code")
    done = client.post(path, token=token, json={"password": PASSWORD, "code": app.code()})
    assert done.status == 200
    assert done.json["factor"]["name"] == "My phone"
    assert len(done.json["recovery_codes"]) == recovery.COUNT
    told = client.get(BASE, token=token).json
    assert (told["enabled"], told["since"], told["recovery_codes_left"]) == (True, "2026-03-02T09:00:01Z", 10)
    (factor,) = told["factors"]
    assert factor == done.json["factor"]
    assert (factor["id"], factor["kind"]) == (begun.json["id"], "totp")
    assert client.get("/account", token=token).json["two_factor_authentication"] is True
    again = client.post(path, token=token, json={"password": PASSWORD, "code": app.code()})
    assert again.status == 404


def test_a_second_app_makes_no_new_recovery_codes_and_takes_a_code_of_the_first(
    site: Site, client: Client, token: str
) -> None:
    app, _ = enable(site, token)
    begun = change(client, token, "POST", "/app", code(app.code()), password=PASSWORD)
    assert begun.status == 201
    path, other = f"{BASE}/app/{begun.json['id']}/confirm", app_of(site, begun.json["key"])
    done = client.post(path, token=token, json={"password": PASSWORD, "code": other.code()})
    assert (done.status, done.json["recovery_codes"]) == (200, None)
    site.clock.advance(minutes=5)
    gone = change(client, token, "DELETE", f"/{begun.json['id']}", code(app.code()), password=PASSWORD)
    assert (gone.status, gone.json["id"]) == (200, begun.json["id"])
    assert len(client.get(BASE, token=token).json["factors"]) == 1


@pytest.mark.parametrize(("method", "path"), [*CHANGES, ("POST", "/app/x/confirm")])
@pytest.mark.parametrize("given", [{}, {"password": ""}, {"password": 7}, {"password": "not the password of Ada"}])
def test_a_token_without_the_password_changes_nothing(
    client: Client, token: str, method: str, path: str, given: dict[str, Any]
) -> None:
    before = client.get(BASE, token=token).json
    refused = change(client, token, method, path, **given)
    assert (refused.status, refused.json["id"], refused.json["field"]) == (422, "invalid_params", "password")
    assert client.get(BASE, token=token).json == before


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_where_it_is_on_the_password_without_a_code_changes_nothing(
    site: Site, client: Client, token: str, method: str, path: str
) -> None:
    app, _ = enable(site, token)
    before = client.get(BASE, token=token).json
    for headers in ([], [code(app.wrong())], [code("")]):
        refused = client.request(method, f"{BASE}{path}", *headers, token=token, json={"password": PASSWORD})
        assert (refused.status, refused.json["id"]) == (403, "two_factor")
    assert client.get(BASE, token=token).json == before


def test_a_code_is_good_once_for_each_of_two_changes(site: Site, client: Client, token: str) -> None:
    app, _ = enable(site, token)
    once = app.code()
    made = change(client, token, "POST", "/recovery-codes", code(once), password=PASSWORD)
    again = change(client, token, "POST", "/recovery-codes", code(once), password=PASSWORD)
    assert (made.status, again.status, again.json["id"]) == (201, 403, "two_factor")


def test_new_recovery_codes_take_the_place_of_the_old(site: Site, client: Client, token: str) -> None:
    app, old = enable(site, token)
    made = change(client, token, "POST", "/recovery-codes", code(app.code()), password=PASSWORD).json["recovery_codes"]
    assert len(made) == recovery.COUNT
    assert set(made).isdisjoint(old)
    refused = change(client, token, "POST", "/recovery-codes", code(old[0]), password=PASSWORD)
    assert (refused.status, refused.json["message"]) == (403, "That recovery code is wrong, or was used already.")
    assert change(client, token, "DELETE", "", code(made[0]), password=PASSWORD).status == 200


def test_it_is_turned_off_by_password_and_code_and_the_owner_is_told(site: Site, client: Client, token: str) -> None:
    app, _ = enable(site, token)
    off = change(client, token, "DELETE", "", code(app.code()), password=PASSWORD)
    assert (off.status, off.json["enabled"], off.json["factors"], off.json["recovery_codes_left"]) == (
        200,
        False,
        [],
        0,
    )
    assert site.actions()[-1] == "mfa.off"
    again = change(client, token, "DELETE", "", password=PASSWORD)
    assert (again.status, again.json["message"]) == (422, "two-factor sign-in is off already")


def test_a_login_that_was_proven_just_now_is_not_asked_again(site: Site, client: Client, account: Account) -> None:
    login = site.login(account)
    app, _ = enable(site, login)
    asked = change(client, login, "POST", "/recovery-codes", password=PASSWORD)
    assert (asked.status, asked.json["id"]) == (403, "two_factor")
    assert change(client, login, "POST", "/recovery-codes", code(app.code()), password=PASSWORD).status == 201
    assert change(client, login, "POST", "/recovery-codes", password=PASSWORD).status == 201
    site.clock.advance(minutes=15)
    assert change(client, login, "POST", "/recovery-codes", password=PASSWORD).status == 403


def test_the_last_factor_is_not_removed_but_turned_off(site: Site, client: Client, token: str) -> None:
    app, _ = enable(site, token)
    (factor,) = client.get(BASE, token=token).json["factors"]
    refused = change(client, token, "DELETE", f"/{factor['id']}", code(app.code()), password=PASSWORD)
    assert (refused.status, refused.json["field"]) == (422, "factor")


def test_where_the_policy_asks_for_it_it_stays_on(site: Site, token: str) -> None:
    app, _ = enable(site, token)
    put_in_force(site, parse('two_factor.required = "all"', name="p"))
    client = site.client
    assert client.get(BASE, token=token).json["required"] is True
    refused = change(client, token, "DELETE", "", code(app.code()), password=PASSWORD)
    assert (refused.status, refused.json["reason"]) == (403, "two_factor_to_set_up")
    assert client.get(BASE, token=token).json["enabled"] is True


def test_anothers_factor_and_set_up_are_not_there(site: Site, client: Client, token: str) -> None:
    stranger = site.secret(site.account("eve@example.com"), Kind.AUTHORIZATION)
    begun = client.post(f"{BASE}/app", token=token, json={"password": PASSWORD}).json
    app = app_of(site, begun["key"])
    body = {"password": PASSWORD, "code": app.code()}
    assert client.post(f"{BASE}/app/{begun['id']}/confirm", token=stranger, json=body).status == 404
    enable(site, stranger)
    (own,) = client.get(BASE, token=stranger).json["factors"]
    assert change(client, token, "DELETE", f"/{own['id']}", password=PASSWORD).status == 404


@pytest.mark.parametrize("body", [{"name": 7}, {"name": "x" * 61}])
def test_a_name_that_cannot_be_one_is_refused(client: Client, token: str, body: dict[str, Any]) -> None:
    refused = change(client, token, "POST", "/app", password=PASSWORD, **body)
    assert (refused.status, refused.json["field"]) == (422, "name")


@pytest.mark.parametrize("text", [None, "", " ", 123456, "12345", "x" * 10_000])
def test_what_is_no_code_turns_nothing_on(client: Client, token: str, text: object) -> None:
    begun = client.post(f"{BASE}/app", token=token, json={"password": PASSWORD}).json
    body = {"password": PASSWORD, "code": text}
    refused = client.post(f"{BASE}/app/{begun['id']}/confirm", token=token, json=body)
    assert (refused.status, refused.json["field"]) == (422, "code")


def test_passwords_guessed_with_a_stolen_token_are_throttled(client: Client, token: str) -> None:
    replies = [change(client, token, "POST", "/app", password=f"wrong guess {number}") for number in range(12)]
    assert {reply.status for reply in replies} == {422, 429}
    assert replies[-1].status == 429
    assert int(replies[-1].header("retry-after") or 0) > 0


def test_narrow_tokens_and_oauth_clients_may_not(site: Site, client: Client, account: Account) -> None:
    narrow = site.secret(account, Kind.AUTHORIZATION, scopes=("read", "write"))
    assert client.get(BASE, token=narrow).json["reason"] == "insufficient_scope"
    app = site.secret(account, Kind.OAUTH)
    for method, path in CHANGES:
        assert change(client, narrow, method, path, password=PASSWORD).json["reason"] == "insufficient_scope"
        assert change(client, app, method, path, password=PASSWORD).json["reason"] == "not_for_clients"


def test_an_account_under_single_sign_on_has_its_second_factor_elsewhere(
    site: Site, client: Client, account: Account, token: str
) -> None:
    with site.store.writing() as tx:
        tx.change_account(account.id, federated=True)
    for method, path in CHANGES:
        refused = change(client, token, method, path, password=PASSWORD)
        assert (refused.status, refused.json["field"]) == (422, "password")
        assert "single sign-on" in refused.json["message"]


def test_no_secret_of_it_is_audited(site: Site, client: Client, token: str) -> None:
    app, codes = enable(site, token)
    change(client, token, "DELETE", "", code(codes[0]), password=PASSWORD)
    trail = repr(site.audit())
    for secret in (PASSWORD, codes[0], codes[1], app.seed.hex(), repr(app.seed)):
        assert secret not in trail


# Why a request is refused for want of a code (test_why.py has the rest).

REQUESTS = [
    (method, path)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    for path in (
        "/account", "/account/password", "/account/keys", "/account/keys/x", "/oauth/authorizations", "/oauth/authorizations/~",
        "/oauth/authorizations/x", "/oauth/authorizations/~/actions/regenerate-tokens",
        "/oauth/authorizations/x/actions/regenerate-tokens",
        BASE, f"{BASE}/app", f"{BASE}/recovery-codes", f"{BASE}/x", "/verify", "/nope",
    )
]  # fmt: skip


@pytest.mark.parametrize("life", [None, 3600])
def test_the_verdict_of_why_is_that_of_the_bare_request(
    site: Site, client: Client, account: Account, life: int | None
) -> None:
    enable(site, site.login(account))
    seen = set()
    for method, path in REQUESTS:
        asking = site.secret(account, Kind.AUTHORIZATION, asked=life)
        told = client.get(f"/credentials/why?method={method}&path={path}", token=asking).json
        real = client.request(method, path, token=asking)
        refused = real.status in (401, 403, 405) or (real.status == 404 and real.json.get("resource") == "route")
        assert (told["verdict"] == "refused") is refused, (method, path, told, real.text)
        if refused:
            assert (told["status"], told.get("reason")) == (real.status, real.json.get("reason"))
            assert told["message"] == real.json["message"]
            seen.add(told.get("reason"))
    assert "two_factor" in seen


def test_why_notes_that_a_body_may_take_a_code_and_a_fresh_login_is_not_asked(
    site: Site, client: Client, account: Account
) -> None:
    login = site.mint(account)
    assert login.secret is not None
    about = "/credentials/why?method=PATCH&path=/account"
    assert "note" not in client.get(about, token=login.secret).json
    app, _ = enable(site, login.secret)
    told = client.get(about, token=login.secret).json
    assert (told["verdict"], told["note"]) == (
        "allowed", "With some contents this request takes a two-factor code as well.",
    )  # fmt: skip
    keys = f"/credentials/{login.grant.id}/why?method=POST&path=/account/keys"
    told = client.get(keys, token=login.secret).json
    assert (told["verdict"], told["status"], told["id"]) == ("refused", 403, "two_factor")
    assert change(client, login.secret, "POST", "/recovery-codes", code(app.code()), password=PASSWORD).status == 201
    for path in (about, keys):
        told = client.get(path, token=login.secret).json
        assert told["verdict"] == "allowed"
        assert "note" not in told


def test_an_account_with_a_passkey_alone_is_sent_to_the_browser(site: Site, client: Client) -> None:
    holder = with_passkey(site)
    token = site.secret(holder.account, Kind.AUTHORIZATION)
    for given in ({}, {"password": PASSWORD}):
        refused = change(client, token, "POST", "/recovery-codes", **given)
        assert (refused.status, refused.json["id"]) == (403, "device_trust_required")
        assert refused.json["next"] == "keyturn login"
    told = client.get("/credentials/why?method=POST&path=/account/keys", token=token).json
    assert (told["verdict"], told["reason"]) == ("refused", "browser_only")
    assert [factor["kind"] for factor in client.get(BASE, token=token).json["factors"]] == ["passkey"]
    done = change(client, token, "POST", "/recovery-codes", code(holder.recovery[0]), password=PASSWORD)
    assert done.status == 201

"""The second factor in the API, by the header Heroku-Two-Factor-Code: no way in is weaker than the browser's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import factors
from tests.support.asgi import basic
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import accounts
from keyturn.actions.env import By
from keyturn.actions.factors import reset_as_operator
from keyturn.core import policy
from keyturn.core.policy import Kind
from keyturn.web import app

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.factors import Holder
    from tests.support.site import Site

HEADER = "Heroku-Two-Factor-Code"
AUTH = "/oauth/authorizations"
LOGIN = {"description": "Heroku CLI login from a laptop"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHyYTAmGGvZ5hBJ6IPIqr3EQRdXUFzPFxp4JHYOkOhz ada@laptop"
DAY = policy.DAY


def coded(code: str | None) -> tuple[tuple[str, str], ...]:
    return () if code is None else ((HEADER, code),)


def mint(site: Site, code: str | None = None, *, password: str = PASSWORD, json: dict[str, Any] | None = None) -> Reply:
    """A token by e-mail and password."""
    return site.client.post(AUTH, basic(EMAIL, password), *coded(code), json=LOGIN if json is None else json)


def wants_code(reply: Reply) -> bool:
    assert (reply.status, reply.json["id"]) == (403, "two_factor"), reply.body
    return True


@pytest.mark.parametrize("asked", [LOGIN, {"description": "deploy"}, {}])
def test_a_token_by_password_takes_a_code_that_is_good_once(asked: dict[str, Any], site: Site) -> None:
    holder = factors.with_app(site)
    assert wants_code(mint(site, json=asked))
    assert wants_code(mint(site, holder.wrong_code(), json=asked))
    code = holder.code()
    made = mint(site, code, json=asked)
    assert made.status == 201
    assert site.client.get("/account", token=made.json["access_token"]["token"]).status == 200
    assert wants_code(mint(site, code, json=asked))


def test_with_a_wrong_password_a_code_is_neither_asked_nor_used_up(site: Site) -> None:
    holder = factors.with_app(site)
    assert mint(site, password="a wrong password").status == 401
    assert mint(site, holder.code(), password="a wrong password").status == 401
    assert mint(site, holder.recovery[0], password="a wrong password").status == 401
    assert mint(site, holder.code()).status == 201
    assert mint(site, holder.recovery[0]).status == 201


def test_a_recovery_code_works_once(site: Site) -> None:
    holder = factors.with_app(site)
    assert mint(site, holder.recovery[0]).status == 201
    assert wants_code(mint(site, holder.recovery[0]))


def test_wrong_codes_are_slowed_down_but_no_recovery_code(site: Site) -> None:
    holder = factors.with_app(site)
    assert [mint(site, holder.wrong_code()).status for _ in range(11)] == [403] * 10 + [429]
    assert mint(site, holder.code()).status == 429
    assert mint(site, holder.recovery[0]).status == 201


@pytest.mark.parametrize("code", ["ä", "0" * 3000, " ", "1 2 3"])
def test_what_is_no_code_is_refused(code: str, site: Site) -> None:
    factors.with_app(site)
    assert wants_code(mint(site, code))


def test_an_account_with_passkeys_alone_is_sent_to_the_browser(site: Site) -> None:
    holder = factors.with_passkey(site)
    reply = mint(site)
    assert (reply.status, reply.json["id"]) == (403, "device_trust_required")
    assert "browser" in reply.json["message"]
    assert mint(site, holder.recovery[0]).status == 201


@pytest.mark.parametrize(
    ("required", "admin", "status"), [("all", False, 403), ("admins", True, 403), ("admins", False, 201)]
)
def test_where_the_policy_asks_for_a_factor_a_password_alone_mints_nothing(
    required: str, admin: bool, status: int, site: Site
) -> None:
    site.env = replace(site.env, policy=replace(site.env.policy, mfa_required=required))
    site.face = replace(site.face, env=site.env)
    site.client.app = app.build(site.face)
    factors.without(site, admin=admin)
    reply = mint(site)
    assert reply.status == status
    if status == 403:
        assert reply.json["reason"] == "two_factor_to_set_up"


def test_a_short_password_alone_mints_nothing_after_its_factor_was_reset(site: Site) -> None:
    holder = factors.with_app(site)
    session, short = holder.session(), "qv7zk-2mxw"
    accounts.change_password(
        site.env, site.by(session), site.principal(session), current_password=PASSWORD, new_password=short
    )
    assert mint(site, holder.code(), password=short).status == 201
    reset_as_operator(site.env, By(), EMAIL)
    reply = mint(site, password=short)
    assert (reply.status, reply.json["reason"]) == (403, "two_factor_to_set_up")


# Sensitive calls by token.


SENSITIVE: dict[str, Any] = {
    "an SSH key": lambda s, t, h: s.client.post("/account/keys", *h, token=t, json={"public_key": KEY}),
    "a new password": lambda s, t, h: s.client.request(
        "PUT", "/account/password", *h, token=t, json={"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    ),
    "a new password by PATCH": lambda s, t, h: s.client.request(
        "PATCH", "/account", *h, token=t, json={"password": PASSWORD, "new_password": NEW_PASSWORD}
    ),
    "another e-mail address": lambda s, t, h: s.client.request(
        "PATCH", "/account", *h, token=t, json={"password": PASSWORD, "email": "new@example.com"}
    ),
    "the API key": lambda s, t, h: s.client.post(AUTH + "/~/actions/regenerate-tokens", *h, token=t),
    "a token without an end": lambda s, t, h: s.client.post(AUTH, *h, token=t, json={"description": "deploy"}),
}


def held_login(site: Site, holder: Holder) -> str:
    """A login whose proof is long ago."""
    return site.secret(holder.account, Kind.LOGIN)


@pytest.mark.parametrize("what", SENSITIVE)
def test_a_sensitive_call_takes_a_code(what: str, site: Site) -> None:
    holder = factors.with_app(site)
    token, act = held_login(site, holder), SENSITIVE[what]
    before = site.actions()
    assert wants_code(act(site, token, ()))
    assert site.actions() == before
    assert wants_code(act(site, token, coded(holder.wrong_code())))
    assert act(site, token, coded(holder.fresh_code())).status in (200, 201)


@pytest.mark.parametrize("what", SENSITIVE)
@pytest.mark.parametrize("way", ["dry_run=true", "dry_run=1"])
def test_calling_it_a_dry_run_spares_nobody_the_code_for_what_is_none(what: str, way: str, site: Site) -> None:
    """An endpoint without a dry run does nothing; one that has one asks for no code, and does nothing either."""
    holder = factors.with_app(site)
    token = held_login(site, holder)
    original, before = site.client.request, site.audit()

    def request(method: str, target: str, *headers: Any, **rest: Any) -> Reply:
        return original(method, f"{target}?{way}", *headers, **rest)

    site.client.request = request  # type: ignore[method-assign]
    reply = SENSITIVE[what](site, token, ())
    if reply.status != 403:
        assert reply.status in (200, 404, 422)
        assert reply.status != 200 or reply.json["dry_run"] is True
        assert reply.status != 422 or reply.json["field"] == "dry_run"
    assert site.audit() == before


def test_an_account_without_a_second_factor_is_asked_for_none(site: Site) -> None:
    holder = factors.without(site)
    token = held_login(site, holder)
    assert SENSITIVE["an SSH key"](site, token, ()).status == 201


def test_a_login_is_not_asked_again_for_a_quarter_of_an_hour(site: Site) -> None:
    holder = factors.with_app(site)
    token = held_login(site, holder)
    act = SENSITIVE["a token without an end"]
    assert act(site, token, coded(holder.fresh_code())).status == 201
    site.clock.advance(seconds=policy.REAUTH - 1)
    assert act(site, token, ()).status == 201
    site.clock.advance(seconds=1)
    assert wants_code(act(site, token, ()))


def test_a_login_that_was_just_made_with_a_code_is_not_asked_and_another_one_is(site: Site) -> None:
    holder = factors.with_app(site)
    fresh = mint(site, holder.code()).json["access_token"]["token"]
    other = held_login(site, holder)
    act = SENSITIVE["an SSH key"]
    assert wants_code(act(site, other, ()))
    assert act(site, fresh, ()).status == 201


def test_an_authorization_is_asked_each_time(site: Site) -> None:
    holder = factors.with_app(site)
    token = site.secret(holder.account, Kind.AUTHORIZATION)
    act = SENSITIVE["an SSH key"]
    assert wants_code(act(site, token, ()))
    assert act(site, token, coded(holder.fresh_code())).status == 201
    assert wants_code(SENSITIVE["the API key"](site, token, ()))


def test_a_code_of_another_account_is_none(site: Site) -> None:
    mine, other = factors.with_app(site), factors.with_app(site, "eve@example.com")
    token = held_login(site, mine)
    site.clock.advance(seconds=30)
    for code in (other.code(), other.recovery[0]):
        assert wants_code(SENSITIVE["an SSH key"](site, token, coded(code)))


def test_a_preview_of_a_new_password_needs_no_code(site: Site) -> None:
    holder = factors.with_app(site)
    token = held_login(site, holder)
    reply = site.client.request("PUT", "/account/password?dry_run=true", token=token, json={})
    assert (reply.status, reply.json["dry_run"]) == (200, True)


def test_the_code_stands_in_no_audit_row(site: Site) -> None:
    holder = factors.with_app(site)
    code, wrong = holder.code(), holder.wrong_code()
    mint(site, wrong)
    mint(site, code)
    mint(site, holder.recovery[0])
    told = "\n".join(str(event) for event in site.audit())
    assert not any(secret in told for secret in (f"'{code}'", f"'{wrong}'", holder.recovery[0]))

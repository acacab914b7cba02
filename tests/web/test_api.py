"""Each route's happy path, and the JSON that Heroku's clients read: the facts of schema v6, as data."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.asgi import basic
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.asgi import Client
    from tests.support.site import Site

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g ada@laptop"
AUTH = "/oauth/authorizations"

# Field -> type, as schema v6 has it; `?` may be null. A nested object is a dict.
ACCOUNT = {
    "allow_tracking": "boolean", "beta": "boolean", "country_of_residence": "string?", "created_at": "date-time",
    "default_organization": "object?", "default_team": "object?", "delinquent_at": "date-time?", "email": "email",
    "federated": "boolean", "id": "uuid", "identity_provider": "object?", "last_login": "date-time?", "name": "string?",
    "sms_number": "string?", "suspended_at": "date-time?", "two_factor_authentication": "boolean", "updated_at": "date-time",
    "verified": "boolean",
}  # fmt: skip
AUTHORIZATION: dict[str, Any] = {
    "access_token": {"expires_in": "integer?", "id": "uuid", "token": "string"}, "client": "object?", "created_at": "date-time",
    "description": "string", "grant": "object?", "id": "uuid", "refresh_token": "object?", "scope": "strings",
    "session": "object?", "updated_at": "date-time", "user": {"id": "uuid", "email": "email", "full_name": "string?"},
}  # fmt: skip
PUBLIC_KEY = {
    "comment": "string", "created_at": "date-time", "email": "string", "fingerprint": "fingerprint", "id": "uuid",
    "public_key": "string", "updated_at": "date-time",
}  # fmt: skip
SESSION = {
    "created_at": "date-time",
    "description": "string",
    "expires_in": "integer?",
    "id": "uuid",
    "updated_at": "date-time",
}
PATTERNS = {
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "email": r"[^@\s]+@[^@\s]+",
    "fingerprint": r"([0-9a-f]{2}:){15}[0-9a-f]{2}",
    "string": r"(?s).*",
}


def fits(value: Any, kind: Any) -> bool:
    """Whether the value has the schema's type."""
    if isinstance(kind, dict):
        return isinstance(value, dict) and all(name in value and fits(value[name], kind[name]) for name in kind)
    if kind.endswith("?") and value is None:
        return True
    kind = kind.rstrip("?")
    if kind in PATTERNS:
        return isinstance(value, str) and re.fullmatch(PATTERNS[kind], value) is not None
    if kind == "uuid":
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    if kind == "strings":
        return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    return isinstance(value, {"boolean": bool, "integer": int, "object": dict}[kind])


def assert_fits(value: Any, schema: dict[str, Any]) -> None:
    assert set(schema) <= set(value)
    wrong = {name: value[name] for name, kind in schema.items() if not fits(value[name], kind)}
    assert wrong == {}


def test_the_account_has_every_field_of_the_schema(site: Site, client: Client) -> None:
    secret = site.login(site.account(name="Ada"))
    body = client.get("/account", token=secret).json
    assert_fits(body, ACCOUNT)
    assert (body["email"], body["name"], body["created_at"]) == (EMAIL, "Ada", "2026-03-02T09:00:00Z")
    assert client.request("PATCH", "/account", token=secret, json={}).json == body


def test_the_account_changes_its_name_and_flags(site: Site, client: Client) -> None:
    secret = site.login()
    reply = client.request(
        "PATCH", "/account", token=secret, json={"name": "Ada", "beta": True, "allow_tracking": False}
    )
    assert reply.status == 200
    assert_fits(reply.json, ACCOUNT)
    assert (reply.json["name"], reply.json["beta"], reply.json["allow_tracking"]) == ("Ada", True, False)
    assert client.get("/account", token=secret).json == reply.json


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/account/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        ("PATCH", "/account", {"password": PASSWORD, "new_password": NEW_PASSWORD}),
    ],
)
def test_a_password_change_says_what_it_ended_and_shows_the_new_api_key_once(
    method: str, path: str, body: dict[str, str], site: Site, client: Client
) -> None:
    account = site.account()
    acting, other = site.login(account), site.mint(account)
    key = client.post(f"{AUTH}/~/actions/regenerate-tokens", token=acting).json["access_token"]["token"]
    reply = client.request(method, path, token=acting, json=body)
    assert reply.status == 200
    assert_fits(reply.json, ACCOUNT)
    assert {(e["kind"], e["reason"]) for e in reply.json["ended"]} == {
        ("login", "password_changed"),
        ("api_key", "password_changed"),
    }
    assert other.grant.id in {e["id"] for e in reply.json["ended"]}
    assert_fits(reply.json["api_key"], AUTHORIZATION)
    new_key = reply.json["api_key"]["access_token"]["token"]
    assert client.get("/account", token=new_key).status == client.get("/account", token=acting).status == 200
    assert client.get("/account", token=key).json["reason"] == "password_changed"
    assert "**********" in client.get(f"{AUTH}/~", token=acting).json["access_token"]["token"]
    assert client.post(AUTH, basic(EMAIL, NEW_PASSWORD), json={}).status == 201


def test_a_wrong_current_password_changes_nothing(site: Site, client: Client) -> None:
    secret = site.login()
    reply = client.request(
        "PUT", "/account/password", token=secret, json={"current_password": "x", "new_password": NEW_PASSWORD}
    )
    # no 401: the token is good, and a client that is told otherwise logs in anew
    assert (reply.status, reply.json["id"], reply.json["field"]) == (422, "invalid_params", "current_password")
    assert client.post(AUTH, basic(EMAIL, PASSWORD), json={}).status == 201


def test_another_email_is_asked_for_by_patch_with_the_password_and_taken_back_by_the_old_one(
    site: Site, client: Client
) -> None:
    secret = site.login()
    reply = client.request(
        "PATCH", "/account", token=secret, json={"password": PASSWORD, "email": "new@example.com", "name": "Ada"}
    )
    assert (reply.status, reply.json["email"], reply.json["name"]) == (200, EMAIL, "Ada")
    assert reply.json["pending_email"] == "new@example.com"
    again = client.request("PATCH", "/account", token=secret, json={"name": "Ada L."})
    assert again.json["pending_email"] == "new@example.com"
    back = client.request("PATCH", "/account", token=secret, json={"email": EMAIL})
    assert (back.status, "pending_email" in back.json) == (200, False)


@pytest.mark.parametrize("body", [{"new_password": NEW_PASSWORD}, {"email": "new@example.com"}])
def test_what_takes_the_password_is_not_ignored_without_it(body: dict[str, str], site: Site, client: Client) -> None:
    secret = site.login()
    reply = client.request("PATCH", "/account", token=secret, json=body)
    assert (reply.status, reply.json["field"]) == (422, "password")
    assert client.get("/account", token=secret).json["email"] == EMAIL


def test_a_patch_of_several_things_is_all_or_nothing(site: Site, client: Client) -> None:
    secret = site.login()
    before = client.get("/account", token=secret).json
    for body in (
        {"password": PASSWORD, "email": "new@example.com", "beta": "yes"},
        {"password": PASSWORD, "email": "new@example.com", "name": 5},
        {"password": PASSWORD, "new_password": NEW_PASSWORD, "email": "not an address"},
        {"password": PASSWORD, "new_password": NEW_PASSWORD, "name": 5},
    ):
        assert client.request("PATCH", "/account", token=secret, json=body).status == 422
    after = client.get("/account", token=secret).json
    assert {**after, "last_login": None} == {**before, "last_login": None}
    assert client.post(AUTH, basic(EMAIL, PASSWORD), json={}).status == 201


def test_rate_limits_features_and_teams_answer_so_that_clients_do_not_stumble(site: Site, client: Client) -> None:
    secret = site.login()
    assert client.get("/account/rate-limits", token=secret).json == {"remaining": 4500}
    assert client.get("/account/features", token=secret).json == []
    assert client.get("/teams", token=secret).json == []


def test_an_account_that_is_sent_back_whole_is_taken_as_it_is(site: Site, client: Client) -> None:
    secret = site.login()
    whole = client.get("/account", token=secret).json
    assert client.request("PATCH", "/account", token=secret, json=whole | {"name": "Ada"}).json["name"] == "Ada"


def test_a_new_password_and_a_new_name_come_together(site: Site, client: Client) -> None:
    secret = site.login()
    body = {"password": PASSWORD, "new_password": NEW_PASSWORD, "name": "Ada"}
    reply = client.request("PATCH", "/account", token=secret, json=body)
    assert (reply.status, reply.json["name"], reply.json["ended"]) == (200, "Ada", [])
    assert client.post(AUTH, basic(EMAIL, NEW_PASSWORD), json={}).status == 201


# authorizations


def test_an_authorization_is_made_listed_shown_changed_rotated_and_revoked(site: Site, client: Client) -> None:
    acting = site.login()
    made = client.post(AUTH, token=acting, json={"description": "ci", "expires_in": "3600", "scope": ["read", "write"]})
    assert made.status == 201
    assert_fits(made.json, AUTHORIZATION)
    secret, place = made.json["access_token"]["token"], f"{AUTH}/{made.json['id']}"
    assert (made.json["description"], made.json["scope"], made.json["access_token"]["expires_in"]) == (
        "ci",
        ["read", "write"],
        3600,
    )
    assert (made.json["expires_at"], made.json["kind"], made.json["current"]) == (
        "2026-03-02T10:00:01Z",
        "authorization",
        False,
    )
    assert made.json["life"].startswith("expires in 1 hour")

    shown = client.get(place, token=acting).json
    assert_fits(shown, AUTHORIZATION)
    mask = shown["access_token"]["token"]
    before, stars, after = mask.partition("**********")
    assert stars
    assert secret.startswith(before)
    assert secret.endswith(after)
    assert shown["access_token"] | {"token": secret} == made.json["access_token"]
    assert shown in client.get(AUTH, token=acting).json

    changed = client.request("PATCH", place, token=acting, json={"description": "cd"})
    assert (changed.status, changed.json["description"], changed.json["access_token"]["token"]) == (200, "cd", mask)

    rotated = client.post(f"{place}/actions/regenerate-tokens", token=acting)
    assert rotated.status == 200
    assert_fits(rotated.json, AUTHORIZATION)
    assert rotated.json["id"] == made.json["id"]
    assert rotated.json["scope"] == ["read", "write"]
    assert client.get("/verify", token=rotated.json["access_token"]["token"]).status == 200
    assert client.get("/verify", token=secret).json["reason"] == "rotated"

    revoked = client.delete(place, token=acting)
    assert (revoked.status, revoked.json["description"]) == (200, "cd")
    assert_fits(revoked.json, AUTHORIZATION)
    assert client.get("/verify", token=rotated.json["access_token"]["token"]).json["reason"] == "revoked_by_owner"
    assert client.get(place, token=acting).status in (200, 404)
    assert client.delete(place, token=acting).status == 404


def test_the_token_that_asks_is_shown_whole_to_itself_and_to_no_other(site: Site, client: Client) -> None:
    account = site.account()
    mine, other = site.login(account), site.login(account)
    tokens = {item["access_token"]["token"]: item["current"] for item in client.get(AUTH, token=mine).json}
    assert tokens.pop(mine) is True
    assert list(tokens.values()) == [False]
    assert other not in tokens
    for presented in (basic(mine, ""), basic("", mine), basic(EMAIL, mine)):
        assert mine in {item["access_token"]["token"] for item in client.get(AUTH, presented).json}


def test_the_api_key_goes_by_a_tilde(site: Site, client: Client) -> None:
    acting = site.login()
    missing = client.get(f"{AUTH}/~", token=acting)
    assert (missing.status, missing.json["id"], missing.json["resource"]) == (404, "not_found", "authorization")
    made = client.post(f"{AUTH}/~/actions/regenerate-tokens", token=acting)
    assert (made.status, made.json["kind"], made.json["access_token"]["expires_in"]) == (200, "api_key", None)
    assert client.get(f"{AUTH}/~", token=acting).json["id"] == made.json["id"]
    key = made.json["access_token"]["token"]
    assert client.get(f"{AUTH}/~", token=key).json["access_token"]["token"] == key
    assert client.delete(f"{AUTH}/~", token=acting).status == 200
    assert client.get("/account", token=key).json["reason"] == "revoked_by_owner"


def test_a_login_by_password_is_what_the_heroku_command_line_expects(site: Site, client: Client) -> None:
    site.account(name="Ada", password="pass:word with a colon")
    body = {"description": "Heroku CLI login from laptop", "expires_in": 2592000, "scope": ["global"]}
    reply = client.post(AUTH, basic(EMAIL.upper(), "pass:word with a colon"), json=body)
    assert reply.status == 201
    assert_fits(reply.json, AUTHORIZATION)
    assert reply.json["user"]["email"] == EMAIL
    assert reply.json["user"]["full_name"] == "Ada"
    assert (reply.json["kind"], reply.json["session"]) == ("login", {"id": reply.json["id"]})
    secret = reply.json["access_token"]["token"]
    assert client.get("/account", token=secret).json["last_login"] == "2026-03-02T09:00:00Z"
    assert client.get("/account", basic(EMAIL, secret)).status == 200


def test_a_wrong_password_looks_the_same_for_known_and_unknown_emails(site: Site, client: Client) -> None:
    site.account()
    known = client.post(AUTH, basic(EMAIL, "a wrong password"), json={})
    unknown = client.post(AUTH, basic("nobody@example.com", "a wrong password"), json={})
    assert known.status == unknown.status == 401
    assert known.body == unknown.body
    assert known.json["id"] == "unauthorized"
    differing = {"request-id"}
    assert [h for h in known.headers if h[0] not in differing] == [h for h in unknown.headers if h[0] not in differing]


def test_too_many_wrong_passwords_are_a_429_that_says_when_to_try_again(site: Site, client: Client) -> None:
    site.account()
    for _ in range(5):
        assert client.post(AUTH, basic(EMAIL, "a wrong password"), json={}).status == 401
    reply = client.post(AUTH, basic(EMAIL, PASSWORD), json={})
    assert (reply.status, reply.json["id"], reply.header("retry-after")) == (429, "rate_limit", "1")
    assert site.new_client("203.0.113.77").post(AUTH, basic(EMAIL, PASSWORD), json={}).status == 201


def test_a_scope_is_only_narrowed_whatever_the_token_asks(site: Site, client: Client) -> None:
    narrow = site.secret(site.account(), Kind.AUTHORIZATION, scopes=("read", "write"))
    reply = client.post(AUTH, token=narrow, json={"scope": ["global"]})
    assert (reply.status, reply.json["reason"]) == (403, "insufficient_scope")


# sessions and logging out


def test_logging_out_is_the_sequence_of_the_heroku_command_line(site: Site, client: Client) -> None:
    account = site.account()
    mine, other = site.login(account), site.login(account)
    listed = client.get(AUTH, token=mine).json
    ended = client.delete("/oauth/sessions/~", token=mine)
    assert ended.status == 200
    assert_fits(ended.json, SESSION)
    assert ended.json["id"] in {item["id"] for item in listed}
    assert client.get("/account", token=mine).json["reason"] == "logged_out"
    assert client.get("/account", token=other).status == 200
    for path in ("/oauth/sessions/~", f"{AUTH}/~"):
        assert client.delete(path, token=mine).json["id"] == "unauthorized"


def test_an_authorization_has_no_session_to_end(site: Site, client: Client) -> None:
    secret = site.secret(site.account(), Kind.AUTHORIZATION)
    reply = client.delete("/oauth/sessions/~", token=secret)
    assert (reply.status, reply.json["id"], reply.json["resource"]) == (404, "not_found", "session")


def test_sessions_are_listed_without_tokens_and_ended_one_by_one(site: Site, client: Client) -> None:
    account = site.account()
    mine, web = site.login(account), site.mint(account, Kind.WEB)
    listed = client.get("/oauth/sessions", token=mine).json
    for item in listed:
        assert_fits(item, SESSION)
    assert [(item["kind"], item["current"]) for item in listed] == [("login", True), ("web", False)]
    assert "kt" + "w_" not in client.get("/oauth/sessions", token=mine).text
    assert client.delete(f"/oauth/sessions/{web.grant.id}", token=mine).json["id"] == web.grant.id
    assert site.ended(web) == "logged_out"


# keys


def test_a_key_is_added_shown_and_removed_by_id_or_fingerprint(site: Site, client: Client) -> None:
    secret = site.login()
    added = client.post("/account/keys", token=secret, json={"public_key": KEY + "\n"})
    assert added.status == 201
    assert_fits(added.json, PUBLIC_KEY)
    assert (added.json["public_key"], added.json["comment"], added.json["email"]) == (KEY, "ada@laptop", EMAIL)
    assert client.get("/account/keys", token=secret).json == [added.json]
    names = [
        added.json["id"],
        added.json["fingerprint"],
        added.json["fingerprint"].replace(":", "%3A"),
        added.json["sha256"],
    ]
    for name in names:
        assert client.get(f"/account/keys/{name}", token=secret).json == added.json
    again = client.post("/account/keys", token=secret, json={"public_key": KEY})
    assert (again.status, again.json["field"]) == (422, "public_key")
    for name in names:
        removed = client.delete(f"/account/keys/{name}", token=secret)
        assert (removed.status, removed.json["fingerprint"]) == (200, added.json["fingerprint"])
        assert client.delete(f"/account/keys/{name}", token=secret).status == 404
        client.post("/account/keys", token=secret, json={"public_key": KEY})


# what is another's


def test_anothers_thing_looks_exactly_like_one_that_there_is_not(site: Site, client: Client) -> None:
    mine, other = site.login(), site.account("grace@example.com")
    theirs = site.mint(other, Kind.AUTHORIZATION)
    key = client.post("/account/keys", token=theirs.secret, json={"public_key": KEY}).json
    nobody = "01900000-0000-7000-8000-000000000000"
    for method, path, name in [
        ("GET", AUTH + "/{}", theirs.grant.id),
        ("PATCH", AUTH + "/{}", theirs.grant.id),
        ("DELETE", AUTH + "/{}", theirs.grant.id),
        ("POST", AUTH + "/{}/actions/regenerate-tokens", theirs.grant.id),
        ("DELETE", "/oauth/sessions/{}", theirs.grant.id),
        ("GET", "/account/keys/{}", key["id"]),
        ("DELETE", "/account/keys/{}", key["fingerprint"]),
    ]:
        there = client.request(method, path.format(name), token=mine)
        nowhere = client.request(method, path.format(nobody), token=mine)
        assert there.status == nowhere.status == 404
        assert there.body == nowhere.body
    assert site.reason(theirs.secret) is None

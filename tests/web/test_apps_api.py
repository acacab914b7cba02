"""/apps, collaborators and transfers over HTTP, as the Heroku Platform API has them."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.support.world import EMAIL

from keyturn.actions import grants
from keyturn.actions.env import By
from keyturn.core.policy import Kind
from keyturn.web.api.apps import git_url, ssh_url

if TYPE_CHECKING:
    from tests.support.asgi import Client, Reply
    from tests.support.site import Site

BOB = "bob@example.com"
MEMBERS = "/apps/my-app/collaborators"
TRANSFERS = "/account/app-transfers"

# The fields and types of the Heroku Platform API's schema: https://devcenter.heroku.com/articles/platform-api-reference.
ID, MOMENT, TEXT, MAIL, WHOLE, YES, NONE = "uuid", "date-time", str, "email", int, bool, type(None)
PERSON = {"email": MAIL, "id": ID}
NAMED = {"id": ID, "name": TEXT}
APP: dict[str, Any] = {
    "acm": YES, "archived_at": (MOMENT, NONE), "build_stack": NAMED, "buildpack_provided_description": (TEXT, NONE),
    "created_at": MOMENT, "git_url": TEXT, "id": ID, "internal_routing": (YES, NONE), "maintenance": YES, "name": TEXT,
    "organization": (NAMED, NONE), "owner": PERSON, "region": NAMED, "released_at": (MOMENT, NONE), "repo_size": (WHOLE, NONE),
    "slug_size": (WHOLE, NONE), "space": (NAMED, NONE), "stack": NAMED, "team": (NAMED, NONE), "updated_at": MOMENT,
    "web_url": (TEXT, NONE),
}  # fmt: skip
COLLABORATOR: dict[str, Any] = {
    "app": NAMED, "created_at": MOMENT, "id": ID, "permissions": [{"name": TEXT, "description": TEXT}], "role": TEXT,
    "updated_at": MOMENT, "user": PERSON | {"federated": YES},
}  # fmt: skip
TRANSFER: dict[str, Any] = {
    "app": NAMED, "created_at": MOMENT, "id": ID, "owner": PERSON, "recipient": PERSON, "state": TEXT, "updated_at": MOMENT,
}  # fmt: skip


def misfits(value: object, shape: Any, where: str = "") -> list[str]:
    """Where a JSON value is not as the schema says."""
    if isinstance(shape, tuple):
        tried = [misfits(value, each, where) for each in shape]
        return [] if [] in tried else tried[0]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        return [m for name, inner in shape.items() for m in misfits(value.get(name, ...), inner, f"{where}.{name}")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [m for number, inner in enumerate(value) for m in misfits(inner, shape[0], f"{where}[{number}]")]
    if isinstance(shape, type):
        return [] if type(value) is shape else [f"{where}: {value!r} is no {shape.__name__}"]
    try:
        if shape == "uuid":
            uuid.UUID(str(value))
        elif shape == "date-time":
            datetime.fromisoformat(str(value))
        else:
            assert re.fullmatch(r"\S+@\S+", str(value))
    except (ValueError, AssertionError):
        return [f"{where}: {value!r} is no {shape}"]
    return []


@pytest.fixture
def token(site: Site) -> str:
    return site.login()


@pytest.fixture
def bob(site: Site) -> str:
    return site.login(site.account(BOB))


@pytest.fixture
def app(client: Client, token: str) -> dict[str, Any]:
    reply = client.post("/apps", token=token, json={"name": "my-app"})
    assert reply.status == 201
    made: dict[str, Any] = reply.json
    return made


def share(client: Client, token: str, *permissions: str) -> Reply:
    asked = {"user": BOB} | ({"permissions": list(permissions)} if permissions else {})
    return client.post(MEMBERS, token=token, json=asked)


def test_an_app_has_every_field_of_the_schema(client: Client, token: str, app: dict[str, Any]) -> None:
    assert misfits(app, APP) == []
    assert app["git_url"] == "http://localhost:8420/my-app.git"
    assert app["ssh_url"] is None  # it serves none
    assert app["owner"]["email"] == EMAIL
    assert app["permissions"] == ["view", "deploy", "operate", "manage"]
    for path in ("/apps/my-app", f"/apps/{app['id']}"):
        assert client.get(path, token=token).json == app
    assert client.get("/apps", token=token).json == client.get("/users/~/apps", token=token).json == [app]


def test_a_collaborator_and_a_transfer_have_every_field_of_the_schema(
    client: Client, token: str, app: dict[str, Any], bob: str
) -> None:
    added = share(client, token)
    offered = client.post(TRANSFERS, token=token, json={"app": "my-app", "recipient": BOB})
    assert (added.status, offered.status) == (201, 201)
    assert misfits(added.json, COLLABORATOR) == []
    assert misfits(offered.json, TRANSFER) == []
    members = client.get(MEMBERS, token=bob).json
    assert misfits(members, [COLLABORATOR]) == []
    assert sorted((m["role"], m["user"]["email"]) for m in members) == [("collaborator", BOB), ("owner", EMAIL)]
    assert client.get(f"{MEMBERS}/{BOB}", token=token).json == added.json
    assert client.get(f"{MEMBERS}/{quote(BOB, safe='')}", token=token).json == added.json
    assert client.get(f"{MEMBERS}/{added.json['id']}", token=token).json == added.json
    assert client.get(TRANSFERS, token=bob).json == [offered.json]
    assert client.get(f"{TRANSFERS}/my-app", token=bob).json == offered.json


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("http://localhost:8420", "http://localhost:8420/my-app.git"),
        ("https://keyturn.example.com", "https://keyturn.example.com/my-app.git"),
        ("https://api.example.com", "https://git.example.com/my-app.git"),
        ("https://api.example.com:8443", "https://git.example.com:8443/my-app.git"),
        ("http://[::1]:8420", "http://[::1]:8420/my-app.git"),
    ],
)
def test_where_git_finds_an_app(public_url: str, expected: str) -> None:
    assert git_url(public_url, "my-app") == expected


@pytest.mark.parametrize(
    ("public_url", "port", "expected"),
    [
        ("http://localhost:8420", 2222, "ssh://git@localhost:2222"),
        ("https://keyturn.example.com:8443", 22, "ssh://git@keyturn.example.com"),
        ("https://api.example.com", 2222, "ssh://git@git.example.com:2222"),
        ("http://[::1]:8420", 22, "ssh://git@[::1]"),
    ],
)
def test_where_git_finds_an_app_over_ssh(public_url: str, port: int, expected: str) -> None:
    assert ssh_url(public_url, port) == expected


@pytest.mark.parametrize(
    "body", [{}, {"name": None}, {"name": "", "region": "eu", "stack": "heroku-24"}, {"team": None, "surprise": [1]}]
)
def test_what_heroku_clients_send_makes_an_app(client: Client, token: str, body: dict[str, Any]) -> None:
    reply = client.post("/apps", token=token, json=body)
    assert reply.status == 201
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d{5}", reply.json["name"])


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"name": "my-app"}, "name", "Name my-app is already taken"),
        ({"name": "X"}, "name", "Name has 3 to 30 characters"),
        ({"name": "Not A Name"}, "name", "Name starts with a letter, ends with a letter or digit"),
        ({"name": 7}, "name", "Name is a text"),
        ({"name": {"a": "b"}}, "name", "Name is a text"),
        ({"team": "ours"}, "team", "apps of a team are not part of this version"),
        ({"space": "ours"}, "space", "apps of a space are not part of this version"),
    ],
)
def test_what_cannot_be_made_is_422(
    client: Client, token: str, app: dict[str, Any], body: dict[str, Any], field: str, message: str
) -> None:
    reply = client.post("/apps", token=token, json=body)
    assert (reply.status, reply.json["id"], reply.json["field"]) == (422, "invalid_params", field)
    assert reply.json["message"].startswith(message)
    assert len(client.get("/apps", token=token).json) == 1


def test_an_app_is_renamed_and_destroyed(client: Client, token: str, app: dict[str, Any]) -> None:
    renamed = client.request("PATCH", "/apps/my-app", token=token, json={"name": "new-name", "maintenance": False})
    assert (renamed.status, renamed.json["id"], renamed.json["name"]) == (200, app["id"], "new-name")
    assert renamed.json["git_url"].endswith("/new-name.git")
    assert client.get("/apps/my-app", token=token).status == 404
    assert client.request("PATCH", "/apps/new-name", token=token, json={}).json["name"] == "new-name"
    mode = client.request("PATCH", "/apps/new-name", token=token, json={"maintenance": True})
    assert (mode.status, mode.json["field"]) == (422, "maintenance")
    gone = client.delete("/apps/new-name", token=token)
    assert (gone.status, gone.json["id"]) == (200, app["id"])
    assert client.get("/apps", token=token).json == []
    assert client.delete("/apps/new-name", token=token).status == 404


def on(name: str) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Every request about an app."""
    one = f"/apps/{name}"
    return [
        ("GET", one, None), ("PATCH", one, {"name": "other"}), ("DELETE", one, None), ("GET", f"{one}/collaborators", None),
        ("POST", f"{one}/collaborators", {"user": EMAIL}), ("GET", f"{one}/collaborators/{EMAIL}", None),
        ("PATCH", f"{one}/collaborators/{EMAIL}", {"permissions": ["view"]}), ("DELETE", f"{one}/collaborators/~", None),
        ("POST", f"/teams{one}/collaborators", {"user": EMAIL, "permissions": ["view"]}),
        ("PATCH", f"/teams{one}/collaborators/{EMAIL}", {"permissions": ["view"]}),
        ("DELETE", f"/teams{one}/collaborators/{EMAIL}", None), ("GET", f"{one}/addons", None), ("GET", f"{one}/releases", None),
        ("POST", TRANSFERS, {"app": name, "recipient": EMAIL}), ("PUT", TRANSFERS, {"app": name, "recipient": EMAIL}),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(on("x"))))
def test_an_app_that_one_may_not_see_is_as_if_there_were_none(
    client: Client, app: dict[str, Any], bob: str, number: int
) -> None:
    answers = []
    for name in ("my-app", app["id"], "no-such-app", "not%20a%20name"):
        method, path, body = on(name)[number]
        reply = client.request(method, path, token=bob, json=body)
        headers = sorted(name for name, _ in reply.headers)
        answers.append((reply.status, reply.json, headers))
    assert answers[0][:2] == (404, {"id": "not_found", "resource": "app", "message": "Couldn't find that app."})
    assert answers == [answers[0]] * 4


@pytest.mark.parametrize(
    "name", ["%00", "..%2f..%2fetc", "my-app%00", "%F0%9F%92%A9", "%ff%fe", "a" * 3000, "my-app.git", "%E2%80%AE"]
)
def test_hostile_names_in_paths_are_no_apps(client: Client, token: str, app: dict[str, Any], name: str) -> None:
    for path in (f"/apps/{name}", f"/apps/{name}/collaborators", f"{MEMBERS}/{name}", f"{TRANSFERS}/{name}"):
        assert client.get(path, token=token).status == 404


def test_whoever_has_too_little_is_told_what_it_takes(
    client: Client, token: str, app: dict[str, Any], bob: str
) -> None:
    assert share(client, token, "deploy").json["permissions"][-1]["name"] == "deploy"
    reply = client.request("PATCH", "/apps/my-app", token=bob, json={"name": "bobs"})
    assert reply.status == 403
    assert reply.json == {
        "id": "forbidden", "reason": "not_permitted", "message": "This takes the permission to manage on my-app.",
        "next": f"ask {EMAIL}, who owns the app, for the permission to manage",
    }  # fmt: skip
    destroyed = client.delete("/apps/my-app", token=bob)
    assert (destroyed.status, destroyed.json["message"]) == (403, "Only the owner of my-app can destroy it.")
    assert destroyed.json["next"] == f"ask {EMAIL}, who owns the app"
    assert client.get("/apps/my-app", token=bob).json["permissions"] == ["view", "deploy"]


def test_access_is_given_changed_and_taken_as_the_heroku_cli_does(
    client: Client, token: str, app: dict[str, Any], bob: str
) -> None:
    teams = "/teams/apps/my-app/collaborators"
    added = client.post(teams, token=token, json={"user": BOB, "permissions": ["deploy", "view"]})
    assert (added.status, [p["name"] for p in added.json["permissions"]]) == (201, ["view", "deploy"])
    changed = client.request("PATCH", f"{teams}/{BOB}", token=token, json={"permissions": ["manage"]})
    assert [p["name"] for p in changed.json["permissions"]] == ["view", "deploy", "operate", "manage"]
    assert client.request("PATCH", f"{teams}/{BOB}", token=token, json={}).json["field"] == "permissions"
    removed = client.delete(f"{MEMBERS}/{BOB}", token=token)
    assert (removed.status, removed.json["user"]["email"]) == (200, BOB)
    assert client.get("/apps", token=bob).json == []
    missing = client.delete(f"{MEMBERS}/{BOB}", token=token)
    assert (missing.status, missing.json["resource"]) == (404, "collaborator")


def test_a_transfer_is_accepted_declined_and_taken_back(
    client: Client, token: str, app: dict[str, Any], bob: str
) -> None:
    asked = {"app": "my-app", "recipient": BOB}
    for method, path, holder, body in (
        ("PATCH", TRANSFERS + "/my-app", bob, {"state": "declined"}), ("DELETE", TRANSFERS + "/my-app", token, None),
        ("PATCH", TRANSFERS + "/my-app", bob, {"state": "accepted"}),
    ):  # fmt: skip
        assert client.get("/apps/my-app", token=token).json["owner"]["email"] == EMAIL
        assert client.request("PUT" if body is None else "POST", TRANSFERS, token=token, json=asked).status == 201
        assert client.request(method, path, token=holder, json=body).status == 200
    assert client.get("/apps/my-app", token=token).json["owner"]["email"] == BOB
    assert sorted(t["state"] for t in client.get(TRANSFERS, token=token).json) == ["accepted", "declined"]
    wrong = client.request("PATCH", TRANSFERS + "/my-app", token=bob, json={"state": "accepted"})
    assert (wrong.status, wrong.json["resource"]) == (404, "app_transfer")


READS = [("GET", "/apps", None), ("GET", "/apps/my-app", None), ("GET", MEMBERS, None), ("GET", TRANSFERS, None)]
WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/apps", {"name": "second"}), ("PATCH", "/apps/my-app", {"name": "my-app"}), ("DELETE", "/apps/my-app", None),
]  # fmt: skip
GIVES: list[tuple[str, str, Any]] = [
    ("POST", MEMBERS, {"user": BOB}), ("PATCH", f"{MEMBERS}/{BOB}", {"permissions": ["view"]}),
    ("DELETE", f"{MEMBERS}/{BOB}", None), ("POST", "/teams" + MEMBERS, {"user": BOB}),
    ("POST", TRANSFERS, {"app": "my-app", "recipient": BOB}),
    ("DELETE", f"{TRANSFERS}/my-app", None), ("PATCH", f"{TRANSFERS}/my-app", {"state": "accepted"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [
        ("identity", 403, 403),
        ("read", 200, 403),
        ("write", 200, 200),
        ("read-protected", 200, 403),
        ("write-protected", 200, 200),
    ],
)
def test_what_the_scope_of_a_token_allows(
    site: Site, client: Client, token: str, app: dict[str, Any], bob: str, scope: str, reads: int, writes: int
) -> None:
    with site.store.reading() as tx:
        ada = tx.account_by_email(EMAIL)
    assert ada is not None
    narrow = site.secret(ada, Kind.AUTHORIZATION, scopes=(scope,))

    def asked(deeds: list[tuple[str, str, Any]]) -> set[int]:
        return {client.request(method, path, token=narrow, json=body).status for method, path, body in deeds}

    assert asked(READS) == {reads}
    assert asked(GIVES) == {403}
    assert client.get(MEMBERS, token=token).json[-1]["user"]["email"] == EMAIL
    assert asked(WRITES) == ({403} if writes == 403 else {200, 201})


def test_an_oauth_client_pushes_and_makes_apps_but_gives_nobody_access(
    site: Site, client: Client, token: str, app: dict[str, Any], bob: str
) -> None:
    with site.store.reading() as tx:
        ada = tx.account_by_email(EMAIL)
    assert ada is not None
    asked = {"name": "a tool", "redirect_uri": "https://tool.example/cb"}
    made = client.post("/oauth/clients", token=token, json=asked).json["id"]
    with site.store.writing() as tx:
        given = grants.mint(
            site.env, tx, By(), ada, Kind.OAUTH, scopes=("global",), description="a tool", client_id=made
        )
    assert given.secret is not None
    for method, path, body in GIVES:
        reply = client.request(method, path, token=given.secret, json=body)
        assert (reply.status, reply.json["reason"]) == (403, "not_for_clients")
    assert client.post("/apps", token=given.secret, json={"name": "tools-app"}).status == 201
    assert client.get("/apps", token=given.secret).status == 200


def test_lists_come_in_pages(client: Client, token: str) -> None:
    for number in range(5):
        assert client.post("/apps", token=token, json={"name": f"app-{number}"}).status == 201
    asked: str | None = "name ..; order=asc,max=2;"
    seen: list[str] = []
    while asked:
        reply = client.get("/apps", ("Range", asked), token=token)
        seen += [item["name"] for item in reply.json]
        asked = reply.header("next-range")
        assert len(seen) <= 5, "walks in a circle"
    assert sorted(seen) == [f"app-{number}" for number in range(5)]


def test_without_a_token_nothing_is_told(client: Client, app: dict[str, Any]) -> None:
    for path in ("/apps", "/apps/my-app", "/apps/no-such-app", MEMBERS, TRANSFERS):
        reply = client.get(path)
        assert (reply.status, reply.json["reason"]) == (401, "missing")

"""What an event would end is told beforehand, and is what it then ends: nothing more, nothing less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.asgi import Client, Reply
    from tests.support.site import Site

MINTABLE = [Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.AUTHORIZATION]


def alive(client: Client, secret: str | None) -> bool:
    """Whether the API takes the token."""
    return client.get("/verify", token=secret).status == 200


def ids(preview: Reply, part: str) -> list[str]:
    assert preview.status == 200
    assert preview.json["dry_run"] is True
    return [found["id"] for found in preview.json[part]]


# How each event is previewed and then done, by whoever holds the token; {id} is the target's.
DONE: dict[str, tuple[str, Callable[[Client, str, str], Reply], Callable[[Client, str, str], Reply]]] = {
    "password change": (
        "/account/preview?event=password-change",
        lambda c, token, _: c.request("PUT", "/account/password?dry_run=true", token=token, json={}),
        lambda c, token, _: c.request(
            "PUT", "/account/password", token=token, json={"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        ),
    ),
    "logout": (
        "/account/preview?event=logout",
        lambda c, token, _: c.request("DELETE", "/oauth/sessions/~?dry_run=true", token=token),
        lambda c, token, _: c.request("DELETE", "/oauth/sessions/~", token=token),
    ),
    "logout of all": (
        "/account/preview?event=logout_all",
        lambda c, token, _: c.request("DELETE", "/oauth/sessions?dry_run=true", token=token),
        lambda c, token, _: c.request("DELETE", "/oauth/sessions", token=token),
    ),
    "revocation": (
        "/account/preview?event=revoke&id={id}",
        lambda c, token, target: c.request("DELETE", f"/oauth/authorizations/{target}?dry_run=true", token=token),
        lambda c, token, target: c.request("DELETE", f"/oauth/authorizations/{target}", token=token),
    ),
}


@pytest.mark.parametrize("event", sorted(DONE))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(MINTABLE), max_size=5), number=st.integers(0, 10**6))
def test_what_is_foretold_is_what_happens(
    event: str, site: Site, client: Client, kinds: list[Kind], number: int
) -> None:
    email = f"user{number}-{len(site.audit())}@example.com"
    account = site.account(email)
    if event == "password change":
        kinds = [*kinds, Kind.API_KEY]
    acting = site.mint(account)
    target = site.mint(account, Kind.AUTHORIZATION)
    held = [acting, target, *(site.mint(account, kind) for kind in dict.fromkeys(kinds))]
    assert acting.secret is not None
    asked, dry_run, do = DONE[event]
    foretold = client.get(asked.format(id=target.grant.id), token=acting.secret)
    dry = dry_run(client, acting.secret, target.grant.id)
    assert dry.json == foretold.json
    assert not any(site.ended(credential) for credential in held), "a preview changes nothing"

    assert do(client, acting.secret, target.grant.id).status == 200

    died = {credential.grant.id for credential in held if site.ended(credential)}
    assert died == set(ids(foretold, "ends"))
    assert {credential.grant.id for credential in held} - died == set(ids(foretold, "lives"))
    because = {found["id"]: found["ends_because"] for found in foretold.json["ends"]}
    assert because == {c.grant.id: site.ended(c) for c in held if site.ended(c)}


def test_a_preview_says_who_still_uses_what_would_die(site: Site, client: Client) -> None:
    account = site.account()
    acting, other = site.secret(account), site.mint(account, Kind.AUTHORIZATION, description="nightly build")
    client.get("/account", ("User-Agent", "backup/2"), token=other.secret)
    site.write_uses()
    (found,) = client.get(f"/account/preview?event=revoke&id={other.grant.id}", token=acting).json["ends"]
    assert [(use["address"], use["agent"], use["count"]) for use in found["uses"]] == [(client.address, "backup/2", 1)]
    assert found["last_used_at"] == found["uses"][0]["last_at"]


def test_only_administrators_preview_the_suspension_of_an_account(site: Site, client: Client) -> None:
    account, boss = site.account(), site.account("boss@example.com", admin=True)
    login = site.mint(account)
    path = f"/account/preview?event=suspend&account={EMAIL}"
    refusal = client.get(path, token=login.secret)
    assert (refusal.status, refusal.json["reason"]) == (403, "administrators_only")
    foretold = client.get(path, token=site.secret(boss, proven=True))
    assert ids(foretold, "ends") == [login.grant.id]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 422, "event"),
        ("event=apocalypse", 422, "event"),
        ("event=suspend", 422, "account"),
        ("event=revoke&id=x", 404, None),
    ],
)
def test_a_preview_of_nothing_there_is_refused_in_words(
    site: Site, client: Client, query: str, status: int, field: str | None
) -> None:
    reply = client.get(f"/account/preview?{query}", token=site.login())
    assert (reply.status, reply.json.get("field")) == (status, field)


def test_another_accounts_credential_is_previewed_to_nobody(site: Site, client: Client) -> None:
    other = site.mint(site.account("other@example.com"), Kind.AUTHORIZATION)
    reply = client.get(f"/account/preview?event=revoke&id={other.grant.id}", token=site.login())
    assert reply.status == 404


def test_dry_run_takes_true_and_false_alone(site: Site, client: Client) -> None:
    token = site.login()
    reply = client.request("DELETE", "/oauth/sessions/~?dry_run=maybe", token=token)
    assert (reply.status, reply.json["field"]) == (422, "dry_run")
    assert alive(client, token)
    assert client.request("DELETE", "/oauth/sessions/~?dry_run=false", token=token).status == 200
    assert not alive(client, token)


def test_a_preview_needs_the_right_to_see_credentials(site: Site, client: Client) -> None:
    narrow: Any = site.secret(site.account(), Kind.AUTHORIZATION, scopes=("read",))
    assert client.get("/account/preview?event=logout_all", token=narrow).status == 403

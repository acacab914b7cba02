"""Authorizations, sessions and keys: made within their limits, ended one by one, and written down together with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.world import EMAIL, HOME, PASSWORD, START, World

from keyturn.actions import audit, authorizations, grants, keys, sessions
from keyturn.actions.authenticate import authenticate
from keyturn.actions.env import Invalid, NotFound, Refused
from keyturn.core import policy, scope
from keyturn.core.credential import Principal
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from keyturn.actions.grants import Credential

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g ada@laptop"


def create(world: World, acting: Credential, **asked: object) -> Credential:
    every = {"description": None, "expires_in": None, "scopes": None} | asked
    return authorizations.create(world.env, world.by(acting), world.principal(acting), **every)


def test_a_new_authorization_lives_and_is_listed_beside_the_login(world: World) -> None:
    acting = world.mint(world.account())
    made = create(world, acting, description="nightly build", expires_in="3600", scopes=["read"])
    assert world.reason(made.secret) is None
    listed = authorizations.listed(world.env, world.principal(acting))
    assert [(c.grant.id, c.secret) for c in listed] == [(acting.grant.id, None), (made.grant.id, None)]
    world.clock.advance(seconds=3600)
    assert world.reason(made.secret) == "expired"
    assert len(authorizations.listed(world.env, world.principal(acting))) == 1


@given(
    st.lists(st.sampled_from(list(scope.SCOPES)), min_size=1), st.lists(st.sampled_from(list(scope.SCOPES)), min_size=1)
)
def test_no_token_mints_a_wider_one(held: list[str], asked: list[str]) -> None:
    """Over one world, since what is refused leaves nothing behind."""
    acting = Principal("a", EMAIL, "g", "t", "authorization", tuple(held), "", None, START)
    wider = not scope.includes(acting.scopes, tuple(asked))

    class Stop(Exception):
        pass

    class NoStore:
        def writing(self) -> object:
            raise Stop

    class Env:
        store = NoStore()

    expected: type[Exception] = Refused if wider else Stop
    with pytest.raises(expected):
        authorizations.create(Env(), None, acting, description=None, expires_in=None, scopes=asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": "soon"}, "expires_in"),
        ({"expires_in": 10**30}, "expires_in"),
        ({"scopes": ["admin"]}, "scope"),
        ({"scopes": {"read": 1}}, "scope"),
        ({"description": 5}, "description"),
        ({"description": "x" * 301}, "description"),
    ],
)
def test_what_cannot_be_made_names_its_field_and_leaves_no_row(
    asked: dict[str, object], field: str, world: World
) -> None:
    acting = world.mint(world.account())
    before = world.audit()
    with pytest.raises(Invalid) as refused:
        create(world, acting, **asked)
    assert refused.value.field == field
    assert len(authorizations.listed(world.env, world.principal(acting))) == 1
    assert world.audit() == before


def test_an_account_holds_no_more_credentials_than_the_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "MOST_ALIVE", 3)
    acting = world.mint(world.account())
    short = create(world, acting, expires_in=60)
    third = create(world, acting)
    with pytest.raises(Invalid, match="3 living credentials, the most allowed; revoke some first"):
        create(world, acting)
    authorizations.revoke(world.env, world.by(acting), world.principal(acting), third.grant.id)
    create(world, acting)
    world.clock.now = short.grant.expires_at or world.clock.now
    create(world, acting)


def test_a_credential_and_its_audit_event_are_made_together_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting = world.mint(world.account())

    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("the trail is full")

    monkeypatch.setattr(audit, "record", failing)
    monkeypatch.setattr(audit, "record_all", failing)
    principal = world.principal(acting)
    for act in (
        lambda: create(world, acting),
        lambda: authorizations.revoke(world.env, world.by(acting), principal, acting.grant.id),
        lambda: authorizations.regenerate(world.env, world.by(acting), principal, acting.grant.id),
        lambda: authorizations.update(world.env, world.by(acting), principal, acting.grant.id, description="x"),
        lambda: sessions.end(world.env, world.by(acting), principal, "~"),
        lambda: keys.add(world.env, world.by(acting), principal, KEY),
    ):
        with pytest.raises(RuntimeError):
            act()
    monkeypatch.undo()
    assert world.reason(acting.secret) is None
    assert [c.grant for c in authorizations.listed(world.env, principal)] == [acting.grant]
    assert keys.listed(world.env, principal) == []


def test_by_password_a_command_lines_login_is_a_login_and_all_else_an_authorization(world: World) -> None:
    world.account()

    def kind(description: str | None) -> Kind:
        made, account = authorizations.create_by_password(
            world.env, world.by(), EMAIL, PASSWORD, description=description, expires_in=2592000, scopes=["global"]
        )
        assert account.email == EMAIL
        assert made.grant.address == HOME
        return made.grant.kind

    assert kind("Heroku CLI login from laptop") is Kind.LOGIN
    assert kind("keyturn cli login from x") is Kind.LOGIN
    assert [kind(text) for text in (None, "CI", "not a Heroku CLI login from x")] == [Kind.AUTHORIZATION] * 3


def test_a_login_by_password_is_held_to_the_longest_life_of_a_login(world: World) -> None:
    world.account()
    with pytest.raises(Invalid) as refused:
        authorizations.create_by_password(
            world.env,
            world.by(),
            EMAIL,
            PASSWORD,
            description="Heroku CLI login from x",
            expires_in=policy.YEAR + 1,
            scopes=None,
        )
    assert refused.value.field == "expires_in"


def test_a_rotated_authorization_keeps_all_but_its_token(world: World) -> None:
    acting = world.mint(world.account())
    made = create(world, acting, description="ci", expires_in=3600, scopes=["read"])
    world.clock.advance(minutes=1)
    again = authorizations.regenerate(world.env, world.by(acting), world.principal(acting), made.grant.id)
    assert (again.grant.id, again.grant.scopes, again.grant.description, again.grant.expires_at) == (
        made.grant.id, ("read",), "ci", made.grant.expires_at,
    )  # fmt: skip
    assert world.reason(made.secret) == "rotated"
    assert world.reason(again.secret) is None


def test_however_quickly_a_token_is_rotated_the_living_one_is_the_one_shown(world: World) -> None:
    acting = world.mint(world.account())
    made = create(world, acting)
    for _ in range(12):  # all within one tick of the clock
        made = authorizations.regenerate(world.env, world.by(acting), world.principal(acting), made.grant.id)
        shown = authorizations.info(world.env, world.principal(acting), made.grant.id)
        assert shown.token.mask == made.token.mask
        assert shown.token.ended_at is None


def test_the_api_key_is_made_at_the_first_regeneration_and_replaced_at_the_next(world: World) -> None:
    acting = world.mint(world.account())
    by, principal = world.by(acting), world.principal(acting)
    with pytest.raises(NotFound):
        authorizations.info(world.env, principal, "~")
    first = authorizations.regenerate(world.env, by, principal, "~")
    second = authorizations.regenerate(world.env, by, principal, "~")
    assert world.reason(first.secret) == "key_regenerated"
    assert world.reason(second.secret) is None
    assert authorizations.info(world.env, principal, "~").grant.id == second.grant.id
    assert [c.grant.kind for c in authorizations.listed(world.env, principal)] == [Kind.LOGIN, Kind.API_KEY]
    assert world.reason(acting.secret) is None


@pytest.mark.parametrize("kind", [Kind.OAUTH])
def test_what_is_not_rotated_says_so_and_lives_on(kind: Kind, world: World) -> None:
    account = world.account()
    acting, made = world.mint(account), world.mint(account, kind)
    with pytest.raises(Invalid, match="is not rotated"):
        authorizations.regenerate(world.env, world.by(acting), world.principal(acting), made.grant.id)
    assert world.reason(made.secret) is None


def test_anothers_credential_is_not_found_by_any_verb(world: World) -> None:
    acting = world.mint(world.account())
    other = world.mint(world.account("grace@example.com"), Kind.AUTHORIZATION)
    key = keys.add(world.env, world.by(other), world.principal(other), KEY).key
    by, principal, their = world.by(acting), world.principal(acting), other.grant.id
    for act in (
        lambda: authorizations.info(world.env, principal, their),
        lambda: authorizations.update(world.env, by, principal, their, description="mine"),
        lambda: authorizations.regenerate(world.env, by, principal, their),
        lambda: authorizations.revoke(world.env, by, principal, their),
        lambda: sessions.end(world.env, by, principal, their),
        lambda: keys.info(world.env, principal, key.id),
        lambda: keys.remove(world.env, by, principal, key.fingerprint),
    ):
        with pytest.raises(NotFound):
            act()
    assert world.reason(other.secret) is None


def test_a_revoked_authorization_is_dead_with_the_next_request(world: World) -> None:
    account = world.account()
    acting, made = world.mint(account), world.mint(account, Kind.AUTHORIZATION)
    authorizations.revoke(world.env, world.by(acting), world.principal(acting), made.grant.id)
    assert world.reason(made.secret) == "revoked_by_owner"
    with pytest.raises(NotFound):
        authorizations.revoke(world.env, world.by(acting), world.principal(acting), made.grant.id)
    event = world.audit(account)[0]
    assert (event.action, event.reason, event.grant_id, event.details["ended"]) == (
        "authorization.end", "revoked_by_owner", acting.grant.id, made.grant.id,
    )  # fmt: skip


def test_logging_out_ends_exactly_the_login_that_asks(world: World) -> None:
    account = world.account()
    mine, other, web = world.mint(account), world.mint(account), world.mint(account, Kind.WEB)
    sessions.end(world.env, world.by(mine), world.principal(mine), "~")
    assert [world.ended(c) for c in (mine, other, web)] == ["logged_out", None, None]
    assert [c.grant.id for c in sessions.listed(world.env, world.principal(other))] == [other.grant.id, web.grant.id]
    sessions.end(world.env, world.by(other), world.principal(other), web.grant.id)
    assert world.ended(web) == "logged_out"


def test_what_is_no_login_cannot_be_logged_out(world: World) -> None:
    account = world.account()
    for kind in (Kind.AUTHORIZATION, Kind.API_KEY, Kind.OAUTH):
        made = world.mint(account, kind)
        with pytest.raises(NotFound) as refused:
            sessions.end(world.env, world.by(made), world.principal(made), "~")
        assert refused.value.resource == "session"
        assert world.reason(made.secret) is None


def test_a_description_is_one_line_of_printable_characters(world: World) -> None:
    acting = world.mint(world.account())
    made = create(world, acting, description=" a\n\tname\x1b[31m\u202e with\x00 traps ")
    assert made.grant.description == "a name [31m with traps"
    assert create(world, acting, description=" \n ").grant.description == authorizations.DEFAULT_DESCRIPTION
    changed = authorizations.update(
        world.env, world.by(acting), world.principal(acting), made.grant.id, description="another"
    )
    assert changed.grant.description == "another"
    unchanged = authorizations.update(
        world.env, world.by(acting), world.principal(acting), made.grant.id, description=None
    )
    assert unchanged.grant.description == "another"


# keys


def test_a_key_is_found_by_its_id_and_both_fingerprints_and_removed_once(world: World) -> None:
    made = world.mint(world.account())
    by, principal = world.by(made), world.principal(made)
    key = keys.add(world.env, by, principal, KEY + "\n").key
    for identity in (key.id, key.fingerprint, key.sha256):
        assert keys.info(world.env, principal, identity).key == key
    assert keys.remove(world.env, by, principal, key.sha256) == key
    with pytest.raises(NotFound):
        keys.remove(world.env, by, principal, key.id)
    assert keys.add(world.env, by, principal, KEY).key.sha256 == key.sha256  # free again


def test_a_key_in_use_is_refused_whoever_uses_it(world: World) -> None:
    mine, other = world.mint(world.account()), world.mint(world.account("grace@example.com"))
    keys.add(world.env, world.by(mine), world.principal(mine), KEY)
    for acting in (mine, other):
        with pytest.raises(Invalid, match="Fingerprint has already been taken"):
            keys.add(world.env, world.by(acting), world.principal(acting), KEY.replace("ada@laptop", "other"))
    assert keys.listed(world.env, world.principal(other)) == []


@pytest.mark.parametrize(
    "text", [None, 5, "", "hello", ["ssh-ed25519"], "-----BEGIN OPENSSH PRIVATE KEY-----\nSECRETPART"]
)
def test_what_is_no_key_is_refused_and_not_repeated(text: object, world: World) -> None:
    made = world.mint(world.account())
    with pytest.raises(Invalid) as refused:
        keys.add(world.env, world.by(made), world.principal(made), text)
    assert refused.value.field == "public_key"
    assert "SECRETPART" not in str(refused.value)
    assert "SECRETPART" not in repr(world.audit())


def test_an_account_holds_no_more_keys_than_the_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 0)
    made = world.mint(world.account())
    with pytest.raises(Invalid, match="the most allowed; remove some first"):
        keys.add(world.env, world.by(made), world.principal(made), KEY)


def test_no_secret_ever_gets_into_the_audit_trail(world: World) -> None:
    acting = world.mint(world.account())
    made = create(world, acting)
    again = authorizations.regenerate(world.env, world.by(acting), world.principal(acting), made.grant.id)
    trail = repr(world.audit())
    for found in (acting, made, again):
        assert found.secret is not None
        assert found.secret not in trail
        assert found.secret[4:36] not in trail
    assert PASSWORD not in trail


def test_what_lives_is_what_the_stored_grant_says(world: World) -> None:
    made = world.mint(world.account(), Kind.AUTHORIZATION, scopes=("read", "write"))
    answer = authenticate(world.env, made.secret or "")
    assert isinstance(answer, Principal)
    assert (answer.scopes, answer.grant_id, answer.token_id) == (("read", "write"), made.grant.id, made.token.id)
    assert grants.DESCRIPTION_LONGEST == 300

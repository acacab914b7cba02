"""OAuth clients: whose they are, what is kept of their secrets, and what a removal ends, of all accounts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.oauth import CALLBACK, register
from tests.support.world import EMAIL

from keyturn.actions import clients, leaks
from keyturn.actions.env import Invalid, NotFound
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.world import World


def test_a_client_shows_its_secret_when_it_is_made_and_nothing_readable_is_kept(world: World) -> None:
    owner = world.mint(world.account())
    made = clients.create(world.env, world.by(owner), world.principal(owner), name="Dash", redirect_uri=CALLBACK)
    assert made.secret is not None
    assert made.secret.startswith("kty_")
    with closing(sqlite3.connect(world.path)) as raw:
        dump = "\n".join(raw.iterdump())
    assert made.secret not in dump
    assert made.secret[4:20] not in dump
    assert clients.info(world.env, world.principal(owner), made.client.id) == made.client
    assert clients.listed(world.env, world.principal(owner)) == [made.client]


@pytest.mark.parametrize("name", [None, 7, "", " \n ", "x" * 81, ["a"]])
def test_a_name_that_people_could_not_read_is_refused_and_leaves_nothing(name: object, world: World) -> None:
    owner = world.mint(world.account())
    with pytest.raises(Invalid) as refused:
        clients.create(world.env, world.by(owner), world.principal(owner), name=name, redirect_uri=CALLBACK)
    assert refused.value.field == "name"
    assert clients.listed(world.env, world.principal(owner)) == []
    assert "client.create" not in world.actions()


@given(st.text(max_size=80))
def test_a_name_becomes_one_line_of_printable_characters(name: str) -> None:
    try:
        cleaned = clients.clean_name(name)
    except Invalid:
        return
    assert cleaned.isprintable()
    assert cleaned == cleaned.strip()
    assert clients.clean_name(cleaned) == cleaned


@pytest.mark.parametrize("uri", [None, 5, "http://app.example.com/", "https://a/#b"])
def test_a_bad_redirect_uri_is_refused_with_its_field(uri: object, world: World) -> None:
    owner = world.mint(world.account())
    with pytest.raises(Invalid) as refused:
        clients.create(world.env, world.by(owner), world.principal(owner), name="Dash", redirect_uri=uri)
    assert refused.value.field == "redirect_uri"


def test_an_update_changes_what_it_names_and_null_leaves_it(world: World) -> None:
    owner = world.mint(world.account())
    app = register(world, owner)

    def update(**changes: Any) -> Any:
        given = {"name": None, "redirect_uri": None} | changes
        return clients.update(world.env, world.by(owner), world.principal(owner), app.id, **given)

    assert (update(name="Other").name, update().redirect_uri) == ("Other", CALLBACK)
    assert update(redirect_uri="https://new.example/").name == "Other"
    with pytest.raises(Invalid):
        update(name="Third", redirect_uri="http://evil.example/")
    assert clients.info(world.env, world.principal(owner), app.id).name == "Other"


def test_anothers_client_a_removed_one_and_nonsense_are_all_not_found(world: World) -> None:
    owner, other = world.mint(world.account()), world.mint(world.account("grace@example.com"))
    app, gone = register(world, owner), register(world, other)
    by, principal = world.by(other), world.principal(other)
    clients.remove(world.env, by, principal, gone.id)
    acts: list[Callable[[str], object]] = [
        lambda identity: clients.info(world.env, principal, identity),
        lambda identity: clients.update(world.env, by, principal, identity, name="mine", redirect_uri=None),
        lambda identity: clients.rotate(world.env, by, principal, identity),
        lambda identity: clients.remove(world.env, by, principal, identity),
        lambda identity: clients.would_remove(world.env, by, principal, identity),
    ]
    for identity in (app.id, gone.id, "nonsense", "", "../x"):
        for act in acts:
            with pytest.raises(NotFound):
                act(identity)
    assert clients.info(world.env, world.principal(owner), app.id).name == "Dashboard"


def test_a_rotated_secret_replaces_the_old_one_and_what_was_let_in_stays(world: World) -> None:
    owner = world.mint(world.account())
    app = register(world, owner)
    made = app.let_in(owner)
    rotated = clients.rotate(world.env, world.by(owner), world.principal(owner), app.id)
    assert rotated.secret not in (None, app.secret)
    with world.store.reading() as tx:
        assert not clients.is_secret(tx, rotated.client, app.secret)
        assert clients.is_secret(tx, rotated.client, str(rotated.secret))
    assert world.reason(made.secret) is None


def test_a_removal_ends_every_grant_of_every_account_as_previewed_and_nothing_else(world: World) -> None:
    owner, other = world.mint(world.account()), world.mint(world.account("grace@example.com"))
    app, bystander = register(world, owner), register(world, owner, "Other")
    mine, theirs, theirs_too = app.let_in(owner), app.let_in(other), app.let_in(other)
    spared = [
        bystander.let_in(owner),
        bystander.let_in(other),
        world.mint(world.account("kay@example.com"), Kind.OAUTH),
    ]
    by, principal = world.by(owner), world.principal(owner)
    seen = clients.would_remove(world.env, by, principal, app.id)
    assert [e.grant.id for e, _ in seen.own] == [mine.grant.id]
    assert (seen.others, seen.other_accounts) == (2, 1)
    assert world.reason(mine.secret) is None
    clients.remove(world.env, by, principal, app.id)
    assert [world.reason(c.secret) for c in (mine, theirs, theirs_too)] == ["client_removed"] * 3
    assert [world.reason(c.secret) for c in spared] == [None] * 3
    assert world.reason(owner.secret) is None
    ended = [event for event in world.audit() if event.action == "oauth_access.end"]
    assert {event.account_id for event in ended} == {mine.grant.account_id, theirs.grant.account_id}
    assert {event.actor_id for event in ended} == {principal.account_id}


def test_an_account_has_so_many_clients_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST", 2)
    owner = world.mint(world.account())
    register(world, owner)
    register(world, owner)
    with pytest.raises(Invalid, match="the most allowed"):
        register(world, owner)


def test_a_leaked_secret_is_refused_ends_what_it_reached_and_its_owner_is_told(world: World) -> None:
    owner, other = world.mint(world.account()), world.mint(world.account("grace@example.com"))
    app, bystander = register(world, owner), register(world, owner, "Other")
    reached, spared = app.let_in(other), bystander.let_in(other)
    assert leaks.report(world.env, world.by(), [app.secret, "kty_" + "0" * 38]) == 2
    assert (world.reason(reached.secret), world.reason(spared.secret)) == ("reported_leaked", None)
    with world.store.reading() as tx:
        assert not clients.is_secret(tx, clients.info(world.env, world.principal(owner), app.id), app.secret)
        told = [mail for mail in tx.outgoing() if "secret of your OAuth client" in mail.subject]
    assert [mail.recipient for mail in told] == [EMAIL]
    assert app.secret not in told[0].body
    fresh = clients.rotate(world.env, world.by(owner), world.principal(owner), app.id)
    assert fresh.secret != app.secret

"""Law: the library asks why, previews, prolongs, rotates with overlap, and lists the dead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from keyturn.client import Authorization, Client, Invalid, NotFound

if TYPE_CHECKING:
    from tests.conftest import Server


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.url, server.token(server.new_account()))


def test_why_of_itself_of_a_request_and_of_another(client: Client, server: Server) -> None:
    made = client.authorizations.create("a tool", scope=["read"])
    assert made.access_token
    with client, Client(server.url, made.access_token.token) as tool:
        assert (tool.why().alive, tool.why("GET", "/account").allowed) == (True, True)
        refused = tool.why("PATCH", "/account")
        assert (refused.alive, refused.allowed, refused.status, refused.scope) == (True, False, 403, ("global",))
        client.authorizations.revoke(made.id)
        dead = tool.why()
        assert (dead.alive, dead.reason, dead.next) == (
            False, "revoked_by_owner", f"keyturn authorizations:create --like {made.id}",
        )  # fmt: skip
        by_id = client.why(id=made.id)
        assert by_id.credential is not None
        assert (by_id.credential.reason, by_id.message) == ("revoked_by_owner", dead.message)
        with pytest.raises(NotFound):
            client.why(id="nothing")


def test_a_preview_is_of_what_would_end(client: Client) -> None:
    with client:
        made = client.authorizations.create("a tool")
        preview = client.preview("revoke", id=made.id)
        assert [(one.credential.id, one.reason, one.replaced) for one in preview.ends] == [
            (made.id, "revoked_by_owner", False)
        ]
        assert [one.kind for one in preview.lives] == ["login"]
        assert [one.credential.kind for one in client.preview("logout_all").ends] == ["login"]
        with pytest.raises(Invalid):
            client.preview("flood")
        assert client.authorizations.info(made.id).ended_at is None


def test_an_expiry_changes_and_stays_when_it_is_not_named(client: Client) -> None:
    with client:
        made = client.authorizations.create("a tool")
        changed = client.authorizations.update(made.id, expires_in=3600)
        assert changed.expires_at
        assert changed.expires_at - datetime.now(UTC) <= timedelta(hours=1)
        assert client.authorizations.update(made.id, description="else").expires_at == changed.expires_at
        assert client.authorizations.update(made.id, expires_in=None).expires_at is None
        assert client.authorizations.info(made.id).description == "else"


def test_a_rotation_overlaps(client: Client, server: Server) -> None:
    with client:
        made = client.authorizations.create("a tool")
        assert made.access_token
        client.authorizations.rotate(made.id, overlap=3600, idle=600)
        with Client(server.url, made.access_token.token) as old:
            assert old.why().alive
        client.authorizations.rotate(made.id)
        with Client(server.url, made.access_token.token) as old:
            assert old.why().reason == "rotated"


def test_the_dead_are_listed_when_asked_for(client: Client) -> None:
    with client:
        made = client.authorizations.create("a tool")
        client.authorizations.revoke(made.id)
        assert made.id not in [one.id for one in client.authorizations.list()]
        dead: Authorization = next(one for one in client.authorizations.list(ended=True) if one.id == made.id)
        assert (dead.reason, dead.ended_by) == ("revoked_by_owner", client.account().email)
        assert dead.ended_at
        assert len(client.sessions.list(ended=True)) == len(client.sessions.list()) == 1

"""How every event that can happen today is made to happen over HTTP, or by the operator where there is no route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import accounts
from keyturn.actions.env import By
from keyturn.core.policy import ONE, Effect, Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.site import Site

    from keyturn.actions.grants import Credential
    from keyturn.core.policy import Policy

MINTED = (Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.AUTHORIZATION)
"""The kinds that can be made today by their owner alone."""

AUTHORIZATIONS, SESSIONS = "/oauth/authorizations", "/oauth/sessions"


def _call(site: Site, by: str, method: str, path: str, **options: object) -> None:
    reply = site.client.request(method, path, token=by, **options)  # type: ignore[arg-type]
    assert reply.status in (200, 201, 202), reply.text


def _expire(site: Site, _by: str, target: Credential) -> None:
    assert target.grant.expires_at is not None
    site.clock.now = target.grant.expires_at


def _change_password(site: Site, by: str, _target: Credential) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    _call(site, by, "PUT", "/account/password", json=body)


def _suspend(site: Site, _by: str, _target: Credential) -> None:
    accounts.suspend(site.env, By(agent="keyturn admin"), EMAIL)


def _one(method: str, path: str) -> Callable[[Site, str, Credential], None]:
    def cause(site: Site, by: str, target: Credential) -> None:
        _call(site, by, method, path.format(id=target.grant.id))

    return cause


def _leak(site: Site, _by: str, target: Credential) -> None:
    reply = site.client.post("/credentials/revoke", json={"tokens": [target.secret]})
    assert reply.status == 202, reply.text


CAUSES: dict[Event, Callable[[Site, str, Credential], None]] = {
    Event.EXPIRY: _expire,
    Event.LOGOUT: _one("DELETE", SESSIONS + "/{id}"),
    Event.REVOKE: _one("DELETE", AUTHORIZATIONS + "/{id}"),
    Event.LOGOUT_ALL: _one("DELETE", SESSIONS),
    Event.PASSWORD_CHANGE: _change_password,
    Event.KEY_REGENERATED: _one("POST", AUTHORIZATIONS + "/~/actions/regenerate-tokens"),
    Event.ROTATION: _one("POST", AUTHORIZATIONS + "/{id}/actions/regenerate-tokens"),
    Event.SUSPEND: _suspend,
    Event.LEAK: _leak,
}
"""By event: makes it happen, with a token that acts and the credential that it is about."""

ELSEWHERE = frozenset(
    {
        Event.PASSWORD_RESET, Event.CLIENT_REMOVED, Event.CLIENT_REVOKE, Event.REUSE,
        # of the dashboard alone: tests/web/test_page_*.py
        Event.LOGOUT_OTHERS, Event.REVOKE_BY_ADMIN, Event.CLOSE,
    }
)  # fmt: skip
"""Events about links by mail and OAuth clients, which have tests of their own."""

NOT_YET = frozenset({Event.SSO_ON, Event.SSO_SESSION_END, Event.DEPROVISION})
"""Events that nothing can cause in this version."""

# What the policy foresees and no route does: a browser session is logged out and never revoked by its id.
_NO_ROUTE = {(Event.REVOKE, Kind.WEB)}


def targets(event: Event, rules: Policy) -> list[Kind]:
    """The kinds that the event can be about; for one that reaches all, any one kind will do."""
    if event not in ONE:
        return [Kind.LOGIN]
    mortal = {kind for kind in MINTED if event is not Event.EXPIRY or rules.lives[kind].default is not None}
    if event is Event.EXPIRY:
        mortal.add(Kind.AUTHORIZATION)  # made with an expiry asked for
    return [
        kind
        for kind in MINTED
        if kind in mortal and rules.effects[event, kind] is not Effect.NEVER and (event, kind) not in _NO_ROUTE
    ]

"""Law: a dry run changes nothing, of no call: what has none refuses to be asked for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.routing import Route
from tests.support.world import PASSWORD

from keyturn.core.policy import Kind
from keyturn.web.call import Endpoint

if TYPE_CHECKING:
    from tests.support.site import Site

BODIES = {
    "/account": {"email": "new@example.com", "password": PASSWORD},
    "/account/keys": {
        "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIABBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWjAxMjM0 a"
    },
    "/oauth/clients": {"name": "x", "redirect_uri": "https://example.com/"},
}


def routes(site: Site) -> list[tuple[str, str]]:
    """Every call of the API that takes a token and can change something."""
    found = []
    for route in site.app._inner.routes:  # type: ignore[attr-defined]
        if isinstance(route, Route) and isinstance(route.app, Endpoint) and route.app.permission is not None:
            found += [(method, route.path) for method in sorted(route.methods or ()) if method not in ("GET", "HEAD")]
    return found


def test_no_call_of_the_api_changes_anything_in_a_dry_run(site: Site) -> None:
    account = site.account()
    token = site.secret(account)
    other = site.mint(account, Kind.AUTHORIZATION).grant.id
    asked = routes(site)
    assert len(asked) > 25
    before = site.audit(account)
    for method, path in asked:
        filled = path.replace("{id:path}", other).replace("{id}", other).replace("{app}", "app").replace("{who}", "~")
        reply = site.client.request(method, filled + "?dry_run=true", token=token, json=BODIES.get(path, {}))
        assert reply.status in (200, 404, 422), (method, path, reply.text)
        assert reply.status != 200 or reply.json["dry_run"] is True, (method, path)
    assert site.audit(account) == before
    assert site.reason(token) is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/account/keys", BODIES["/account/keys"]),
        ("PATCH", "/account", BODIES["/account"]),
        ("PATCH", "/account", {"password": PASSWORD, "new_password": "seven grey herons at dusk", "name": "New"}),
        ("POST", "/oauth/authorizations", {}),
        ("POST", "/apps", {}),
    ],
)
def test_what_has_no_dry_run_says_so(method: str, path: str, body: dict[str, object], site: Site) -> None:
    reply = site.client.request(method, path + "?dry_run=true", token=site.login(), json=body)
    assert (reply.status, reply.json["field"]) == (422, "dry_run")
    assert reply.json["message"] == "there is no dry run of this; nothing was changed"

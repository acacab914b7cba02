"""The start page: how to log in from a terminal, and where one is logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.actions import sessions
from keyturn.core import lifecycle, policy
from keyturn.core.policy import Kind
from keyturn.web.pages import sign_in
from keyturn.web.pages.visit import see_other

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.responses import Response

    from keyturn.actions.grants import Credential
    from keyturn.web.pages.visit import Visit


def show(visit: Visit) -> Response:
    """GET /."""
    if visit.principal is None or visit.account is None:
        return sign_in.form(visit, "/")
    url = visit.face.public_url
    commands = [
        ("log this machine in; the token goes into ~/.netrc", f"keyturn login --host {url}"),
        ("use it with any tool that reads ~/.netrc", f"curl -n {url}/account"),
        (
            "a token of its own for production: it survives logouts and new passwords",
            'keyturn authorizations:create -d "my service"',
        ),
    ]
    shown = [_session(visit, found) for found in sessions.listed(visit.face.env, visit.principal)]
    return visit.render("home.html", title="Start", commands=commands, sessions=shown)


def _session(visit: Visit, found: Credential) -> dict[str, Any]:
    grant = found.grant
    return {
        "description": grant.description,
        "kind_words": policy.LIVES[grant.kind].noun,
        "life": _end(visit, grant.expires_at),
        "address": grant.address,
        "last_used_words": _used(visit, found),
        "current": visit.principal is not None and grant.id == visit.principal.grant_id,
        "browser": grant.kind is Kind.WEB,
        "end_action": f"/sessions/{grant.id}/end",
    }


def _end(visit: Visit, expires_at: datetime | None) -> str:
    if expires_at is None:
        return "never expires"
    return f"expires in {lifecycle.in_words(round((expires_at - visit.now).total_seconds()))}"


def _used(visit: Visit, found: Credential) -> str:
    made = f"since {found.grant.created_at:%d %b %Y, %H:%M} UTC"
    if not found.uses:
        return made
    ago = round((visit.now - found.uses[0].last_at).total_seconds())
    return (
        f"{made}, last used {'just now' if ago < 60 else lifecycle.in_words(ago) + ' ago'} from {found.uses[0].address}"
    )


def end_session(visit: Visit) -> Response:
    """POST /sessions/ID/end."""
    if visit.principal is None:
        return see_other("/")
    if visit.params["id"] == visit.principal.grant_id:
        return sign_in.leave(visit, "/sign-in")
    sessions.end(visit.face.env, visit.by, visit.principal, visit.params["id"])
    return see_other("/")

"""/settings/clients: the OAuth clients that the account registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keyturn.actions import clients
from keyturn.actions.env import Invalid
from keyturn.core import redirect
from keyturn.web import words
from keyturn.web.api import oauth
from keyturn.web.pages import shown

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.clients import Client
    from keyturn.core.credential import OAuthClient
    from keyturn.web.pages.visit import Visit

HERE: Final = "/settings/clients"
NEW: Final = f"{HERE}/new"
LISTED_MOST: Final = 12
PAGE: Final = 50


def show(visit: Visit) -> Response:
    """GET the list."""
    found = clients.listed(visit.env, visit.me)[::-1]
    asked = visit.asked.get("page", "")
    pages = max(1, -(-len(found) // PAGE))
    number = min(max(int(asked), 1), pages) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 1
    return visit.render(
        "clients.html", title="OAuth clients", here=HERE, clients=found[(number - 1) * PAGE : number * PAGE],
        next=f"{HERE}?page={number + 1}" if number < pages else None,
        previous=f"{HERE}?page={number - 1}" if number > 1 else None,
    )  # fmt: skip


def show_new(visit: Visit) -> Response:
    """GET .../new."""
    return _form(visit)


def _form(visit: Visit, *, status: int = 200, wrong: Invalid | None = None) -> Response:
    return visit.render(
        "client_new.html",
        status,
        title="Register an OAuth client",
        here=HERE,
        error=_sentence(wrong),
        **_typed(visit, wrong),
    )


def _typed(visit: Visit, wrong: Invalid | None) -> dict[str, Any]:
    return {
        "name": visit.form.get("name", ""), "redirect_uri": visit.form.get("redirect_uri", ""),
        "field": wrong.field if wrong else "", "name_longest": clients.NAME_LONGEST, "uri_longest": redirect.LONGEST,
    }  # fmt: skip


def _sentence(wrong: Invalid | None) -> str:
    """The error, with the field called as the page calls it."""
    if wrong is None:
        return ""
    return words.sentence(str(wrong).replace("redirect_uri", "the redirect URI", 1))


def create(visit: Visit) -> Response:
    """POST .../new: registers it, and shows its secret this once."""
    try:
        made = clients.create(
            visit.env,
            visit.by,
            visit.me,
            name=visit.form.get("name", ""),
            redirect_uri=visit.form.get("redirect_uri", ""),
        )
    except Invalid as wrong:
        return _form(visit, status=422, wrong=wrong)
    return _secret(visit, made, "Registered", "The client is registered. Keep its id and its secret where it runs.")


def _secret(visit: Visit, made: Client, title: str, lead: str) -> Response:
    url = visit.face.public_url
    return visit.render(
        "client_secret.html", title=title, lead=lead, here=HERE, client=made.client, secret=made.secret,
        endpoints=_endpoints(url), pkce=redirect.takes_pkce(made.client.redirect_uri),
        lines=[
            ("the client's id and secret, as Heroku's clients know them", f"HEROKU_OAUTH_ID={made.client.id}"),
            ("", f"HEROKU_OAUTH_SECRET={made.secret}"),
        ],
        trade=[
            (
                "trade the code for a token; curl asks for the secret",
                f"curl -u {made.client.id} {url}{oauth.TOKENS} -d grant_type=authorization_code -d code=CODE",
            )
        ],
    )  # fmt: skip


def _endpoints(url: str) -> list[tuple[str, str]]:
    return [
        ("Send people to", f"{url}{oauth.AUTHORIZE}"),
        ("Trade the code at", f"{url}{oauth.TOKENS}"),
        ("Give tokens up at", f"{url}{oauth.REVOKE}"),
        ("All of it described", f"{url}/.well-known/oauth-authorization-server"),
    ]


def show_one(visit: Visit) -> Response:
    """GET .../ID."""
    return _one(visit, clients.info(visit.env, visit.me, visit.params["id"]))


def _one(visit: Visit, found: OAuthClient, *, status: int = 200, wrong: Invalid | None = None) -> Response:
    held = clients.would_remove(visit.env, visit.by, visit.me, found.id)
    typed = _typed(visit, wrong)
    if wrong is None:
        typed |= {"name": found.name, "redirect_uri": found.redirect_uri}
    return visit.render(
        "client.html", status, title="OAuth client", here=HERE, client=found, own=len(held.own), others=held.others,
        other_accounts=held.other_accounts, endpoints=_endpoints(visit.face.public_url), error=_sentence(wrong),
        pkce=redirect.takes_pkce(found.redirect_uri), **typed,
    )  # fmt: skip


def update(visit: Visit) -> Response:
    """POST .../ID: another name, another redirect URI."""
    identity = visit.params["id"]
    try:
        changed = clients.update(
            visit.env, visit.by, visit.me, identity,
            name=visit.form.get("name", ""), redirect_uri=visit.form.get("redirect_uri", ""),
        )  # fmt: skip
    except Invalid as wrong:
        return _one(visit, clients.info(visit.env, visit.me, identity), status=422, wrong=wrong)
    return visit.done(f"{HERE}/{changed.id}", "Saved.")


def show_rotate(visit: Visit) -> Response:
    """GET .../ID/rotate."""
    found = clients.info(visit.env, visit.me, visit.params["id"])
    return visit.render("client_rotate.html", title="New secret", here=HERE, client=found)


def rotate(visit: Visit) -> Response:
    """POST .../ID/rotate: a new secret, shown this once."""
    made = clients.rotate(visit.env, visit.by, visit.me, visit.params["id"])
    return _secret(visit, made, "New secret", "The old secret is refused from now on. What people authorized goes on.")


def show_remove(visit: Visit) -> Response:
    """GET .../ID/remove: what would end with it."""
    found = clients.would_remove(visit.env, visit.by, visit.me, visit.params["id"])
    return visit.render(
        "client_remove.html", title="Remove this client", here=HERE, client=found.client,
        rows=shown.ending_rows(found.own[:LISTED_MOST], visit.now), more=max(0, len(found.own) - LISTED_MOST),
        others=found.others, other_accounts=found.other_accounts,
    )  # fmt: skip


def remove(visit: Visit) -> Response:
    """POST .../ID/remove."""
    clients.remove(visit.env, visit.by, visit.me, visit.params["id"])
    return visit.done(HERE, "The client was removed, and every token that it had ended.")

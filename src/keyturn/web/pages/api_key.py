"""The API key: one for the account, with all its rights, regenerated at will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyturn.actions import authorizations
from keyturn.actions.env import NotFound
from keyturn.actions.preview import preview
from keyturn.core import lifecycle
from keyturn.core.policy import Event, Kind
from keyturn.web.pages import shown
from keyturn.web.pages.authorizations import show_secret
from keyturn.web.pages.credentials import users_of

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.grants import Credential
    from keyturn.core.policy import Policy
    from keyturn.web.pages.visit import Visit

HERE: Final = "/settings/api-key"
REGENERATE: Final = f"{HERE}/regenerate"


def _key(visit: Visit) -> Credential | None:
    try:
        return authorizations.info(visit.env, visit.me, authorizations.API_KEY_ID)
    except NotFound:
        return None


def _outlives(rules: Policy) -> bool:
    """Whether an authorization lives on after a new password, as the API key does not."""
    events = (Event.PASSWORD_CHANGE, Event.PASSWORD_RESET)
    return not any(lifecycle.deadly(event, Kind.AUTHORIZATION, rules) for event in events)


def show(visit: Visit) -> Response:
    """GET: the key, masked; or how to get one."""
    found, rules = _key(visit), visit.env.policy
    return visit.render(
        "api_key.html", title="API key", here=HERE, regenerate=REGENERATE, federated=visit.owner.federated, key=found,
        outlives=_outlives(rules),
        endless=rules.lives[Kind.API_KEY].default is None,
        facts=shown.facts_of(found, visit.owner, visit.now, visit.env.policy) if found else None,
    )  # fmt: skip


def show_regenerate(visit: Visit) -> Response:
    """GET .../regenerate: what ends with the old key, and who uses it."""
    found = _key(visit)
    if found is None:
        return visit.done(HERE, "There is no API key yet: make one here.", "info")
    foretold = preview(visit.env, visit.by, Event.KEY_REGENERATED)
    return visit.render(
        "api_key_regenerate.html", title="Regenerate your API key?", here=HERE, action=REGENERATE, back=HERE, key=found,
        rows=shown.ending_rows(foretold, visit.now), users=users_of(found, visit.now),
    )  # fmt: skip


def make(visit: Visit) -> Response:
    """POST: the first key, or the one in place of the old one, shown once.

    The form says which key it saw; when there is another one by now nothing is changed.
    """
    found = _key(visit)
    if visit.form.get("replaces", "") != (found.grant.id if found else ""):
        return visit.done(HERE, "Your API key changed meanwhile. Look at it again; nothing was changed now.", "warn")
    made = authorizations.regenerate(visit.env, visit.by, visit.me, authorizations.API_KEY_ID)
    old = "The old key ended: whoever still uses it is refused from now on." if found else None
    return show_secret(
        visit,
        made,
        title="Your new API key",
        here=HERE,
        old=old,
        lead="Put it where it is used, before you leave this page.",
    )

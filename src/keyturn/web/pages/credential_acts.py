"""The forms that change, rotate and end one credential, each where its kind allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keyturn.actions import authorizations, sessions
from keyturn.actions.env import Invalid
from keyturn.actions.preview import preview
from keyturn.core import lifecycle
from keyturn.core.policy import DAY, HOUR, Event
from keyturn.web import words
from keyturn.web.pages import lives, shown, sign_in
from keyturn.web.pages.authorizations import show_secret
from keyturn.web.pages.credentials import (
    AUTHORIZATIONS,
    EDITED,
    LISTS,
    SESSIONS,
    VERBS,
    can_end,
    credential_of,
    goes_on,
    rotates,
    told_of,
    users_of,
)  # fmt: skip
from keyturn.web.words import Moment, Told

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions import why
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Grant
    from keyturn.web.pages.visit import Visit

OVERLAPS: Final = (HOUR, DAY, 7 * DAY)
IDLES: Final = (authorizations.IDLE_DEFAULT, DAY, 7 * DAY)


def _frame(grant: Grant, act: str, wrong: Invalid | None = None) -> dict[str, Any]:
    """What all of the forms show."""
    own = shown.href_of(grant)
    return {
        "here": LISTS.get(grant.kind, AUTHORIZATIONS)[0], "grant": grant, "name": shown.name_of(grant), "back": own,
        "action": f"{own}/{act}", "error": words.sentence(str(wrong)) if wrong else "", "field": wrong.field if wrong else "",
    }  # fmt: skip


def _over(visit: Visit, told: why.Told, *, possible: bool, verb: str) -> Response | None:
    """Where to go instead, when it cannot be done (any more)."""
    here = shown.href_of(credential_of(told).grant)
    if told.dead is not None:
        return visit.done(here, "It is over already, and nothing was changed.", "warn")
    if not possible:
        return visit.done(here, f"A credential of this kind is not {verb}.", "warn")
    return None


def show_edit(visit: Visit) -> Response:
    """GET .../edit: name and expiry."""
    told = told_of(visit)
    gone = _over(visit, told, possible=credential_of(told).grant.kind in EDITED, verb="changed")
    return gone or _edit_form(
        visit, credential_of(told), {"description": credential_of(told).grant.description, "expiry": lives.KEEP}
    )


def edit(visit: Visit) -> Response:
    """POST .../edit."""
    told = told_of(visit)
    gone = _over(visit, told, possible=credential_of(told).grant.kind in EDITED, verb="changed")
    if gone is not None:
        return gone
    grant, form = credential_of(told).grant, visit.form
    description = form.get("description", "").strip()
    try:
        if not description:
            raise Invalid("description", "Say what it is for: that is the name it goes by.")
        kept = form.get("expiry") == lives.KEEP and not form.get("on") and not form.get("days")
        asked: object = authorizations.KEEP if kept else lives.read(form, visit.now)
        if description == grant.description and kept:
            return visit.done(shown.href_of(grant), "Nothing was changed.", "info")
        changed = authorizations.update(
            visit.env, visit.by, visit.me, grant.id,
            description=None if description == grant.description else description, expires_in=asked,
        ).grant  # fmt: skip
    except Invalid as wrong:
        return _edit_form(visit, credential_of(told), form, wrong=wrong)
    said = "Changed."
    if not kept:
        end = changed.expires_at
        said = f"Changed. It ends {words.relative(end, visit.now)}." if end else "Changed. It never expires."
    return visit.done(shown.href_of(grant), said)


def _edit_form(visit: Visit, found: Credential, values: dict[str, str], *, wrong: Invalid | None = None) -> Response:
    grant = found.grant
    frame = _frame(grant, "edit", wrong)
    return visit.render(
        "credential_edit.html", 422 if wrong else 200, title="Change it", values=values, **frame,
        cards=lives.cards_again(grant, visit.env.policy.lives[grant.kind], visit.now),
    )  # fmt: skip


def show_rotate(visit: Visit) -> Response:
    """GET .../rotate: how long the old token goes on."""
    told = told_of(visit)
    gone = _over(visit, told, possible=rotates(credential_of(told).grant.kind), verb="rotated")
    return gone or _rotate_form(visit, credential_of(told), visit.form)


def rotate(visit: Visit) -> Response:
    """POST .../rotate: the new token, shown once."""
    told = told_of(visit)
    gone = _over(visit, told, possible=rotates(credential_of(told).grant.kind), verb="rotated")
    if gone is not None:
        return gone
    grant, overlap = credential_of(told).grant, visit.form.get("overlap", "")
    try:
        if not overlap:
            raise Invalid("overlap", "Choose when the old token ends.")
        lasting = None if overlap == "0" else overlap
        made = authorizations.regenerate(
            visit.env, visit.by, visit.me, grant.id, overlap=lasting, idle=visit.form.get("idle") if lasting else None
        )
    except Invalid as wrong:
        return _rotate_form(visit, credential_of(told), visit.form, wrong=wrong)
    here = LISTS.get(grant.kind, AUTHORIZATIONS)[0]
    return show_secret(
        visit, made, title="A new token for it", here=here, old=_old_words(visit, credential_of(told), made),
        lead="Put it in place of the old one, before you leave this page.",
    )  # fmt: skip


def _old_words(visit: Visit, before: Credential, made: Credential) -> Told:
    with visit.env.store.reading() as tx:
        old = next((t for t in tx.tokens_of(made.grant.id) if t.id == before.token.id), None)
    if old is None or old.ended_at is not None or old.expires_at is None:
        return Told(("The old token ended at once: whoever still uses it is refused from now on.",))
    idle = f", or earlier once it was unused for {lifecycle.in_words(old.idle_limit)}" if old.idle_limit else ""
    return Told(("The old token goes on until ", Moment(old.expires_at), f"{idle}."))


def _rotate_form(visit: Visit, found: Credential, values: dict[str, str], *, wrong: Invalid | None = None) -> Response:
    grant, longest = found.grant, visit.env.policy.overlap_longest
    spans = [seconds for seconds in OVERLAPS if seconds < longest] + ([longest] if longest else [])
    idles = [seconds for seconds in IDLES if seconds <= longest] or spans
    frame = _frame(grant, "rotate", wrong)
    return visit.render(
        "credential_rotate.html", 422 if wrong else 200, title="Rotate it", values=values, users=users_of(found, visit.now),
        overlap=found.overlap if goes_on(found, visit.now) else None,
        spans=[(str(s), lifecycle.in_words(s) + (", the most" if s == longest else "")) for s in spans],
        idles=[(str(s), lifecycle.in_words(s)) for s in idles], **frame,
    )  # fmt: skip


def show_revoke(visit: Visit) -> Response:
    """GET .../revoke: what ends, and who still uses it."""
    told = told_of(visit)
    found = credential_of(told)
    gone = _over(visit, told, possible=can_end(found.grant.kind), verb="ended here")
    if gone is not None:
        return gone
    grant = found.grant
    event = Event.LOGOUT if grant.kind in SESSIONS else Event.REVOKE
    foretold = preview(visit.env, visit.by, event, target=grant.id)
    verb = VERBS.get(grant.kind, "Revoke it")
    return visit.render(
        "credential_revoke.html", title=f"{verb}?", verb=verb, **_frame(grant, "revoke"),
        rows=shown.ending_rows(foretold, visit.now), users=users_of(found, visit.now), current=grant.id == visit.me.grant_id,
        can_rotate=rotates(grant.kind) and grant.kind not in SESSIONS,
    )  # fmt: skip


def revoke(visit: Visit) -> Response:
    """POST .../revoke."""
    told = told_of(visit)
    grant = credential_of(told).grant
    gone = _over(visit, told, possible=can_end(grant.kind), verb="ended here")
    if gone is not None:
        return gone
    if grant.id == visit.me.grant_id:
        return sign_in.leave(visit, "/sign-in")
    if grant.kind in SESSIONS:
        sessions.end(visit.env, visit.by, visit.me, grant.id)
    else:
        authorizations.revoke(visit.env, visit.by, visit.me, grant.id)
    return visit.done(shown.href_of(grant), "It ended. Every request with it is refused from now on.")

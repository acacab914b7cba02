"""/settings/two-factor: second factors and recovery codes, as their owner sees and changes them.

All but turning it off is there for sessions that must set up a second factor first as well; ``next`` is where such a one
was heading. A seed, and recovery codes, stand only in the page that answers the form which made them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from keyturn.actions import factors, preview
from keyturn.actions.authenticate import web_session
from keyturn.actions.env import Invalid, NotFound, Refused, Throttled
from keyturn.core import recovery
from keyturn.core.policy import Event
from keyturn.web import qr, words
from keyturn.web.pages import confirm, sessions, sign_in
from keyturn.web.pages.browser import set_cookie
from keyturn.web.pages.visit import SET_UP, local_path, message, see_other

if TYPE_CHECKING:
    from keyturn.actions.factors import Added, CodesSetup
    from keyturn.core.credential import Account, Factor
    from keyturn.web.pages.visit import Visit

APP = f"{SET_UP}/app"
PASSKEY = f"{SET_UP}/passkey"
RECOVERY = f"{SET_UP}/recovery"
DOWNLOAD = f"{RECOVERY}/download"
OFF = f"{SET_UP}/off"
FACTOR = f"{SET_UP}/factors/{{id}}"
FEW = 3
"""With fewer recovery codes left the page asks for new ones."""


def show(visit: Visit) -> Response:
    """GET: what there is, and what can be added."""
    if visit.owner.federated:
        return message(
            visit, 200, "Two-factor sign-in", ["You sign in through your organization, which asks for the second factor itself."],
            tone="info", action=("/", "Go to the start"),
        )  # fmt: skip
    found = factors.overview(visit.env, visit.me)
    return visit.render(
        "two_factor.html", title="Two-factor sign-in", here=SET_UP, found=found, few=FEW, codes_made=recovery.COUNT,
        passkeys=visit.face.takes_passkeys, after=_after(visit), asked_of=_asked_of(visit, visit.owner),
        browsers=sessions.BROWSERS,
    )  # fmt: skip


def _asked_of(visit: Visit, account: Account) -> str:
    """Of whom the policy asks a second factor, in words; empty where it does not ask this account."""
    asked = visit.env.policy.mfa_required
    return {"all": "everybody", "admins": "administrators" if account.admin else ""}.get(asked, "")


def _next(visit: Visit) -> str:
    """Where the person was heading when the set-up came in between."""
    return local_path(visit.form.get("next") or visit.asked.get("next", "/"))


def _after(visit: Visit) -> str:
    """The same, as the query of a link to another of these pages."""
    path = _next(visit)
    return "" if path == "/" else f"?{urlencode({'next': path})}"


# An authenticator app.


def show_app(visit: Visit) -> Response:
    """GET: what it takes, and a button to begin."""
    return _app(visit)


def _app(visit: Visit, setup: CodesSetup | None = None, *, status: int = 200, error: Invalid | None = None) -> Response:
    # qr.svg escapes what it is given
    picture = Markup(qr.svg(setup.uri, "QR code for your authenticator app")) if setup else None  # noqa: S704
    return visit.render(
        "two_factor_app.html", status, title="Set up an authenticator app", here=SET_UP, setup=setup, picture=picture,
        next=_next(visit), after=_after(visit), error=str(error) if error else None, name=visit.form.get("name", ""),
    )  # fmt: skip


def submit_app(visit: Visit) -> Response:
    """POST: begins, or confirms by the first code."""
    env, issuer, started = visit.env, visit.face.instance, visit.form.get("factor")
    if started is None:
        try:
            setup = factors.begin_codes(env, visit.by, visit.me, name=visit.form.get("name"), issuer=issuer)
        except Invalid as wrong:
            return _app(visit, status=422, error=wrong)
        return _app(visit, setup)
    try:
        added = factors.confirm_codes(env, visit.by, visit.me, started, visit.form.get("code"))
    except Invalid as wrong:
        return _app(visit, factors.begun_codes(env, visit.me, started, issuer=issuer), status=422, error=wrong)
    except NotFound:
        again = "That set-up is over: another one was begun after it, or it is done. Begin again if you need to."
        return visit.done(SET_UP + _after(visit), again, "warn")
    return _added(visit, added)


# A passkey.


def show_passkey(visit: Visit) -> Response:
    """GET: the button at which the browser makes one."""
    return _passkey(visit)


def _passkey(visit: Visit, *, status: int = 200, error: Invalid | None = None) -> Response:
    options = factors.passkey_options(
        visit.env, visit.me, bound_to=visit.csrf, origin=visit.face.public_url, instance=visit.face.instance
    )
    return visit.render(
        "two_factor_passkey.html", status, title="Add a passkey", here=SET_UP, options=json.dumps(options) if options else None,
        next=_next(visit), after=_after(visit), error=str(error) if error else None, wrong_field=error.field if error else None,
        name=visit.form.get("name", ""),
    )  # fmt: skip


def submit_passkey(visit: Visit) -> Response:
    """POST: what the browser made."""
    try:
        added = factors.add_passkey(
            visit.env, visit.by, visit.me, confirm.read_passkey(visit.form.get("passkey", "")), name=visit.form.get("name"),
            bound_to=visit.csrf, origin=visit.face.public_url,
        )  # fmt: skip
    except Invalid as wrong:
        return _passkey(visit, status=422, error=wrong)
    return _added(visit, added)


def _added(visit: Visit, added: Added) -> Response:
    """The recovery codes after the first factor, else back; with the session's new secret."""
    noun = "passkey" if added.factor.kind == "passkey" else "authenticator app"
    principal = web_session(visit.env, added.session or "")
    if principal is None or added.session is None:  # ended in this very moment
        return see_other("/sign-in")
    now = replace(
        visit, by=replace(visit.by, principal=principal), account=visit.env.store.find_account(principal.account_id)
    )
    if added.recovery_codes is not None:
        response: Response = _codes(now, added.recovery_codes, first=f"Your {noun} works. Two-factor sign-in is on.")
    else:
        response = visit.done(SET_UP, f"The {noun} “{added.factor.name}” was added.")
    set_cookie(visit.face, response, "session", added.session)
    return response


# Recovery codes.


def _codes(visit: Visit, codes: list[str], first: str = "") -> Response:
    return visit.render(
        "two_factor_codes.html", title="Your recovery codes", here=SET_UP, codes=codes, first=first, next=_next(visit),
        others=len(preview.preview(visit.env, visit.by, Event.LOGOUT_OTHERS).ends) if first else 0,
        download=DOWNLOAD, after=_next(visit) if _next(visit) != "/" else SET_UP,
    )  # fmt: skip


def show_recovery(visit: Visit) -> Response:
    """GET: how many are left, and a button for new ones."""
    found = factors.overview(visit.env, visit.me)
    if found.since is None:
        return see_other(SET_UP)
    return visit.render(
        "two_factor_recovery.html",
        title="New recovery codes",
        here=SET_UP,
        left=found.recovery_left,
        codes_made=recovery.COUNT,
    )


def make_recovery(visit: Visit) -> Response:
    """POST: new ones, shown this once."""
    return _codes(visit, factors.new_recovery_codes(visit.env, visit.by, visit.me))


def download(visit: Visit) -> Response:
    """POST: the codes that the page carries back, as a file; the server has only their digests."""
    codes = [code for code in visit.form.get("codes", "").split()[: recovery.COUNT] if recovery.looks_like(code)]
    text = "\n".join([
        f"Recovery codes for {visit.face.instance}, {visit.face.public_url}", f"Account: {visit.owner.email}",
        "Each works once, in place of your second factor.", "", *codes, "",
    ])  # fmt: skip
    headers = {"Content-Disposition": 'attachment; filename="recovery-codes.txt"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)


# One factor, and the whole.


def _factor(visit: Visit) -> tuple[Factor, int]:
    """The one that the address names, and how many there are. Raises NotFound."""
    found = factors.overview(visit.env, visit.me).factors
    named = next((factor for factor in found if factor.id == visit.params["id"]), None)
    if named is None:
        raise NotFound("second factor")
    return named, len(found)


def show_factor(visit: Visit) -> Response:
    """GET: its facts, its name to change, and its removal."""
    return _one(visit)


def _one(visit: Visit, *, status: int = 200, error: Invalid | None = None) -> Response:
    factor, count = _factor(visit)
    noun = "Passkey" if factor.kind == "passkey" else "Authenticator app"
    return visit.render(
        "two_factor_factor.html", status, title=noun, here=SET_UP, factor=factor, last=count == 1, action=visit.path,
        name=visit.form.get("name", factor.name), error=str(error) if error else None,
    )  # fmt: skip


def rename(visit: Visit) -> Response:
    """POST: another name."""
    try:
        changed = factors.rename(visit.env, visit.by, visit.me, visit.params["id"], visit.form.get("name"))
    except Invalid as wrong:
        return _one(visit, status=422, error=wrong)
    return visit.done(SET_UP, f"It is called “{changed.name}” now.")


def remove(visit: Visit) -> Response:
    """POST .../remove."""
    try:
        gone = factors.remove(visit.env, visit.by, visit.me, visit.params["id"])
    except Invalid as wrong:
        return visit.done(SET_UP, f"Nothing was removed: {wrong}.", "warn")
    return visit.done(SET_UP, f"“{gone.name}” was removed; it proves nothing any more.")


def show_off(visit: Visit) -> Response:
    """GET: what turning it off means, and the password that it takes."""
    return _off(visit)


def _off(visit: Visit, *, status: int = 200, error: str | None = None) -> Response:
    found = factors.overview(visit.env, visit.me)
    if found.since is None:
        return see_other(SET_UP)
    return visit.render(
        "two_factor_off.html", status, title="Turn two-factor sign-in off", here=SET_UP, found=found, error=error, action=OFF,
        asked_of=_asked_of(visit, visit.owner),
    )  # fmt: skip


def turn_off(visit: Visit) -> Response:
    """POST: the password alone signs in from now on."""
    try:
        factors.turn_off(visit.env, visit.by, visit.me, current_password=visit.form.get("current_password"))
    except Throttled as problem:
        return _off(visit, status=429, error=sign_in.too_many(problem, "wrong passwords"))
    except (Invalid, Refused) as wrong:
        return _off(visit, status=422, error=words.sentence(str(wrong)))
    return visit.done(SET_UP, "Two-factor sign-in is off: your password alone signs you in.", "warn")

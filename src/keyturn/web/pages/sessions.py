"""/settings/sessions: where the account is logged in, each to be ended; and the browsers that are remembered."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from keyturn.actions import factors, preview, sessions
from keyturn.core import policy
from keyturn.core.policy import Event, Kind
from keyturn.web.pages import agents, audit_words, shown, sign_in
from keyturn.web.pages.browser import cookie_name, drop_cookie
from keyturn.web.pages.visit import see_other

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.grants import Credential
    from keyturn.actions.preview import Preview
    from keyturn.web.pages.shown import Facts
    from keyturn.web.pages.visit import Visit

HERE = "/settings/sessions"
ENDED = f"{HERE}?view=ended"
BROWSERS = f"{HERE}#devices"
"""Where those are that are remembered."""
LISTED_MOST = 12
"""Shown one by one of what an event ends; of more their number."""


@dataclass(frozen=True, slots=True)
class Row:
    """One login or browser session."""

    facts: Facts
    name: str
    agent: str
    """By what program, where the name does not say it."""
    glyph: str
    why: str
    """Of what it ended; empty while it lives."""
    asks: bool
    """Somebody may be at work with it: before it ends its page shows who."""


def show(visit: Visit) -> Response:
    """GET: the living, or with ``view=ended`` the dead."""
    ended, before = visit.asked.get("view") == "ended", _id(visit.asked.get("before", ""))
    found, more = sessions.page(visit.env, visit.me, ended=ended, before=before)
    if not ended and not before:  # the one at hand comes first
        current = sessions.current(visit.env, visit.me)
        found = [current, *(each for each in found if each.grant.id != visit.me.grant_id)]
    elif not ended:
        found = [each for each in found if each.grant.id != visit.me.grant_id]
    overview = factors.overview(visit.env, visit.me)
    asked = {"view": "ended"} if ended else {}
    first = f"{HERE}?{urlencode(asked)}" if asked else HERE
    return visit.render(
        "sessions.html", title="Sessions", here=HERE, ended=ended, rows=[_row(visit, each) for each in found],
        tabs=[(HERE, "Logged in"), (ENDED, "Ended")], tab=first, previous=first if before else None,
        next=f"{HERE}?{urlencode(asked | {'before': found[-1].grant.id})}" if more else None,
        devices=overview.devices, others=not ended and (len(found) > 1 or more or bool(before) or bool(overview.devices)),
        this_device=sessions.device_of(visit.env, visit.me, _device_cookie(visit)),
        mfa=overview.since is not None, remembers=visit.env.policy.remember_device > 0, in_words=agents.in_words,
        is_mobile=agents.is_mobile, public_url=visit.face.public_url,
    )  # fmt: skip


def _id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def _device_cookie(visit: Visit) -> str:
    return visit.cookies.get(cookie_name(visit.face, "device"), "")


def _row(visit: Visit, credential: Credential) -> Row:
    grant = credential.grant
    facts = shown.facts_of(credential, visit.owner, visit.now, visit.env.policy, current=visit.me.grant_id)
    agent = agents.in_words(grant.agent)
    why = audit_words.why_ended(facts.reason, by_reader=facts.ended_by == "you") if facts.dead else ""
    if grant.kind is Kind.WEB:
        return Row(facts, agent, "", "phone" if agents.is_mobile(grant.agent) else "laptop", why, asks=False)
    in_use = facts.last is not None and visit.now - facts.last.last_at < timedelta(days=1)
    return Row(facts, facts.name, agent if grant.agent else "", facts.glyph, why, asks=in_use)


def end(visit: Visit) -> Response:
    """POST /sessions/ID/end: ends one."""
    if visit.principal is None:
        return see_other("/sign-in")
    identity = visit.params["id"]
    if identity in (sessions.OWN, visit.me.grant_id):
        return sign_in.leave(visit, "/sign-in")
    ended = sessions.end(visit.env, visit.by, visit.me, identity).grant
    what = shown.noun_of(ended.kind).lower()
    return visit.done(HERE, f"The {what} ended. Its token is refused from now on.")


def confirm_others(visit: Visit) -> Response:
    """GET .../end-others: what would end."""
    found = preview.preview(visit.env, visit.by, Event.LOGOUT_OTHERS)
    return _confirm(
        visit, found, title="End all other sessions", label="End all others", action=f"{HERE}/end-others",
        lead="Every login of a command line and every other browser is signed out. This browser stays.",
    )  # fmt: skip


def end_others(visit: Visit) -> Response:
    """POST .../end-others."""
    count = sessions.end_others(visit.env, visit.by, visit.me, device=_device_cookie(visit))
    if not count:
        return visit.done(HERE, "There was no other session. Other browsers are no longer remembered.", "info")
    return visit.done(HERE, f"{count} other session{'s' if count > 1 else ''} ended. This browser stays signed in.")


def confirm_all(visit: Visit) -> Response:
    """GET .../end-all: what would end."""
    found = preview.preview(visit.env, visit.by, Event.LOGOUT_ALL)
    return _confirm(
        visit, found, title="End all sessions, here too", label="End all and sign out", action=f"{HERE}/end-all",
        lead="Every login and every browser is signed out, this one as well. You sign in again afterwards.",
    )  # fmt: skip


def end_all(visit: Visit) -> Response:
    """POST .../end-all: the browser is signed out with the rest."""
    sessions.end_all(visit.env, visit.by, visit.me)
    response = visit.done("/sign-in", "All sessions ended, here too.")
    for cookie in ("session", "device"):
        drop_cookie(visit.face, response, cookie)
    return response


def _confirm(visit: Visit, found: Preview, **context: Any) -> Response:
    # what is at hand comes first, and the latest of the others
    pairs = sorted(found.ends, key=lambda pair: pair[1].grant.id, reverse=True)
    pairs.sort(key=lambda pair: pair[1].grant.id != visit.me.grant_id)
    lives: dict[str, int] = {}
    for credential in found.lives:
        if credential.grant.id != visit.me.grant_id:
            noun = policy.LIVES[credential.grant.kind].noun
            lives[noun] = lives.get(noun, 0) + 1
    texts = [f"{count} {noun}s" if count > 1 else f"1 {noun}" for noun, count in lives.items()]
    if any(credential.grant.id == visit.me.grant_id for credential in found.lives):
        texts.insert(0, "This browser")
    return visit.render(
        "sessions_end.html", here=HERE, rows=shown.ending_rows(pairs[:LISTED_MOST], visit.now),
        more=max(0, len(pairs) - LISTED_MOST), lives=texts, cancel=HERE, **context,
    )  # fmt: skip


def forget_device(visit: Visit) -> Response:
    """POST .../devices/ID/forget: one remembered browser."""
    mine = sessions.device_of(visit.env, visit.me, _device_cookie(visit))
    factors.forget_device(visit.env, visit.by, visit.me, visit.params["id"])
    response = visit.done(HERE, "The browser is no longer remembered: it is asked for the second factor next time.")
    if mine == visit.params["id"]:
        drop_cookie(visit.face, response, "device")
    return response


def forget_devices(visit: Visit) -> Response:
    """POST .../devices/forget: all of them."""
    count = factors.forget_device(visit.env, visit.by, visit.me, None)
    if not count:
        return visit.done(HERE, "No browser was remembered.", "info")
    response = visit.done(HERE, f"{count} browser{'s are' if count > 1 else ' is'} no longer remembered.")
    drop_cookie(visit.face, response, "device")
    return response

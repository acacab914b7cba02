"""One visit to a page, from ASGI to a Response: the session cookie, the CSRF check, the frame that every page shares.

A form is taken only with the token that this server put into it for this browser and this session, and only from our
own pages: a random id, anew with each rendering, and an HMAC over it and the session, keyed by a random cookie of the
browser's own (SameSite=Lax, HttpOnly). Origin and Sec-Fetch-Site are checked as well where browsers send them. A page
marked ``once`` takes each id once, for what it makes is shown once (docs/decisions/0016).

The frame also keeps what must not be done with a stolen session: a page marked ``sensitive`` takes its form only shortly
after the person has proven who they are, and asks for the proof in between (pages/confirm.py). And it keeps sessions that
are there to set up a second factor from all other pages.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from starlette.responses import HTMLResponse, RedirectResponse

from keyturn.actions import once
from keyturn.actions.authenticate import ended_session, web_session
from keyturn.actions.env import By, Gone, Invalid, NotFound, Problem, Refused, Throttled
from keyturn.actions.sign_in import ENROL, must_have_second_factor
from keyturn.actions.uses import AGENT_LONGEST
from keyturn.core import token
from keyturn.store.interface import Unavailable
from keyturn.web import words
from keyturn.web.answer import Answer
from keyturn.web.call import read_body, send_answer
from keyturn.web.face import address, agent
from keyturn.web.pages.browser import (
    binding,
    cookie_name,
    drop_cookie,
    form_id,
    form_token,
    is_foreign,
    read_cookies,
    read_flash,
    set_cookie,
    signature,
)
from keyturn.web.templating import templates

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from keyturn.actions.env import Env
    from keyturn.core.credential import Account, Principal
    from keyturn.web.face import Face
    from keyturn.web.pages import Run
    from keyturn.web.words import Told

HERE = Path(__file__).parent.parent
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
SET_UP = "/settings/two-factor"
"""Where a second factor is set up: all that a session of the scope ``enrol`` can see."""
FLASH_LONGEST = 600
SENT_BEFORE = (
    "That form was sent before, and it counts once: nothing was done now. What it made was shown only once; if you have not "
    "kept it, make a new one."
)


@cache
def static(name: str) -> str:
    """The URL of a static file, with a version so that browsers may keep it."""
    version = hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={version}"


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page's function is given."""

    face: Face
    by: By
    account: Account | None
    """Whose session the browser has."""
    params: dict[str, str]
    form: dict[str, str]
    csrf: str
    """What stands for this browser and this session: forms and passkey challenges are bound to it; it is in no page."""
    now: datetime
    query: str = ""
    """The query string, as it came."""
    path: str = "/"
    flash: tuple[tuple[str, str], ...] = ()
    """What the page before has to say: tone (ok, info, warn, error) and sentence."""
    cookies: dict[str, str] = field(default_factory=dict)
    browser: str = ""
    """The browser's own random secret."""
    purpose: str = ""
    """What the page's form does, after "to": for the page that asks for a proof before."""
    ended: Told | None = None
    """When and of what the session ended that the browser still names."""

    @property
    def principal(self) -> Principal | None:
        """The browser session that acts."""
        return self.by.principal

    def render(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """The page made of ``template``."""
        frame = {
            "csrf": form_token(self.csrf, self.env.random_bytes(16).hex()), "account": self.account,
            "instance": self.face.instance, "static": static, "now": self.now,
            "here": self.path, "flash": self.flash, "restricted": self.restricted,
        }  # fmt: skip
        text = templates.get_template(template).render(frame | context)
        response = HTMLResponse(text, status, headers={"Content-Security-Policy": CSP, "Cache-Control": "no-store"})
        if self.flash:
            drop_cookie(self.face, response, "flash")
        return response

    @property
    def restricted(self) -> bool:
        """Whether the session may only set up a second factor: it was begun for that, or the policy asks for one by now."""
        account = self.account
        asked = account is not None and account.mfa_since is None and must_have_second_factor(self.env, account)
        return asked or is_restricted(self.principal)

    @property
    def asked(self) -> dict[str, str]:
        """The query's parameters; the last of a name counts."""
        try:
            return dict(parse_qsl(self.query, keep_blank_values=True, max_num_fields=50))
        except ValueError:
            return {}

    def done(self, path: str, text: str, tone: str = "ok") -> RedirectResponse:
        """303 to ``path``, which then says ``text``; no secret may be in it, for it goes through a cookie."""
        response = see_other(path)
        packed = json.dumps([tone, text[:FLASH_LONGEST]]).encode()
        value = base64.urlsafe_b64encode(signature(self.browser, packed) + packed).decode()
        set_cookie(self.face, response, "flash", value, seconds=60)
        return response

    @property
    def env(self) -> Env:
        """The actions' Env."""
        return self.face.env

    @property
    def me(self) -> Principal:
        """The browser session that acts; for pages that are for signed-in people, which run for nobody else."""
        assert self.by.principal is not None
        return self.by.principal

    @property
    def owner(self) -> Account:
        """Whose session it is; for such pages, too."""
        assert self.account is not None
        return self.account


def message(
    visit: Visit,
    status: int,
    heading: str,
    body: list[str],
    *,
    tone: str = "error",
    action: tuple[str, str] | None = None,
) -> HTMLResponse:
    """A page that says one thing. ``action``: URL and label of where to go on."""
    url, label = action or (None, None)
    return visit.render(
        "message.html", status, title=heading, heading=heading, body=body, tone=tone, action_url=url, action_label=label
    )


def see_other(path: str) -> RedirectResponse:
    """303 after a form: the next page is a GET [RFC 9110 15.4.4]."""
    return RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})


def local_path(text: str) -> str:
    """``text`` when it is a path of this server to go on to, else ``/``: never an open redirect."""
    local = text.startswith("/") and not text.startswith("//")
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if local and plain else "/"


class Page:
    """An ASGI application for one page: ``get`` shows it, ``post`` takes its form.

    ``signed_in``: for signed-in people alone; others get the sign-in form, and come back. ``admin``: for administrators.
    ``sensitive``: the form takes a proof of who one is, not older than policy.REAUTH; with ``gate`` the page itself too.
    ``enrolling``: for sessions that are there to set up a second factor as well. ``slow``: the form hashes a password.
    ``once``: the form counts once, for its answer shows what no other does; where one goes who sends it again, with the
    address' parameters in braces. ``to``: what the form does, for the page that asks for the proof.
    """

    def __init__(
        self, face: Face, get: Run, post: Run | None = None, *, slow: bool = False, signed_in: bool = False, admin: bool = False,
        sensitive: bool = False, gate: bool = False, enrolling: bool = False, once: str = "",
        to: str = "",
    ) -> None:  # fmt: skip
        self._face, self._get, self._slow, self._once, self._to = face, get, slow, once, to
        self._post = self._act_once(post) if once and post else post
        self._signed_in, self._admin = signed_in or admin, admin
        self._sensitive, self._gate, self._enrolling = sensitive or gate, gate, enrolling

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one visit."""
        face = self._face
        posting = scope["method"] == "POST" and self._post is not None
        # before the look at the session: a form may take its time, and what ended meanwhile acts no more
        body = await read_body(scope, receive) if posting else {}
        if isinstance(body, Answer) and body.status == 408:
            await send_answer(scope, send, body)
            return
        cookies = read_cookies(scope)
        secret = cookies.get(cookie_name(face, "session"), "")
        principal = web_session(face.env, secret) if secret else None
        account = face.env.store.find_account(principal.account_id) if principal else None
        ended = ended_session(face.env, secret) if secret and principal is None else None
        if principal is not None:
            face.uses.note(principal.token_id, address(scope), agent(scope)[:AGENT_LONGEST], face.env.clock())
        browser = cookies.get(cookie_name(face, "browser"), "")
        new_browser = not token.is_token(browser)
        if new_browser:
            browser = token.make("csrf", face.env.random_bytes)
        bound = binding(browser, principal.grant_id if principal else "")
        form: dict[str, str] = {}
        run = self._get
        by = face.by(scope, principal)
        params = scope.get("path_params", {})
        forged = False
        if posting:
            form = (
                {}
                if isinstance(body, Answer)
                else {name: value for name, value in body.items() if isinstance(value, str)}
            )
            given = form_id(bound, form.get("csrf", ""))
            foreign = new_browser or is_foreign(face, scope)
            forged = foreign or given is None
            if forged:
                # the form of a session that ended meanwhile is no forgery, and nothing to be silent about
                run = _forged if foreign or ended is None else self._not_signed_in
            else:
                assert self._post is not None
                run = self._post
        query = scope["query_string"].decode("latin-1")
        said = read_flash(cookies.get(cookie_name(face, "flash"), ""), browser)
        visit = Visit(
            face, by, account, params, form, bound, face.env.clock(), query, scope["path"], said, cookies, browser,
            purpose=self._to, ended=words.dated(*ended) if ended else None,
        )  # fmt: skip
        slow = posting and not forged and (self._slow or "proof" in form)
        response = await self._respond(
            run if forged else (lambda visit: self._admit(visit, run, posting=posting)), visit, slow=slow
        )
        if new_browser:
            set_cookie(face, response, "browser", browser)
        await response(scope, receive, send)

    def _admit(self, visit: Visit, run: Run, *, posting: bool) -> Response:
        """Runs the page for whom it is for; on a thread."""
        from keyturn.web.pages import confirm  # noqa: PLC0415 - it is a page itself

        if visit.principal is None or visit.account is None:
            if not self._signed_in:
                return run(visit)
            if posting and visit.ended is None:
                return see_other("/sign-in")
            return self._not_signed_in(visit)
        if visit.restricted and not self._enrolling:
            path = local_path(visit.path + (f"?{visit.query}" if visit.query else ""))
            return see_other(SET_UP if posting or path == "/" else f"{SET_UP}?{urlencode({'next': path})}")
        if self._admin and not visit.account.admin:
            return message(
                visit, 403, "For administrators", ["This page is for administrators of this server."],
                action=("/", "Go to the start"),
            )  # fmt: skip
        if self._sensitive and (posting or self._gate):
            return confirm.first(visit, run, posting=posting)
        return run(visit)

    def _not_signed_in(self, visit: Visit) -> Response:
        from keyturn.web.pages import sign_in  # noqa: PLC0415 - it is a page itself

        lost = bool(visit.form)
        here = (
            "/"
            if self._get is sign_in.not_by_get
            else local_path(visit.path + (f"?{visit.query}" if visit.query else ""))
        )
        return sign_in.form(visit, here, status=401 if lost else 200, lost=lost)

    def _act_once(self, run: Run) -> Run:
        def act(visit: Visit) -> Response:
            # read anew: it may have waited for a proof, and come back as what that page carried
            form = form_id(visit.csrf, visit.form.get("csrf", ""))
            if form is None:
                return _forged(visit)
            session = visit.me.grant_id
            if not once.spend(visit.env, session, form):
                return visit.done(local_path(self._once.format_map(visit.params)), SENT_BEFORE, "warn")
            try:
                response = run(visit)
            except Problem:
                once.give_back(visit.env, session, form)
                raise
            if response.status_code >= 400:  # the form again, with what was wrong: reloading that loses nothing
                once.give_back(visit.env, session, form)
            return response

        return act

    async def _respond(self, run: Run, visit: Visit, *, slow: bool) -> Response:
        try:
            return await self._face.offload.run(lambda: run(visit), slow=slow)
        except (Problem, Unavailable) as problem:
            return refusal(visit, problem)


def refusal(visit: Visit, problem: Problem | Unavailable) -> Response:
    """The page for what an action could not do and no form shows."""
    sentence = str(problem)
    if isinstance(problem, Unavailable):
        sentence = "The server cannot reach its store just now. Nothing was changed; try again."
        return message(visit, 503, "One moment", [sentence])
    if isinstance(problem, NotFound):
        return message(visit, 404, "There is no such thing here", [sentence], action=("/", "Go to the start"))
    if isinstance(problem, Gone):
        return message(visit, 410, "This link is used up", [sentence])
    if isinstance(problem, Throttled):
        response = message(visit, 429, "Too many tries", [sentence])
        response.headers["Retry-After"] = str(max(1, round(problem.after.total_seconds())))
        return response
    if isinstance(problem, Refused):
        return message(visit, 403 if problem.forbidden else 401, "That is not possible", [sentence])
    if isinstance(problem, Invalid):
        return message(visit, 422, "That cannot be taken", [sentence])
    raise problem


def _forged(visit: Visit) -> Response:
    return message(
        visit, 403, "This form was out of date",
        ["It came from another page, or you signed in or out meanwhile. Nothing was changed.",
         "Go back, reload the page and try again."],
        action=("/", "Go to the start"),
    )  # fmt: skip


def is_restricted(principal: Principal | None) -> bool:
    """Whether the session may only set up a second factor."""
    return principal is not None and ENROL in principal.scopes

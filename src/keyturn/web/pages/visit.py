"""One visit to a page, from ASGI to a Response: the session cookie, the CSRF check, the frame that every page shares.

A form is taken only with the token that this server put into it for this browser and this session, and only from our
own pages: an HMAC over the session, keyed by a random cookie of the browser's own (SameSite=Lax, HttpOnly). Origin
and Sec-Fetch-Site are checked as well where browsers send them.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, RedirectResponse

from keyturn.actions.authenticate import web_session
from keyturn.actions.env import By, Gone, Invalid, NotFound, Problem, Refused, Throttled
from keyturn.actions.uses import AGENT_LONGEST
from keyturn.core import token
from keyturn.store.interface import Unavailable
from keyturn.web.answer import Answer
from keyturn.web.call import read_body
from keyturn.web.face import address, agent

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from keyturn.core.credential import Account, Principal
    from keyturn.web.face import Face
    from keyturn.web.pages import Run

HERE = Path(__file__).parent.parent
CSP = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    auto_reload=False,
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
    now: datetime
    query: str = ""
    """The query string, as it came."""

    @property
    def principal(self) -> Principal | None:
        """The browser session that acts."""
        return self.by.principal

    def render(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """The page made of ``template``."""
        text = templates.get_template(template).render(
            {"csrf": self.csrf, "account": self.account, "instance": self.face.instance, "static": static, **context}
        )
        return HTMLResponse(text, status, headers={"Content-Security-Policy": CSP, "Cache-Control": "no-store"})


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


def cookie_name(face: Face, what: str) -> str:
    """Over TLS the __Host- prefix [RFC 6265bis 4.1.3.2]; without, the port, since a machine's ports share their
    cookies.
    """
    return f"__Host-keyturn_{what}" if face.https else f"keyturn_{what}_{urlsplit(face.public_url).port or 80}"


def set_cookie(face: Face, response: Response, what: str, value: str, *, seconds: int | None = None) -> None:
    """Sets one of our cookies; until the browser closes when no ``seconds`` are given."""
    response.set_cookie(
        cookie_name(face, what), value, max_age=seconds, path="/", secure=face.https, httponly=True, samesite="lax"
    )


def drop_cookie(face: Face, response: Response, what: str) -> None:
    """Removes one of our cookies."""
    response.delete_cookie(cookie_name(face, what), path="/", secure=face.https, httponly=True, samesite="lax")


class Page:
    """An ASGI application for one page: ``get`` shows it, ``post`` takes its form."""

    def __init__(self, face: Face, get: Run, post: Run | None = None, *, slow: bool = False) -> None:
        self._face, self._get, self._post, self._slow = face, get, post, slow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one visit."""
        face = self._face
        posting = scope["method"] == "POST" and self._post is not None
        # before the look at the session: a form may take its time, and what ended meanwhile acts no more
        body = await read_body(scope, receive) if posting else {}
        cookies = read_cookies(scope)
        secret = cookies.get(cookie_name(face, "session"), "")
        principal = web_session(face.env, secret) if secret else None
        account = face.env.store.find_account(principal.account_id) if principal else None
        if principal is not None:
            face.uses.note(principal.token_id, address(scope), agent(scope)[:AGENT_LONGEST], face.env.clock())
        browser = cookies.get(cookie_name(face, "browser"), "")
        new_browser = not token.is_token(browser)
        if new_browser:
            browser = token.make("csrf", face.env.random_bytes)
        expected = csrf_token(browser, secret if principal else "")
        form: dict[str, str] = {}
        run = self._get
        by = face.by(scope, principal)
        params = scope.get("path_params", {})
        if posting:
            form = (
                {}
                if isinstance(body, Answer)
                else {name: value for name, value in body.items() if isinstance(value, str)}
            )
            given = form.get("csrf", "")
            foreign = is_foreign(face, scope)
            if new_browser or foreign or not hmac.compare_digest(given.encode(), expected.encode()):
                run = _forged
            else:
                assert self._post is not None
                run = self._post
        query = scope["query_string"].decode("latin-1")
        visit = Visit(face, by, account, params, form, expected, face.env.clock(), query)
        response = await self._respond(run, visit, slow=self._slow and posting and run is not _forged)
        if new_browser:
            set_cookie(face, response, "browser", browser)
        await response(scope, receive, send)

    async def _respond(self, run: Run, visit: Visit, *, slow: bool) -> Response:
        try:
            return await self._face.offload.run(lambda: run(visit), slow=slow)
        except Problem as problem:
            return refusal(visit, problem)
        except Unavailable:
            return message(
                visit,
                503,
                "One moment",
                ["The server cannot reach its store just now. Nothing was changed; try again."],
            )


def refusal(visit: Visit, problem: Problem) -> Response:
    """The page for what an action could not do and no form shows."""
    sentence = str(problem)
    if isinstance(problem, NotFound):
        return message(visit, 404, "There is no such thing here", [sentence])
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


def csrf_token(browser: str, session: str) -> str:
    """What a form must carry: bound to the browser's own random cookie and to the session."""
    return hmac.new(browser.encode(), b"form:" + session.encode(), hashlib.sha256).hexdigest()


def is_foreign(face: Face, scope: Scope) -> bool:
    """Whether the browser says that the form came from another site, or hides from where."""
    headers = dict(scope["headers"])
    if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
        return True
    origin = headers.get(b"origin")
    if origin is None:
        return False
    ours = {headers.get(b"host", b"").decode("latin-1"), urlsplit(face.public_url).netloc}
    # cut by hand: what strangers send need not be a URL
    return origin.decode("latin-1").partition("://")[2] not in ours


def read_cookies(scope: Scope) -> dict[str, str]:
    """The request's cookies [RFC 6265 5.4]; the first of a name counts."""
    cookies: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, text = part.strip().partition("=")
                cookies.setdefault(key, text)
    return cookies

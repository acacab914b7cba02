"""The HTTP face: every route, on one screen."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.routing import Mount, Router

from keyturn.web import dashboard, health, pages
from keyturn.web.api import account, authorizations, cli_auth, clients, keys, life, oauth, policy, resets, sessions
from keyturn.web.call import Endpoint
from keyturn.web.outer import Outer
from keyturn.web.pages import cli_login, home, setup, sign_in
from keyturn.web.pages import oauth as oauth_page
from keyturn.web.pages import resets as reset_page
from keyturn.web.pages.visit import Page, warm
from keyturn.web.routing import Files, Route
from keyturn.web.unknown import Unknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp

    from keyturn.web.answer import Answer
    from keyturn.web.call import Call
    from keyturn.web.face import Face

STATIC = Path(__file__).parent / "static"


def build(face: Face) -> ASGIApp:
    """The ASGI application."""
    warm()

    def api(method: str, path: str, run: Callable[[Call], Answer], permission: str | None, **options: Any) -> Route:
        return Route(path, Endpoint(face, run, permission, **options), methods=[method])

    def page(path: str, run: pages.Run, *, post: pages.Run | None = None, **options: bool) -> Route:
        return Route(path, Page(face, run, post, **options), methods=["GET", "POST"] if post else ["GET"])

    def act(path: str, post: pages.Run, **options: bool) -> Route:
        return page(path, sign_in.not_by_get, post=post, signed_in=True, **options)

    auth, sess = "/oauth/authorizations", "/oauth/sessions"
    routes = [
        # GET /verify and GET /account are answered in outer.py, by hot.py; here /account tells what the path takes
        api("GET", "/account", account.info, "account:read"),
        api("PATCH", "/account", account.update, "account:write",
            slow=account.is_secured, sensitive=account.changes_secured),
        api("PUT", "/account/password", account.change_password, "account:password", slow=True, sensitive=True),
        api("GET", "/account/rate-limits", account.rate_limit(face), "account:read", counted=False),
        api("GET", "/account/features", account.nothing, "features:read"),
        api("GET", "/account/keys", keys.listed, "keys:read"),
        api("POST", "/account/keys", keys.add, "keys:write", sensitive=True),
        api("GET", "/account/keys/{id:path}", keys.info, "keys:read"),
        api("DELETE", "/account/keys/{id:path}", keys.remove, "keys:write"),
        api("GET", auth, authorizations.listed, "authorizations:read"),
        api("POST", auth, authorizations.create, "authorizations:write",
            password=authorizations.create_by_password, sensitive=authorizations.outlives),
        api("GET", auth + "/{id}", authorizations.info, "authorizations:read"),
        api("PATCH", auth + "/{id}", authorizations.update, "authorizations:write", sensitive=authorizations.outlives),
        api("DELETE", auth + "/{id}", authorizations.revoke, "authorizations:write"),
        api("POST", auth + "/{id}/actions/regenerate-tokens", authorizations.regenerate, "authorizations:write",
            sensitive=authorizations.makes_an_api_key),
        api("GET", sess, sessions.listed, "sessions:read"),
        api("DELETE", sess, sessions.end_all, "sessions:write"),
        api("DELETE", sess + "/~", sessions.end, "self:end"),
        api("DELETE", sess + "/{id}", sessions.end, "sessions:write"),
        api("GET", "/oauth/clients", clients.listed, "clients:read"),
        api("POST", "/oauth/clients", clients.create, "clients:write"),
        api("GET", "/oauth/clients/{id}", clients.info, "clients:read"),
        api("PATCH", "/oauth/clients/{id}", clients.update, "clients:write"),
        api("DELETE", "/oauth/clients/{id}", clients.remove, "clients:write"),
        api("POST", "/oauth/clients/{id}/actions/rotate-credentials", clients.rotate, "clients:write"),
        api("POST", oauth.TOKENS, oauth.create, None),
        api("POST", "/oauth/token", oauth.create, None),
        api("DELETE", oauth.TOKENS + "/{id}", oauth.remove, "authorizations:write"),
        api("POST", oauth.REVOKE, oauth.revoke, None),
        api("GET", "/.well-known/oauth-authorization-server", oauth.metadata(face), None),
        api("POST", "/password-resets", resets.ask(face), None),
        api("POST", "/password-resets/{token}/actions/finalize", resets.finalize(face), None, slow=True),
        api("GET", "/account/preview", life.previewed, "sessions:read"),
        Route("/credentials/revoke", life.Report(face), methods=["POST"]),
        api("GET", "/teams", account.nothing, "teams:read"),
        api("GET", "/policy", policy.show(face), None),
        Route("/auth", cli_auth.Begin(face), methods=["POST"]),
        Route("/auth/cli/{id}", cli_auth.Wait(face), methods=["GET"]),
        Route("/healthz", health.Health(face), methods=["GET"]),
        page("/", home.show),
        page("/sign-in", sign_in.show, post=sign_in.submit, slow=True),
        page(sign_in.SECOND, sign_in.show_second, post=sign_in.submit_second),
        page(sign_in.PASSKEY, sign_in.show_passkey, post=sign_in.submit_passkey),
        page("/sign-out", sign_in.not_by_get, post=sign_in.sign_out, enrolling=True),
        page("/setup/{secret}", setup.show, post=setup.submit, slow=True),
        page("/auth/browser/{secret}", cli_login.show, post=cli_login.submit),
        page("/auth/browser/{secret}/switch", sign_in.not_by_get, post=cli_login.switch),
        page(resets.ASK, reset_page.show_ask, post=reset_page.ask),
        page(resets.ASK + "/{secret}", reset_page.show_choose, post=reset_page.choose, slow=True),
        page(oauth.AUTHORIZE, oauth_page.show, post=oauth_page.submit),
        page(oauth.AUTHORIZE + "/switch", sign_in.not_by_get, post=oauth_page.switch),
        page("/sessions/{id}/end", sign_in.not_by_get, post=home.end_session),
        *dashboard.routes(page, act),
        Mount("/static", Files(directory=STATIC)),
    ]  # fmt: skip

    # these judge requests by the very routes that serve them
    routes[:0] = [
        api("GET", "/credentials/why", life.why_own(routes), None),
        api("GET", "/credentials/{id}/why", life.why_by_id(routes), "authorizations:read"),
    ]

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        async with health.upkeep(face):
            yield

    return Outer(face, Router(routes, default=Unknown(face), redirect_slashes=False, lifespan=lifespan))

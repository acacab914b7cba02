"""The HTTP face: every route, on one screen."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.routing import Mount, Router

from keyturn.web import dashboard, git, health, pages
from keyturn.web.api import (
    account,
    apps,
    authorizations,
    cli_auth,
    clients,
    closing,
    keys,
    life,
    oauth,
    policy,
    resets,
    sessions,
    two_factor,
)
from keyturn.web.call import Endpoint
from keyturn.web.outer import Outer
from keyturn.web.pages import cli_login, home, setup, sign_in
from keyturn.web.pages import oauth as oauth_page
from keyturn.web.pages import resets as reset_page
from keyturn.web.pages.visit import Page
from keyturn.web.routing import Files, Route
from keyturn.web.templating import warm
from keyturn.web.unknown import Unknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyturn.web.answer import Answer
    from keyturn.web.call import Call
    from keyturn.web.face import Face

STATIC = Path(__file__).parent / "static"


def build(face: Face) -> ASGIApp:
    """The ASGI application."""
    warm()

    def api(method: str, path: str, run: Callable[[Call], Answer], permission: str | None, **options: Any) -> Route:
        return Route(path, Endpoint(face, run, permission, **options), methods=[method])

    def page(path: str, run: pages.Run, *, post: pages.Run | None = None, **options: Any) -> Route:
        return Route(path, Page(face, run, post, **options), methods=["GET", "POST"] if post else ["GET"])

    def act(path: str, post: pages.Run, **options: Any) -> Route:
        return page(path, sign_in.not_by_get, post=post, signed_in=True, **options)

    auth, sess, second = "/oauth/authorizations", "/oauth/sessions", "/account/two-factor"
    proven: dict[str, Any] = {"slow": True, "sensitive": True}
    routes = [
        # GET /verify and GET /account are answered in outer.py, by hot.py; here /account tells what the path takes
        api("GET", "/account", account.info, "account:read"),
        api("PATCH", "/account", account.update(face), "account:write", further=account.takes_more,
            slow=account.is_secured, sensitive=account.changes_secured, previews=account.has_preview),
        api("DELETE", "/account", closing.close, "account:password", slow=True, sensitive=closing.acts, previews=True),
        api("PUT", "/account/password", account.change_password, "account:password",
            slow=True, sensitive=account.changes_password, previews=True),
        api("GET", "/account/rate-limits", account.rate_limit(face), "account:read", counted=False),
        api("GET", "/account/features", account.nothing, "features:read"),
        api("GET", "/account/keys", keys.listed, "keys:read"),
        api("POST", "/account/keys", keys.add, "keys:write", sensitive=True),
        api("GET", "/account/keys/{id:path}", keys.info, "keys:read"),
        api("DELETE", "/account/keys/{id:path}", keys.remove, "keys:write"),
        api("GET", second, two_factor.info, "two-factor:read"),
        api("DELETE", second, two_factor.turn_off, "account:two-factor", **proven),
        api("POST", second + "/app", two_factor.begin(face), "account:two-factor", **proven),
        # not sensitive: the beginning was, and its code is used up
        api("POST", second + "/app/{id}/confirm", two_factor.confirm, "account:two-factor", slow=True),
        api("POST", second + "/recovery-codes", two_factor.renew_recovery_codes, "account:two-factor", **proven),
        api("DELETE", second + "/{id}", two_factor.remove, "account:two-factor", **proven),
        api("GET", auth, authorizations.listed, "authorizations:read"),
        api("POST", auth, authorizations.create, "authorizations:write",
            password=authorizations.create_by_password, sensitive=authorizations.outlives),
        api("GET", auth + "/{id}", authorizations.info, "authorizations:read"),
        api("PATCH", auth + "/{id}", authorizations.update, "authorizations:write", sensitive=authorizations.outlives),
        api("DELETE", auth + "/{id}", authorizations.revoke, "authorizations:write", previews=True),
        api("POST", auth + "/{id}/actions/regenerate-tokens", authorizations.regenerate, "authorizations:write",
            sensitive=authorizations.hands_out_more, previews=True),
        api("GET", sess, sessions.listed, "sessions:read"),
        api("DELETE", sess, sessions.end_all, "sessions:write", previews=True),
        api("DELETE", sess + "/~", sessions.end, "self:end", previews=True),
        api("DELETE", sess + "/{id}", sessions.end, "sessions:write", previews=True),
        api("GET", "/oauth/clients", clients.listed, "clients:read"),
        api("POST", "/oauth/clients", clients.create, "clients:write", sensitive=True),
        api("GET", "/oauth/clients/{id}", clients.info, "clients:read"),
        api("PATCH", "/oauth/clients/{id}", clients.update, "clients:write", sensitive=True),
        api("DELETE", "/oauth/clients/{id}", clients.remove, "clients:write", sensitive=clients.acts, previews=True),
        api("POST", "/oauth/clients/{id}/actions/rotate-credentials", clients.rotate, "clients:write", sensitive=True),
        api("POST", oauth.TOKENS, oauth.create, None),
        api("POST", "/oauth/token", oauth.create, None),
        api("DELETE", oauth.TOKENS + "/{id}", oauth.remove, "authorizations:write", previews=True),
        api("POST", oauth.REVOKE, oauth.revoke, None),
        api("GET", "/.well-known/oauth-authorization-server", oauth.metadata(face), None),
        api("POST", "/password-resets", resets.ask(face), None),
        api("POST", "/password-resets/{token}/actions/finalize", resets.finalize(face), None, slow=True),
        api("GET", "/account/preview", life.previewed, "sessions:read"),
        Route("/credentials/revoke", life.Report(face), methods=["POST"]),
        api("GET", "/teams", account.nothing, "teams:read"),
        *app_routes(face, api),
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
        page("/auth/browser/{secret}", cli_login.show, post=cli_login.submit, to="let the command line in"),
        page("/auth/browser/{secret}/switch", sign_in.not_by_get, post=cli_login.switch),
        page(resets.ASK, reset_page.show_ask, post=reset_page.ask),
        page(resets.ASK + "/{secret}", reset_page.show_choose, post=reset_page.choose, slow=True),
        page(oauth.AUTHORIZE, oauth_page.show, post=oauth_page.submit, to="let the application in"),
        page(oauth.AUTHORIZE + "/switch", sign_in.not_by_get, post=oauth_page.switch),
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

    router = Router(routes, default=Unknown(face), redirect_slashes=False, lifespan=lifespan)
    if face.git is None:
        return Outer(face, router)
    repositories = git.Git(face, face.git)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        # before the routes, which are many: git is as good as all that is asked here
        git_asks = scope["type"] == "http" and git.is_git(scope["path"])
        await (repositories if git_asks else router)(scope, receive, send)

    return Outer(face, front)


def app_routes(face: Face, api: Callable[..., Route]) -> list[Route]:
    """Apps, who else may use them, and transfers."""
    found, one, members = apps.Apps(face), "/apps/{app}", "/collaborators"
    return [
        api("GET", "/apps", found.listed, "apps:read"),
        api("GET", "/users/~/apps", found.listed, "apps:read"),
        api("POST", "/apps", found.create, "apps:write"),
        api("GET", one, found.info, "apps:read"),
        api("PATCH", one, found.update, "apps:write"),
        api("DELETE", one, found.destroy, "apps:write"),
        api("GET", one + members, apps.members, "apps:read"),
        api("POST", one + members, apps.add_member, "access:write"),
        api("GET", one + members + "/{who}", apps.member, "apps:read"),
        api("PATCH", one + members + "/{who}", apps.change_member, "access:write"),
        api("DELETE", one + members + "/{who}", apps.remove_member, "access:write"),
        # what the Heroku CLI calls when it sets permissions
        api("POST", "/teams" + one + members, apps.add_member, "access:write"),
        api("PATCH", "/teams" + one + members + "/{who}", apps.change_member, "access:write"),
        api("DELETE", "/teams" + one + members + "/{who}", apps.remove_member, "access:write"),
        api("PUT", one + "/pre-authorizations", apps.proven, "apps:read", sensitive=True),
        *(
            api("GET", one + "/" + name, apps.nothing, "apps:read")
            for name in ("addons", "dynos", "formation", "releases")
        ),
        api("GET", "/account/app-transfers", apps.transfers, "apps:read"),
        api("POST", "/account/app-transfers", apps.offer, "access:write"),
        api("PUT", "/account/app-transfers", apps.offer, "access:write"),  # heroku3
        api("GET", "/account/app-transfers/{id}", apps.transfer, "apps:read"),
        api("PATCH", "/account/app-transfers/{id}", apps.answer, "access:write"),
        api("DELETE", "/account/app-transfers/{id}", apps.take_back, "access:write"),
    ]

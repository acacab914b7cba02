"""One walk over the API and the browser: both ask for a proof before the same acts, and no act is left out.

Whatever changes something is in one of the lists below; a new route that is in none fails here, until somebody has decided
what a thief could do with it (docs/decisions/0014).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Router
from tests.support import factors
from tests.support.site import BROWSER
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import clients
from keyturn.core.policy import DAY, HOUR, Kind
from keyturn.web.call import Endpoint
from keyturn.web.pages.sign_in import not_by_get
from keyturn.web.pages.visit import Page
from keyturn.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.factors import Holder
    from tests.support.site import Browser, Site

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHyYTAmGGvZ5hBJ6IPIqr3EQRdXUFzPFxp4JHYOkOhz ada@laptop"
AUTH, SECOND, TWO = "/oauth/authorizations", "/account/two-factor", "/settings/two-factor"
CLIENT = {"name": "Board", "redirect_uri": "https://board.example.com/"}


@dataclass(frozen=True)
class Act:
    """One act, as the API and as the browser do it; None: it is not done there."""

    call: tuple[str, str, dict[str, Any]] | None
    form: tuple[str, dict[str, str]] | None
    subject: str = ""
    """What ``{id}`` in the paths is: a key of ``Subjects.ids``."""


ACTS = {
    "make an authorization": Act(
        ("POST", AUTH, {"description": "deploy"}), ("/settings/authorizations/new", {"description": "deploy"})
    ),
    "prolong an authorization": Act(
        ("PATCH", AUTH + "/{id}", {"expires_in": DAY}), ("/settings/credentials/{id}/edit", {"expiry": "never"}), "expiring"
    ),
    "rotate an authorization": Act(
        ("POST", AUTH + "/{id}/actions/regenerate-tokens", {}),
        ("/settings/credentials/{id}/rotate", {"overlap": "0"}), "authorization",
    ),
    "make the API key": Act(("POST", AUTH + "/{id}/actions/regenerate-tokens", {}), ("/settings/api-key", {}), "~"),
    "make the API key anew": Act(
        ("POST", AUTH + "/{id}/actions/regenerate-tokens", {}), ("/settings/api-key/regenerate", {}), "API key"
    ),
    "add an SSH key": Act(
        ("POST", "/account/keys", {"public_key": KEY}), ("/settings/keys", {"public_keys": KEY})
    ),
    "register a client": Act(("POST", "/oauth/clients", CLIENT), ("/settings/clients/new", CLIENT)),
    "send a client's people elsewhere": Act(
        ("PATCH", "/oauth/clients/{id}", {"redirect_uri": "https://evil.example/"}),
        ("/settings/clients/{id}", {"name": "Board", "redirect_uri": "https://evil.example/"}), "client",
    ),
    "make a client's secret anew": Act(
        ("POST", "/oauth/clients/{id}/actions/rotate-credentials", {}), ("/settings/clients/{id}/rotate", {}), "client"
    ),
    "remove a client": Act(("DELETE", "/oauth/clients/{id}", {}), ("/settings/clients/{id}/remove", {}), "client"),
    "change the password": Act(
        ("PUT", "/account/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        ("/settings/password",
         {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}),
    ),
    "change the password by PATCH": Act(
        ("PATCH", "/account", {"password": PASSWORD, "new_password": NEW_PASSWORD}), None
    ),
    "change the address": Act(
        ("PATCH", "/account", {"password": PASSWORD, "email": "new@example.com"}),
        ("/settings/profile/email", {"email": "new@example.com"}),
    ),
    "set up an authenticator app": Act(("POST", SECOND + "/app", {"password": PASSWORD}), (TWO + "/app", {})),
    "make new recovery codes": Act(
        ("POST", SECOND + "/recovery-codes", {"password": PASSWORD}), (TWO + "/recovery", {})
    ),
    "remove a second factor": Act(
        ("DELETE", SECOND + "/{id}", {"password": PASSWORD}), (TWO + "/factors/{id}/remove", {}), "factor"
    ),
    "turn two-factor sign-in off": Act(
        ("DELETE", SECOND, {"password": PASSWORD}), (TWO + "/off", {"current_password": PASSWORD})
    ),
    "close the account": Act(
        ("DELETE", "/account", {"password": PASSWORD}), ("/settings/close", {"email": EMAIL})
    ),
    # passkeys are made and factors named in the browser alone
    "add a passkey": Act(None, (TWO + "/passkey", {"passkey": "{}"})),
    "name a factor": Act(None, (TWO + "/factors/{id}", {"name": "x"}), "factor"),
    # what the Heroku CLI calls before it does what needs a fresh proof
    "prove it for an app": Act(("PUT", "/apps/{id}/pre-authorizations", {}), None, "app"),
}  # fmt: skip

FREE_CALLS = {
    # giving up, and ending what was given
    "DELETE /account/keys/{id:path}", "DELETE /oauth/authorizations/{id}", "DELETE /oauth/sessions", "DELETE /oauth/sessions/~",
    "DELETE /oauth/sessions/{id}", "DELETE /oauth/tokens/{id}", "DELETE /account/app-transfers/{id}",
    "DELETE /apps/{app}/collaborators/{who}", "DELETE /teams/apps/{app}/collaborators/{who}",
    # the beginning was asked for, and its code is used up
    "POST /account/two-factor/app/{id}/confirm",
    # apps and who may use them give no right over the account
    "POST /apps", "PATCH /apps/{app}", "DELETE /apps/{app}", "POST /apps/{app}/collaborators",
    "PATCH /apps/{app}/collaborators/{who}", "POST /teams/apps/{app}/collaborators", "PATCH /teams/apps/{app}/collaborators/{who}",
    "POST /account/app-transfers", "PUT /account/app-transfers", "PATCH /account/app-transfers/{id}",
}  # fmt: skip

FREE_FORMS = {
    # before there is a session, or with another proof: a password, a link's secret, a client's
    "/sign-in", "/sign-in/second", "/sign-in/passkey", "/setup/{secret}", "/reset", "/reset/{secret}", "/sign-up",
    "/join/{secret}", "/confirm-email/{secret}",
    # giving up, and ending what was given
    "/sign-out", "/auth/browser/{secret}/switch", "/oauth/authorize/switch", "/settings/credentials/{id}/revoke",
    "/settings/sessions/end-others", "/settings/sessions/end-all",
    "/settings/sessions/devices/forget", "/settings/sessions/devices/{id}/forget", "/sessions/{id}/end",
    "/settings/keys/{id}/remove", "/settings/profile/email/take-back",
    # a name, a link to an address that is known, a file of what the page has
    "/settings/profile", "/settings/profile/link", TWO + "/recovery/download",
    # these ask by themselves, where the answer is yes
    "/auth/browser/{secret}", "/oauth/authorize",
}  # fmt: skip


@dataclass
class Subjects:
    """An account with a second factor and one of everything, a login and a browser whose proof is long ago."""

    site: Site
    holder: Holder
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        site, account = self.site, self.holder.account
        self.browser: Browser = site.browser()
        self.browser.sign_in()
        self.browser.submit(self.browser.page("/sign-in/second"), "/sign-in/second", code=self.holder.fresh_code())
        session = self.holder.session()
        made = clients.create(site.env, site.by(session), site.principal(session), **CLIENT)
        self.ids["client"] = made.client.id
        site.clock.advance(hours=3)
        self.login = site.secret(account, Kind.LOGIN)
        self.csrf = self.browser.form(self.browser.page(TWO), "/sign-out")["csrf"]

    def subject(self, name: str) -> str:
        """The id of such a one, made just now."""
        site, account = self.site, self.holder.account
        if name == "expiring":
            return site.mint(account, Kind.AUTHORIZATION, asked=HOUR).grant.id
        if name == "authorization":
            return site.mint(account, Kind.AUTHORIZATION).grant.id
        if name == "API key":
            return site.mint(account, Kind.API_KEY).grant.id
        if name == "app":
            assert site.client.post("/apps", token=self.login, json={"name": "an-app"}).status == 201
            return "an-app"
        if name == "factor":
            with site.store.reading() as tx:
                return tx.factors(account.id)[0].id
        return self.ids.get(name, name)


@pytest.fixture
def there(site: Site) -> Subjects:
    return Subjects(site, factors.with_app(site))


@pytest.mark.parametrize("name", [name for name, act in ACTS.items() if act.call])
def test_over_the_api_the_act_takes_a_code(name: str, there: Subjects) -> None:
    act = ACTS[name]
    assert act.call is not None
    method, path, body = act.call
    path, before = path.replace("{id}", there.subject(act.subject)), there.site.actions()
    asked = there.site.client.request(method, path, token=there.login, json=body)
    assert (asked.status, asked.json["id"]) == (403, "two_factor"), asked.text
    assert there.site.actions() == before


@pytest.mark.parametrize("name", [name for name, act in ACTS.items() if act.form])
def test_in_a_browser_the_act_takes_a_fresh_proof(name: str, there: Subjects) -> None:
    act = ACTS[name]
    assert act.form is not None
    path, fields = act.form
    path, before = path.replace("{id}", there.subject(act.subject)), there.site.actions()
    asked = there.browser.request("POST", path, BROWSER, form={"csrf": there.csrf, **fields})
    assert "Confirm it is you" in asked.text, (asked.status, asked.header("location"))
    assert there.site.actions() == before


def routes(site: Site) -> Iterator[Route]:
    router = next(value for value in vars(site.app).values() if isinstance(value, Router))
    return (route for route in router.routes if isinstance(route, Route))


def like(path: str) -> str:
    """The path without the names of its variables."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_call_that_changes_something_is_judged(site: Site) -> None:
    asked = {f"{act.call[0]} {like(act.call[1])}" for act in ACTS.values() if act.call}
    free = {like(each) for each in FREE_CALLS}
    assert not asked & free
    found: dict[str, bool] = {}
    for route in routes(site):
        if isinstance(route.app, Endpoint) and route.app.permission is not None:
            for method in (route.methods or set()) - {"GET", "HEAD"}:
                found[f"{method} {like(route.path)}"] = route.app.may_be_sensitive
    assert {call for call, sensitive in found.items() if sensitive} == asked
    assert {call for call, sensitive in found.items() if not sensitive} == free


def test_every_form_is_judged(site: Site) -> None:
    """A form that is for administrators takes a proof always."""
    asked = {like(act.form[0]) for act in ACTS.values() if act.form}
    free = {like(each) for each in FREE_FORMS}
    assert not asked & free
    forms = {
        like(route.path): route.app
        for route in routes(site)
        if isinstance(route.app, Page) and route.app._post not in (None, not_by_get)
    }
    administrators = {path for path, page in forms.items() if page._admin}
    assert administrators
    assert all(forms[path]._sensitive for path in administrators)
    assert forms.keys() - administrators == asked | free
    assert not [path for path in free if forms[path]._sensitive]

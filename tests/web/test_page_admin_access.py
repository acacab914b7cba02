"""Who gets to the administrators' pages: every route of them, attacked by whoever is no administrator, or no more."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.site import BROWSER, Browser, Site
from tests.support.world import PASSWORD, START

from keyturn.core import token
from keyturn.core.policy import Kind, Policy
from keyturn.web import app, dashboard
from keyturn.web.pages.visit import SET_UP

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.asgi import Reply

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

GRACE = "grace@example.com"


@dataclass(frozen=True)
class Known:
    """A route, as dashboard.py declares it."""

    path: str
    posts: bool
    gets: bool
    options: dict[str, bool]


def declared() -> list[Known]:
    def page(path: str, _get: Any, *, post: Any = None, **options: bool) -> Any:
        return Known(path, post is not None, True, options)

    def act(path: str, _post: Any, **options: bool) -> Any:
        return Known(path, True, False, options)

    made: Callable[..., Any] = dashboard.routes
    return [route for route in made(page, act) if route.path.startswith("/admin")]


ROUTES = declared()
GETS = [route.path for route in ROUTES if route.gets]
POSTS = [route.path for route in ROUTES if route.posts]


@dataclass
class Scene:
    """An administrator's browser, and another account with something to lose."""

    site: Site
    admin: Account
    grace: Account
    key: Credential
    browser: Browser

    def path(self, path: str) -> str:
        """With this scene's ids in it."""
        full = path.replace("{id}", self.grace.id)
        return full + f"?credential={self.key.grant.id}" if full.endswith("/revoke") else full

    def post(self, path: str, browser: Browser | None = None, **changed: str) -> Reply:
        """The form that would do the most harm, with a good CSRF token."""
        browser = browser or self.browser
        csrf = re.search(r'name="csrf" value="([^"]+)"', browser.page("/settings/two-factor").text)
        fields = {
            "csrf": csrf[1] if csrf else "", "admin": "1", "way": "show", "email": "new@example.com",
            "credential": self.key.grant.id, "invitation": "01a1fc06-57b8-7350-8802-e2b4b3e70dd1",
        } | changed  # fmt: skip
        origin = (("Origin", browser.url), ("Sec-Fetch-Site", "same-origin"))
        return browser.request("POST", self.path(path).split("?")[0], BROWSER, *origin, form=fields)

    def state(self) -> Any:
        """What must stay as it is."""
        with self.site.store.reading() as tx:
            grace = tx.account(self.grace.id)
            return grace, tx.outgoing(), tx.count_accounts(), tx.invitations(START), self.site.ended(self.key)


@pytest.fixture
def scene(site: Site) -> Scene:
    admin, grace = site.account(admin=True), site.account(GRACE)
    with site.store.writing() as tx:
        tx.change_account(grace.id, mfa_since=START)
    grace = dataclasses.replace(grace, mfa_since=START)
    browser = site.browser()
    assert browser.sign_in().status == 303
    return Scene(site, admin, grace, site.mint(grace, Kind.AUTHORIZATION), browser)


def test_every_route_is_for_administrators_and_every_form_takes_a_proof() -> None:
    assert len(ROUTES) > 12
    for route in ROUTES:
        assert route.options.get("admin"), route.path
        assert not route.posts or route.options.get("sensitive") or route.options.get("gate"), route.path
        assert not route.options.get("enrolling"), route.path


def test_the_navigation_leads_to_pages_that_are_there(scene: Scene) -> None:
    links = set(re.findall(r'href="(/admin/[a-z]+)"', scene.browser.page("/admin/accounts").text))
    assert len(links) == 6
    assert {scene.browser.page(path).status for path in links} == {200}


@pytest.mark.parametrize("path", GETS)
def test_an_administrator_sees_each_page_and_seeing_changes_nothing(scene: Scene, path: str) -> None:
    before = scene.state(), len(scene.site.audit())
    answer = scene.browser.page(scene.path(path))
    if path == "/admin/outbox/{id}":
        assert answer.status == 404
    else:
        assert answer.status == 200, answer.text
    if path != "/admin/audit.jsonl":
        assert answer.text.count("<h1") == 1
        assert len(answer.body) < 100_000
    assert (scene.state(), len(scene.site.audit())) == before


@pytest.mark.parametrize("path", GETS)
def test_others_get_no_page(scene: Scene, path: str) -> None:
    other = scene.site.account("eve@example.com")
    browser = scene.site.browser()
    stranger = browser.page(scene.path(path))
    assert 'action="/sign-in"' in stranger.text
    assert GRACE not in stranger.text
    assert browser.sign_in("eve@example.com").status == 303
    answer = browser.page(scene.path(path))
    assert answer.status == 403
    assert "For administrators" in answer.text
    assert GRACE not in answer.text
    with scene.site.store.writing() as tx:
        tx.change_account(other.id, suspended_at=START)
    assert 'action="/sign-in"' in browser.page(scene.path(path)).text


@pytest.mark.parametrize("path", POSTS)
def test_others_forms_do_nothing(scene: Scene, path: str) -> None:
    scene.site.account("eve@example.com")
    eve, stranger = scene.site.browser(), scene.site.browser()
    eve.sign_in("eve@example.com")
    before = scene.state()
    assert scene.post(path, eve).status == 403
    assert scene.post(path, stranger).header("location") == "/sign-in"
    assert scene.state() == before


@pytest.mark.parametrize("path", POSTS)
def test_forms_from_elsewhere_do_nothing(scene: Scene, path: str) -> None:
    before = scene.state()
    forged = scene.post(path, csrf="")
    other = scene.site.browser()
    other.sign_in()
    foreign = re.search(r'name="csrf" value="([^"]+)"', other.page("/admin/accounts").text)
    assert foreign is not None
    assert (forged.status, scene.post(path, csrf=foreign[1]).status) == (403, 403)
    assert scene.state() == before


@pytest.mark.parametrize("path", POSTS)
def test_whoever_was_demoted_meanwhile_does_nothing(scene: Scene, path: str) -> None:
    with scene.site.store.writing() as tx:
        tx.change_account(scene.admin.id, admin=False)
    before = scene.state()
    assert scene.post(path).status == 403
    assert scene.state() == before


@pytest.mark.parametrize("path", POSTS)
def test_an_old_proof_is_asked_for_again_before_anything_happens(scene: Scene, path: str) -> None:
    scene.site.clock.advance(minutes=16)
    before = scene.state()
    answer = scene.post(path)
    assert "Confirm it is you" in answer.text
    assert scene.state() == before


@pytest.mark.parametrize("path", sorted({*GETS, *POSTS}))
def test_where_a_second_factor_is_asked_of_administrators_one_without_sees_nothing(scene: Scene, path: str) -> None:
    site = scene.site
    site.env = dataclasses.replace(site.env, policy=Policy(mfa_required="admins"))
    strict = app.build(dataclasses.replace(site.face, env=site.env))
    browser = Browser(strict, site.runner, url=site.url_of_site)
    browser.sign_in()
    before = scene.state()
    scene.browser.app = strict  # a session of before the rule, too
    for each in (browser, scene.browser):
        answers = ([each.page(scene.path(path))] if path in GETS else []) + (
            [scene.post(path, each)] if path in POSTS else []
        )
        assert all((answer.header("location") or "").startswith(SET_UP) for answer in answers), path
    assert scene.state() == before


def test_after_the_proof_the_suspension_that_waited_happens(scene: Scene) -> None:
    scene.site.clock.advance(minutes=16)
    action = f"/admin/accounts/{scene.grace.id}/suspend"
    asked = scene.browser.submit(scene.browser.page(action), action)
    assert scene.site.ended(scene.key) is None
    done = scene.browser.submit(asked, action, password=PASSWORD)
    assert done.header("location") == f"/admin/accounts/{scene.grace.id}"
    assert scene.site.ended(scene.key) == "owner_suspended"


def test_no_page_has_a_secret_or_what_is_kept_of_one(scene: Scene) -> None:
    site = scene.site
    secrets = [site.secret(scene.grace, kind) for kind in (Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.OAUTH)]
    shown = scene.post("/admin/accounts/{id}/password").text
    found = re.search(r"http://localhost:8420/reset/([A-Za-z0-9_]+)", shown)
    assert found is not None
    secrets.append(found[1])
    assert scene.key.secret is not None
    secrets += [scene.key.secret, *scene.browser.cookies.values()]
    with site.store.reading() as tx:
        hashed = tx.password_hash(scene.grace.id)
    assert hashed is not None
    kept = [token.digest(secret).hex() for secret in secrets] + [hashed, hashed.split("$")[-1]]
    pages = [scene.browser.page(scene.path(path)).text for path in GETS]
    for text in pages:
        assert not [secret for secret in (*secrets, *kept) if secret in text]
    assert any(scene.key.token.mask in text for text in pages)

"""The consent page of OAuth, and the attacks on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from tests.support.oauth import CALLBACK, CHALLENGE
from tests.support.oauth_site import AUTHORIZE, answer, basic, decide, exchange, make_client, path
from tests.support.site import BROWSER, Forms, Site
from tests.support.world import EMAIL, PASSWORD

from keyturn.core import scope

if TYPE_CHECKING:
    from tests.support.site import Browser


@pytest.fixture
def app(site: Site) -> dict[str, Any]:
    """A client, of an account of its own."""
    token = site.login(site.account("owner@example.com"))
    return make_client(site, token)


@pytest.fixture
def browser(site: Site) -> Browser:
    """Ada's browser, signed in."""
    site.account()
    opened = site.browser()
    opened.sign_in()
    return opened


def test_allowing_sends_the_code_the_state_and_the_issuer_to_the_client(
    site: Site, browser: Browser, app: dict[str, Any]
) -> None:
    where, got = answer(decide(browser, path(app)))
    assert where == CALLBACK
    assert set(got) == {"code", "state", "iss"}
    assert (got["state"], got["iss"]) == ("xyz", site.url_of_site)
    tokens = exchange(site, app, got["code"])
    assert site.client.get("/account", token=tokens.json["access_token"]).json["email"] == EMAIL


def test_denying_sends_the_error_and_no_code(browser: Browser, app: dict[str, Any]) -> None:
    where, got = answer(decide(browser, path(app), "deny"))
    assert where == CALLBACK
    assert set(got) == {"error", "error_description", "state", "iss"}
    assert got["error"] == "access_denied"


@pytest.mark.parametrize(
    "state", ["a b", "&code=evil", "#frag", "%0d%0aSet-Cookie:x", "ü✓", "\\evil", "'\"<>", "a+b=c;d", "?"]
)
def test_a_state_survives_the_sign_in_and_comes_back_as_it_was(state: str, site: Site, app: dict[str, Any]) -> None:
    site.account()
    browser = site.browser()
    target = path(app, state=state)
    signed_in = browser.sign_in(start=target)
    assert signed_in.status == 303
    onward = signed_in.header("location")
    assert onward is not None
    assert onward.startswith(AUTHORIZE + "?")
    _, got = answer(decide(browser, onward))
    assert got["state"] == state


def test_a_wrong_password_on_the_way_loses_nothing_of_the_request(site: Site, app: dict[str, Any]) -> None:
    site.account()
    browser = site.browser()
    target = path(app, redirect_uri=CALLBACK, code_challenge=CHALLENGE, code_challenge_method="S256")
    again = browser.submit(browser.page(target), "/sign-in", email=EMAIL, password="wrong")
    assert again.status == 401
    assert "Dashboard" in again.text
    onward = browser.submit(again, "/sign-in", email=EMAIL, password=PASSWORD).header("location")
    assert dict(parse_qsl(str(onward).partition("?")[2])) == dict(parse_qsl(target.partition("?")[2]))


@pytest.mark.parametrize(
    "more",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": "//evil.example"},
        {"redirect_uri": "javascript:alert(1)"},
        {"client_id": "00000000-0000-7000-8000-000000000000"},
        {"client_id": "nonsense"},
        {"client_id": None},
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
def test_with_a_wrong_client_or_address_nobody_is_sent_anywhere(
    signed_in: bool, more: dict[str, Any], site: Site, browser: Browser, app: dict[str, Any]
) -> None:
    visitor = browser if signed_in else site.browser()
    for reply in (
        visitor.page(path(app, **more)),
        visitor.page(path(app, response_type="nonsense", **more)),
    ):
        assert reply.status == 400
        assert reply.header("location") is None
        assert "evil.example" not in reply.text
        assert "form-action 'self';" in str(reply.header("content-security-policy"))


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": CHALLENGE}, "invalid_request"),
    ],
)
def test_other_errors_go_to_the_client_but_only_after_the_sign_in(
    more: dict[str, Any], error: str, site: Site, browser: Browser, app: dict[str, Any]
) -> None:
    target = path(app, **more)
    where, got = answer(browser.page(target))
    assert where == CALLBACK
    assert (got["error"], got["state"], got["iss"]) == (error, "xyz", site.url_of_site)
    stranger = site.browser().page(target)
    assert (stranger.status, stranger.header("location")) == (200, None)
    assert "Sign in" in stranger.text


def test_the_policy_lets_the_form_end_at_the_client_on_this_page_alone(
    site: Site, browser: Browser, app: dict[str, Any]
) -> None:
    consent = browser.page(path(app))
    assert "form-action 'self' https://app.example.com;" in str(consent.header("content-security-policy"))
    for reply in (consent, site.browser().page(path(app))):
        policy = str(reply.header("content-security-policy"))
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert reply.header("x-frame-options") == "DENY"
        assert reply.header("cache-control") == "no-store"
    for other in ("/", "/sign-in", "/reset"):
        assert "app.example.com" not in str(browser.page(other).header("content-security-policy"))


def test_a_form_from_elsewhere_or_without_its_token_allows_nothing(
    site: Site, browser: Browser, app: dict[str, Any]
) -> None:
    page = browser.page(path(app))
    action, fields = Forms(page.text).found[0]
    other = site.browser()
    site.account("kay@example.com")
    other.sign_in("kay@example.com")
    stolen = Forms(other.page(path(app)).text).found[0][1]["csrf"]
    ours = (BROWSER, ("Origin", browser.url), ("Sec-Fetch-Site", "same-origin"))
    theirs = (BROWSER, ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"))
    attempts = [
        browser.post(action, *ours, form={"decision": "allow"}),
        browser.post(action, *ours, form={"decision": "allow", "csrf": "x"}),
        browser.post(action, *ours, form={"decision": "allow", "csrf": stolen}),
        browser.post(action, *theirs, form=fields | {"decision": "allow"}),
    ]
    assert [reply.status for reply in attempts] == [403] * 4
    assert "oauth.allow" not in site.actions()
    assert browser.get(action + "&decision=allow").status == 200  # a GET shows, and decides nothing
    assert "oauth.allow" not in site.actions()


def test_a_form_with_no_decision_shows_the_page_again(site: Site, browser: Browser, app: dict[str, Any]) -> None:
    for decision in ("", "maybe", "ALLOW"):
        assert decide(browser, path(app), decision).status == 200
    assert "oauth.allow" not in site.actions()


def test_what_was_shown_is_read_again_at_the_decision(site: Site, browser: Browser, app: dict[str, Any]) -> None:
    page = browser.page(path(app, redirect_uri=CALLBACK))
    token = site.client.request("POST", "/oauth/authorizations", basic("owner@example.com", PASSWORD)).json
    change = {"redirect_uri": "https://moved.example/"}
    secret = token["access_token"]["token"]
    assert site.client.request("PATCH", f"/oauth/clients/{app['id']}", token=secret, json=change).status == 200
    decided = browser.submit(page, Forms(page.text).found[0][0], decision="allow")
    assert (decided.status, decided.header("location")) == (400, None)


def test_a_hostile_name_is_shown_as_text_and_names_its_owner(site: Site, browser: Browser) -> None:
    token = site.login(site.account("mallory@example.com"))
    evil = "</h1><script>alert(1)</script>\u202e Keyturn Security"
    app = make_client(site, token, evil)
    text = browser.page(path(app)).text
    assert "<script>" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
    assert "mallory@example.com" in text


@pytest.mark.parametrize("names", [["global"], ["identity"], ["read", "write"], list(scope.SCOPES)])
def test_the_page_says_in_plain_words_what_is_asked_for(
    names: list[str], browser: Browser, app: dict[str, Any]
) -> None:
    text = browser.page(path(app, scope=" ".join(names))).text
    for name, meaning in scope.SCOPES.items():
        assert (meaning[1:] in text) == (name in names), name
    assert ("That is everything" in text) == ("global" in names)
    assert "365 days" in text
    assert "https://app.example.com" in text


def test_another_account_can_be_chosen_and_the_request_goes_on(
    site: Site, browser: Browser, app: dict[str, Any]
) -> None:
    site.account("kay@example.com")
    page = browser.page(path(app, state="a&b"))
    switched = browser.submit(page, Forms(page.text).found[1][0])
    onward = browser.sign_in("kay@example.com", start=str(switched.header("location"))).header("location")
    _, got = answer(decide(browser, str(onward)))
    assert got["state"] == "a&b"
    tokens = exchange(site, app, got["code"]).json
    assert site.client.get("/account", token=tokens["access_token"]).json["email"] == "kay@example.com"


def test_absurd_queries_are_refused_in_words(browser: Browser, app: dict[str, Any]) -> None:
    assert browser.page(path(app) + "&x=1" * 100).status == 422
    assert browser.page(AUTHORIZE).status == 400
    assert browser.page(AUTHORIZE + "?%ff=%fe&;;&=&client_id=%00").status == 400

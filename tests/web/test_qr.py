"""QR codes: every module where the encoder put it, in markup that nobody's name can break out of."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
import segno
import tests.support.properties  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import totp
from keyturn.web import qr

SEED = b"12345678901234567890"
URI = totp.uri(SEED, "ada@example.com", "Keyturn")
SVG = "{http://www.w3.org/2000/svg}"


def expected(text: str) -> list[list[bool]]:
    """The encoder's own matrix, with four modules of quiet around it."""
    return [[bool(module) for module in row] for row in segno.make_qr(text, error="l").matrix_iter(border=4)]


def drawn(markup: str) -> list[list[bool]]:
    """The modules that the path of the picture covers."""
    side = int(re.findall(r'viewBox="0 0 (\d+) \1"', markup)[0])
    grid = [[False] * side for _ in range(side)]
    (path,) = re.findall(r'<path [^>]*d="([^"]*)"', markup)
    rest = re.sub(r"M\d+ \d+h\d+v1h-\d+z", "", path)
    assert rest == ""
    for left, top, width, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path):
        assert width == back
        for column in range(int(left), int(left) + int(width)):
            assert not grid[int(top)][column]
            grid[int(top)][column] = True
    return grid


def printed(text: str) -> list[list[bool]]:
    """The modules that a terminal shows, dark ones True: what is no block is the dark ground."""
    halves = {"█": (False, False), "▀": (False, True), "▄": (True, False), " ": (True, True)}
    rows = []
    for line in text.splitlines():
        rows.append([halves[c][0] for c in line])
        rows.append([halves[c][1] for c in line])
    return rows


@pytest.mark.parametrize(
    "text", [URI, "A", "0", "https://example.com/?a=b", "ü", "🦉", totp.uri(SEED, "🦉" * 300, "馬" * 300)]
)
def test_the_picture_has_every_module_where_the_encoder_put_it(text: str) -> None:
    assert drawn(qr.svg(text, "title")) == expected(text)


@pytest.mark.parametrize("text", [URI, "A", "ü", "x" * 500])
def test_the_terminal_shows_the_same_code(text: str) -> None:
    modules = expected(text)
    shown = printed(qr.terminal(text))
    assert shown[: len(modules)] == modules
    assert shown[len(modules) :] == [[True] * len(modules)] * (len(shown) - len(modules))  # half a line of ground


def test_around_the_code_there_are_four_modules_of_nothing() -> None:
    for grid in (drawn(qr.svg(URI, "")), printed(qr.terminal(URI))[: len(expected(URI))]):
        dark = [(row, column) for row, line in enumerate(grid) for column, module in enumerate(line) if module]
        for axis in (0, 1):
            assert min(place[axis] for place in dark) == 4
            assert max(place[axis] for place in dark) == len(grid) - 5


def test_a_terminal_gets_plain_lines_of_one_length() -> None:
    text = qr.terminal(URI)
    assert set(text) <= set("█▀▄ \n")
    assert text.endswith("\n")
    assert len({len(line) for line in text.splitlines()}) == 1
    assert len(text.splitlines()[0]) < 80


def test_the_picture_is_one_image_with_a_name_and_no_style() -> None:
    markup = qr.svg(URI, "QR code for the authenticator app")
    root = ET.fromstring(markup)
    assert root.get("role") == "img"
    assert root.findtext("title") == "QR code for the authenticator app"
    assert [child.tag for child in root] == ["title", "rect", "path"]
    assert [child.get("class") for child in root] == [None, "qr-light", "qr-dark"]
    assert markup.startswith("<svg ")
    assert "style" not in markup
    assert "xlink" not in markup
    assert "\n" not in markup
    assert len(markup) < 20_000


def test_dark_stays_dark_on_light_without_a_style_sheet() -> None:
    _, light, dark = ET.fromstring(qr.svg(URI, "x"))
    assert (light.get("fill"), dark.get("fill")) == ("#fff", "#000")
    assert light.get("width") == light.get("height") == str(len(expected(URI)))


@pytest.mark.parametrize(
    "hostile", ["</title><script>alert(1)</script>", "<!--", "]]>", '" onload="alert(1)', "' x='", "&amp;", "</svg>"]
)
def test_no_title_or_text_breaks_out_of_the_markup(hostile: str) -> None:
    root = ET.fromstring(qr.svg(hostile, hostile))
    assert root.findtext("title") == hostile
    assert [child.tag for child in root.iter()] == ["svg", "title", "rect", "path"]
    assert set(root.attrib) == {"class", "viewBox", "role", "shape-rendering"}


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_whatever_the_text_page_and_terminal_agree(text: str) -> None:
    grid = drawn(qr.svg(text, text))
    assert printed(qr.terminal(text))[: len(grid)] == grid


def test_a_text_that_no_code_holds_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"(?i)data too large"):
        qr.svg("x" * 2954, "title")
    with pytest.raises(ValueError, match=r"(?i)data too large"):
        qr.terminal("x" * 2954)
    assert drawn(qr.svg("x" * 2953, "title"))


def test_a_server_that_starts_does_not_wait_for_the_encoder() -> None:
    check = "import sys, keyturn.web.qr; sys.exit('segno' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0

"""QR codes, for pages and for terminals. Dark on light always: not every camera reads the reverse."""

from __future__ import annotations

import html
from itertools import groupby

QUIET = 4  # modules of nothing around the code [ISO/IEC 18004 5.3.8]


def svg(text: str, title: str) -> str:
    """Inline SVG, safe as markup whatever ``text`` and ``title`` are. ``title`` is what a screen reader says.

    Its size and colours are the style sheet's (.qr, .qr-light, .qr-dark), black on white without one. Raises ValueError
    for a text that no QR code holds (over 2,953 bytes).
    """
    rows = _modules(text)
    path = "".join(
        f"M{left} {top}h{width}v1h-{width}z" for top, row in enumerate(rows) for left, width in _dark_runs(row)
    )
    side = len(rows)
    return (
        f'<svg class="qr" viewBox="0 0 {side} {side}" role="img" shape-rendering="crispEdges">'
        f"<title>{html.escape(title)}</title>"
        f'<rect class="qr-light" width="{side}" height="{side}" fill="#fff"/>'
        f'<path class="qr-dark" fill="#000" d="{path}"/></svg>'
    )


def terminal(text: str) -> str:
    """Lines of half blocks, two modules high, without escape codes. Raises ValueError as ``svg`` does.

    The blocks are the light modules, for a terminal with light text on a dark ground.
    """
    rows = _modules(text)
    if len(rows) % 2:
        rows.append([True] * len(rows))  # no block: the ground of the terminal
    blocks = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join("".join(blocks[both] for both in zip(upper, lower, strict=True)) for upper, lower in pairs) + "\n"


def _modules(text: str) -> list[list[bool]]:
    """Rows of modules, dark ones True, with the quiet zone around them."""
    import segno  # noqa: PLC0415 - start-up stays quick

    # the smallest code that holds it, with as much error correction as that has room for
    code = segno.make_qr(text, error="l", boost_error=True)
    return [[module != 0 for module in row] for row in code.matrix_iter(border=QUIET)]


def _dark_runs(row: list[bool]) -> list[tuple[int, int]]:
    runs, left = [], 0
    for dark, run in groupby(row):
        width = len(list(run))
        if dark:
            runs.append((left, width))
        left += width
    return runs

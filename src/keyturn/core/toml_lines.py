"""Which line of a TOML file a key stands on, for error messages: tomllib reads values and forgets where they were."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART: Final = r"(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')"
_PATH: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER: Final = re.compile(rf"\s*\[{{1,2}}\s*({_PATH})\s*\]{{1,2}}")
_KEY: Final = re.compile(rf"\s*({_PATH})\s*=")


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, of each table and key of a TOML text that tomllib can read; keys of inline tables are left out."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = path = _split(header[1])
        elif key := _KEY.match(line):
            path = table + _split(key[1])
        else:
            continue
        for length in range(1, len(path) + 1):
            found.setdefault(path[:length], number)
    return found


def line_of(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int:
    """The line of ``path``, or of the nearest table around it; 1 when neither has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _split(path: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, path))

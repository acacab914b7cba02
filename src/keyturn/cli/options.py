"""Parsing a command's own words: argparse, with our errors and our exit code."""

from __future__ import annotations

import argparse
import sys

from keyturn.cli import say
from keyturn.cli.failures import UsageError
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
SPAN = "SECONDS|90m|24h|30d"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions, examples and usage in the lines that we wrote; at a terminal that is narrower, wrapped."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:  # noqa: ARG002 - argparse's own signature
        lines = []
        for line in text.splitlines():
            margin = len(line) - len(line.lstrip())
            lines += say.wrapped(line, sys.stdout, 0, margin + 2 if margin else 0)
        return "".join(f"{indent}{line}\n" for line in lines)

    def add_usage(self, usage: str | None, *words: Any, **more: Any) -> None:
        """As argparse does, which wraps only what it has made itself."""
        if usage is not None:
            usage = "\n".join(say.wrapped(usage, sys.stdout, len("usage: "), len("usage: ")))
        super().add_usage(usage, *words, **more)


class Parser(argparse.ArgumentParser):
    """The parser of one command. Raises UsageError; ``-h`` prints the help and ends with 0."""

    def __init__(
        self, command: str, about: str, *, host: bool = True, json: str | None = None, epilog: str | None = None
    ) -> None:
        super().__init__(
            prog=f"keyturn {command}",
            description=about,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=_Formatter,
        )
        self.command = command
        if host:
            self.add_argument(
                "--host",
                metavar="HOST",
                help="the server: example.com, or http://localhost:8420 (default: HEROKU_HOST, else the last login --host)",
            )
        if json:
            self.add_argument("-j", "--json", action="store_true", help=json)

    def error(self, message: str) -> NoReturn:
        """Wrong usage. argparse repeats what was typed; a token is not repeated."""
        shown = ("(a token)" if grammar.kind_of(word.strip("'\"")) else word for word in message.split(" "))
        raise UsageError(" ".join(shown), f"keyturn {self.command} --help")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The options. ``--help`` prints and leaves by SystemExit(0)."""
        return self.parse_args(list(words))

    def _print_message(self, message: str, file: object = None) -> None:
        (sys.stdout if file is None or file is sys.stdout else sys.stderr).write(message)


def span(text: str) -> int:
    """A span of time above 0, in seconds: ``86400``, ``90m``, ``24h``, ``30d``, ``2w``."""
    unit = _UNITS.get(text[-1:], 0)
    digits = text[:-1] if unit else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 15 or not int(digits) > 0:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no span of time: give seconds, or 90m, 24h, 30d")
    return int(digits) * (unit or 1)


def span_or_never(text: str) -> int:
    """The same, with 0 for ``never``."""
    return 0 if text.lower() == "never" else span(text)


def names(text: str) -> list[str]:
    """Names separated by commas or spaces."""
    return text.replace(",", " ").split()

"""Parsing a command's own words: argparse, with our errors and our exit code."""

from __future__ import annotations

import argparse
import sys

from keyturn.cli.failures import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


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
            formatter_class=argparse.RawDescriptionHelpFormatter,
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
        """Wrong usage."""
        raise UsageError(message, f"keyturn {self.command} --help")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The options. ``--help`` prints and leaves by SystemExit(0)."""
        return self.parse_args(list(words))

    def _print_message(self, message: str, file: object = None) -> None:
        (sys.stdout if file is None or file is sys.stdout else sys.stderr).write(message)


def positive(text: str) -> int:
    """A whole number of seconds above 0."""
    if not (text.isascii() and text.isdigit()) or not int(text[:19]) > 0 or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of seconds above 0")
    return int(text)


def names(text: str) -> list[str]:
    """Names separated by commas or spaces."""
    return text.replace(",", " ").split()

"""The terminal: whether there is one, one key without Enter, a secret without echo, a question."""

from __future__ import annotations

import os
import sys

from keyturn.cli import say
from keyturn.cli.failures import Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


def is_interactive() -> bool:
    """Whether somebody can be asked: questions go to stderr, answers come from stdin."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):  # closed, or none at all (pythonw)
        return False


def key(prompt: str) -> str:
    """Ask with ``prompt`` and give the key that is pressed; the terminal is afterwards as it was, come what may.

    Special keys (arrows and the like) come as more than one character. Raises KeyboardInterrupt at Ctrl-C.
    """
    if sys.platform == "win32":
        import msvcrt

        say.line(prompt, end="")
        pressed = msvcrt.getwch()
        say.line("")
    else:
        with _key_by_key():
            try:
                say.line(prompt, end="")
                pressed = os.read(sys.stdin.fileno(), 64).decode("utf-8", "replace")
            finally:
                say.line("")
    if pressed == "\x03":
        raise KeyboardInterrupt
    return pressed


def _key_by_key() -> AbstractContextManager[None]:
    import signal
    import termios
    import tty
    from contextlib import contextmanager

    @contextmanager
    def around() -> Iterator[None]:
        file = sys.stdin.fileno()
        before = termios.tcgetattr(file)

        def end(number: int, _: object) -> None:
            raise SystemExit(128 + number)  # by way of `finally`, which the default action would skip

        old = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            tty.setcbreak(file)  # and what was typed ahead is dropped
            yield
        finally:
            termios.tcsetattr(file, termios.TCSAFLUSH, before)
            for number, handler in old.items():
                signal.signal(number, handler)

    return around()


def ask(prompt: str) -> str:
    """A line of answer. Raises Cancelled at the end of input."""
    say.line(prompt, end="")
    answer = sys.stdin.readline()
    if not answer:
        say.line("")
        raise Cancelled("cancelled: there was no answer")
    return answer.strip()


def secret(prompt: str) -> str:
    """A line of answer that is not shown. Raises Cancelled at the end of input."""
    import getpass

    try:
        return getpass.getpass(prompt, stream=sys.stderr)
    except EOFError:
        say.line("")
        raise Cancelled("cancelled: there was no answer") from None


def agrees(question: str, *, default: bool) -> bool:
    """Yes or no, in any case; Enter alone is the default."""
    while True:
        answer = ask(f"{question} [{'Y/n' if default else 'y/N'}] ").lower()
        if answer in ("y", "yes", "n", "no", ""):
            return default if not answer else answer[0] == "y"

"""From an error to what is said of it, and to the exit code."""

from __future__ import annotations

import errno
import io
import os
import sys

from keyturn.cli import say
from keyturn.client.errors import ApiError, Forbidden, KeyturnError, NotLoggedIn, RateLimited, Unauthorized
from keyturn.client.hosts import HostError

OK, FAILED, USAGE, REFUSED, INTERRUPTED = 0, 1, 2, 4, 130


class UsageError(Exception):
    """The command was used wrongly. ``next`` is what to type instead."""

    def __init__(self, message: str, next: str | None = None) -> None:  # noqa: A002 - as in KeyturnError
        super().__init__(message)
        self.next = next


class Cancelled(KeyturnError):
    """The person stopped it."""


EXIT_CODES = (
    (UsageError, USAGE),
    (HostError, USAGE),
    (NotLoggedIn, REFUSED),
    (Unauthorized, REFUSED),
    (Forbidden, REFUSED),
    (KeyboardInterrupt, INTERRUPTED),
    (Exception, FAILED),
)


def exit_code(error: BaseException) -> int:
    """The code for an error: that of the first kind in the table that fits."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def report(error: BaseException) -> int:
    """Say what happened and what to do next, on stderr; give the exit code. An error of our own making is raised on."""
    if isinstance(error, KeyboardInterrupt):
        say.line("")
    elif isinstance(error, BrokenPipeError):
        # Whoever read our output has gone; say nothing, and keep the interpreter from trying again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, KeyturnError):
        say.failure(error.message, error.next)
        if isinstance(error, RateLimited) and error.retry_after:
            say.note(f"try again in {error.retry_after} seconds")
        if isinstance(error, ApiError) and error.status >= 500 and error.request_id:
            say.note(f"the server's log knows this request as {error.request_id}")
    elif isinstance(error, (UsageError, HostError)):
        say.failure(str(error), getattr(error, "next", None))
    elif isinstance(error, OSError):
        of = f"{error.filename}: " if error.filename else ""
        say.failure(f"{of}{error.strerror or error}")
        _drop_output()
    else:
        raise error
    for text in getattr(error, "__notes__", ()):
        say.note(text)
    return exit_code(error)


class _Closed(io.TextIOBase):
    """Standard output where whoever started us has closed it: what is written is not lost in silence."""

    encoding = "utf-8"

    def write(self, _text: str) -> int:
        raise OSError(errno.EBADF, "standard output is closed")


def open_closed_streams() -> None:
    """Puts something in the place of each standard stream that is closed: nothing to read, nobody to tell, and an error for
    output. Also, no file and no connection of ours then gets its number, which programs that are started take for a stream.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    while nothing <= 2:
        os.set_inheritable(nothing, True)
        nothing = os.open(os.devnull, os.O_RDWR)
    os.close(nothing)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for the rest of this process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = _Closed()


def _drop_output() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""An authenticator app: makes the codes of a key, each of them once."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from keyturn.client import Client
from keyturn.core import totp

if TYPE_CHECKING:
    from collections.abc import Callable

LATE = 25
"""Seconds into a step after which its predecessor's code may come too late."""


class App:
    """An app that was given ``key`` (base32, spaces as you like). ``clock`` is its server's, and ``wait`` lets it go on a
    little: by default, the real time.
    """

    def __init__(
        self,
        key: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: Callable[[], None] = lambda: time.sleep(0.2),
    ) -> None:
        plain = "".join(key.split())
        self.seed = base64.b32decode(plain + "=" * (-len(plain) % 8))
        self.clock, self.wait = clock, wait
        self._last = 0

    def code(self) -> str:
        """A code that was not given before: a server takes each once, and none older than the last that it took. Three
        are good at any moment; who wants a fourth waits.
        """
        while True:
            now = self.clock()
            today = totp.step_at(now)
            earliest = today if now.timestamp() % totp.STEP_SECONDS > LATE else today - 1
            step = max(earliest, self._last + 1)
            if step <= today + 1:
                self._last = step
                return totp.code(self.seed, step)
            self.wait()

    def wrong(self) -> str:
        """Six digits that are no code of now."""
        today = totp.step_at(self.clock())
        good = {totp.code(self.seed, step) for step in range(today - 3, today + 5)}
        return next(text for text in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777",
                                      "888888", "999999") if text not in good)  # fmt: skip


AnApp = TypeVar("AnApp", bound=App)


def turn_on(url: str, token: str, password: str, kind: type[AnApp]) -> tuple[AnApp, tuple[str, ...]]:
    """Turns two-factor authentication on at a real server, by the library: the app, and the recovery codes."""
    with Client(url, token) as client:
        begun = client.two_factor.begin(password, name="test app")
        app = kind(begun.key)
        return app, client.two_factor.confirm(begun.id, password, app.code())

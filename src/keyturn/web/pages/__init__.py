"""Pages for people: server-rendered, usable with the keyboard and without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

    Run = Callable[[Visit], Response]

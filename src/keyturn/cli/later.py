"""Puts off loading a module until something of it is used: http.client imports ssl, and email's random and calendar, and a
request to a server at http:// needs none of them.

A sixth of `whoami` (make bench). For the command line alone, whose process is its own; the library loads nothing by tricks.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Later(type(sys)):  # type: ignore[misc]
    """Stands for a module until one of its names is asked for, and then for ever passes on to the real one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(__import__(self.__name__), name)


def put_off(name: str) -> None:
    """Lets the next ``import name`` cost nothing. Does nothing when the module is there already."""
    sys.modules.setdefault(name, _Later(name))

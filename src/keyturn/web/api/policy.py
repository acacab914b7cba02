"""/policy: the rules in force, for anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.core import published
from keyturn.web.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.web.call import Call
    from keyturn.web.face import Face


def show(face: Face) -> Callable[[Call], Answer]:
    """GET it: made once, since rules change only with a restart."""
    table = published.table(face.env.policy)
    return lambda _: Answer(table)

"""Forms that count once: what one makes is shown once, so sending it again must not make another, nor end the first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.core import policy
from keyturn.store.interface import Taken

if TYPE_CHECKING:
    from keyturn.actions.env import Env

KEPT: Final = timedelta(seconds=policy.LIVES[policy.Kind.WEB].longest or policy.DAY)
"""For so long a form that was sent is remembered: it is good in its browser session alone, and none lives longer."""


def spend(env: Env, session_id: str, form_id: str) -> bool:
    """Marks the session's form as sent, before it acts; False: it was sent before. One of many at once gets True."""
    try:
        with env.store.writing() as tx:
            tx.spend_form(session_id, form_id, env.clock())
    except Taken:
        return False
    return True


def give_back(env: Env, session_id: str, form_id: str) -> None:
    """The form did nothing and can be sent again."""
    with env.store.writing() as tx:
        tx.give_back_form(session_id, form_id)


def forget(env: Env) -> int:
    """Forgets forms whose session is over; how many."""
    with env.store.writing() as tx:
        return tx.forget_forms(env.clock() - KEPT)

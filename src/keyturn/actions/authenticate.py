"""The hot path: from the text that was presented to who it speaks for. Keep it short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.core import decide, token
from keyturn.core.credential import Principal
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Env
    from keyturn.core.credential import Deny


def authenticate(env: Env, text: str) -> Principal | Deny:
    """Who the API token ``text`` speaks for, or why it is refused. One indexed look-up; nothing is written.

    A text whose checksum is wrong was never a token of ours: it is told what is wrong with it, without a look-up.
    """
    if not token.is_token(text):
        return decide.malformed(text)
    if token.KINDS[text[:4]] not in decide.API_KINDS:
        return decide.unproven("wrong_kind")
    return decide.authenticate(env.store.find_token(token.digest(text)), env.clock(), env.policy)


def web_session(env: Env, text: str) -> Principal | None:
    """Whose browser session the cookie ``text`` is; None when it is dead or no session."""
    answer = _web(env, text)
    return answer if isinstance(answer, Principal) else None


def ended_session(env: Env, text: str) -> tuple[str, datetime] | None:
    """Of what the browser session of the cookie ``text`` ended, a sentence, and when; None: it lives or was never one.

    A cookie whose secret was renewed says nothing: its session goes on.
    """
    answer = _web(env, text)
    if answer is None or isinstance(answer, Principal) or answer.ended_at is None or answer.reason == "rotated":
        return None
    return decide.death_sentence(Kind.WEB, "", answer.reason, answer.ended_at), answer.ended_at


def _web(env: Env, text: str) -> Principal | Deny | None:
    if not token.is_token(text) or token.kind_of(text) != "web":
        return None
    return decide.authenticate(env.store.find_token(token.digest(text)), env.clock(), env.policy)

"""Reports of leaked tokens, by anyone: scanners find them by their prefix and check digits (docs/tokens.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyturn.actions import audit, clients, grants
from keyturn.actions.env import Invalid
from keyturn.core import token
from keyturn.core.policy import EFFECTS, Effect, Event, Kind

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env

MOST: Final = 100


def report(env: Env, by: By, texts: object) -> int:
    """Ends every genuine living token among ``texts``, with the reason that it was reported leaked; how many were given.

    The answer is the same whether a token is genuine, dead or invented: it discloses nothing. Raises Invalid for
    anything but a list of at most 100 strings.
    """
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Invalid("tokens", "tokens must be a list of strings")
    if len(texts) > MOST:
        raise Invalid("tokens", f"at most {MOST} tokens a report")
    candidates = {text.strip() for text in texts if token.is_token(text.strip())}
    with env.store.writing() as tx:
        for text in sorted(candidates):
            if token.kind_of(text) == "client_secret":
                clients.secret_leaked(env, tx, by, text)
                continue
            found = tx.find_token(token.digest(text))
            if (
                found is None
                or found.token_ended_at is not None
                or EFFECTS[Event.LEAK, Kind(found.kind)] is Effect.NEVER
            ):
                continue
            ended = grants.end(env, tx, by, Event.LEAK, found.account_id, target=found.grant_id)
            if not ended:
                audit.record(
                    env, tx, by, "leak.report", outcome="ignored", account_id=found.account_id, dead=found.grant_id
                )
    return len(texts)

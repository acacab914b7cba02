"""Whose an SSH key is: the same look-up and the same judgement as a token's."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from keyturn.core import decide
from keyturn.core.credential import Principal
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from keyturn.actions.env import Env
    from keyturn.core.credential import Deny


def look_up(env: Env, blob: bytes) -> Principal | Deny:
    """Who the key speaks for, or why it is refused; ``blob``: the public key [RFC 4253 6.6]. Whether its holder holds the
    private half is not this function's matter. Raises Unavailable.
    """
    return look_up_digest(env, hashlib.sha256(blob).digest())


def look_up_digest(env: Env, digest: bytes) -> Principal | Deny:
    """The same by the SHA-256 of the key, which its fingerprint shows."""
    found = env.store.find_token(digest)
    if found is not None and found.kind != Kind.SSH_KEY:
        found = None  # a token of the API: what it is has no meaning here
    return decide.authenticate(found, env.clock(), env.policy)


def is_known(outcome: Principal | Deny) -> bool:
    """Whether it is some account's key, a dead one too."""
    return isinstance(outcome, Principal) or outcome.credential is not None


def fingerprint(digest: bytes) -> str:
    """As OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

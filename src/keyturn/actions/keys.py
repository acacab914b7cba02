"""SSH keys: public halves, by which git over SSH knows who pushes. Each is a credential of the one life-cycle: its grant has
the key's id, and its token is found by the key's fingerprint.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyturn.actions import acting, grants
from keyturn.actions.env import Invalid, NotFound
from keyturn.core import sshkey
from keyturn.core.credential import SshKey
from keyturn.core.policy import Event
from keyturn.store.interface import Taken

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Principal
    from keyturn.store.interface import Tx

MOST = 500


@dataclass(frozen=True, slots=True)
class Held:
    """A key with its credential: who uses it, how long it lives."""

    key: SshKey
    credential: Credential


def listed(env: Env, principal: Principal) -> list[SshKey]:
    """The account's living keys, oldest first."""
    with env.store.reading() as tx:
        return tx.keys(principal.account_id, env.clock())


def held(env: Env, principal: Principal) -> list[Held]:
    """The same, each with its uses."""
    with env.store.reading() as tx:
        return _held(tx, tx.keys(principal.account_id, env.clock()))


def _held(tx: Tx, keys: list[SshKey]) -> list[Held]:
    found = [grant for key in keys if (grant := tx.grant(key.id)) is not None]
    credentials = {each.grant.id: each for each in grants.with_tokens(tx, found)}
    return [Held(key, credentials[key.id]) for key in keys]


def info(env: Env, principal: Principal, identity: str) -> Held:
    """One living key by id or by fingerprint (MD5 colon hex, or ``SHA256:...``). Raises NotFound."""
    with env.store.reading() as tx:
        return _held(tx, [_find(tx, principal, identity, env.clock())])[0]


def _find(tx: Tx, principal: Principal, identity: str, now: datetime) -> SshKey:
    for key in tx.keys(principal.account_id, now):
        if identity in (key.id, key.fingerprint, key.sha256):
            return key
    raise NotFound("key")


def add(env: Env, by: By, principal: Principal, text: object, *, expires_in: object = None) -> Held:
    """Adds a public key, for good or for ``expires_in`` seconds. Raises Invalid with what is wrong with it, or when it is
    in use.
    """
    if not isinstance(text, str):
        raise Invalid("public_key", "public_key must be a string: the content of a .pub file")
    try:
        parsed = sshkey.parse(text)
    except sshkey.BadKey as wrong:
        raise Invalid("public_key", str(wrong)) from None
    asked = grants.life_asked(expires_in)
    taken = Invalid("public_key", "Fingerprint has already been taken: this key is in use, by this account or another")
    try:
        with env.store.writing() as tx:
            account, now = acting.still(env, tx, principal), env.clock()
            if len(tx.keys(account.id, now)) >= MOST:
                raise Invalid("public_key", f"the account has {MOST} keys, the most allowed; remove some first")
            other = tx.key_of(parsed.sha256)
            if other is not None:
                grant = tx.grant(other.id)
                if grant is not None and grant.death(now) is None:
                    raise taken
                tx.remove_key(other.id)  # it expired
            made = grants.mint_key(
                env, tx, by, account, digest=blob_digest(parsed.line), fingerprint=parsed.sha256,
                comment=parsed.comment or parsed.sha256, asked=asked,
            )  # fmt: skip
            key = SshKey(
                id=made.grant.id, account_id=account.id, email=account.email, type=parsed.type, public_key=parsed.line,
                fingerprint=parsed.md5, sha256=parsed.sha256, comment=parsed.comment, created_at=now,
                expires_at=made.grant.expires_at,
            )  # fmt: skip
            tx.add_key(key)
            return Held(key, made)
    except Taken:
        raise taken from None


def blob_digest(line: str) -> bytes:
    """By what the key is looked up: the SHA-256 of its blob, which its fingerprint shows."""
    return hashlib.sha256(base64.b64decode(line.split()[1])).digest()


def remove(env: Env, by: By, principal: Principal, identity: str) -> SshKey:
    """Removes a key by id or fingerprint, and returns it as it was. Raises NotFound."""
    with env.store.writing() as tx:
        key = _find(tx, principal, identity, env.clock())
        grants.end(env, tx, by, Event.REVOKE, principal.account_id, target=key.id)
        return key

"""SSH keys: public halves, by which git over SSH knows who pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import acting, audit
from keyturn.actions.env import Invalid, NotFound
from keyturn.core import sshkey
from keyturn.core.credential import SshKey
from keyturn.store.interface import Taken

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Principal
    from keyturn.store.interface import Tx

MOST = 500


def listed(env: Env, principal: Principal) -> list[SshKey]:
    """The account's keys, oldest first."""
    with env.store.reading() as tx:
        return tx.keys(principal.account_id)


def info(env: Env, principal: Principal, identity: str) -> SshKey:
    """One key by id or by fingerprint (MD5 colon hex, or ``SHA256:...``). Raises NotFound."""
    with env.store.reading() as tx:
        return _find(tx, principal, identity)


def _find(tx: Tx, principal: Principal, identity: str) -> SshKey:
    for key in tx.keys(principal.account_id):
        if identity in (key.id, key.fingerprint, key.sha256):
            return key
    raise NotFound("key")


def add(env: Env, by: By, principal: Principal, text: object) -> SshKey:
    """Adds a public key. Raises Invalid with what is wrong with it, or when it is in use."""
    if not isinstance(text, str):
        raise Invalid("public_key", "public_key must be a string: the content of a .pub file")
    try:
        parsed = sshkey.parse(text)
    except sshkey.BadKey as wrong:
        raise Invalid("public_key", str(wrong)) from None
    key = SshKey(
        id=env.new_id(), account_id=principal.account_id, email=principal.email, type=parsed.type, public_key=parsed.line,
        fingerprint=parsed.md5, sha256=parsed.sha256, comment=parsed.comment, created_at=env.clock(),
    )  # fmt: skip
    try:
        with env.store.writing() as tx:
            acting.still(env, tx, principal)
            if len(tx.keys(principal.account_id)) >= MOST:
                raise Invalid("public_key", f"the account has {MOST} keys, the most allowed; remove some first")
            tx.add_key(key)
            audit.record(env, tx, by, "ssh_key.create", fingerprint=key.sha256)
    except Taken:
        raise Invalid(
            "public_key", "Fingerprint has already been taken: this key is in use, by this account or another"
        ) from None
    return key


def remove(env: Env, by: By, principal: Principal, identity: str) -> SshKey:
    """Removes a key by id or fingerprint, and returns it. Raises NotFound."""
    with env.store.writing() as tx:
        key = _find(tx, principal, identity)
        tx.remove_key(key.id)
        audit.record(env, tx, by, "ssh_key.end", reason="revoked_by_owner", fingerprint=key.sha256)
        return key

"""What every kind of credential has in common: how one is made, and how an event ends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyturn.actions import audit
from keyturn.actions.env import Invalid
from keyturn.core import lifecycle, policy, token
from keyturn.core.credential import Grant, Token

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account
    from keyturn.core.policy import Event, Kind
    from keyturn.store.interface import Tx

DESCRIPTION_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Credential:
    """A grant with its newest token, and the secret where this answer is the one that shows it."""

    grant: Grant
    token: Token
    secret: str | None = None


def clean_description(text: object, default: str) -> str:
    """The description to store: one line of printable characters. Raises Invalid for another type or length."""
    if text is None:
        return default
    if not isinstance(text, str):
        raise Invalid("description", "description must be a string")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(text) > DESCRIPTION_LONGEST:
        raise Invalid("description", f"description is too long: at most {DESCRIPTION_LONGEST} characters")
    return text or default


def life_asked(expires_in: object) -> int | None:
    """The seconds asked for. Raises Invalid, naming the field."""
    try:
        return lifecycle.seconds_asked(expires_in)
    except ValueError as wrong:
        raise Invalid("expires_in", str(wrong)) from None


def mint(
    env: Env,
    tx: Tx,
    by: By,
    account: Account,
    kind: Kind,
    *,
    scopes: tuple[str, ...],
    description: str,
    asked: int | None = None,
    client_id: str | None = None,
) -> Credential:
    """Makes a grant with its first token, and the audit event. The one place where credentials come from.

    The caller holds a writing transaction and has re-read ``account`` in it. Raises Invalid when the life asked for
    is longer than the policy allows or the account holds too many credentials.
    """
    now = env.clock()
    try:
        expires_at = lifecycle.expiry(kind, asked, now, rules=env.policy)
    except lifecycle.TooLong as wrong:
        raise Invalid("expires_in", str(wrong)) from None
    alive = tx.grants(account.id, alive_at=now)
    if len(alive) >= policy.MOST_ALIVE:
        raise Invalid(
            "account", f"the account holds {len(alive)} living credentials, the most allowed; revoke some first"
        )
    grant = Grant(
        id=env.new_id(), account_id=account.id, kind=kind, scopes=scopes, description=description, created_at=now, updated_at=now,
        expires_at=expires_at, address=by.address, agent=by.agent[:300], client_id=client_id,
    )  # fmt: skip
    tx.add_grant(grant)
    made, secret = add_token(env, tx, grant)
    audit.record(
        env, tx, by, f"{kind}.create", account_id=account.id, made=grant.id, scope=list(scopes),
        expires_at=expires_at.isoformat() if expires_at else None,
    )  # fmt: skip
    return Credential(grant, made, secret)


def add_token(env: Env, tx: Tx, grant: Grant) -> tuple[Token, str]:
    """A new token for ``grant``: what is kept of it, and the secret itself."""
    secret = token.make(grant.kind, env.random_bytes)
    made = Token(env.new_id(), grant.id, token.mask(secret), env.clock())
    tx.add_token(made, token.digest(secret))
    return made, secret


def would_end(
    env: Env, tx: Tx, by: By, event: Event, account_id: str, *, target: str | None = None
) -> list[lifecycle.Ending]:
    """What ``end`` would end, by the same function; changes nothing."""
    now = env.clock()
    acting = by.principal.grant_id if by.principal else None
    alive = tx.grants(account_id, alive_at=now)
    return lifecycle.ends(event, alive, now, acting=acting, target=target, rules=env.policy)


def end(
    env: Env, tx: Tx, by: By, event: Event, account_id: str, *, target: str | None = None
) -> list[lifecycle.Ending]:
    """Lets ``event`` happen to the account: stamps what the policy says dies, with an audit event for each.

    What was to be REPLACED is ended here too; making the new one is the caller's part.
    """
    now = env.clock()
    endings = would_end(env, tx, by, event, account_id, target=target)
    for ending in endings:
        tx.change_grant(
            ending.grant.id,
            ended_at=now,
            ended_reason=ending.reason,
            ended_by=by.principal.account_id if by.principal else None,
        )
        audit.record(
            env,
            tx,
            by,
            f"{ending.grant.kind}.end",
            account_id=account_id,
            reason=ending.reason,
            ended=ending.grant.id,
            event=event,
        )
    return endings

"""What every kind of credential has in common: how one is made, and how an event ends them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from keyturn.actions import audit, notices
from keyturn.actions.env import Invalid
from keyturn.core import lifecycle, policy, token
from keyturn.core.credential import Grant, Token
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, OAuthClient, Use
    from keyturn.store.interface import Slice, Tx

DESCRIPTION_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Credential:
    """A grant with its newest token, and the secret where this answer is the one that shows it."""

    grant: Grant
    token: Token
    secret: str | None = None
    uses: list[Use] = field(default_factory=list)
    """Who uses it, the latest first: the current token, and those in their overlap."""
    overlap: Token | None = None
    """The rotated token that goes on for a while."""
    overlap_uses: list[Use] = field(default_factory=list)
    ended_by: str | None = None
    """The e-mail of who ended it."""
    refresh: Token | None = None
    """An OAuth client's refresh token."""
    refresh_secret: str | None = None
    client: OAuthClient | None = None
    """The OAuth client that it was made for."""


def with_tokens(tx: Tx, found: Sequence[Grant]) -> list[Credential]:
    """Each grant with its current token, what goes on beside it, and who uses them."""
    living = tx.living_tokens([grant.id for grant in found])
    lost = [grant.id for grant in found if grant.id not in living]  # ended while in rotation: the newest tells
    newest = tx.tokens(lost) if lost else {}
    uses = tx.uses(
        [token.id for tokens in living.values() for token in tokens] + [token.id for token in newest.values()]
    )
    emails: dict[str, str | None] = {}
    for grant in found:
        if grant.ended_by and grant.ended_by not in emails:
            account = tx.account(grant.ended_by)
            emails[grant.ended_by] = account.email if account else None
    of_clients = {grant.id: grant.client_id for grant in found if grant.client_id}
    refresh = tx.refresh_tokens(list(of_clients)) if of_clients else {}
    clients = {client_id: tx.client(client_id) for client_id in set(of_clients.values())}
    made = []
    for grant in found:
        tokens = living.get(grant.id, [])
        retired = [token for token in tokens if token.idle_limit is not None]
        current = [token for token in tokens if token.idle_limit is None] or retired or [newest[grant.id]]
        overlap = retired[-1] if retired and retired[-1] is not current[-1] else None
        made.append(
            Credential(
                grant,
                current[-1],
                uses=uses.get(current[-1].id, []),
                overlap=overlap,
                overlap_uses=uses.get(overlap.id, []) if overlap else [],
                ended_by=emails.get(grant.ended_by) if grant.ended_by else None,
                refresh=refresh.get(grant.id),
                client=clients.get(grant.client_id) if grant.client_id else None,
            )
        )
    return made


def listed(
    env: Env, account_id: str, kinds: Collection[Kind], part: Slice, *, ended: bool
) -> tuple[list[Credential], bool]:
    """A stretch of an account's credentials of these kinds, and whether more follow. With ``ended`` the dead as well.

    The store cuts the stretch: an account with thousands costs no more than its first page.
    """
    with env.store.reading() as tx:
        found = tx.grants_slice(account_id, kinds, part, alive_at=None if ended else env.clock())
        return with_tokens(tx, found[: part.most]), len(found) > part.most


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
    proven_at: datetime | None = None,
) -> Credential:
    """Makes a grant with its first token, and the audit event. With ``mint_key``, the one place where credentials come from.

    ``proven_at``: when the person who gets it last proved who they are, where that counts later (actions/prove.py).

    The caller holds a writing transaction and has re-read ``account`` in it. Raises Invalid when the life asked for
    is longer than the policy allows or the account holds too many credentials.
    """
    grant = _grant(env, tx, by, account, kind, scopes, description, asked)
    grant = replace(grant, client_id=client_id, proven_at=proven_at)
    tx.add_grant(grant)
    made, secret = add_token(env, tx, grant)
    expires_at = grant.expires_at.isoformat() if grant.expires_at else None
    audit.record(
        env, tx, by, f"{kind}.create", account_id=account.id, made=grant.id, scope=list(scopes), expires_at=expires_at
    )
    return Credential(grant, made, secret)


def mint_key(
    env: Env,
    tx: Tx,
    by: By,
    account: Account,
    *,
    digest: bytes,
    fingerprint: str,
    comment: str,
    asked: int | None = None,
) -> Credential:
    """The grant of an SSH key. Its token is the key itself: it is found by ``digest``, the SHA-256 of the public half, and
    proven by a signature.

    The caller holds a writing transaction and has re-read ``account`` in it. Raises Invalid as ``mint`` does.
    """
    grant = _grant(env, tx, by, account, Kind.SSH_KEY, ("write",), comment, asked)
    tx.add_grant(grant)
    made = Token(env.new_id(), grant.id, fingerprint, grant.created_at)
    tx.retire_token(digest, env.random_bytes(32))  # of the same key, added and removed before
    tx.add_token(made, digest)
    expires_at = grant.expires_at.isoformat() if grant.expires_at else None
    audit.record(
        env,
        tx,
        by,
        "ssh_key.create",
        account_id=account.id,
        made=grant.id,
        fingerprint=fingerprint,
        expires_at=expires_at,
    )
    return Credential(grant, made)


def _grant(
    env: Env, tx: Tx, by: By, account: Account, kind: Kind, scopes: tuple[str, ...], description: str, asked: int | None
) -> Grant:
    """What every new grant has, after what stands against it was looked at."""
    if account.federated and kind in policy.NOT_FOR_SSO:
        noun = policy.LIVES[kind].noun
        raise Invalid(
            "account", f"an account under single sign-on has no {noun}; for production, ask for a service account"
        )
    now = env.clock()
    try:
        expires_at = lifecycle.expiry(kind, asked, now, rules=env.policy)
    except lifecycle.TooLong as wrong:
        raise Invalid("expires_in", str(wrong)) from None
    alive = tx.count_grants(account.id, now)
    if alive >= policy.MOST_ALIVE:
        raise Invalid("account", f"the account holds {alive} living credentials, the most allowed; revoke some first")
    return Grant(
        id=env.new_id(), account_id=account.id, kind=kind, scopes=scopes, description=description, created_at=now, updated_at=now,
        expires_at=expires_at, address=by.address, agent=by.agent[:300],
    )  # fmt: skip


def add_token(env: Env, tx: Tx, grant: Grant, *, role: str = "access") -> tuple[Token, str]:
    """A new token for ``grant``: what is kept of it, and the secret itself."""
    secret = token.make("oauth_refresh" if role == "refresh" else grant.kind, env.random_bytes)
    now = env.clock()
    ends = lifecycle.token_expiry(grant, role, now, env.policy)
    made = Token(env.new_id(), grant.id, token.mask(secret), now, role=role, expires_at=ends)
    tx.add_token(made, token.digest(secret))
    return made, secret


def would_end(
    env: Env,
    tx: Tx,
    by: By,
    event: Event,
    account_id: str,
    *,
    target: str | None = None,
    among: list[Grant] | None = None,
) -> list[lifecycle.Ending]:
    """What ``end`` would end, by the same function; changes nothing.

    ``among``: the grants that the event can reach, where they are not those of the account.
    """
    now = env.clock()
    acting = by.principal.grant_id if by.principal else None
    alive = tx.grants(account_id, alive_at=now) if among is None else among
    return lifecycle.ends(event, alive, now, acting=acting, target=target, rules=env.policy)


def end(
    env: Env,
    tx: Tx,
    by: By,
    event: Event,
    account_id: str,
    *,
    target: str | None = None,
    among: list[Grant] | None = None,
) -> list[lifecycle.Ending]:
    """Lets ``event`` happen to the account: stamps what the policy says dies, with an audit event for each.

    What was to be REPLACED is ended here too; making the new one is the caller's part.
    """
    now = env.clock()
    endings = would_end(env, tx, by, event, account_id, target=target, among=among)
    actor = by.principal.account_id if by.principal else None
    keys = _forget_keys(env, tx, endings)
    tx.end_grants([e.grant.id for e in endings], at=now, reason=policy.REASON_OF[event], by=actor)
    audit.record_all(
        tx,
        [
            audit.event(
                env,
                by,
                f"{e.grant.kind}.end",
                account_id=e.grant.account_id,
                reason=e.reason,
                ended=e.grant.id,
                event=event,
                **keys.get(e.grant.id, {}),
            )
            for e in endings
        ],
    )
    notices.tell_endings(env, tx, endings)
    return endings


def end_browser_sessions(env: Env, tx: Tx, by: By, account_id: str) -> None:
    """Ends every browser session of an account that an administrator changed: whoever has one signs in anew."""
    for grant in tx.grants(account_id, alive_at=env.clock()):
        if grant.kind is Kind.WEB:
            end(env, tx, by, Event.REVOKE_BY_ADMIN, account_id, target=grant.id)


def _forget_keys(env: Env, tx: Tx, endings: Sequence[lifecycle.Ending]) -> dict[str, dict[str, str]]:
    """The public halves of SSH keys that end go, so that nothing lists them; by grant, what the trail says of each."""
    ending = {e.grant.id for e in endings if e.grant.kind is Kind.SSH_KEY}
    owners = {e.grant.account_id for e in endings if e.grant.id in ending}
    found = [key for owner in owners for key in tx.keys(owner, env.clock()) if key.id in ending]
    for key in found:
        tx.remove_key(key.id)
    return {key.id: {"fingerprint": key.sha256} for key in found}

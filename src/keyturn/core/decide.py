"""Two steps and never one: authenticate (is the secret genuine and alive?), then authorize (may it do this?).

Pure: what was found and the time come in, a Principal or a Deny goes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.core import lifecycle, policy, reasons, scope, token
from keyturn.core.credential import Deny, Found, Principal
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.core.policy import Policy

# Kinds whose tokens the API takes. A browser session is for pages alone: a stolen cookie must not become an API key.
API_KINDS = frozenset({Kind.LOGIN, Kind.API_KEY, Kind.AUTHORIZATION, Kind.SERVICE, Kind.OAUTH, Kind.WORKLOAD})


def authenticate(found: Found | None, now: datetime, rules: Policy = policy.DEFAULT) -> Principal | Deny:
    """Who the token speaks for, or why it does not: an unknown one learns nothing, a genuine one learns all.

    A token that is both expired and short of scope is refused here, as dead: decide dead before forbidden.
    """
    if found is None:
        return unproven("unknown")
    if found.role != "access":
        return unproven("wrong_kind")
    death = _stamped(found)
    if found.suspended_at is not None and (death is None or death[0] == "owner_suspended"):
        return while_suspended(Kind(found.kind), found.grant_id, found.description, found.suspended_at)
    if death is not None:
        return dead(found, *death)
    expires_at = found.expires_at
    if expires_at is not None and expires_at <= now:
        return dead(found, "expired", expires_at)
    rotated = found.token_idle_limit is not None
    if found.token_expires_at is not None:
        if found.token_expires_at <= now:
            return dead(found, "rotated" if rotated else "expired", found.token_expires_at)
        expires_at = found.token_expires_at if expires_at is None else min(expires_at, found.token_expires_at)
    read_only = False
    if rules.soft_expiry:
        since = lifecycle.read_only_from(Kind(found.kind), found.expires_at, rules, created_at=found.created_at)
        read_only = since is not None and since <= now
    return Principal(
        found.account_id,
        found.email,
        found.grant_id,
        found.token_id,
        found.kind,
        tuple(found.scopes.split()),
        found.description,
        expires_at,
        found.created_at,
        rotated,
        read_only,
    )


def _stamped(found: Found) -> tuple[str, datetime] | None:
    """Of what the token or its grant was ended, and when."""
    if found.token_ended_at is not None:
        return found.token_ended_reason or "rotated", found.token_ended_at
    if found.ended_at is not None:
        return found.ended_reason or "revoked_by_owner", found.ended_at
    return None


def authorize(principal: Principal, permission: str) -> Deny | None:
    """None when a scope of ``principal`` allows ``permission`` (scope.PERMISSIONS); KeyError for a permission not in
    the table.
    """
    needed = scope.PERMISSIONS[permission]
    if needed.isdisjoint(principal.scopes):
        return short_of(principal, tuple(name for name in scope.SCOPES if name in needed))
    if principal.kind == Kind.OAUTH and permission in scope.NOT_FOR_CLIENTS:
        reason = reasons.FORBIDDEN["not_for_clients"]
        return Deny(reason.id, reason.sentence, reason.next)
    if principal.read_only and permission not in scope.READING:
        return may_only_read(principal)
    return None


def may_only_read(principal: Principal) -> Deny:
    """The refusal of a living credential in the last stretch before its expiry, in which it changes nothing."""
    assert principal.expires_at is not None
    reason, life = reasons.FORBIDDEN["read_only_before_expiry"], policy.LIVES[Kind(principal.kind)]
    sentence = reason.sentence.format(what=f"This {life.noun}", when=in_words(principal.expires_at))
    return Deny(reason.id, sentence, reason.next.format(recreate=life.recreate))


def warning(principal: Principal, now: datetime) -> str | None:
    """What its holder is to be warned of with every answer, with the command that mends it; None: nothing. ASCII."""
    if principal.rotated:
        end = in_words(principal.expires_at) if principal.expires_at else "any time"
        return f"this token was rotated and ends on {end}, or when it is unused for a while; use the new one"
    # an OAuth client refreshes its tokens by itself
    if principal.kind != Kind.OAUTH and lifecycle.warning_due(principal.created_at, principal.expires_at, now):
        life, end = policy.LIVES[Kind(principal.kind)], in_words(principal.expires_at or now)
        mend = life.recreate
        if principal.kind in (Kind.AUTHORIZATION, Kind.SERVICE):
            mend = f"keyturn authorizations:update {principal.grant_id} -e SECONDS"
        return f"this {life.noun} expires on {end}. Next: {mend}"
    return None


def short_of(principal: Principal, needed: tuple[str, ...]) -> Deny:
    """The refusal of a living credential that has none of the ``needed`` scopes."""
    reason = reasons.FORBIDDEN["insufficient_scope"]
    message = reason.sentence.format(held=", ".join(principal.scopes), needed=" or ".join(needed))
    return Deny(reason.id, message, reason.next.format(first=needed[0]), needed=needed)


def dead(found: Found, reason_id: str, when: datetime) -> Deny:
    """The refusal of a genuine but dead token, with everything its holder needs to mend it."""
    return refusal_of(Kind(found.kind), found.grant_id, found.description, reason_id, when)


def refusal_of(kind: Kind, grant_id: str, description: str, reason_id: str, when: datetime) -> Deny:
    """The refusal of a dead credential, for its holder, its owner and administrators alone."""
    return Deny(
        reason_id,
        death_sentence(kind, description, reason_id, when),
        reasons.ENDINGS[reason_id].next.format(recreate=recreate(kind, grant_id)),
        when,
        (grant_id, kind.value, description),
    )


def while_suspended(kind: Kind, grant_id: str, description: str, when: datetime) -> Deny:
    """The refusal of a credential whose account is suspended: while it is, no other can be had."""
    reason = reasons.SUSPENDED
    message = reason.sentence.format(what=_what(kind, description), when=in_words(when))
    return Deny(reason.id, message, reason.next, when, (grant_id, kind.value, description))


def recreate(kind: Kind, grant_id: str) -> str:
    """The command that makes a credential like that one anew."""
    like = f" --like {grant_id}" if kind in (Kind.AUTHORIZATION, Kind.SERVICE) else ""
    return policy.LIVES[kind].recreate + like


def death_sentence(kind: Kind, description: str, reason_id: str, when: datetime, *, to_author: bool = False) -> str:
    """Of what a credential died, as it is told to its holder and its owner. ``to_author``: to whoever ended it."""
    reason = reasons.ENDINGS[reason_id]
    sentence = (to_author and reason.to_author) or reason.sentence
    return sentence.format(what=_what(kind, description), when=in_words(when))


def _what(kind: Kind, description: str) -> str:
    name = f" “{description}”" if description else ""
    return f"This {policy.LIVES[kind].noun}{name}"


def suspended(when: datetime) -> Deny:
    """The refusal of a right password or a right approval of an account that is suspended."""
    return Deny(
        "owner_suspended",
        f"This account was suspended on {in_words(when)}.",
        reasons.SUSPENDED.next,
        when,
    )


def forbidden(reason_id: str, message: str | None = None, *, next: str | None = None) -> Deny:  # noqa: A002 - as in Deny
    """The refusal of somebody who is known and may not; ``message`` and ``next``: in other words than the table's."""
    reason = reasons.FORBIDDEN[reason_id]
    return Deny(reason.id, message or reason.sentence, next or reason.next)


def unproven(reason_id: str) -> Deny:
    """The refusal of a presenter of whom nothing is proven."""
    reason = reasons.UNPROVEN[reason_id]
    return Deny(reason.id, reason.sentence, reason.next)


def malformed(text: str) -> Deny:
    """The refusal of a text that is no well-formed token; says what is wrong with it and never repeats it."""
    reason = reasons.UNPROVEN["malformed"]
    return Deny(reason.id, reason.sentence.format(what=token.what_is_wrong(text)), reason.next)


def in_words(when: datetime) -> str:
    """A moment as people read it: ``21 November 2026 at 09:00 UTC``."""
    return f"{when.day} {when:%B %Y} at {when:%H:%M} UTC"

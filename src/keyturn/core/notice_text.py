"""What the notices say: mails as plain text, webhooks as JSON. Pure. No secret is in them, only masks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

from keyturn.core import decide, policy, reasons
from keyturn.core.lifecycle import in_words
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keyturn.core.credential import Account, Grant, Use
    from keyturn.core.policy import Policy

IN_FULL: Final = 20
"""Of how many credentials one mail tells everything; the rest are counted."""


@dataclass(frozen=True, slots=True)
class About:
    """A credential, and what is told of it: that it will expire, or, with ``reason``, that it ended ``at``."""

    grant: Grant
    at: datetime
    reason: str | None = None
    mask: str = ""
    use: Use | None = None
    """The latest."""
    span: int | None = None
    """The threshold in seconds, of one that will expire."""


def moment(when: datetime) -> str:
    """With weekday and zone: ``Friday, 27 November 2026 at 09:00 UTC``."""
    return f"{when:%A}, {decide.in_words(when)}"


def line(text: str, most: int = 120) -> str:
    """Others' text on one line of a mail: printable, and cut when it is long."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def named(grant: Grant) -> str:
    """``authorization “deploy”``."""
    description = line(grant.description)
    return policy.LIVES[grant.kind].noun + (f" “{description}”" if description else "")


def subject(abouts: Sequence[About], now: datetime) -> str:
    """A mail's subject."""
    first = abouts[0]
    if len(abouts) > 1:
        return f"{len(abouts)} of your credentials {'will expire soon' if first.reason is None else 'ended'}"
    name = f"Your {named(first.grant)}"
    if first.reason is None:
        return f"{name} expires in {_left(first.at, now)}"
    return f"{name} {_ENDED.get(first.reason, 'ended')}"


_ENDED: Final = {
    "expired": "expired",
    "reported_leaked": "was reported leaked and ended",
    "revoked_by_admin": "was revoked by an administrator",
    "key_regenerated": "was replaced",
}


def mail(abouts: Sequence[About], account: Account, now: datetime, server: str, rules: Policy = policy.DEFAULT) -> str:
    """A mail's text: what, when, who uses it, and the command that mends it. ``server``: its URL, or nothing."""
    parts = [f"Hello {line(account.name)}," if account.name else "Hello,"]
    parts += [_paragraphs(about, now, server, rules) for about in abouts[:IN_FULL]]
    if len(abouts) > IN_FULL:
        more = len(abouts) - IN_FULL
        parts.append(f"And {more} more. To see all of them:\n\n    keyturn authorizations --all")
    end = f"This is the Keyturn server {server} writing" if server else "This is your Keyturn server writing"
    parts.append(f"-- \n{end} to {account.email}, by itself. Credentials are never asked for by mail.")
    return "\n\n".join(parts) + "\n"


def event(about: About, account: Account, now: datetime, rules: Policy = policy.DEFAULT) -> dict[str, Any]:
    """A webhook's body [Standard Webhooks]: type, timestamp, data."""
    grant = about.grant
    data: dict[str, Any] = {
        "id": grant.id,
        "kind": grant.kind.value,
        "description": grant.description,
        "scope": list(grant.scopes),
        "masked_token": about.mask,
        "account": {"id": account.id, "email": account.email},
        "created_at": iso(grant.created_at),
        "expires_at": iso(grant.expires_at) if grant.expires_at else None,
        "last_used": about.use
        and {"at": iso(about.use.last_at), "address": about.use.address, "agent": about.use.agent},
    }
    if about.reason is None:
        data |= {"threshold": about.span, "next": _longer(grant, now, rules) or decide.recreate(grant.kind, grant.id)}
        return {"type": "credential.expiring", "timestamp": iso(now), "data": data}
    data |= {"ended_at": iso(about.at), "reason": about.reason, "next": _anew(grant, about.reason)[1]}
    return {"type": "credential.ended", "timestamp": iso(now), "data": data}


def iso(when: datetime) -> str:
    """``2026-11-27T09:00:00Z``."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _paragraphs(about: About, now: datetime, server: str, rules: Policy) -> str:
    grant = about.grant
    name, where = named(grant), f" on {server}" if server else ""
    if about.reason is None:
        told = f"Your {name}{where} expires in {_left(about.at, now)}: on {moment(about.at)}."
    else:
        sentence = reasons.ENDINGS[about.reason].sentence
        told = sentence.format(what=f"Your {name}{where}", when=moment(about.at))
    rows = [("id", grant.id), ("token", about.mask or "-"), ("scope", " ".join(grant.scopes))]
    rows.append(("made", moment(grant.created_at) + (f", from {line(grant.address)}" if grant.address else "")))
    if about.use is None:
        rows.append(("last used", "never, as far as is known"))
    else:
        by = f" by {line(about.use.agent)}" if about.use.agent else ""
        rows.append(("last used", f"{moment(about.use.last_at)}, from {line(about.use.address) or 'unknown'}{by}"))
    table = "\n".join(f"  {label:<10} {value}" for label, value in rows)
    return "\n\n".join([told, table, *_mending(about, now, rules)])


def _mending(about: About, now: datetime, rules: Policy) -> list[str]:
    grant = about.grant
    if about.reason is not None:
        words, command = _anew(grant, about.reason)
        return [f"Whatever still uses it is refused. {words}\n\n    {command}"]
    told, anew = "Whatever uses it then will be refused.", decide.recreate(grant.kind, grant.id)
    if grant.kind is Kind.OAUTH:
        return [f"{told} To go on:\n\n    {anew}"]
    if grant.kind is Kind.SSH_KEY:
        return [f"{told} Another key can be added before; the same one again once it has ended:\n\n    {anew}"]
    longer = _longer(grant, now, rules)
    if longer is None:
        return [f"{told} It cannot live any longer by the rules in force here. To make another like it:\n\n    {anew}"]
    parts = [f"{told} To let it live longer, with the token that it has:\n\n    {longer}"]
    if grant.kind in (Kind.AUTHORIZATION, Kind.SERVICE):
        rotate = f"keyturn authorizations:rotate {grant.id} --overlap 24h"
        parts.append(f"To give it a new token as well, the old one working beside it for a day:\n\n    {rotate}")
        parts.append(f"To make another like it instead:\n\n    {anew}")
    return parts


def _longer(grant: Grant, now: datetime, rules: Policy) -> str | None:
    """The command that lets it live for as long again as it was to live, or as long as it may; None: it may not."""
    if grant.kind in (Kind.OAUTH, Kind.SSH_KEY) or grant.expires_at is None:
        return None
    seconds = int((grant.expires_at - grant.created_at).total_seconds())
    longest = rules.lives[grant.kind].longest
    if longest is not None:
        seconds = min(seconds, longest - int((now - grant.created_at).total_seconds()) - policy.HOUR)
    if now + timedelta(seconds=seconds) <= grant.expires_at:
        return None
    return f"keyturn authorizations:update {grant.id} -e {seconds}"


def _anew(grant: Grant, reason: str) -> tuple[str, str]:
    """In words and as a command: how to have such a credential again."""
    following = reasons.ENDINGS[reason].next
    if reason == reasons.SUSPENDED.id:  # it is still so when this is read
        following = reasons.SUSPENDED.next
    if "{recreate}" not in following:
        return "What to do:", following
    if grant.kind is Kind.API_KEY:
        return "For a new API key, shown once:", "keyturn authorizations:rotate ~"
    return "To make another like it:", following.format(recreate=decide.recreate(grant.kind, grant.id))


def _left(at: datetime, now: datetime) -> str:
    """How long until then, the nearest whole hours or days: a notice sent a second late does not say 23 hours 59."""
    seconds = max(round((at - now).total_seconds()), 0)
    unit = policy.DAY if seconds >= 2 * policy.DAY else policy.HOUR if seconds >= 2 * policy.HOUR else 60
    return in_words(max(round(seconds / unit), 1) * unit)

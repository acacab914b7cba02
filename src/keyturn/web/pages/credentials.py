"""One credential of the own account, of any kind, alive or dead: what it is, who uses it, when and of what it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from keyturn.actions import authorizations, why
from keyturn.actions.env import NotFound
from keyturn.core import lifecycle, scope
from keyturn.core.policy import EFFECTS, HOUR, Effect, Event, Kind
from keyturn.core.published import EVENTS
from keyturn.store.interface import AuditSearch
from keyturn.web import timeline
from keyturn.web.pages import agents, audit_words, shown
from keyturn.web.pages.authorizations import COPIED
from keyturn.web.words import Moment, Told

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Use
    from keyturn.store.interface import AuditEvent
    from keyturn.web.pages.visit import Visit

ONE: Final = "/settings/credentials/{id}"
LISTS: Final = {
    Kind.LOGIN: ("/settings/sessions", "Sessions"), Kind.WEB: ("/settings/sessions", "Sessions"),
    Kind.API_KEY: ("/settings/api-key", "API key"), Kind.WORKLOAD: ("/", "Credentials"),
    Kind.SSH_KEY: ("/settings/keys", "SSH keys"),
}  # fmt: skip
"""Where a kind is at home; the others: among the authorizations."""
AUTHORIZATIONS: Final = ("/settings/authorizations", "Authorizations")
EDITED: Final = frozenset({Kind.LOGIN, Kind.AUTHORIZATION, Kind.SERVICE})
SESSIONS: Final = frozenset({Kind.LOGIN, Kind.WEB})
VERBS: Final = {Kind.LOGIN: "Log it out", Kind.WEB: "End this session"}
"""What ends a kind; the others are revoked."""
LATELY: Final = 24 * HOUR
"""Seconds: whoever used it since then still uses it."""
HISTORY: Final = 12


@dataclass(frozen=True, slots=True)
class User:
    """One line of the table of uses."""

    use: Use
    old: bool
    """By the token that was rotated and goes on."""
    lately: bool
    program: str
    """By what, in words."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of its history."""

    at: datetime
    what: str
    before: str | Told
    after: str | Told
    """What it was and became; names are a stranger's words, moments are Told."""
    by: str
    address: str
    agent: str


def show(visit: Visit) -> Response:
    """GET /settings/credentials/ID."""
    told = told_of(visit)
    found, grant = credential_of(told), credential_of(told).grant
    alive = told.dead is None
    here, list_name = LISTS.get(grant.kind, AUTHORIZATIONS)
    return visit.render(
        "credential.html", title=shown.name_of(grant), here=here, list_name=list_name, grant=grant, found=found,
        made_by=agents.in_words(grant.agent) if grant.agent else "",
        facts=shown.facts_of(found, visit.owner, visit.now, visit.env.policy, current=visit.me.grant_id),
        ends_else=timeline.else_ends(grant.kind, visit.now, visit.env.policy),
        mend=told.dead.next if told.dead else "", users=users_of(found, visit.now), history=_history(visit, grant.id),
        opens=[(name, scope.SCOPES.get(name, "")) for name in grant.scopes], share=_share_left(found, visit.now),
        read_only=lifecycle.read_only_from(grant.kind, grant.expires_at, visit.env.policy, created_at=grant.created_at),
        overlap=found.overlap if alive and goes_on(found, visit.now) else None, idle=_idle(found),
        can={
            "edit": alive and grant.kind in EDITED, "rotate": alive and rotates(grant.kind), "end": alive and can_end(grant.kind),
            "copy": grant.kind in COPIED and not visit.owner.federated, "regenerate": alive and grant.kind is Kind.API_KEY,
            "key": alive and grant.kind is Kind.SSH_KEY,
        },
        verb=VERBS.get(grant.kind, "Revoke"),
    )  # fmt: skip


def told_of(visit: Visit) -> why.Told:
    """The credential, and its death. Raises NotFound for another account's, for administrators too."""
    told = why.of_id(visit.env, visit.me, visit.params["id"])
    if told.owner is None or told.owner.id != visit.owner.id:
        raise NotFound("credential")
    return told


def credential_of(told: why.Told) -> Credential:
    assert told.credential is not None
    return told.credential


def rotates(kind: Kind) -> bool:
    return EFFECTS[Event.ROTATION, kind] is Effect.DIES


def can_end(kind: Kind) -> bool:
    return kind in SESSIONS or kind in authorizations.LISTED


def goes_on(found: Credential, now: datetime) -> bool:
    old = found.overlap
    return old is not None and (old.expires_at is None or old.expires_at > now)


def _idle(found: Credential) -> str:
    return lifecycle.in_words(found.overlap.idle_limit) if found.overlap and found.overlap.idle_limit else ""


def _share_left(found: Credential, now: datetime) -> float | None:
    grant = found.grant
    if grant.expires_at is None or grant.ended_by_then(now):
        return None
    return (grant.expires_at - now) / (grant.expires_at - grant.created_at)


def users_of(found: Credential, now: datetime) -> list[User]:
    users = [(use, False) for use in found.uses] + [(use, True) for use in found.overlap_uses]
    users.sort(key=lambda user: user[0].last_at, reverse=True)
    return [
        User(use, old, (now - use.last_at).total_seconds() < LATELY, agents.in_words(use.agent)) for use, old in users
    ]


def _history(visit: Visit, grant_id: str) -> list[Happening]:
    with visit.env.store.reading() as tx:
        found = tx.find_audit(AuditSearch(account_id=visit.owner.id, text=grant_id), limit=HISTORY)
    return [_happening(visit, event) for event in found]


def _happening(visit: Visit, event: AuditEvent) -> Happening:
    details, verb = event.details, event.action.rpartition(".")[2]
    before: str | Told = ""
    after: str | Told = ""
    what = audit_words.say(event).sentence
    if verb == "create":
        what = "Made"
    elif verb == "end":
        said = EVENTS.get(details.get("event", ""), (event.reason or "over").replace("_", " "))
        if event.reason == "revoked_by_owner" and event.actor_id == visit.owner.id:
            said = audit_words.why_ended(event.reason, by_reader=True)
        what = f"Ended: {said}"
    elif verb == "rotate":
        lasting = details.get("overlap")
        goes_on = (
            f"the old token goes on for {lifecycle.in_words(lasting)} at most"
            if lasting
            else "the old token ended at once"
        )
        what = f"Rotated; {goes_on}"
    elif verb == "overlap_end":
        what = "The old token of a rotation ended"
    elif verb == "update":
        what, before, after = "Renamed", str(details.get("before") or ""), str(details.get("after") or "")
    elif verb == "expiry":
        what, before, after = "Expiry changed", *(_moment(details.get(name)) for name in ("before", "after"))
    by = "you" if event.actor_id == visit.owner.id else "an administrator" if event.actor_id else "Keyturn"
    return Happening(event.at, what, before, after, by, event.address, event.agent)


def _moment(text: object) -> Told:
    try:
        return Told((Moment(datetime.fromisoformat(str(text))) if text else "never",))
    except ValueError:
        return Told((str(text),))

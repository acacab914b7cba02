"""The rules in force as one plain value: what GET /policy answers, ``keyturn policy`` prints, and docs/ is written from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keyturn.core import policy, reasons
from keyturn.core.policy import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyturn.core.policy import Policy
    from keyturn.core.reasons import Reason

# What happens, as a heading.
EVENTS: Final[dict[Event, str]] = {
    Event.EXPIRY: "its own expiry",
    Event.LOGOUT: "its own logout",
    Event.REVOKE: "revoked by its owner",
    Event.REVOKE_BY_ADMIN: "revoked by an administrator",
    Event.LOGOUT_ALL: "logged out everywhere",
    Event.LOGOUT_OTHERS: "logged out everywhere else",
    Event.PASSWORD_CHANGE: "password changed",
    Event.PASSWORD_RESET: "password reset",
    Event.KEY_REGENERATED: "API key regenerated",
    Event.ROTATION: "rotated",
    Event.SSO_ON: "single sign-on turned on",
    Event.SSO_SESSION_END: "single sign-on session ended",
    Event.DEPROVISION: "removed by identity provider",
    Event.SUSPEND: "account suspended",
    Event.CLOSE: "account closed",
    Event.CLIENT_REMOVED: "OAuth client removed",
    Event.CLIENT_REVOKE: "revoked by its OAuth client",
    Event.REUSE: "one-time secret used twice",
    Event.LEAK: "reported leaked",
}

REASONS: Final[dict[str, Mapping[str, Reason]]] = {
    "ended": reasons.ENDINGS,
    "suspended": {reasons.SUSPENDED.id: reasons.SUSPENDED},
    "unproven": reasons.UNPROVEN,
    "forbidden": reasons.FORBIDDEN,
    "login": reasons.LOGINS,
}
"""Every reason, by what it is the reason of: an end, a suspension that goes on, a refusal of nobody in particular, a
refusal of somebody, a login that came to nothing."""


def table(rules: Policy) -> dict[str, Any]:
    """The rules as JSON has them; times in seconds, null for never."""
    return {
        "kinds": [_kind(kind, rules) for kind in Kind],
        "events": [_event(event, rules) for event in Event],
        "reasons": [
            {"id": reason.id, "of": of, "sentence": reason.sentence, "next": reason.next}
            for of, group in REASONS.items()
            for reason in group.values()
        ],
        "notices": {"thresholds": list(rules.thresholds)},
        "retention": rules.retention,
        "overlap_longest": rules.overlap_longest,
        "oauth_access": rules.oauth_access,
        "oauth_refresh": rules.oauth_refresh,
        "sso_longest": policy.SSO_LONGEST,
        "two_factor": {"required": rules.mfa_required, "remember": rules.remember_device},
        "sign_up": {"by": rules.sign_up, "domains": list(rules.sign_up_domains)},
    }


def _kind(kind: Kind, rules: Policy) -> dict[str, Any]:
    life = rules.lives[kind]
    return {
        "kind": kind.value,
        "noun": life.noun,
        "default": life.default,
        "longest": life.longest,
        "soft_expiry": rules.soft_expiry.get(kind),
        "recreate": life.recreate,
    }


def _event(event: Event, rules: Policy) -> dict[str, Any]:
    return {
        "event": event.value,
        "words": EVENTS[event],
        "reason": policy.REASON_OF[event],
        "reaches": "one" if event in policy.ONE else "all",
        "effects": {kind.value: rules.effects[event, kind].value for kind in Kind},
    }

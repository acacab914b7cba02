"""The audit trail in plain words: a sentence for every action there is, and the groups by which one looks for them.

What is said is ours; the names in it (descriptions, e-mails, fingerprints) are strangers' words and are given apart, in
``about``, so that a template can mark them as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keyturn.core.policy import LIVES, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keyturn.store.interface import AuditEvent

_SAID_OF_A_LIFE: Final = {
    "create": "{A} {noun} was made",
    "end": "{A} {noun} ended",
    "update": "{A} {noun} was renamed",
    "expiry": "The expiry of {a} {noun} was changed",
    "rotate": "{A} {noun} was rotated: it has a new token",
    "overlap_end": "The old token of a rotated {noun} ended",
    "refresh": "An application refreshed its token",
}

_SAID: Final[dict[str, str]] = {
    "account.create": "The account was made",
    "account.update": "The profile was changed",
    "account.email_ask": "Another e-mail address was asked for",
    "account.email_change": "The e-mail address was changed",
    "account.email_take_back": "The change of the e-mail address was taken back",
    "account.password_change": "The password was changed",
    "account.password_reset": "The password was reset by mail",
    "account.suspend": "The account was suspended",
    "account.unsuspend": "The account was let in again",
    "account.close": "The account was closed",
    "account.admin_on": "The account was made an administrator's",
    "account.admin_off": "The account is no administrator's any more",
    "email.ask": "A mail was sent to confirm the e-mail address",
    "email.verify": "The e-mail address was confirmed",
    "invitation.create": "Somebody was invited",
    "invitation.take_back": "An invitation was taken back",
    "sign_up.ask": "Somebody asked to sign up with the e-mail address",
    "sign_in": "Signed in",
    "sign_in.password": "The password was right; the second factor was asked for",
    "second_factor": "The second factor was given",
    "web.proven": "Proved again who it is",
    "device.remember": "A browser is remembered from now on",
    "device.forget": "Remembered browsers were forgotten",
    "mfa.on": "Two-factor sign-in was turned on",
    "mfa.off": "Two-factor sign-in was turned off",
    "mfa.reset": "An administrator took all second factors off",
    "factor.begin": "The set-up of an authenticator app was begun",
    "factor.add": "A second factor was added",
    "factor.rename": "A second factor was renamed",
    "factor.remove": "A second factor was removed",
    "recovery_codes.create": "New recovery codes were made",
    "password_reset.ask": "A link for a new password was asked for",
    "cli_login.begin": "A command line asked to log in",
    "cli_login.approve": "A command line's login was approved",
    "cli_login.deny": "A command line's login was denied",
    "cli_login.collect": "A command line fetched its token",
    "oauth.allow": "An application was let in",
    "oauth.deny": "An application was not let in",
    "oauth.reuse": "A one-time code or refresh token came a second time",
    "client.create": "An OAuth client was registered",
    "client.update": "An OAuth client was changed",
    "client.rotate": "An OAuth client got a new secret",
    "client.remove": "An OAuth client was removed",
    "client.leak": "The secret of an OAuth client was reported leaked",
    "request": "A request with an ended or wrong token was refused",
    "leak.report": "A token that was dead already was reported leaked",
    "ssh_key.create": "An SSH key was added",
    "ssh_key.end": "An SSH key was removed",
    "app.create": "An app was made",
    "app.rename": "An app was renamed",
    "app.destroy": "An app was destroyed",
    "access.add": "Somebody was given access to an app",
    "access.update": "What somebody may do with an app was changed",
    "access.remove": "Somebody's access to an app was taken back",
    "transfer.offer": "An app was offered to another account",
    "transfer.accepted": "An app that was offered was taken over",
    "transfer.declined": "An app that was offered was declined",
    "transfer.take_back": "The offer of an app was taken back",
    "git.push": "Pushed to an app",
    "git.fetch": "A fetch from an app was turned away",  # of one that was let through there is no event
}

_REFUSED: Final[dict[str, str]] = {
    "sign_in": "Somebody tried to sign in",
    "second_factor": "Somebody gave a wrong second factor",
    "cli_login.collect": "A command line's token was not handed out",
    "password_reset.ask": "Somebody asked for a link for a new password; none was sent",
    "git.push": "A push to an app was turned away",
}
"""Where the sentence of the deed would be untrue when it was refused."""

_WAYS: Final = {
    "password": "with the password", "passkey": "with a passkey", "code": "with a one-time code", "totp": "with a one-time code",
    "recovery code": "with a recovery code", "device": "in a remembered browser", "remembered browser": "in a remembered browser",
}  # fmt: skip
_WHY: Final = {
    "wrong_password": "the password was wrong", "owner_suspended": "the account is suspended", "two_factor": "the code was wrong",
    "policy_tightened": "the server's policy became stricter", "password_changed": "the password was changed meanwhile",
    "timed_out": "nobody approved it in time", "denied": "it was denied",
}  # fmt: skip
ENDED: Final = {
    "expired": "it expired", "logged_out": "logged out", "revoked_by_owner": "revoked by its owner",
    "revoked_by_admin": "revoked by an administrator", "password_changed": "the password was changed",
    "password_reset": "the password was reset", "key_regenerated": "the API key was made anew", "rotated": "rotated",
    "sso_enabled": "single sign-on was turned on", "sso_session_ended": "the single sign-on session ended",
    "deprovisioned": "the identity provider removed the account", "owner_suspended": "the account was suspended",
    "account_closed": "the account was closed", "client_removed": "the OAuth client was removed",
    "revoked_by_client": "the application gave it up", "token_reused": "its token came a second time",
    "reported_leaked": "reported leaked",
}  # fmt: skip
"""Of what a credential ended, in fewer words than core.reasons has for each of its ids."""
_REQUEST_REFUSED: Final = {
    "malformed": "it was no whole token", "unknown": "there is no such token", "wrong_kind": "the token is not one for this",
    "password_as_token": "it had a password in the place of the token", "wrong_password": "the password was wrong",
    "insufficient_scope": "its scope does not allow it", "read_only_before_expiry": "it may only read before it expires",
    "not_for_clients": "an application may not do it", "two_factor": "it takes a one-time code",
    "browser_only": "it takes a passkey, in the browser", "two_factor_to_set_up": "a second factor is to be set up first",
    "not_permitted": "the account may not do it with that app", "administrators_only": "only administrators may do it",
    "administrators_login": "only a login of an administrator may do it",
    "wider_than_self": "it asked for a wider token than itself",
}  # fmt: skip
"""Why a request was refused whose token had not ended."""

GROUPS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "sign-in": ("Signing in", ("sign_in", "sign_in.", "second_factor", "web.proven", "device.")),
    "sessions": ("Logins and sessions", ("login.", "web.", "cli_login.")),
    "tokens": ("API key and authorizations", ("api_key.", "authorization.", "service.", "workload.", "leak.")),
    "applications": ("Applications let in", ("oauth.", "oauth_access.")),
    "keys": ("SSH keys", ("ssh_key.",)),
    "requests": ("Refused requests", ("request",)),
    "clients": ("OAuth clients", ("client.",)),
    "two-factor": ("Two-factor sign-in", ("mfa.", "factor.", "recovery_codes.")),
    "apps": ("Apps and pushes", ("app.", "access.", "transfer.", "git.")),
    "account": ("Account and password", ("account.", "password_reset.", "email.", "invitation.", "sign_up.")),
}
"""The groups of the filter: name in the query -> label, actions (a trailing ``.``: all that begin so)."""

OUTCOMES: Final = (("ok", "Done"), ("refused", "Refused"), ("ignored", "Ignored"))

_ICONS: Final = (
    ("sign_in", "person"), ("second_factor", "phone"), ("device.", "laptop"), ("mfa.", "phone"), ("factor.", "phone"),
    ("recovery_codes.", "list"), ("login.", "terminal"), ("cli_login.", "terminal"), ("web.", "laptop"),
    ("api_key.", "key"), ("authorization.", "shield"), ("service.", "gear"), ("oauth", "plug"), ("client.", "plug"),
    ("workload.", "refresh"), ("ssh_key.", "server"), ("leak.", "alert"), ("password_reset.", "mail"), ("account.", "person"),
    ("email.", "mail"), ("invitation.", "mail"), ("request", "alert"),
    ("sign_up.", "mail"), ("app.", "server"), ("access.", "people"), ("transfer.", "arrow"), ("git.", "arrow"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """One event in words."""

    sentence: str
    about: str
    """What it was about, in strangers' words: a description, a name, a fingerprint; may be empty."""
    why: str
    """How, or why; ours, may be empty."""
    glyph: str
    known: bool = True
    """Whether there are words for the action; else ``sentence`` is its name."""


def say(event: AuditEvent, reader: str = "") -> Said:
    """The event in words. ``reader``: the id of the account that reads them."""
    sentence = template_of(event.action, event.outcome)
    glyph = next((icon for begin, icon in _ICONS if event.action.startswith(begin)), "history")
    if sentence is None:
        return Said(event.action, _about(event), "", glyph, known=False)
    return Said(sentence, _about(event), _why(event, reader), glyph)


def template_of(action: str, outcome: str = "ok") -> str | None:
    """The sentence for an action; None: there is none."""
    if outcome != "ok" and action in _REFUSED:
        return _REFUSED[action]
    if action in _SAID:
        return _SAID[action]
    kind, _, verb = action.rpartition(".")
    said = _SAID_OF_A_LIFE.get(verb)
    if said is None or kind not in set(Kind):
        return None
    noun = LIVES[Kind(kind)].noun
    article = "an" if noun[0] in "aeiouAEIO" else "a"
    return said.format(a=article, A=article.capitalize(), noun=noun)


def why_ended(reason: str, *, by_reader: bool = False) -> str:
    """Of what a credential ended, for whoever ended it or for others; empty for a reason that there is not."""
    return "revoked by you" if by_reader and reason == "revoked_by_owner" else ENDED.get(reason, "")


def _why(event: AuditEvent, reader: str) -> str:
    details = event.details
    if event.outcome == "refused" and event.action in ("request", "git.push", "git.fetch"):
        why = _REQUEST_REFUSED.get(event.reason or "") or ENDED.get(event.reason or "", "")
        count = details.get("count")
        return ", ".join(
            [*([why] if why else []), *([f"{count} times"] if isinstance(count, int) and count > 1 else [])]
        )
    if event.action.endswith(".end") and event.reason:
        return why_ended(event.reason, by_reader=bool(reader) and event.actor_id == reader)
    if event.action.endswith(".expiry"):
        days = f"it was {_day(details.get('before'))}, it is {_day(details.get('after'))}"
        return f"{days}: {_WHY[event.reason]}" if event.reason in _WHY else days
    if event.action.endswith(".rotate") and details.get("overlap"):
        return "the old token goes on for a while"
    if isinstance(details.get("scope"), list) and details["scope"] != ["global"]:
        return "scope " + ", ".join(map(str, details["scope"]))[:80]
    if event.action == "second_factor" and details.get("way") == "recovery code":
        return f"with a recovery code; {details.get('left', 'some')} are left"
    if event.action == "device.forget" and isinstance(details.get("count"), int):
        return f"{details['count']} of them"
    if event.reason:
        return _WHY.get(event.reason) or ENDED.get(event.reason, "")
    return _WAYS.get(str(details.get("way", "")), "")


def _day(moment: object) -> str:
    return moment[:10] if isinstance(moment, str) else "never"


def _changed(details: Mapping[str, Any], *names: str) -> str:
    before, after = details.get("before"), details.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        return "; ".join(f"{before.get(name)} → {after.get(name)}" for name in names if name in after)
    return f"{before} → {after}" if before or after else ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda details: str(details.get(name) or "")


_ABOUT: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "account.update": lambda details: ", ".join(map(str, _list(details.get("fields")))),
    "account.email_ask": _changed,
    "account.email_change": _changed,
    "account.email_take_back": _text("email"),
    "client.create": _text("name"),
    "client.remove": _text("name"),
    "client.update": lambda details: _changed(details, "name", "redirect_uri"),
    "cli_login.begin": _text("description"),
    "cli_login.approve": _text("description"),
    "cli_login.deny": _text("description"),
    "factor.add": _text("name"),
    "factor.remove": _text("name"),
    "factor.rename": _changed,
    "invitation.create": _text("email"),
    "app.create": _text("name"),
    "app.destroy": _text("name"),
    "app.rename": _changed,
    "access.add": _text("name"),
    "access.update": _text("name"),
    "access.remove": _text("name"),
    "transfer.offer": _text("name"),
    "transfer.accepted": _text("name"),
    "transfer.declined": _text("name"),
    "transfer.take_back": _text("name"),
    "git.push": _text("name"),
    "git.fetch": _text("name"),
    "request": lambda details: ", ".join(str(details[name]) for name in ("what", "app") if details.get(name)),
    "ssh_key.create": _text("fingerprint"),
    "ssh_key.end": _text("fingerprint"),
}


def _about(event: AuditEvent) -> str:
    read = _ABOUT.get(event.action)
    if read is None and event.action.endswith(".update"):
        read = _changed
    return read(event.details) if read else ""

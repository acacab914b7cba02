"""Every reason for which a credential is refused or ends: what its holder is told, and the command that mends it.

A reason is an id (stable, in the API), a sentence and a next step. No HTTP status codes: web/refuse.py alone knows
those. The ids are those of design policy; docs/reasons.md is written from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """One way to be refused. ``sentence`` may use ``{what}`` (the credential, as a noun) and ``{when}``."""

    id: str
    sentence: str
    next: str = "keyturn login"
    """The command that mends it; ``{recreate}`` stands for the one that makes such a credential anew."""
    to_author: str = ""
    """The sentence for whoever ended it themselves; empty: the same."""


def _table(*reasons: Reason) -> dict[str, Reason]:
    return {reason.id: reason for reason in reasons}


# Ways for a genuine credential to be dead. The holder of the secret, its owner and admins see these; nobody else does.
ENDINGS: Final = _table(
    Reason("expired", "{what} expired on {when}.", "{recreate}"),
    Reason("logged_out", "{what} was logged out on {when}.", "{recreate}"),
    Reason("revoked_by_owner", "{what} was revoked by its owner on {when}.", "{recreate}",
           to_author="{what} was revoked by you on {when}."),
    Reason("revoked_by_admin", "{what} was revoked by an administrator on {when}; ask them why.", "{recreate}"),
    Reason("password_changed", "{what} ended on {when}, when the account's password was changed.", "{recreate}"),
    Reason("password_reset", "{what} ended on {when}, when the account's password was reset.", "{recreate}"),
    Reason("key_regenerated", "{what} was replaced on {when}, when the API key was regenerated.", "{recreate}"),
    Reason("rotated", "{what} was replaced on {when}: the authorization was rotated and has a newer token.", "{recreate}"),
    Reason("sso_enabled", "{what} ended on {when}, when single sign-on was turned on for the account.", "{recreate}"),
    Reason("sso_session_ended", "{what} ended on {when} with the single sign-on session that it came from.", "{recreate}"),
    Reason("deprovisioned", "{what} ended on {when}: the identity provider removed the account.", "ask your administrator"),
    Reason("owner_suspended", "{what} ended on {when}, when its account was suspended.", "{recreate}"),
    Reason("account_closed", "{what} ended on {when}, when its account was closed.", "ask your administrator"),
    Reason("client_removed", "{what} ended on {when}: the OAuth client it was made for was removed.", "authorize the client again"),
    Reason("revoked_by_client", "{what} was given up on {when} by the OAuth client that it was made for.", "{recreate}"),
    Reason("token_reused",
           "{what} ended on {when}: a one-time code or refresh token of it came a second time, as when one was stolen.",
           "{recreate}"),
    Reason("reported_leaked", "{what} was reported leaked on {when} and ended at once.", "{recreate}"),
)  # fmt: skip

# The same ending while the account is still suspended: a new credential cannot be had either.
SUSPENDED: Final = Reason(
    "owner_suspended", "{what} is refused: its account was suspended on {when}.", "ask your administrator"
)

# What can be said to a presenter of whom nothing is proven.
UNPROVEN: Final = _table(
    Reason("missing", "There is no credential in this request."),
    Reason("malformed", "That is not a whole Keyturn token: {what}."),
    Reason("unknown", "Invalid credentials provided."),
    Reason("wrong_kind", "This token is not one for the API."),
    Reason("password_as_token",
           "That looks like an account and its password. The API takes a token as the password of Basic "
           "authentication, never the account's own password.",
           "keyturn login"),
    Reason("wrong_password", "Invalid credentials provided: the e-mail or the password is wrong."),
)  # fmt: skip

# A live credential without the right.
FORBIDDEN: Final = _table(
    Reason("insufficient_scope", "This token's scope ({held}) does not allow this: it takes {needed}.",
           "keyturn authorizations:create --scope {first}"),
    Reason("read_only_before_expiry", "{what} expires on {when} and may only read until then.", "{recreate}"),
    Reason("not_for_clients",
           "An OAuth client cannot make or end credentials of the account: they would outlive what the owner gave it.",
           "keyturn login"),
    Reason("two_factor", "This takes a two-factor code.", "repeat it with the header Heroku-Two-Factor-Code"),
    Reason("browser_only",
           "This account's second factor is a passkey, which works in the browser alone.", "keyturn login"),
    Reason("two_factor_to_set_up",
           "This account must have two-factor authentication, and has not set it up.", "sign in in the browser and set it up"),
    Reason("not_permitted", "This account may not do this with the app.", "ask the app's owner for the permission to deploy"),
    Reason("administrators_only", "Only administrators may do this.", "ask your administrator"),
    Reason("administrators_login",
           "Only an administrator's login may do this, made since they became one and since they turned on two-factor sign-in.",
           "keyturn login"),
    Reason("wider_than_self", "A token cannot make a wider one than itself: it has {held}.",
           "keyturn login"),
)  # fmt: skip

# Why a login under way in the browser did not come to a token.
LOGINS: Final = _table(
    Reason("denied", "The login was denied in the browser."),
    Reason("timed_out", "Nobody approved the login within ten minutes."),
    Reason("password_changed", "The account's password was changed while the login was under way."),
    Reason("owner_suspended", "The account was suspended while the login was under way.", "ask your administrator"),
    Reason("account_closed", "The account was closed while the login was under way.", "ask your administrator"),
)  # fmt: skip

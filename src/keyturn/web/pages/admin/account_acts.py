"""/admin/accounts/ID/...: what administrators do to an account. Each act has a page that says first what it will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.actions import administer, preview
from keyturn.actions.env import Invalid
from keyturn.core import lifecycle, policy
from keyturn.web.api.resets import link as reset_link
from keyturn.web.pages import shown
from keyturn.web.pages.admin.accounts import HERE

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.core.credential import Account
    from keyturn.web.pages.visit import Visit

ROWS = 50
"""Credentials that a preview lists one by one."""


def _path(account: Account) -> str:
    return f"{HERE}/{account.id}"


def _ask(visit: Visit, account: Account, act: str, **context: Any) -> Response:
    """The page that asks before ``act``, the last part of its address."""
    rest: dict[str, Any] = {
        "ends": None,
        "more": 0,
        "lives": (),
        "fields": {},
        "kind": "danger",
        "lead": "",
        "sentences": [],
    }
    return visit.render(
        "admin_confirm.html", here=HERE, owner=account, action=f"{_path(account)}/{act}", cancel=_path(account),
        **rest | context,
    )  # fmt: skip


def _not_oneself(visit: Visit, account: Account) -> None:
    if account.id == visit.owner.id:
        raise Invalid("account", "Nobody does this to themselves. Another administrator can.")


def show_suspend(visit: Visit) -> Response:
    """GET /admin/accounts/ID/suspend: what it would end."""
    account = administer.one(visit.env, visit.params["id"])
    _not_oneself(visit, account)
    found = preview.preview_suspension(visit.env, visit.by, account.email)
    rows = shown.ending_rows(found, visit.now)
    return _ask(
        visit, account, "suspend", title="Suspend this account", label="Suspend the account",
        heading=f"{len(rows)} credential{'' if len(rows) == 1 else 's'} end{'s' if len(rows) == 1 else ''} with it"
        if rows else "It holds no living credential",
        sentences=[
            ("Its owner cannot sign in any more, and is told by mail. You can let them sign in again later; what has ended "
            "stays ended.")
        ],
        ends=rows[:ROWS], more=max(0, len(rows) - ROWS), lives=shown.living_rows(found, visit.now)[:ROWS],
    )  # fmt: skip


def suspend(visit: Visit) -> Response:
    """POST /admin/accounts/ID/suspend."""
    account, endings = administer.suspend(visit.env, visit.by, visit.params["id"])
    ended = f"{len(endings)} credential{'' if len(endings) == 1 else 's'} ended"
    return visit.done(_path(account), f"{account.email} is suspended; {ended}.")


def unsuspend(visit: Visit) -> Response:
    """POST /admin/accounts/ID/unsuspend."""
    account = administer.unsuspend(visit.env, visit.by, visit.params["id"])
    return visit.done(_path(account), f"{account.email} can sign in again. What had ended stays ended.")


def show_admin(visit: Visit) -> Response:
    """GET /admin/accounts/ID/administrator: make one, or take it back."""
    account = administer.one(visit.env, visit.params["id"])
    _not_oneself(visit, account)
    if account.admin:
        return _ask(
            visit, account, "administrator", title="Take back administrator rights", label="Take the rights back",
            heading="An account like any other", fields={"admin": "0"},
            sentences=[("It loses every page under Administration at once. Its credentials live on: they gave no rights "
                       "over other accounts through its own. Its owner is told by mail.")],
        )  # fmt: skip
    sentences = [
        (
            "An administrator sees every account and its credentials, suspends accounts, resets second factors and passwords, "
            "and makes other administrators. Its browser sessions end, so that its owner signs in anew, and is told by mail. "
            "Its tokens of before live on, without an administrator's rights."
        )
    ]
    if account.mfa_since is None:
        sentences.append(
            "This server asks administrators for a second factor, and this account has none: it can do nothing until "
            "it has set one up."
            if visit.env.policy.mfa_required != "none"
            else "This account signs in with its password alone. Ask its owner to turn on two-factor sign-in first."
        )
    return _ask(
        visit, account, "administrator", title="Make this account an administrator", label="Make it an administrator",
        heading="It can do all that you can", sentences=sentences, fields={"admin": "1"}, kind="primary",
    )  # fmt: skip


def set_admin(visit: Visit) -> Response:
    """POST /admin/accounts/ID/administrator; ``admin``: 1 or 0."""
    wanted = visit.form.get("admin", "")
    if wanted not in ("0", "1"):
        raise Invalid("admin", "The form does not say whether to give or to take the rights.")
    account = administer.set_admin(visit.env, visit.by, visit.params["id"], admin=wanted == "1")
    said = "is an administrator now" if account.admin else "is no administrator any more"
    return visit.done(_path(account), f"{account.email} {said}.")


def show_factors(visit: Visit) -> Response:
    """GET /admin/accounts/ID/second-factors: take them off."""
    account = administer.one(visit.env, visit.params["id"])
    _not_oneself(visit, account)
    return _ask(
        visit, account, "second-factors", title="Reset second factors", label="Take all second factors off",
        heading="First be sure who asks",
        sentences=[
            ("Do this only for somebody whom you know by other means: in person, or on a number that you had before. A mail "
            "that asks for it proves nothing: whoever reads the owner's mail can choose a new password, and the second "
            "factor is what is left between them and the account."),
            ("Authenticator apps, passkeys, recovery codes and remembered browsers go, and the browser sessions end. Then "
            "the password alone signs in, until a second factor is set up again. The owner is told by mail."),
        ],
    )  # fmt: skip


def reset_factors(visit: Visit) -> Response:
    """POST /admin/accounts/ID/second-factors."""
    account = administer.reset_factors(visit.env, visit.by, visit.params["id"])
    return visit.done(_path(account), f"{account.email} has no second factor any more, and was told by mail.")


def show_reset(visit: Visit) -> Response:
    """GET /admin/accounts/ID/password: a link to choose a new one."""
    account = administer.one(visit.env, visit.params["id"])
    return visit.render(
        "admin_reset.html", title="A link to choose a new password", here=HERE, owner=account, path=_path(account),
        life=lifecycle.in_words(policy.RESET_LINK), mail=visit.env.post.mail is not None,
    )  # fmt: skip


def reset_password(visit: Visit) -> Response:
    """POST /admin/accounts/ID/password; ``way``: mail or show."""
    way = visit.form.get("way", "")
    if way not in ("mail", "show") or (way == "mail" and visit.env.post.mail is None):
        raise Invalid("way", "Say whether the link goes by mail or is shown to you. Without a mail server it is shown.")
    account = administer.one(visit.env, visit.params["id"])
    url = administer.reset_password(
        visit.env, visit.by, account.id, lambda secret: reset_link(visit.face, secret), by_mail=way == "mail"
    )
    if url is None:
        return visit.done(_path(account), f"A link to choose a new password is on its way to {account.email}.")
    return hand_on(
        visit, account.email, url, label="Link to choose a new password", life=lifecycle.in_words(policy.RESET_LINK),
        back=_path(account), does="Whoever opens it chooses the password of this account. A second factor is asked for as before.",
    )  # fmt: skip


def hand_on(visit: Visit, email: str, url: str, *, label: str, life: str, back: str, does: str) -> Response:
    """The page that shows a one-time link, this once."""
    return visit.render(
        "admin_handed.html", title="Hand this link on", here=HERE, email=email, url=url, label=label, life=life, back=back,
        does=does,
    )  # fmt: skip


def show_revoke(visit: Visit) -> Response:
    """GET /admin/accounts/ID/revoke?credential=GRANT."""
    account, found = administer.credential(visit.env, visit.params["id"], visit.asked.get("credential", ""))
    facts = shown.facts_of(found, visit.owner, visit.now, visit.env.policy)
    noun = policy.LIVES[found.grant.kind].noun
    return _ask(
        visit, account, "revoke", fields={"credential": found.grant.id}, title=f"Revoke this {noun}", label=f"Revoke the {noun}",
        heading="It stops working at once",
        sentences=[("Whoever uses it is refused from the next request on, and told that an administrator revoked it. Its owner "
                   "is told by mail. It cannot be brought back.")],
        ends=[{"name": facts.name, "noun": facts.noun, "last_used": facts.last_used, "glyph": facts.glyph}],
    )  # fmt: skip


def revoke(visit: Visit) -> Response:
    """POST /admin/accounts/ID/revoke."""
    ending = administer.revoke(visit.env, visit.by, visit.params["id"], visit.form.get("credential", ""))
    noun = policy.LIVES[ending.grant.kind].noun
    return visit.done(f"{HERE}/{ending.grant.account_id}", f"The {noun} was revoked.")

"""/admin/accounts/new: an account is made by inviting its owner, who alone chooses the password. Open invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import administer, invitations
from keyturn.actions.env import Invalid
from keyturn.core import lifecycle, policy
from keyturn.web import mailed
from keyturn.web.pages.admin.account_acts import hand_on
from keyturn.web.pages.admin.accounts import HERE

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

NEW = f"{HERE}/new"
TAKE_BACK = f"{NEW}/take-back"


def show(visit: Visit) -> Response:
    """GET /admin/accounts/new."""
    return _form(visit)


def _form(visit: Visit, *, status: int = 200, wrong: Invalid | None = None) -> Response:
    found = invitations.listed(visit.env, visit.me)
    return visit.render(
        "admin_invite.html", status, title="New account", here=HERE, action=NEW, take_back=TAKE_BACK, typed=visit.form, error=wrong,
        field=wrong.field if wrong else "", found=found, hosts=administer.addresses(visit.env, [each.invited_by for each in found]),
        mail=visit.env.post.mail is not None, life=lifecycle.in_words(policy.INVITATION),
        asked=visit.env.policy.mfa_required == "admins",
    )  # fmt: skip


def submit(visit: Visit) -> Response:
    """POST /admin/accounts/new: mails the invitation, or shows its link once where no mail server is configured."""
    form = visit.form
    sender, mail = mailed.joining(visit.face), visit.env.post.mail is not None
    try:
        made = invitations.invite(
            visit.env, visit.by, visit.me, email=form.get("email", ""), name=form.get("name") or None,
            admin=form.get("admin") == "1", sender=sender if mail else None,
        )  # fmt: skip
    except Invalid as wrong:
        return _form(visit, status=422, wrong=wrong)
    invited = made.invitation
    if mail:
        return visit.done(NEW, f"An invitation is on its way to {invited.email}.")
    return hand_on(
        visit, invited.email, sender.link(made.secret), label="Invitation", life=lifecycle.in_words(policy.INVITATION), back=NEW,
        does="Whoever opens it chooses the password of the new account"
        + (", an administrator's." if invited.admin else "."),
    )  # fmt: skip


def take_back(visit: Visit) -> Response:
    """POST /admin/accounts/new/take-back."""
    invitations.take_back(visit.env, visit.by, visit.me, visit.form.get("invitation", ""))
    return visit.done(NEW, "The invitation was taken back: its link is worth nothing more.")

"""/admin/accounts: every account, and one with what it holds. What is done to one is in account_acts.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import activity, administer, sign_in
from keyturn.core import policy
from keyturn.core.policy import Kind
from keyturn.store.interface import AuditSearch
from keyturn.web import timeline
from keyturn.web.pages import agents, audit_words, shown
from keyturn.web.pages.admin.common import badges, link, page_asked, text_asked

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.administer import Particulars
    from keyturn.web.pages.visit import Visit

HERE = "/admin/accounts"
ONE = HERE + "/{id}"
EVENTS_SHOWN = 10


def show_all(visit: Visit) -> Response:
    """GET /admin/accounts."""
    text, after = text_asked(visit.asked, "text"), text_asked(visit.asked, "after")
    found, more = administer.listed(visit.env, text, after)
    return visit.render(
        "admin_accounts.html", title="Accounts", here=HERE, text=text, rows=[(each, badges(each)) for each in found],
        me=visit.owner.id, next_url=link(HERE, text=text, after=found[-1].id) if more else "",
        first_url=link(HERE, text=text) if after else "",
    )  # fmt: skip


def show_one(visit: Visit) -> Response:
    """GET /admin/accounts/ID."""
    found = administer.seen(visit.env, visit.params["id"], page_asked(visit.asked))
    account, here = found.account, f"{HERE}/{found.account.id}"
    rows = [
        {"facts": shown.facts_of(c, visit.owner, visit.now, visit.env.policy, current=visit.me.grant_id),
         "mask": c.token.mask, "revoke": f"{here}/revoke?credential={c.grant.id}"}
        for c in found.shown
    ]  # fmt: skip
    events = activity.search(visit.env, AuditSearch(account_id=account.id), EVENTS_SHOWN)
    return visit.render(
        "admin_account.html", title=account.name or account.email, here=HERE, owner=account, found=found, rows=rows,
        badges=badges(account), counts=_counts(found), mine=account.id == visit.owner.id, path=here,
        factors=_factors(found), must=sign_in.must_have_second_factor(visit.env, account),
        entries=[(entry, audit_words.say(entry.event)) for entry in events.entries],
        agent_words=agents.in_words, name_of=shown.name_of,
        audit=link("/admin/audit", account=account.id),
        next_url=link(here, page=found.page + 1) if found.page < found.pages else "",
        previous_url=link(here, page=found.page - 1) if found.page > 1 else "",
    )  # fmt: skip


def _counts(found: Particulars) -> list[tuple[str, int]]:
    counts = found.living | ({Kind.SSH_KEY: len(found.keys)} if found.keys else {})
    return [
        (policy.LIVES[kind].noun if count == 1 else _plural(kind), count)
        for kind, count in sorted(counts.items(), key=lambda each: list(Kind).index(each[0]))
    ]


def _plural(kind: Kind) -> str:
    words = timeline.PLURALS[kind]
    return words if words[:2].isupper() else words[0].lower() + words[1:]


def _factors(found: Particulars) -> str:
    names = {"totp": ("authenticator app", "authenticator apps"), "passkey": ("passkey", "passkeys")}
    parts = []
    for kind, (one, many) in names.items():
        count = sum(1 for factor in found.factors if factor.kind == kind)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    if parts:
        left = found.recovery_left
        parts.append(f"{left} recovery code{'' if left == 1 else 's'} left")
    if found.remembered:
        parts.append(f"{found.remembered} remembered browser{'' if found.remembered == 1 else 's'}")
    return ", ".join(parts)

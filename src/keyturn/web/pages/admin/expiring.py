"""/admin/expiring: what expires soon, of all accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import administer
from keyturn.core.policy import Kind
from keyturn.web import timeline
from keyturn.web.pages import shown
from keyturn.web.pages.admin.common import link, page_asked

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

HERE: Final = "/admin/expiring"
SPANS: Final = (1, 7, 30, 90)
"""Days."""
PER_PAGE: Final = 100
LASTING: Final = frozenset(Kind) - {Kind.WEB, Kind.WORKLOAD}
"""What somebody has to do something about: browser sessions and jobs' tokens come and go."""


def show(visit: Visit) -> Response:
    """GET /admin/expiring; ``days``: 1, 7, 30 or 90; ``kind``: one alone."""
    days = next((span for span in SPANS if str(span) == visit.asked.get("days")), 7)
    kind = next((kind for kind in Kind if kind.value == visit.asked.get("kind")), None)
    kinds = LASTING if kind is None else frozenset({kind})
    page, chosen = page_asked(visit.asked), kind.value if kind else ""
    found, more = administer.expiring(visit.env, visit.now + timedelta(days=days), kinds, page, PER_PAGE)

    def to(**changes: str | int) -> str:
        fields: dict[str, str | int] = {"days": days, "kind": chosen}
        return link(HERE, **fields | changes)

    return visit.render(
        "admin_expiring.html", title="Expiring soon", here=HERE, days=days, kind=chosen, page=page,
        tabs=[(to(days=span), "1 day" if span == 1 else f"{span} days") for span in SPANS], tab=to(),
        kinds=[("", "All that lasts"), *((each.value, timeline.PLURALS[each]) for each in Kind)],
        rows=[(owner, shown.facts_of(c, visit.owner, visit.now, visit.env.policy)) for owner, c in found],
        next_url=to(page=page + 1) if more else "", previous_url=to(page=page - 1) if page > 1 else "",
    )  # fmt: skip

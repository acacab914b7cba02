"""/admin/audit: the audit trail of the whole server, searched and exported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from keyturn.actions import activity, administer
from keyturn.web.pages import activity as own
from keyturn.web.pages import agents, audit_words, shown
from keyturn.web.pages.admin.common import text_asked

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.store.interface import AuditSearch
    from keyturn.web.pages.visit import Visit

HERE: Final = "/admin/audit"
WHO: Final = ("account", "actor")
"""Fields that name an account, by its e-mail or its id."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the query asks for. ``search`` None: it names an account that there is not."""

    search: AuditSearch | None
    given: dict[str, str]
    wrong: str = ""
    """The field that cannot be taken."""

    def link(self, path: str, before: int | None = None) -> str:
        """``path`` with the same filters."""
        query = urlencode(self.given | ({"before": str(before)} if before is not None else {}))
        return f"{path}?{query}" if query else path


def read(visit: Visit) -> Asked:
    """Reads the query: as on the page of one's own activity, and who it is about."""
    asked = own.read(visit.asked)
    who = {name: text for name in WHO if (text := text_asked(visit.asked, name))}
    action = text_asked(visit.asked, "action")
    given = asked.given | who | ({"action": action} if action else {})
    ids = {name: administer.find(visit.env, text) for name, text in who.items()}
    wrong = asked.wrong or next((name for name, identity in ids.items() if identity is None), "")
    if any(identity is None for identity in ids.values()):
        return Asked(None, given, wrong)
    search = replace(asked.search, account_id=ids.get("account"), actor_id=ids.get("actor"), action=action)
    return Asked(search, given, wrong)


def show(visit: Visit) -> Response:
    """GET /admin/audit."""
    asked = read(visit)
    found = activity.search(visit.env, asked.search) if asked.search else activity.Found([], None)
    return visit.render(
        "admin_audit.html", title="Audit", here=HERE, asked=asked.given, wrong=asked.wrong,
        entries=[(entry, audit_words.say(entry.event)) for entry in found.entries],
        agent_words=agents.in_words, name_of=shown.name_of,
        choices=[("", "Everything"), *((name, label) for name, (label, _) in audit_words.GROUPS.items())],
        outcomes=[("", "Any"), *audit_words.OUTCOMES], older=asked.link(HERE, found.older) if found.older else "",
        newest=asked.link(HERE) if asked.search and asked.search.before is not None else "", export=asked.link(f"{HERE}.jsonl"),
    )  # fmt: skip


def export(visit: Visit) -> Response:
    """GET /admin/audit.jsonl: all that fits, a line each."""
    asked = read(visit)
    lines = activity.export(visit.env, asked.search) if asked.search else iter(())
    return own.download(visit.face.offload, lines, f"audit-{visit.now:%Y-%m-%d}.jsonl")

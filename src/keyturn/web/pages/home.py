"""The start page: the timeline of every credential of the account, and how to get the first one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from keyturn.actions import overview
from keyturn.actions.overview import State, Wish
from keyturn.core.policy import Kind
from keyturn.web import timeline
from keyturn.web.pages import audit_words, sign_in

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.core.policy import Policy
    from keyturn.web.pages.visit import Visit

TEXT_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """The page's query: what is wished for, and whether as a table."""

    wish: Wish
    table: bool = False

    def link(self, **changes: Any) -> str:
        """The page with some of it changed, from its first page unless that is what changes."""
        wish = self.wish
        now: dict[str, Any] = {
            "state": wish.state.value, "kind": wish.kind and wish.kind.value, "text": wish.text, "by": _BY[wish.by_kind],
            "view": "table" if self.table else "", "page": 1,
        }  # fmt: skip
        now |= changes
        given = {name: value for name, value in now.items() if value and value != _DEFAULTS.get(name)}
        return "/?" + urlencode(given) if given else "/"


_BY = {None: "", True: "kind", False: "end"}
_DEFAULTS = {"state": "any", "page": 1}


def asked(query: str) -> Asked:
    """Reads the query; what it cannot mean is left out, as if it were not there."""
    given = {name: values[-1].strip() for name, values in parse_qs(query).items()}
    page = given.get("page", "")
    wish = Wish(
        kind=next((kind for kind in Kind if kind.value == given.get("kind")), None),
        state=next((state for state in State if state.value == given.get("state")), State.ANY),
        text=given.get("text", "")[:TEXT_LONGEST],
        by_kind={"kind": True, "end": False}.get(given.get("by", "")),
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )
    return Asked(wish, table=given.get("view") == "table")


def show(visit: Visit) -> Response:
    """GET /."""
    if visit.principal is None or visit.account is None:
        return sign_in.form(visit, "/")
    env, wanted = visit.face.env, asked(visit.query)
    found = overview.of(env, visit.account.id, wanted.wish)
    picture = timeline.draw(found, visit.account, visit.now, current=visit.principal.grant_id, rules=env.policy)
    return visit.render(
        "home.html", title="Credentials", found=found, picture=picture, wish=wanted.wish,
        table=wanted.table, link=wanted.link, narrowed=wanted.wish.kind is not None or bool(wanted.wish.text),
        kinds=[(kind.value, timeline.PLURALS[kind], found.kinds[kind]) for kind in Kind if kind in found.kinds],
        icons=sorted({row.icon for row in picture.rows}),
        why=audit_words.why_ended, commands=_commands(visit.face.public_url, env.policy), bare=found.kinds.keys() <= {Kind.WEB},
    )  # fmt: skip


def _commands(url: str, rules: Policy) -> list[tuple[str, str]]:
    survives = timeline.lives_through(Kind.AUTHORIZATION, rules)
    return [
        ("get the command line", "pip install keyturn"),
        ("log this machine in; the token goes into ~/.netrc", f"keyturn login --host {url}"),
        ("use it with any tool that reads ~/.netrc", f"curl -n {url}/account"),
        (
            "a token of its own for production" + (f": it lives on when {survives}" if survives else ""),
            'keyturn authorizations:create -d "my service"',
        ),
    ]

"""The authorizations of the account: their list, and the form that makes one."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from keyturn.actions import authorizations, grants, overview
from keyturn.actions.env import Invalid, NotFound
from keyturn.core import scope
from keyturn.core.policy import Kind
from keyturn.web import timeline, words
from keyturn.web.pages import lives, shown

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Grant
    from keyturn.web.pages.visit import Visit

HERE: Final = "/settings/authorizations"
NEW: Final = f"{HERE}/new"
KINDS: Final = frozenset({Kind.AUTHORIZATION, Kind.SERVICE, Kind.OAUTH})
COPIED: Final = frozenset({Kind.AUTHORIZATION, Kind.SERVICE, Kind.LOGIN, Kind.API_KEY})
"""Kinds like which an authorization can be made: of logins and the API key, when those are to end (pages/password.py)."""
PAGE: Final = 50
FEW: Final = 7
"""So many are found by looking, without a search."""
TEXT_LONGEST: Final = 200

SCOPES: Final = (
    ("global", "Everything"),
    ("identity", "Only who I am"),
    ("read", "Read"),
    ("read-protected", "Read, configuration too"),
    ("write", "Read and change"),
    ("write read-protected", "Read all, change all but configuration"),
    ("write-protected", "Read and change, configuration too"),
)
"""The choices of the form: scopes, as the API names them, and what they are called. No other set opens anything else."""


def show(visit: Visit) -> Response:
    """GET the list: the living, or with ``view=ended`` the dead; ``text``: those alone that have it somewhere."""
    env, ended, text = visit.env, visit.asked.get("view") == "ended", visit.asked.get("text", "").strip()[:TEXT_LONGEST]
    with env.store.reading() as tx:
        every = [grant for grant in tx.grants(visit.owner.id) if grant.kind in KINDS]
        sought = [grant for grant in every if overview.has_text(grant, text)]
        over = sorted(
            (g for g in sought if g.ended_by_then(visit.now)), key=lambda g: _ended_at(g, visit), reverse=True
        )
        alive = sorted((g for g in sought if not g.ended_by_then(visit.now)), key=overview.soonest)
        listed = over if ended else alive
        pages = max(1, -(-len(listed) // PAGE))
        number = min(_number(visit.asked.get("page", "")), pages)
        found = grants.with_tokens(tx, listed[(number - 1) * PAGE : number * PAGE])
    rows = [shown.facts_of(c, visit.owner, visit.now, env.policy, current=visit.me.grant_id) for c in found]

    def link(page: int = 1, *, dead: bool = ended, words: str = text) -> str:
        asked = ({"view": "ended"} if dead else {}) | ({"text": words} if words else {})
        asked |= {"page": str(page)} if page > 1 else {}
        return HERE + (f"?{urlencode(asked)}" if asked else "")

    return visit.render(
        "authorizations.html", title="Authorizations", here=HERE, rows=rows, ended=ended, page=number, pages=pages,
        tabs=[(link(dead=False), f"Living ({len(alive)})"), (link(dead=True), f"Ended ({len(over)})")], tab=link(),
        text=text, text_longest=TEXT_LONGEST, searchable=bool(text) or len(every) > FEW, all_url=link(words=""),
        through=timeline.lives_through(Kind.AUTHORIZATION, env.policy), federated=visit.owner.federated,
        previous_url=link(number - 1) if number > 1 else "", next_url=link(number + 1) if number < pages else "",
    )  # fmt: skip


def _ended_at(grant: Grant, visit: Visit) -> tuple[float, str]:
    death = grant.death(visit.now)
    return (death[1].timestamp() if death else 0.0), grant.id


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def show_new(visit: Visit) -> Response:
    """GET the form; ``like``: the id of one, alive or dead, of which it takes description, scope and span of life."""
    model = _model(visit, visit.asked.get("like", ""))
    values: dict[str, str] = {"expiry": lives.preferred(_cards(visit))}
    if model is not None:
        expiry, beside = lives.like(model)
        offered = expiry in [card.value for card in _cards(visit)]
        values |= {"description": _free_name(visit, model.description), "scope": " ".join(model.scopes)}
        values |= {"expiry": expiry} | beside if offered else {}
    return _form(visit, values, model)


def create(visit: Visit) -> Response:
    """POST the form: the new token, on the only page that ever shows it."""
    form, model = visit.form, None
    try:
        model = _model(visit, form.get("like", ""))
        description = form.get("description", "").strip()
        if not description:
            raise Invalid("description", "Say what it is for: that is the name it goes by from now on.")
        if not form.get("scope", "").strip():
            raise Invalid("scope", "Choose what it may do.")
        made = authorizations.create(
            visit.env, visit.by, visit.me,
            description=description, scopes=form["scope"], expires_in=_seconds(visit),
        )  # fmt: skip
    except Invalid as wrong:
        return _form(visit, form, model, wrong=wrong)
    return show_secret(
        visit, made, title="Your new authorization", here=HERE, lead="Put its token where it is used, before you leave this page."
    )  # fmt: skip


def _seconds(visit: Visit) -> int | None:
    asked = lives.read(visit.form, visit.now)
    if asked is None and visit.env.policy.lives[Kind.AUTHORIZATION].default is not None:
        raise Invalid("expiry", "This server's policy gives every authorization an end: choose one.")
    return asked


def _cards(visit: Visit) -> list[lives.Card]:
    return lives.cards(visit.env.policy.lives[Kind.AUTHORIZATION], visit.now)


def _model(visit: Visit, identity: str) -> Grant | None:
    """The one to be like. Raises NotFound."""
    if not identity:
        return None
    found = authorizations.info(visit.env, visit.me, identity, ended=True).grant
    if found.kind not in COPIED:
        raise NotFound("authorization")
    return found


def _free_name(visit: Visit, name: str) -> str:
    """The name, or with the next number where a living authorization goes by it: ``deploys (2)``."""
    with visit.env.store.reading() as tx:
        taken = {g.description for g in tx.grants(visit.owner.id, alive_at=visit.now) if g.kind in KINDS}
    base = re.sub(r" \([0-9]{1,4}\)$", "", name)
    numbered = (f"{base[: grants.DESCRIPTION_LONGEST - 7]} ({number})" for number in itertools.count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _form(visit: Visit, values: dict[str, str], model: Grant | None, *, wrong: Invalid | None = None) -> Response:
    names = [name for name, _ in SCOPES]
    choices = [(name, title, _opens(name)) for name, title in SCOPES]
    own = " ".join(model.scopes) if model else ""
    if own and own not in names:
        choices.insert(0, (own, "As the other one", own.replace(" ", ", ")))
    field = {"expires_in": "expiry", "on": "expiry", "days": "expiry"}.get(wrong.field, wrong.field) if wrong else ""
    return visit.render(
        "authorizations_new.html", 422 if wrong else 200, title="New authorization", here=HERE, action=NEW, values=values,
        model=model, scopes=choices, cards=_cards(visit), error=words.sentence(str(wrong)) if wrong else "", field=field,
        exact_field=wrong.field if wrong else "", federated=visit.owner.federated,
        longest=grants.DESCRIPTION_LONGEST, ends_else=_ends_else(visit),
        through=timeline.lives_through(Kind.AUTHORIZATION, visit.env.policy),
    )  # fmt: skip


def _opens(names: str) -> str:
    if names == "write read-protected":
        return "Read apps and resources, configuration values included; change them, but no configuration values."
    return words.sentence(scope.SCOPES[names])


def _ends_else(visit: Visit) -> str:
    return timeline.else_ends(Kind.AUTHORIZATION, visit.now, visit.env.policy)


def show_secret(visit: Visit, made: Credential, *, title: str, here: str, lead: str, **more: Any) -> Response:
    """The page that shows a new token, once, with the lines that put it where it is used. No other answer has it."""
    url = visit.face.public_url
    machine = urlsplit(url).hostname or "localhost"
    return visit.render(
        "authorizations_made.html", 201, title=title, here=here, lead=lead, secret=made.secret, grant=made.grant,
        name=shown.name_of(made.grant), life=shown.life_words(made.grant, visit.now, visit.env.policy), url=url,
        github=f"env:\n  HEROKU_API_KEY: ${{{{ secrets.HEROKU_API_KEY }}}}\n  HEROKU_HOST: {url}",
        gitlab=f"variables:\n  HEROKU_HOST: {url}", netrc=f"machine {machine} login {visit.owner.email} password {made.secret}",
        opens=[(name, scope.SCOPES[name]) for name in made.grant.scopes if name in scope.SCOPES], **more,
    )  # fmt: skip

"""/admin/policy: the rules in force, and where they differ from the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keyturn.core import lifecycle, policy, published
from keyturn.core.policy import Effect, Kind

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

HERE: Final = "/admin/policy"

SIGNS: Final[dict[str, tuple[str, str, str]]] = {
    Effect.DIES: ("dies", "bad", "ends at once"),
    Effect.REPLACED: ("new one", "brass", "ends, and a new one is made in its place"),
    Effect.SPARED: ("spared", "warn", "ends, unless it is the one that acts"),
    Effect.MOVES: ("moves", "", "goes on, under the next sponsor"),
    Effect.LIVES: ("lives", "ok", "goes on untouched"),
}
"""What an event does: the word in the matrix, its tone, and what it means."""

SIGN_UP: Final = {"invitation": "only whom an administrator invites", "open": "whoever has an e-mail address"}
REQUIRED: Final = {"none": "nobody", "admins": "administrators", "all": "everybody"}


def show(visit: Visit) -> Response:
    """GET /admin/policy."""
    now, default = published.table(visit.env.policy), published.table(policy.DEFAULT)
    kinds = [_kind(one, other) for one, other in zip(now["kinds"], default["kinds"], strict=True)]
    events = [_event(one, other) for one, other in zip(now["events"], default["events"], strict=True)]
    groups = _rules(now, default)
    changed = (
        sum(each["changed"] for each in kinds)
        + sum(cell["changed"] for each in events for cell in each["cells"])
        + sum(changed for _, rows in groups for *_, changed in rows)
    )
    met = {effect for each in now["events"] for effect in each["effects"].values()}
    return visit.render(
        "admin_policy.html", title="Policy", here=HERE, kinds=kinds, events=events, sections=groups, changed=changed,
        legend=[(word, tone, means) for effect, (word, tone, means) in SIGNS.items() if effect in met],
    )  # fmt: skip


def _span(seconds: int | None, otherwise: str) -> str:
    return otherwise if seconds is None else lifecycle.in_words(seconds)


def _kind(now: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    said = [
        (_span(each["default"], "until something ends it"), _span(each["longest"], "no limit"),
         _span(each["soft_expiry"], "off"))
        for each in (now, default)
    ]  # fmt: skip
    pairs = list(zip(*said, strict=True))
    return {
        "noun": now["noun"], "kind": now["kind"], "changed": now != default,
        "cells": [(here, before if here != before else "") for here, before in pairs],
    }  # fmt: skip


def _event(now: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    cells = []
    for kind, effect in now["effects"].items():
        before = default["effects"][kind]
        word, tone, _ = SIGNS.get(effect, ("", "", ""))
        cells.append({
            "kind": kind, "noun": policy.LIVES[Kind(kind)].noun, "word": word, "tone": tone,
            "changed": effect != before, "before": SIGNS.get(before, ("",))[0],
        })  # fmt: skip
    by_word = [
        (word, tone, [cell for cell in cells if cell["word"] == word])
        for word, tone, _ in SIGNS.values() if any(cell["word"] == word for cell in cells)
    ]  # fmt: skip
    one = now["reaches"] == "one"
    return {"words": now["words"], "event": now["event"], "one": one, "cells": cells, "by_word": by_word}


def _rules(now: dict[str, Any], default: dict[str, Any]) -> list[tuple[str, list[tuple[str, str, str, bool]]]]:
    """The other rules, in groups: label, as it is, as it is by default where that differs, whether it does."""

    def row(label: str, say: Any, *path: str) -> tuple[str, str, str, bool]:
        here: Any = now
        before: Any = default
        for name in path:
            here, before = here[name], before[name]
        return label, say(here), say(before) if here != before else "", here != before

    words = lifecycle.in_words
    return [
        ("Signing in", [
            row("Must have a second factor", lambda value: REQUIRED[value], "two_factor", "required"),
            row("A browser can be remembered for", lambda value: words(value) if value else "never", "two_factor", "remember"),
            row("Single sign-on sessions end after", words, "sso_longest"),
        ]),
        ("Signing up", [
            row("Who can make an account", lambda value: SIGN_UP[value], "sign_up", "by"),
            row("Addresses of", lambda value: ", ".join(value) or "any domain", "sign_up", "domains"),
        ]),
        ("Notices and history", [
            row("Owners are told before an expiry", lambda value: ", ".join(map(words, value)), "notices", "thresholds"),
            row("What has ended stays listed for", words, "retention"),
        ]),
        ("Tokens", [
            row("A rotated token goes on for at most", words, "overlap_longest"),
            row("An OAuth access token lives for", words, "oauth_access"),
            row("An unused refresh token lives for", words, "oauth_refresh"),
        ]),
    ]  # fmt: skip

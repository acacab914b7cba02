"""Other rules than the default: the strictest that an operator can write, random ones, and worlds in which they are in force."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from keyturn.core.overrides import STRICTER, parse
from keyturn.core.policy import EFFECTS, Effect, Event, Kind
from keyturn.web import app

if TYPE_CHECKING:
    from tests.support.site import Site

    from keyturn.core.policy import Policy

# What an operator can change: from which effect, by event and kind.
CELLS: dict[tuple[Event, Kind], Effect] = {
    (event, kind): effect
    for (event, kind), effect in EFFECTS.items()
    if effect in STRICTER[:-1] and kind is not Kind.SSH_KEY and event is not Event.CLIENT_REMOVED
}


def written(effects: dict[tuple[Event, Kind], Effect]) -> str:
    """The overrides as an operator writes them."""
    return "".join(f'ends.{event}.{kind} = "{effect}"\n' for (event, kind), effect in effects.items())


STRICTEST = parse(written(dict.fromkeys(CELLS, Effect.DIES)), name="strictest")
"""Every event ends every kind that it can be made to end."""


def stricter_effects() -> st.SearchStrategy[Policy]:
    """Policies in which random cells were made stricter, by way of a file."""
    cells = st.fixed_dictionaries(
        {}, optional={cell: st.sampled_from(STRICTER[STRICTER.index(have) + 1 :]) for cell, have in CELLS.items()}
    )
    return cells.map(lambda chosen: parse(written(chosen), name="random"))


def put_in_force(site: Site, rules: Policy) -> None:
    """The same site, started anew with other rules."""
    site.env = replace(site.env, policy=rules)
    site.face = replace(site.face, env=site.env)
    site.app = app.build(site.face)
    site.client = site.new_client()

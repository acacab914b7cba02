"""Law B12 over the real store and the real routes: what a mint says of a life is what becomes of it, in random worlds."""

from __future__ import annotations

import re
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.asgi import basic
from tests.support.births import NAMED, named
from tests.support.causes import AUTHORIZATIONS, CAUSES, MINTED, SESSIONS, targets
from tests.support.rules import put_in_force, stricter_effects
from tests.support.site import Site
from tests.support.world import EMAIL, PASSWORD

from keyturn.actions import sign_in
from keyturn.actions.authenticate import authenticate, web_session
from keyturn.actions.env import By
from keyturn.actions.grants import Credential
from keyturn.core.credential import Principal
from keyturn.core.policy import HOUR, ONE, YEAR, Event, Kind

if TYPE_CHECKING:
    from keyturn.core.policy import Policy

EVENTS = sorted(set(CAUSES) & NAMED)


@dataclass(frozen=True)
class Born:
    """A credential as its holder got it, with what was said of its life."""

    credential: Credential
    life: str

    @property
    def expires_at(self) -> datetime | None:
        """The minute of its expiry, as told."""
        said = re.search(r"\((\d{4}-\d\d-\d\d \d\d:\d\d) UTC", self.life)
        return datetime.strptime(said[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) if said else None

    def works(self, site: Site) -> bool:
        """Whether its secret does."""
        secret = self.credential.secret
        assert secret is not None
        if self.credential.grant.kind is Kind.WEB:
            return web_session(site.env, secret) is not None
        return isinstance(authenticate(site.env, secret), Principal)


def mint(site: Site, kind: Kind, asked: int | None, login: str) -> Born:
    """Makes one as its owner does; ``login`` is a token to do it with."""
    site.clock.advance(seconds=1)
    if kind is Kind.WEB:
        made = sign_in.enter(site.env, By(), EMAIL, PASSWORD).session
        assert made is not None
        rows = site.client.get(SESSIONS, token=login).json
        return Born(made, next(row["life"] for row in rows if row["id"] == made.grant.id))
    answer: Any
    body = {"description": "Keyturn CLI login from a test" if kind is Kind.LOGIN else "a robot", "expires_in": asked}
    if kind is Kind.LOGIN:
        answer = site.client.post(AUTHORIZATIONS, basic(EMAIL, PASSWORD), json=body).json
    elif kind is Kind.AUTHORIZATION:
        answer = site.client.post(AUTHORIZATIONS, token=login, json=body).json
    else:
        answer = site.client.post(AUTHORIZATIONS + "/~/actions/regenerate-tokens", token=login).json
    with site.store.reading() as tx:
        grant = tx.grant(answer["id"])
        assert grant is not None
        assert grant.kind is kind
        token = tx.tokens([grant.id])[grant.id]
    return Born(Credential(grant, token, answer["access_token"]["token"]), answer["life"])


LIVES = st.none() | st.integers(HOUR, YEAR)


@settings(max_examples=40)
@given(
    rules=stricter_effects(),
    event=st.sampled_from(EVENTS),
    kinds=st.lists(st.tuples(st.sampled_from(MINTED), LIVES), min_size=1, max_size=4, unique_by=lambda pair: pair[0]),
    more=st.lists(st.tuples(st.sampled_from((Kind.LOGIN, Kind.AUTHORIZATION)), LIVES), max_size=2),
    pick=st.integers(0, 5),
)
def test_a_life_ends_by_what_was_told_and_by_nothing_else(
    rules: Policy,
    event: Event,
    kinds: list[tuple[Kind, int | None]],
    more: list[tuple[Kind, int | None]],
    pick: int,
) -> None:
    if event is Event.KEY_REGENERATED and Kind.API_KEY not in dict(kinds):
        kinds = [*kinds, (Kind.API_KEY, None)]  # where there is none, making the first one regenerates nothing
    # the API key first: making it may, by these rules, end what is there already
    wanted = sorted(kinds + more, key=lambda pair: pair[0] is not Kind.API_KEY)
    with tempfile.TemporaryDirectory() as folder, closing(Site(Path(folder))) as site:
        put_in_force(site, rules)
        account = site.account()
        acting = site.secret(account)
        born = []
        for kind, asked in wanted:
            born.append(mint(site, kind, asked, acting))
            if kind is Kind.API_KEY:
                acting = site.secret(account)
        target = born[pick % len(born)]
        grant = target.credential.grant
        if event in ONE:
            possible = grant.expires_at is not None if event is Event.EXPIRY else grant.kind in targets(event, rules)
            assume(possible)
        assert all(one.works(site) for one in born)

        CAUSES[event](site, acting, target.credential)

        for one in born:
            if event is Event.EXPIRY:
                expected = one.expires_at is not None and one.expires_at <= site.clock()
                assert (one.expires_at is not None) == (Event.EXPIRY in named(one.life))
                if one is not target and one.expires_at == target.expires_at:
                    continue  # told to the minute: which of the two comes first is not said
            else:
                expected = event in named(one.life) and (one is target or event not in ONE)
            assert one.works(site) != expected, (event, one.life)

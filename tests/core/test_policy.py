"""The policy as data: total, equal to the published table, and made of known reasons."""

from __future__ import annotations

from itertools import product

import pytest

from keyturn.core import policy, reasons, token
from keyturn.core.policy import DAY, EFFECTS, HOUR, LIVES, YEAR, Effect, Event, Kind

# The table of the design: x dies, r dies and a new one is made, c dies unless it is the one acting, - lives,
# n not applicable, m moves on.
# Its rows "its own logout / revoke / removal" and "suspended or closed" are several events here.
COLUMNS = (Kind.LOGIN, Kind.WEB, Kind.API_KEY, Kind.AUTHORIZATION, Kind.SERVICE, Kind.OAUTH, Kind.SSH_KEY)
PUBLISHED = {
    Event.EXPIRY: "x x x x x x x",
    Event.REVOKE: "x x x x x x x",
    Event.REVOKE_BY_ADMIN: "x x x x x x x",
    Event.LOGOUT: "x x n n n n n",
    Event.LOGOUT_ALL: "x x - - n - -",
    # The design knows `logout --all` alone; this one spares the place where it was asked for.
    Event.LOGOUT_OTHERS: "c c - - n - -",
    Event.PASSWORD_CHANGE: "c c r - n - -",
    # The design has r for the API key. Whoever reads the mail alone is not to be handed one (docs/decisions/0011).
    Event.PASSWORD_RESET: "x x x - n - -",
    Event.KEY_REGENERATED: "- - r - n - -",
    # The design has n for a login. The Heroku command line lists logins among the authorizations and can rotate any of them.
    Event.ROTATION: "x n n x x n n",
    Event.SSO_ON: "x x x x n - -",
    Event.SSO_SESSION_END: "x x n x n x x",
    Event.DEPROVISION: "x x n x n x x",
    Event.SUSPEND: "x x x x m x x",
    Event.CLOSE: "x x x x m x x",
    Event.CLIENT_REMOVED: "- - - - - x -",
    # What only an OAuth client's tokens can meet: its own revocation [RFC 7009], a second use of what is good once.
    Event.CLIENT_REVOKE: "n n n n n x n",
    Event.REUSE: "n n n n n x n",
    Event.LEAK: "x x x x x x n",
}
LETTERS = {
    Effect.DIES: "x", Effect.REPLACED: "r", Effect.SPARED: "c", Effect.LIVES: "-", Effect.NEVER: "n", Effect.MOVES: "m",
}  # fmt: skip


def test_every_event_says_what_it_does_to_every_kind() -> None:
    assert set(EFFECTS) == set(product(Event, Kind))
    assert set(PUBLISHED) == set(Event)


@pytest.mark.parametrize("event", Event)
def test_the_table_is_the_published_one(event: Event) -> None:
    assert " ".join(LETTERS[EFFECTS[event, kind]] for kind in COLUMNS) == PUBLISHED[event]


def test_lifetimes_are_the_published_ones() -> None:
    assert {kind: (life.default, life.longest) for kind, life in LIVES.items()} == {
        Kind.LOGIN: (YEAR, YEAR),
        Kind.WEB: (DAY, DAY),
        Kind.API_KEY: (None, None),
        Kind.AUTHORIZATION: (None, None),
        Kind.SERVICE: (None, None),
        Kind.OAUTH: (YEAR, YEAR),
        Kind.WORKLOAD: (900, HOUR),
        Kind.SSH_KEY: (None, None),
    }
    assert (policy.DEFAULT.oauth_access, policy.DEFAULT.oauth_refresh) == (8 * HOUR, 30 * DAY)
    assert (YEAR, policy.SSO_LONGEST) == (31_536_000, 28_800)


def test_every_event_has_a_reason_that_holders_can_be_told() -> None:
    assert set(policy.REASON_OF) == set(Event)
    assert set(policy.REASON_OF.values()) <= set(reasons.ENDINGS)


def test_every_published_reason_exists() -> None:
    published = (
        "expired logged_out revoked_by_owner revoked_by_admin password_changed password_reset key_regenerated rotated sso_enabled"
        " sso_session_ended deprovisioned owner_suspended client_removed reported_leaked"
    )
    assert set(published.split()) <= set(reasons.ENDINGS)
    assert {"malformed", "unknown"} <= set(reasons.UNPROVEN)


def test_no_default_life_is_longer_than_the_longest() -> None:
    for life in LIVES.values():
        if life.longest is not None:
            assert life.default is not None
            assert 0 < life.default <= life.longest


def test_every_kind_that_has_a_token_has_a_prefix_of_its_own() -> None:
    with_tokens = set(Kind) - {Kind.SSH_KEY}
    assert {str(kind) for kind in with_tokens} <= set(token.PREFIXES)
    assert len(set(token.PREFIXES.values())) == len(token.PREFIXES)


@pytest.mark.parametrize("reason", reasons.ENDINGS.values(), ids=lambda reason: str(reason.id))
def test_a_reason_makes_a_sentence_and_a_next_step_for_every_kind(reason: reasons.Reason) -> None:
    for life in LIVES.values():
        sentence = reason.sentence.format(what=f"This {life.noun}", when="21 November 2026 at 09:00 UTC")
        assert sentence.startswith(f"This {life.noun}")
        assert "21 November 2026" in sentence
        assert "{" not in sentence + reason.next.format(recreate=life.recreate)

"""Credentials in words, as all pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyturn.actions import authorizations, grants
from keyturn.actions.preview import preview
from keyturn.core.policy import DAY, HOUR, Event, Kind
from keyturn.web.pages import shown

if TYPE_CHECKING:
    from tests.support.site import Site

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account


def now_of(site: Site, made: Credential) -> Credential:
    with site.store.reading() as tx:
        grant = tx.grant(made.grant.id)
        assert grant is not None
        return grants.with_tokens(tx, [grant])[0]


def facts(site: Site, made: Credential, account: Account, current: str = "") -> shown.Facts:
    return shown.facts_of(now_of(site, made), account, site.clock(), site.env.policy, current=current)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_glyph_and_a_noun(kind: Kind) -> None:
    assert shown.glyph_of(kind)
    assert shown.noun_of(kind)[0].isupper()


def test_what_is_alive_says_when_and_of_what_it_ends(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, description="deploys", asked=8 * HOUR)
    found = facts(site, made, account, current=made.grant.id)
    assert (found.name, found.noun, found.tone, found.dead, found.current) == (
        "deploys", "Authorization", "", False, True
    )  # fmt: skip
    assert str(found.life).startswith("Expires in 8 hours (2 March 2026 at 17:00 UTC), or sooner if you revoke it")
    assert found.ends == made.grant.expires_at
    assert found.last_used == "never used"
    assert found.href == f"/settings/credentials/{made.grant.id}"


def test_the_end_that_is_near_warns(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION, asked=10 * DAY)
    site.clock.advance(days=9, hours=12)
    assert facts(site, made, account).tone == "warn"


def test_the_dead_say_of_what_and_by_whom(site: Site) -> None:
    account = site.account()
    made, leaked = site.mint(account, Kind.AUTHORIZATION), site.mint(account, Kind.AUTHORIZATION)
    authorizations.revoke(site.env, site.by(made), site.principal(made), made.grant.id)
    with site.store.writing() as tx:
        tx.end_grants([leaked.grant.id], at=site.clock(), reason="reported_leaked", by=None)
    found = facts(site, made, account)
    assert (found.reason, found.ended_by, found.tone) == ("revoked_by_owner", "you", "quiet")
    assert "revoked by you" in str(found.life)
    found = facts(site, leaked, account)
    assert (found.reason, found.ended_by, found.tone) == ("reported_leaked", "", "bad")


def test_uses_say_when_and_from_where_old_tokens_too(site: Site) -> None:
    account = site.account()
    made = site.mint(account, Kind.AUTHORIZATION)
    authorizations.regenerate(site.env, site.by(made), site.principal(made), made.grant.id, overlap=DAY)
    assert site.client.get("/account", token=made.secret).status == 200
    site.write_uses()
    site.clock.advance(hours=3)
    found = facts(site, made, account)
    assert found.last_used == "used 3 hours ago from 198.51.100.7"
    assert found.overlap_ends == now_of(site, made).overlap.expires_at  # type: ignore[union-attr]


def test_rows_tell_what_ends_what_is_replaced_and_what_lives(site: Site) -> None:
    account = site.account()
    login = site.mint(account)
    with site.store.writing() as tx:
        grants.mint(site.env, tx, site.by(), account, Kind.API_KEY, scopes=("global",), description="API key")
    site.mint(account, Kind.LOGIN, description="another")
    kept = site.mint(account, Kind.AUTHORIZATION, description="")
    found = preview(site.env, site.by(login), Event.PASSWORD_CHANGE)
    rows = {row["name"]: row for row in shown.ending_rows(found, site.clock())}
    assert rows.keys() == {"API key", "another"}
    assert rows["API key"]["replaced"]
    assert not rows["another"]["replaced"]
    assert (rows["API key"]["noun"], rows["API key"]["last_used"]) == ("never used", ""), "no noun said twice"
    assert shown.ending_rows(found.ends, site.clock()) == list(rows.values())
    lives = [row["name"] for row in shown.living_rows(found, site.clock())]
    assert lives == ["a laptop", "Authorization"]
    assert kept.grant.id in {row["href"].rpartition("/")[2] for row in shown.living_rows(found.lives, site.clock())}

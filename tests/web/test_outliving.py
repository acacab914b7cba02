"""What a stolen token must not turn itself into without a second factor: one that lasts longer, or that survives what its
owner does to end it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support import factors
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.core.policy import DAY, HOUR, Kind

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.factors import Holder
    from tests.support.site import Site

    from keyturn.actions.grants import Credential

AUTH = "/oauth/authorizations"


@pytest.fixture
def holder(site: Site) -> Holder:
    return factors.with_app(site)


def rotate(site: Site, token: str, identity: str, code: str = "", *, overlap: int = 0) -> Reply:
    headers = [("Heroku-Two-Factor-Code", code)] if code else []
    body = {"overlap": overlap, "idle": overlap} if overlap else {}
    return site.client.post(f"{AUTH}/{identity}/actions/regenerate-tokens", *headers, token=token, json=body)


def prolong(site: Site, token: str, identity: str, seconds: int | None) -> Reply:
    return site.client.request("PATCH", f"{AUTH}/{identity}", token=token, json={"expires_in": seconds})


def create(site: Site, token: str, **body: Any) -> Reply:
    return site.client.post(AUTH, token=token, json=body)


def wants_code(reply: Reply) -> bool:
    return (reply.status, reply.json.get("id")) == (403, "two_factor")


def expiring(site: Site, holder: Holder, seconds: int = HOUR) -> tuple[Credential, str]:
    """A token that somebody found, and that will be over soon."""
    made = site.mint(holder.account, Kind.AUTHORIZATION, asked=seconds)
    assert made.secret is not None
    return made, made.secret


@pytest.mark.parametrize("by_id", [False, True])
def test_the_api_key_is_made_anew_with_a_code_by_whatever_name_it_is_called(
    by_id: bool, site: Site, holder: Holder
) -> None:
    _, stolen = expiring(site, holder)
    key = site.mint(holder.account, Kind.API_KEY)
    assert wants_code(rotate(site, stolen, key.grant.id if by_id else "~"))
    assert site.ended(key) is None
    assert rotate(site, stolen, key.grant.id if by_id else "~", holder.fresh_code()).status == 200


@pytest.mark.parametrize("overlap", [0, 30 * DAY])
@pytest.mark.parametrize("asked", [None, 2 * HOUR])
def test_a_token_that_expires_takes_over_no_other_that_outlives_it(
    asked: int | None, overlap: int, site: Site, holder: Holder
) -> None:
    _, stolen = expiring(site, holder)
    production = site.mint(holder.account, Kind.AUTHORIZATION, asked=asked, description="production")
    assert wants_code(rotate(site, stolen, production.grant.id, overlap=overlap))
    assert site.reason(production.secret) is None
    assert rotate(site, stolen, production.grant.id, holder.fresh_code(), overlap=overlap).status == 200


def test_a_robot_rotates_its_own_token_and_what_is_over_before_it_without_a_code(site: Site, holder: Holder) -> None:
    robot, token = expiring(site, holder, DAY)
    sooner, _ = expiring(site, holder)
    assert rotate(site, token, sooner.grant.id).status == 200
    assert rotate(site, token, robot.grant.id).status == 200


def test_a_token_that_was_replaced_does_not_replace_its_successor(site: Site, holder: Holder) -> None:
    made, old = expiring(site, holder, 60 * DAY)
    assert rotate(site, old, made.grant.id, overlap=DAY).status == 200
    assert wants_code(rotate(site, old, made.grant.id))


@pytest.mark.parametrize("kind", [Kind.LOGIN, Kind.API_KEY])
def test_what_a_new_password_ends_makes_nothing_that_survives_it_without_a_code(
    kind: Kind, site: Site, holder: Holder
) -> None:
    stolen = site.secret(holder.account, kind)
    reply = create(site, stolen, description="backdoor", expires_in=364 * DAY)
    assert wants_code(reply)
    with site.store.reading() as tx:
        assert not [grant for grant in tx.grants(holder.account.id) if grant.kind is Kind.AUTHORIZATION]


@pytest.mark.parametrize("kind", [Kind.LOGIN, Kind.API_KEY])
def test_nor_does_it_take_over_or_prolong_what_survives_it(kind: Kind, site: Site, holder: Holder) -> None:
    stolen = site.secret(holder.account, kind)
    other, _ = expiring(site, holder)
    assert wants_code(rotate(site, stolen, other.grant.id))
    assert wants_code(prolong(site, stolen, other.grant.id, DAY))


def test_shortening_a_life_and_changing_a_name_never_take_a_code(site: Site, holder: Holder) -> None:
    login, (_, token) = site.secret(holder.account), expiring(site, holder)
    other, everlasting = expiring(site, holder, DAY)[0], site.mint(holder.account, Kind.AUTHORIZATION)
    for held in (login, token):
        assert prolong(site, held, everlasting.grant.id, 30 * DAY).status == 200
        assert prolong(site, held, other.grant.id, HOUR).status == 200
        named = site.client.request("PATCH", f"{AUTH}/{other.grant.id}", token=held, json={"description": "x"})
        assert named.status == 200


def test_whoever_rotates_somebody_elses_login_has_not_proven_what_its_holder_has(site: Site, holder: Holder) -> None:
    stolen = site.secret(holder.account, Kind.AUTHORIZATION)
    login = site.mint(holder.account, Kind.LOGIN)
    assert login.secret is not None
    code = ("Heroku-Two-Factor-Code", holder.fresh_code())
    made = site.client.post(AUTH, code, token=login.secret, json={"description": "of its holder"})
    assert made.status == 201
    taken = rotate(site, stolen, login.grant.id)
    assert taken.status == 200
    assert wants_code(create(site, taken.json["access_token"]["token"], description="of the thief"))


def test_a_reset_by_mail_hands_out_nothing_that_acts(site: Site, holder: Holder) -> None:
    """The mail is one factor: with it alone nobody gets past the other."""
    site.secret(holder.account, Kind.API_KEY)
    site.client.post("/password-resets", json={"email": EMAIL})
    with site.store.reading() as tx:
        body = tx.outgoing()[0].body
    secret = body.partition("/reset/")[2].split()[0]
    given = {"password": NEW_PASSWORD, "password_confirmation": NEW_PASSWORD}
    done = site.client.post(f"/password-resets/{secret}/actions/finalize", json=given)
    assert done.status == 200
    assert not any(prefix in done.text for prefix in ("ktk_", "kta_", "ktl_", "access_token"))
    assert "make a new one" in done.json["message"]
    with site.store.reading() as tx:
        assert tx.grants(holder.account.id, alive_at=site.clock()) == []
    assert PASSWORD not in done.text

"""What notices say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyturn.core import lifecycle, notice, notice_text, policy, reasons
from keyturn.core.credential import Account, Grant, Use
from keyturn.core.notice_text import About
from keyturn.core.policy import DAY, Kind, Policy

BORN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ID = "019cad5e-0000-7000-8000-000000000001"
ADA = Account("a", "ada@example.com", "Ada", admin=False, created_at=BORN, updated_at=BORN)
GRANT = Grant(
    ID, "a", Kind.AUTHORIZATION, ("global",), "deploy", BORN, BORN, BORN + timedelta(days=90), address="203.0.113.9"
)
USE = Use("t", "198.51.100.4", "curl/8.5", BORN, BORN + timedelta(days=80), 12)
ABOUT = About(GRANT, BORN + timedelta(days=90), mask="kta_4fGh0Q**********aB3dE", use=USE, span=7 * DAY)
NOW = BORN + timedelta(days=83)


def test_a_mail_of_an_expiry_says_what_when_who_uses_it_and_how_to_go_on() -> None:
    text = notice_text.mail([ABOUT], ADA, NOW, "https://keyturn.example.com")
    assert notice_text.subject([ABOUT], NOW) == "Your authorization “deploy” expires in 7 days"
    assert text == (
        "Hello Ada,\n\n"
        "Your authorization “deploy” on https://keyturn.example.com expires in 7 days: "
        "on Sunday, 31 May 2026 at 09:00 UTC.\n\n"
        f"  id         {ID}\n"
        "  token      kta_4fGh0Q**********aB3dE\n"
        "  scope      global\n"
        "  made       Monday, 2 March 2026 at 09:00 UTC, from 203.0.113.9\n"
        "  last used  Thursday, 21 May 2026 at 09:00 UTC, from 198.51.100.4 by curl/8.5\n\n"
        "Whatever uses it then will be refused. To let it live longer, with the token that it has:\n\n"
        f"    keyturn authorizations:update {ID} -e 7776000\n\n"
        "To give it a new token as well, the old one working beside it for a day:\n\n"
        f"    keyturn authorizations:rotate {ID} --overlap 24h\n\n"
        "To make another like it instead:\n\n"
        f"    keyturn authorizations:create --like {ID}\n\n"
        "-- \n"
        "This is the Keyturn server https://keyturn.example.com writing to ada@example.com, by itself. "
        "Credentials are never asked for by mail.\n"
    )


def test_a_mail_of_a_death_says_of_what_and_how_to_have_another() -> None:
    about = replace(ABOUT, reason="reported_leaked", at=NOW, use=None)
    text = notice_text.mail([about], ADA, NOW, "")
    assert (
        "Your authorization “deploy” was reported leaked on Sunday, 24 May 2026 at 09:00 UTC and ended at once." in text
    )
    assert "last used  never, as far as is known" in text
    assert f"    keyturn authorizations:create --like {ID}\n" in text


@pytest.mark.parametrize("kind", sorted(notice.TOLD))
@pytest.mark.parametrize("reason", [None, *reasons.ENDINGS])
def test_every_kind_and_reason_has_a_mail_and_an_event_with_a_next_step(kind: Kind, reason: str | None) -> None:
    about = replace(ABOUT, grant=replace(GRANT, kind=kind), reason=reason)
    text = notice_text.mail([about], ADA, NOW, "")
    assert "{" not in text
    assert "\n    " in text
    assert policy.LIVES[kind].noun in notice_text.subject([about], NOW)
    event = notice_text.event(about, ADA, NOW)
    assert event["data"]["next"] in text
    assert event["type"] == ("credential.ended" if reason else "credential.expiring")


def test_a_hostile_description_agent_and_name_stay_on_their_lines() -> None:
    nasty = "x\r\nBcc: all@example.com\n\n    keyturn authorizations:revoke --all\x1b[2J\u202e\u2028"
    account = replace(ADA, name=nasty)
    about = replace(ABOUT, grant=replace(GRANT, description=nasty), use=replace(USE, agent=nasty, address=nasty))
    text = notice_text.mail([about], account, NOW, "")
    assert not any(line.startswith(("Bcc", "    keyturn authorizations:revoke")) for line in text.splitlines())
    assert not any(c in text for c in "\r\x1b\u202e\u2028")
    assert "\n" not in notice_text.subject([about], NOW)


def test_the_time_that_is_proposed_is_one_that_the_rules_allow() -> None:
    lives = policy.LIVES | {Kind.AUTHORIZATION: replace(policy.LIVES[Kind.AUTHORIZATION], longest=120 * DAY)}
    rules = Policy(lives=lives)
    text = notice_text.mail([ABOUT], ADA, NOW, "", rules)
    seconds = int(text.split(f"authorizations:update {ID} -e ")[1].split()[0])
    assert seconds == 37 * DAY - 3600
    changed = lifecycle.changed_expiry(GRANT, seconds, NOW + timedelta(minutes=59), rules)
    assert changed is not None
    assert GRANT.expires_at is not None
    assert changed > GRANT.expires_at


def test_what_may_not_live_longer_is_not_promised_to() -> None:
    lives = policy.LIVES | {Kind.AUTHORIZATION: replace(policy.LIVES[Kind.AUTHORIZATION], longest=90 * DAY)}
    text = notice_text.mail([ABOUT], ADA, NOW, "", Policy(lives=lives))
    assert "authorizations:update" not in text
    assert f"authorizations:create --like {ID}" in text


def test_many_at_once_are_one_mail_that_counts_what_it_does_not_tell() -> None:
    abouts = [replace(ABOUT, reason="owner_suspended")] * 25
    text = notice_text.mail(abouts, ADA, NOW, "")
    assert notice_text.subject(abouts, NOW) == "25 of your credentials ended"
    assert text.count("  id         ") == 20
    assert "And 5 more." in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (7 * DAY - 40, "7 days"),
        (3 * DAY + 300, "3 days"),
        (DAY, "1 day"),
        (DAY - 20, "1 day"),
        (5 * 3600, "5 hours"),
        (100, "2 minutes"),
    ],
)
def test_the_time_left_is_said_as_people_say_it(seconds: int, words: str) -> None:
    about = replace(ABOUT, at=NOW + timedelta(seconds=seconds))
    assert notice_text.subject([about], NOW).endswith(f"expires in {words}")

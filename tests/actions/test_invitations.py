"""Making accounts by a link in a mail: invitations of administrators, and sign-up where the policy opens it."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event
from tests.support.mailed import SENDER, mails, secret, with_rules
from tests.support.world import EMAIL, NEW_PASSWORD, PASSWORD

from keyturn.actions import accounts, invitations, sign_in
from keyturn.actions import closing as closings
from keyturn.actions.addresses import Sender
from keyturn.actions.env import By, Gone, Invalid, NotFound, Refused, Throttled
from keyturn.core import policy
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account

BOB = "bob@example.com"


@pytest.fixture
def boss(world: World) -> Credential:
    """An administrator's browser session."""
    return world.mint(world.account("boss@example.com", admin=True), Kind.WEB)


def invite(world: World, boss: Credential, email: object = BOB, **options: object) -> str:
    world.clock.advance(seconds=1)
    by, principal = world.by(boss), world.principal(boss)
    return invitations.invite(world.env, by, principal, email=email, sender=SENDER, **options).secret


def join(world: World, link: str, *, name: object = None, password: object = PASSWORD) -> Account:
    return invitations.join(world.env, world.by(), link, name=name, password=password)


def ask(world: World, email: object = BOB, address: str = "203.0.113.9") -> str:
    with world.store.reading() as tx:
        first = tx.count_accounts() == 0
    if first:
        world.account("operator@example.com")  # before there is any, nobody signs up
    return invitations.ask_to_join(
        world.env, world.by(address=address), email, SENDER, sign_in="https://keyturn.example/sign-in",
        reset="https://keyturn.example/reset",
    )  # fmt: skip


# invitations


def test_an_invitation_comes_by_mail_and_makes_a_verified_account_once(world: World, boss: Credential) -> None:
    link = invite(world, boss, name="Bob", admin=False)
    (mail,) = mails(world, BOB)
    assert link in mail.body
    assert "boss@example.com" in mail.body
    assert "7 days" in mail.body
    assert invitations.opened(world.env, link).name == "Bob"
    account = join(world, link, name="Robert")
    assert (account.email, account.name, account.admin, account.verified_at) == (BOB, "Robert", False, world.clock())
    assert sign_in.check_password(world.env, world.by(), BOB, PASSWORD).id == account.id
    with pytest.raises(Gone):
        join(world, link)
    made = next(e for e in world.audit(account) if e.action == "account.create")
    assert made.details["invitation"]


def test_an_administrator_is_made_only_where_the_invitation_says_so(world: World, boss: Credential) -> None:
    assert join(world, invite(world, boss, admin=True)).admin
    assert not join(world, invite(world, boss, "eve@example.com")).admin
    with pytest.raises(Invalid):
        invite(world, boss, "x@example.com", admin="yes")


def test_only_administrators_invite_see_and_take_back(world: World, boss: Credential) -> None:
    link = invite(world, boss)
    plain = world.mint(world.account(), Kind.WEB)
    by, principal = world.by(plain), world.principal(plain)
    given = invitations.opened(world.env, link)
    for act in (
        lambda: invitations.invite(world.env, by, principal, email="eve@example.com", admin=True),
        lambda: invitations.listed(world.env, principal),
        lambda: invitations.take_back(world.env, by, principal, given.id),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.forbidden
    assert invitations.opened(world.env, link) == given


def test_an_administrator_no_more_invites_no_more_even_in_a_request_under_way(world: World, boss: Credential) -> None:
    principal = world.principal(boss)  # which still says administrator
    with world.store.writing() as tx:
        tx.change_account(principal.account_id, admin=False)
    with pytest.raises(Refused):
        invitations.invite(world.env, world.by(boss), principal, email=BOB)


def test_what_is_open_is_listed_until_it_is_taken_up_taken_back_or_over(world: World, boss: Credential) -> None:
    principal = world.principal(boss)
    taken, back, over = (invite(world, boss, f"{n}@example.com") for n in range(3))
    assert [i.email for i in invitations.listed(world.env, principal)] == [f"{n}@example.com" for n in (2, 1, 0)]
    join(world, taken)
    invitations.take_back(world.env, world.by(boss), principal, invitations.opened(world.env, back).id)
    assert [i.email for i in invitations.listed(world.env, principal)] == ["2@example.com"]
    with pytest.raises(Gone):
        join(world, back)
    world.clock.now = invitations.opened(world.env, over).expires_at
    with world.store.reading() as tx:
        assert tx.invitations(world.clock()) == []
    with pytest.raises(Gone):
        join(world, over)


@pytest.mark.parametrize("identity", ["", "nonsense", "0" * 36, "019cadc6-9a80-7e25-9fb9-35edb4ac78dd", "\x00"])
def test_there_is_nothing_to_take_back_where_nothing_was_given(identity: str, world: World, boss: Credential) -> None:
    with pytest.raises(NotFound):
        invitations.take_back(world.env, world.by(boss), world.principal(boss), identity)


def test_a_second_invitation_of_an_address_replaces_the_first(world: World, boss: Credential) -> None:
    first = invite(world, boss, admin=True)
    second = invite(world, boss, BOB.upper())
    with pytest.raises(Gone):
        join(world, first)
    assert not join(world, second).admin


def test_an_address_that_has_an_account_is_not_invited(world: World, boss: Credential) -> None:
    world.account()
    with pytest.raises(Invalid, match="already"):
        invite(world, boss, EMAIL.upper())
    assert mails(world) == []


@pytest.mark.parametrize("end", ["suspended", "closed", "no administrator"])
def test_an_invitation_is_as_good_as_who_gave_it(end: str, world: World, boss: Credential) -> None:
    world.account("other-boss@example.com", admin=True)
    link = invite(world, boss, admin=True)
    if end == "suspended":
        accounts.suspend(world.env, By(), "boss@example.com")
    elif end == "closed":
        closings.close(world.env, world.by(boss), world.principal(boss))
    else:
        with world.store.writing() as tx:
            tx.change_account(boss.grant.account_id, admin=False)
    with pytest.raises(Gone):
        join(world, link)
    with world.store.reading() as tx:
        assert tx.account_by_email(BOB) is None


def test_an_operator_invites_without_an_account_and_hands_the_link_on(world: World) -> None:
    made = invitations.invite(world.env, By(agent="keyturn admin"), None, email=BOB, admin=True)
    assert mails(world) == []
    assert join(world, made.secret).admin


@pytest.mark.parametrize(
    ("name", "password", "field"),
    [(None, "short", "password"), (None, BOB, "password"), (None, None, "password"), ("x" * 201, PASSWORD, "name"),
     (5, PASSWORD, "name")],
)  # fmt: skip
def test_a_bad_name_or_password_makes_nothing_and_leaves_the_link_good(
    name: object, password: object, field: str, world: World, boss: Credential
) -> None:
    link = invite(world, boss)
    with pytest.raises(Invalid) as refused:
        join(world, link, name=name, password=password)
    assert refused.value.field == field
    assert join(world, link).email == BOB


def test_of_several_uses_at_once_one_makes_the_account(world: World, boss: Credential) -> None:
    link, made, refused = invite(world, boss), [], []
    start = threading.Barrier(6)

    def use(number: int) -> None:
        start.wait()
        try:
            made.append(join(world, link, name=str(number)))
        except Gone:
            refused.append(number)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 5)
    with world.store.reading() as tx:
        assert [a.email for a in tx.accounts()].count(BOB) == 1


def test_an_account_made_otherwise_meanwhile_makes_the_link_useless(world: World, boss: Credential) -> None:
    link = invite(world, boss, admin=True)
    world.account(BOB)
    with pytest.raises(Gone, match="account with this address"):
        join(world, link, password=NEW_PASSWORD)
    with world.store.reading() as tx:
        found = tx.account_by_email(BOB)
    assert found is not None
    assert not found.admin


@pytest.mark.parametrize("text", ["", "x", "ktn_", "ktn_" + "0" * 38, "\x00", "ü" * 42])
def test_what_was_never_issued_is_gone(text: str, world: World) -> None:
    with pytest.raises(Gone):
        invitations.opened(world.env, text)
    with pytest.raises(Gone):
        join(world, text)


def test_no_usable_secret_and_no_password_is_kept(world: World, boss: Credential) -> None:
    link = invite(world, boss)
    join(world, link, password=NEW_PASSWORD)
    with world.store.writing() as tx:
        for mail in tx.outgoing():
            tx.change_outgoing(mail.id, body="")
    with closing(sqlite3.connect(world.path)) as connection:
        dump = "\n".join(connection.iterdump())
    assert link not in dump
    assert NEW_PASSWORD not in dump


# sign-up


def test_sign_up_is_closed_unless_the_policy_opens_it(world: World) -> None:
    with pytest.raises(NotFound):
        ask(world)
    assert mails(world) == []
    with_rules(world, sign_up="open")
    assert ask(world, f" {BOB} ") == BOB
    assert join(world, secret(world, BOB)).verified_at is not None


def test_a_link_of_sign_up_lives_for_a_day_and_makes_no_administrator(world: World) -> None:
    with_rules(world, sign_up="open")
    ask(world)
    made = mails(world)[0].created_at
    link = secret(world)
    assert not invitations.opened(world.env, link).admin
    world.clock.now = made + timedelta(seconds=policy.SIGN_UP_LINK)
    with pytest.raises(Gone):
        join(world, link)


def test_a_link_that_was_asked_for_is_good_only_while_the_policy_lets_whoever_asked_join(
    world: World, boss: Credential
) -> None:
    with_rules(world, sign_up="open")
    ask(world, "new@example.com")
    asked = secret(world, "new@example.com")
    with_rules(world, sign_up="open", sign_up_domains=("corp.example",))
    with pytest.raises(Gone, match="not made this way any more"):
        join(world, asked)
    with_rules(world, sign_up="invitation", sign_up_domains=())
    for act in (lambda: invitations.opened(world.env, asked), lambda: join(world, asked)):
        with pytest.raises(Gone, match="not made this way any more"):
            act()
    # those of an operator and of an administrator are theirs to give
    operator_s = invitations.invite(world.env, By(), None, email="one@example.com", sender=SENDER).secret
    for link in (operator_s, invite(world, boss, "two@example.com")):
        assert join(world, link).verified_at is not None
    with_rules(world, sign_up="open")
    assert join(world, asked).email == "new@example.com"


@pytest.mark.parametrize(
    ("email", "taken"),
    [
        ("bob@example.com", True),
        ("bob@EXAMPLE.com", True),
        ("bob@evil.com", False),
        ("bob@notexample.com", False),
        ("bob@example.com.evil.com", False),
        ("bob@sub.example.com", False),
        ("example.com@evil.com", False),
    ],
)
def test_only_the_named_domains_may_join_and_others_are_told_which(email: str, *, taken: bool, world: World) -> None:
    with_rules(world, sign_up="open", sign_up_domains=("example.com", "example.org"))
    if taken:
        assert ask(world, email) == email.lower()
    else:
        with pytest.raises(Invalid, match=r"example\.com, example\.org"):
            ask(world, email)
        assert mails(world) == []


def test_an_address_that_has_an_account_is_told_so_by_mail_alone(world: World) -> None:
    with_rules(world, sign_up="open")
    account = world.account(BOB)
    assert ask(world) == BOB
    (mail,) = mails(world, BOB)
    assert "There is one already" in mail.body
    assert "https://keyturn.example/reset" in mail.body
    assert "ktn_" not in mail.body
    assert world.store.find_account(account.id) == account


def test_the_answer_and_the_work_are_the_same_whether_there_is_an_account_or_not(world: World) -> None:
    """The statements that reach the database, not the time, which a busy machine would blur."""
    with_rules(world, sign_up="open")
    world.account(EMAIL)
    statements: list[str] = []
    event.listen(world.store._engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    answers: list[str] = []
    works: list[list[str]] = []
    for email in ("zoe@example.com", EMAIL):
        statements.clear()
        answers.append(ask(world, email, address=f"203.0.113.{len(answers)}").replace(email, "?"))
        works.append(list(statements))
    assert answers[0] == answers[1]
    assert works[0] == works[1] != []
    with world.store.reading() as tx:
        subjects = {mail.subject for mail in tx.outgoing()}
    assert len(subjects) == 1


def test_the_link_that_no_mail_carries_for_a_known_address_is_worth_nothing(world: World) -> None:
    with_rules(world, sign_up="open")
    account = world.account(BOB)
    sent: list[str] = []

    def link(text: str) -> str:
        sent.append(text)
        return "https://keyturn.example/x"

    invitations.ask_to_join(world.env, world.by(), BOB, Sender(link), sign_in="", reset="")
    with world.store.writing() as tx:
        tx.change_account(account.id, email="other@example.com")
    with pytest.raises(Gone):
        join(world, sent[0])


def test_a_stranger_who_asks_ends_no_administrators_invitation(world: World, boss: Credential) -> None:
    with_rules(world, sign_up="open")
    invited = invite(world, boss, admin=True)
    ask(world)
    asked = secret(world, BOB)
    assert invitations.opened(world.env, invited).admin
    assert join(world, invited).admin
    with pytest.raises(Gone):
        join(world, asked)


def test_too_many_requests_wait_for_known_and_unknown_addresses_alike(world: World) -> None:
    with_rules(world, sign_up="open")
    world.account(EMAIL)
    for email in (EMAIL, BOB):
        waits = []
        for number in range(6):
            try:
                ask(world, email, address=f"198.51.{len(email)}.{number}")
            except Throttled as refused:
                waits.append(refused.after)
        assert waits == [timedelta(seconds=1)]


def test_one_place_cannot_mail_everybody(world: World) -> None:
    with_rules(world, sign_up="open")
    for number in range(20):
        ask(world, f"{number}@example.com")
    with pytest.raises(Throttled):
        ask(world, "one-more@example.com")
    assert ask(world, "one-more@example.com", address="198.51.100.1") == "one-more@example.com"


@pytest.mark.parametrize("email", [None, 5, "", "nonsense", "a@b\nBcc: all@example.com", "x" * 300 + "@example.com"])
def test_what_is_no_address_gets_no_mail(email: object, world: World) -> None:
    with_rules(world, sign_up="open")
    with pytest.raises(Invalid):
        ask(world, email)
    assert mails(world) == []


def test_nobody_signs_up_before_the_first_account_which_is_an_administrators(world: World) -> None:
    with_rules(world, sign_up="open")
    with pytest.raises(NotFound):
        invitations.ask_to_join(world.env, world.by(), BOB, SENDER, sign_in="s", reset="r")
    assert mails(world, BOB) == []

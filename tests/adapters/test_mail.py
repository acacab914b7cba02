"""Mail leaves over real SMTP, and nothing in it can be more than it is."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import TYPE_CHECKING

import pytest
import tests.support.properties  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from tests.support.receivers import MailReceiver, certificate, dead_port

from keyturn.actions.env import Undelivered
from keyturn.adapters.mail import MailServer, SmtpCourier, compose
from keyturn.store.interface import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SENDER = Address("Keyturn", addr_spec="keyturn@example.com")
ITEM = Outgoing("019cad5e-1", "mail", "ada@example.com", "Your authorization “deploy” expired", "Grüße,\n.\nend\n", NOW)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def receiver() -> Iterator[MailReceiver]:
    with MailReceiver() as running:
        yield running


def serving(tls: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    return context


def plain(receiver: MailReceiver) -> SmtpCourier:
    return SmtpCourier(MailServer("127.0.0.1", receiver.port, SENDER, "none"))


def test_a_mail_arrives_with_all_that_it_needs(receiver: MailReceiver) -> None:
    plain(receiver).send(ITEM, NOW)
    (mail,) = receiver.mails
    assert (mail.sender, mail.recipients) == ("keyturn@example.com", ["ada@example.com"])
    assert mail.message["Subject"] == "Your authorization “deploy” expired"
    assert mail.message["From"] == "Keyturn <keyturn@example.com>"
    assert mail.message["To"] == "ada@example.com"
    assert mail.message["Message-ID"] == "<019cad5e-1@example.com>"
    assert mail.message["Date"] == "Mon, 02 Mar 2026 09:00:00 +0000"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message.get_content_type() == "text/plain"
    assert mail.text.replace("\r\n", "\n") == "Grüße,\n.\nend\n"
    assert mail.raw.isascii()  # every mail server takes it


def test_every_attempt_is_the_same_mail(receiver: MailReceiver) -> None:
    plain(receiver).send(ITEM, NOW)
    plain(receiver).send(replace(ITEM, attempts=3), NOW.replace(hour=15))
    assert receiver.mails[0].raw == receiver.mails[1].raw


def test_it_goes_over_verified_tls_with_user_and_password(tls: tuple[Path, Path]) -> None:
    with MailReceiver(tls=serving(tls), password="pass:w@rd") as receiver:
        server = MailServer("localhost", receiver.port, SENDER, "starttls", "ada", "pass:w@rd")
        SmtpCourier(server, context=ssl.create_default_context(cafile=str(tls[0]))).send(ITEM, NOW)
        assert [(mail.tls, mail.user) for mail in receiver.mails] == [(True, "ada")]


def test_it_goes_over_tls_from_the_start(tls: tuple[Path, Path]) -> None:
    with MailReceiver(implicit=serving(tls)) as receiver:
        server = MailServer("localhost", receiver.port, SENDER, "implicit")
        SmtpCourier(server, context=ssl.create_default_context(cafile=str(tls[0]))).send(ITEM, NOW)
        assert len(receiver.mails) == 1


def test_a_certificate_that_does_not_verify_is_refused_before_the_password(tls: tuple[Path, Path]) -> None:
    with MailReceiver(tls=serving(tls), password="secret") as receiver:
        server = MailServer("localhost", receiver.port, SENDER, "starttls", "ada", "secret")
        with pytest.raises(Undelivered, match="certificate does not verify"):
            SmtpCourier(server).send(ITEM, NOW)
        assert receiver.mails == []


def test_without_starttls_nothing_is_sent_in_clear(receiver: MailReceiver) -> None:
    with pytest.raises(Undelivered, match="STARTTLS"):
        SmtpCourier(MailServer("127.0.0.1", receiver.port, SENDER, "starttls")).send(ITEM, NOW)
    assert receiver.mails == []


def test_a_wrong_password_is_told_without_it(tls: tuple[Path, Path]) -> None:
    with MailReceiver(password="right") as receiver:
        server = MailServer("127.0.0.1", receiver.port, SENDER, "none", "ada", "wrong-secret")
        with pytest.raises(Undelivered) as told:
            SmtpCourier(server).send(ITEM, NOW)
    assert str(told.value) == "the mail server refused user and password (535)"
    assert "wrong-secret" not in repr(server)


def test_what_the_mail_server_answers_is_told_on_one_line(receiver: MailReceiver) -> None:
    receiver.answer = "550 no such\ttype of mail here"
    with pytest.raises(Undelivered) as told:
        plain(receiver).send(ITEM, NOW)
    assert str(told.value) == "the mail server answered 550 no such type of mail here"


def test_a_mail_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Undelivered, match="cannot be reached: Connection refused"):
        SmtpCourier(MailServer("127.0.0.1", dead_port(), SENDER, "none")).send(ITEM, NOW)


def test_an_address_outside_ascii_takes_a_mail_server_that_can(receiver: MailReceiver) -> None:
    plain(receiver).send(replace(ITEM, recipient="jürgen@example.com"), NOW)
    assert receiver.mails[0].recipients == ["jürgen@example.com"]


@pytest.mark.parametrize(
    "recipient",
    [
        "ada@example.com\r\nBcc: all@example.com",
        "ada@example.com, eve@example.com",
        "<>",
        "",
        "@",
        "ada@example.com>\r\nDATA",
    ],
)
def test_a_recipient_that_is_no_address_reaches_nobody(receiver: MailReceiver, recipient: str) -> None:
    with pytest.raises(Undelivered):
        plain(receiver).send(replace(ITEM, recipient=recipient), NOW)
    assert receiver.mails == []


def test_a_hostile_subject_and_text_add_no_header_and_end_no_mail(receiver: MailReceiver) -> None:
    nasty = "x\r\nBcc: eve@example.com\r\n\r\n.\r\nMAIL FROM:<eve@example.com>\r\n"
    plain(receiver).send(replace(ITEM, subject=nasty, body=nasty), NOW)
    (mail,) = receiver.mails
    assert mail.recipients == ["ada@example.com"]
    assert mail.message["Bcc"] is None
    assert mail.text.splitlines() == nasty.splitlines()


NAMES = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "Content-Type",
         "Content-Transfer-Encoding", "MIME-Version"]  # fmt: skip


@given(subject=st.text(max_size=200), body=st.text(max_size=300))
def test_whatever_the_text_the_headers_are_ours_alone(subject: str, body: str) -> None:
    try:
        message = compose(replace(ITEM, subject=subject, body=body), SENDER)
    except ValueError:
        return  # half a surrogate pair: it cannot be written, and is not sent
    head = message.as_bytes().split(b"\r\n\r\n", 1)[0].decode("ascii")
    names = [line.split(":", 1)[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]
    assert sorted(names) == sorted(NAMES)

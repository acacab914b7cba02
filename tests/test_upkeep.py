"""A whole server that is left to itself: it tells of an expiry by mail and webhook, and forgets nothing at a restart."""

from __future__ import annotations

import json
import re
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook
from tests.conftest import START_SECONDS, Server, environment
from tests.support.gits import checkout, pusher
from tests.support.receivers import HttpReceiver, MailReceiver, dead_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def wait(until: Callable[[], object]) -> None:
    """Returns once it is so."""
    deadline = time.monotonic() + START_SECONDS
    while not until():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


@pytest.fixture
def mails() -> Iterator[MailReceiver]:
    with MailReceiver() as running:
        yield running


def variables(mail_port: int, hook: str | None = None) -> dict[str, str]:
    """The environment of a server."""
    return {
        "KEYTURN_SMTP_URL": f"smtp://127.0.0.1:{mail_port}?starttls=false",
        "KEYTURN_MAIL_FROM": "Keyturn <keyturn@example.com>",
        "KEYTURN_UPKEEP_SECONDS": "1",
    } | ({"KEYTURN_WEBHOOK_URL": hook, "KEYTURN_WEBHOOK_SECRET": SECRET} if hook else {})


def brief(server: Server) -> tuple[str, str]:
    """An authorization of two seconds: the owner's e-mail and its id."""
    account = server.new_account()
    asked = {"description": "brief", "expires_in": 2}
    made = server.call("POST", "/oauth/authorizations", server.token(account), json=asked)
    assert made.status_code == 201, made.text
    return account.email, made.json()["id"]


def test_a_server_with_several_workers_tells_of_a_death_once_by_mail_and_webhook(
    tmp_path: Path, mails: MailReceiver
) -> None:
    with HttpReceiver() as hook:
        server = Server(tmp_path, "--workers", "3", variables=variables(mails.port, hook.url))
        try:
            email, made = brief(server)
            wait(lambda: mails.mails and hook.posted)
            time.sleep(2.5)  # time in which another worker could tell it again
        finally:
            server.stop()
    (mail,) = mails.mails
    assert mail.recipients == [email]
    assert mail.message["Subject"] == "Your authorization “brief” expired"
    assert f"    keyturn authorizations:create --like {made}" in mail.text
    assert f"on {server.url} expired on " in mail.text
    assert not re.search(r"kt[a-z]_[0-9A-Za-z]{38}", mail.text)
    (posted,) = hook.posted
    event = Webhook(SECRET).verify(posted.body, posted.headers)
    assert (event["type"], event["data"]["id"], event["data"]["reason"]) == ("credential.ended", made, "expired")


def test_what_could_not_leave_leaves_after_a_restart_and_the_operator_sees_it_meanwhile(
    tmp_path: Path, mails: MailReceiver
) -> None:
    server = Server(tmp_path, variables=variables(dead_port()))
    email, _made = brief(server)
    wait(lambda: "cannot be reached" in server.admin("outbox").out)
    (row,) = json.loads(server.admin("outbox", "--json").out)
    assert (row["recipient"], row["state"], row["attempts"]) == (email, "waiting", 1)
    shown = server.admin("outbox", row["id"])
    assert "Your authorization “brief”" in shown.out
    server.stop()
    server.variables = variables(mails.port)
    server.start()
    try:
        wait(lambda: mails.mails)  # after its pause: it was tried just now
    finally:
        server.stop()
    assert [mail.message["Message-ID"] for mail in mails.mails] == [f"<{row['id']}@example.com>"]


def test_without_a_mail_server_the_outbox_shows_what_would_have_been_sent(tmp_path: Path) -> None:
    server = Server(tmp_path, variables={"KEYTURN_UPKEEP_SECONDS": "1"})
    try:
        brief(server)
        wait(lambda: "waiting (no mail server is configured)" in server.admin("outbox").out)
        (row,) = json.loads(server.admin("outbox", "--json").out)
        assert "To make another like it:" in row["body"]
        assert server.admin("outbox", "nothing").code == 1
    finally:
        server.stop()


def test_an_operator_s_suspension_is_told_by_the_running_server(tmp_path: Path, mails: MailReceiver) -> None:
    with HttpReceiver() as hook:
        server = Server(tmp_path, variables=variables(mails.port, hook.url))
        try:
            account = server.new_account()
            asked = {"description": "deploy"}
            server.call("POST", "/oauth/authorizations", server.token(account), json=asked)
            assert server.admin("accounts:suspend", account.email).code == 0
            wait(lambda: len(mails.mails) == 2 and hook.posted)
        finally:
            server.stop()
    subjects = {mail.message["Subject"] for mail in mails.mails}
    assert subjects == {"Your account was suspended", "Your authorization “deploy” ended"}
    assert json.loads(hook.posted[0].body)["data"]["reason"] == "owner_suspended"


def test_a_mail_server_that_hangs_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(START_SECONDS)
        server = Server(tmp_path, variables=variables(mute.getsockname()[1]))
        brief(server)
        peer, _ = mute.accept()
        with peer:
            server.stop()  # fails unless it goes in peace, and soon


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEYTURN_SMTP_URL", "smtp:/tops3cret"),
        ("KEYTURN_WEBHOOK_URL", "http://example.com/tops3cret"),
        ("KEYTURN_UPKEEP_SECONDS", "0"),
    ],
)
def test_a_bad_setting_is_refused_by_name_before_anything_is_made(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from keyturn import settings

    with pytest.raises(SystemExit):
        settings.read(["--data", str(tmp_path / "data")], {name: value})
    told = capsys.readouterr().err
    assert name.removeprefix("KEYTURN_").lower().replace("_", "-") in told.lower().replace("_", "-")
    assert "tops3cret" not in told
    assert not (tmp_path / "data").exists()


def test_mails_do_not_wait_for_a_repository_that_is_packed_for_long(tmp_path: Path, mails: MailReceiver) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    began = tmp_path / "began"
    real = shutil.which("git")
    (programs / "git").write_text(
        f"#!/bin/sh\nfor word; do [ $word = gc ] && {{ echo x >> '{began}'; exec sleep 600; }}; done\nexec {real} \"$@\"\n"
    )
    (programs / "git").chmod(0o700)
    path = f"{programs}:{environment(tmp_path)['PATH']}"
    server = Server(tmp_path / "server", variables=variables(mails.port) | {"PATH": path})
    try:
        ada = pusher(server)
        checkout(tmp_path / "work").git("push", "-q", ada.url(), "main")
        for number in range(51):
            (ada.repository / f"objects/pack/pack-{number:040x}.pack").touch()
        server.stop()
        server.start()
        wait(began.exists)
        email, _ = brief(server)
        wait(lambda: any(mail.message["To"] == email for mail in mails.mails))
        server.stop()
        assert began.read_text() == "x\n"
    finally:
        server.stop()

"""How mails and webhooks leave is read from the environment, and refused by name."""

from __future__ import annotations

import pytest

from keyturn import post_settings
from keyturn.adapters.webhooks import read_secret
from keyturn.post_settings import BadSetting

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FROM = {"KEYTURN_MAIL_FROM": "Keyturn <keyturn@example.com>"}


def smtp(url: str, **more: str) -> post_settings.PostSettings:
    return post_settings.read({"KEYTURN_SMTP_URL": url} | FROM | more)


def webhook(url: str, secret: str = SECRET) -> post_settings.PostSettings:
    return post_settings.read({"KEYTURN_WEBHOOK_URL": url, "KEYTURN_WEBHOOK_SECRET": secret})


def test_without_variables_nothing_leaves() -> None:
    post = post_settings.read({}).post("https://keyturn.example.com")
    assert (post.mail, post.webhook, post.public_url) == (None, None, "https://keyturn.example.com")


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "user", "password"),
    [
        ("smtp://mail.example.com", "mail.example.com", 587, "starttls", None, None),
        ("smtp://ada:p%40ss%2Fword@mail.example.com:2525", "mail.example.com", 2525, "starttls", "ada", "p@ss/word"),
        ("smtps://ada:x@mail.example.com/", "mail.example.com", 465, "implicit", "ada", "x"),
        ("smtp://localhost?starttls=false", "localhost", 25, "none", None, None),
        ("smtp://ada:x@127.0.0.1:1025?starttls=false", "127.0.0.1", 1025, "none", "ada", "x"),
        ("smtp://[::1]:25?starttls=true", "::1", 25, "starttls", None, None),
    ],
)
def test_a_mail_server_s_url_says_all(
    url: str, host: str, port: int, tls: str, user: str | None, password: str | None
) -> None:
    server = smtp(url).mail
    assert server is not None
    assert (server.host, server.port, server.tls, server.user, server.password) == (host, port, tls, user, password)
    assert str(server.sender) == "Keyturn <keyturn@example.com>"


@pytest.mark.parametrize(
    "url",
    ["mail.example.com", "http://ada:tops3cret@mail.example.com", "smtp://", "smtp://ada:tops3cret@mail.example.com:99999",
     "smtp://ada:tops3cret@h?starttls=maybe", "smtp://ada:tops3cret@h?tls=1", "smtp://ada:tops3cret@h/path", "smtp://[::1",
     "smtp://ada:tops3cret@mail.example.com?starttls=false", "smtp://ada:tops3cret@h\r\nx"],
)  # fmt: skip
def test_a_mail_server_s_url_that_cannot_be_is_refused_by_name_and_not_repeated(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^KEYTURN_SMTP_URL ") as told:
        smtp(url)
    assert "tops3cret" not in str(told.value)


@pytest.mark.parametrize("sender", ["", "nobody", "Keyturn <>", "a@b\r\nBcc: c@d", "@", "a@"])
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    with pytest.raises(BadSetting, match=r"^KEYTURN_MAIL_FROM is "):
        smtp("smtp://localhost", KEYTURN_MAIL_FROM=sender)


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/keyturn?x=1", "http://localhost:9000", "http://127.0.0.1/x", "http://[::1]:1"]
)
def test_a_receiver_is_taken(url: str) -> None:
    receiver = webhook(url).webhook
    assert receiver is not None
    assert receiver.url == url
    assert url not in repr(receiver)
    assert len(receiver.secrets) == 1


def test_two_secrets_are_taken_while_one_is_replaced() -> None:
    receiver = webhook("https://hooks.example.com", f"{SECRET} {SECRET}").webhook
    assert receiver is not None
    assert len(receiver.secrets) == 2


@pytest.mark.parametrize(
    "url",
    ["hooks.example.com", "ftp://hooks.example.com", "http://hooks.example.com", "https://", "https://u:p@h", "https://h/#x",
     "http://169.254.169.254/latest", "https://169.254.169.254/latest", "https://[fe80::1]/", "file:///etc/passwd", "https://h:x"],
)  # fmt: skip
def test_a_receiver_that_cannot_be_is_refused_by_name(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^KEYTURN_WEBHOOK_URL "):
        webhook(url)


@pytest.mark.parametrize("secret", ["", "tops3cret", "whsec_tops3cret"])
def test_a_secret_that_is_none_is_refused_by_name_and_not_repeated(secret: str) -> None:
    with pytest.raises(BadSetting, match=r"^KEYTURN_WEBHOOK_SECRET") as told:
        webhook("https://hooks.example.com", secret)
    assert "tops3cret" not in str(told.value)


def test_secrets_are_in_no_representation() -> None:
    settings = post_settings.read(
        {
            "KEYTURN_SMTP_URL": "smtp://ada:tops3cret@h",
            "KEYTURN_WEBHOOK_URL": "https://h/tops3cret",
            "KEYTURN_WEBHOOK_SECRET": SECRET,
        }
        | FROM
    )
    assert "tops3cret" not in repr(settings) + repr(settings.post())
    assert repr(read_secret(SECRET)) not in repr(settings)

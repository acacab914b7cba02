"""Webhooks are signed as Standard Webhooks says, by the verdict of others' code."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.support.receivers import HttpReceiver, certificate, dead_port

from keyturn.actions.env import Undelivered
from keyturn.adapters.webhooks import Receiver, WebhookCourier, read_secret, signatures
from keyturn.store.interface import Outgoing

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the specification's own example
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()
BODY = '{"type":"credential.ended","data":{"description":"Grüße"}}'


def now() -> datetime:
    return datetime.now(UTC)


def item() -> Outgoing:
    return Outgoing("019cad5e-1", "webhook", "hooks.example.com", "credential.ended", BODY, now())


def courier(url: str, *secrets: str) -> WebhookCourier:
    return WebhookCourier(Receiver(url, tuple(read_secret(secret) for secret in secrets or (SECRET,))))


def test_the_signature_is_that_of_the_specification_s_example() -> None:
    body = '{"test": 2432232314}'
    signed = signatures([read_secret(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_verifies_by_the_standard_s_own_library() -> None:
    with HttpReceiver() as receiver:
        courier(receiver.url + "/hook?a=b").send(item(), now())
    (posted,) = receiver.posted
    assert posted.path == "/hook?a=b"
    assert posted.headers["content-type"] == "application/json"
    assert Webhook(SECRET).verify(posted.body, posted.headers) == json.loads(BODY)


def test_a_changed_body_or_another_secret_or_an_old_one_does_not_verify() -> None:
    with HttpReceiver() as receiver:
        courier(receiver.url).send(item(), now())
        courier(receiver.url).send(item(), now() - timedelta(hours=1))
    fresh, old = receiver.posted
    for secret, body, headers in (
        (SECRET, fresh.body + b" ", fresh.headers),
        (OTHER, fresh.body, fresh.headers),
        (SECRET, old.body, old.headers),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)


def test_while_a_secret_is_replaced_both_verify() -> None:
    with HttpReceiver() as receiver:
        courier(receiver.url, OTHER, SECRET).send(item(), now())
    (posted,) = receiver.posted
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(posted.body, posted.headers)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_takes_it_over(status: int) -> None:
    with HttpReceiver(status) as receiver:
        courier(receiver.url).send(item(), now())


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_any_other_status_is_told(status: int) -> None:
    with HttpReceiver(status) as receiver, pytest.raises(Undelivered, match=f"answered {status}$"):
        courier(receiver.url).send(item(), now())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with HttpReceiver(status) as receiver, pytest.raises(Undelivered, match="redirects are not followed"):
        courier(receiver.url).send(item(), now())
    assert len(receiver.posted) == 1


def test_a_receiver_that_is_not_there_is_told() -> None:
    with pytest.raises(Undelivered, match="cannot be reached: Connection refused"):
        courier(f"http://127.0.0.1:{dead_port()}").send(item(), now())


def test_a_receiver_that_does_not_answer_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        receiver = Receiver(f"http://127.0.0.1:{mute.getsockname()[1]}", (read_secret(SECRET),))
        with pytest.raises(Undelivered, match="did not answer in time"):
            WebhookCourier(receiver, timeout=0.2).send(item(), now())


def test_a_receiver_that_does_not_speak_http_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def chat() -> None:
            peer, _ = other.accept()
            with peer:
                while not peer.recv(65536).endswith(b"}"):
                    pass
                peer.sendall(b"220 mail.example.com ESMTP\r\n")

        talker = threading.Thread(target=chat)
        talker.start()
        with pytest.raises(Undelivered, match="does not speak HTTP"):
            courier(f"http://127.0.0.1:{other.getsockname()[1]}").send(item(), now())
        talker.join()


def test_https_takes_a_certificate_that_verifies(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with HttpReceiver(tls=context) as receiver:
        with pytest.raises(Undelivered, match="certificate does not verify"):
            courier(receiver.url).send(item(), now())
        trusting = ssl.create_default_context(cafile=str(files[0]))
        WebhookCourier(Receiver(receiver.url, (read_secret(SECRET),)), context=trusting).send(item(), now())
    assert len(receiver.posted) == 1


@pytest.mark.parametrize(
    "text", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_short", "whsec_!!!", "whsec_" + "A" * 200]
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|bytes") as told:
        read_secret(text)
    assert "MfKQ" not in str(told.value)
    assert "AAAA" not in str(told.value)

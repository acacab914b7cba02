"""The links that mails carry: of the server's public address alone, whatever a request's Host says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions.addresses import Sender

if TYPE_CHECKING:
    from keyturn.web.face import Face

JOIN = "/join"
"""Where an account is made; with the secret after it, the link in the mail."""
CONFIRM = "/confirm-email"
"""Where an address is proven; likewise."""


def joining(face: Face) -> Sender:
    """For mails with a link that makes an account."""
    return Sender(lambda secret: f"{face.public_url}{JOIN}/{secret}", face.instance)


def confirming(face: Face) -> Sender:
    """For mails with a link that proves an address."""
    return Sender(lambda secret: f"{face.public_url}{CONFIRM}/{secret}", face.instance)

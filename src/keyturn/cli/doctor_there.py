"""The doctor's checks that ask the server: whether the token lives, when it ends, and whose clock is wrong."""

from __future__ import annotations

import sys
import time

from keyturn.cli.asking import transport
from keyturn.cli.doctor_finding import Finding
from keyturn.cli.doctor_here import expiry
from keyturn.cli.why import explain
from keyturn.client.errors import ConnectionFailed, KeyturnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from keyturn.cli.doctor_finding import Situation
    from keyturn.client.credentials import Credential
    from keyturn.client.hosts import Host

_SKEW: Final = 60
"""Seconds that two clocks may differ."""


def all_checks(here: Situation, *, malformed: bool) -> tuple[list[Finding], dict[str, Any] | None]:
    """What is wrong, and what the server said of the token in use. ``malformed``: whether that can be no token at all."""
    winner = here.winner
    if winner is None:
        return [
            Finding("no-login", f"there is no token for {here.host.label}", "every command needs one", "keyturn login")
        ], None
    if malformed:
        return [], None  # nothing more to learn from asking
    found: list[Finding] = []
    try:
        found += _clock(here.host, winner)
        told = explain(here.host, winner.token)
    except ConnectionFailed as unreached:
        why = "whether the token lives cannot be told"
        return [Finding("unreachable", unreached.message, why, unreached.next or "try again later")], None
    except KeyturnError as wrong:
        return [Finding("unexpected-answer", wrong.message, "it may be no Keyturn server", "keyturn auth:status")], None
    stored = here.stored
    here.alive = told.get("alive") is True
    if stored is not None and stored.token != winner.token:
        try:
            here.alive = explain(here.host, stored.token).get("alive") is True
        except KeyturnError:
            here.alive = None
    found += _life(winner, told)
    return found, told


def _life(winner: Credential, told: dict[str, Any]) -> Iterator[Finding]:
    if told.get("alive") is not True:
        mend = str(told.get("next") or "keyturn login")
        if not winner.stored:
            from keyturn.cli.here import unset_variable

            mend += f", and {unset_variable()} or set it to the new token"
        untold = f" {told['untold']}" if told.get("untold") else ""
        yield Finding(
            f"dead-{told['reason']}" if told.get("reason") else "dead",
            f"the server refuses the token in use ({winner.source}): {told.get('message')}{untold}",
            "nothing works with it", mend,
        )  # fmt: skip
        return
    credential = told.get("credential")
    if isinstance(credential, dict) and credential.get("expires_at"):
        from datetime import datetime

        try:
            ends = datetime.fromisoformat(str(credential["expires_at"])).timestamp()
            made = datetime.fromisoformat(str(credential.get("created_at"))).timestamp()
        except ValueError:
            return
        if ends - time.time() < (ends - made) / 10:  # a short life that has just begun is no trouble
            yield from expiry(ends, "the token in use")


def _clock(host: Host, winner: Credential) -> Iterator[Finding]:
    from email.utils import parsedate_to_datetime

    with transport(host, winner.token, timeout=10) as asking:
        try:
            asking.request("GET", "/account")
        except ConnectionFailed:
            raise
        except KeyturnError:
            pass  # a refusal has a date too
        try:
            ahead = time.time() - parsedate_to_datetime(asking.date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
    if abs(ahead) > _SKEW:
        way = "ahead of" if ahead > 0 else "behind"
        mend = {"win32": "w32tm /resync", "darwin": "sudo sntp -sS time.apple.com"}
        yield Finding(
            "clock-skew", f"this machine's clock is {abs(round(ahead))} seconds {way} the server's",
            "expiries are judged wrongly, and certificates may be refused",
            mend.get(sys.platform, "sudo timedatectl set-ntp true"),
        )  # fmt: skip

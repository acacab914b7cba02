"""One-time codes of authenticator apps: TOTP [RFC 6238] over HOTP [RFC 4226] with SHA-1, six digits and 30 seconds.

These are the parameters that every app knows; some ignore any others.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from datetime import datetime

SEED_BYTES: Final = 20  # as long as SHA-1's result [RFC 4226 4, R6: 128 bits at least, 160 recommended]
DIGITS: Final = 6
STEP_SECONDS: Final = 30
# A name in the URI, in characters: two of the longest, of any script, still fit into one QR code.
NAME_LONGEST: Final = 64


def code(seed: bytes, step: int) -> str:
    """The six digits of a step [RFC 4226 5.3]."""
    mac = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_at(now: datetime) -> int:
    """The step that ``now`` (aware) lies in: how many times 30 seconds have passed since 1970 [RFC 6238 4.2]."""
    return int(now.timestamp()) // STEP_SECONDS


def matching_step(seed: bytes, text: str, now: datetime, last_step: int | None, window: int = 1) -> int | None:
    """The step whose code was typed, or None when it is no code of now.

    Keep the answer as the next ``last_step``: steps up to that one are refused, so that each code is good once
    [RFC 6238 5.2]. ``window`` is how many steps a clock may be off, either way. Spaces are ignored: apps show them.
    Compares in constant time, with every code that could be meant.
    """
    typed = "".join(text.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    today = step_at(now)
    found = None
    for step in range(max(today - window, 0), today + window + 1):
        same = hmac.compare_digest(code(seed, step), typed)
        if same and (last_step is None or step > last_step):
            found = step
    return found


def plain_base32(seed: bytes) -> str:
    """The seed as apps read it: base32 without padding."""
    return base64.b32encode(seed).decode().rstrip("=")


def base32(seed: bytes) -> str:
    """The seed for typing by hand: base32 in groups of four. Apps ignore the spaces."""
    plain = plain_base32(seed)
    return " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))


def uri(seed: bytes, account: str, issuer: str) -> str:
    """What the QR code says: an otpauth key URI (Google Authenticator's "Key Uri Format", which all apps read).

    The names may be anybody's words. A colon, which divides the label, becomes a hyphen; what cannot be shown becomes a
    space; and long names are cut. SHA-1, six digits and 30 seconds are what the format means without saying so; left
    out, they make a smaller picture.
    """
    account, issuer = _name(account), _name(issuer)
    label = ":".join(quote(name, safe="") for name in (issuer, account) if name)
    named = f"&issuer={quote(issuer, safe='')}" if issuer else ""
    return f"otpauth://totp/{label}?secret={plain_base32(seed)}{named}"


def _name(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * NAME_LONGEST]).replace(":", "-")
    name = " ".join(shown.split())
    return name if len(name) <= NAME_LONGEST else name[: NAME_LONGEST - 1] + "…"

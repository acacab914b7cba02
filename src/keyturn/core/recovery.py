"""Recovery codes: what a person keeps on paper for the day when the phone is lost.

    7k2m-p9qf-x4td-w8cz

Sixteen digits of Crockford's base32, which has no i, l, o and u: what looks alike is read as the digit that was meant.
They carry 80 bits, so nobody guesses one, and its digest needs no salt or stretching (docs/decisions/0013). Each is good
once; that is the store's to see to.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT: Final = 10  # made at a time
ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
DIGITS: Final = 16
RANDOM_BYTES: Final = DIGITS * 5 // 8  # 80 bits, of which each digit takes five: every code is as likely as any other
GROUP: Final = 4

_DASHES: Final = "-‐‑‒–—―−"  # phones make these out of a hyphen
_MEANT: Final = str.maketrans("oil", "011", _DASHES)
_TYPED_LONGEST: Final = 100  # of what is longer no part is looked at


def make(random_bytes: Callable[[int], bytes]) -> str:
    """A new code; ``random_bytes(n)`` gives n bytes from a cryptographic source."""
    number = int.from_bytes(random_bytes(RANDOM_BYTES), "big")
    plain = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(DIGITS)))
    return "-".join(plain[at : at + GROUP] for at in range(0, DIGITS, GROUP))


def normalize(text: str) -> str | None:
    """The one form of however it was typed: case, spaces and dashes do not count. None when it can be no code."""
    if len(text) > _TYPED_LONGEST:
        return None
    plain = "".join(text.split()).translate(_MEANT)
    if len(plain) != DIGITS or not plain.isascii():
        return None
    plain = plain.lower().translate(_MEANT)
    return plain if set(plain) <= set(ALPHABET) else None


def looks_like(text: str) -> bool:
    """Whether it can be a recovery code, so that one field takes these and the codes of an app."""
    return normalize(text) is not None


def digest(code: str) -> bytes:
    """SHA-256 of the code's one form: what the store keeps. Raises ValueError for what can be no code."""
    plain = normalize(code)
    if plain is None:
        raise ValueError("this is no recovery code")
    return hashlib.sha256(plain.encode()).digest()

"""E-mail addresses: which are taken, in which form they are kept, and which two are the same.

What cannot be seen or looks like something else is refused, so that nobody has an address that others take for another
one's [RFC 8264 7.7]. What mail servers really take only a mail can tell.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST: Final = 254  # RFC 5321 4.5.3.1.3, less the brackets

# One @, no white space or control characters, a dot-separated domain. No colon or quote: Basic authentication and netrc
# carry the address.
_SHAPE: Final = re.compile(
    r"[^@\s\x00-\x1f\x7f:\"'\\<>(),;]{1,64}@[^@\s\x00-\x1f\x7f:\"'\\<>(),;.]+(\.[^@\s\x00-\x1f\x7f:\"'\\<>(),;.]+)*"
)


def clean(text: str) -> str:
    """The address as it is kept: composed (NFC), its domain in lower case. Raises ValueError with what is wrong with it."""
    if len(text) > LONGEST:
        raise ValueError("that is not an e-mail address")
    address = unicodedata.normalize("NFC", text.strip())
    if not address.isprintable() or not _SHAPE.fullmatch(address):
        raise ValueError("that is not an e-mail address")
    if unicodedata.normalize("NFKC", address) != address:
        raise ValueError("that e-mail address has a character that looks like another one; type it plainly")
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        raise ValueError("give the domain of that e-mail address in its ASCII form, which begins with xn--")
    return f"{local}@{domain.lower()}"


def key(text: str) -> str:
    """What makes two addresses the same account: case does not count, and nor does how a character is composed.

    Lower case and no case folding, which takes ß for ss: those are two people.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).lower())


def domain_of(text: str) -> str:
    """The domain, in lower case."""
    return key(text).rpartition("@")[2]

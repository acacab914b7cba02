"""The token grammar: what a Keyturn secret looks like, and what a pasted mistake looks like.

    kta_ 4fGh0Qw8XyZ1b2C3d4E5f6G7h8I9j0Kl 0aB3dE
    |    |                                |
    |    |                                checksum: CRC-32 of all before it, 6 base62 digits
    |    32 base62 digits from the system's random source: 190 bits
    kind prefix: `kt`, a letter, `_`

As a regular expression: ``kt[a-z]_[0-9A-Za-z]{38}``. The prefix lets scanners find a leaked token, the checksum lets
anyone tell a token that was cut or mistyped from one that was revoked, without a look-up. The checksum is no secret and
proves nothing; the 190 bits do.

Imported at every start of the command line, so it imports next to nothing.
"""

from __future__ import annotations

import binascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_DIGITS: Final = 32
CHECKSUM_DIGITS: Final = 6
LENGTH: Final = 4 + RANDOM_DIGITS + CHECKSUM_DIGITS
PATTERN: Final = r"kt[a-z]_[0-9A-Za-z]{38}"

# What a prefix says to whoever finds the token. Names are those of policy.Kind; those from `web` on are never API tokens.
PREFIXES: Final = {
    "login": "ktl_",
    "api_key": "ktk_",
    "authorization": "kta_",
    "service": "kts_",
    "oauth_access": "kto_",
    "oauth_refresh": "ktr_",
    "workload": "ktj_",
    "web": "ktw_",
    "login_browser": "ktb_",  # the browser's half of a login under way
    "login_cli": "ktc_",  # the command line's half of it
    "setup": "kti_",  # the one-time link that makes the first account
    "csrf": "ktf_",
    "oauth_code": "ktx_",  # the one-time code of an authorization, on its way to its client
    "client_secret": "kty_",  # an OAuth client's own secret
    "reset": "ktp_",  # the link that replaces a forgotten password
    "second_step": "ktm_",  # a sign-in that waits for its second factor
    "device": "ktd_",  # a browser that is remembered: it is asked for the password alone
    "invitation": "ktn_",  # the link that makes an account
    "email": "kte_",  # the link that proves an e-mail address
}
KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}

_FOREIGN: Final = "it does not begin like a Keyturn token (ktX_)"
MASK: Final = "**********"  # ten: what the Heroku CLI takes for a redaction (contract/wire.md 3.2)
_DIGITS: Final = frozenset(ALPHABET)
_VALUES: Final = {digit: value for value, digit in enumerate(ALPHABET)}


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def checksum(text: str) -> str:
    """The 6 check digits of ``prefix + random part`` (CRC-32, base62, left-padded)."""
    return _base62(binascii.crc32(text.encode()), CHECKSUM_DIGITS)


def make(kind: str, random_bytes: Callable[[int], bytes]) -> str:
    """A new token of ``kind`` (a key of PREFIXES); ``random_bytes(n)`` gives n bytes from a cryptographic source.

    256 bits are reduced to 62**32 values: the bias is under 2**-65.
    """
    body = PREFIXES[kind] + _base62(int.from_bytes(random_bytes(32), "big") % 62**RANDOM_DIGITS, RANDOM_DIGITS)
    return body + checksum(body)


def is_token(text: str) -> bool:
    """Whether ``text`` is well-formed: grammar, known prefix and checksum all right."""
    if len(text) != LENGTH or text[:4] not in KINDS or not text.isascii() or not text[4:].isalnum():
        return False
    claimed = 0  # the digits as a number: quicker than the number as digits, on the hot path
    for digit in text[-CHECKSUM_DIGITS:]:
        claimed = claimed * 62 + _VALUES[digit]
    return claimed == binascii.crc32(text[:-CHECKSUM_DIGITS].encode())


def kind_of(text: str) -> str | None:
    """The kind that the prefix names, or None when the text does not begin like one of our tokens."""
    return KINDS.get(text[:4])


def digest(text: str) -> bytes:
    """SHA-256 of the token: what the store keeps. No salt or stretching is needed for 190 random bits."""
    import hashlib  # noqa: PLC0415 - only the server hashes; the command line's start stays short

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def mask(text: str) -> str:
    """The token as it may be shown again: ``kta_4fGh0Q**********aB3dE``.

    Six random digits and five check digits stay: enough to tell one account's tokens apart, which the Heroku CLI's
    matching of redacted tokens needs (wire.md 3.2), and at least 124 of the 190 bits stay unknown.
    """
    return f"{text[:10]}{MASK}{text[-5:]}" if len(text) == LENGTH else MASK


def what_is_wrong(text: str) -> str:
    """Why ``text`` is no well-formed token, as a sentence for its holder. Never repeats the text.

    For use after ``is_token`` has said no. Says nothing about whether such a token was ever issued.
    """
    bare = text.strip()
    if not bare:
        return "it is empty"
    if bare == "undefined":
        return "the client sent the word undefined: it has no token stored"
    if MASK in bare or "…" in bare:
        return "it is a masked token as shown in lists; the whole one was shown only when it was made"
    if bare[:7].lower() == "bearer " or bare[:6].lower() == "token ":
        return "it still begins with the word of an Authorization header; give the token alone"
    if len(bare) > 1 and bare[0] in "\"'`“‘«<" and bare[-1] in "\"'`”’»>":
        return "it is in quotation marks; give the token without them"
    if "=" in bare and is_token(bare.split("=", 1)[1].strip("\"'")):
        return "it is a whole assignment; give only what follows the equals sign"
    if bare != text or any(c.isspace() for c in bare):
        return "it has white space in or around it, as from a line that was wrapped; give it on one line"
    if kind_of(bare) is None:
        return _FOREIGN
    if not _DIGITS.issuperset(bare[4:]):
        return "it has characters that no token has"
    if len(bare) < LENGTH:
        return f"it was cut: {len(bare)} of {LENGTH} characters are there"
    if len(bare) > LENGTH:
        return f"it is too long: {len(bare)} characters instead of {LENGTH}"
    return "its check digits do not match: a character was mistyped or lost its case"


def misfit(text: str) -> str | None:
    """Why ``text`` can be no server's token, in the words of ``what_is_wrong``; None when it can be one.

    Another server's tokens have another grammar: of them only what no paste leaves right is refused.
    """
    if is_token(text):
        return None
    wrong = what_is_wrong(text)
    if wrong != _FOREIGN:
        return wrong
    if text[0] in "\"'`" or text[-1] in "\"'`":
        return "it has a quotation mark at one end; give the token without it"
    return None if text.isascii() and text.isprintable() else "it has characters that no token has"

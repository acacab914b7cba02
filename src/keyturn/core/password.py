"""Which passwords are taken [NIST SP 800-63B-4 3.1.1.2]: long ones that are not easily guessed; no rules on which
characters. What can be said without a dictionary is said here; the rest is ``env.passwords.weakness``.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from keyturn.core import policy

# Of this many characters none composes to PASSWORD_LONGEST any more: three at most become one. Normalizing takes time
# that grows with the square of the length, so what is longer is never normalized.
TYPED_LONGEST: Final = 4 * policy.PASSWORD_LONGEST


def normalize(password: str) -> str:
    """One form for what looks the same, so that a password typed on another system still fits [NIST 3.1.1.2: NFC]."""
    return unicodedata.normalize("NFC", password)


def length(password: str) -> int:
    """How many characters a password has that was taken: those of its one form, however it was typed."""
    return len(normalize(password) if len(password) <= TYPED_LONGEST else password)


def what_is_wrong(password: str, *context: str, shortest: int = policy.PASSWORD_SHORTEST) -> str | None:
    """Why the password cannot be taken, as a sentence, or None. ``context``: the account's e-mail, name and the like;
    ``shortest``: in characters.

    Never repeats the password.
    """
    password = normalize(password) if len(password) <= TYPED_LONGEST else password
    if len(password) < shortest:
        return (
            f"The password is too short: it takes {shortest} characters or more, of any kind. "
            "A few words make a good one."
        )
    if len(password) > policy.PASSWORD_LONGEST:
        return f"The password is too long: at most {policy.PASSWORD_LONGEST} characters."
    if len(set(password)) < 5:
        return "The password repeats too few characters. A few words make a good one."
    bare = "".join(c for c in password.casefold() if c.isalnum())
    for known in (word for text in context for word in _words(text)):
        if known in bare and len(bare) - len(known) < 8:
            return "The password is mostly your name or your e-mail address. Add a few words that nobody expects."
    return None


def _words(text: str) -> list[str]:
    whole = "".join(c for c in text.casefold() if c.isalnum())
    local = "".join(c for c in text.casefold().split("@", maxsplit=1)[0] if c.isalnum())
    return [word for word in {whole, local} if len(word) >= 4]

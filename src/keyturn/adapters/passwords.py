"""Passwords: hashed with Argon2id, by argon2-cffi; and how soon one is guessed, by zxcvbn."""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING, Any, Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from keyturn.core import password

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 9106's second recommended choice (3 passes over 64 MiB), with one lane instead of four: as much work for whoever
# guesses, and it keeps to the one core that hashing is given here, so that token checks keep the others. About 100
# ms.
PASSES = 3
KIBIBYTES = 64 * 1024
LANES = 1

# So many guesses must not be enough: they withstand whoever guesses at our doors, however many doors that one finds.
GUESSES: Final = 10**8

# zxcvbn takes seconds for a long text with many signs that stand for letters (4 for a, ! for i). So it is given pieces,
# each with so many characters and so many different signs: a tenth of a second at worst.
JUDGED: Final = 100
PIECE: Final = 32
SIGNS: Final = 10

# Known well, and not in zxcvbn's lists.
_KNOWN: Final = ("correcthorsebatterystaple", "keyturn", "heroku")
_SEPARATORS: Final = frozenset(" -_.,")

_ADVICE: Final = "Add another word or two; uncommon words are better."
_SEEN: Final = {
    "passwords": "This is similar to a commonly used password.",
    "user_inputs": "This is mostly your name, your e-mail address or another word that is easy to find out.",
    "surnames": "Names are guessed early.",
    "male_names": "Names are guessed early.",
    "female_names": "Names are guessed early.",
    "spatial": "Keys that lie side by side are guessed early.",
    "repeat": "Repeating something makes it hardly harder to guess.",
    "sequence": "Letters or digits in their order are guessed early.",
    "regex": "Years are guessed early.",
    "date": "Dates are guessed early.",
    "bruteforce": "This is too short to be hard to guess.",
}
_COMMON: Final = "Common words are guessed early."

_one_at_a_time = threading.Lock()  # zxcvbn keeps the words of the account in a variable of the module


class Argon2Passwords:
    """actions.env.Passwords over Argon2id. The parameters are stored in each hash; outdated ones are noticed at
    sign-in.
    """

    def __init__(self, passes: int = PASSES, kibibytes: int = KIBIBYTES, lanes: int = LANES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=kibibytes, parallelism=lanes, type=Type.ID)
        # of no account and of no password, in the form of [PHC string format]; it takes as long to verify as a real one
        salt, tag = (base64.b64encode(bytes(size)).rstrip(b"=").decode() for size in (16, 32))
        self._decoy = f"$argon2id$v={ARGON2_VERSION}$m={kibibytes},t={passes},p={lanes}${salt}${tag}"

    def hash(self, text: str) -> str:
        """The hash to store, with its salt and parameters."""
        return self._hasher.hash(password.normalize(text).encode("utf-8", "surrogatepass"))

    def verify(self, hashed: str | None, text: str) -> bool:
        """Whether ``text`` is the password; False, after the same time, when there is no hash."""
        if len(text) > password.TYPED_LONGEST:  # nobody's: no password is as long
            hashed, text = None, text[: password.TYPED_LONGEST]
        try:
            self._hasher.verify(hashed or self._decoy, password.normalize(text).encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def weakness(self, text: str, context: tuple[str, ...]) -> str | None:
        """Why it would be guessed soon, and what helps, as a sentence or two; None when it is hard to guess.

        ``context``: the account's e-mail, name and the like. Never repeats the password. Any text will do, but what is
        after the first 100 characters makes no difference.
        """
        if len(text) > password.TYPED_LONGEST:
            text = text[:JUDGED]  # never taken anyway, and too dear to normalize
        text = password.normalize(text)[:JUDGED]
        words = [*_KNOWN, *(word for known in context for word in _words(known))]
        for form in dict.fromkeys((text, _joined(text))):
            # Whoever guesses the whole has guessed each piece: the hardest one tells.
            hardest: dict[str, Any] | None = None
            for piece in _pieces(form):
                judged = _judge(piece, words)
                if hardest is None or judged["guesses"] > hardest["guesses"]:
                    hardest = judged
                if judged["guesses"] >= GUESSES:
                    break
            if hardest is None or hardest["guesses"] < GUESSES:
                return f"{_why(hardest)} {_ADVICE}"
        return None


def _judge(piece: str, words: list[str]) -> dict[str, Any]:
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]  # noqa: PLC0415 - start-up stays quick

    piece = piece.replace("\n", " ")  # digits before one raise: it looks for dates with `$`, which overlooks it
    with _one_at_a_time:
        judged: dict[str, Any] = zxcvbn(piece, words, max_length=PIECE)
    return judged


def _why(judged: dict[str, Any] | None) -> str:
    if judged is None or not judged["sequence"]:
        return _SEEN["bruteforce"]
    longest = max(judged["sequence"], key=lambda match: len(match["token"]))
    return _SEEN.get(longest.get("dictionary_name", longest["pattern"]), _COMMON)


def _joined(text: str) -> str:
    """``p-a-s-s-w-o-r-d`` without its separators: they are the first thing that a guesser tries."""
    used = _SEPARATORS.intersection(text)
    if len(used) != 1:
        return text
    (separator,) = used
    return text if separator * 2 in text else text.replace(separator, "")


def _pieces(text: str) -> Iterator[str]:
    start, signs = 0, set[str]()
    for at, character in enumerate(text):
        signs |= set() if character.isalpha() else {character}
        if at - start == PIECE or len(signs) > SIGNS:
            yield text[start:at]
            start, signs = at, set() if character.isalpha() else {character}
    if start < len(text):
        yield text[start:]


def _words(known: str) -> list[str]:
    """An account's word, and what it is made of: of ``ada.lovelace@example.com`` also ada, lovelace and example."""
    known = password.normalize(known[:JUDGED]).lower()  # as zxcvbn compares
    parts = "".join(c if c.isalnum() else " " for c in known).split()
    return [word for word in (known, "".join(parts), *parts) if len(word) >= 3]

"""Argon2id, by argon2-cffi."""

from __future__ import annotations

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from keyturn.core import password

# RFC 9106's second recommended choice (3 passes over 64 MiB), with one lane instead of four: as much work for whoever
# guesses, and it keeps to the one core that hashing is given here, so that token checks keep the others. About 100
# ms.
PASSES = 3
KIBIBYTES = 64 * 1024
LANES = 1


class Argon2Passwords:
    """actions.env.Passwords over Argon2id. The parameters are stored in each hash; outdated ones are noticed at
    sign-in.
    """

    def __init__(self, passes: int = PASSES, kibibytes: int = KIBIBYTES, lanes: int = LANES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=kibibytes, parallelism=lanes, type=Type.ID)
        # of no account; verifying against it takes as long as against a real one
        self._decoy = self._hasher.hash("the decoy for accounts that do not exist")

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

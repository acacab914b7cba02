"""Public SSH keys: read what people paste, refuse what must not be, and name the key by its fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

TYPES: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
RSA_BITS_LEAST: Final = 2048
RSA_BITS_MOST: Final = 16384
LONGEST: Final = 16 * 1024


# What only a private key has in it: the first line of PEM and of OpenSSH's format, how the latter's base64 begins, and PuTTY's
# format from its first line to its last.
_PRIVATE: Final = ("PRIVATE KEY", "b3BlbnNzaC1rZXkt", "PuTTY-User-Key-File", "Private-Lines", "Private-MAC")


class BadKey(ValueError):
    """The text is no public key that can be taken; the message says why and what to do, and never repeats the text."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that was read: ``line`` is ``type base64 comment``."""

    type: str
    line: str
    comment: str
    md5: str
    sha256: str


def parse(text: str) -> PublicKey:
    """Reads one line of the OpenSSH public key format [RFC 4253 6.6; sshd(8) AUTHORIZED_KEYS].

    Raises BadKey for a private key, several keys, options before the key, an unknown or outlawed type (DSA, RSA under
    2048 bits), and damaged base64.
    """
    if any(mark in text for mark in _PRIVATE):
        raise BadKey(
            "this is a private key, which must never leave your machine; give the file that ends in .pub. It was not stored"
        )
    if len(text) > LONGEST:
        raise BadKey("this is too long for a public key")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) != 1:
        raise BadKey(
            "give one public key, on one line" if lines else "the key is empty; give the content of a .pub file"
        )
    kind, _, rest = lines[0].partition(" ")
    blob64, _, comment = rest.strip().partition(" ")
    if kind in ("ssh-dss", "ssh-dsa"):
        raise BadKey("DSA keys are no longer safe; make a new one with: ssh-keygen -t ed25519")
    if kind not in TYPES:
        if any(f" {known} " in f" {lines[0]}" for known in TYPES):
            raise BadKey("give the key without the options before it")
        raise BadKey(
            f"this does not begin like a public key ({TYPES[0]}, {TYPES[-1]}, ...); give the content of a .pub file"
        )
    try:
        blob = base64.b64decode(blob64, validate=True)
        fields = _fields(blob)
    except (binascii.Error, ValueError):
        raise BadKey("the key is damaged: its base64 part was cut or changed on the way") from None
    if not fields or fields[0] != kind.encode() or len(fields) != _FIELDS[kind]:
        raise BadKey("the key is damaged: what it holds is not what its first word says")
    if kind == "ssh-rsa":
        bits = int.from_bytes(fields[2], "big").bit_length()
        if not RSA_BITS_LEAST <= bits <= RSA_BITS_MOST:
            raise BadKey(
                f"RSA keys must have {RSA_BITS_LEAST} to {RSA_BITS_MOST} bits, this one has {bits}; "
                "make a new one with: ssh-keygen -t ed25519"
            )
    if kind.startswith("ecdsa-") and fields[1] != kind.removeprefix("ecdsa-sha2-").encode():
        raise BadKey("the key is damaged: its curve is not that of its type")
    if kind in _SIZES and len(fields[_SIZES[kind][0]]) != _SIZES[kind][1]:
        raise BadKey("the key is damaged: its length is not that of its type")
    comment = "".join(c for c in comment.strip() if c.isprintable())[:200]
    line = f"{kind} {blob64} {comment}".rstrip()
    md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return PublicKey(kind, line, comment, ":".join(md5[i : i + 2] for i in range(0, 32, 2)), f"SHA256:{sha256}")


# How many length-prefixed fields each type's blob has [RFC 4253 6.6, 5656 3.1, 8709 4; OpenSSH PROTOCOL.u2f].
_FIELDS: Final = {
    "ssh-ed25519": 2,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
    "ssh-rsa": 3,
}
# Type -> (field, bytes): the public point or key of a fixed length.
_SIZES: Final = {
    "ssh-ed25519": (1, 32),
    "ecdsa-sha2-nistp256": (2, 65),
    "ecdsa-sha2-nistp384": (2, 97),
    "ecdsa-sha2-nistp521": (2, 133),
    "sk-ssh-ed25519@openssh.com": (1, 32),
    "sk-ecdsa-sha2-nistp256@openssh.com": (2, 65),
}


def _fields(blob: bytes) -> list[bytes]:
    """The length-prefixed strings of the blob [RFC 4251 5]. Raises ValueError when they do not fill it exactly."""
    fields = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            raise ValueError("cut")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields

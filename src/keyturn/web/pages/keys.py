"""/settings/keys: the account's SSH keys; added by paste, one a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyturn.actions import keys
from keyturn.actions.env import Invalid
from keyturn.web.pages import confirm, shown

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

HERE: Final = "/settings/keys"
PAGE: Final = 50
PASTED_MOST: Final = 50
"""Keys in one paste."""
PASTE_LONGEST: Final = 20_000

# What only a private key has in it: PEM's and OpenSSH's first line, how OpenSSH's base64 begins, PuTTY's format.
_PRIVATE: Final = ("PRIVATE KEY", "B3BLBNNZAC1RZXKTDJ", "PUTTY-USER-KEY-FILE", "PRIVATE-LINES")
WAS_PRIVATE: Final = (
    "That was a private key. It must never leave your machine; it was not stored, and is not shown here again. "
    "Paste the file that ends in .pub."
)
KINDS: Final = {
    "ssh-ed25519": "Ed25519", "ssh-rsa": "RSA", "ecdsa-sha2-nistp256": "ECDSA P-256", "ecdsa-sha2-nistp384": "ECDSA P-384",
    "ecdsa-sha2-nistp521": "ECDSA P-521", "sk-ssh-ed25519@openssh.com": "Ed25519 on a security key",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA P-256 on a security key",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failed:
    """A pasted line that was not added."""

    number: int
    sentence: str


def show(visit: Visit) -> Response:
    """GET the list."""
    return _list(visit)


def _list(
    visit: Visit, *, status: int = 200, error: str = "", failed: list[Failed] | None = None, added: int = 0, text: str = ""
) -> Response:  # fmt: skip
    found = keys.held(visit.env, visit.me)[::-1]
    asked = visit.asked.get("page", "")
    pages = max(1, -(-len(found) // PAGE))
    number = min(max(int(asked), 1), pages) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 1
    return visit.render(
        "keys.html", status, title="SSH keys", here=HERE, keys=found[(number - 1) * PAGE : number * PAGE], kinds=KINDS,
        next=f"{HERE}?page={number + 1}" if number < pages else None,
        previous=f"{HERE}?page={number - 1}" if number > 1 else None,
        error=error, failed=failed or [], added=added, text=text, longest=PASTE_LONGEST, public_url=visit.face.public_url,
    )  # fmt: skip


def submit(visit: Visit) -> Response:
    """POST: adds what was pasted.

    It asks for the proof of who one is itself, and not the frame: a private key must not travel on to the page that asks.
    """
    if any(is_private(text) for text in visit.form.values()):
        return _list(visit, status=422, error=WAS_PRIVATE)
    return confirm.first(visit, _add, posting=True)


def is_private(text: str) -> bool:
    """Whether there is a private key in the text, or what looks like a piece of one."""
    plain = text.upper()
    return any(mark in plain for mark in _PRIVATE)


def _add(visit: Visit) -> Response:
    text = visit.form.get("public_keys", "")
    lines = [line.strip() for line in text.splitlines()]
    pasted = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not pasted:
        return _list(visit, status=422, error="Nothing was pasted. Paste the content of a .pub file.")
    if len(text) > PASTE_LONGEST or len(pasted) > PASTED_MOST:
        return _list(
            visit, status=422, text=text[:PASTE_LONGEST],
            error=f"That is too much at once: at most {PASTED_MOST} keys, and {PASTE_LONGEST} characters. Nothing was added.",
        )  # fmt: skip
    failed: list[Failed] = []
    for number, line in pasted:
        try:
            keys.add(visit.env, visit.by, visit.me, line)
        except Invalid as wrong:
            failed.append(Failed(number, _sentence(str(wrong))))
    added = len(pasted) - len(failed)
    if not failed:
        return visit.done(HERE, f"{added} keys were added." if added > 1 else "The key was added.")
    numbers = {each.number for each in failed}
    kept = [line for number, line in pasted if number in numbers]
    if len(pasted) == 1:
        return _list(visit, status=422, error=failed[0].sentence, text="\n".join(kept))
    return _list(visit, status=422, failed=failed, added=added, text="\n".join(kept))


def _sentence(text: str) -> str:
    """The first letter large, and a full stop unless it ends in a command."""
    return text[0].upper() + text[1:] + ("" if text.endswith("ed25519") else ".")


def show_one(visit: Visit) -> Response:
    """GET .../ID: one key, and its removal."""
    found = keys.info(visit.env, visit.me, visit.params["id"])
    return visit.render(
        "key.html", title="SSH key", here=HERE, key=found.key, kind=KINDS.get(found.key.type, found.key.type),
        used=shown.last_used(found.credential, visit.now),
        life=shown.life_words(found.credential.grant, visit.now, visit.env.policy, reader=visit.owner.id),
    )  # fmt: skip


def remove(visit: Visit) -> Response:
    """POST .../ID/remove."""
    keys.remove(visit.env, visit.by, visit.me, visit.params["id"])
    return visit.done(HERE, "The key was removed. Whatever has its private half is not let in with it any more.")

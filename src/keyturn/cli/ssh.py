"""`keyturn ssh:authorized-keys` and `keyturn ssh:serve`: for OpenSSH's server, when ours is installed here."""

from __future__ import annotations

from keyturn.cli import server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def authorized_keys(words: Sequence[str]) -> int:
    """Answer sshd's question for a key."""
    return server.run("keyturn.openssh", words, "authorized_keys")


def serve(words: Sequence[str]) -> int:
    """Serve one command of git's, for a key that sshd has proven."""
    return server.run("keyturn.openssh", words, "serve")

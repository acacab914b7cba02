"""What the doctor works on: the situation that it found, and its findings."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from keyturn.client.credentials import Credential
    from keyturn.client.hosts import Host
    from keyturn.client.netrc import Entry
    from keyturn.client.state import Known


class Finding:
    """One thing that is wrong: ``what``, ``why`` it matters, and ``mend``, the command that mends it.

    ``repair`` mends it safely and gives what it did; None where a person has to decide. A ``notice`` may be as wanted,
    and does not count against the machine.
    """

    __slots__ = ("did", "id", "mend", "notice", "repair", "what", "why")

    def __init__(
        self,
        name: str,
        what: str,
        why: str,
        mend: str,
        *,
        repair: Callable[[], str] | None = None,
        notice: bool = False,
    ) -> None:
        self.id, self.what, self.why, self.mend, self.repair, self.notice = name, what, why, mend, repair, notice
        self.did: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "id": self.id, "level": "notice" if self.notice else "problem", "what": self.what, "why": self.why,
            "mend": self.mend, "fixable": self.repair is not None, "fixed": self.did,
        }  # fmt: skip


class Situation:
    """What there is on this machine for one server. ``stored``: the netrc entry that counts, whoever wins.

    ``alive``: what the server says of the stored token; None when it was not asked.
    """

    __slots__ = ("alive", "entries", "environ", "hint", "host", "path", "stored", "winner")

    def __init__(
        self,
        host: Host,
        environ: Mapping[str, str],
        hint: Known | None,
        winner: Credential | None,
        stored: Credential | None,
        path: str,
        entries: Sequence[Entry],
    ) -> None:
        self.host, self.environ, self.hint, self.winner = host, environ, hint, winner
        self.stored, self.path, self.entries = stored, path, entries
        self.alive: bool | None = None

    @property
    def in_ci(self) -> bool:
        """Whether this is a build, where nobody logs in."""
        return self.environ.get("CI", "").lower() in ("true", "1", "yes")

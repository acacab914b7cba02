"""What a server serves by, written down in its data folder at its start: for the commands beside it, which know neither its
flags nor its environment. No secrets.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from keyturn.actions.git_access import GitLimits
from keyturn.adapters.git_hooks import replace
from keyturn.git_settings import GitSettings

FILE: Final = "server.json"
LARGEST: Final = 1 << 20


class Unknown(Exception):
    """It is not written down, or cannot be read; the message says which."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What the server that was started last with a data folder serves by."""

    public_url: str
    git: GitSettings
    policy: Path | None
    """The file of overrides; None: that of the data folder, where there is one."""
    webhook_host: str
    """Whom webhooks go to; empty: nobody."""


def write(data: Path, found: InForce) -> None:
    """Puts it there, whole, readable by the server's user alone. Raises OSError."""
    facts = asdict(found) | {"policy": str(found.policy.resolve()) if found.policy else None}
    replace(data / FILE, json.dumps(facts, indent=2) + "\n", 0o600)


def read(data: Path) -> InForce:
    """What is there. Raises Unknown."""
    try:
        with (data / FILE).open("rb") as opened:
            facts = json.loads(opened.read(LARGEST))
        git = facts["git"]
        return InForce(
            str(facts["public_url"]),
            GitSettings(
                GitLimits(**git["limits"]),
                int(git["push_refs"]),
                tuple(map(str, git["before"])),
                tuple(map(str, git["after"])),
            ),
            Path(facts["policy"]) if facts["policy"] else None,
            str(facts["webhook_host"]),
        )
    except FileNotFoundError:
        raise Unknown(f"there is no {data / FILE}; the server writes it when it starts") from None
    except OSError as fault:
        raise Unknown(f"{data / FILE} cannot be read: {fault.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Unknown(f"{data / FILE} is not what a server of this version writes; start it anew") from None

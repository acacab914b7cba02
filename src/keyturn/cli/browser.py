"""Opening an address in the person's browser, where there is one; never waiting for it, nor letting it write to the
terminal.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys

from keyturn.cli import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

_ADDRESS: Final = "%s"
_launched: Final[list[subprocess.Popen[bytes]]] = []  # kept, so that none is waited for


def opener(environ: Mapping[str, str], platform: str = sys.platform) -> list[str] | None:
    """The command that opens an address put in place of ``%s``; None where no browser can be seen.

    ``BROWSER`` comes first, as xdg-open has it; without it Linux needs a display.
    """
    named = environ.get("BROWSER", "").strip()
    if named:
        try:
            words = shlex.split(named.replace("\\", "\\\\") if platform == "win32" else named)
        except ValueError:
            words = [named]
        return words if any(_ADDRESS in word for word in words) else [*words, _ADDRESS]
    if platform == "darwin":
        return ["open", _ADDRESS]
    if platform == "win32":
        return [
            "rundll32",
            "url.dll,FileProtocolHandler",
            _ADDRESS,
        ]  # what `start` does, without a shell to misread the address
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or environ.get("WSL_DISTRO_NAME"):
        for program in ("xdg-open", "wslview", "x-www-browser"):
            if shutil.which(program, path=environ.get("PATH")):
                return [program, _ADDRESS]
    return None


def launch(command: list[str], address: str) -> None:
    """Start it and go on at once. The address has been printed before, so a failure is only told."""
    try:
        _launched.append(
            subprocess.Popen(
                [word.replace(_ADDRESS, address) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
    except OSError as wrong:
        say.warn(f"cannot open a browser with {command[0]}: {wrong.strerror}")

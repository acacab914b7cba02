"""`keyturn serve` and `keyturn admin`: the server's own, when it is installed here."""

from __future__ import annotations

from importlib import import_module

from keyturn.client.errors import KeyturnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def serve(words: Sequence[str]) -> int:
    """Run a server."""
    return run("keyturn.serve", words)


def admin(words: Sequence[str]) -> int:
    """Operate a server."""
    return run("keyturn.admin", words)


def run(module: str, words: Sequence[str], function: str = "main") -> int:
    """Runs a command of the server's. Raises KeyturnError when it is not installed."""
    try:
        imported = import_module(module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "keyturn":
            raise
        raise KeyturnError("the server is not installed here", "pip install 'keyturn[server]'") from missing
    code: int = getattr(imported, function)(list(words))
    return code

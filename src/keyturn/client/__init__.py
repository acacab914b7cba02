"""The Python library: one synchronous client for a Keyturn server, on the standard library alone (docs/library.md).

    from keyturn.client import Client

    with Client() as keyturn:             # the server and the token of the last `keyturn login`
        print(keyturn.account().email)

The errors are drawn as a tree in keyturn.client.errors. What is not in ``__all__`` may change at any time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyturn.client.api import Client
    from keyturn.client.errors import (
        ApiError,
        ConnectionFailed,
        Forbidden,
        Invalid,
        KeyturnError,
        NotFound,
        NotLoggedIn,
        RateLimited,
        ServerFault,
        StorageFailed,
        TwoFactorRequired,
        Unauthorized,
    )
    from keyturn.client.hosts import HostError
    from keyturn.client.models import (
        AccessToken,
        Account,
        AppSetUp,
        Authorization,
        Ending,
        Factor,
        Key,
        Preview,
        RateLimit,
        Session,
        TwoFactorStatus,
        Use,
        Verified,
        Why,
    )

__all__ = [
    "AccessToken",
    "Account",
    "ApiError",
    "AppSetUp",
    "Authorization",
    "Client",
    "ConnectionFailed",
    "Ending",
    "Factor",
    "Forbidden",
    "HostError",
    "Invalid",
    "Key",
    "KeyturnError",
    "NotFound",
    "NotLoggedIn",
    "Preview",
    "RateLimit",
    "RateLimited",
    "ServerFault",
    "Session",
    "StorageFailed",
    "TwoFactorRequired",
    "TwoFactorStatus",
    "Unauthorized",
    "Use",
    "Verified",
    "Why",
]

_MODELS = (
    "AccessToken", "Account", "AppSetUp", "Authorization", "Ending", "Factor", "Key", "Preview", "RateLimit", "Session",
    "TwoFactorStatus", "Use", "Verified", "Why",
)  # fmt: skip


def __getattr__(name: str) -> object:
    # The command line imports parts of this package at every start; what costs is imported when it is asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = (
        "api" if name == "Client" else "hosts" if name == "HostError" else "models" if name in _MODELS else "errors"
    )
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value

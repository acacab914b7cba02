"""Scopes, and the table that says which of them each permission needs.

Scope names and their meaning are the Heroku Platform API's: https://devcenter.heroku.com/articles/oauth#scopes.
"""

from __future__ import annotations

from typing import Final

GLOBAL: Final = "global"

# In the order in which they are shown. What each opens, in plain words.
SCOPES: Final[dict[str, str]] = {
    "global": "everything the account can do, its credentials included",
    "identity": "read who the account is",
    "read": "read apps and resources, but no configuration values",
    "write": "read and change apps and resources, but no configuration values",
    "read-protected": "read apps and resources, configuration values included",
    "write-protected": "read and change apps and resources, configuration values included",
}

_ANY: Final = frozenset(SCOPES)
_READ: Final = frozenset({"global", "read", "write", "read-protected", "write-protected"})
_WRITE: Final = frozenset({"global", "write", "write-protected"})
_GLOBAL: Final = frozenset({"global"})

# permission -> the scopes of which a credential needs one. What is not here is allowed to nobody.
# Credentials are made, seen and ended with `global` alone: a narrow token must not mint a wider one (beyond.md B14).
PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    "account:read": _ANY,
    "account:write": _GLOBAL,
    "account:password": _GLOBAL,
    "account:two-factor": _GLOBAL,
    "two-factor:read": _GLOBAL,
    "authorizations:read": _GLOBAL,
    "authorizations:write": _GLOBAL,
    "sessions:read": _GLOBAL,
    "sessions:write": _GLOBAL,
    "self:end": _ANY,  # whoever holds a token may always give it up
    "keys:read": _READ,
    "keys:write": _GLOBAL,
    "apps:read": _READ,
    "apps:write": _WRITE,
    "access:write": _GLOBAL,  # whom it lets in stays in
    "git:read": _READ,
    "git:write": _WRITE,
    "features:read": _READ,
    "teams:read": _READ,
    "clients:read": _GLOBAL,
    "clients:write": _GLOBAL,
}

# What an OAuth client may not do whatever its scope: what it made would outlive the authorization that the account's
# owner was promised to be able to take back, and end with nothing that ends it.
NOT_FOR_CLIENTS: Final = frozenset(
    {
        "account:password",
        "account:two-factor",
        "authorizations:write",
        "sessions:write",
        "keys:write",
        "clients:write",
        "access:write",
    }
)

# Permissions that change nothing, or only give a right up: what is left to a token in its soft expiry.
READING: Final = frozenset(name for name in PERMISSIONS if name.endswith(":read")) | {"self:end"}


def normalize(asked: object) -> tuple[str, ...]:
    """The scopes that a mint asked for, known, without repetition, in the order of SCOPES.

    ``asked`` is what clients send: absent (None), a list, or one string separated by spaces or commas. Nothing asked
    means ``("global",)``, as Heroku's clients expect (wire.md 9.3).

    Raises ValueError, naming what is wrong, for an unknown name or another type.
    """
    if asked is None:
        return (GLOBAL,)
    if isinstance(asked, str):
        asked = asked.replace(",", " ").split()
    if not isinstance(asked, list) or not all(isinstance(name, str) for name in asked):
        raise ValueError("scope must be a list of scope names")
    unknown = [name for name in asked if name not in SCOPES]
    if unknown:
        raise ValueError(f"unknown scope {unknown[0][:40]!r}; the valid ones are {', '.join(SCOPES)}")
    if not asked:
        raise ValueError("scope is empty; leave it out for a global token, or name what it may do")
    return tuple(name for name in SCOPES if name in asked)


def includes(held: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    """Whether a credential that holds ``held`` may pass on all of ``asked``: minting only narrows."""
    return GLOBAL in held or all(_IMPLIED.get(name, frozenset({name})) & set(held) for name in asked)


# Scopes that let change something: what a token in its soft expiry has no more.
CHANGING: Final = _WRITE

# A scope is passed on by itself and by every wider one.
_IMPLIED: Final[dict[str, frozenset[str]]] = {
    "identity": _ANY,
    "read": _READ,
    "write": _WRITE,
    "read-protected": frozenset({"global", "read-protected", "write-protected"}),
    "write-protected": frozenset({"global", "write-protected"}),
}

"""The signed-in pages: own account under /settings, administrators' under /admin. Every route of them, on one screen.

``page(path, get, post=..., **options)`` and ``act(path, post, **options)`` (a form without a page of its own) take the
options of pages.visit.Page; ``act`` is for signed-in people always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.web.routing import Route


def routes(page: Callable[..., Route], act: Callable[..., Route]) -> list[Route]:  # noqa: ARG001
    """All of them."""
    return [
        # authorizations, the API key, one credential
        # profile, password, closing the account
        # signing up, invitations, proving an address
        # two-factor sign-in
        # sessions and devices, SSH keys, OAuth clients, activity
        # administration
    ]  # fmt: skip

"""What several of the administrators' pages need: badges of an account, numbers and words of the query."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from keyturn.core.credential import Account

TEXT_LONGEST = 200
PAGE_LARGEST = 1000


def badges(account: Account) -> list[tuple[str, str]]:
    """What is to be known of the account at a glance: text and tone each."""
    found = []
    if account.closed_at is not None:
        found.append(("Closed", "quiet"))
    if account.suspended_at is not None:
        found.append(("Suspended", "bad"))
    if account.admin:
        found.append(("Administrator", "brass"))
    if account.mfa_since is not None:
        found.append(("Two-factor", "ok"))
    if account.federated:
        found.append(("Single sign-on", ""))
    if account.verified_at is None and account.closed_at is None:
        found.append(("Not confirmed", "quiet"))
    return found


def text_asked(asked: dict[str, str], name: str) -> str:
    """A text of the query, without what no column holds."""
    return asked.get(name, "").replace("\x00", "").strip()[:TEXT_LONGEST]


def page_asked(asked: dict[str, str]) -> int:
    """The page of a list, from 1 on."""
    text = asked.get("page", "")
    return min(max(int(text), 1), PAGE_LARGEST) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def link(path: str, **fields: str | int) -> str:
    """``path`` with what is not empty as its query; page 1 goes without saying."""
    given = {name: value for name, value in fields.items() if value and not (name == "page" and value == 1)}
    return f"{path}?{urlencode(given)}" if given else path

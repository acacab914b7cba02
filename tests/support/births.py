"""Reads what a credential was told at its birth back into the events that it names."""

from __future__ import annotations

import re

from keyturn.core.policy import Event

# "log out" says both: whoever logs out everywhere logs out. A reset is a change, so the words for a change say both.
WORDS = {
    "log out": {Event.LOGOUT, Event.LOGOUT_ALL},
    "log out everywhere": {Event.LOGOUT_ALL},
    "revoke it": {Event.REVOKE},
    "change your password": {Event.PASSWORD_CHANGE},
    "reset your password": {Event.PASSWORD_RESET},
    "regenerate it": {Event.KEY_REGENERATED},
    "regenerate the API key": {Event.KEY_REGENERATED},
    "an administrator revokes it": {Event.REVOKE_BY_ADMIN},
    "your account is suspended": {Event.SUSPEND},
    "your account is closed": {Event.CLOSE},
    "its application is removed": {Event.CLIENT_REMOVED},
    "its application gives it up": {Event.CLIENT_REVOKE},
    "its application leaves it unused for 30 days": set(),
}
NAMED = frozenset(set().union(*WORDS.values()) - {Event.PASSWORD_RESET} | {Event.EXPIRY})
"""The events that a text names if and only if they end the credential."""

_TEXT = re.compile(
    r"(?:never expires; ends|expires in (?P<span>[a-z0-9 ]+) \([^)]*\), or sooner) if you (?P<you>.*?)(?:, or if (?P<others>.*))?"
)


def named(told: str) -> set[Event]:
    """The events that ``told`` names; fails for a text with anything else in it."""
    found = _TEXT.fullmatch(told)
    assert found, told
    phrases = re.split(r", | or ", found["you"]) + (re.split(r", | or ", found["others"]) if found["others"] else [])
    events = set().union(*(WORDS[phrase] for phrase in phrases))
    return events | ({Event.EXPIRY} if found["span"] else set())

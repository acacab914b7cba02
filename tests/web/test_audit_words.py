"""The words of the audit trail: there are some for every action that the source writes."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Any

import pytest
from tests.support.world import START

import keyturn
from keyturn.core.policy import Kind
from keyturn.core.reasons import ENDINGS
from keyturn.store.interface import AuditEvent
from keyturn.web.pages import audit_words

# what the names in formatted actions can stand for
VALUES = {
    "kind": {kind.value for kind in Kind},
    "state": {"accepted", "declined"},
}


def actions_in(source: str) -> set[str]:
    """The action of each call of audit.record and audit.event: its fourth or third argument, with every kind filled in."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if not isinstance(node.func.value, ast.Name) or node.func.value.id != "audit":
            continue
        at = {"record": 3, "event": 2}.get(node.func.attr)
        if at is not None:
            found |= texts_of(node.args[at])
    return found


def texts_of(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return texts_of(node.body) | texts_of(node.orelse)
    if isinstance(node, ast.JoinedStr):
        made = {""}
        for part in node.values:
            made = {head + tail for head in made for tail in texts_of(part)}
        return made
    if isinstance(node, ast.FormattedValue):
        return texts_of(node.value)
    return VALUES[node.attr if isinstance(node, ast.Attribute) else node.id]  # type: ignore[attr-defined]


@functools.cache
def all_actions() -> set[str]:
    folder = Path(keyturn.__file__).parent
    return {action for file in folder.rglob("*.py") for action in actions_in(file.read_text())}


def test_every_action_that_is_written_has_words() -> None:
    found = all_actions()
    assert {"sign_in", "login.create", "cli_login.deny", "web.end", "ssh_key.end"} <= found  # the walk sees them all
    assert {action for action in found if audit_words.template_of(action) is None} == set()


def test_every_action_is_in_a_group_of_the_filter_and_no_group_is_empty() -> None:
    def groups(action: str) -> list[str]:
        return [
            name
            for name, (_, actions) in audit_words.GROUPS.items()
            if any(action.startswith(each) if each.endswith(".") else action == each for each in actions)
        ]

    found = {action: groups(action) for action in all_actions()}
    assert [action for action, its in found.items() if not its] == []
    assert {name for its in found.values() for name in its} == audit_words.GROUPS.keys()


def test_every_reason_of_an_ending_has_words() -> None:
    assert audit_words.ENDED.keys() == ENDINGS.keys()


@pytest.mark.parametrize(
    "details", [{}, {"scope": 7}, {"before": 3, "after": []}, {"count": "x"}, {"fields": 3}, {"way": ["x"]}]
)
@pytest.mark.parametrize("outcome", ["ok", "refused", "ignored"])
def test_no_details_can_break_a_sentence(details: dict[str, Any], outcome: str) -> None:
    for action in all_actions():
        for reason in (None, "expired", "unheard_of"):
            said = audit_words.say(AuditEvent(START, action, outcome, reason=reason, details=details))
            assert said.sentence
            assert said.known

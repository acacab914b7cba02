"""The words of the audit trail: there are some for every action that the source writes."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.world import START

import keyturn
from keyturn.core.policy import Kind
from keyturn.core.reasons import ENDINGS, FORBIDDEN, UNPROVEN
from keyturn.store.interface import AuditEvent
from keyturn.web.pages import audit_words

if TYPE_CHECKING:
    from collections.abc import Iterator

# what the names in formatted actions can stand for
VALUES = {
    "kind": {kind.value for kind in Kind},
    "state": {"accepted", "declined"},
}


def actions_in(source: str) -> set[str]:
    """The action of whatever makes an event, with every kind filled in: of audit.record its fourth argument, of audit.event
    the third, of an AuditEvent the second; and what refusals are noted with: the value of a key, or the default of a
    parameter or field, that is called "action".
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        for name, value in named_in(node):
            if name == "action" and isinstance(value, ast.Constant | ast.IfExp):
                found |= texts_of(value) - {"", "None"}  # where one may be searched for, or none be there
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        at = {"audit.record": 3, "audit.event": 2, "AuditEvent": 1}.get(called)
        if at is None:
            continue
        given = node.args[at : at + 1] or [keyword.value for keyword in node.keywords if keyword.arg == "action"]
        # what hands an action on was told it elsewhere, and the store reads rows back
        if given and ast.unparse(given[0]) not in ("action", "refusal.action"):
            found |= texts_of(given[0])
    return found


def named_in(node: ast.AST) -> Iterator[tuple[object, ast.expr]]:
    """The keys, parameters and fields that have a value here."""
    if isinstance(node, ast.Dict):
        yield from (
            (key.value, value)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        )
    elif isinstance(node, ast.arguments):
        named = [*node.posonlyargs, *node.args]
        yield from ((each.arg, value) for each, value in zip(named[::-1], node.defaults[::-1], strict=False))
        yield from ((each.arg, value) for each, value in zip(node.kwonlyargs, node.kw_defaults, strict=True) if value)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        yield node.target.id, node.value


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
    # the walk sees them all
    assert {"sign_in", "login.create", "cli_login.deny", "web.end", "ssh_key.end", "request", "git.fetch"} <= found
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


@pytest.mark.parametrize("reason", sorted((ENDINGS | UNPROVEN | FORBIDDEN).keys() - {"missing"}))
def test_every_reason_of_a_refused_request_has_words(reason: str) -> None:
    said = audit_words.say(AuditEvent(START, "request", "refused", reason=reason, details={"count": 1}))
    assert "token was refused" in said.sentence
    assert said.why
    often = audit_words.say(AuditEvent(START, "request", "refused", reason=reason, details={"count": 12}))
    assert often.why == f"{said.why}, 12 times"


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

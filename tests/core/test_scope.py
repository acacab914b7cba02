"""Scopes: every permission says what it takes, and minting only narrows."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import decide, scope
from keyturn.core.credential import Principal

SCOPES = list(scope.SCOPES)
HELD = st.lists(st.sampled_from(SCOPES), min_size=1, unique=True).map(tuple)

# Every permission, with the scopes that open it: the whole table once more, as the documents have it.
TABLE = {
    "account:read": "global identity read write read-protected write-protected",
    "account:write": "global",
    "account:password": "global",
    "account:two-factor": "global",
    "two-factor:read": "global",
    "authorizations:read": "global",
    "authorizations:write": "global",
    "sessions:read": "global",
    "sessions:write": "global",
    "self:end": "global identity read write read-protected write-protected",
    "keys:read": "global read write read-protected write-protected",
    "keys:write": "global",
    "apps:read": "global read write read-protected write-protected",
    "apps:write": "global write write-protected",
    "access:write": "global",
    "git:read": "global read write read-protected write-protected",
    "git:write": "global write write-protected",
    "features:read": "global read write read-protected write-protected",
    "teams:read": "global read write read-protected write-protected",
    "clients:read": "global",
    "clients:write": "global",
}
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def holder(*held: str) -> Principal:
    return Principal("a", "a@example.com", "g", "t", "authorization", held, "", LATER, LATER)


def test_every_permission_takes_exactly_the_scopes_of_the_table() -> None:
    assert {name: " ".join(s for s in SCOPES if s in needed) for name, needed in scope.PERMISSIONS.items()} == TABLE


@pytest.mark.parametrize(("permission", "held"), list(product(TABLE, SCOPES)))
def test_a_scope_opens_what_the_table_says_and_nothing_else(permission: str, held: str) -> None:
    refusal = decide.authorize(holder(held), permission)
    if held in TABLE[permission].split():
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.reason == "insufficient_scope"
        assert list(refusal.needed) == TABLE[permission].split()


def test_a_permission_that_is_not_in_the_table_is_a_fault_and_no_yes() -> None:
    with pytest.raises(KeyError):
        decide.authorize(holder("global"), "rockets:launch")


def opens(held: tuple[str, ...]) -> set[str]:
    return {permission for permission in TABLE if decide.authorize(holder(*held), permission) is None}


@given(HELD, HELD)
def test_what_may_be_passed_on_opens_nothing_that_was_not_open_before(
    held: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    if scope.includes(held, asked):
        assert opens(asked) <= opens(held)


# The lattice: what each scope contains, itself and `identity` aside.
CONTAINS = {
    "global": {"read", "write", "read-protected", "write-protected"},
    "write-protected": {"read", "write", "read-protected"},
    "read-protected": {"read"},
    "write": {"read"},
    "read": set(),
    "identity": set(),
}


@pytest.mark.parametrize(("held", "asked"), list(product(SCOPES, SCOPES)))
def test_one_scope_is_passed_on_by_itself_and_by_what_contains_it(held: str, asked: str) -> None:
    assert scope.includes((held,), (asked,)) == (asked in CONTAINS[held] | {held, "identity"})


@given(HELD, HELD, HELD)
def test_passing_on_is_transitive_and_reflexive(a: tuple[str, ...], b: tuple[str, ...], c: tuple[str, ...]) -> None:
    assert scope.includes(a, a)
    if scope.includes(a, b) and scope.includes(b, c):
        assert scope.includes(a, c)


@given(HELD, HELD, HELD)
def test_holding_more_never_passes_on_less(
    held: tuple[str, ...], more: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    if scope.includes(held, asked):
        assert scope.includes((*held, *more), asked)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (None, ("global",)),
        ("read", ("read",)),
        ("read,write", ("read", "write")),
        ("write  read", ("read", "write")),
        (["write", "read", "write"], ("read", "write")),
        (["identity"], ("identity",)),
        (["write-protected", "global"], ("global", "write-protected")),
    ],
)
def test_scopes_are_read_leniently_and_kept_in_one_order(asked: object, names: tuple[str, ...]) -> None:
    assert scope.normalize(asked) == names


@pytest.mark.parametrize(
    "asked", [5, True, {"read": 1}, [1], [["read"]], [None], "admin", ["read", "admin"], "READ", ["read "]]
)
def test_what_is_no_scope_is_refused_in_words(asked: object) -> None:
    with pytest.raises(ValueError, match=r"^unknown scope '|^scope must be a list"):
        scope.normalize(asked)


@given(st.none() | st.text() | st.lists(st.text() | st.integers()))
def test_no_scope_raises_anything_but_a_sentence_and_none_is_made_up(asked: object) -> None:
    try:
        names = scope.normalize(asked)
    except ValueError as wrong:
        assert len(str(wrong)) < 600  # noqa: PT017
    else:
        assert names
        assert set(names) <= set(SCOPES)

"""Which e-mail addresses are taken, and which two are the same: nobody passes for another."""

from __future__ import annotations

import pytest

from keyturn.core import address


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada@EXAMPLE.Com ", "Ada@example.com"),
        ("ada+x@example.com", "ada+x@example.com"),
        ("a@b", "a@b"),
        ("cafe\u0301@example.com", "caf\u00e9@example.com"),
        ("ada@xn--strae-oqa.de", "ada@xn--strae-oqa.de"),
    ],
)
def test_an_address_is_kept_composed_with_its_domain_in_lower_case(typed: str, kept: str) -> None:
    assert address.clean(typed) == kept
    assert address.key(typed) == address.key(kept)


@pytest.mark.parametrize(
    "text",
    [
        "ada\u200b@example.com", "\u202eada@example.com", "ada\ufeff@example.com", "ada\u2060@example.com",
        "ada\ud800@example.com", "ada@exam\u00adple.com", "\uff41da@example.com", "ada@\uff45xample.com",
        "ada@example\u3002com", "ada@\uff45xample\uff0ecom", "\ufb01ona@example.com", "ada@stra\u00dfe.de",
        "ada@ex\u0430mple.com", "ada@example.com.", "ada@.example.com", "ada@exa mple.com", "<b>@example.com", "ada",
        "", "a@b@c", "ada@", "@example.com", "a" * 65 + "@example.com", "a@" + "b" * 253,
    ],
)  # fmt: skip
def test_what_cannot_be_seen_or_looks_like_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        address.clean(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ADA@example.com", "ada@EXAMPLE.com", True),
        ("CAF\u00c9@example.com", "cafe\u0301@example.com", True),
        ("ada@stra\u00dfe.de", "ada@strasse.de", False),
        ("stra\u00dfe@example.com", "strasse@example.com", False),
        ("ada@example.com", "ad\u0430@example.com", False),
    ],
)
def test_case_and_composition_do_not_count_and_all_else_does(one: str, other: str, *, same: bool) -> None:
    assert (address.key(one) == address.key(other)) == same


def test_the_domain_is_told_by_its_letters() -> None:
    assert address.domain_of("Ada@EXAMPLE.com") == "example.com"
    assert address.domain_of("mallory@stra\u00dfe.de") != "strasse.de"

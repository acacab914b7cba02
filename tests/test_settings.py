"""Flags that are refused by name rather than be without effect."""

from __future__ import annotations

import pytest

from keyturn import settings


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1, ::1,10.1.2.0/24", "127.0.0.1,::1,10.1.2.0/24"),
        (" * ", "*"),
    ],
)
def test_proxies_are_trusted_by_address_and_network(given: str, read: str) -> None:
    assert settings.read(["--trusted-proxies", given], {}).trusted_proxies == read
    assert settings.read([], {"KEYTURN_TRUSTED_PROXIES": given}).trusted_proxies == read


@pytest.mark.parametrize(
    "given", ["nginx", "127.0.0.1 10.0.0.1", "127.0.0.1,", "10.1.2.3/24", "127.0.0.1:8080", "*,::1"]
)
def test_what_no_connection_can_come_from_is_no_proxy(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settings.read(["--trusted-proxies", given], {})
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "argument --trusted-proxies: " in said
    assert "is neither an address, such as 127.0.0.1, nor a network, such as 10.1.2.0/24" in said

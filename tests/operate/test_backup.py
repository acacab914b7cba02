"""A backup is for its operator alone, wherever it is put."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from tests.support.world import EMAIL, World

from keyturn import admin

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_lies_in_the_way_of_a_backup_gets_nothing_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)
    world.account()
    world.close()
    elsewhere = tmp_path / "readable"
    elsewhere.touch(mode=0o644)
    to = tmp_path / "backup.db"
    (tmp_path / "backup.db.partial").symlink_to(elsewhere)
    assert admin.main(["--data", str(tmp_path), "backup", str(to)]) == 0, capsys.readouterr().err
    assert elsewhere.read_bytes() == b""
    assert not to.is_symlink()
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    assert EMAIL.encode() in to.read_bytes()


def test_a_restore_keeps_what_it_replaces_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path)]
    world = World(tmp_path)
    world.account()
    world.close()
    backup = str(tmp_path / "backup.db")
    assert admin.main([*data, "backup", backup]) == 0
    for number in (1, 2):
        assert admin.main([*data, "restore", backup]) == 0, capsys.readouterr().err
        kept = tmp_path / ("keyturn.db.before-restore" + ("" if number == 1 else "-2"))
        assert EMAIL.encode() in kept.read_bytes()
        assert kept.name in capsys.readouterr().err
    assert admin.main([*data, "accounts"]) == 0
    assert capsys.readouterr().out.strip() == EMAIL

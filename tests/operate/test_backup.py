"""A backup is for its operator alone, wherever it is put; the guide to backups does what it says, command by command."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import run
from tests.support.gits import Checkout, gits
from tests.support.world import EMAIL, World

from keyturn import admin
from keyturn.actions import apps

if TYPE_CHECKING:
    import pytest

    from keyturn.core.credential import App

GUIDE = (Path(__file__).parents[2] / "docs" / "operate" / "backups.md").read_text(encoding="utf-8")
COPY, RESTORE = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
STORE, REPOSITORIES = re.split(r"^(?=for )", COPY, flags=re.MULTILINE)
"""What the guide copies first, and what second."""


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


class Data:
    """A server's data folder with somebody's apps, and where the guide puts copies of it."""

    def __init__(self, folder: Path) -> None:
        self.data, self.to = folder / "data", folder / "backup of it"
        self.data.mkdir(mode=0o700)
        self.world = World(self.data)
        self.who = self.world.principal(self.world.mint(self.world.account()))
        self.work = Checkout(folder / "work")
        run(["git", "init", "-q", str(self.work.folder)], None, gits())

    def app(self, name: str) -> App:
        return apps.create(self.world.env, self.world.by(), self.who, name=name).app

    def path(self, app: App, data: Path | None = None) -> str:
        return str((data or self.data) / "repositories" / f"{app.id}.git")

    def push(self, app: App, *refs: str) -> None:
        self.work.git("commit", "-q", "--allow-empty", "-m", "something new")
        self.work.git("push", "-q", self.path(app), *refs)

    def sh(self, script: str, data: Path | None = None) -> str:
        """Runs it as the guide has it; what was said."""
        done = run(["sh", "-euc", script], None, gits({"DATA": str(data or self.data), "TO": str(self.to)}))
        assert done.code == 0, done
        return done.out + done.err


def refs(repository: str) -> str:
    done = run(["git", "--git-dir", repository, "for-each-ref"], None, gits())
    assert run(["git", "--git-dir", repository, "fsck", "--full", "--strict"], None, gits()).code == 0
    return done.out


def test_apps_made_and_pushed_to_while_the_guide_copies_come_back_whole(tmp_path: Path) -> None:
    on = Data(tmp_path)
    old, empty, doomed = on.app("old-river"), on.app("empty-river"), on.app("doomed-river")
    on.push(old, "HEAD:main", "HEAD:side")
    on.sh(COPY)
    on.push(old, "+HEAD:main", ":side")
    on.sh(STORE.replace("%S", "%S-again"))
    new = on.app("new-river")
    on.push(new, "HEAD:main")
    apps.destroy(on.world.env, on.world.by(), on.who, doomed.name)
    on.sh(f"umask 077\n{REPOSITORIES}")
    on.world.close()
    elsewhere = tmp_path / "elsewhere"
    assert "The store is whole." in on.sh(RESTORE, elsewhere)
    for app in (old, empty, new):
        assert refs(on.path(app, elsewhere)) == refs(on.path(app)), app.name
    assert "refs/heads/main" in refs(on.path(old, elsewhere))
    assert "side" not in refs(on.path(old, elsewhere))
    assert all(stat.S_IMODE(found.stat().st_mode) & 0o077 == 0 for found in on.to.rglob("*"))


def test_what_the_guide_puts_back_over_keeps_what_was_there(tmp_path: Path) -> None:
    on = Data(tmp_path)
    app = on.app("old-river")
    on.push(app, "HEAD:main")
    before = refs(on.path(app))
    on.sh(COPY)
    on.push(app, "HEAD:main")
    mistaken = refs(on.path(app))
    on.world.close()
    on.sh(RESTORE)
    assert refs(on.path(app)) == before != mistaken
    assert refs(str(on.data / "repositories.before-restore" / f"{app.id}.git")) == mistaken


def test_a_restore_of_the_store_alone_is_told_which_code_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on = Data(tmp_path)
    app = on.app("old-river")
    gone = on.app("gone-river")
    apps.destroy(on.world.env, on.world.by(), on.who, gone.name)
    on.world.close()
    (on.data / "ssh").mkdir()
    assert admin.main(["--data", str(on.data), "backup", str(tmp_path / "backup.db")]) == 0
    told = capsys.readouterr().err
    assert all(name in told for name in ("repositories (", "secret.keys (", "ssh (", "docs/operate/backups.md"))
    elsewhere = ["--data", str(tmp_path / "elsewhere")]
    assert admin.main([*elsewhere, "restore", str(tmp_path / "backup.db")]) == 0
    assert "The apps' code is not in it" in capsys.readouterr().err
    assert admin.main([*elsewhere, "check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"the app old-river has no repository at {on.path(app, tmp_path / 'elsewhere')}"
    ]

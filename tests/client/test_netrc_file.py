from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyturn.client import _netrc_file, netrc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = str(Path(netrc.__file__).parents[2])
OLD = "# mine\nmachine g login x password y\n"
NEW = OLD + "machine h\n  login L\n  password P\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "netrc"
    path.write_text(OLD)
    path.chmod(0o600)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process that has the library at hand."""
    begin = f"import os, signal, sys; sys.path.insert(0, {SOURCE!r}); from keyturn.client import netrc\n"
    command = [sys.executable, "-S", "-c", begin + code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=60)
    return out, err


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert netrc.write(str(tmp_path / "netrc"), ["h"], "L", "P") == []
    finally:
        os.umask(before)
    assert mode(tmp_path / "netrc") == 0o600
    assert os.listdir(tmp_path) == ["netrc"]


def test_a_file_that_others_could_read_is_tightened_and_said(file: Path) -> None:
    file.chmod(0o644)
    assert netrc.write(str(file), ["h"], "L", "P") == [
        f"{file} could be read by other users (mode 0644): it is 0600 now"
    ]
    assert mode(file) == 0o600
    file.chmod(0o640)
    assert netrc.write(str(file), ["h"], "L", "P") == [
        f"{file} could be read by other users (mode 0640): it is 0600 now"
    ]
    assert (mode(file), file.read_text()) == (0o600, NEW)
    file.chmod(0o400)
    assert netrc.write(str(file), ["h"], "L", "P") == []
    assert mode(file) == 0o600


def test_a_file_that_says_it_already_is_not_written_again(file: Path) -> None:
    netrc.write(str(file), ["h"], "L", "P")
    inode = file.stat().st_ino
    netrc.write(str(file), ["h"], "L", "P")
    assert netrc.remove(str(file), ["none"]) == []
    assert file.stat().st_ino == inode
    netrc.write(str(file), ["h"], "L", "P2")
    assert file.stat().st_ino != inode


def test_removing_from_a_missing_file_makes_none(tmp_path: Path) -> None:
    assert netrc.remove(str(tmp_path / "netrc"), ["h"]) == []
    assert os.listdir(tmp_path) == []


def test_a_relative_path_works(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    netrc.write("netrc", ["h"], "L", "P")
    assert file.read_text() == NEW
    assert netrc.remove("netrc", ["h"]) == ["h"]
    assert file.read_text() == OLD


def test_a_symbolic_link_stays_and_its_target_is_replaced(file: Path) -> None:
    folder = file.parent / "home"
    folder.mkdir()
    (folder / "second").symlink_to("../netrc")
    (folder / "first").symlink_to(folder / "second")
    netrc.write(str(folder / "first"), ["h"], "L", "P")
    assert (folder / "first").readlink() == folder / "second"
    assert (folder / "second").readlink() == Path("../netrc")
    assert (file.read_text(), file.is_symlink()) == (NEW, False)
    assert netrc.remove(str(folder / "first"), ["h"]) == ["h"]
    assert sorted(os.listdir(file.parent)) == ["home", "netrc"]
    assert sorted(os.listdir(folder)) == ["first", "second"]


def test_a_dangling_link_gets_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    assert netrc.read(str(tmp_path / "link")) == []
    assert netrc.remove(str(tmp_path / "link"), ["h"]) == []
    netrc.write(str(tmp_path / "link"), ["h"], "L", "P")
    assert (tmp_path / "link").is_symlink()
    assert mode(tmp_path / "target") == 0o600
    assert netrc.read(str(tmp_path / "link")) == [netrc.Entry("h", "L", "P", 1)]


def refused(path: Path, why: str) -> None:
    """Every way in is refused at once, with the path, the reason and no secret, and leaves the folder as it was."""
    before = sorted(os.listdir(path.parent))
    attempts: list[Callable[[], object]] = [
        lambda: netrc.read(str(path)),
        lambda: netrc.find(str(path), ["h"]),
        lambda: netrc.write(str(path), ["h"], "L", "s3cret"),
        lambda: netrc.remove(str(path), ["h"]),
    ]
    for attempt in attempts:
        with pytest.raises(netrc.NetrcError) as refusal:
            attempt()
        text = str(refusal.value)
        assert why in text
        assert path.name in text
        assert "s3cret" not in text
    assert sorted(os.listdir(path.parent)) == before


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "netrc").symlink_to("other")
    (tmp_path / "other").symlink_to("netrc")
    refused(tmp_path / "netrc", "leads back to itself")


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "netrc")
    refused(tmp_path / "netrc", "is not a regular file")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "netrc").mkdir()
    refused(tmp_path / "netrc", "is not a regular file")


def test_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "netrc").symlink_to("/dev/zero")
    with pytest.raises(netrc.NetrcError, match="/netrc is not a regular file"):
        netrc.read(str(tmp_path / "netrc"))


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("netrc")
        refused(tmp_path / "netrc", "it is a socket or a device")


def test_a_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
        refused(file, "belongs to another user (uid 65534)")
    else:
        monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
        refused(file, f"belongs to another user (uid {file.stat().st_uid})")
    assert file.read_text() == OLD


def test_roots_file_is_read_but_not_replaced(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    else:
        file = Path("/etc/passwd")
    assert _netrc_file.read_bytes(str(file)) is not None
    with pytest.raises(netrc.NetrcError, match=r"belongs to another user \(uid 0\)"):
        _netrc_file.read_bytes(str(file), to_write=True)


def test_a_huge_file_is_refused(file: Path) -> None:
    file.write_bytes(b"#" * (1 << 20))
    assert netrc.read(str(file)) == []
    file.write_bytes(b"#" * ((1 << 20) + 1))
    refused(file, "is over 1048576 bytes")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        netrc.NetrcError, match=r"cannot write .*/none/netrc: no such file or directory: make the folder"
    ):
        netrc.write(str(tmp_path / "none" / "netrc"), ["h"], "L", "P")
    (tmp_path / "a").touch()
    with pytest.raises(netrc.NetrcError, match=r"a part of its path is not a folder"):
        netrc.write(str(tmp_path / "a" / "netrc"), ["h"], "L", "P")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="netrc"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_written_is_a_clear_error_and_the_file_stays(open_folder: Path) -> None:
    file = open_folder / "netrc"
    file.write_text(OLD)
    file.chmod(0o600)
    user = 65534 if os.geteuid() == 0 else os.geteuid()  # root may write anywhere
    os.chown(file, user, -1)
    os.chown(open_folder, user, -1)
    open_folder.chmod(0o555)
    process = child(
        "import contextlib, errno, fcntl\nif os.geteuid() == 0: os.setuid(65534)\n"
        "try: netrc.write(sys.argv[1], ['h'], 'L', 's3cret')\nexcept netrc.NetrcError as error: print(error)",
        str(file),
    )
    advice = "check the owner and the mode of the file and of its folder"
    assert said(process) == (f"cannot write {file}: permission denied: {advice}\n", "")
    assert file.read_text() == OLD


def test_a_write_that_runs_out_of_room_is_a_clear_error_and_the_file_stays(file: Path) -> None:
    process = child(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        "try: netrc.write(sys.argv[1], ['h'], 'L', 's3cret')\nexcept netrc.NetrcError as error: print(error)",
        str(file),
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 50
    text = f"cannot write {file}: file too large: raise the limit on the size of files and try again\n"
    assert said(process) == (text, "")
    assert os.listdir(file.parent) == ["netrc"]
    assert file.read_text() == OLD


def test_what_a_crash_left_behind_does_no_harm_and_goes(file: Path) -> None:
    (file.parent / "netrc.new").write_text("half of a s3cr")
    (file.parent / "netrc.lock").touch()
    netrc.write(str(file), ["h"], "L", "P")
    assert file.read_text() == NEW
    assert os.listdir(file.parent) == ["netrc"]


def test_a_link_planted_in_the_temporary_files_place_is_not_followed(file: Path) -> None:
    (file.parent / "netrc.new").symlink_to("victim")
    netrc.write(str(file), ["h"], "L", "P")
    assert (file.read_text(), file.is_symlink()) == (NEW, False)
    assert os.listdir(file.parent) == ["netrc"]


def test_a_link_planted_in_the_locks_place_is_an_error(file: Path) -> None:
    (file.parent / "netrc.lock").symlink_to("victim")
    with pytest.raises(netrc.NetrcError, match=r"cannot write .*/netrc\.lock: "):
        netrc.write(str(file), ["h"], "L", "P")
    assert sorted(os.listdir(file.parent)) == ["netrc", "netrc.lock"]


def test_a_writer_waits_for_the_one_before_it_and_sees_its_work(file: Path) -> None:
    import fcntl

    with open(file.parent / "netrc.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = child("print('go', flush=True); netrc.write(sys.argv[1], ['h'], 'L', 'P')", str(file))
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        file.write_text(OLD + "# late\n")  # as the holder of the lock may
    assert said(process) == ("", "")
    assert file.read_text() == NEW.replace(OLD, OLD + "# late\n")


def test_logins_at_the_same_moment_all_arrive(file: Path) -> None:
    code = (
        "sys.stdin = open(sys.argv[2])\nfor n in range(5): netrc.write(sys.argv[1], [f'h{sys.argv[3]}.{n}'], 'L', 'P')"
    )
    start = file.parent / "start"
    os.mkfifo(start)
    processes = [child(code, str(file), str(start), str(number)) for number in range(8)]
    with open(start, "w"):  # opens when the first is there, and lets them all go
        assert [said(process) for process in processes] == [("", "")] * 8
    entries = netrc.read(str(file))
    assert {entry.machine for entry in entries} == {"g"} | {f"h{i}.{n}" for i in range(8) for n in range(5)}
    assert len(entries) == 41
    assert sorted(os.listdir(file.parent)) == ["netrc", "start"]


def test_the_content_is_on_disk_before_its_name_and_the_name_before_the_end(file: Path) -> None:
    code = (
        "import contextlib, errno, fcntl\n"
        "def say(step, real):\n"
        "    def call(first, *rest):\n"
        "        kind = ' ' + oct(os.fstat(first).st_mode)[:-3] if step == 'fsync' else ''\n"
        "        print(step + kind); return real(first, *rest)\n"
        "    return call\n"
        "for step in ('write', 'fsync', 'replace'): setattr(os, step, say(step, getattr(os, step)))\n"
        "netrc.write(sys.argv[1], ['h'], 'L', 'P')"
    )
    out, err = said(child(code, str(file)))
    assert (out.splitlines(), err) == (["write", "fsync 0o100", "replace", "fsync 0o40"], "")


STEPS = ["open", "fchmod", "write", "fsync", "close", "replace", "unlink"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_at_any_step_leaves_the_old_file_or_the_new_one(file: Path, step: str, after: bool) -> None:
    """One process per call of each system call that writing makes, killed right before or right after that call."""
    code = (
        "import contextlib, errno, fcntl\nstep, after, nth = sys.argv[2], sys.argv[3] == 'True', int(sys.argv[4])\n"
        "real, calls = getattr(os, step), 0\n"
        "def call(*arguments):\n"
        "    global calls\n    calls += 1\n"
        "    if calls == nth and not after: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    try: return real(*arguments)\n"
        "    finally:\n"
        "        if calls == nth and after: os.kill(os.getpid(), signal.SIGKILL)\n"
        "setattr(os, step, call); netrc.write(sys.argv[1], ['h'], 'L', 'P')"
    )
    killed = 0
    for nth in range(1, 10):
        process = child(code, str(file), step, str(after), str(nth))
        assert said(process) == ("", "")
        assert file.read_text() in {OLD, NEW}
        assert all(mode(path) == 0o600 for path in file.parent.iterdir())
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        killed += 1
        file.write_text(OLD)
    assert killed > 0
    netrc.write(str(file), ["h"], "L", "P")
    assert file.read_text() == NEW


def test_a_process_killed_at_random_moments_leaves_a_whole_file(file: Path) -> None:
    code = (
        "print(flush=True)\nwhile True:\n"
        "    netrc.write(sys.argv[1], ['h', 'i'], 'L', 'a' * 3000); netrc.write(sys.argv[1], ['h', 'i'], 'L', 'b' * 3000)"
    )
    for _ in range(20):
        process = child(code, str(file))
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.01))
        process.kill()
        said(process)
        text = file.read_text()
        allowed = [f"machine {m}\n  login L\n  password {c * 3000}\n" for c in "ab" for m in "hi"]
        assert text in {OLD, OLD + allowed[0] + allowed[1], OLD + allowed[2] + allowed[3]}
    netrc.write(str(file), ["h", "i"], "L", "P")
    assert netrc.remove(str(file), ["i"]) == ["i"]
    assert file.read_text() == NEW
    assert os.listdir(file.parent) == ["netrc"]

"""Sealed secrets open for whom they were sealed, with the keys of one file, which nobody else can read or swap."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tests.support.properties  # noqa: F401
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyturn.actions.env import CannotUnseal
from keyturn.adapters import sealing
from keyturn.adapters.sealing import BadKeys, Sealer

if TYPE_CHECKING:
    from pathlib import Path

SEED = b"12345678901234567890"
ABOUT = "totp of account 1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secret.keys"


@pytest.fixture
def sealer(path: Path) -> Sealer:
    return opened(path)


def opened(path: Path) -> Sealer:
    return sealing.open_or_make(path, secrets.token_bytes)


def keys_in(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain=st.binary(max_size=200), about=st.text(st.characters(codec="utf-8"), max_size=50))
def test_what_was_sealed_opens_as_it_was_and_differs_each_time(sealer: Sealer, plain: bytes, about: str) -> None:
    sealed = sealer.seal(plain, about)
    assert sealer.unseal(sealed, about) == plain
    assert sealer.seal(plain, about) != sealed
    assert len(plain) < 4 or plain not in sealed


def test_a_row_moved_to_another_account_does_not_open(sealer: Sealer) -> None:
    sealed = sealer.seal(SEED, ABOUT)
    with pytest.raises(CannotUnseal, match="about something else"):
        sealer.unseal(sealed, "totp of account 2")


def test_a_change_of_any_bit_is_noticed(sealer: Sealer) -> None:
    sealed = sealer.seal(SEED, ABOUT)
    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            with pytest.raises(CannotUnseal):
                sealer.unseal(bytes(changed), ABOUT)


def test_a_piece_of_it_and_more_than_it_do_not_open(sealer: Sealer) -> None:
    sealed = sealer.seal(SEED, ABOUT)
    for wrong in (*(sealed[:cut] for cut in range(len(sealed))), sealed + b"\0", SEED, b"\x01" * 100):
        with pytest.raises(CannotUnseal):
            sealer.unseal(wrong, ABOUT)


def test_the_file_is_made_for_its_owner_alone_and_says_what_it_is(path: Path) -> None:
    before = os.umask(0)
    try:
        opened(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("# The keys with which this server seals")
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    (line,) = keys_in(path)
    assert len(base64.b64decode(line.split()[1])) == 32


def test_an_umask_that_takes_everything_away_does_not_lock_us_out(path: Path) -> None:
    before = os.umask(0o777)
    try:
        opened(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_restart_opens_what_was_sealed_before(sealer: Sealer, path: Path) -> None:
    sealed = sealer.seal(SEED, ABOUT)
    assert opened(path).unseal(sealed, ABOUT) == SEED
    assert not opened(path).outdated(sealed)


def test_processes_that_start_at_once_use_one_key(path: Path) -> None:
    script = (
        "import pathlib, secrets, sys; from keyturn.adapters import sealing; print('ready', flush=True); input(); "
        f"print(sealing.open_or_make(pathlib.Path(sys.argv[1]), secrets.token_bytes).seal({SEED!r}, {ABOUT!r}).hex())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=-1, stdout=-1, text=True) for _ in range(6)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    sealed = [bytes.fromhex(process.communicate()[0]) for process in started]
    assert [opened(path).unseal(each, ABOUT) for each in sealed] == [SEED] * 6
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_new_key_seals_from_then_on_and_the_old_still_opens(sealer: Sealer, path: Path) -> None:
    old = sealer.seal(SEED, ABOUT)
    note = path.read_text().splitlines()[0]
    key_id = sealing.add_key(path, secrets.token_bytes)
    rotated = opened(path)
    new = rotated.seal(SEED, ABOUT)
    assert new[1:5].hex() == key_id
    assert keys_in(path)[0].startswith(key_id)
    assert len(keys_in(path)) == 2
    assert path.read_text().splitlines()[0] == note
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert rotated.unseal(old, ABOUT) == rotated.unseal(new, ABOUT) == SEED
    assert rotated.outdated(old)
    assert not rotated.outdated(new)
    assert rotated.outdated(b"")


def test_a_process_that_runs_on_opens_what_another_sealed_with_the_new_key(sealer: Sealer, path: Path) -> None:
    sealing.add_key(path, secrets.token_bytes)
    assert sealer.unseal(opened(path).seal(SEED, ABOUT), ABOUT) == SEED


def test_a_key_that_is_gone_is_named_with_its_file(sealer: Sealer, path: Path) -> None:
    sealed = sealer.seal(SEED, ABOUT)
    path.unlink()
    with pytest.raises(CannotUnseal) as caught:
        opened(path).unseal(sealed, ABOUT)
    assert sealed[1:5].hex() in str(caught.value)
    assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(CannotUnseal, match="there is no"):
        Sealer(path, {b"none": bytes(32)}, secrets.token_bytes).unseal(sealed, ABOUT)


def test_adding_a_key_where_there_is_none_or_another_is_being_added_changes_nothing(path: Path) -> None:
    with pytest.raises(BadKeys, match="the server makes it"):
        sealing.add_key(path, secrets.token_bytes)
    assert not list(path.parent.iterdir())
    opened(path)
    before = path.read_bytes()
    beside = path.with_name("secret.keys.new")
    beside.touch()
    with pytest.raises(BadKeys, match=r"remove .*secret\.keys\.new"):
        sealing.add_key(path, secrets.token_bytes)
    assert path.read_bytes() == before
    beside.unlink()
    path.write_text("broken")
    with pytest.raises(BadKeys, match="line 1"):
        sealing.add_key(path, secrets.token_bytes)
    assert path.read_text() == "broken"
    assert not beside.exists()


def test_an_id_that_is_taken_is_not_given_twice(path: Path) -> None:
    sealing.open_or_make(path, bytes)
    with pytest.raises(BadKeys, match="taken"):
        sealing.add_key(path, bytes)
    assert len(keys_in(path)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o700 | 0o010])
def test_a_file_that_others_can_reach_is_refused(sealer: Sealer, path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(BadKeys, match="chmod 600"):
        opened(path)
    with pytest.raises(BadKeys, match="chmod 600"):
        sealing.add_key(path, secrets.token_bytes)


def test_somebody_elses_file_is_refused_behind_a_link_too(sealer: Sealer, path: Path) -> None:
    link = path.with_name("link.keys")
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
        link.symlink_to(path)
    else:
        link.symlink_to("/etc/passwd")
    with pytest.raises(BadKeys, match="somebody else"):
        opened(link)


def test_a_link_to_ones_own_file_is_fine_and_stays_one(sealer: Sealer, path: Path) -> None:
    link = path.with_name("link.keys")
    link.symlink_to(path)
    sealed = opened(link).seal(SEED, ABOUT)
    sealing.add_key(link, secrets.token_bytes)
    assert link.is_symlink()
    assert len(keys_in(path)) == 2
    assert opened(path).unseal(sealed, ABOUT) == SEED


def test_a_link_that_leads_nowhere_is_not_followed_to_make_a_file(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(BadKeys, match="leads nowhere"):
        opened(path)
    assert not path.with_name("elsewhere").exists()


def test_what_is_no_file_is_refused_and_not_waited_for(path: Path) -> None:
    path.mkdir()
    with pytest.raises(BadKeys, match="is no file"):
        opened(path)
    path.rmdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(BadKeys, match="is no file"):
        opened(path)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(BadKeys, match="cannot read"):
        opened(path)
    with pytest.raises(BadKeys):
        sealing.add_key(path, secrets.token_bytes)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match=r"cannot write .*secret\.keys"):
        opened(tmp_path / "gone" / "secret.keys")


KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no key"),
        ("# only a note\n", "has no key"),
        (KEY, "line 1"),
        (f"\n# note\n0123abcd {KEY}x\n", "line 3"),
        (f"0123abcd {KEY[:-4]}\n", "line 1"),
        (f"0123ab {KEY}\n", "line 1"),
        (f"0123abcg {KEY}\n", "line 1"),
        (f"0123abcd {KEY} more\n", "line 1"),
        (f"0123abcd {KEY}\n0123ABCD {KEY}\n", "line 2"),
        (f"0123abcd é{KEY[1:]}\n", "line 1"),
        ("#" * 70_000, "too large"),
        ("\ud800", "no text"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line_and_without_its_keys(path: Path, text: str, said: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    path.chmod(0o600)
    with pytest.raises(BadKeys) as caught:
        opened(path)
    assert said in str(caught.value)
    assert KEY[:8] not in str(caught.value)
    assert path.read_bytes() == text.encode("utf-8", "surrogatepass")


def test_notes_blank_lines_and_windows_line_ends_do_not_matter(path: Path) -> None:
    path.write_bytes(f"# a note\r\n\r\n  # another\r\n0123abcd {KEY}\r\n".encode())
    path.chmod(0o600)
    assert opened(path).seal(SEED, ABOUT)[1:5].hex() == "0123abcd"


def test_a_sealer_does_not_show_its_keys(sealer: Sealer, path: Path) -> None:
    (line,) = keys_in(path)
    key = base64.b64decode(line.split()[1])
    assert line.split()[1] not in f"{sealer!r}{sealer}"
    assert repr(key)[2:10] not in f"{sealer!r}{sealer}"


def test_a_server_that_starts_does_not_wait_for_the_cipher(path: Path) -> None:
    check = (
        "import pathlib, secrets, sys; from keyturn.adapters import sealing; "
        "sealing.open_or_make(pathlib.Path(sys.argv[1]), secrets.token_bytes); sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check, str(path)], check=False).returncode == 0

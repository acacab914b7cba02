"""Bare repositories in a folder, and the git program that serves them. The only module that knows git's options.

A repository goes by its app's id alone, so no text of anybody's becomes a path or an argument.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from keyturn.actions.git_access import GitLimits
from keyturn.adapters import git_hooks, git_process, git_refs
from keyturn.adapters.git_hooks import Conversation
from keyturn.adapters.git_told import Advertisements
from keyturn.core.gitcmd import FETCH, PUSH
from keyturn.core.push import PLACES, Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from keyturn.actions.git_access import Hooks
    from keyturn.adapters.git_process import Process
    from keyturn.adapters.git_told import Told

log = logging.getLogger("keyturn.git")

HEAD: Final = "ref: refs/heads/main\n"
CONFIG: Final = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"

# What every run of git reads besides the repository's own configuration, and nothing else: not the machine's, no home's.
SETTINGS: Final = """\
# Written by Keyturn at its start.
[core]
	hooksPath = {hooks}
	bigFileThreshold = 16m
	packedGitLimit = 256m
	packedGitWindowSize = 8m
	fsync = committed,reference
[safe]
	directory = *
[transfer]
	fsckObjects = true
[receive]
	autogc = false
	updateServerInfo = false
	advertisePushOptions = false
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = false
[pack]
	threads = 1
	windowMemory = 64m
	deltaCacheSize = 64m
[gc]
	auto = 0
[maintenance]
	auto = false
"""
SWEPT_AFTER: Final = 600.0
GC_SECONDS: Final = 3600
PACKS: Final = 50
LOOSE: Final = 6700
"""Packs, and loose objects, that a repository may have before it is packed anew: git's own figures [git-gc]."""
QUICK_SECONDS: Final = 60


class NoGit(OSError):
    """There is no git program on this machine."""


class Git:
    """Implements the Repositories of actions.env and the Program of actions.git_access."""

    def __init__(self, root: Path, limits: GitLimits | None = None) -> None:
        """``root``: the folder of the repositories; made when it is not there. Raises OSError."""
        self._root = root.resolve()
        self.limits = limits or GitLimits()
        self._own = self._root / ".keyturn"
        self._pushes, self._hooks = self._own / "pushes", self._own / "hooks"
        for folder in (self._root, self._own, self._pushes):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        git_hooks.write(self._hooks)
        home = self._own / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        settings = SETTINGS.format(hooks=_quoted(str(self._hooks)))
        file = home / ".gitconfig"
        if not file.exists() or file.read_text() != settings:
            git_hooks.replace(file, settings, 0o600)
        self._program = shutil.which("git")
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "GIT_CONFIG_GLOBAL": str(file),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        self._threads = ThreadPoolExecutor(self.limits.processes, "keyturn-git")
        self._told = Advertisements()
        self._running: set[subprocess.Popen[bytes]] = set()

    @property
    def installed(self) -> bool:
        """Whether there is a git program to serve them with."""
        return self._program is not None

    # repositories

    def path(self, app_id: str) -> Path:
        """Where an app's is. Raises ValueError for what is no id."""
        return self._root / f"{uuid.UUID(app_id)}.git"

    def make(self, app_id: str) -> None:
        """An empty one, all of it or nothing; one that is there stays."""
        path = self.path(app_id)
        if path.exists():
            return
        new = self._root / f".new-{secrets.token_hex(8)}"
        for folder in (new, new / "objects", new / "objects/info", new / "objects/pack", new / "refs", new / "refs/heads",
                       new / "refs/tags"):  # fmt: skip
            folder.mkdir(mode=0o700)
        (new / "HEAD").write_text(HEAD)
        (new / "config").write_text(CONFIG)
        try:
            new.rename(path)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            if not path.exists():
                raise

    def remove(self, app_id: str) -> None:
        """Out of reach at once, then deleted."""
        trash = self._root / f".trash-{secrets.token_hex(8)}"
        with suppress(FileNotFoundError):
            self.path(app_id).rename(trash)
        shutil.rmtree(trash, ignore_errors=True)

    def clear_trash(self) -> None:
        """Deletes what an interrupted ``make`` or ``remove`` left; for the start, before anybody makes one."""
        for left in [*self._root.glob(".trash-*"), *self._root.glob(".new-*")]:
            shutil.rmtree(left, ignore_errors=True)

    def size(self, app_id: str) -> int:
        """Bytes of its files."""
        return sum(entry.stat().st_size for entry in _files(self.path(app_id)))

    def count_refs(self, app_id: str) -> int:
        """An upper bound: a ref that is packed and was changed since counts twice."""
        path = self.path(app_id)
        count = sum(1 for _ in _files(path / "refs"))
        with suppress(FileNotFoundError), (path / "packed-refs").open("rb") as packed:
            count += sum(1 for line in packed if line[:1] not in b"#^")
        return count

    def happened(self, app_id: str, changes: Sequence[Change]) -> list[Change]:
        """Which changes are as they were to be, by what git reads now."""
        if not self.path(app_id).exists():
            return []
        lines = self._quick(app_id, "for-each-ref", "--format=%(objectname) %(refname)", *PLACES).split("\n")
        now = {name: value for value, _, name in (line.partition(" ") for line in lines)}
        return [c for c in changes if (now.get(c.ref) == c.new if c.sort != "deleted" else c.ref not in now)]

    def point_head(self, app_id: str, branches: Sequence[str]) -> None:
        """Lets HEAD, which a clone checks out, name the first of ``branches`` that is there, unless what it names is there
        already. Raises OSError.
        """
        named = (self.path(app_id) / "HEAD").read_text().removeprefix("ref: ").rstrip("\n")
        if self._has(app_id, named):
            return
        branch = next((each for each in branches if self._has(app_id, each)), None)
        if branch is not None:
            self._quick(app_id, "symbolic-ref", "HEAD", branch)

    def _has(self, app_id: str, ref: str) -> bool:
        path = self.path(app_id)
        if (path / ref).is_file():
            return True
        with suppress(FileNotFoundError), (path / "packed-refs").open("rb") as packed:
            return any(line.rstrip(b"\n").endswith(b" " + ref.encode()) for line in packed)
        return False

    def gc(self, app_id: str) -> None:
        """Packs the repository and removes what nothing reaches, a fortnight after. Raises CalledProcessError."""
        self._quick(app_id, "gc", "--quiet", "--prune=2.weeks.ago", seconds=GC_SECONDS)

    def tidy(self, app_id: str) -> bool:
        """Packs the repository when it has many loose objects, or many packs; whether it did. Raises OSError."""
        objects = self.path(app_id) / "objects"
        packs = sum(1 for entry in _files(objects / "pack") if entry.name.endswith(".pack"))
        # as git's own gc --auto reckons: names are even, so one of the 256 folders tells of all
        loose = sum(1 for _ in _files(objects / "17")) * 256
        if packs <= PACKS and loose <= LOOSE:
            return False
        with (self._own / "packing").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another worker packs one
                return False
            try:
                self.gc(app_id)
            except subprocess.SubprocessError as fault:
                raise OSError(f"the repository of app {app_id} could not be packed: {fault}") from None
        return True

    def sweep(self) -> int:
        """Removes what pushes left that had to be killed, git's quarantine [git-receive-pack]: none takes so long."""
        latest = time.time() - self.limits.seconds - SWEPT_AFTER
        count = 0
        for left in self._root.glob("*.git/objects/tmp_objdir-incoming-*"):
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < latest:
                    shutil.rmtree(left, ignore_errors=True)
                    count += 1
        return count

    def _quick(self, app_id: str, *words: str, seconds: int = QUICK_SECONDS) -> str:
        """What git says; it and all that it started are gone when this returns. Raises OSError, SubprocessError."""
        if self._program is None:
            raise NoGit("git is not installed")
        command = [self._program, "--git-dir", str(self.path(app_id)), *words]
        process = subprocess.Popen(  # noqa: S603 - an absolute program, and words of ours
            command,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._running.add(process)
        try:
            out, complaint = process.communicate(timeout=seconds)
        finally:
            _kill(process)
            process.wait()
            self._running.discard(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, out, complaint)
        return out.decode("utf-8", "backslashreplace")  # as the hooks' lines are

    # pushes whose end is not written down yet

    def note(self, facts: dict[str, Any]) -> str:
        """On the disk when it returns."""
        key = f"{_writer()}.{secrets.token_hex(16)}"
        new = self._pushes / f".{key}"
        with new.open("w", encoding="utf-8") as file:
            json.dump(facts, file)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._pushes / key)
        return key

    def noted(self, before: datetime) -> list[tuple[str, dict[str, Any]]]:
        """Those from before then, and those whose process is gone."""
        found = []
        for file in sorted(self._pushes.iterdir()):
            with suppress(FileNotFoundError):
                old = datetime.fromtimestamp(file.stat().st_mtime, UTC) < before
                if old and file.name.startswith("."):
                    file.unlink()  # never finished, so nothing came of it
                elif (old or _is_gone(file.name)) and not file.name.startswith("."):
                    try:
                        found.append((file.name, json.loads(file.read_text("utf-8"))))
                    except ValueError:
                        log.error("%s cannot be read: what that push changed is not told", file)
                        file.unlink()
        return found

    def strike(self, key: str) -> bool:
        """Only one of many succeeds."""
        try:
            (self._pushes / key).unlink()
        except FileNotFoundError:
            return False
        return True

    # git itself

    def start(
        self, service: str, app_id: str, *, version: int = 0, stateless: bool = False, advertise: bool = False,
        hooks: Hooks | None = None,
    ) -> Process:  # fmt: skip
        """``git upload-pack`` or ``git receive-pack``. ``version``: of the protocol, 0 to 2; ``stateless``: a request of HTTP,
        ``advertise``: its first. A push that changes anything needs ``hooks``, and is refused without.

        Raises OSError: no git, no process, no repository.
        """
        path = self.path(app_id)
        if self._program is None:
            raise NoGit("git is not installed")
        if not path.is_dir():
            raise FileNotFoundError(f"the repository of app {app_id} is missing")
        words = [self._program, service.removeprefix("git-")]
        if service == PUSH:
            words[1:1] = ["-c", f"receive.maxInputSize={self.limits.push_bytes}"]
        if service == FETCH:
            words += ["--strict", f"--timeout={int(self.limits.stall)}"]
        if stateless:
            words.append("--stateless-rpc")
        if advertise:
            words.append("--advertise-refs")  # its name from git 2.34 on is --http-backend-info-refs
        env = self._env | {"GIT_PROTOCOL": f"version={version}"} if version else self._env
        if service != PUSH or advertise:
            return git_process.spawn(
                [*words, str(path)], env, takes_input=not advertise, memory=self.limits.memory, whole=advertise
            )
        if hooks is None or not git_hooks.runnable(self._hooks):
            raise PermissionError(f"{self._hooks}: the hooks that judge pushes cannot be run")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            process = git_process.spawn(
                [*words, str(path)], env, takes_input=True, memory=self.limits.memory, theirs=theirs
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        process.talk(Conversation(ours, hooks, self._threads, lambda changes: self.happened(app_id, changes)))
        return process

    def told(self, service: str, app_id: str, version: int) -> Told:
        """What git says first. To a client of version 2 it is the same for all repositories, which we made alike: its own
        version and our settings.
        """
        if service == FETCH and version == 2:
            return self._told.look((service, version), self._program or "", None)
        if service == PUSH and version == 2:  # there is none: git answers as in protocol 0
            version = 0
        path = str(self.path(app_id))
        amend = None if version else lambda said: git_refs.amended(service, said, path, CONFIG.encode())
        return self._told.look((service, version, app_id), self._program or "", path, amend)

    def close(self) -> None:
        """Stops what packs a repository, and waits for what is being written down."""
        for process in list(self._running):
            _kill(process)
        self._threads.shutdown()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                else:
                    yield entry
    except FileNotFoundError:  # gone meanwhile, or never there
        return


def _quoted(text: str) -> str:
    """A value of git's configuration [git-config, Syntax]."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _writer() -> str:
    """This process, so that others can tell whether it is gone: host, number, and when it was started."""
    return f"{socket.gethostname()}.{os.getpid()}.{_started(os.getpid())}"


def _is_gone(key: str) -> bool:
    """Whether the process that wrote the note has ended, as far as this machine can tell."""
    host, pid, started, _ = ["", "0", "", "", *key.rsplit(".", 3)][-4:]
    return host == socket.gethostname() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """In clock ticks since the machine's start; empty: there is no such process, or it cannot be told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""

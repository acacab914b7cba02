"""Netrc on disk: where it is, reading it safely, and replacing it whole under a lock, plain or through gpg.

Reading imports only what a bare Python start has loaded; what writing needs is imported where it is used.
"""

import os
import stat
import sys
import time

from keyturn.client._netrc_text import NetrcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST = 1 << 20  # bytes; a netrc is a few hundred
LOCK_WAIT = 30.0  # seconds; another login holds the lock for milliseconds, or while gpg asks for a passphrase
READ_FLAGS = os.O_RDONLY
NEW_FLAGS = os.O_CREAT
if sys.platform == "win32":
    READ_FLAGS |= os.O_BINARY
    NEW_FLAGS |= os.O_BINARY | os.O_NOINHERIT
else:
    READ_FLAGS |= os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a FIFO or a terminal must not block
    NEW_FLAGS |= os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def fault(doing: str, path: str, error: OSError) -> NetrcError:
    """An operating system's refusal as one sentence and a next step."""
    import errno

    advice = {
        errno.EACCES: "check the owner and the mode of the file and of its folder",
        errno.EPERM: "check the owner and the mode of the file and of its folder",
        errno.EROFS: "the file system is read-only: point NETRC at a file that can be written",
        errno.ENOSPC: "free some space and try again",
        errno.EDQUOT: "free some space and try again",
        errno.EFBIG: "raise the limit on the size of files and try again",
        errno.ENOENT: "make the folder first, or point NETRC elsewhere",
        errno.ENOTDIR: "a part of its path is not a folder: point NETRC elsewhere",
        errno.ELOOP: "the symbolic link leads back to itself: remove it",
        errno.ENXIO: "it is a socket or a device, not a file: remove it, or point NETRC elsewhere",
        errno.EBUSY: "it is in use or a mount point: point NETRC at another file",
    }
    reason = (error.strerror or "unknown error").lower()
    return NetrcError(f"cannot {doing} {path}: {reason}: {advice.get(error.errno or 0, 'try again')}")


def too_large(path: str) -> NetrcError:
    return NetrcError(f"{path} is over {LARGEST} bytes, which no netrc is: see what it is, and move it away")


def locate(environ: "Mapping[str, str]", platform: str) -> str:
    """The netrc's path, as `keyturn.client.netrc.path` documents it."""
    named = environ.get("NETRC")
    if named:
        return named
    if platform == "win32":
        homes = [environ.get("HOME"), environ.get("HOMEDRIVE", "") + environ.get("HOMEPATH", "")]
        homes.append(environ.get("USERPROFILE"))
        folders = [home for home in homes if home]
        for file in ("_netrc", ".netrc"):
            for folder in folders:
                if os.path.exists(os.path.join(folder, file)):
                    return os.path.join(folder, file)
        for folder in [f for f in folders if os.path.isdir(f)] + folders:
            return os.path.join(folder, "_netrc")
    elif environ.get("HOME"):
        return os.path.join(environ["HOME"], ".netrc")
    elif sys.platform != "win32":
        import pwd

        try:
            return os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".netrc")
        except KeyError:
            pass
    raise NetrcError("cannot tell where the home folder is: set HOME, or NETRC to the path of the netrc")


def load(path: str) -> tuple[bytes, str]:
    """The netrc's plain bytes (none where there is no file) and the name of the file they came from."""
    secret = read_bytes(path + ".gpg")
    if secret is not None:
        return decrypt(secret[0], path + ".gpg"), path + ".gpg"
    plain = read_bytes(path)
    return (b"" if plain is None else plain[0]), path


def read_bytes(path: str, to_write: bool = False) -> tuple[bytes, int] | None:
    """A regular file's content and permission bits, or None where there is none. Never blocks.

    A file of another user is refused; root's is read, since root can do as it likes anyway (mounted secrets),
    but not replaced.
    """
    try:
        fd = os.open(path, READ_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise fault("read", path, error) from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise NetrcError(f"{path} is not a regular file: remove it, or point NETRC at a file")
        if sys.platform != "win32" and status.st_uid not in {os.geteuid(), os.geteuid() if to_write else 0}:
            raise NetrcError(f"{path} belongs to another user (uid {status.st_uid}): "
                             "run this as that user, or point NETRC at a file of your own")  # fmt: skip
        data = b""
        while len(data) <= LARGEST:
            chunk = os.read(fd, LARGEST + 1 - len(data))
            if not chunk:
                return data, stat.S_IMODE(status.st_mode)
            data += chunk
    except OSError as error:
        raise fault("read", path, error) from None
    finally:
        os.close(fd)
    raise too_large(path)


def edit(path: str, change: "Callable[[bytes, str], bytes]", create: bool) -> list[str]:
    """Put `change(content, name)` in the netrc's place, in one step, under a lock. Returns warnings.

    After a crash at any point the file is the old one or the new one, whole. A symbolic link stays, and its
    target is replaced. Where nothing changes, nothing is written.
    """
    name = path + ".gpg" if os.path.exists(path + ".gpg") else path
    if not create and not os.path.lexists(name):
        return []
    target = os.path.realpath(name)
    lock = _lock(target)
    try:
        found = read_bytes(target, to_write=True)
        if found is None and not create:
            return []
        old, mode = found or (b"", 0o600)
        plain = decrypt(old, name) if name != path else old
        new = change(plain, name)
        if new == plain and (mode == 0o600 or not create):
            return []
        _replace(target, encrypt(new, name) if name != path else new)
    finally:
        _unlock(target, lock)
    if mode & 0o077 and sys.platform != "win32":
        return [f"{name} could be read by other users (mode {mode:04o}): it is 0600 now"]
    return []


def _lock(target: str) -> int:
    """Hold `TARGET.lock`, which goes when it is given up: whoever gets it checks that it is still there."""
    name = target + ".lock"
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        try:
            fd = os.open(name, os.O_RDWR | NEW_FLAGS, 0o600)
        except OSError as error:
            raise fault("write", name if os.path.lexists(name) else target, error) from None
        if _try_lock(fd):
            try:
                if sys.platform == "win32" or os.path.samestat(os.fstat(fd), os.lstat(name)):
                    return fd
            except FileNotFoundError:
                pass
            os.close(fd)
            continue
        os.close(fd)
        if time.monotonic() > deadline:
            raise NetrcError(f"another process holds {name} for {LOCK_WAIT:.0f} seconds: end it and try again")
        time.sleep(0.005)


def _try_lock(fd: int) -> bool:
    import errno

    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks (some network mounts): better an unguarded login than none.
        return error.errno in {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}
    return True


def _unlock(target: str, fd: int) -> None:
    if sys.platform != "win32":  # there an open file cannot be removed, and the empty file stays
        import contextlib

        with contextlib.suppress(OSError):
            os.unlink(target + ".lock")
    os.close(fd)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise fault("remove", path, error) from None


def _replace(target: str, data: bytes) -> None:
    """New content by way of a file beside it that nobody else could ever read, then one rename."""
    temporary = target + ".new"  # one name, because the lock is held: what a crash left is cleared away here
    _unlink(temporary)
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_EXCL | NEW_FLAGS, 0o600)
        try:
            _fill(fd, data)
            os.replace(temporary, target)
        except BaseException:
            _unlink(temporary)
            raise
    except OSError as error:
        raise fault("write", target, error) from None
    if sys.platform != "win32":
        _sync_folder(os.path.dirname(target))


def _fill(fd: int, data: bytes) -> None:
    try:
        if sys.platform != "win32":
            os.fchmod(fd, 0o600)  # whatever the umask took away
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_folder(folder: str) -> None:
    """Make the rename last through a power cut, where the file system can; the file is whole anyway."""
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError:
        return
    finally:
        os.close(fd)


def decrypt(data: bytes, name: str) -> bytes:
    """The plain bytes of a `.netrc.gpg`, as Heroku's command line reads it."""
    plain = _gpg(["--batch", "--quiet", "--decrypt"], data, name, "decrypt")
    if len(plain) > LARGEST:
        raise too_large(name)
    return plain


def encrypt(data: bytes, name: str) -> bytes:
    """Armoured, for the user's own default key, as Heroku's command line writes it."""
    return _gpg(["-a", "--batch", "--default-recipient-self", "-e"], data, name, "encrypt")


def _gpg(arguments: list[str], data: bytes, name: str, doing: str) -> bytes:
    import subprocess

    try:
        done = subprocess.run(["gpg", *arguments], input=data, capture_output=True, check=False)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise NetrcError(
            f"cannot {doing} {name}: gpg does not start ({reason}): "
            "install GnuPG, or move the file away to use the plain netrc"
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["gpg gave no reason"]
        raise NetrcError(
            f"cannot {doing} {name}: {said[-1].removeprefix('gpg: ')}: "
            f"try `gpg --decrypt {name}` by hand, or move the file away"
        )
    return done.stdout

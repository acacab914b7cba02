"""Read and edit netrc files, in agreement with curl, git and Python's netrc module.

Followed is curl (git reads netrc through libcurl): the first entry of a host counts, words may stand on any line,
keywords and host names ignore case, unknown words are passed over, `"..."` quotes with backslash escapes, `macdef`
runs to an empty line. Where the tools differ:

- Several entries of a host: curl takes the first, Python the last. The first. `write` leaves only one.
- A second login or password within an entry: curl before 8.21 keeps the first complete pair, later ones and
  Python the last. The first pair. `write` sets them all.
- An entry without a password: curl before 8.21 goes on to the next, later ones send an empty one. We go on.
- An entry without a login: some versions of curl lose it when another entry follows. It counts.
- `#` where a keyword can stand begins a comment to the end of the line (curl before 8.11, Python); later curl knows
  only whole comment lines. Where a value is due, `#` is part of it (curl since 8.11, Python) unless it is the first
  thing on its line.
- `user`: an unknown word to curl, `login` to Python. Unknown. `account login x`: a value to curl since 8.21 and
  Python. A value.
- Only a wholly empty line ends a macro (curl 7, Python), with CRLF too (curl since 8.21, Python).
- A keyword in quotes is a keyword (curl before 8.21, Python).
- A backslash outside quotes is itself (curl), not an escape (Python). `write` quotes it.
- `default` before the host's entry: curl uses it, Python does not. With use_default we use it.
- A byte order mark hides the first entry from all of them; it is skipped here, and `write` warns.
- A line of over 4094 bytes is skipped by curl before 8.11.1; here it counts, and `write` makes none.
- A quote that its line does not close: an error, as in curl before 8.11.

Sources: lib/netrc.c of curl 7.88.1, 8.14.1 and 8.22; Lib/netrc.py of Python 3.11. Reading imports nothing that a
bare Python start has not loaded (not even `__future__`), since `keyturn auth:token` does little else.
"""

import os
import sys

from keyturn.client import _netrc_file, _netrc_text
from keyturn.client._netrc_text import Entry, NetrcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Entry", "NetrcError", "find", "path", "read", "remove", "write"]


def path(environ: "Mapping[str, str]" = os.environ, platform: str = sys.platform) -> str:
    """Where the netrc is, whether or not it exists.

    `$NETRC` where it is set and not empty (curl since 8.16). Else on Unix `.netrc` in $HOME, or in the home folder
    of the user database. On Windows, among %HOME%, %HOMEDRIVE%%HOMEPATH% and %USERPROFILE%: the first `_netrc`
    there is, then the first `.netrc`, then `_netrc` in the first of these folders that exists.

    Raises NetrcError where no home folder can be found.
    """
    return _netrc_file.locate(environ, platform)


def read(path: str) -> list[Entry]:
    """All entries in the order of the file; [] where there is no file. `PATH.gpg`, if it exists, is read instead.

    Values that are not UTF-8 come with surrogate escapes. Raises NetrcError for a file that is not a netrc, is not
    regular, belongs to another user (root's is read), is over 1 MiB, or cannot be read or decrypted.
    """
    data, name = _netrc_file.load(path)
    return _netrc_text.parse_whole(data, name).entries()


def find(path: str, hosts: "Sequence[str]", *, use_default: bool = False) -> Entry | None:
    """The first entry with a password for the first of `hosts` that has one: what `curl -n` would send.

    `default` is used only with use_default, and then instead of every entry below it. The password is returned as
    it stands, even if empty or with a pasted `Bearer `. Raises NetrcError as `read` does, but a syntax error below
    the entry that is found does no harm.
    """
    data, name = _netrc_file.load(path)
    document = _netrc_text.parse(data, name)
    usable = [entry for entry in document.entries() if entry.password is not None]
    default = None
    if use_default:
        for at, entry in enumerate(usable):
            if entry.machine is None:
                default, usable = entry, usable[:at]
                break
    for host in hosts:
        wanted = _netrc_text.fold(host)
        for entry in usable:
            if entry.machine is not None and _netrc_text.fold(entry.machine) == wanted:
                return entry
    if default is None and document.error is not None:
        raise document.error
    return default


def write(path: str, machines: "Sequence[str]", login: str, password: str) -> list[str]:
    """Set login and password for every one of `machines` in one replacement of the file. Returns warnings.

    Every other byte stays: an entry that is there has only its values changed, further entries of the same machine
    go, and a new one is put before `default`, else at the end. Values are quoted where curl, git and Python need it.
    The file is made if missing and is 0600 afterwards; a symbolic link stays; `PATH.gpg`, if it exists, is written
    instead. After a crash it is the old file or the new one.

    Raises NetrcError, with the old file intact, where the file cannot be read (see `read`), locked or replaced, or
    for a value that not all of these tools would read alike: empty, with a control character, a netrc keyword, or
    too long for a line of 4094 bytes.
    """
    hosts = [_machine(machine) for machine in machines]
    words = _word("login", login), _word("password", password)
    warnings: list[str] = []

    def change(data: bytes, name: str) -> bytes:
        new, said = _netrc_text.write(data, hosts, *words, name)
        warnings.extend(said)
        return new

    return _netrc_file.edit(path, change, create=True) + warnings


def remove(path: str, machines: "Sequence[str]") -> list[str]:
    """Remove all entries of `machines` and nothing else; returns those that were there. The file stays, even if empty.

    Raises NetrcError as `write` does.
    """
    found: list[str] = []

    def change(data: bytes, name: str) -> bytes:
        new, there = _netrc_text.remove(data, machines, name)
        found.extend(there)
        return new

    _netrc_file.edit(path, change, create=False)
    return found


def _machine(machine: str) -> str:
    plain = machine and all("!" <= c <= "~" and c not in '"\\#' for c in machine)
    if not plain or machine.lower().encode() in _netrc_text.KEYWORDS:
        raise NetrcError(f"{machine!r} cannot be a machine of a netrc: use the host's ASCII (xn--) name")
    return machine


def _word(what: str, value: str) -> bytes:
    """A value as curl, git and Python's netrc all read it back, in every version since curl 7.84 knew quotes."""
    if not value:
        raise NetrcError(f"an empty {what} cannot stand in a netrc: give the {what}")
    if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in value):
        raise NetrcError(f"the {what} has a line break or control character: copy the {what} again")
    try:
        word = value.encode()
    except UnicodeEncodeError:
        raise NetrcError(f"the {what} is not valid Unicode text: copy the {what} again") from None
    if word.lower() in _netrc_text.KEYWORDS:
        # Quoting does not help: curl before 8.21 takes these words for the start of an entry when it passes
        # them on the way to another host: `login default password x` would send x to every host.
        raise NetrcError(f"the {what} is a word that begins an entry in a netrc: choose another {what}")
    if value.isascii() and not value.startswith("#") and not any(c in ' "\\' for c in value):
        return word
    # Non-ASCII too is quoted: curl 8.11 to 8.20 can stop at such a byte outside quotes where char is signed.
    return b'"' + word.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

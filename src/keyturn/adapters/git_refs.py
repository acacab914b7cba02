"""git's first words after a change, put together from what git said before and the refs as they are now.

Only what can be told for certain: the capabilities are git's own words of before, and so is what each object is, for an
object never changes; of a new one its file says it. Where anything else would have to be known, git is asked.

Lines stay bytes and are compared as such, so that a thousand refs take less than git takes to start.

Sources: gitprotocol-pack, "Reference Discovery"; git-pack-refs; gitrepository-layout, "refs".
"""

from __future__ import annotations

import os
import re
import zlib
from bisect import bisect_left
from typing import Final

from keyturn.core.gitcmd import FETCH

NEW: Final = 32
"""Refs that are new or moved, beyond which looking at each costs more than asking git."""

_LOOSE: Final = re.compile(rb"([0-9a-f]{40})\n")
_ODD: Final = re.compile(rb"[\0-\x20\x7f~^:?*\[\\]|\.\.|@\{|/\.|\.lock(/|$)|\.$")  # [git-check-ref-format]
_OBJECT: Final = re.compile(rb"[0-9a-f]{40}")
_SYMBOLIC: Final = re.compile(rb"ref: (refs/\S+)\n")
_CHECKED_OUT: Final = re.compile(rb" symref=HEAD:([^ \n]+)")
_SORTS: Final = (b"commit", b"tag", b"tree", b"blob")
_HEAD: Final = b"HEAD"
_PEELED: Final = b"^{}"
_END: Final = b"0000"

# A line begins with four digits of its length. Then come, at these places, 40 of an object, a space, and a ref's name.
_VALUE: Final = slice(4, 44)
_NAME: Final = 45


class _Unsure(Exception):
    """git has to be asked."""


def amended(service: str, said: bytes, repository: str, config: bytes) -> bytes | None:
    """What git would say now in protocol 0, given that it ``said`` so before, with the same program and settings; None: it has
    to be asked. ``config``: of a repository that hides no ref; where refs or objects are kept elsewhere, git_told comes before.
    """
    try:
        lines, capabilities = _read(said)
        refs = _Refs(repository, config)
        head = refs.head() if service == FETCH else b""
        if head != next(iter(_CHECKED_OUT.findall(capabilities)), b""):
            raise _Unsure
        peels = {}  # what tags are of
        if _PEELED + b"\n" in said:
            peels = {lines[at - 1][_VALUE]: line[_VALUE] for at, line in enumerate(lines) if line.endswith(_PEELED)}
        lines = _moved(said, lines, refs, peels, tags=service == FETCH)
        if head:
            lines[:0] = _spelled(refs.value(head), _HEAD, peels)
    except (OSError, _Unsure):  # OSError: changing under our eyes
        return None
    lines[0] = _line(lines[0][4:] + b"\0" + capabilities)
    return b"\n".join([*lines, _END])


def _read(said: bytes) -> tuple[list[bytes], bytes]:
    """The lines of its refs, without HEAD's, and its capabilities."""
    lines = said.split(b"\n")
    lines[0], _, capabilities = lines[0].partition(b"\0")
    if lines.pop() != _END or not lines or not lines[0].startswith((b"HEAD", b"refs/"), _NAME):
        raise _Unsure
    while lines and lines[0].startswith(_HEAD, _NAME):
        del lines[0]
    lines[:1] = [_line(line[4:]) for line in lines[:1]]
    return lines, capabilities


class _Refs:
    """Those that there are now."""

    def __init__(self, repository: str, config: bytes) -> None:
        """Raises OSError; _Unsure."""
        self._repository = repository
        if _content(f"{repository}/config") != config:
            raise _Unsure
        # the loose ones first: whoever packs one writes it down there before its file goes
        self._loose = self._of_files()
        try:
            self._packed = _content(f"{repository}/packed-refs")
        except FileNotFoundError:
            self._packed = b""
        if self._packed.startswith(b"#"):
            self._packed = self._packed.partition(b"\n")[2]
        if (not self._packed.endswith(b"\n") and self._packed) or b"\n\n" in self._packed:  # git would not read it
            raise _Unsure

    def _of_files(self) -> dict[bytes, bytes]:
        """By its name each one's object."""
        found = {}
        root = os.fsencode(self._repository)
        folders = [b"refs"]
        for folder in folders:  # grows meanwhile
            with os.scandir(root + b"/" + folder) as entries:
                for entry in entries:
                    name = folder + b"/" + entry.name
                    if entry.is_dir():
                        folders.append(name)
                    elif not name.endswith(b".lock"):  # which is whoever's changes it
                        value = _LOOSE.fullmatch(_content(entry.path))
                        if value is None or _ODD.search(name):
                            raise _Unsure
                        found[name] = value[1]
        return found

    def lines(self) -> set[bytes]:
        """Of each ref."""
        found = set(self._packed.split(b"\n")) - {b""}
        if b"^" in self._packed:  # what a tag is of
            found.difference_update([line for line in found if line.startswith(b"^")])
        for name, value in self._loose.items():
            found.discard(b"%b %b" % (self._in_pack(name), name))
            found.add(b"%b %b" % (value, name))
        return found

    def head(self) -> bytes:
        """The ref that HEAD names; empty: it names none that is there. Raises _Unsure: it is no name."""
        named = _SYMBOLIC.fullmatch(_content(f"{self._repository}/HEAD"))
        if named is None:
            raise _Unsure
        return named[1] if self.value(named[1]) else b""

    def value(self, name: bytes) -> bytes:
        """A ref's object; empty: there is no such ref."""
        return self._loose.get(name) or self._in_pack(name)

    def _in_pack(self, name: bytes) -> bytes:
        at = self._packed.find(b" %b\n" % name)
        return self._packed[at - 40 : at] if at >= 0 else b""

    def sort(self, value: bytes) -> bytes:
        """What an object is, in git's word. Raises _Unsure: it has no file of its own."""
        name = value.decode("ascii")
        try:
            start = _content(f"{self._repository}/objects/{name[:2]}/{name[2:]}", 128)
            sort = zlib.decompressobj().decompress(start, 8).partition(b" ")[0]
        except (FileNotFoundError, zlib.error):
            sort = b""
        if sort not in _SORTS:
            raise _Unsure
        return sort


def _moved(said: bytes, lines: list[bytes], refs: _Refs, peels: dict[bytes, bytes], *, tags: bool) -> list[bytes]:
    """The lines of ``refs`` in git's order, made from those of before. ``tags``: what new ones are of must be told. Raises
    _Unsure, also where there are no refs.
    """
    before = {line[4:] for line in lines}
    if peels:
        before = {line for line in before if not line.endswith(_PEELED)}
    now = refs.lines()
    gone, new = before - now, now - before
    if not now or len(new) > NEW:
        raise _Unsure
    names = {line[41:] for line in gone}
    names |= {name + _PEELED for name in names}
    kept = [line for line in lines if line[_NAME:] not in names]
    for line in new:
        value, _, name = line.partition(b" ")
        if (
            not _OBJECT.fullmatch(value) or not name.startswith(b"refs/") or _ODD.search(name)
        ):  # which git does not write
            raise _Unsure
        if value + b" " not in said and refs.sort(value) == b"tag" and tags:
            raise _Unsure
        at = bisect_left(kept, name, key=lambda line: line[_NAME:].removesuffix(_PEELED))
        kept[at:at] = _spelled(value, name, peels)
    return kept


def _spelled(value: bytes, name: bytes, peels: dict[bytes, bytes]) -> list[bytes]:
    lines = [_line(b"%b %b" % (value, name))]
    if value in peels:
        lines.append(_line(b"%b %b%b" % (peels[value], name, _PEELED)))
    return lines


def _line(text: bytes) -> bytes:
    """With its length, but without its end."""
    return b"%04x%b" % (len(text) + 5, text)


def _content(path: str | bytes, most: int = -1) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - quicker
        return file.read(most)

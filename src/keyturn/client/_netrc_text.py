"""Netrc as bytes: what its words mean, and edits that leave every other byte alone. Pure: no files, no clock.

`netrc.py` says which tool is followed where curl, git and Python's netrc differ. This module is on the path
of `keyturn auth:token`, so it imports nothing, not even `__future__`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r"
HASH, QUOTE, BACKSLASH = b'#"\\'
KEYWORDS = (b"machine", b"default", b"macdef")  # each begins a section
FIELDS = (b"login", b"password", b"account")
ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9}  # curl's; any other escaped byte stands for itself
LONGEST_LINE = 4094  # bytes before the line ending; curl before 8.11.1 skips a longer line without a word


class NetrcError(Exception):
    """A netrc that cannot be read or written: file, line, what is wrong, what to do. Never a secret."""


class Entry:
    """One `machine` (or, with machine None, the `default`) of a netrc. Its repr masks the password."""

    __slots__ = ("line", "login", "machine", "password")

    def __init__(self, machine: str | None, login: str | None, password: str | None, line: int) -> None:
        self.machine = machine
        self.login = login
        self.password = password
        self.line = line

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return (self.machine, self.login, self.password, self.line) == (
            other.machine, other.login, other.password, other.line)  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.machine, self.login, self.line))

    def __repr__(self) -> str:
        password = "None" if self.password is None else "'***'"
        return f"Entry(machine={self.machine!r}, login={self.login!r}, password={password}, line={self.line})"


class Field:
    """A `login`, `password` or `account` and its value; start is -1 where the file ends before the value."""

    __slots__ = ("end", "key", "key_end", "start")

    def __init__(self, key: bytes, key_end: int) -> None:
        self.key, self.key_end = key, key_end
        self.start = self.end = -1


class Section:
    """What stands from one of KEYWORDS to the next. `words` are the spans of its words, without comments."""

    __slots__ = ("due", "fields", "keyword", "line", "login", "machine", "password", "user", "words")

    def __init__(self, keyword: bytes, start: int, end: int, line: int) -> None:
        self.keyword = keyword
        self.line = line
        self.words = [(start, end)]
        self.fields: list[Field] = []
        self.machine: bytes | None = None
        self.login: bytes | None = None
        self.password: bytes | None = None
        self.user = False  # has the word `user`, which Python's netrc takes for `login`
        self.due = keyword == b"machine"  # the next word is a value, whatever it says

    def key(self, key: bytes, start: int, end: int) -> None:
        if self.keyword == b"macdef":
            return  # a stray word below a macro belongs to nobody
        self.words.append((start, end))
        self.user = self.user or key == b"user"
        if key in FIELDS:
            self.fields.append(Field(key, end))
            self.due = True

    def value(self, value: bytes, start: int, end: int) -> None:
        self.words.append((start, end))
        self.due = False
        if not self.fields:
            self.machine = value
            return
        field = self.fields[-1]
        field.start, field.end = start, end
        if self.login and self.password:
            return  # curl stops at the first complete pair
        if field.key == b"login":
            self.login = value
        elif field.key == b"password":
            self.password = value

    def entry(self) -> Entry:
        return Entry(_text(self.machine), _text(self.login), _text(self.password), self.line)


class Document:
    """A parsed netrc: its sections, the one that the end of the file cuts short, the error it stops at."""

    __slots__ = ("bom", "data", "error", "open", "sections")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.bom = len(BOM) if data.startswith(BOM) else 0
        self.sections: list[Section] = []
        self.open: Section | None = None
        self.error: NetrcError | None = None

    def fail(self, text: str) -> None:
        self.error = NetrcError(text)
        del self.sections[-1:]  # curl does not use the entry that it stops in

    def entries(self) -> list[Entry]:
        return [s.entry() for s in self.sections if s.machine is not None or s.keyword == b"default"]

    def of(self, machine: str) -> list[Section]:
        wanted = fold(machine)
        return [s for s in self.sections if s.machine is not None and s.machine.lower() == wanted]


def fold(host: str) -> bytes:
    """A host name for comparison: curl ignores the case of ASCII letters and nothing else."""
    return host.encode("utf-8", "surrogateescape").lower()


def parse(data: bytes, name: str) -> Document:
    """Read netrc bytes; `name` is the file's name for errors. What stands before an error is in the document.

    Raises NetrcError only for bytes that are not netrc text at all.
    """
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise NetrcError(f"{name}, line {line}: there is a NUL byte (saved as UTF-16?): save it as UTF-8")
    doc = Document(data)
    pos, line, macro = doc.bom, 0, False
    section: Section | None = None
    while pos < len(data):
        line += 1
        stop = data.find(b"\n", pos)
        if stop < 0:
            stop = len(data)
        at, pos, first = pos, stop + 1, True
        if macro:
            macro = bool(data[at:stop].strip(b"\r"))
            continue
        while (at := _skip(data, at, stop)) < stop:
            due = section is not None and section.due
            if data[at] == HASH and (first or not due):
                break  # the rest is a comment
            start, first = at, False
            at, word = _scan(data, at, stop)
            if at < 0:
                doc.fail(
                    f"{name}, line {line}: a quote is opened and not closed on its line: close it, "
                    'or write \\" for a quote that belongs to the value'
                )
                return doc
            if section is not None and due:
                section.value(word, start, at)
            elif (key := word.lower()) in KEYWORDS:
                section = Section(key, start, at, line)
                doc.sections.append(section)
                macro = key == b"macdef"
                if macro:
                    break  # the rest of the line is the macro's name
            elif section is not None:
                section.key(key, start, at)
    if section is not None and (macro or section.due):
        doc.open = section
    return doc


def _skip(data: bytes, at: int, stop: int) -> int:
    while at < stop and data[at] in BLANK:
        at += 1
    return at


def _scan(data: bytes, at: int, stop: int) -> tuple[int, bytes]:
    """Where the word at `at` ends, and what it says; -1 for a quote that is not closed before `stop`."""
    if data[at] != QUOTE:
        start = at
        while at < stop and data[at] not in BLANK:
            at += 1
        return at, data[start:at]
    word = bytearray()
    at += 1
    while at < stop:
        byte = data[at]
        at += 1
        if byte == QUOTE:
            return at, bytes(word)
        if byte == BACKSLASH and at < stop:
            byte = ESCAPES.get(data[at], data[at])
            at += 1
        word.append(byte)
    return -1, b""


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")


def parse_whole(data: bytes, name: str) -> Document:
    """The same, but an error anywhere in the file is raised: a file is not edited on a guess."""
    doc = parse(data, name)
    if doc.error is not None:
        raise doc.error
    return doc


def write(data: bytes, machines: "Iterable[str]", login: bytes, password: bytes, name: str) -> tuple[bytes, list[str]]:
    """Set login and password (words, quoted where need be) for each machine; every other byte stays.

    Returns the new bytes and warnings.
    """
    warnings: list[str] = []
    for machine in machines:
        doc = before = parse_whole(data, name)
        mine = before.of(machine)
        if len(mine) > 1:
            doc = parse_whole(_cut(before, mine[1:]), name)
            warnings += [f"{name}: removed a second entry for {machine} (line {s.line})" for s in mine[1:]]
        kept = doc.of(machine)
        data = _update(doc, kept[0], login, password) if kept else _insert(doc, name, machine.encode(), login, password)
        after = _check(before, data, machine, (login, password), name)
        for section in after.sections[: after.sections.index(after.of(machine)[0])]:
            if section.keyword == b"default":
                warnings.append(
                    f"{name}, line {section.line}: `default` stands before `machine {machine}`, "
                    "so curl and git use it instead: move it to the end of the file"
                )
    if data.startswith(BOM):
        warnings.append(
            f"{name} begins with a byte order mark, which hides its first entry from curl, git and Python: "
            "save it as UTF-8 without one"
        )
    return data, list(dict.fromkeys(warnings))


def remove(data: bytes, machines: "Sequence[str]", name: str) -> tuple[bytes, list[str]]:
    """Remove every entry of these machines, nothing else. Returns the bytes and the machines that were there."""
    doc = parse_whole(data, name)
    found = [machine for machine in machines if doc.of(machine)]
    wanted = {fold(machine) for machine in found}
    sections = [s for s in doc.sections if s.machine is not None and s.machine.lower() in wanted]
    return (_cut(doc, sections) if sections else data), found


def _apply(data: bytes, edits: "Iterable[tuple[int, int, bytes]]") -> bytes:
    for start, end, new in sorted(edits, key=lambda edit: edit[0], reverse=True):
        data = data[:start] + new + data[end:]
    return data


def _eol(data: bytes) -> bytes:
    first = data.find(b"\n")
    return b"\r\n" if data.endswith(b"\r") or (first > 0 and data[first - 1] == 13) else b"\n"


def _line(doc: Document, start: int, end: int) -> tuple[int, int]:
    """Where the text of the line around a span begins and ends, without byte order mark and line feed."""
    stop = doc.data.find(b"\n", end)
    return max(doc.data.rfind(b"\n", 0, start) + 1, doc.bom), len(doc.data) if stop < 0 else stop


def _update(doc: Document, section: Section, login: bytes, password: bytes) -> bytes:
    data = doc.data
    edits: list[tuple[int, int, bytes]] = []
    after_name = section.words[1][1]
    cut_short = section.fields[-1].key_end if section.fields and section.fields[-1].start < 0 else -1
    after_all = [end for _, end in section.words if end != cut_short][-1]
    places: dict[int, list[bytes]] = {}
    for key, value in ((b"login", login), (b"password", password)):
        fields = [f for f in section.fields if f.key == key]
        for f in fields:
            if f.start < 0:
                edits.append((f.key_end, f.key_end, b" " + value))
            else:
                edits.append((f.start, f.end, value + _gap(data, f.end)))
        if not fields:
            # Before the rest, as is usual; but Python takes `user` for a login too, and the last one counts.
            place = after_name if key == b"login" and not section.user else after_all
            places.setdefault(place, []).append(key + b" " + value)
    alone = [s for s, _ in section.words[2:] if not data[_line(doc, s, s)[0] : s].strip(BLANK)]
    indent = data[_line(doc, alone[0], alone[0])[0] : alone[0]] if alone else b"  "
    for place, pairs in places.items():
        stop = _line(doc, place, place)[1]
        rest = data[place:stop].strip(BLANK)
        if (alone or len(section.words) == 2) and (not rest or rest.startswith(b"#")):
            stop = place + len(data[place:stop].rstrip(b"\r"))
            edits.append((stop, stop, b"".join(_eol(data) + indent + pair for pair in pairs)))
        else:
            edits.append((place, place, b"".join(b" " + pair for pair in pairs) + _gap(data, place)))
    return _apply(data, edits)


def _gap(data: bytes, at: int) -> bytes:
    """A space where text is glued to the end of a quoted value, so that it does not join the new one."""
    return b" " if at < len(data) and data[at] not in b" \t\r\n" else b""


def _insert(doc: Document, name: str, host: bytes, login: bytes, password: bytes) -> bytes:
    data, eol = doc.data, _eol(doc.data)
    lines = [b"machine " + host, b"  login " + login, b"  password " + password, b""]
    text = eol.join(lines)
    at = next((i for i, s in enumerate(doc.sections) if s.keyword == b"default"), -1)
    if at < 0 and doc.open is not None:
        at = doc.sections.index(doc.open)
        while at and doc.sections[at].keyword == b"macdef":
            at -= 1  # to the machine that the unfinished macro belongs to
    if at >= 0:
        place = _clean_line(doc, at)
        if place < 0:
            raise NetrcError(
                f"{name}, line {doc.sections[0].line}: words without a meaning stand before the first entry: "
                "remove them, or make them a comment with # on a line of its own"
            )
        return data[:place] + text + data[place:]
    if len(data) > doc.bom and not data.endswith(b"\n"):
        return data + eol + text.removesuffix(eol)  # as before, the file has no last line ending
    return data + text


def _clean_line(doc: Document, at: int) -> int:
    """The last line start, up to section `at`, where an entry can stand, above the comment that heads it; or -1."""
    data, place = doc.data, -1
    for section in reversed(doc.sections[: at + 1]):
        start = section.words[0][0]
        line = _line(doc, start, start)[0]
        if not data[line:start].strip(BLANK):
            place = line
            break
    while place > doc.bom:
        above = _line(doc, place - 1, place - 1)[0]
        if not data[above:place].lstrip(BLANK).startswith(b"#"):
            break
        place = above
    return place


def _cut(doc: Document, sections: "Sequence[Section]") -> bytes:
    """Without these sections' words. A line that held nothing else goes; comments and other words stay."""
    data, size = doc.data, len(doc.data)
    runs: list[list[int]] = []
    for start, end in (word for section in sections for word in section.words):
        if runs and not data[runs[-1][1] : start].strip(BLANK):
            runs[-1][1] = end
        else:
            runs.append([start, end])
    cuts: list[list[int]] = []
    for start, end in runs:
        line, stop = _line(doc, start, end)
        if data[end:stop].strip(BLANK):
            cut = [start, stop - len(data[end:stop].lstrip(BLANK))]
        elif data[line:start].strip(BLANK):
            cut = [line + len(data[line:start].rstrip(BLANK)), end]
        else:
            cut = [line, min(stop + 1, size)]
        if cuts and cuts[-1][1] == cut[0]:
            cuts[-1][1] = cut[1]
        else:
            cuts.append(cut)
    last = cuts[-1]
    if last[1] == size and not data.endswith(b"\n") and last[0] > doc.bom and data[last[0] - 1] == 10:
        # As before, the file has no last line ending.
        last[0] -= 2 if data[last[0] - 2 : last[0]] == b"\r\n" else 1
    return _apply(data, ((start, end, b"") for start, end in cuts))


def _check(before: Document, data: bytes, machine: str, pair: tuple[bytes, bytes], name: str) -> Document:
    """Before anything reaches the disk: the new text says what was asked for, and all else that it said."""
    after = parse_whole(data, name)
    mine, wanted = after.of(machine), fold(machine)

    def others(doc: Document) -> list[tuple[bytes, bytes | None, bytes | None, bytes | None]]:
        rest = (s for s in doc.sections if s.machine is None or s.machine.lower() != wanted)
        return [(s.keyword, s.machine, s.login, s.password) for s in rest]

    said = [(s.login, s.password) for s in mine]
    if said != [tuple(_scan(word, 0, len(word))[1] for word in pair)] or others(before) != others(after):
        raise NetrcError(
            f"{name}: the entry for {machine} cannot be changed without touching others: "
            "put every `machine` on a line of its own, and try again"
        )
    for start, end in mine[0].words:
        line, stop = _line(after, start, end)
        if stop - line > LONGEST_LINE:
            number = data.count(b"\n", 0, line) + 1
            raise NetrcError(
                f"{name}, line {number}: with the new value this line is over {LONGEST_LINE} bytes, "
                "and curl skips such a line: use a shorter value"
            )
    return after

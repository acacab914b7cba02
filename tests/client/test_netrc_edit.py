from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keyturn.client import _netrc_text, netrc

if TYPE_CHECKING:
    from pathlib import Path

PIECES = [b"machine", b"default", b"macdef", b"login", b"password", b"account", b"user", b"port", b"MACHINE", b"a", b"g",
          b"machine h ", b"machine g login a password b", b" ", b"\t", b"\n", b"\n", b"\n\n", b"\r\n", b"\r", b'"', b'""',
          b"\\", b"#", b"\xff", b"\xef\xbb\xbf", b"macdef i\nmachine h\n\n", "é".encode()]  # fmt: skip
messy = st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
values = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30).filter(
    lambda v: v.lower().encode() not in _netrc_text.KEYWORDS
)
machines = st.sampled_from(["h", "H", "g", "api.example.com", "localhost:7001"])
NEW = "machine h\n  login L\n  password P\n"


def written(tmp_path: Path, text: str, *hosts: str, login: str = "L", password: str = "P") -> str:
    file = tmp_path / "netrc"
    file.write_bytes(text.encode())
    file.chmod(0o600)
    netrc.write(str(file), hosts or ("h",), login, password)
    return file.read_bytes().decode()


def removed(tmp_path: Path, text: str, *hosts: str) -> str:
    file = tmp_path / "netrc"
    file.write_bytes(text.encode())
    netrc.remove(str(file), hosts or ("h",))
    return file.read_bytes().decode()


UPDATED = {
    "as Heroku writes it": ("machine h\n  login a\n  password b\n", "machine h\n  login L\n  password P\n"),
    "on one line": ("machine h login a password b", "machine h login L password P"),
    "with blanks of all sorts": (
        "machine  h\t\tlogin   a\n\t password \t b  \n",
        "machine  h\t\tlogin   L\n\t password \t P  \n",
    ),
    "with CRLF": ("machine h\r\n  login a\r\n  password b\r\n", "machine h\r\n  login L\r\n  password P\r\n"),
    "with other fields": (
        "machine h account q\n login a\n method m\n password b\n org o\n",
        "machine h account q\n login L\n method m\n password P\n org o\n",
    ),
    "with a trailing comment": ("machine h login a password b # login x\n", "machine h login L password P # login x\n"),
    "with comments in it": (
        "machine h #1\n #2\n login a#3\n password b #4\n#5\n",
        "machine h #1\n #2\n login L\n password P #4\n#5\n",
    ),
    "in quotes": ('machine "h" login "a b" password "c\\"d"\n', 'machine "h" login L password P\n'),
    "in quotes with text glued on": ('machine h login "a"x password "b"\n', "machine h login L x password P\n"),
    "two on one line": (
        "machine g login x password y machine h login a password b machine i\n",
        "machine g login x password y machine h login L password P machine i\n",
    ),
    "in capitals": ("MACHINE H LOGIN a PASSWORD b\n", "MACHINE H LOGIN L PASSWORD P\n"),
    "with fields twice": (
        "machine h login a login b password c password d\n",
        "machine h login L login L password P password P\n",
    ),
    "after a byte order mark": ("\ufeffmachine h login a password b\n", "\ufeffmachine h login L password P\n"),
    "without a password": ("machine h\n\tlogin a\n", "machine h\n\tlogin L\n\tpassword P\n"),
    "without a login": ("machine h\n    password b\n", "machine h\n    login L\n    password P\n"),
    "without a login on one line": ("machine h password b\nmachine g\n", "machine h login L password P\nmachine g\n"),
    "without a password before a comment": ("machine h login a # c\n", "machine h login L password P # c\n"),
    "without a login after a comment": (
        "machine h # c\r\n  password b\r\n",
        "machine h # c\r\n  login L\r\n  password P\r\n",
    ),
    "without both": ("machine h\nmachine g", "machine h\n  login L\n  password P\nmachine g"),
    "without both and without a line ending": ("machine h", "machine h\n  login L\n  password P"),
    "without both on another's line": ("machine h machine g", "machine h login L password P machine g"),
    "with only an account": ("machine h account q\n", "machine h login L account q password P\n"),
    "with Python's user": ("machine h\n  user u\n  password b\n", "machine h\n  user u\n  password P\n  login L\n"),
    "cut short at the login": ("machine h login", "machine h password P login L"),
    "cut short at the password": ("machine h\n login a\n password", "machine h\n login L\n password P"),
    "cut short at the account": ("machine h login a account", "machine h login L password P account"),
    "with a macro": (
        "machine h\n login a\nmacdef i\nlogin x\n\n",
        "machine h\n login L\n password P\nmacdef i\nlogin x\n\n",
    ),
    "duplicates": (
        "machine h login a password b\nmachine g\n# old\nmachine h\n login c # why\n password d\n",
        "machine h login L password P\nmachine g\n# old\n # why\n",
    ),
    "a duplicate on the same line": ("machine h login a machine h password b\n", "machine h login L password P\n"),
    "a duplicate at the end without a line ending": (
        "machine h login a password b\nmachine h login c",
        "machine h login L password P",
    ),
}


@pytest.mark.parametrize(("old", "new"), UPDATED.values(), ids=UPDATED.keys())
def test_an_entry_is_updated_in_place(tmp_path: Path, old: str, new: str) -> None:
    assert written(tmp_path, old) == new
    assert written(tmp_path, new) == new


INSERTED = {
    "into an empty file": ("", NEW),
    "into a file with only a byte order mark": ("\ufeff", "\ufeff" + NEW),
    "at the end": ("machine g login x password y\n\n# end\n", "machine g login x password y\n\n# end\n" + NEW),
    "at the end without a line ending": ("machine g login x password y", "machine g login x password y\n" + NEW[:-1]),
    "with the file's line ending": (
        "machine g\r\n login x\r\n",
        "machine g\r\n login x\r\n" + NEW.replace("\n", "\r\n"),
    ),
    "after a commented entry of the same name": ("# machine h login x\n", "# machine h login x\n" + NEW),
    "after a macro that has ended": ("machine g\nmacdef i\nmachine h\n\n", "machine g\nmacdef i\nmachine h\n\n" + NEW),
    "before an unfinished macro's machine": (
        "machine f\nmachine g\nmacdef i\nx\n\nmacdef j\ny\n",
        "machine f\n" + NEW + "machine g\nmacdef i\nx\n\nmacdef j\ny\n",
    ),
    "before an unfinished macro of no machine": ("#\n\nmacdef i\nx", "#\n\n" + NEW + "macdef i\nx"),
    "before a default": ("machine g login x\ndefault login d\n", "machine g login x\n" + NEW + "default login d\n"),
    "above the default's comment": (
        "machine g\n\n# all\n# others\ndefault login d\n",
        "machine g\n\n" + NEW + "# all\n# others\ndefault login d\n",
    ),
    "before a default's line": (
        "machine f\nmachine g login x default login d",
        "machine f\n" + NEW + "machine g login x default login d",
    ),
    "before a default within an entry's line": (
        "machine f\nmachine g\n login x default\n",
        "machine f\n" + NEW + "machine g\n login x default\n",
    ),
    "before a default after a macro": (
        "machine g\nmacdef i\ndefault\n\ndefault\n",
        "machine g\nmacdef i\ndefault\n\n" + NEW + "default\n",
    ),
    "not where a value is due": ("machine f\nmachine g login", "machine f\n" + NEW + "machine g login"),
    "not where a name is due": ("machine f\nmachine\n", "machine f\n" + NEW + "machine\n"),
    "after a word like default": (
        "machine g login default password machine\n",
        "machine g login default password machine\n" + NEW,
    ),
}


@pytest.mark.parametrize(("old", "new"), INSERTED.values(), ids=INSERTED.keys())
def test_a_new_machine_is_inserted_and_can_be_removed_to_the_byte(tmp_path: Path, old: str, new: str) -> None:
    assert written(tmp_path, old) == new
    assert removed(tmp_path, new) == old


REMOVED = {
    "a block": ("machine g\n\nmachine h\n  login a\n  password b\n\nmachine i\n", "machine g\n\n\nmachine i\n"),
    "all duplicates": ("machine h login a\n# c\nmachine H\n login b\nmachine g\nmachine h", "# c\nmachine g"),
    "comments stay": ("# 1\nmachine h # 2\n  # 3\n  login a\n  password b # 4\n# 5\n", "# 1\n# 2\n  # 3\n  # 4\n# 5\n"),
    "the first on a line": ("machine h login a machine g login x\n", "machine g login x\n"),
    "the second on a line": ("machine g login x machine h login a # c\n", "machine g login x # c\n"),
    "the last on a line": (
        "machine g login x machine h login a\r\nmachine i\r\n",
        "machine g login x\r\nmachine i\r\n",
    ),
    "the one in the middle": ("machine g machine h password b machine i\n", "machine g machine i\n"),
    "between others' lines": (
        "machine g login\n x machine h\n login a\n password b machine i\n",
        "machine g login\n x\n machine i\n",
    ),
    "its unknown words too": ("machine h\n  method m\n  account q\n  port 1\n", ""),
    "not its macro": ("machine h login a\nmacdef i\nmachine h\n\nmachine g\n", "macdef i\nmachine h\n\nmachine g\n"),
    "not the default": ("machine h login a\ndefault login b\n", "default login b\n"),
    "a machine that is cut short": ("machine g\nmachine h login", "machine g"),
    "after a byte order mark": ("\ufeffmachine h\n", "\ufeff"),
}


@pytest.mark.parametrize(("old", "new"), REMOVED.values(), ids=REMOVED.keys())
def test_a_machine_is_removed_and_nothing_else(tmp_path: Path, old: str, new: str) -> None:
    assert removed(tmp_path, old) == new


def test_remove_names_the_machines_that_were_there(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine api.h\nmachine git.h\nmachine g\n")
    assert netrc.remove(str(file), ["git.h", "none", "API.h"]) == ["git.h", "API.h"]
    assert file.read_text() == "machine g\n"
    assert netrc.remove(str(file), ["git.h"]) == []
    assert netrc.remove(str(file), ["g"]) == ["g"]
    assert file.read_bytes() == b""


def test_several_machines_are_written_at_once(tmp_path: Path) -> None:
    new = written(tmp_path, "machine git.h login a password b\ndefault\n", "api.h", "git.h", "api.h")
    assert new == "machine git.h login L password P\nmachine api.h\n  login L\n  password P\ndefault\n"


def test_what_herokus_command_line_loses_is_kept(tmp_path: Path) -> None:
    old = (
        "# machine h login x password y\nmachine g login x password y # why\n\n\nmachine i login x\n  password y\n"
        "macdef init\necho\n\ndefault login x password y\n"
    )
    new = written(tmp_path, old)
    assert new == old.replace("default", NEW + "default")
    assert removed(tmp_path, new) == old


QUOTED = {
    "plain": "plain",
    "a@b.example": "a@b.example",
    "in#side": "in#side",
    "in'side": "in'side",
    "login": "login",
    "#first": '"#first"',
    "two words": '"two words"',
    'q"q': '"q\\"q"',
    '"all"': '"\\"all\\""',
    "back\\slash": '"back\\\\slash"',
    "é": '"é"',
    "\u00a0": '"\u00a0"',
}


@pytest.mark.parametrize(("value", "word"), QUOTED.items(), ids=range(len(QUOTED)))
def test_a_value_is_quoted_where_a_tool_needs_it(tmp_path: Path, value: str, word: str) -> None:
    assert written(tmp_path, "", password=value) == f"machine h\n  login L\n  password {word}\n"
    assert netrc.read(str(tmp_path / "netrc")) == [netrc.Entry("h", "L", value, 1)]


@pytest.mark.parametrize("value", ["", "a\nb", "a\rb", "a\0b", "a\tb", "a\x1b", "a\x7f", "a\x85", "\ud800",
                                   "machine", "Default", "MACDEF", "x" * 4090, "é" * 2050, '"' * 2045])  # fmt: skip
def test_a_value_that_not_all_tools_read_alike_is_refused_and_the_file_stays(tmp_path: Path, value: str) -> None:
    for login, password in ((value, "P"), ("L", value)):
        with pytest.raises(netrc.NetrcError) as refused:
            written(tmp_path, "machine g\n", login=login, password=password)
        assert not value or len(value) < 3 or value not in str(refused.value)
        assert (tmp_path / "netrc").read_text() == "machine g\n"


@pytest.mark.parametrize(
    "machine", ["", "a b", "a\nmachine b", "é.example", '"h"', "h\\", "#h", "default", "MACHINE", "a\x7f"]
)
def test_a_name_that_is_no_host_is_refused(tmp_path: Path, machine: str) -> None:
    with pytest.raises(netrc.NetrcError, match="cannot be a machine"):
        written(tmp_path, "", machine)


def test_a_line_that_the_new_value_makes_too_long_for_curl_is_refused(tmp_path: Path) -> None:
    old = f"machine h login a account {'x' * 4000} password b\n"
    assert written(tmp_path, old, password="y" * 20).endswith("password " + "y" * 20 + "\n")
    with pytest.raises(netrc.NetrcError, match="line 1: with the new value this line is over 4094 bytes"):
        written(tmp_path, old, password="y" * 80)


def test_a_file_with_a_quote_that_is_not_closed_is_not_edited(tmp_path: Path) -> None:
    for edit in (written, removed):
        with pytest.raises(netrc.NetrcError, match="line 2: a quote is opened"):
            edit(tmp_path, 'machine h login a password b\nmachine g password "s3cret\n')


@pytest.mark.parametrize("text", ["stray default login d\n", "stray login machine g login"])
def test_stray_words_that_would_join_a_new_entry_are_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(netrc.NetrcError, match="line 1: words without a meaning"):
        written(tmp_path, text)
    assert written(tmp_path, text, "g") if "machine g" in text else removed(tmp_path, text) == text


def test_warnings_say_what_the_user_should_know(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("\ufeffdefault login d password e\nmachine h login a\nmachine H login b\n")
    file.chmod(0o644)
    said = netrc.write(str(file), ["h"], "L", "P")
    assert [" ".join(text.split())[len(str(file)) :] for text in said] == [
        " could be read by other users (mode 0644): it is 0600 now",
        ": removed a second entry for h (line 3)",
        ", line 1: `default` stands before `machine h`, so curl and git use it instead: move it to the end of the file",
        " begins with a byte order mark, which hides its first entry from curl, git and Python: save it as UTF-8 without one",
    ]
    assert netrc.write(str(tmp_path / "new"), ["h"], "L", "P") == []


def change(data: bytes, machine: str, login: str, password: str) -> bytes:
    words = netrc._word("login", login), netrc._word("password", password)
    return _netrc_text.write(data, [machine], *words, "netrc")[0]


def readable(data: bytes) -> _netrc_text.Document:
    """A netrc that can be edited: without an open quote, and without stray words on its first entry's line."""
    try:
        document = _netrc_text.parse_whole(data, "netrc")
    except netrc.NetrcError:
        assume(False)
        raise
    if document.sections:
        above = data[document.bom : document.sections[0].words[0][0]]
        assume(not above.rpartition(b"\n")[2].strip(_netrc_text.BLANK))
    return document


@given(messy, machines, values, values)
def test_what_was_written_is_read_back_and_all_else_stays(data: bytes, machine: str, login: str, password: str) -> None:
    before = readable(data)
    after = _netrc_text.parse_whole(change(data, machine, login, password), "netrc")
    mine = [(s.entry().login, s.entry().password) for s in after.of(machine)]
    assert mine == [(login, password)]
    name = machine.lower().encode()

    def rest(doc: _netrc_text.Document) -> list[tuple[bytes, list[bytes]]]:
        theirs = (s for s in doc.sections if s.machine is None or s.machine.lower() != name)
        return [(s.keyword, [doc.data[a:b] for a, b in s.words]) for s in theirs]

    assert rest(after) == rest(before)


@given(messy, machines, values, values)
def test_removing_a_new_machine_gives_back_the_same_bytes(data: bytes, machine: str, login: str, password: str) -> None:
    assume(not readable(data).of(machine))
    new = change(data, machine, login, password)
    added = len(new) - len(data)
    assert any(new[:i] + new[i + added :] == data for i in range(len(data) + 1))
    assert _netrc_text.remove(new, [machine], "netrc") == (data, [machine])


@given(messy, st.lists(machines, min_size=1))
def test_after_removing_the_machines_are_gone_and_the_others_are_as_they_were(data: bytes, hosts: list[str]) -> None:
    before = readable(data)
    new, found = _netrc_text.remove(data, hosts, "netrc")
    after = _netrc_text.parse_whole(new, "netrc")
    names = {host.lower().encode() for host in hosts}
    assert not names & {(s.machine or b"").lower() for s in after.sections}
    assert {host.lower().encode() for host in found} == names & {(s.machine or b"").lower() for s in before.sections}
    kept = [s for s in before.sections if s.machine is None or s.machine.lower() not in names]
    assert [[data[a:b] for a, b in s.words] for s in kept] == [[new[a:b] for a, b in s.words] for s in after.sections]


entries = st.sampled_from(
    [
        "machine h\n  login {}\n  password {}\n",
        "machine h login {} password {}",
        "machine H\tLOGIN\n{}\r\n\tpassword  {} # c\n",
        "  machine h account x login {}\n# c\n\n\tport 1 password {} method m\n",
        '"machine" "h" "login" {} "password" {}\r\n',
    ]
)
around = st.lists(
    st.sampled_from(
        [
            "\n",
            "\r\n",
            "# machine h login x password y\n",
            '  # it"s\n',
            "machine g login x password y\n",
            "machine i\r\n\tlogin x\r\n",
            "macdef m\nmachine h login x password y\n\n",
            "default login x password y\n",
            'machine g password "h # \\" " machine i\n',
            "\t \n",
        ]
    )
).map("".join)


@given(around, entries, around, values, values, values, values)
def test_an_update_changes_only_the_bytes_of_the_values(
    above: str, entry: str, below: str, a: str, b: str, login: str, password: str
) -> None:
    def text(first: str, second: str) -> bytes:
        words = (netrc._word("value", value).decode() for value in (first, second))
        return (above + entry.format(*words) + "\n" + below).encode()

    assert change(text(a, b), "h", login, password) == text(login, password)

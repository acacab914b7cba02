from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.client import _netrc_text, netrc

PIECES = [
    b"machine",
    b"default",
    b"macdef",
    b"login",
    b"password",
    b"account",
    b"user",
    b"port",
    b"MACHINE",
    b"a",
    b"H",
    b" ",
    b"\t",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b'"',
    b"\\",
    b"#",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\x00",
    "é".encode(),
]
messy = st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))


def found(
    tmp_path: Path, text: str | bytes, *hosts: str, use_default: bool = False
) -> tuple[str | None, str | None] | None:
    file = tmp_path / "netrc"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    entry = netrc.find(str(file), hosts or ("h",), use_default=use_default)
    return None if entry is None else (entry.login, entry.password)


UNDERSTOOD = {
    "as Heroku writes it": "machine h\n  login a\n  password b\n",
    "on one line": "machine h login a password b",
    "with double spaces and tabs": "machine  h\t\tlogin   a\n\t password \t b  \n",
    "with CRLF": "machine h\r\n  login a\r\n  password b\r\n",
    "with CRLF and empty lines": "\r\nmachine h\r\n\r\n  login a\r\n\r\n  password b",
    "unindented": "machine h\nlogin a\npassword b\n",
    "login on the machine's line, password on the next": "machine h login a\n  password b\n",
    "the host on the next line": "machine\nh\nlogin\na\npassword\nb\n",
    "second of two on a line": "machine g login x password y machine h login a password b\n",
    "first of two on a line": "machine h login a password b machine g login x password y\n",
    "password first": "machine h password b login a\n",
    "with account": "machine h account q login a password b\n",
    "account named like a keyword": "machine h account login login a password b\n",
    "with unknown words": "machine h port 21 login a method git password b org x\n",
    "keywords in capitals": "MACHINE h LOGIN a PASSWORD b\n",
    "host in capitals": "machine H login a password b\n",
    "values in quotes": 'machine "h" login "a" password "b"\n',
    "escapes in quotes": 'machine h login a password "\\b"\n',
    "trailing comment": "machine h login a password b # login x password y\n",
    "comments between": "machine h # here\n# machine h login x password y\n  login a\n  #password z\n  password b\n",
    "an unbalanced quote in a comment": '# it"s\nmachine h login a password b # "\n',
    "after a commented entry": "# machine h login x password y\nmachine h login a password b\n",
    "after a comment without a space": "#machine h login x password y\n  #machine h\nmachine h login a password b\n",
    "after a macro that looks like an entry": "macdef init\nmachine h login x password y\n\nmachine h login a password b\n",
    "after a macro with CRLF": "macdef i\r\nmachine h login x password y\r\n\r\nmachine h login a password b\r\n",
    "after a macro of no lines": "macdef i\n\nmachine h login a password b\n",
    "before a macro": "machine h login a password b\nmacdef init\nlogin x\npassword y\n",
    "first of duplicates": "machine h login a password b\nmachine h login x password y\n",
    "a pair within an entry": "machine h login a password b login x password y\n",
    "last login before the password": "machine h login x login a password b\n",
    "first with a password": "machine h login x\nmachine h\nmachine h login a password b\n",
    "after an entry like a keyword": "machine g login machine password machine\nmachine h login a password b\n",
    "after a word without meaning": "nonsense\nmachine h login a password b\n",
    "after a byte order mark": "\ufeffmachine h login a password b\n",
    "before a quote that is not closed": 'machine h login a password b\nmachine g login x password "y\n',
    "after a default": "default login x password y\nmachine h login a password b\n",
    "a text that follows a closed quote": 'machine h login "a"x password "b"\n',
}  # fmt: skip


@pytest.mark.parametrize("text", UNDERSTOOD.values(), ids=UNDERSTOOD.keys())
def test_an_entry_is_found(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == ("a", "b")


VALUES = {
    'machine h login a password "two words"\n': "two words",
    'machine h login a password "q\\"q\\\\"\n': 'q"q\\',
    'machine h login a password "\\n\\r\\t"\n': "\n\r\t",
    "machine h login a password back\\slash\n": "back\\slash",
    'machine h login a password in"side\n': 'in"side',
    "machine h login a password #hash\n": "#hash",
    "machine h login a password\n# a comment\n  b\n": "b",
    'machine h login a password ""\n': "",
    "machine h login a password login\n": "login",
    'machine h login a password "Bearer b"\n': "Bearer b",
    "machine h login a password 'b'\n": "'b'",
    "machine h login a password é\n": "é",
    "machine h login a password " + "x" * 5000: "x" * 5000,
}


@pytest.mark.parametrize(("text", "password"), VALUES.items(), ids=range(len(VALUES)))
def test_a_password_is_read_as_curl_reads_it(tmp_path: Path, text: str, password: str) -> None:
    assert found(tmp_path, text) == ("a", password)


ABSENT = {
    "an empty file": "",
    "only in a comment": "# machine h login x password y\n",
    "only in a macro": "macdef init\nmachine h login x password y\n",
    "only past a line of blanks in a macro": "macdef init\n  \nmachine h login x password y\n",
    "without a password": "machine h login x\n",
    "password below a macro": "machine h login x\nmacdef i\n\npassword y\n",
    "a longer name": "machine h.example login x password y\n",
    "a name with a port": "machine h:7001 login x password y\n",
    "machine without a name": "machine",
    "password without a value": "machine h login x password",
    "a default": "default login x password y\n",
}


@pytest.mark.parametrize("text", ABSENT.values(), ids=ABSENT.keys())
def test_nothing_is_found_where_the_host_has_no_password(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) is None


def test_a_missing_file_has_no_entries(tmp_path: Path) -> None:
    assert netrc.read(str(tmp_path / "none")) == []
    assert netrc.find(str(tmp_path / "none"), ["h"], use_default=True) is None


def test_the_order_of_hosts_counts_before_the_order_of_the_file(tmp_path: Path) -> None:
    text = "machine git.x login g password 1\nmachine api.x login a password 2\n"
    assert found(tmp_path, text, "api.x", "git.x") == ("a", "2")
    assert found(tmp_path, text, "no.x", "git.x") == ("g", "1")
    assert found(tmp_path, text.replace("a password 2", "a"), "api.x", "git.x") == ("g", "1")


def test_default_is_used_only_when_asked_and_hides_what_is_below_it(tmp_path: Path) -> None:
    text = "machine g login x password y\ndefault login d password e\nmachine h login a password b\n"
    assert found(tmp_path, text) == ("a", "b")
    assert found(tmp_path, text, "other") is None
    assert found(tmp_path, text, use_default=True) == ("d", "e")
    assert found(tmp_path, text, "g", use_default=True) == ("x", "y")


def test_a_machine_named_default_is_not_the_default(tmp_path: Path) -> None:
    assert found(tmp_path, "machine default login x password y\n", use_default=True) is None
    assert found(tmp_path, "machine default login x password y\n", "default") == ("x", "y")


def test_entries_come_in_the_order_of_the_file_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("# c\nmachine a\n login b\n\nmacdef m\nx\n\ndefault password d\nmachine e login f password g")
    assert netrc.read(str(file)) == [
        netrc.Entry("a", "b", None, 2),
        netrc.Entry(None, None, "d", 8),
        netrc.Entry("e", "f", "g", 9),
    ]


def test_bytes_that_are_not_utf8_survive_as_surrogate_escapes(tmp_path: Path) -> None:
    pair = found(tmp_path, b"machine h login a password \xff\xfe\n")
    assert pair is not None
    assert pair[1] is not None
    assert pair[1].encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_an_entry_never_shows_its_password() -> None:
    entry = netrc.Entry("h", "a", "s3cret", 1)
    assert "s3cret" not in f"{entry} {entry!r}"
    assert "a" in repr(entry)
    assert entry != netrc.Entry("h", "a", "other", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'machine g login a\nmachine h login b password "s3cret\n', "line 2: a quote is opened"),
        (b'machine h login b password "s3cret\\', "line 1: a quote is opened"),
        ("machine h login b password s3cret".encode("utf-16"), "line 1: there is a NUL byte (saved as UTF-16?)"),
        (b"# x\n\nmachine h password s3cret\0", "line 3: there is a NUL byte"),
    ],
)
def test_what_is_not_netrc_is_refused_with_file_and_line_and_no_secret(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "netrc"
    file.write_bytes(text)
    for attempt in (lambda: netrc.read(str(file)), lambda: netrc.find(str(file), ["h"])):
        with pytest.raises(netrc.NetrcError) as refused:
            attempt()
        assert f"{file}, {said}" in str(refused.value)
        assert "s3cret" not in str(refused.value)


@given(messy)
def test_the_parser_raises_nothing_but_its_own_error(data: bytes) -> None:
    try:
        entries = _netrc_text.parse_whole(data, "netrc").entries()
    except netrc.NetrcError as error:
        assert str(error).startswith("netrc, line ")  # noqa: PT017
    else:
        assert len(entries) <= data.lower().count(b"machine") + data.lower().count(b"default")


def test_NETRC_names_the_file_everywhere(tmp_path: Path) -> None:  # noqa: N802
    for platform in ("linux", "darwin", "win32"):
        assert netrc.path({"NETRC": "/x/y", "HOME": str(tmp_path)}, platform) == "/x/y"


def test_on_unix_it_is_in_HOME_else_in_the_user_databases_home(tmp_path: Path) -> None:  # noqa: N802
    home = pwd.getpwuid(os.geteuid()).pw_dir
    assert netrc.path({"HOME": str(tmp_path), "NETRC": ""}, "linux") == f"{tmp_path}/.netrc"
    assert netrc.path({"HOME": ""}, "linux") == f"{home}/.netrc"
    assert netrc.path({}, "darwin") == f"{home}/.netrc"


def test_on_windows_an_existing_file_counts_before_the_order_of_folders(tmp_path: Path) -> None:
    for folder in ("home", "drive", "profile"):
        (tmp_path / folder).mkdir()
    environ = {
        "HOME": f"{tmp_path}/home",
        "HOMEDRIVE": str(tmp_path),
        "HOMEPATH": "/drive",
        "USERPROFILE": f"{tmp_path}/profile",
    }
    assert netrc.path(environ, "win32") == f"{tmp_path}/home/_netrc"
    assert netrc.path({**environ, "HOME": f"{tmp_path}/none"}, "win32") == f"{tmp_path}/drive/_netrc"
    assert netrc.path({"USERPROFILE": f"{tmp_path}/none"}, "win32") == f"{tmp_path}/none/_netrc"
    for name in ("profile/.netrc", "drive/.netrc", "profile/_netrc", "drive/_netrc", "home/_netrc"):
        (tmp_path / name).touch()
        assert netrc.path(environ, "win32") == f"{tmp_path}/{name}"


def test_without_a_home_the_error_says_what_to_set() -> None:
    with pytest.raises(netrc.NetrcError, match="set HOME, or NETRC"):
        netrc.path({}, "win32")


def test_finding_a_token_imports_nothing_that_a_bare_start_has_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine h login a password b\n")
    source = str(Path(netrc.__file__).parents[2])
    code = (
        f"import sys; bare = set(sys.modules); sys.path.insert(0, {source!r})\n"
        "import keyturn.client; package = set(sys.modules)\n"
        f"from keyturn.client import netrc; netrc.path(); print(netrc.find({str(file)!r}, ['h']).password)\n"
        "print(*sorted(set(sys.modules) - package))"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    ours = "keyturn.client._netrc_file keyturn.client._netrc_text keyturn.client.netrc"
    assert run.stdout.splitlines() == ["b", ours]

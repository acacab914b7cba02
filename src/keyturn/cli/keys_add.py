"""`keyturn keys:add`: find a public key on this machine, or take it as it is given, and add it. A private key never leaves
it, nor is it repeated.
"""

from __future__ import annotations

import os
import stat
import sys

from keyturn.cli import say, terminal
from keyturn.cli.asking import Server
from keyturn.cli.failures import Cancelled, UsageError
from keyturn.cli.options import SPAN, Parser, span
from keyturn.client.errors import KeyturnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

_LARGEST: Final = 1 << 16
_PATH_LONGEST: Final = 1024
_MAKE_ONE: Final = "ssh-keygen -t ed25519"


def run(words: Sequence[str]) -> int:
    """Add the key in PATH, the one that is given, or one of those in ~/.ssh."""
    refuse_private(" ".join(words))  # before anything could repeat it
    parser = Parser(
        "keys:add", "Add an SSH key to the account. Without PATH, one of ~/.ssh/*.pub.", json="print the answer as JSON"
    )
    parser.usage = "keyturn keys:add [PATH | - | 'TYPE KEY COMMENT'] [--host HOST] [-j] [-y] [-e SPAN]"
    parser.add_argument(
        "given", metavar="PATH", nargs="*", help="the public key's file; -: read the key from stdin; or the key itself"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("-e", "--expires-in", type=span, metavar=SPAN, help="let the key end by itself after that time")
    options = parser.parse(words)
    name, key = _given(options.given, yes=options.yes)
    with Server(options.host) as server:
        server.require_login()
        with say.doing(f"Uploading {name} SSH key"):
            asked = {"public_key": key} | ({"expires_in": options.expires_in} if options.expires_in else {})
            added = server.ask("POST", "/account/keys", asked)
    if options.json:
        say.data_json(added)
    elif added.get("expires_at"):
        say.note(f"This key {added.get('life')}")
    return 0


def _given(words: Sequence[str], *, yes: bool) -> tuple[str, str]:
    """What the key is called while it is sent, and the key."""
    text = " ".join(words).strip()
    if text == "-":
        text = sys.stdin.buffer.read(_LARGEST + 1).decode("utf-8", "replace")
        key = public_key_in(text.encode(), "what stdin has")
    elif looks_like_key(text):
        key = public_key_in(text.encode(), "that")
    elif len(words) > 1 or _begins_like_key(text):
        raise UsageError("give one key: its file's path, - for stdin, or TYPE KEY COMMENT", "keyturn keys:add --help")
    else:
        path = text or _choose(found_in(os.path.join(os.path.expanduser("~"), ".ssh")), yes=yes)
        return path, read_public_key(path)
    kind, _, comment = [*key.split(None, 2), ""][:3]
    return comment or kind, key


def found_in(folder: str) -> list[str]:
    """The public keys in a folder."""
    try:
        return sorted(entry.path for entry in os.scandir(folder) if entry.name.endswith(".pub") and entry.is_file())
    except OSError:
        return []


def _choose(found: list[str], *, yes: bool) -> str:
    if not found:
        return _make(yes=yes)
    if len(found) == 1:
        if yes:
            return found[0]
        if not terminal.is_interactive():
            raise UsageError(
                f"found {found[0]}; without a terminal to ask at, this must be meant", "keyturn keys:add --yes"
            )
        say.line(f"Found an SSH public key at {say.clean(found[0])}")
        if terminal.agrees("Would you like to upload it to Keyturn?", default=True):
            return found[0]
        raise Cancelled("nothing was added")
    if yes or not terminal.is_interactive():
        error = UsageError("there are several public keys in ~/.ssh: name one")
        for path in found:
            error.add_note(f"keyturn keys:add {path}")
        raise error
    for number, path in enumerate(found, 1):
        say.line(f"{number}) {say.clean(path)}")
    answer = terminal.ask(f"Which SSH key would you like to upload? [1-{len(found)}] ")
    if answer.isascii() and answer.isdigit() and 0 < int(answer[:6]) <= len(found):
        return found[int(answer) - 1]
    raise Cancelled("nothing was added: that is none of the numbers")


def _make(*, yes: bool) -> str:
    """Makes a key pair, when that is agreed to: ssh-keygen asks for a passphrase itself. The public half's path."""
    if not (yes or terminal.is_interactive()):
        raise KeyturnError("there is no public key in ~/.ssh", f"make one with {_MAKE_ONE}, then keyturn keys:add")
    if not yes:
        say.line("There is no public key in ~/.ssh.")
        if not terminal.agrees("Would you like to make a key pair?", default=True):
            raise Cancelled("nothing was made or added", _MAKE_ONE)
    import subprocess

    folder = os.path.join(os.path.expanduser("~"), ".ssh")
    path = os.path.join(folder, "id_ed25519")
    if os.path.lexists(path):
        raise KeyturnError(
            f"{path} is there, but not its public half",
            f"ssh-keygen -y -f {path} > {path}.pub; keyturn keys:add {path}.pub",
        )
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-f", path, *(["-N", ""] if yes else [])]
        done = subprocess.run(command, check=False)
    except OSError as wrong:
        raise KeyturnError(f"no key pair could be made: {wrong.strerror}", _MAKE_ONE) from wrong
    if done.returncode:
        raise KeyturnError("ssh-keygen made no key pair; what it said is above", _MAKE_ONE)
    return path + ".pub"


def read_public_key(path: str) -> str:
    """The key in a file, in one line. Raises KeyturnError for what is none; above all for a private key, which is
    never sent.
    """
    if len(path) > _PATH_LONGEST or not path.isprintable():  # something that was pasted, and perhaps a secret
        raise KeyturnError("there is no such file, and it is no SSH public key", "keyturn keys:add PATH")
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO would wait for a writer
            raise KeyturnError(f"{path} is not a regular file")
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as wrong:
        raise KeyturnError(f"cannot read {path}: {wrong.strerror}") from wrong
    return public_key_in(content, path, path)


def public_key_in(content: bytes, name: str, path: str = "") -> str:
    """The one key in a text, as a line; ``name``: what the text is called, ``path``: the file that it is from. Raises
    KeyturnError.
    """
    if is_private(content.decode("latin-1")):
        public = f"{path}.pub"
        known = bool(path) and os.path.isfile(public)
        raise KeyturnError(
            f"{name} is a private key: it stays on this machine and was not sent",
            f"keyturn keys:add {public}" if known else _public_half(path or "FILE"),
        )
    try:
        lines = [line.strip() for line in content.decode("utf-8").splitlines()]
    except UnicodeDecodeError:
        lines = []
    keys = [line for line in lines if line and not line.startswith("#")]
    if len(content) > _LARGEST or not keys or not looks_like_key(keys[0]):
        raise KeyturnError(f"{name} is not an SSH public key", "name a .pub file, as ssh-keygen writes it")
    if len(keys) > 1:
        raise KeyturnError(f"{name} has {len(keys)} keys: give each a file of its own")
    return keys[0]


def _public_half(path: str) -> str:
    return f"write the public one with ssh-keygen -y -f {path} > {path}.pub"


def is_private(text: str) -> bool:
    """Whether a text holds a private key, in the form of OpenSSH, of PEM or of PuTTY, or the body of OpenSSH's alone."""
    return "PRIVATE KEY" in text or "PuTTY-User-Key-File" in text or "b3BlbnNzaC1rZXktdjE" in text


def refuse_private(typed: str) -> None:
    """Raises KeyturnError when what was typed holds a private key, and says what the command line has told to others."""
    if is_private(typed):
        error = KeyturnError("that is a private key: it was not sent", _public_half("FILE"))
        error.add_note(
            "other users of this machine can see a command line, and the shell keeps it: better make a new key"
        )
        raise error


def _begins_like_key(text: str) -> bool:
    return text.startswith(("ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-")) and " " in text


def looks_like_key(line: str) -> bool:
    """Whether a line has the form TYPE BASE64 [COMMENT] (RFC 4253 6.6); the server judges the rest."""
    import binascii

    words = line.split(None, 2)
    if len(words) < 2:
        return False
    kind = words[0].encode()
    try:
        blob = binascii.a2b_base64(words[1].encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError):
        return False
    return blob[:4] == len(kind).to_bytes(4, "big") and blob[4 : 4 + len(kind)] == kind

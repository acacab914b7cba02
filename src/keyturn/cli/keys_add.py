"""`keyturn keys:add`: find a public key on this machine and add it. A private key never leaves it."""

from __future__ import annotations

import os
import stat

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
_MAKE_ONE: Final = "ssh-keygen -t ed25519"


def run(words: Sequence[str]) -> int:
    """Add the key in PATH, or one of those in ~/.ssh."""
    parser = Parser(
        "keys:add", "Add an SSH key to the account. Without PATH, one of ~/.ssh/*.pub.", json="print the answer as JSON"
    )
    parser.add_argument("path", metavar="PATH", nargs="?", help="the public key's file")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("-e", "--expires-in", type=span, metavar=SPAN, help="let the key end by itself after that time")
    options = parser.parse(words)
    path = options.path or _choose(found_in(os.path.join(os.path.expanduser("~"), ".ssh")), yes=options.yes)
    key = read_public_key(path)
    with Server(options.host) as server:
        server.require_login()
        with say.doing(f"Uploading {path} SSH key"):
            asked = {"public_key": key} | ({"expires_in": options.expires_in} if options.expires_in else {})
            added = server.ask("POST", "/account/keys", asked)
    if options.json:
        say.data_json(added)
    elif added.get("expires_at"):
        say.note(f"This key {added.get('life')}")
    return 0


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
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO would wait for a writer
            raise KeyturnError(f"{path} is not a regular file")
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as wrong:
        raise KeyturnError(f"cannot read {path}: {wrong.strerror}") from wrong
    if b"PRIVATE KEY" in content or content.startswith(b"PuTTY-User-Key-File"):
        public = path + ".pub"
        known = os.path.isfile(public)
        raise KeyturnError(
            f"{path} is a private key: it stays on this machine and was not sent",
            f"keyturn keys:add {public}" if known else f"write the public one with ssh-keygen -y -f {path} > {public}",
        )
    try:
        lines = [line.strip() for line in content.decode("utf-8").splitlines()]
    except UnicodeDecodeError:
        lines = []
    keys = [line for line in lines if line and not line.startswith("#")]
    if len(content) > _LARGEST or not keys or not looks_like_key(keys[0]):
        raise KeyturnError(f"{path} is not an SSH public key", "name a .pub file, as ssh-keygen writes it")
    if len(keys) > 1:
        raise KeyturnError(f"{path} has {len(keys)} keys: give each a file of its own")
    return keys[0]


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

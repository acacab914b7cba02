"""The doctor's checks that ask nobody: the environment, the files of this machine, git's configuration."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time

from keyturn.cli import git_helpers, say
from keyturn.cli.doctor_finding import Finding
from keyturn.cli.here import unset_variable
from keyturn.client import state
from keyturn.client.credentials import VARIABLE
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from keyturn.cli.doctor_finding import Situation

_DAY: Final = 24 * 3600
_SOON: Final = 7 * _DAY
_PLAIN: Final = frozenset(grammar.ALPHABET + "-_.+/=~")


def all_checks(here: Situation) -> Iterator[Finding]:
    """What is wrong, the gravest sort first."""
    yield from environment(here)
    yield from kind_and_expiry(here)
    if here.host.scheme == "http" and not here.host.loopback:
        yield Finding(
            "plain-http", f"{here.host.text} is not encrypted", "whoever is on the way can read the token",
            f"export HEROKU_HOST=https://{here.host.label}, or keyturn login --host https://{here.host.label}",
        )  # fmt: skip
    yield from states(here)
    yield from git(here)
    yield from own_helper(here)


def environment(here: Situation) -> Iterator[Finding]:
    """HEROKU_API_KEY and what is mistaken for it."""
    value = here.environ.get(VARIABLE)
    key = (value or "").rstrip("\r\n")
    if value is not None and not key.strip():
        yield Finding(
            "empty-variable", f"{VARIABLE} is set but empty",
            "keyturn counts it as not set, but other tools send an empty token",
            unset_variable(),
        )  # fmt: skip
    elif value is not None:
        yield from shape(key, VARIABLE, f"{unset_variable()}, or set it to the token alone", "variable")
        if here.stored is not None and here.stored.token != key and not here.in_ci:
            yield Finding(
                "shadowing-variable", f"{VARIABLE} is set, and wins over the login stored on this machine",
                "a login or logout does not change what is used", unset_variable(),
            )  # fmt: skip
    if here.environ.get("HEROKU_API_TOKEN") and not key.strip():
        yield Finding(
            "misnamed-variable", f"HEROKU_API_TOKEN is set, but the name that counts is {VARIABLE}",
            "nothing reads it", f'export {VARIABLE}="$HEROKU_API_TOKEN"; unset HEROKU_API_TOKEN',
        )  # fmt: skip


def shape(text: str, where: str, mend: str, name: str) -> Iterator[Finding]:
    """What a value looks like where a token belongs."""
    wrong = grammar.misfit(text)
    if wrong is not None:
        yield Finding(f"malformed-{name}", f"what {where} holds is no token: {wrong}", "no server accepts it", mend)
    elif grammar.kind_of(text) is None and (len(text) < 20 or not _PLAIN.issuperset(text)):
        yield Finding(
            f"password-{name}", f"what {where} holds looks like a password, not like a token",
            "the API takes tokens alone; and a password does not belong into a file or an environment", mend,
        )  # fmt: skip


def kind_and_expiry(here: Situation) -> Iterator[Finding]:
    """What is known of the token in use without asking."""
    token = here.winner.token if here.winner else ""
    hint = here.hint if here.hint is not None and here.hint.speaks_of(token) else None
    kind = grammar.kind_of(token) or (hint.kind if hint else None)
    if here.in_ci and kind == "login":
        yield Finding(
            "login-in-ci", "a person's login is used in a build (CI is set)",
            "it ends when that person logs out or changes the password, and the build with it",
            f"keyturn authorizations:create --description CI --short, and store it as the secret {VARIABLE}",
        )  # fmt: skip
    if hint is not None and hint.expires_at is not None:
        yield from expiry(hint.expires_at, "the token in use")


def expiry(at: float, what: str) -> Iterator[Finding]:
    """Of an end that is near, or past."""
    left = at - time.time()
    if left <= 0:
        yield Finding("expired", f"{what} expired {say.moment(at)}", "the server refuses it", "keyturn login")
    elif left < _SOON:
        yield Finding(
            "expires-soon", f"{what} expires {say.moment(at)}", "what uses it stops working then", "keyturn login"
        )


def states(here: Situation) -> Iterator[Finding]:
    """Our own files: who may read them, and what waits in them."""
    folder = state.folder(here.environ)
    for path, right in [(folder, 0o700), *((os.path.join(folder, name), 0o600) for name in ("hosts", "revocations"))]:
        yield from mode(path, right, "state-mode", "it names servers and accounts, and may hold tokens to be ended")
    old = [host for host, since in state.waiting(here.environ) if since < time.time() - _DAY]
    if old:
        yield Finding(
            "queued-logouts", f"{len(old)} logout{'' if len(old) == 1 else 's'} could not be told to the server for over a day",
            "until then the tokens still work there", "keyturn auth:doctor --fix", repair=lambda: _send(here),
        )  # fmt: skip


def _send(here: Situation) -> str:
    from keyturn.cli.asking import send_queued_revocations
    from keyturn.client.hosts import HostError, parse

    for text in {host for host, _ in state.waiting(here.environ)}:
        try:
            send_queued_revocations(parse(text))
        except HostError:
            continue
    state.settle_revocations(here.environ, [], int(time.time()))
    left = len(state.waiting(here.environ))
    if left:
        raise OSError(None, f"{left} still cannot be sent: the server does not answer", "")
    return "sent those logouts, or dropped them where they waited for over 7 days"


def mode(path: str, right: int, name: str, why: str) -> Iterator[Finding]:
    """Of a file or folder that others may enter."""
    if sys.platform == "win32":
        return
    try:
        there = os.stat(path).st_mode
    except OSError:
        return
    if stat.S_ISDIR(there) != bool(right & 0o100):
        return  # a folder in the file's place, or the other way round: no mode mends that
    found = stat.S_IMODE(there)
    if found & 0o077:
        yield Finding(
            name, f"{path} is open to other users of this machine (mode {found:04o})", why,
            f"chmod {right:o} {path}", repair=lambda: _close(path, right),
        )  # fmt: skip


def _close(path: str, right: int) -> str:
    os.chmod(path, right)
    return f"made {path} private (mode {right:04o})"


def git(here: Situation) -> Iterator[Finding]:
    """Helpers that git asks beside netrc."""
    if here.stored is None:
        return
    url = git_helpers.git_url(here.host)
    scheme, _, name = url.partition("://")
    for helper in git_helpers.configured(here.host):
        forget = f"printf 'protocol={scheme}\\nhost={name}\\n\\n' | git credential reject"
        yield Finding(
            "git-helper", f"git has the credential helper {helper.name} for {helper.about or 'every server'}",
            "when the token in netrc is refused, git takes an old one from there, and says nothing",
            f"git config --global --unset-all {helper.key}" if helper.about else forget,
            notice=not helper.about,
        )  # fmt: skip


def own_helper(here: Situation) -> Iterator[Finding]:
    """Ours: whether git asks it, where git has to do with the server at all."""
    from keyturn.cli import app_named

    mend = "keyturn git:credentials --install"
    program = git_helpers.own(here.host)
    if program is not None and shutil.which(program) is None:
        yield Finding(
            "git-helper-gone", f"git is set up to ask {say.clean(program)} for the token, which is not there",
            "without an answer git asks for a name and a password", mend, repair=lambda: _install(here),
        )  # fmt: skip
    elif program is None and here.stored is not None and app_named.remotes(here.host):
        yield Finding(
            "git-helper-missing", f"git is not set up to ask keyturn for the token of {git_helpers.git_url(here.host)}",
            "when the login has ended a push fails, where keyturn would log in again", mend, notice=True,
        )  # fmt: skip


def _install(here: Situation) -> str:
    from keyturn.cli import git_credentials

    git_credentials.install(here.host)
    return "set git up to ask this keyturn"


def decryption(path: str) -> Iterator[Finding]:
    """Of an encrypted netrc that nothing here can read."""
    if os.path.exists(f"{path}.gpg") and shutil.which("gpg") is None:
        yield Finding(
            "no-gpg", f"{path}.gpg is there, but gpg is not installed", "the tokens in it cannot be read",
            f"install GnuPG, or: mv {path}.gpg {path}.gpg.unused, then keyturn login",
        )  # fmt: skip

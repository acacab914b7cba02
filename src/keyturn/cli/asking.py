"""Asking the server on behalf of a command: the host, the token, a login when one is needed, and what was left
undone.
"""

from __future__ import annotations

import os
import time

from keyturn.cli import later, say
from keyturn.cli.here import CHOOSE, chosen_host, not_a_token, not_logged_in, unset_variable
from keyturn.client import credentials, state
from keyturn.client.errors import ConnectionFailed, Forbidden, KeyturnError, NotFound, NotLoggedIn, Unauthorized
from keyturn.client.hosts import DEFAULT
from keyturn.core import token as grammar

for _unused in ("ssl", "random", "calendar"):  # of http.client and of email, which it imports
    later.put_off(_unused)
from keyturn.client.transport import Transport  # noqa: E402 - what is put off comes first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, Final, Self, TypeVar

    from keyturn.client.credentials import Credential
    from keyturn.client.hosts import Host
    from keyturn.client.transport import Response

    T = TypeVar("T")


_NEAR: Final = 24 * 3600
"""Seconds before the end of a login that a server does not warn of, from which on every command does."""
_BROWSER_ONLY: Final = "device_trust_required"
_CODE_TRIES: Final = 3
"""How often a two-factor code may be wrong before a command gives up; as the Heroku CLI has it."""
_warned: set[str] = set()


def transport(host: Host, token: str | None, *, url: str | None = None, timeout: float = 30.0) -> Transport:
    """A connection as the command line makes it; what servers warn of is said once in a run."""
    kind = _ToTheDefault if host.by_default else Transport
    return kind(url or host.api_url, token, client="cli", timeout=timeout, warn=_warn_once)


class _ToTheDefault(Transport):
    """To a server that nobody chose: what fails there says so."""

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """As any other. Raises as that does."""
        try:
            return super().request(method, path, body, authorization=authorization, headers=headers)
        except ConnectionFailed as failed:
            failed.message = f"{failed.message}; no server was chosen, so this went to {DEFAULT}"
            failed.next = CHOOSE
            raise
        except Unauthorized as refused:
            refused.add_note(f"no server was chosen, so this went to {DEFAULT}; to choose one: {CHOOSE}")
            raise


def _warn_once(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        say.warn(text)


class Server:
    """The server as one command sees it; a context manager.

    Without a token, or when it turns out dead, a login is begun where somebody sits at a terminal, and the request is
    then repeated, once. A second factor is asked for likewise.
    """

    def __init__(self, flag: str | None) -> None:
        self.host = chosen_host(flag)
        self.credential: Credential | None = credentials.find(self.host, os.environ)
        self._logged_in_now = False
        self._reached = False
        self._transport = transport(self.host, self.credential.token if self.credential else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()
        if self._reached:
            self._warn_of_the_end()
            send_queued_revocations(self.host)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A request that is answered with one object."""
        answer = self._with_login(lambda more: self._transport.request(method, path, body, headers=more).body)
        return answer if isinstance(answer, dict) else {}

    def ask_for_list(self, method: str, path: str) -> list[dict[str, Any]]:
        """A request that is answered with one list."""
        answer = self._with_login(lambda more: self._transport.request(method, path, headers=more).body)
        return [item for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []

    def ask_all(self, path: str) -> list[dict[str, Any]]:
        """All items of a list."""
        items = self._with_login(lambda _: self._transport.pages(path))
        return [item for item in items if isinstance(item, dict)]

    def require_login(self) -> None:
        """Log in now if there is nothing to present, or nothing that can be a token, before anything else is said."""
        if self.credential is None:
            self._log_in(not_logged_in(self.host))
            return
        wrong = grammar.misfit(self.credential.token)
        if wrong is not None:
            refused = not_a_token(self.credential, wrong)
            if not self.credential.stored:
                raise refused
            self._log_in(refused)

    def _with_login(self, request: Callable[[Mapping[str, str]], T]) -> T:
        self.require_login()
        try:
            return self._with_second_factor(request)
        except Unauthorized as refused:
            self._reached = True
            if self.credential is not None and not self.credential.stored:
                refused.add_note(f"the token came from {credentials.VARIABLE}, which wins over any login")
                # first of all, or the next command would be refused with the same token
                refused.next = f"{unset_variable()}; {refused.next}" if refused.next else unset_variable()
                raise
            self._log_in(refused)
        return self._with_second_factor(request)

    def _with_second_factor(self, request: Callable[[Mapping[str, str]], T]) -> T:
        try:
            answer = with_second_factor(request)
        except Forbidden as refused:
            self._reached = True
            if refused.id == _BROWSER_ONLY and self.credential is not None and not self.credential.stored:
                refused.next = f"{unset_variable()}; {refused.next}"  # or the login would not count
            raise
        self._reached = True
        return answer

    def _log_in(self, why: KeyturnError) -> None:
        from keyturn.cli.terminal import is_interactive

        if self._logged_in_now or not is_interactive():
            raise why
        self._logged_in_now = True
        say.failure(why.message)
        from keyturn.cli.login import log_in

        self.credential = log_in(self.host)
        self._transport.close()
        self._transport = transport(self.host, self.credential.token)

    def _warn_of_the_end(self) -> None:
        """From what is known here; a server that says itself when a token ends also warns of it."""
        if self.credential is None or self._transport.tells_expiry:
            return
        hint = state.read(os.environ).logins.get(self.host.text)
        if hint is None or hint.expires_at is None or not hint.speaks_of(self.credential.token):
            return
        if time.time() < hint.expires_at < time.time() + _NEAR:
            _warn_once(f"this login ends {say.moment(hint.expires_at)}; to have a new one: keyturn login")


def with_second_factor(request: Callable[[Mapping[str, str]], T]) -> T:
    """What ``request`` answers; where the server wants a two-factor code it is asked for, and the request repeated with
    the header that has it. ``request`` is called with the headers to add. Raises as it does.
    """
    more: dict[str, str] = {}
    for left in reversed(range(_CODE_TRIES + 1)):
        try:
            return request(more)
        except Forbidden as refused:
            more = _second_factor(refused, again=bool(more), left=left)
    raise AssertionError("the last try returns or raises")


def _second_factor(refused: Forbidden, *, again: bool, left: int) -> dict[str, str]:
    from keyturn.cli import terminal

    if refused.id != "two_factor":
        raise refused
    refused.next = None  # the server's advice is for programs, which can add a header
    if not terminal.is_interactive():
        refused.next = "run it at a terminal, where the code can be asked for"
        raise refused
    if not left:
        raise refused
    if again:
        say.failure(refused.message)
    say.own_line()
    code = terminal.secret("Two-factor code: ").strip()
    if not (code.isascii() and code.isprintable()):
        raise refused
    return {"Heroku-Two-Factor-Code": code}


def send_queued_revocations(host: Host) -> None:
    """End the logins that were logged out while the server could not be reached. Fails in silence; what fails stays
    queued.
    """
    waiting = state.revocations(os.environ, host.text)
    if not waiting:
        return
    done = []
    for token in waiting:
        with transport(host, token, timeout=5) as late:
            try:
                late.request("DELETE", "/oauth/sessions/~")
            except (Unauthorized, NotFound, NotLoggedIn):
                pass  # dead already, or never a login
            except KeyturnError:
                continue
        done.append(token)
    try:
        state.settle_revocations(os.environ, done, int(time.time()))
    except OSError as wrong:
        say.warn(f"cannot note in {wrong.filename} that a logout is complete: {wrong.strerror}")

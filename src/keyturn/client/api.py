"""The client: one server, one token, a method for each thing that the API does."""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from keyturn.client import models
from keyturn.client.credentials import find
from keyturn.client.errors import NotLoggedIn, ServerFault
from keyturn.client.hosts import choose, parse
from keyturn.client.state import read
from keyturn.client.transport import TIMEOUT, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from keyturn.client.hosts import Host
    from keyturn.client.models import (
        Account,
        AppSetUp,
        Authorization,
        Factor,
        Key,
        Preview,
        RateLimit,
        Session,
        TwoFactorStatus,
        Verified,
        Why,
    )


class Keep(Enum):
    """That something stays as it is, where None has a meaning of its own."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


class Client:
    """A Keyturn server, as one account sees it.

    ``host`` is as for ``keyturn --host`` (``example.com``, ``http://localhost:8420``); by default HEROKU_HOST, else
    that of the last ``keyturn login --host``. ``token`` is by default HEROKU_API_KEY, else the one of that host in
    netrc. ``timeout`` is in seconds. Not for use by several threads at once: the connection is kept open. Close it
    with ``close`` or ``with``.

    Raises HostError for a host that cannot be one. The methods raise the kinds of KeyturnError (keyturn.client.errors).
    """

    def __init__(
        self,
        host: str | None = None,
        token: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.host: Host = parse(host) if host is not None else choose(None, environ, read(environ).chosen)[0]
        if token is None:
            found = find(self.host, environ)
            token = found.token if found else None
        self._has_token = bool(token)
        self._transport = Transport(self.host.api_url, token, environ=environ, timeout=timeout, warn=warn)
        self.authorizations = Authorizations(self)
        self.sessions = Sessions(self)
        self.keys = Keys(self)
        self.two_factor = TwoFactor(self)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.host.text!r})"

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self._transport.close()

    def account(self) -> Account:
        """Who the token speaks for."""
        return models.account(self.ask("GET", "/account"))

    def update_account(
        self, *, password: str | None = None, code: str | None = None, **changes: str | bool | None
    ) -> Account:
        """Change ``name``, ``allow_tracking``, ``beta``; with the account's ``password`` also ``email``, which
        counts once the link that is mailed there was opened: until then the answer has the one before.
        """
        body: dict[str, Any] = dict(changes)
        if password is not None:
            body["password"] = password
        return models.account(self.ask("PATCH", "/account", body, code=code))

    def change_password(self, current: str, new: str, *, code: str | None = None) -> Account:
        """Change the password. Other logins end; this token lives (docs/policies.md)."""
        body = {"current_password": current, "new_password": new}
        return models.account(self.ask("PUT", "/account/password", body, code=code))

    def rate_limit(self) -> RateLimit:
        """How many requests the account has left. Asking is not counted."""
        return models.RateLimit(int(self.ask("GET", "/account/rate-limits").get("remaining", 0)))

    def verify(self, scope: str | None = None) -> Verified:
        """Whether the token lives, and has ``scope``: what a reverse proxy asks. Raises Unauthorized, Forbidden."""
        self._require_token()
        answer = self._transport.request("GET", "/verify" + (f"?scope={quote(scope, safe='')}" if scope else ""))
        said = {name.removeprefix("x-keyturn-"): value for name, value in answer.headers.items()}
        return models.Verified(
            account_id=said.get("account", ""),
            email=said.get("email", ""),
            scope=tuple(said.get("scope", "").replace(",", " ").split()),
            credential_id=said.get("credential", ""),
            kind=said.get("kind", ""),
            expires_at=models.moment(said.get("expires-at")),
        )

    def why(self, method: str | None = None, path: str | None = None, *, id: str | None = None) -> Why:  # noqa: A002
        """Why this token works or does not, be it dead; or the credential with this ``id``. With ``method`` and
        ``path``, whether that request would be allowed. Raises NotFound.
        """
        about = {name: value for name, value in (("method", method), ("path", path)) if value is not None}
        where = "/credentials/why" if id is None else f"/credentials/{quote(id, safe='')}/why"
        return models.why(self.ask("GET", where + (f"?{urlencode(about)}" if about else "")))

    def preview(self, event: str, *, id: str | None = None, account: str | None = None) -> Preview:  # noqa: A002
        """What an event (docs/api.md) would end; ``id``: of the credential it is about. Raises Invalid, NotFound."""
        about = {
            name: value for name, value in (("event", event), ("id", id), ("account", account)) if value is not None
        }
        return models.preview(self.ask("GET", f"/account/preview?{urlencode(about)}"))

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, code: str | None = None
    ) -> dict[str, Any]:
        """Any route that answers with one object; its JSON. For what has no method here yet. ``code``: a two-factor code,
        or a recovery code, for what takes one.
        """
        self._require_token()
        more = None if code is None else {"Heroku-Two-Factor-Code": _typed(code)}
        answer = self._transport.request(method, path, body, headers=more)
        if not isinstance(answer.body, dict):
            raise ServerFault(
                answer.status, {"message": f"{method} {path} did not answer with an object"}, answer.headers
            )
        return answer.body

    def ask_all(self, path: str) -> list[dict[str, Any]]:
        """Any route that answers with a list: all its items, over all pages."""
        self._require_token()
        return [item for item in self._transport.pages(path) if isinstance(item, dict)]

    def _require_token(self) -> None:
        if not self._has_token:
            raise NotLoggedIn(f"not logged in to {self.host.label}", "keyturn login")


class Authorizations:
    """Tokens made for something, with the logins and the API key among them. An id of ``~`` is the account's API key."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, *, ended: bool = False) -> list[Authorization]:
        """All of them, their tokens masked; with ``ended`` the dead too."""
        path = "/oauth/authorizations" + ("?include=ended" if ended else "")
        return [models.authorization(item) for item in self._client.ask_all(path)]

    def create(
        self,
        description: str | None = None,
        *,
        scope: Iterable[str] | None = None,
        expires_in: int | None = None,
        code: str | None = None,
    ) -> Authorization:
        """A new one; its token is told this once. ``expires_in``: seconds, None for never. ``scope``: by default
        ``global``.
        """
        body = {
            "description": description,
            "scope": None if scope is None else [*scope],
            "expires_in": expires_in,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return models.authorization(self._client.ask("POST", "/oauth/authorizations", given, code=code))

    def info(self, id: str) -> Authorization:  # noqa: A002 - the API's own word
        """One of them. Raises NotFound."""
        return models.authorization(self._client.ask("GET", _path(id)))

    def update(
        self,
        id: str,  # noqa: A002
        *,
        description: str | None = None,
        expires_in: int | Keep | None = KEEP,
        code: str | None = None,
    ) -> Authorization:
        """Describe it otherwise, or let it end ``expires_in`` seconds from now (None: never). Raises NotFound, Invalid."""
        body: dict[str, Any] = {} if description is None else {"description": description}
        if not isinstance(expires_in, Keep):
            body["expires_in"] = expires_in
        return models.authorization(self._client.ask("PATCH", _path(id), body, code=code))

    def rotate(
        self,
        id: str,  # noqa: A002
        *,
        overlap: int | None = None,
        idle: int | None = None,
        code: str | None = None,
    ) -> Authorization:
        """Give it a new token, told this once. The old one ends at once, or goes on for ``overlap`` seconds, until it was
        unused for ``idle`` seconds. Raises NotFound, Invalid.
        """
        asked = {name: value for name, value in (("overlap", overlap), ("idle", idle)) if value is not None}
        path = _path(id) + "/actions/regenerate-tokens"
        return models.authorization(self._client.ask("POST", path, asked or None, code=code))

    def revoke(self, id: str) -> Authorization:  # noqa: A002
        """End it. Raises NotFound."""
        return models.authorization(self._client.ask("DELETE", _path(id)))


class Sessions:
    """Logins of command lines and browsers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, *, ended: bool = False) -> list[Session]:
        """All that live; with ``ended`` the dead too."""
        path = "/oauth/sessions" + ("?include=ended" if ended else "")
        return [models.session(item) for item in self._client.ask_all(path)]

    def end(self, id: str) -> Session:  # noqa: A002
        """End one. Raises NotFound."""
        return models.session(self._client.ask("DELETE", f"/oauth/sessions/{quote(id, safe='')}"))

    def logout(self) -> Session:
        """End the login whose token this client presents. Raises NotFound when the token is no login's."""
        return models.session(self._client.ask("DELETE", "/oauth/sessions/~"))


class Keys:
    """SSH public keys."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> list[Key]:
        """All of them."""
        return [models.key(item) for item in self._client.ask_all("/account/keys")]

    def add(self, public_key: str, *, code: str | None = None) -> Key:
        """Add one, as a line of authorized_keys. Raises Invalid."""
        return models.key(self._client.ask("POST", "/account/keys", {"public_key": public_key}, code=code))

    def remove(self, id: str) -> Key:  # noqa: A002
        """Remove the one with this id or fingerprint. Raises NotFound."""
        return models.key(self._client.ask("DELETE", f"/account/keys/{quote(id, safe='')}"))


class TwoFactor:
    """Two-factor authentication. Changes take the account's password, and where it is on a ``code`` as well: they raise
    Invalid for a wrong password, TwoFactorRequired for want of a code and for a wrong one.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def status(self) -> TwoFactorStatus:
        """Whether it is on, and by what."""
        return models.two_factor(self._client.ask("GET", _SECOND))

    def begin(self, password: str, *, name: str | None = None, code: str | None = None) -> AppSetUp:
        """Begin to set up an authenticator app; it counts once ``confirm`` was given a code of it."""
        body = {"password": password} | ({} if name is None else {"name": name})
        return models.app_set_up(self._client.ask("POST", f"{_SECOND}/app", body, code=code))

    def confirm(self, id: str, password: str, code: str) -> tuple[str, ...]:  # noqa: A002
        """Turn it on with the first ``code`` that the new app shows. The recovery codes, told this once; none for a further
        app. Raises NotFound; Invalid for a wrong code.
        """
        path = f"{_SECOND}/app/{quote(id, safe='')}/confirm"
        return models.codes(self._client.ask("POST", path, {"password": password, "code": code}))

    def new_recovery_codes(self, password: str, *, code: str | None = None) -> tuple[str, ...]:
        """New recovery codes, told this once; those before work no more."""
        return models.codes(self._client.ask("POST", f"{_SECOND}/recovery-codes", {"password": password}, code=code))

    def remove(self, id: str, password: str, *, code: str | None = None) -> Factor:  # noqa: A002
        """Remove one of several. Raises NotFound; Invalid for the last one."""
        path = f"{_SECOND}/{quote(id, safe='')}"
        return models.factor(self._client.ask("DELETE", path, {"password": password}, code=code))

    def turn_off(self, password: str, *, code: str | None = None) -> TwoFactorStatus:
        """Turn it off: the password alone signs in. Raises Forbidden where the server's policy asks for it."""
        return models.two_factor(self._client.ask("DELETE", _SECOND, {"password": password}, code=code))


_SECOND: Final = "/account/two-factor"


def _typed(code: str) -> str:
    if not (code.isascii() and code.isprintable()):
        raise ValueError("a two-factor code is of ASCII letters, digits and hyphens")  # never the code itself
    return code.strip()


def _path(identity: str) -> str:
    return f"/oauth/authorizations/{quote(identity, safe='~')}"

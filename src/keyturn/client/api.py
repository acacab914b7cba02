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
    from keyturn.client.models import Account, Authorization, Key, Preview, RateLimit, Session, Verified, Why


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

    def update_account(self, *, password: str | None = None, **changes: str | bool | None) -> Account:
        """Change ``name``, ``allow_tracking``, ``beta``; with the account's ``password`` also ``email``."""
        body: dict[str, Any] = dict(changes)
        if password is not None:
            body["password"] = password
        return models.account(self.ask("PATCH", "/account", body))

    def change_password(self, current: str, new: str) -> Account:
        """Change the password. Other logins end; this token lives (docs/policies.md)."""
        return models.account(self.ask("PUT", "/account/password", {"current_password": current, "new_password": new}))

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

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any route that answers with one object; its JSON. For what has no method here yet."""
        self._require_token()
        answer = self._transport.request(method, path, body)
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
        self, description: str | None = None, *, scope: Iterable[str] | None = None, expires_in: int | None = None
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
        return models.authorization(self._client.ask("POST", "/oauth/authorizations", given))

    def info(self, id: str) -> Authorization:  # noqa: A002 - the API's own word
        """One of them. Raises NotFound."""
        return models.authorization(self._client.ask("GET", _path(id)))

    def update(
        self,
        id: str,  # noqa: A002
        *,
        description: str | None = None,
        expires_in: int | Keep | None = KEEP,
    ) -> Authorization:
        """Describe it otherwise, or let it end ``expires_in`` seconds from now (None: never). Raises NotFound, Invalid."""
        body: dict[str, Any] = {} if description is None else {"description": description}
        if not isinstance(expires_in, Keep):
            body["expires_in"] = expires_in
        return models.authorization(self._client.ask("PATCH", _path(id), body))

    def rotate(self, id: str, *, overlap: int | None = None, idle: int | None = None) -> Authorization:  # noqa: A002
        """Give it a new token, told this once. The old one ends at once, or goes on for ``overlap`` seconds, until it was
        unused for ``idle`` seconds. Raises NotFound, Invalid.
        """
        asked = {name: value for name, value in (("overlap", overlap), ("idle", idle)) if value is not None}
        return models.authorization(self._client.ask("POST", _path(id) + "/actions/regenerate-tokens", asked or None))

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

    def add(self, public_key: str) -> Key:
        """Add one, as a line of authorized_keys. Raises Invalid."""
        return models.key(self._client.ask("POST", "/account/keys", {"public_key": public_key}))

    def remove(self, id: str) -> Key:  # noqa: A002
        """Remove the one with this id or fingerprint. Raises NotFound."""
        return models.key(self._client.ask("DELETE", f"/account/keys/{quote(id, safe='')}"))


def _path(identity: str) -> str:
    return f"/oauth/authorizations/{quote(identity, safe='~')}"

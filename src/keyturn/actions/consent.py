"""A person lets an OAuth client in: the authorization request, checked, and the one-time code that answers it.

[RFC 6749 4.1, RFC 7636, RFC 9207, RFC 9700; https://devcenter.heroku.com/articles/oauth]. Nobody is ever sent to an
address that the client's owner has not registered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, audit, clients
from keyturn.actions.env import Invalid
from keyturn.core import policy, redirect, scope, token
from keyturn.store.interface import Code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, OAuthClient, Principal
    from keyturn.store.interface import Tx

CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""An S256 code challenge [RFC 7636 4.2]: SHA-256 in base64url."""

# Used and expired codes are kept for so long, so that a second use is noticed.
CODES_KEPT: Final = 30 * policy.DAY


@dataclass(frozen=True, slots=True)
class Request:
    """An authorization request whose client and address are right. ``error`` and ``description`` say what else is
    wrong with it, which the client is to be told.
    """

    client: OAuthClient
    owner: Account
    """Who registered the client."""
    redirect_uri: str
    """Where the answer goes."""
    named_uri: bool
    """Whether the request named it; its exchange then must as well [RFC 6749 4.1.3]."""
    state: str | None
    scopes: tuple[str, ...] = ()
    code_challenge: str | None = None
    error: str | None = None
    description: str | None = None


def read(env: Env, asked: Mapping[str, Sequence[str]]) -> Request:
    """The request that the query ``asked`` makes. Raises Invalid when there is no such client or the address is none of
    its: then there is nobody whom to send anything.
    """
    with env.store.reading() as tx:
        return _read(tx, asked)


def _read(tx: Tx, asked: Mapping[str, Sequence[str]]) -> Request:
    client, owner = _client(tx, asked.get("client_id", ()))
    uris = asked.get("redirect_uri", ())
    if len(uris) > 1 or not all(redirect.matches(client.redirect_uri, uri) for uri in uris):
        raise Invalid("redirect_uri", "It asks to send you to an address that is not registered for it.")
    states = asked.get("state", ())
    found = Request(client, owner, (uris or (client.redirect_uri,))[0], bool(uris), states[0] if states else None)
    names, challenge = None, asked.get("code_challenge", (None,))[0]
    error = _what_is_wrong(asked, found.redirect_uri)
    if error is None:
        try:
            names = scope.normalize(asked.get("scope", (None,))[0])
        except ValueError as wrong:
            error = "invalid_scope", str(wrong)
    if error is not None or names is None:
        code, description = error or ("invalid_scope", "")
        return _with(found, error=code, description=description)
    return _with(found, scopes=names, code_challenge=challenge)


def _with(found: Request, **more: object) -> Request:
    given = {name: getattr(found, name) for name in ("client", "owner", "redirect_uri", "named_uri", "state")}
    return Request(**{**given, **more})


def _client(tx: Tx, ids: Sequence[str]) -> tuple[OAuthClient, Account]:
    client = clients.living(tx, ids[0]) if len(ids) == 1 else None
    owner = tx.account(client.account_id) if client else None
    if client is None or owner is None or owner.suspended_at is not None or owner.closed_at is not None:
        raise Invalid("client_id", "There is no such application here: it was removed, or its link is wrong.")
    return client, owner


def _what_is_wrong(asked: Mapping[str, Sequence[str]], uri: str) -> tuple[str, str] | None:
    """An error of RFC 6749 4.1.2.1 and its description; None when the request is right but for its scope."""
    twice = next((name for name, values in asked.items() if len(values) > 1), None)
    if twice is not None:
        return "invalid_request", f"{twice[:40]} is given more than once"
    kind = asked.get("response_type", (None,))[0]
    if kind is None:
        return "invalid_request", "response_type is missing; it must be code"
    if kind != "code":
        return "unsupported_response_type", "response_type must be code"
    challenge, method = asked.get("code_challenge", (None,))[0], asked.get("code_challenge_method", (None,))[0]
    if challenge is None:
        if method is not None:
            return "invalid_request", "code_challenge_method is given without code_challenge"
        if redirect.takes_pkce(uri):
            return "invalid_request", "code_challenge is missing; a client on plain http has to use PKCE with S256"
        return None
    if method != "S256":
        return "invalid_request", "code_challenge_method must be S256"
    if not CHALLENGE.fullmatch(challenge):
        return "invalid_request", "code_challenge must be the SHA-256 of the verifier in base64url: 43 characters"
    return None


def allow(env: Env, by: By, principal: Principal, asked: Mapping[str, Sequence[str]]) -> tuple[Request, str | None]:
    """The person says yes: the request, and the one-time code for its client, good once, for five minutes.

    The request is read again, in the transaction that answers it; where it is wrong now there is no code but an error
    in it. Raises Invalid as ``read`` does, NotFound, Refused when the account or its session ended meanwhile.
    """
    now = env.clock()
    secret = token.make("oauth_code", env.random_bytes)
    with env.store.writing() as tx:
        request = _read(tx, asked)
        if request.error is not None:
            return request, None
        account = acting.still(env, tx, principal)
        tx.forget_codes(now - timedelta(seconds=CODES_KEPT))
        made = Code(
            id=env.new_id(), client_id=request.client.id, account_id=account.id, account_version=account.credential_version,
            scopes=" ".join(request.scopes), redirect_uri=request.redirect_uri if request.named_uri else "",
            code_challenge=request.code_challenge, created_at=now, expires_at=now + timedelta(seconds=policy.OAUTH_CODE),
        )  # fmt: skip
        tx.add_code(made, token.digest(secret))
        audit.record(env, tx, by, "oauth.allow", client=request.client.id, code=made.id, scope=list(request.scopes))
    return request, secret


def deny(env: Env, by: By, asked: Mapping[str, Sequence[str]]) -> Request:
    """The person says no. Raises Invalid as ``read`` does."""
    with env.store.writing() as tx:
        request = _read(tx, asked)
        audit.record(env, tx, by, "oauth.deny", client=request.client.id)
    return _with(request, error="access_denied", description="the account's owner said no")

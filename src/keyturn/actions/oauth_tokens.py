"""An OAuth client's tokens: a code becomes a pair of them, a refresh token another pair, and a client gives them up.

[RFC 6749 4.1.3 and 6, RFC 7009, RFC 7636, RFC 9700 2.1, 4.5, 4.14]. What is good once and comes a second time ends all
that was made of it: one of the two who presented it stole it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import audit, clients, grants, letters
from keyturn.actions.env import Invalid, NotFound, Problem
from keyturn.actions.grants import Credential
from keyturn.core import decide, policy, redirect, scope, token
from keyturn.core.policy import REASON_OF, Event, Kind

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, Found, Grant, OAuthClient, Principal
    from keyturn.store.interface import Code, Tx

VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""A code verifier [RFC 7636 4.1]."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How a client says who it is: its id, which Heroku's clients leave out, and its secret."""

    client_id: str | None
    secret: str | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A client's new tokens, and whose account they are for."""

    credential: Credential
    account: Account


class TokenRefused(Problem):
    """No tokens. ``error`` is of RFC 6749 5.2; ``reason`` and ``ended_at`` say of what the authorization died."""

    def __init__(
        self, error: str, description: str, *, reason: str | None = None, ended_at: datetime | None = None
    ) -> None:
        super().__init__(description)
        self.error, self.reason, self.ended_at = error, reason, ended_at


def exchange(env: Env, by: By, proof: Proof, code: str, *, redirect_uri: str | None, verifier: str | None) -> Issued:
    """The tokens for a one-time code. Raises TokenRefused; a second use ends what the first one made."""
    digest = token.digest(code)
    _known(env, code, "oauth_code", "code")
    with env.store.writing() as tx:
        found = tx.code(digest)
        assert found is not None
        client = _proven(tx, proof, found.client_id, "code")
        outcome = _exchange(env, tx, by, client, found, redirect_uri, verifier)
        if isinstance(outcome, Issued):
            tx.change_code(digest, used_at=env.clock(), grant_id=outcome.credential.grant.id)
    return _done(outcome)


def _exchange(
    env: Env, tx: Tx, by: By, client: OAuthClient, code: Code, redirect_uri: str | None, verifier: str | None
) -> Issued | TokenRefused:
    now = env.clock()
    if code.used_at is not None:
        return _reused(env, tx, by, "code", code.account_id, code.grant_id)
    if code.expires_at <= now:
        return TokenRefused("invalid_grant", "the code has expired; it is good for five minutes", reason="expired")
    if redirect_uri != code.redirect_uri and (code.redirect_uri or not _registered(client, redirect_uri)):
        return TokenRefused("invalid_grant", "redirect_uri is not the one that the code was asked for with")
    wrong = _wrong_verifier(code.code_challenge, verifier)
    if wrong:
        return TokenRefused("invalid_grant", wrong)
    account = tx.account(code.account_id, lock=True)
    if account is None or account.closed_at is not None:
        return TokenRefused("invalid_grant", "the account was closed meanwhile", reason=REASON_OF[Event.CLOSE])
    if account.suspended_at is not None:
        return TokenRefused("invalid_grant", "the account was suspended meanwhile", reason="owner_suspended")
    if account.credential_version != code.account_version:
        return TokenRefused(
            "invalid_grant", "the account's password was changed meanwhile", reason=REASON_OF[Event.PASSWORD_CHANGE]
        )
    try:
        made = grants.mint(
            env, tx, by, account, Kind.OAUTH, scopes=tuple(code.scopes.split()), description=client.name, client_id=client.id
        )  # fmt: skip
    except Invalid as wrong_account:
        return TokenRefused("invalid_request", str(wrong_account))
    letters.tell(
        env, tx, by, account, f"An application was let in to your account: {client.name}",
        f"The application “{client.name}” was let in to your account, with the scopes {', '.join(made.grant.scopes)}. It acts for "
        "your account until that ends or you revoke it.",
    )  # fmt: skip
    return _with_refresh(env, tx, made.grant, made, client, account)


def _registered(client: OAuthClient, uri: str | None) -> bool:
    return uri is None or redirect.matches(client.redirect_uri, uri)


def _wrong_verifier(challenge: str | None, verifier: str | None) -> str | None:
    """What is wrong with the proof of possession; None: nothing [RFC 7636 4.6, RFC 9700 2.1.1]."""
    if challenge is None:
        return None if verifier is None else "there is a code_verifier, but the code was asked for without PKCE"
    if verifier is None:
        return "code_verifier is missing; the code was asked for with PKCE"
    if not VERIFIER.fullmatch(verifier):
        return "code_verifier must be 43 to 128 letters, digits and -._~"
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return None if hmac.compare_digest(hashed, challenge.encode()) else "code_verifier is not the code's"


def refresh(env: Env, by: By, proof: Proof, text: str, *, scopes: str | None) -> Issued:
    """Another pair of tokens for a refresh token, which is used up; the access token before goes on for a minute.

    Raises TokenRefused; a second use of a refresh token ends the whole authorization.
    """
    _known(env, text, "oauth_refresh", "refresh_token")
    with env.store.writing() as tx:
        found = tx.find_token(token.digest(text))
        grant = tx.grant(found.grant_id) if found else None
        assert found is not None
        assert grant is not None
        client = _proven(tx, proof, grant.client_id, "refresh token", living=False)
        outcome = _refresh(env, tx, by, client, found, grant, scopes)
    return _done(outcome)


def _refresh(
    env: Env, tx: Tx, by: By, client: OAuthClient, found: Found, grant: Grant, scopes: str | None
) -> Issued | TokenRefused:
    now = env.clock()
    death = grant.death(now)
    if death is None and found.suspended_at is not None:
        death = "owner_suspended", found.suspended_at
    if death is not None:
        sentence = decide.death_sentence(grant.kind, grant.description, *death)
        return TokenRefused("invalid_grant", sentence, reason=death[0], ended_at=death[1])
    if found.token_ended_at is not None:
        return _reused(env, tx, by, "refresh token", grant.account_id, grant.id)
    if found.token_expires_at is not None and found.token_expires_at <= now:
        description = "the refresh token was not used in time; authorize the client again"
        return TokenRefused("invalid_grant", description, reason="expired", ended_at=found.token_expires_at)
    try:
        if scopes is not None and set(scope.normalize(scopes)) != set(grant.scopes):
            return TokenRefused("invalid_scope", "a refresh keeps the scope of its authorization; leave it out")
    except ValueError as wrong:
        return TokenRefused("invalid_scope", str(wrong))
    account = tx.account(grant.account_id, lock=True)
    assert account is not None
    _retire(env, tx, grant)
    made, secret = grants.add_token(env, tx, grant)
    audit.record(
        env, tx, by, f"{grant.kind}.refresh", account_id=grant.account_id, refreshed=grant.id, client=client.id
    )
    return _with_refresh(env, tx, grant, Credential(grant, made, secret), client, account)


def _retire(env: Env, tx: Tx, grant: Grant) -> None:
    """Ends the refresh token now, and the access token after the requests that are on their way with it."""
    now, reason = env.clock(), REASON_OF[Event.ROTATION]
    tx.end_tokens(grant.id, now, reason, role="refresh")
    soon = now + timedelta(seconds=policy.OAUTH_OVERLAP)
    for old in tx.living_tokens([grant.id]).get(grant.id, []):
        if old.idle_limit is not None or (old.expires_at is not None and old.expires_at <= now):
            tx.change_token(old.id, grant.id, ended_at=now, ended_reason=reason)
        else:
            ends = soon if old.expires_at is None else min(old.expires_at, soon)
            tx.change_token(old.id, grant.id, expires_at=ends, idle_limit=policy.OAUTH_OVERLAP)


def _with_refresh(env: Env, tx: Tx, grant: Grant, made: Credential, client: OAuthClient, account: Account) -> Issued:
    kept, secret = grants.add_token(env, tx, grant, role="refresh")
    whole = Credential(grant, made.token, made.secret, refresh=kept, refresh_secret=secret, client=client)
    return Issued(whole, account)


def _known(env: Env, text: str, kind: str, name: str) -> None:
    """Raises TokenRefused unless such a code or token was issued once; by a read alone."""
    if token.kind_of(text) != kind or not token.is_token(text):
        raise TokenRefused("invalid_grant", f"the {name} is malformed: it was cut, mistyped or is something else")
    with env.store.reading() as tx:
        digest = token.digest(text)
        known = tx.code(digest) if kind == "oauth_code" else tx.find_token(digest)
    if known is None:
        raise TokenRefused("invalid_grant", f"there is no such {name}")


def _proven(tx: Tx, proof: Proof, client_id: str | None, noun: str, *, living: bool = True) -> OAuthClient:
    """The client ``client_id``, when ``proof`` shows that it is the one who asks. Raises TokenRefused.

    ``living=False``: a removed client may still learn, with its secret, that it was removed.
    """
    wanted = tx.client(client_id) if client_id else None
    asking = wanted
    if proof.client_id is not None and (wanted is None or proof.client_id.lower() != wanted.id):
        asking = clients.living(tx, proof.client_id)
    gone = asking is not None and asking.ended_at is not None and living
    if asking is None or gone or not proof.secret or not clients.is_secret(tx, asking, proof.secret):
        raise TokenRefused("invalid_client", "the client is unknown, or its secret is missing or wrong")
    if wanted is None or asking.id != wanted.id:
        raise TokenRefused("invalid_grant", f"the {noun} was not given to this client")
    owner = tx.account(asking.account_id)
    if owner is None or owner.suspended_at is not None or owner.closed_at is not None:
        description = "the account that this client belongs to is suspended or closed"
        raise TokenRefused("unauthorized_client", description, reason="owner_suspended")
    return asking


def _reused(env: Env, tx: Tx, by: By, noun: str, account_id: str, grant_id: str | None) -> TokenRefused:
    audit.record(env, tx, by, "oauth.reuse", outcome="refused", account_id=account_id, of=noun, grant=grant_id)
    if grant_id is not None:
        grants.end(env, tx, by, Event.REUSE, account_id, target=grant_id)
    reason = REASON_OF[Event.REUSE]
    description = (
        f"the {noun} was used before; what was made of it ended, since one of the two uses was not its client's"
    )
    return TokenRefused("invalid_grant", description, reason=reason)


def _done(outcome: Issued | TokenRefused) -> Issued:
    """After the commit: a refusal may have ended something, which must not be rolled back."""
    if isinstance(outcome, TokenRefused):
        raise outcome
    return outcome


def revoke(env: Env, by: By, proof: Proof, text: str) -> None:
    """The client gives a token up, and with it the authorization [RFC 7009]. What is unknown or dead is left alone.

    Raises TokenRefused for a client that does not prove itself, and for another client's token.
    """
    with env.store.reading() as tx:  # a stranger must not hold up whoever writes
        if _given_up(tx, proof, text) is None:
            return
    with env.store.writing() as tx:
        grant = _given_up(tx, proof, text)
        if grant is not None:
            grants.end(env, tx, by, Event.CLIENT_REVOKE, grant.account_id, target=grant.id)


def _given_up(tx: Tx, proof: Proof, text: str) -> Grant | None:
    """The authorization that a proven client gives up with the token; None when it is not an OAuth client's."""
    asking = clients.living(tx, proof.client_id)
    found = tx.find_token(token.digest(text)) if token.is_token(text) else None
    grant = tx.grant(found.grant_id) if found else None
    if asking is None and proof.client_id is None and grant is not None and grant.client_id is not None:
        asking = tx.client(grant.client_id)
    if asking is None or not proof.secret or not clients.is_secret(tx, asking, proof.secret):
        raise TokenRefused("invalid_client", "the client is unknown, or its secret is missing or wrong")
    if grant is None or grant.client_id is None:
        return None
    if grant.client_id != asking.id:
        raise TokenRefused("unauthorized_client", "the token was not given to this client")
    return grant


def find(env: Env, principal: Principal, identity: str) -> Credential:
    """The account's living OAuth authorization that has the access or refresh token ``identity``. Raises NotFound."""
    with env.store.reading() as tx:
        return _find(env, tx, principal, identity)


def _find(env: Env, tx: Tx, principal: Principal, identity: str) -> Credential:
    made = [g for g in tx.grants(principal.account_id, alive_at=env.clock()) if g.kind is Kind.OAUTH]
    for found in grants.with_tokens(tx, made):
        if found.token.id == identity or (found.refresh is not None and found.refresh.id == identity):
            return found
    raise NotFound("oauth_token")


def remove(env: Env, by: By, principal: Principal, identity: str) -> Credential:
    """The account takes a token back, and with it the authorization; returns it as it was. Raises NotFound."""
    with env.store.writing() as tx:
        found = _find(env, tx, principal, identity)
        grants.end(env, tx, by, Event.REVOKE, principal.account_id, target=found.grant.id)
        return found

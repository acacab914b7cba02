"""OAuth clients: other people's programs that accounts can let in. Each belongs to the account that registered it."""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, audit, grants, notices
from keyturn.actions.env import Invalid, NotFound
from keyturn.core import redirect, token
from keyturn.core.credential import OAuthClient
from keyturn.core.policy import REASON_OF, Event

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Principal
    from keyturn.core.lifecycle import Ending
    from keyturn.store.interface import Tx

NAME_LONGEST: Final = 80
MOST: Final = 100
"""Clients an account can have alive at once."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client, and its secret where this answer is the one that shows it."""

    client: OAuthClient
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """What the removal of a client ends: of the acting account in full, of all others only how much."""

    client: OAuthClient
    own: list[tuple[Ending, Credential]]
    others: int
    """Authorizations of other accounts."""
    other_accounts: int
    """How many accounts those are of."""


def clean_name(name: object) -> str:
    """The name to store: one line of printable characters. Raises Invalid for none, another type or one too long."""
    if not isinstance(name, str):
        raise Invalid("name", "name must be a string")
    text = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if not text:
        raise Invalid("name", "give the client a name; people see it when they are asked to let it in")
    if len(text) > NAME_LONGEST:
        raise Invalid("name", f"name is too long: at most {NAME_LONGEST} characters")
    return text


def clean_redirect(uri: object) -> str:
    """The redirect URI to store. Raises Invalid, saying what is wrong with it (core.redirect)."""
    if not isinstance(uri, str):
        raise Invalid("redirect_uri", "redirect_uri must be a string")
    problem = redirect.what_is_wrong(uri.strip())
    if problem:
        raise Invalid("redirect_uri", f"redirect_uri {problem}")
    return uri.strip()


def create(env: Env, by: By, principal: Principal, *, name: object, redirect_uri: object) -> Client:
    """A new client, with its secret: this once. Raises Invalid."""
    name, uri, now = clean_name(name), clean_redirect(redirect_uri), env.clock()
    secret = token.make("client_secret", env.random_bytes)
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        if len(tx.clients(principal.account_id)) >= MOST:
            raise Invalid("account", f"the account has {MOST} OAuth clients, the most allowed; remove some first")
        made = OAuthClient(env.new_id(), principal.account_id, name, uri, now, now)
        tx.add_client(made, token.digest(secret))
        audit.record(env, tx, by, "client.create", client=made.id, name=name, redirect_uri=uri)
    return Client(made, secret)


def listed(env: Env, principal: Principal) -> list[OAuthClient]:
    """The account's living clients, oldest first."""
    with env.store.reading() as tx:
        return tx.clients(principal.account_id)


def info(env: Env, principal: Principal, identity: str) -> OAuthClient:
    """One of the account's living clients. Raises NotFound."""
    with env.store.reading() as tx:
        return _find(tx, principal, identity)


def _find(tx: Tx, principal: Principal, identity: str) -> OAuthClient:
    found = living(tx, identity)
    if found is None or found.account_id != principal.account_id:
        raise NotFound("client")
    return found


def living(tx: Tx, identity: object) -> OAuthClient | None:
    """The client of that id, unless it was removed; for whatever a stranger sends as an id."""
    try:
        identity = str(uuid.UUID(str(identity)))
    except ValueError:
        return None
    found = tx.client(identity)
    return found if found is not None and found.ended_at is None else None


def update(env: Env, by: By, principal: Principal, identity: str, *, name: object, redirect_uri: object) -> OAuthClient:
    """Another name, another redirect URI; None leaves it (wire.md 6). Raises NotFound, Invalid."""
    wanted: dict[str, object] = {}
    if name is not None:
        wanted["name"] = clean_name(name)
    if redirect_uri is not None:
        wanted["redirect_uri"] = clean_redirect(redirect_uri)
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        found = _find(tx, principal, identity)
        if wanted:
            tx.change_client(found.id, **wanted, updated_at=env.clock())
            before = {field: getattr(found, field) for field in wanted}
            audit.record(env, tx, by, "client.update", client=found.id, before=before, after=wanted)
        return _find(tx, principal, found.id)


def rotate(env: Env, by: By, principal: Principal, identity: str) -> Client:
    """A new secret, shown this once; the old one is refused from now on. What was authorized stays. Raises NotFound."""
    secret = token.make("client_secret", env.random_bytes)
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        found = _find(tx, principal, identity)
        tx.change_client(found.id, secret_digest=token.digest(secret), updated_at=env.clock())
        audit.record(env, tx, by, "client.rotate", client=found.id)
        return Client(_find(tx, principal, found.id), secret)


def remove(env: Env, by: By, principal: Principal, identity: str) -> OAuthClient:
    """Ends the client and every authorization that accounts gave it; returns it as it was. Raises NotFound."""
    with env.store.writing() as tx:
        found = _find(tx, principal, identity)
        tx.change_client(found.id, ended_at=env.clock(), ended_reason=REASON_OF[Event.CLIENT_REMOVED])
        audit.record(env, tx, by, "client.remove", client=found.id, name=found.name)
        reached = tx.grants_of_client(found.id)
        grants.end(env, tx, by, Event.CLIENT_REMOVED, found.account_id, among=reached)
        return found


def would_remove(env: Env, by: By, principal: Principal, identity: str) -> Removal:
    """What ``remove`` would end, by the same function; changes nothing. Raises NotFound."""
    with env.store.reading() as tx:
        found = _find(tx, principal, identity)
        reached = tx.grants_of_client(found.id)
        endings = grants.would_end(env, tx, by, Event.CLIENT_REMOVED, found.account_id, among=reached)
        own = [ending for ending in endings if ending.grant.account_id == principal.account_id]
        shown = grants.with_tokens(tx, [ending.grant for ending in own])
        others = [ending.grant.account_id for ending in endings if ending.grant.account_id != principal.account_id]
        return Removal(found, list(zip(own, shown, strict=True)), len(others), len(set(others)))


def secret_leaked(env: Env, tx: Tx, by: By, text: str) -> bool:
    """Whether ``text`` was a client's secret, reported leaked: it is refused from now on, every authorization that the
    client had ends, and its owner is told. The client itself stays, for a new secret.
    """
    found = tx.client_by_secret(token.digest(text))
    if found is None:
        return False
    unknown = token.digest(token.make("client_secret", env.random_bytes))
    tx.change_client(found.id, secret_digest=unknown, updated_at=env.clock())
    audit.record(env, tx, by, "client.leak", account_id=found.account_id, client=found.id)
    ended = 0
    for grant in tx.grants_of_client(found.id):
        ended += len(grants.end(env, tx, by, Event.LEAK, grant.account_id, target=grant.id, among=[grant]))
    owner = tx.account(found.account_id)
    if owner is not None:
        notices.post(env, tx, "mail", owner.email, f"The secret of your OAuth client {found.name} leaked", _LEAKED.format(
            name=found.name, id=found.id, count=ended))  # fmt: skip
    return True


_LEAKED: Final = """\
Hello,

the secret of your OAuth client “{name}” was reported leaked: somebody found it where it should not be.

It is refused from now on, and what people had let the client do ended: {count} authorizations in all.
Find out where it was, then make a new secret:

  keyturn clients:rotate {id}

and let people authorize the client again.
"""


def is_secret(tx: Tx, client: OAuthClient, secret: str) -> bool:
    """Whether ``secret`` is the client's, in a time that does not depend on how much of it is right."""
    return hmac.compare_digest(tx.client_secret(client.id) or b"", token.digest(secret))

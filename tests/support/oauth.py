"""An OAuth client and the people it asks, over the actions: the shortest way from a client to its tokens."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyturn.actions import clients, consent, oauth_tokens
from keyturn.actions.oauth_tokens import Proof

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.actions.grants import Credential
    from keyturn.actions.oauth_tokens import Issued

CALLBACK = "https://app.example.com/callback"
LOCAL = "http://127.0.0.1/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class App:
    """A client, with its secret."""

    world: World
    id: str
    secret: str
    uri: str
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def proof(self) -> Proof:
        return Proof(self.id, self.secret)

    def asks(self, **more: str | None) -> dict[str, list[str]]:
        """The query of its authorization request."""
        asked = {"client_id": self.id, "response_type": "code", "scope": "read", "state": "xyz", **self.extra, **more}
        return {name: [value] for name, value in asked.items() if value is not None}

    def code(self, person: Credential, **more: str | None) -> str:
        """A code that ``person``, signed in, lets it have."""
        by = self.world.by(person)
        assert by.principal is not None
        request, code = consent.allow(self.world.env, by, by.principal, self.asks(**more))
        assert code is not None, request
        return code

    def exchange(
        self, code: str, *, uri: str | None = None, verifier: str | None = None, proof: Proof | None = None
    ) -> Issued:
        return oauth_tokens.exchange(
            self.world.env, self.world.by(), proof or self.proof, code, redirect_uri=uri, verifier=verifier
        )

    def refresh(self, token: str | None, *, proof: Proof | None = None, scopes: str | None = None) -> Issued:
        assert token is not None
        return oauth_tokens.refresh(self.world.env, self.world.by(), proof or self.proof, token, scopes=scopes)

    def let_in(self, person: Credential, **more: str | None) -> Credential:
        """Its tokens for ``person``; the clock moves on."""
        made = self.exchange(self.code(person, **more)).credential
        self.world.clock.advance(seconds=1)
        return made


def register(world: World, owner: Credential, name: str = "Dashboard", uri: str = CALLBACK, **extra: str) -> App:
    """A new client of ``owner``."""
    made = clients.create(world.env, world.by(owner), world.principal(owner), name=name, redirect_uri=uri)
    assert made.secret is not None
    return App(world, made.client.id, made.secret, uri, extra)

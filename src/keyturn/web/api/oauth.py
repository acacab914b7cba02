"""The token endpoint in both of its dialects, revocation, and the server's description of itself.

RFC 6749's flat parameters (``grant_type=...``), as a form or as JSON, get its flat answer; Heroku's nested JSON
(``{"grant": {"type": ...}}``) gets Heroku's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.actions import oauth_tokens, preview
from keyturn.actions.oauth_tokens import Issued, Proof, TokenRefused
from keyturn.core import scope
from keyturn.core.policy import Event
from keyturn.web.answer import Answer, iso
from keyturn.web.api.authorizations import renderer
from keyturn.web.render import seconds_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.actions.grants import Credential
    from keyturn.web.call import Call
    from keyturn.web.face import Face

AUTHORIZE, TOKENS, REVOKE = "/oauth/authorize", "/oauth/tokens", "/oauth/revoke"
METHODS = ["client_secret_basic", "client_secret_post"]
_NO_CACHE = ("Pragma", "no-cache")  # for HTTP/1.0 caches [RFC 6749 5.1]


def create(call: Call) -> Answer:
    """POST /oauth/tokens (Heroku's), POST /oauth/token (what its web flow documents)."""
    try:
        nested = isinstance(call.body.get("grant"), dict)
        issued = _issue(call, *(_nested(call.body) if nested else _flat(call.body)))
    except TokenRefused as refused:
        return _refusal(refused)
    return Answer(_heroku(call, issued), 201, [_NO_CACHE]) if nested else Answer(_plain(call, issued), 200, [_NO_CACHE])


def _text(table: object, *names: str) -> str | None:
    """The first of ``names`` that ``table`` has a value of; an empty one counts as left out [RFC 6749 3.1]."""
    for name in names:
        value = table.get(name) if isinstance(table, dict) else None
        if value is not None and not isinstance(value, str):
            raise TokenRefused("invalid_request", f"{name} must be a string")
        if value:
            return value
    return None


Fields = dict[str, str | None]


def _flat(body: dict[str, Any]) -> tuple[Fields, Proof]:
    names = ("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope")
    return {name: _text(body, name) for name in names}, Proof(_text(body, "client_id"), _text(body, "client_secret"))


def _nested(body: dict[str, Any]) -> tuple[Fields, Proof]:
    grant, client = body["grant"], body.get("client")
    fields = {
        "grant_type": _text(grant, "type"),
        "code": _text(grant, "code"),
        "redirect_uri": _text(grant, "redirect_uri") or _text(body, "redirect_uri"),
        "code_verifier": _text(grant, "code_verifier") or _text(body, "code_verifier"),
        "refresh_token": _text(body.get("refresh_token"), "token"),
        "scope": None,
    }
    return fields, Proof(_text(client, "id"), _text(client, "secret"))


def _issue(call: Call, fields: Fields, given: Proof) -> Issued:
    proof, kind = _proof(call, given), fields["grant_type"]
    if kind == "authorization_code":
        code = _needed(fields, "code")
        return oauth_tokens.exchange(
            call.env, call.by, proof, code, redirect_uri=fields["redirect_uri"], verifier=fields["code_verifier"]
        )
    if kind == "refresh_token":
        return oauth_tokens.refresh(call.env, call.by, proof, _needed(fields, "refresh_token"), scopes=fields["scope"])
    if kind is None:
        raise TokenRefused("invalid_request", "grant_type is missing")
    raise TokenRefused("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")


def _needed(fields: Fields, name: str) -> str:
    value = fields[name]
    if value is None:
        raise TokenRefused("invalid_request", f"{name} is missing")
    return value


def _proof(call: Call, given: Proof) -> Proof:
    """The client's proof: of the body, or of Basic authentication [RFC 6749 2.3.1]; not of both."""
    basic = call.presented
    # curl -n sends along what netrc has, the account's own: e-mail and token are no client's
    if basic is None or not basic.user or "@" in basic.user or not basic.text:
        return given
    if given.secret is not None:
        raise TokenRefused("invalid_request", "the client's secret is given twice; give it in one way")
    if given.client_id is not None and given.client_id != basic.user:
        raise TokenRefused("invalid_request", "client_id is not that of the Authorization header")
    return Proof(basic.user, basic.text)


def _plain(call: Call, issued: Issued) -> dict[str, Any]:
    found, now = issued.credential, call.env.clock()
    assert found.refresh is not None
    return {
        "access_token": found.secret,
        "expires_in": seconds_left(found.token.expires_at, now),
        "refresh_token": found.refresh_secret,
        "refresh_token_expires_in": seconds_left(found.refresh.expires_at, now),
        "scope": " ".join(found.grant.scopes),
        "token_type": "Bearer",
        "user_id": issued.account.id,
    }


def _heroku(call: Call, issued: Issued) -> dict[str, Any]:
    found = issued.credential
    return _resource(call, found) | {
        "scope": list(found.grant.scopes),
        "token_type": "Bearer",
        "user": {"id": issued.account.id},
    }


def _resource(call: Call, found: Credential) -> dict[str, Any]:
    """An oauth-token of the schema: it goes by the id of its access token."""
    now, kept = call.env.clock(), found.refresh
    return {
        "access_token": {
            "expires_in": seconds_left(found.token.expires_at, now),
            "id": found.token.id,
            "token": found.secret or found.token.mask,
        },
        "authorization": {"id": found.grant.id},
        "client": None,
        "created_at": iso(found.token.created_at),
        "id": found.token.id,
        "refresh_token": {
            "expires_in": seconds_left(kept.expires_at, now),
            "id": kept.id,
            "token": found.refresh_secret or kept.mask,
        }
        if kept
        else None,
        "session": {"id": found.grant.id},
        "updated_at": iso(found.grant.updated_at),
        "user": {"id": found.grant.account_id},
    }


def _refusal(refused: TokenRefused) -> Answer:
    """An error of RFC 6749 5.2, with what Heroku's clients read as well."""
    message = str(refused)
    plain = "".join(c if " " <= c <= "~" and c not in '"\\' else "'" if c in '"“”' else "?" for c in message)
    body = {"error": refused.error, "error_description": plain, "id": refused.error, "message": message}
    if refused.reason is not None:
        body["reason"] = refused.reason
    if refused.ended_at is not None:
        body["ended_at"] = iso(refused.ended_at) or ""
    if refused.error == "invalid_client":
        return Answer(body, 401, [("WWW-Authenticate", 'Basic realm="Keyturn OAuth clients"')])
    return Answer(body, 400)


def remove(call: Call) -> Answer:
    """DELETE /oauth/tokens/ID: ends the authorization that it belongs to; answers what it was."""
    identity = call.params["id"]
    if call.dry_run:
        target = oauth_tokens.find(call.env, call.principal, identity).grant.id
        return Answer(renderer(call).preview(preview.preview(call.env, call.by, Event.REVOKE, target=target)))
    return Answer(_resource(call, oauth_tokens.remove(call.env, call.by, call.principal, identity)))


def revoke(call: Call) -> Answer:
    """POST /oauth/revoke ``token=...``: 200 for what is unknown too [RFC 7009 2.2]."""
    try:
        given = Proof(_text(call.body, "client_id"), _text(call.body, "client_secret"))
        text = _text(call.body, "token")
        if text is None:
            raise TokenRefused("invalid_request", "token is missing")
        oauth_tokens.revoke(call.env, call.by, _proof(call, given), text)
    except TokenRefused as refused:
        return _refusal(refused)
    return Answer({})


def metadata(face: Face) -> Callable[[Call], Answer]:
    """GET /.well-known/oauth-authorization-server [RFC 8414]."""
    url = face.public_url
    described = {
        "issuer": url,
        "authorization_endpoint": url + AUTHORIZE,
        "token_endpoint": url + TOKENS,
        "revocation_endpoint": url + REVOKE,
        "scopes_supported": list(scope.SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }
    return lambda _call: Answer(described)

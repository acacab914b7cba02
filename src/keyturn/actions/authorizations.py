"""Authorizations: the tokens that people make, see, rotate and revoke. Logins and the API key are listed among them,
as Heroku's are.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import acting, audit, grants, second_step, sign_in
from keyturn.actions.env import Invalid, NotFound, Refused
from keyturn.core import decide, lifecycle, policy, reasons, scope
from keyturn.core.credential import Deny
from keyturn.core.password import length
from keyturn.core.policy import EFFECTS, Effect, Event, Kind

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.credential import Account, Grant, Principal
    from keyturn.store.interface import Tx

LISTED: Final = frozenset({Kind.LOGIN, Kind.API_KEY, Kind.AUTHORIZATION, Kind.SERVICE, Kind.OAUTH})
API_KEY_ID: Final = "~"
DEFAULT_DESCRIPTION: Final = "Long-lived user authorization"


def create(
    env: Env, by: By, principal: Principal, *, description: object, expires_in: object, scopes: object
) -> Credential:
    """A new authorization of the account that acts. Raises Invalid, and Refused when it would be wider than the token
    that makes it.
    """
    asked, names, text = _asked(expires_in, scopes, description)
    if not scope.includes(principal.scopes, names):
        wider = reasons.FORBIDDEN["wider_than_self"]
        raise Refused(
            Deny(wider.id, wider.sentence.format(held=", ".join(principal.scopes)), wider.next), forbidden=True
        )
    _no_longer_than_self(env, principal, asked)
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        return grants.mint(env, tx, by, account, Kind.AUTHORIZATION, scopes=names, description=text, asked=asked)


def _no_longer_than_self(env: Env, principal: Principal, asked: int | None) -> None:
    """A token that was made to expire makes none that outlives it. A login and a browser session do: there a person
    vouches (the documents' own way to a token that never expires).
    """
    if principal.kind in (Kind.LOGIN, Kind.WEB) or principal.expires_at is None:
        return
    left = int((principal.expires_at - env.clock()) / timedelta(seconds=1))
    if asked is None or asked > left:
        raise Invalid(
            "expires_in",
            f"an authorization that expires makes none that outlives it: at most {left} seconds; or first: keyturn login",
        )


def create_outlives(env: Env, principal: Principal, expires_in: object) -> bool:
    """Whether the authorization asked for could go on when the credential that asks is over: that takes the second factor.

    What is asked wrongly outlives nothing: the action refuses it.
    """
    try:
        asked = lifecycle.seconds_asked(expires_in)
        expires_at = lifecycle.expiry(Kind.AUTHORIZATION, asked, env.clock(), rules=env.policy)
    except ValueError:
        return False
    return _outlives(env, principal, Kind.AUTHORIZATION, expires_at)


def update_outlives(env: Env, principal: Principal, identity: str, expires_in: object) -> bool:
    """Whether it is prolonged so that it could go on when the credential that asks is over. Shortening is always easy."""
    grant = _target(env, principal, identity)
    if grant is None:
        return False
    try:
        asked = lifecycle.seconds_asked(expires_in)
        expires_at = lifecycle.changed_expiry(grant, asked, env.clock(), env.policy)
    except ValueError:
        return False
    longer = grant.expires_at is not None and (expires_at is None or expires_at > grant.expires_at)
    return longer and _outlives(env, principal, grant.kind, expires_at)


def rotation_outlives(env: Env, principal: Principal, identity: str) -> bool:
    """Whether the rotation hands out what could go on when the credential that asks is over: the API key, or another
    credential that does. One that rotates itself gains nothing, and robots must be able to.
    """
    if identity == API_KEY_ID:
        return True
    grant = _target(env, principal, identity)
    if grant is None:
        return False
    if grant.kind is Kind.API_KEY:
        return True
    itself = (
        grant.id == principal.grant_id and not principal.rotated
    )  # a token that was replaced is no successor to itself
    return not itself and _outlives(env, principal, grant.kind, grant.expires_at)


def _target(env: Env, principal: Principal, identity: str) -> Grant | None:
    """The credential of that id; None: there is none, which the action says."""
    with env.store.reading() as tx:
        try:
            return _find(env, tx, principal, identity)
        except NotFound:
            return None


def _outlives(env: Env, principal: Principal, kind: Kind, expires_at: datetime | None) -> bool:
    return lifecycle.outlasts(kind, expires_at, Kind(principal.kind), principal.expires_at, env.policy)


def create_by_password(
    env: Env, by: By, email: str, password: str, *, description: object, expires_in: object, scopes: object,
    code: str | None = None,
) -> tuple[Credential, Account]:  # fmt: skip
    """A login or an authorization that e-mail and password vouch for, and the account (policy.CLI_LOGIN_DESCRIPTION
    tells the two apart). ``code``: of the second factor, where the account has one.

    Raises as sign_in.check_password does; Refused also for a missing or wrong code, and where a second factor must be
    set up first; Invalid.
    """
    asked, names, text = _asked(expires_in, scopes, description)
    kind = Kind.LOGIN if re.match(policy.CLI_LOGIN_DESCRIPTION, text) else Kind.AUTHORIZATION
    proven = sign_in.check_password(env, by, email, password)
    outcome: str | Exception = "password"
    with env.store.writing() as tx:
        account = sign_in.still_the_same(tx.account(proven.id, lock=True), proven)
        if account.mfa_since is not None:
            if not code:
                raise second_step.needs_code(second_step.ways(tx, account.id))
            outcome = second_step.judge_code(env, tx, by, account, code[:100])
            if isinstance(outcome, str):
                sign_in.complete(env, tx, by, account, outcome)
        elif length(password) < policy.PASSWORD_SHORTEST or sign_in.must_have_second_factor(env, account):
            raise Refused(decide.forbidden("two_factor_to_set_up"), forbidden=True)
        if isinstance(outcome, str):
            made = grants.mint(
                env, tx, by, account, kind, scopes=names, description=text, asked=asked,
                proven_at=env.clock() if kind is Kind.LOGIN else None,
            )  # fmt: skip
    second_step.told(outcome)
    return made, account


def _asked(expires_in: object, scopes: object, description: object) -> tuple[int | None, tuple[str, ...], str]:
    try:
        names = scope.normalize(scopes)
    except ValueError as wrong:
        raise Invalid("scope", str(wrong)) from None
    return grants.life_asked(expires_in), names, grants.clean_description(description, DEFAULT_DESCRIPTION)


def listed(env: Env, principal: Principal, *, ended: bool = False) -> list[Credential]:
    """The authorizations of the account, oldest first: the living ones; with ``ended`` the dead as well."""
    with env.store.reading() as tx:
        found = tx.grants(principal.account_id, alive_at=None if ended else env.clock())
        return grants.with_tokens(tx, [grant for grant in found if grant.kind in LISTED])


def info(env: Env, principal: Principal, identity: str, *, ended: bool = False) -> Credential:
    """One authorization by its id, a living one unless ``ended``; ``~`` is the API key. Raises NotFound."""
    with env.store.reading() as tx:
        return grants.with_tokens(tx, [_find(env, tx, principal, identity, ended=ended)])[0]


def _find(env: Env, tx: Tx, principal: Principal, identity: str, *, ended: bool = False) -> Grant:
    now = env.clock()
    if identity != API_KEY_ID:
        grant = tx.grant(identity)
        if grant is None or grant.account_id != principal.account_id or grant.kind not in LISTED:
            raise NotFound("authorization")
        if grant.death(now) is None or ended:
            return grant
        raise NotFound("authorization")
    for grant in tx.grants(principal.account_id, alive_at=now):
        if grant.kind is Kind.API_KEY:
            return grant
    raise NotFound("authorization")


KEEP: Final = object()
"""For ``update``: leave the expiry as it is. None would be: never."""


def update(
    env: Env, by: By, principal: Principal, identity: str, *, description: object = None, expires_in: object = KEEP
) -> Credential:
    """Another description (None leaves it) and another expiry, in seconds from now (None: never).

    Raises NotFound; Invalid, naming the rule and the largest possible, when it would live longer than its kind may.
    """
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        grant, now = _find(env, tx, principal, identity), env.clock()
        if description is not None:
            text = grants.clean_description(description, grant.description)
            tx.change_grant(grant.id, description=text, updated_at=now)
            audit.record(env, tx, by, f"{grant.kind}.update", changed=grant.id, before=grant.description, after=text)
        if expires_in is not KEEP:
            _change_expiry(env, tx, by, grant, grants.life_asked(expires_in), now)
        return grants.with_tokens(tx, [_find(env, tx, principal, grant.id)])[0]


def _change_expiry(env: Env, tx: Tx, by: By, grant: Grant, asked: int | None, now: datetime) -> None:
    try:
        expires_at = lifecycle.changed_expiry(grant, asked, now, env.policy)
    except lifecycle.TooLong as wrong:
        raise Invalid("expires_in", str(wrong)) from None
    longer = grant.expires_at is not None and (expires_at is None or expires_at > grant.expires_at)
    if longer and by.principal is not None and by.principal.grant_id == grant.id:
        # whoever found a token must not be able to keep it alive with itself
        raise Invalid("expires_in", "a credential cannot prolong itself; use another one, as after: keyturn login")
    tx.change_grant(grant.id, expires_at=expires_at, updated_at=now)
    tx.forget_notices(grant.id)  # the new end has thresholds of its own
    audit.record(
        env, tx, by, f"{grant.kind}.expiry", changed=grant.id,
        before=grant.expires_at.isoformat() if grant.expires_at else None, after=expires_at.isoformat() if expires_at else None,
    )  # fmt: skip


def revoke(env: Env, by: By, principal: Principal, identity: str) -> Credential:
    """Ends an authorization; it takes effect with the next request. Returns it as it was. Raises NotFound."""
    with env.store.writing() as tx:
        credential = grants.with_tokens(tx, [_find(env, tx, principal, identity)])[0]
        grants.end(env, tx, by, Event.REVOKE, principal.account_id, target=credential.grant.id)
        return credential


IDLE_DEFAULT: Final = 2 * policy.HOUR


def regenerate(
    env: Env, by: By, principal: Principal, identity: str, *, overlap: object = None, idle: object = None
) -> Credential:
    """The authorization with a new token. Scopes, description and expiry stay.

    Its old token dies at once; with ``overlap`` (seconds) it goes on until then, or until it was unused for ``idle``
    seconds (2 hours by default). For the API key, ``~``, it makes the key when there is none. Raises NotFound, Invalid
    for kinds that are not rotated and for an overlap that the policy does not allow.
    """
    lasting, unused = _overlap_asked(env, overlap, idle)
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        try:
            grant = _find(env, tx, principal, identity)
        except NotFound:
            if identity != API_KEY_ID:
                raise
            return _new_api_key(env, tx, by, principal)
        if grant.kind is Kind.API_KEY:
            if lasting:
                raise Invalid("overlap", "the API key has no overlap; for one that has, use an authorization")
            grants.end(env, tx, by, Event.KEY_REGENERATED, principal.account_id)
            return _new_api_key(env, tx, by, principal)
        if EFFECTS[Event.ROTATION, grant.kind] is not Effect.DIES:
            raise Invalid("id", f"a {policy.LIVES[grant.kind].noun} is not rotated")
        _retire(env, tx, grant, lasting, unused)
        # whoever rotates somebody else's login has not proven what its holder has
        proven = {} if grant.id == principal.grant_id else {"proven_at": None}
        tx.change_grant(grant.id, updated_at=env.clock(), **proven)
        made, secret = grants.add_token(env, tx, grant)
        audit.record(
            env, tx, by, f"{grant.kind}.rotate", rotated=grant.id, overlap=lasting, idle=unused if lasting else None
        )
        renewed = grants.with_tokens(tx, [_find(env, tx, principal, grant.id)])[0]
        return replace(renewed, token=made, secret=secret)


def _overlap_asked(env: Env, overlap: object, idle: object) -> tuple[int, int]:
    found = []
    for name, asked, default, longest in (
        ("overlap", overlap, 0, env.policy.overlap_longest),
        ("idle", idle, IDLE_DEFAULT, env.policy.overlap_longest),
    ):
        try:
            seconds = lifecycle.seconds_asked(asked)
        except ValueError as wrong:
            raise Invalid(name, str(wrong).replace("expires_in", name)) from None
        if seconds is not None and seconds > longest:
            raise Invalid(name, f"{name} is too large: at most {lifecycle.in_words(longest)} ({longest} seconds)")
        found.append(default if seconds is None else seconds)
    return found[0], found[1]


def _retire(env: Env, tx: Tx, grant: Grant, lasting: int, unused: int) -> None:
    """Ends the grant's tokens, the current one only after ``lasting`` seconds; what was in overlap already ends now."""
    now, reason = env.clock(), policy.REASON_OF[Event.ROTATION]
    if not lasting:
        tx.end_tokens(grant.id, now, reason)
        return
    for token in tx.living_tokens([grant.id])[grant.id]:
        if token.idle_limit is not None:
            tx.change_token(token.id, grant.id, ended_at=now, ended_reason=reason)
        else:
            end = now + timedelta(seconds=lasting)
            tx.change_token(token.id, grant.id, expires_at=end, idle_limit=unused)


def _new_api_key(env: Env, tx: Tx, by: By, principal: Principal) -> Credential:
    account = tx.account(principal.account_id, lock=True)
    if account is None:
        raise NotFound("account")
    return grants.mint(env, tx, by, account, Kind.API_KEY, scopes=("global",), description="API key")

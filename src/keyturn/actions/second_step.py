"""The second factor, judged: a one-time code, a recovery code or a passkey. At sign-in, and wherever a proof is asked.

Codes of a generator are few, so wrong ones are counted for the account and, at sign-in, for the step, which dies after
ten. Recovery codes and passkeys cannot be guessed, so nobody's wrong codes keep an owner from them.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from keyturn.actions import audit, letters, throttle
from keyturn.actions.env import CannotUnseal, Gone, Invalid, Refused, Throttled
from keyturn.core import decide, policy, recovery, token, totp
from keyturn.core.credential import Device
from keyturn.core.passkey import BadPasskey
from keyturn.store.interface import Challenge, SecondStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, Factor
    from keyturn.store.interface import Tx

log = logging.getLogger("keyturn.second_step")

CODES: Final = throttle.Rule(free=10, most=timedelta(minutes=15))
"""For wrong codes of a generator, an account."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How an account can prove its second factor."""

    codes: bool
    """Whether it has a generator of one-time codes."""
    passkeys: tuple[Factor, ...]
    recovery: int
    """Recovery codes left."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sign-in that waits for its second factor."""

    account: Account
    step: SecondStep
    ways: Ways


@dataclass(frozen=True, slots=True)
class Passed:
    """A second factor that was proven. ``way``: ``code``, ``recovery code`` or ``passkey``."""

    account: Account
    way: str
    next_path: str = "/"


def ways(tx: Tx, account_id: str) -> Ways:
    """How the account can prove its second factor."""
    confirmed = [factor for factor in tx.factors(account_id) if factor.confirmed_at is not None]
    passkeys = tuple(factor for factor in confirmed if factor.kind == "passkey")
    return Ways(any(factor.kind == "totp" for factor in confirmed), passkeys, tx.count_recovery_codes(account_id))


def begin(env: Env, tx: Tx, account: Account, next_path: str) -> str:
    """A sign-in that waits for its second factor: its secret, for the browser alone."""
    now, secret = env.clock(), token.make("second_step", env.random_bytes)
    tx.forget_second_steps(now)
    ends = now + timedelta(seconds=policy.SECOND_STEP)
    step = SecondStep(account.id, account.credential_version, next_path, 0, now, ends)
    tx.add_second_step(step, token.digest(secret))
    return secret


def waiting(env: Env, secret: str) -> Waiting:
    """The sign-in of that secret. Raises Gone when it is over: done, too long ago, or tried too often."""
    with env.store.reading() as tx:
        return _waiting(env, tx, secret)


def _waiting(env: Env, tx: Tx, secret: str) -> Waiting:
    known = token.kind_of(secret) == "second_step" and token.is_token(secret)
    step = tx.second_step(token.digest(secret)) if known else None
    account = tx.account(step.account_id, lock=True) if step else None
    if (
        step is None
        or account is None
        or step.expires_at <= env.clock()
        or step.tries >= policy.SECOND_STEP_TRIES
        or step.account_version != account.credential_version
        or account.suspended_at is not None
        or account.closed_at is not None
        or account.mfa_since is None
    ):
        raise Gone("This sign-in took too long or too many tries. Start again with your password.")
    return Waiting(account, step, ways(tx, account.id))


def pass_by_code(env: Env, by: By, secret: str, text: str) -> Passed:
    """The sign-in's second factor by a code of either sort. Raises Gone, Throttled, Refused for a wrong code."""
    with env.store.writing() as tx:
        found = _waiting(env, tx, secret)
        tx.count_try(token.digest(secret))
        outcome = judge_code(env, tx, by, found.account, text)
        if isinstance(outcome, str):
            tx.remove_second_step(token.digest(secret))
    return Passed(found.account, told(outcome), found.step.next_path)


def pass_by_passkey(env: Env, by: By, secret: str, response: dict[str, Any], *, bound_to: str, origin: str) -> Passed:
    """The sign-in's second factor by a passkey of the account. Raises Gone, Refused."""
    with env.store.writing() as tx:
        found = _waiting(env, tx, secret)
        outcome = judge_passkey(
            env, tx, by, response, purpose="second", bound_to=bound_to, origin=origin, account_id=found.account.id
        )
        if not isinstance(outcome, Exception):
            tx.remove_second_step(token.digest(secret))
    if isinstance(outcome, Exception):
        raise outcome
    return Passed(found.account, "passkey", found.step.next_path)


def pass_by_passkey_alone(env: Env, by: By, response: dict[str, Any], *, bound_to: str, origin: str) -> Passed:
    """A sign-in by a passkey alone, which verified its user itself: both factors in one. Raises Refused."""
    with env.store.writing() as tx:
        outcome = judge_passkey(
            env, tx, by, response, purpose="sign_in", bound_to=bound_to, origin=origin, verification=True
        )
        account = None if isinstance(outcome, Exception) else tx.account(outcome.account_id, lock=True)
    if isinstance(outcome, Exception):
        raise outcome
    if account is None or account.mfa_since is None or account.closed_at is not None:
        raise wrong_passkey("It belongs to no account here.")
    if account.suspended_at is not None:
        raise Refused(decide.suspended(account.suspended_at))
    return Passed(account, "passkey alone")


def judge_code(env: Env, tx: Tx, by: By, account: Account, text: str) -> str | Exception:
    """Which sort of code it is, used up with this; or what to raise once the transaction, which counts the failure, is
    through (``told`` does).
    """
    now, (key, straight) = env.clock(), code_keys(account.id)
    if recovery.looks_like(text):
        if tx.use_recovery_code(account.id, recovery.digest(text), now):
            left = tx.count_recovery_codes(account.id)
            tx.clear_failures([key, straight])
            audit.record(env, tx, by, "second_factor", account_id=account.id, way="recovery code", left=left)
            letters.tell(
                env, tx, by, account, "A recovery code of your account was used",
                f"Somebody signed in, or proved to be you, with a recovery code. Codes left: {left}.",
            )  # fmt: skip
            return "recovery code"
        audit.record(env, tx, by, "second_factor", outcome="refused", account_id=account.id, reason="two_factor")
        return wrong_code("That recovery code is wrong, or was used already.")
    found = tx.failures([key, straight])
    if throttle.at_most(found.get(straight)):
        return wrong_code(
            f"There were {throttle.STRAIGHT} wrong codes in a row, so codes of your app are not taken any more until a recovery "
            "code or a passkey has shown that you are you. Without either, ask your administrator."
        )
    wait = throttle.wait_of(CODES, found.get(key), now)
    if wait > timedelta(0):
        return Throttled("Too many wrong codes. Wait a little; a recovery code or a passkey works at once.", wait)
    for factor in tx.factors(account.id):
        if factor.kind == "totp" and factor.confirmed_at is not None and factor.seed is not None:
            try:
                seed = unseal(env, factor)
            except CannotUnseal as fault:
                log.error("the seed of factor %s cannot be read: %s", factor.id, fault)
                return wrong_code(
                    "This server has lost the key to your app's secret. A recovery code or a passkey still works; "
                    "tell your administrator."
                )
            step = totp.matching_step(seed, text, now, factor.last_step)
            if step is not None and tx.use_step(factor.id, step, now):
                tx.clear_failures([key, straight])
                _seal_anew(env, tx, factor, seed)
                audit.record(env, tx, by, "second_factor", account_id=account.id, way="code", factor=factor.id)
                return "code"
    counted = throttle.count(env, tx, key, straight)
    audit.record(env, tx, by, "second_factor", outcome="refused", account_id=account.id, reason="two_factor")
    if counted[straight].count == throttle.STRAIGHT:
        letters.tell(
            env, tx, by, account, "Codes of your app are not taken any more",
            f"{throttle.STRAIGHT} wrong two-factor codes were given for your account in a row. Whoever it was came as far as that "
            "with your password, or with one of your sessions or tokens. Codes of your app are taken again once you have signed "
            "in, or confirmed that it is you, with a recovery code or a passkey.",
        )  # fmt: skip
    elif counted[key].count == CODES.free:
        letters.tell(
            env, tx, by, account, "Somebody is guessing two-factor codes of your account",
            f"{CODES.free} wrong two-factor codes were given for your account in a row. Whoever it was came as far as that with "
            "your password, or with one of your sessions or tokens. They wait longer after each further try.",
        )  # fmt: skip
    return wrong_code("That code is wrong, or was used already. Take the next one that your app shows.")


def code_keys(account_id: str) -> tuple[str, str]:
    """Under which the wrong codes of an account are counted: those that make it wait, and the straight ones."""
    key = f"mfa:{account_id}"
    return key, throttle.straight(key)


def told(outcome: str | Exception) -> str:
    """The sort of code; raises what ``judge_code`` found to raise."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def wrong_code(sentence: str) -> Refused:
    """The refusal of a code; clients that know it ask for another (wire.md 2.2)."""
    return Refused(decide.forbidden("two_factor", sentence), forbidden=True)


def wrong_passkey(sentence: str) -> Refused:
    """The refusal of a passkey."""
    return Refused(decide.forbidden("two_factor", f"That passkey was not taken. {sentence}"), forbidden=True)


def seed_of(factor_id: str, account_id: str) -> str:
    """What a sealed seed is bound to: moved to another row it does not open."""
    return f"totp:{account_id}:{factor_id}"


def unseal(env: Env, factor: Factor) -> bytes:
    """The seed of a generator."""
    assert env.sealer is not None
    assert factor.seed is not None
    return env.sealer.unseal(factor.seed, seed_of(factor.id, factor.account_id))


def _seal_anew(env: Env, tx: Tx, factor: Factor, seed: bytes) -> None:
    """Seals a seed with the newest key, where it was sealed with an older one (docs/decisions/0013)."""
    assert env.sealer is not None
    if factor.seed is not None and env.sealer.outdated(factor.seed):
        tx.change_factor(factor.id, seed=env.sealer.seal(seed, seed_of(factor.id, factor.account_id)))


def remember(env: Env, tx: Tx, by: By, account: Account) -> str:
    """Remembers this browser: it is asked for the password alone. Its secret, for a cookie."""
    now, secret = env.clock(), token.make("device", env.random_bytes)
    tx.forget_devices(now)
    device = Device(
        env.new_id(), account.id, account.credential_version, by.address, by.agent[:300], now,
        now + timedelta(seconds=env.policy.remember_device), now,
    )  # fmt: skip
    tx.add_device(device, token.digest(secret))
    audit.record(env, tx, by, "device.remember", account_id=account.id, device=device.id)
    return secret


# Passkeys.


def challenge(env: Env, purpose: str, bound_to: str) -> bytes:
    """A new challenge, good once, for this purpose and browser."""
    now, made = env.clock(), env.random_bytes(32)
    with env.store.writing() as tx:
        tx.forget_challenges(now)
        ends = now + timedelta(seconds=policy.CHALLENGE)
        tx.add_challenge(Challenge(purpose, bound_to, ends), token.digest(made.hex()))
    return made


def passkey_options(
    env: Env, purpose: str, bound_to: str, origin: str, passkeys: Sequence[Factor] = ()
) -> dict[str, Any] | None:
    """What the browser is to ask a passkey; None where passkeys cannot be (an address without a name, without TLS).

    ``purpose``: ``second`` or ``confirm`` for one of ``passkeys``, ``sign_in`` for any that verifies its user.
    """
    if env.passkeys is None or not env.passkeys.possible(origin) or (purpose != "sign_in" and not passkeys):
        return None
    allow = [(f.credential_id, tuple((f.transports or "").split())) for f in passkeys if f.credential_id is not None]
    return env.passkeys.authentication_options(
        origin=origin, challenge=challenge(env, purpose, bound_to), allow=allow,
        verification="required" if purpose == "sign_in" else "preferred",
    )  # fmt: skip


def take_challenge(env: Env, tx: Tx, response: dict[str, Any], *, purpose: str, bound_to: str) -> bytes | None:
    """The challenge that the browser's answer names, used up with this; None unless it was made for this."""
    assert env.passkeys is not None
    given = env.passkeys.challenge_of(response)
    found = tx.take_challenge(token.digest(given.hex())) if given else None
    if found is None or found.purpose != purpose or found.bound_to != bound_to or found.expires_at <= env.clock():
        return None
    return given


def judge_passkey(
    env: Env, tx: Tx, by: By, response: dict[str, Any], *, purpose: str, bound_to: str, origin: str,
    account_id: str | None = None, verification: bool = False,
) -> Factor | Exception:  # fmt: skip
    """The passkey that answered; or what to raise once the transaction, which uses up the challenge, is through."""
    outcome = _judge_passkey(env, tx, response, purpose, bound_to, origin, account_id, verification=verification)
    if isinstance(outcome, str):
        about = account_id or _owner(env, tx, response)
        audit.record(
            env, tx, by, "second_factor", outcome="refused", account_id=about, reason="two_factor", why=outcome[:200]
        )
        return wrong_passkey(outcome)
    tx.clear_failures(code_keys(outcome.account_id))
    audit.record(env, tx, by, "second_factor", account_id=outcome.account_id, way="passkey", factor=outcome.id)
    return outcome


def _judge_passkey(
    env: Env, tx: Tx, response: dict[str, Any], purpose: str, bound_to: str, origin: str, account_id: str | None,
    *, verification: bool,
) -> Factor | str:  # fmt: skip
    if env.passkeys is None or not env.passkeys.possible(origin):
        return "This address cannot use passkeys."
    asked = take_challenge(env, tx, response, purpose=purpose, bound_to=bound_to)
    if asked is None:
        return "It took too long, or answered another request. Try again."
    identity = env.passkeys.credential_of(response)
    factor = tx.factor_of_credential(identity) if identity else None
    if factor is None or factor.confirmed_at is None or account_id not in (None, factor.account_id):
        return "It is not known for this account."
    user = env.passkeys.user_of(response)
    if user != uuid.UUID(factor.account_id).bytes and (user is not None or account_id is None):
        return "It says that it belongs to another account."  # alone, it has to say [WebAuthn L3 7.2 step 6]
    assert factor.credential_id is not None
    assert factor.public_key is not None
    try:
        proof = env.passkeys.authenticate(
            response, origin=origin, challenge=asked, credential_id=factor.credential_id, public_key=factor.public_key,
            sign_count=factor.sign_count or 0, verification=verification,
        )  # fmt: skip
    except BadPasskey as wrong:
        return str(wrong)
    tx.change_factor(factor.id, sign_count=proof.sign_count, backed_up=proof.backed_up, last_used_at=env.clock())
    return factor


def _owner(env: Env, tx: Tx, response: dict[str, Any]) -> str | None:
    """Whose passkey answered, for the audit trail of an account that is not known otherwise."""
    identity = env.passkeys.credential_of(response) if env.passkeys else None
    factor = tx.factor_of_credential(identity) if identity else None
    return factor.account_id if factor else None


def needs_code(given: Ways) -> Refused:
    """What to tell a client that gave no code."""
    if given.codes or (given.recovery and not given.passkeys):
        return Refused(decide.forbidden("two_factor"), forbidden=True)
    return Refused(decide.forbidden("browser_only"), forbidden=True)


def check_text(text: object) -> str:
    """A code as it was typed. Raises Invalid for what no code can be."""
    if not isinstance(text, str) or not text.strip():
        raise Invalid("code", "Type the code that your app shows, or a recovery code.")
    return text.strip()[:100]

"""An account's second factors, as its owner manages them: generators of one-time codes, passkeys, recovery codes, and the
browsers that are remembered. The first confirmed factor turns two-factor sign-in on and makes the recovery codes; with
the last it goes off. The faces see to it that the owner proved themselves just before (actions/prove.py).
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keyturn.actions import accounts, acting, audit, grants, letters, prove, second_step, sign_in
from keyturn.actions.env import CannotUnseal, Invalid, NotFound, Refused
from keyturn.core import policy, reasons, recovery, totp
from keyturn.core.credential import Deny, Factor
from keyturn.core.passkey import BadPasskey
from keyturn.core.password import length
from keyturn.core.policy import Kind
from keyturn.store.interface import Taken

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account, Device, Principal
    from keyturn.store.interface import Tx

log = logging.getLogger("keyturn.factors")

NAME_LONGEST: Final = 60
KNOWN: Final = "This passkey is known already."


@dataclass(frozen=True, slots=True)
class Overview:
    """What an account has of second factors."""

    since: datetime | None
    """Since when signing in takes one; None: it does not."""
    factors: list[Factor]
    """The confirmed ones."""
    recovery_left: int
    devices: list[Device]
    required: bool
    """Whether the policy asks it of the account."""


@dataclass(frozen=True, slots=True)
class CodesSetup:
    """A generator being set up: what goes into the app, shown once."""

    factor: Factor
    key: str
    """Base32 in groups of four, to type by hand."""
    uri: str
    """For the QR code [Key URI format]."""


@dataclass(frozen=True, slots=True)
class Added:
    """A factor that counts from now on."""

    factor: Factor
    recovery_codes: list[str] | None = None
    """Made with the first one; shown this once."""
    session: str | None = None
    """The acting browser session's new secret."""


def overview(env: Env, principal: Principal) -> Overview:
    """What the acting account has. Raises NotFound."""
    with env.store.reading() as tx:
        account = tx.account(principal.account_id)
        if account is None:
            raise NotFound("account")
        return _overview(env, tx, account)


def _overview(env: Env, tx: Tx, account: Account) -> Overview:
    confirmed = [factor for factor in tx.factors(account.id) if factor.confirmed_at is not None]
    now = env.clock()
    live = [device for device in tx.devices(account.id, now) if device.account_version == account.credential_version]
    return Overview(
        account.mfa_since, confirmed, tx.count_recovery_codes(account.id), live,
        sign_in.must_have_second_factor(env, account),
    )  # fmt: skip


def clean_name(text: object, default: str) -> str:
    """A factor's name: one line. Raises Invalid."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return default
    if not isinstance(text, str) or len(text) > NAME_LONGEST:
        raise Invalid("name", f"the name is a text of at most {NAME_LONGEST} characters")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()) or default


def begin_codes(env: Env, by: By, principal: Principal, *, name: object = None, issuer: str = "Keyturn") -> CodesSetup:
    """A new generator, which counts once a code of it was given (``confirm_codes``). Replaces one that never was.

    Raises Invalid.
    """
    called = clean_name(name, "Authenticator app")
    assert env.sealer is not None
    seed, factor_id = env.random_bytes(totp.SEED_BYTES), env.new_id()
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        for old in tx.factors(account.id):
            if old.kind == "totp" and old.confirmed_at is None:
                tx.remove_factor(old.id)
        _room(tx, account)
        sealed = env.sealer.seal(seed, second_step.seed_of(factor_id, account.id))
        factor = Factor(factor_id, account.id, "totp", called, env.clock(), seed=sealed)
        tx.add_factor(factor)
        audit.record(env, tx, by, "factor.begin", factor=factor.id, kind="totp")
    return CodesSetup(factor, totp.base32(seed), totp.uri(seed, account.email, issuer))


def begun_codes(env: Env, principal: Principal, factor_id: str, *, issuer: str = "Keyturn") -> CodesSetup:
    """A generator that is being set up, shown again after a wrong first code. Raises NotFound."""
    with env.store.reading() as tx:
        account, factor = tx.account(principal.account_id), _unconfirmed(tx, principal, factor_id)
    assert account is not None
    seed = _seed_of_setup(env, factor)
    return CodesSetup(factor, totp.base32(seed), totp.uri(seed, account.email, issuer))


def _seed_of_setup(env: Env, factor: Factor) -> bytes:
    """The seed of a generator being set up. Raises NotFound when its key is lost: then that set-up is over."""
    try:
        return second_step.unseal(env, factor)
    except CannotUnseal as fault:
        log.error("the seed of factor %s, which is being set up, cannot be read: %s", factor.id, fault)
        raise NotFound("set-up") from None


def _unconfirmed(tx: Tx, principal: Principal, factor_id: str) -> Factor:
    factor = tx.factor(factor_id)
    if factor is None or factor.account_id != principal.account_id or factor.kind != "totp" or factor.confirmed_at:
        raise NotFound("set-up")
    return factor


def confirm_codes(env: Env, by: By, principal: Principal, factor_id: str, code: object) -> Added:
    """The generator counts from now on: ``code`` proves that the app has it. Raises NotFound, Invalid for a wrong code."""
    text = second_step.check_text(code)
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        factor = _unconfirmed(tx, principal, factor_id)
        now = env.clock()
        step = totp.matching_step(_seed_of_setup(env, factor), text, now, factor.last_step)
        if step is None or not tx.use_step(factor.id, step, now):
            raise Invalid(
                "code", "That is not the code of now. Look whether the clock of your device is right, and try the next."
            )
        tx.change_factor(factor.id, confirmed_at=now)
        return _added(env, tx, by, principal, account, factor.id)


def passkey_options(
    env: Env, principal: Principal, *, bound_to: str, origin: str, instance: str
) -> dict[str, Any] | None:
    """What the browser is to make a passkey of; None where this address cannot have any."""
    if env.passkeys is None or not env.passkeys.possible(origin):
        return None
    with env.store.reading() as tx:
        account = tx.account(principal.account_id)
        known = [f.credential_id for f in tx.factors(principal.account_id) if f.credential_id is not None]
    if account is None:
        raise NotFound("account")
    return env.passkeys.registration_options(
        origin=origin, challenge=second_step.challenge(env, "register", bound_to), user_id=uuid.UUID(account.id).bytes,
        user_name=account.email, display_name=account.name or account.email, exclude=known, instance=instance,
    )  # fmt: skip


def add_passkey(
    env: Env, by: By, principal: Principal, response: dict[str, Any], *, name: object, bound_to: str, origin: str
) -> Added:
    """A passkey, which counts from now on. Raises Invalid with what was wrong with the browser's answer."""
    called = clean_name(name, "Passkey")
    assert env.passkeys is not None
    problem: str | None = None
    try:
        with env.store.writing() as tx:
            account = acting.still(env, tx, principal)
            asked = second_step.take_challenge(env, tx, response, purpose="register", bound_to=bound_to)
            _room(tx, account)
            if asked is None:
                problem = "It took too long, or answered another request. Try again."
            else:
                try:
                    made = env.passkeys.register(response, origin=origin, challenge=asked)
                except BadPasskey as wrong:
                    problem = str(wrong)
                else:
                    problem = KNOWN if tx.factor_of_credential(made.credential_id) else None
            if problem is None:
                now = env.clock()
                factor = Factor(
                    env.new_id(), account.id, "passkey", called, now, confirmed_at=now, credential_id=made.credential_id,
                    public_key=made.public_key, sign_count=made.sign_count, transports=" ".join(made.transports),
                    aaguid=made.aaguid, backed_up=made.backed_up,
                )  # fmt: skip
                tx.add_factor(factor)
                return _added(env, tx, by, principal, account, factor.id)
    except Taken:
        problem = KNOWN
    raise Invalid("passkey", problem)


def _room(tx: Tx, account: Account) -> None:
    if len(tx.factors(account.id)) >= policy.MOST_FACTORS:
        raise Invalid(
            "name", f"the account has {policy.MOST_FACTORS} second factors, the most allowed; remove one first"
        )


def _added(env: Env, tx: Tx, by: By, principal: Principal, account: Account, factor_id: str) -> Added:
    factor, codes, now = tx.factor(factor_id), None, env.clock()
    assert factor is not None
    acting_grant = tx.grant(principal.grant_id)
    if principal.kind == Kind.WEB and (acting_grant is None or prove.outdated(account, acting_grant)):
        # the password alone let it in, which nobody else may turn into a factor of theirs
        raise second_step.wrong_code(
            "Two-factor sign-in was turned on meanwhile. Prove it with your second factor first."
        )
    if account.mfa_since is None:
        for begun in tx.factors(account.id):  # by whoever had the password alone
            if begun.confirmed_at is None:
                tx.remove_factor(begun.id)
        codes = _new_codes(env, tx, account)
        tx.change_account(account.id, mfa_since=now, updated_at=now)
        audit.record(env, tx, by, "mfa.on", account_id=account.id)
    audit.record(env, tx, by, "factor.add", account_id=account.id, factor=factor.id, kind=factor.kind, name=factor.name)
    noun = "passkey" if factor.kind == "passkey" else "authenticator app"
    letters.tell(
        env, tx, by, account, f"A second factor was added to your account: {noun}",
        f"The {noun} “{factor.name}” was added to your account: from now on it can prove that you are you.",
    )  # fmt: skip
    session = None
    if principal.kind == Kind.WEB:
        # the proof that it just gave counts, and a session that was only there for this becomes a whole one
        session = prove.renew(env, tx, by, principal, factor.kind, scopes=("global",))
    return Added(factor, codes, session)


def _new_codes(env: Env, tx: Tx, account: Account) -> list[str]:
    codes = [recovery.make(env.random_bytes) for _ in range(recovery.COUNT)]
    tx.set_recovery_codes(account.id, [recovery.digest(code) for code in codes], env.clock())
    return codes


def new_recovery_codes(env: Env, by: By, principal: Principal) -> list[str]:
    """New recovery codes; the old ones are worth nothing more. Raises Invalid without a second factor."""
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        if account.mfa_since is None:
            raise Invalid("recovery_codes", "recovery codes stand in for a second factor; set one up first")
        codes = _new_codes(env, tx, account)
        audit.record(env, tx, by, "recovery_codes.create", account_id=account.id)
        letters.tell(
            env, tx, by, account, "Your account has new recovery codes",
            "New recovery codes were made for your account. The old ones work no more.",
        )  # fmt: skip
        return codes


def rename(env: Env, by: By, principal: Principal, factor_id: str, name: object) -> Factor:
    """Another name for a factor. Raises NotFound, Invalid."""
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        factor = _own(tx, principal, factor_id)
        called = clean_name(name, factor.name)
        tx.change_factor(factor.id, name=called)
        audit.record(env, tx, by, "factor.rename", factor=factor.id, before=factor.name, after=called)
        changed = tx.factor(factor.id)
        assert changed is not None
        return changed


def _own(tx: Tx, principal: Principal, factor_id: str) -> Factor:
    factor = tx.factor(factor_id)
    if factor is None or factor.account_id != principal.account_id or factor.confirmed_at is None:
        raise NotFound("second factor")
    return factor


def remove(env: Env, by: By, principal: Principal, factor_id: str) -> Factor:
    """Removes one of several. Raises NotFound; Invalid for the last one, with which two-factor sign-in is turned off."""
    with env.store.writing() as tx:
        account = acting.still(env, tx, principal)
        factor = _own(tx, principal, factor_id)
        if sum(1 for each in tx.factors(account.id) if each.confirmed_at is not None) == 1:
            raise Invalid(
                "factor", "this is the last second factor: add another one first, or turn two-factor sign-in off"
            )
        tx.remove_factor(factor.id)
        audit.record(env, tx, by, "factor.remove", factor=factor.id, kind=factor.kind, name=factor.name)
        letters.tell(
            env, tx, by, account, "A second factor was removed from your account",
            f"The second factor “{factor.name}” was removed from your account.",
        )  # fmt: skip
        return factor


def turn_off(env: Env, by: By, principal: Principal, *, current_password: object) -> None:
    """Turns two-factor sign-in off: all factors, recovery codes and remembered browsers go.

    Raises Refused where the policy asks for a second factor; Throttled; Invalid for a wrong password, and for one that
    is too short to be the only factor.
    """
    with env.store.reading() as tx:
        account = tx.account(principal.account_id)
    if account is not None and sign_in.must_have_second_factor(env, account):
        reason = reasons.FORBIDDEN["two_factor_to_set_up"]
        raise Refused(
            Deny(reason.id, "The policy of this server asks for a second factor; it stays on."), forbidden=True
        )
    proven = accounts.prove(env, by, principal, current_password)
    if length(str(current_password)) < policy.PASSWORD_SHORTEST:
        raise Invalid(
            "current_password",
            f"Without a second factor a password takes {policy.PASSWORD_SHORTEST} characters or more. Choose a longer one first.",
        )
    with env.store.writing() as tx:
        account = sign_in.still_the_same(acting.still(env, tx, principal), proven)
        if account.mfa_since is None:
            raise Invalid("factor", "two-factor sign-in is off already")
        clear(env, tx, account)
        audit.record(env, tx, by, "mfa.off", account_id=account.id)
        letters.tell(
            env, tx, by, account, "Two-factor sign-in was turned off",
            "Two-factor sign-in was turned off for your account: the password alone signs in now.",
        )  # fmt: skip


def clear(env: Env, tx: Tx, account: Account) -> None:
    """Takes off all factors, recovery codes and remembered browsers. The caller writes the audit event and the letter."""
    for factor in tx.factors(account.id):
        tx.remove_factor(factor.id)
    tx.set_recovery_codes(account.id, [], env.clock())
    tx.remove_devices(account.id)
    tx.clear_failures(second_step.code_keys(account.id))
    tx.change_account(account.id, mfa_since=None, updated_at=env.clock())


def forget_device(env: Env, by: By, principal: Principal, device_id: str | None) -> int:
    """Forgets one remembered browser, or all; how many. Raises NotFound."""
    with env.store.writing() as tx:
        acting.still(env, tx, principal)
        count = tx.remove_devices(principal.account_id, device_id)
        if device_id is not None and not count:
            raise NotFound("remembered browser")
        audit.record(env, tx, by, "device.forget", device=device_id, count=count)
        return count


def reset_as_operator(env: Env, by: By, email: str) -> Account:
    """``take_off``, by an operator. Raises NotFound, Invalid when there is nothing to take off."""
    with env.store.writing() as tx:
        found = tx.account_by_email(email)
        account = tx.account(found.id, lock=True) if found else None
        if account is None:
            raise NotFound("account")
        return take_off(env, tx, by, account)


def take_off(env: Env, tx: Tx, by: By, account: Account) -> Account:
    """Takes all second factors off an account whose owner lost them: for who knows the owner by other means. Its browser
    sessions end, and the owner is told.

    The caller holds a writing transaction and the account's lock. Raises Invalid when there is nothing to take off.
    """
    if account.mfa_since is None:
        raise Invalid("account", f"{account.email} has no second factor")
    clear(env, tx, account)
    audit.record(env, tx, by, "mfa.reset", account_id=account.id)
    grants.end_browser_sessions(env, tx, by, account.id)
    letters.tell(
        env, tx, by, account, "An administrator reset your second factors",
        "An administrator took all second factors off your account. Sign in with your password and set one up again.",
    )  # fmt: skip
    changed = tx.account(account.id)
    assert changed is not None
    return changed

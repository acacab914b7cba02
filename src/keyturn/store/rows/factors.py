"""Second factors and recovery codes, remembered devices, sign-ins under way, and passkeys' challenges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.core.credential import Device, Factor
from keyturn.store import tables as t
from keyturn.store.interface import Challenge, SecondStep
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_FACTOR = columns(t.factors, Factor)
_DEVICE = columns(t.devices, Device)
_STEP = columns(t.second_steps, SecondStep)
_CHALLENGE = columns(t.challenges, Challenge)


class FactorRows(Rows):
    """interface.Tx: second factors, and what stands in for them."""

    def factors(self, account_id: str) -> list[Factor]:
        """All of the account, those being set up too, oldest first."""
        select = sa.select(*_FACTOR).where(t.factors.c.account_id == account_id).order_by(t.factors.c.id)
        return [Factor(*row) for row in self._c.execute(select)]

    def factor(self, factor_id: str) -> Factor | None:
        row = self._one(sa.select(*_FACTOR).where(t.factors.c.id == factor_id))
        return row and Factor(*row)

    def factor_of_credential(self, credential_id: bytes) -> Factor | None:
        row = self._one(sa.select(*_FACTOR).where(t.factors.c.credential_id == credential_id))
        return row and Factor(*row)

    def add_factor(self, factor: Factor) -> None:
        self._c.execute(sa.insert(t.factors).values(values(factor)))

    def change_factor(self, factor_id: str, **changes: object) -> None:
        self._change(t.factors, t.factors.c.id == factor_id, changes)

    def remove_factor(self, factor_id: str) -> None:
        self._c.execute(sa.delete(t.factors).where(t.factors.c.id == factor_id))

    def use_step(self, factor_id: str, step: int, at: datetime) -> bool:
        """Notes that the code of ``step`` was used; False when it was already, or a later one: of two at once, one wins."""
        fresh = sa.or_(t.factors.c.last_step.is_(None), t.factors.c.last_step < step)
        this = sa.and_(t.factors.c.id == factor_id, fresh)
        return self._change(t.factors, this, {"last_step": step, "last_used_at": at}) == 1

    def set_recovery_codes(self, account_id: str, digests: Sequence[bytes], at: datetime) -> None:
        """These replace all that there were."""
        self._c.execute(sa.delete(t.recovery_codes).where(t.recovery_codes.c.account_id == account_id))
        if digests:
            rows = [{"account_id": account_id, "digest": digest, "created_at": at} for digest in digests]
            self._c.execute(sa.insert(t.recovery_codes), rows)

    def use_recovery_code(self, account_id: str, digest: bytes, at: datetime) -> bool:
        """Uses it up; False when there is none such left."""
        code = t.recovery_codes.c
        this = sa.and_(code.account_id == account_id, code.digest == digest, code.used_at.is_(None))
        return self._change(t.recovery_codes, this, {"used_at": at}) == 1

    def count_recovery_codes(self, account_id: str) -> int:
        """How many are left."""
        code = t.recovery_codes.c
        these = sa.and_(code.account_id == account_id, code.used_at.is_(None))
        return self._c.execute(sa.select(sa.func.count()).select_from(t.recovery_codes).where(these)).scalar_one()

    def add_device(self, device: Device, digest: bytes) -> None:
        self._c.execute(sa.insert(t.devices).values(values(device) | {"digest": digest}))

    def device(self, digest: bytes) -> Device | None:
        row = self._one(sa.select(*_DEVICE).where(t.devices.c.digest == digest))
        return row and Device(*row)

    def devices(self, account_id: str, alive_at: datetime) -> list[Device]:
        these = sa.and_(t.devices.c.account_id == account_id, t.devices.c.expires_at > alive_at)
        return [Device(*row) for row in self._c.execute(sa.select(*_DEVICE).where(these).order_by(t.devices.c.id))]

    def use_device(self, device_id: str, at: datetime) -> None:
        self._change(t.devices, t.devices.c.id == device_id, {"last_used_at": at})

    def remove_devices(self, account_id: str, device_id: str | None = None) -> int:
        """Forgets one of the account's devices, or all; how many."""
        these = t.devices.c.account_id == account_id
        if device_id is not None:
            these = sa.and_(these, t.devices.c.id == device_id)
        return self._c.execute(sa.delete(t.devices).where(these)).rowcount

    def forget_devices(self, before: datetime) -> None:
        self._c.execute(sa.delete(t.devices).where(t.devices.c.expires_at < before))

    def add_second_step(self, step: SecondStep, digest: bytes) -> None:
        self._c.execute(sa.insert(t.second_steps).values(values(step) | {"digest": digest}))

    def second_step(self, digest: bytes) -> SecondStep | None:
        row = self._one(sa.select(*_STEP).where(t.second_steps.c.digest == digest))
        return row and SecondStep(*row)

    def count_try(self, digest: bytes) -> None:
        self._change(t.second_steps, t.second_steps.c.digest == digest, {"tries": t.second_steps.c.tries + 1})

    def remove_second_step(self, digest: bytes) -> None:
        self._c.execute(sa.delete(t.second_steps).where(t.second_steps.c.digest == digest))

    def forget_second_steps(self, before: datetime) -> None:
        self._c.execute(sa.delete(t.second_steps).where(t.second_steps.c.expires_at < before))

    def add_challenge(self, challenge: Challenge, digest: bytes) -> None:
        self._c.execute(sa.insert(t.challenges).values(values(challenge) | {"digest": digest}))

    def take_challenge(self, digest: bytes) -> Challenge | None:
        """The challenge, which is used up with this; None when there is none such."""
        this = t.challenges.c.digest == digest
        row = self._one(sa.select(*_CHALLENGE).where(this))
        if row is None or self._c.execute(sa.delete(t.challenges).where(this)).rowcount != 1:
            return None
        return Challenge(*row)

    def forget_challenges(self, before: datetime) -> None:
        self._c.execute(sa.delete(t.challenges).where(t.challenges.c.expires_at < before))

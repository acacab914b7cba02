"""Who uses a token: the latest few distinct users, first and last time, how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.support.world import World

from keyturn.core.credential import Use

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def use(token: str, address: str, minute: int, count: int = 1, agent: str = "curl") -> Use:
    at = NOW + timedelta(minutes=minute)
    return Use(token, address, agent, at, at, count)


def test_uses_of_one_user_add_up_and_the_latest_five_users_stay(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.store.writing() as tx:
        tx.add_uses([use("t", "10.0.0.1", 0, 3), use("other", "10.0.0.1", 0)], 5)
        tx.add_uses([use("t", "10.0.0.1", 5, 2), use("t", "10.0.0.1", 4, agent="git")], 5)
        tx.add_uses([use("t", f"10.0.1.{n}", 10 + n) for n in range(4)], 5)
        known = tx.uses(["t", "other", "unknown"])
    world.close()
    assert [(u.address, u.agent) for u in known["t"]] == [
        ("10.0.1.3", "curl"), ("10.0.1.2", "curl"), ("10.0.1.1", "curl"), ("10.0.1.0", "curl"), ("10.0.0.1", "curl"),
    ]  # fmt: skip
    oldest = known["t"][-1]
    assert (oldest.count, oldest.first_at, oldest.last_at) == (5, NOW, NOW + timedelta(minutes=5))
    assert len(known["other"]) == 1
    assert "unknown" not in known


def test_a_use_that_is_written_late_does_not_turn_the_clock_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.store.writing() as tx:
        tx.add_uses([use("t", "10.0.0.1", 9)], 5)
        tx.add_uses([use("t", "10.0.0.1", 3)], 5)
        (known,) = tx.uses(["t"])["t"]
        tx.add_uses([], 5)
    world.close()
    assert (known.last_at, known.count) == (NOW + timedelta(minutes=9), 2)

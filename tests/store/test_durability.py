"""Several processes over one file, and a process that is killed while it writes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from keyturn.store.sql import SqlStore, engine_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.world import World

# Writes for ever; says which write was acknowledged only after it was.
WRITER = """
import sys
from datetime import UTC, datetime
from keyturn.store.interface import AuditEvent
from keyturn.store.sql import SqlStore, engine_for
store = SqlStore(engine_for(sys.argv[1]))
number = 0
while True:
    with store.writing() as tx:
        tx.audit([AuditEvent(datetime.now(UTC), "write", "ok", details={"number": number})])
        tx.add_failure("written", datetime.now(UTC))
    print(number, flush=True)
    number += 1
"""

# Adds one to a number, many times, reading it first.
ADDER = """
import sys
from keyturn.store.sql import SqlStore, engine_for
store = SqlStore(engine_for(sys.argv[1]))
for _ in range(15):
    with store.writing() as tx:
        account = tx.account(sys.argv[2], lock=True)
        tx.change_account(account.id, credential_version=account.credential_version + 1)
store.close()
"""


def test_every_acknowledged_write_survives_a_kill(world: World) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, world.url], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(25)]
    writer.kill()
    acknowledged += [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.stdout.close()
    assert writer.wait() == -9
    store = SqlStore(engine_for(world.url))
    with store.reading() as tx:
        kept = sorted(event.details["number"] for event in tx.audit_events(limit=10**6))
        count = tx.failures(["written"])["written"].count
    store.close()
    assert kept == list(range(len(kept)))
    assert set(acknowledged) <= set(kept)
    assert len(kept) <= len(acknowledged) + 1
    assert count == len(kept)  # and both halves of each


def test_writers_in_processes_never_lose_an_update(world: World, tmp_path: Path) -> None:
    account = world.account()
    command = [sys.executable, "-c", ADDER, world.url, account.id]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for writer in writers:
        _, said = writer.communicate()
        assert (writer.returncode, said) == (0, "")
    found = world.store.find_account(account.id)
    assert found is not None
    assert found.credential_version == 1 + 30

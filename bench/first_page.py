"""The first page after a cold start: how long the very first visitor waits for the server, signed out and signed in."""

from __future__ import annotations

import http.client
import secrets
import shutil
import time
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING

from bench import servers
from keyturn.actions import accounts, sign_in
from keyturn.actions.env import By, Env
from keyturn.adapters.passwords import Argon2Passwords
from keyturn.store import migrate, sql

if TYPE_CHECKING:
    from pathlib import Path

    from bench.running import Running

PASSWORD = "four brown owls at noon"
SIGNED_OUT, SIGNED_IN = "the sign-in page, signed out", "the credentials timeline, signed in"


def measure(work: Path, starts: int) -> dict[str, float]:
    """Page -> milliseconds, the median over so many starts of a server each. What an answer costs on the way, measured by
    ``/healthz`` on the same connection, is taken off.
    """
    data = work / "first-page"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    session = _session(data)
    took: dict[str, list[float]] = {SIGNED_OUT: [], SIGNED_IN: []}
    for _ in range(starts):
        for page, secret in ((SIGNED_OUT, ""), (SIGNED_IN, session)):
            with servers.keyturn(data, work) as server:
                took[page].append(_first(server, secret))
    return {page: median(each) for page, each in took.items()}


def _first(server: Running, secret: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        way = median(_get(connection, "/healthz", {}) for _ in range(5))
        headers = {"Cookie": f"keyturn_session_{server.port}={secret}"} if secret else {}
        return max(0.0, _get(connection, "/", headers) - way)
    finally:
        connection.close()


def _get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> float:
    """Milliseconds. Raises RuntimeError for an answer that is not the page."""
    began = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read()
    took = (time.perf_counter() - began) * 1000
    if answer.status != 200 or (headers and b"Sign out" not in text):
        raise RuntimeError(f"the first page was answered {answer.status}, or to nobody signed in")
    return took


def _session(data: Path) -> str:
    """The secret of a browser session, in a store that is made for it."""
    engine = sql.engine_for(f"sqlite:///{data / 'keyturn.db'}")
    migrate.migrate(engine)
    store = sql.SqlStore(engine)
    try:
        env = Env(store, lambda: datetime.now(UTC), secrets.token_bytes, Argon2Passwords(1, 8, 1))
        account = accounts.create(env, By(), email="ada@example.com", new_password=PASSWORD)
        made = sign_in.session_for(env, By(), account)
        assert made.secret is not None
        return made.secret
    finally:
        store.close()

"""Token checks while people log in: every login hashes a password for a tenth of a second, and must not hold up the rest."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench import store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.running import Running

IN_FLIGHT = 4


@contextmanager
def storm(server: Running) -> Iterator[list[int]]:
    """Keeps four password logins in flight, each of another account; the list grows by the status of each answer."""
    over, statuses = threading.Event(), list[int]()
    people = [threading.Thread(target=_logs_in, args=(server.port, n, over, statuses)) for n in range(IN_FLIGHT)]
    for person in people:
        person.start()
    try:
        yield statuses
    finally:
        over.set()
        for person in people:
            person.join()


def _logs_in(port: int, number: int, over: threading.Event, statuses: list[int]) -> None:
    credential = base64.b64encode(f"{store.EMAIL.format(number)}:{store.PASSWORD}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not over.is_set():
        headers = {"Authorization": f"Basic {credential}", "Content-Type": "application/json"}
        connection.request("POST", "/oauth/authorizations", json.dumps({"description": "storm"}), headers)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()

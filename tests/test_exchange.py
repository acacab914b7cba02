"""What passes between a client and git, over either transport."""

from __future__ import annotations

import asyncio
import gzip
import io
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import loops

from keyturn import exchange
from keyturn.actions.git_access import GitLimits, Hooks
from keyturn.adapters.git import Git
from keyturn.core.gitcmd import PUSH
from keyturn.exchange import COMMANDS, Commands
from keyturn.web.git_stream import HttpPeer, Inflate, packet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = str(uuid.UUID(int=5))
ZEROS = "0" * 40


@dataclass
class Client:
    """Of HTTP: what it sends, a message a time, and what it was answered."""

    body: Iterator[bytes]
    taken: int = 0
    answered: list[dict[str, Any]] = field(default_factory=list)

    async def receive(self) -> dict[str, Any]:
        piece = next(self.body, None)
        if piece is None:
            await asyncio.get_running_loop().create_future()
        self.taken += len(piece or b"")
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(self, message: dict[str, Any]) -> None:
        self.answered.append(message)


async def push(git: Git, client: Client, encoding: str = "") -> tuple[exchange.Outcome, HttpPeer]:
    """A push with that body, to the real git."""
    hooks = Hooks(lambda _: None, lambda _: [])
    peer = HttpPeer(client.receive, client.send, Inflate(encoding), PUSH, git.limits)  # type: ignore[arg-type]
    process = git.start(PUSH, APP, stateless=True, hooks=hooks)
    return await exchange.run(PUSH, process, peer, git.limits, thinking=60), peer


@pytest.fixture
def git(tmp_path: Path) -> Iterator[Git]:
    made = Git(tmp_path / "repositories", GitLimits(memory=256 << 20))
    made.make(APP)
    yield made
    made.close()


def in_pieces(data: bytes, size: int = 65536) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def zipped(first: bytes, more: bytes, times: int) -> bytes:
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=6) as file:
        file.write(first)
        for _ in range(times):
            file.write(more)
    return made.getvalue()


def test_what_comes_after_git_has_ended_is_not_unpacked(git: Git) -> None:
    """The attack: a gigabyte in a megabyte, to a git that ends at its first bytes; unpacking it held up everybody."""
    bomb = zipped(b"zzzz", bytes(1 << 20), 300)
    outcome, peer = loops.run(push(git, Client(in_pieces(bomb)), "gzip"))
    assert outcome.status != 0
    assert peer._asked < 8 << 20


def test_a_push_says_no_more_of_its_refs_than_may_be_kept_in_memory(git: Git) -> None:
    """The attack: a megabyte of gzip with a gigabyte of refs and no end of them, all of which git keeps."""
    line = packet(f"{ZEROS} {'1' * 40} refs/heads/{'a' * 60000}".encode())
    bomb = zipped(packet(f"{ZEROS} {'1' * 40} refs/heads/x\0 report-status side-band-64k".encode()), line, 400)
    outcome, peer = loops.run(push(git, Client(in_pieces(bomb, 256)), "gzip"))
    assert outcome == (1, "the refs of this push take more than 8 MiB; push fewer at a time", True)
    assert peer._asked < COMMANDS + (1 << 20)


packets = st.lists(st.binary(max_size=40), max_size=8)


@given(packets, st.binary(max_size=200), st.lists(st.integers(1, 9)))
def test_the_refs_of_a_push_end_at_the_first_empty_packet(lines: list[bytes], pack: bytes, cuts: list[int]) -> None:
    head = b"".join(map(packet, lines)) + b"0000"
    data = head + pack
    commands, size, at = Commands(), 0, 0
    for cut in [*cuts, len(data)]:
        size = commands.feed(data[at : at + cut])
        at += cut
    assert size == len(head)


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_no_bytes_confuse_what_follows_a_push(pieces: list[bytes]) -> None:
    commands = Commands()
    for piece in pieces:
        commands.feed(piece)
    assert commands.feed(b"") <= sum(map(len, pieces))

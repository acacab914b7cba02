"""What the holder of a key asks for, once it is proven: judged, carried out, or refused with the reason and what mends it.

For our own SSH server and for OpenSSH's alike (keyturn ssh:serve).
"""

from __future__ import annotations

import logging
import math
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from keyturn import exchange
from keyturn.actions import git_access
from keyturn.actions.env import By, NotFound, Problem, Refused
from keyturn.core import decide, gitcmd
from keyturn.core.credential import Deny
from keyturn.core.gitcmd import FETCH, PUSH
from keyturn.ssh import auth
from keyturn.store.interface import Unavailable
from keyturn.turns import Busy

if TYPE_CHECKING:
    from keyturn.core.credential import Principal
    from keyturn.exchange import Peer
    from keyturn.ssh.face import SshFace

log = logging.getLogger("keyturn.ssh")

GIT_ALONE: Final = "There is no shell here; git push and git clone work.\n"
UNAVAILABLE: Final = "The server cannot reach its store just now. Nothing was changed; try again.\n"
BUSY: Final = "Too many fetches and pushes at the same time; try again in a minute.\n"
BROKEN: Final = "git cannot be run on the server just now; tell its operator.\n"
AGENT_LONGEST: Final = 200


class Who(NamedTuple):
    """Who asks: the key that signed, by the SHA-256 of its public half, from where, with what program."""

    digest: bytes
    address: str
    agent: str


async def carry_out(face: SshFace, who: Who, text: str, protocol: str, peer: Peer) -> tuple[int, str]:
    """Does what ``text`` asks for; the exit status, and what is to be said on standard error."""
    try:
        principal = admit(face, who)
        if isinstance(principal, Deny):
            return 1, git_access.sentence(principal.message, principal.next)
        wanted = gitcmd.command(text)
        if wanted is None:
            return 1, greeting(face, principal, who) if not text else no_shell(face, principal)
        now = face.env.clock().timestamp()
        _, wait = face.take(principal.account_id, now)
        if wait:
            return 1, f"Your account reached the limit of fetches and pushes; try again in {math.ceil(wait)} seconds.\n"
        return await _git(face, principal, who, wanted, gitcmd.version(protocol), peer)
    except Refused as refused:
        return 1, git_access.sentence(refused.deny.message, refused.deny.next)
    except NotFound as problem:
        return 1, git_access.sentence(str(problem), git_access.APPS)
    except Problem as problem:
        return 1, f"{problem}\n"
    except Unavailable:
        return 1, UNAVAILABLE
    except Busy:
        return 1, BUSY


def admit(face: SshFace, who: Who) -> Principal | Deny:
    """Who the key speaks for now, which may be otherwise than at the handshake. Raises Unavailable."""
    principal = auth.look_up_digest(face.env, who.digest)
    if isinstance(principal, Deny):
        grant_id = principal.credential[0] if principal.credential else None
        face.refusals.note(grant_id, principal.reason, who.address)
    else:
        agent = who.agent.encode("latin-1", "replace")[:AGENT_LONGEST]
        face.uses.note(principal.token_id, who.address, agent, face.env.clock())
    return principal


def greeting(face: SshFace, principal: Principal, who: Who) -> str:
    """What `ssh git@host` says."""
    name, shown = _name(face, principal), auth.fingerprint(who.digest)
    key = shown if principal.description in ("", shown) else f"{principal.description} ({shown})"
    who_it_is = f"Hi {name}! You are {principal.email}" if name else f"Hi! You are {principal.email}"
    return f"{_plain(f'{who_it_is}, by the SSH key {key}.')}\n{GIT_ALONE}"


def no_shell(face: SshFace, principal: Principal) -> str:
    """What is said to whoever asks for anything but git."""
    return f"{_plain(f'Hi {_name(face, principal) or principal.email}, ')}{GIT_ALONE[0].lower()}{GIT_ALONE[1:]}"


def _name(face: SshFace, principal: Principal) -> str | None:
    account = face.env.store.find_account(principal.account_id)
    return account.name if account else None


def _plain(text: str) -> str:
    """On one line, and fit for a terminal."""
    return "".join(c for c in text if c.isprintable())


async def _git(
    face: SshFace, principal: Principal, who: Who, wanted: gitcmd.Wanted, version: int, peer: Peer
) -> tuple[int, str]:
    service, limits = wanted.service, face.git.limits
    try:
        app = git_access.admit(face.env, principal, wanted.app, service)
    except Refused as refused:
        face.refusals.note(
            principal.grant_id, refused.deny.reason, who.address, **git_access.refused(service, wanted.app)
        )
        raise
    if service == PUSH and face.no_pushes:
        return 1, f"{face.no_pushes}\n"
    if service == PUSH:
        _, wait = face.take_push(principal.account_id, face.env.clock().timestamp())
        if wait:
            return 1, git_access.sentence(git_access.too_many_pushes(wait))
    by = By(principal, who.address, who.agent[:300], str(uuid.uuid4()))
    hooks = git_access.hooks(face.env, by, principal, app.id) if service == PUSH else None
    warning = decide.warning(principal, face.env.clock()) if service == FETCH else None
    async with face.turns.turn(principal.account_id):
        try:
            process = face.git.start(service, app.id, version=version, hooks=hooks)
        except OSError as fault:
            log.error("git for app %s cannot be run: %s", app.id, fault)
            return 1, BROKEN
        thinking = face.limits.thinking if service == PUSH else limits.stall
        outcome = await exchange.run(service, process, peer, limits, thinking=thinking)
    said = f"{outcome.said}\n" if outcome.said else ""
    return outcome.status, said + (f"Warning: {warning}\n" if warning else "")

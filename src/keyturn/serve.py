"""The composition root: the only module that joins the rings. ``keyturn serve`` starts here."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

import uvicorn

from keyturn import in_force, tls, workers
from keyturn import settings as configuration
from keyturn.actions import accounts, tighten
from keyturn.actions.env import Limits
from keyturn.actions.refusals import Refusals
from keyturn.actions.uses import Uses
from keyturn.adapters import commands, sealing
from keyturn.adapters.commands import CommandCourier
from keyturn.adapters.descriptors import raise_descriptors
from keyturn.adapters.git import Git
from keyturn.core import push
from keyturn.environment import environment
from keyturn.store import migrate, sql
from keyturn.store.interface import Unavailable
from keyturn.turns import Slots
from keyturn.web import app
from keyturn.web.api.apps import ssh_url as ssh_address
from keyturn.web.face import Face
from keyturn.web.limits import GIT, GIT_FILE, PUSH_FILE, Limit
from keyturn.web.verified import Verified

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    import asyncssh

    from keyturn.doors import Doors
    from keyturn.settings import Settings
    from keyturn.ssh.server import SshServer

# Requests an hour that are not API requests: a reverse proxy's questions, an account; logins begun and reports
# of leaked tokens, an address.
VERIFY_LIMIT = 3_600_000
BEGIN_LIMIT = 600
REPORT_LIMIT = 600

# Connections that wait to be accepted, where there are descriptors for them: they are accepted many at once.
BACKLOG = 2048

# Seconds that requests under way are given when the server stops.
GRACE = 10


def prepare(settings: Settings) -> str | None:
    """Makes the data folder, brings the store up to date and under the rules in force, and opens the one-time link if
    there is no account: its secret.
    """
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = sql.engine_for(settings.database_url)
    try:
        migrate.migrate(engine)
    finally:
        engine.dispose()
    env = environment(settings.database_url, rules=settings.rules)
    try:
        tighten.tighten(env)
        return accounts.open_setup(env)
    finally:
        env.store.close()


class Server(uvicorn.Server):
    """uvicorn's, which says when it serves and when it begins to stop, with TLS of ours perhaps, and SSH beside it."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: asyncio.Event, secured: tls.Tls | None = None,
        ssh: tuple[SshServer, list[socket.socket]] | None = None, doors: Doors | None = None,
    ) -> None:  # fmt: skip
        super().__init__(config)
        self._ready, self._stopping, self._tls, self._ssh, self._doors = ready, stopping, secured, ssh, doors
        if secured is not None and doors is None:
            config.load()
            config.ssl = secured.context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to accept requests."""
        self._loop = asyncio.get_running_loop()
        own = sockets or [] if self._tls is not None and self._doors is not None else []
        await super().startup([] if own else sockets)
        if own and self._doors is not None:
            for each in own:
                each.listen(self.config.backlog)
            self._doors.accept(own, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        if self._tls is not None:
            self._keeping = self._loop.create_task(self._tls.keep())
        if self.started:
            if self._ssh is not None:
                await self._ssh[0].serve(self._ssh[1])
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets what is under way come to its end, for a while."""
        if self._doors is not None:
            self._doors.close()
        if self._ssh is None or not self.started:
            await super().shutdown(sockets)
        else:
            await asyncio.gather(self._ssh[0].stop(GRACE), super().shutdown(sockets))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Whoever waits for long, a login in the browser, is told to give up now."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        super().handle_exit(sig, frame)


def main(argv: Sequence[str]) -> int:
    """``keyturn serve``. Returns the exit status."""
    settings = configuration.read(argv, os.environ)
    os.umask(0o077)  # what the server makes is for its own user alone
    descriptors = raise_descriptors()
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        secret = prepare(settings)
        sealing.open_or_make(settings.secret_keys, secrets.token_bytes)  # before there are workers, and to fail by name
        settings = _with_programs(settings)
        repositories = Git(settings.repositories, settings.git.limits)
        repositories.clear_trash()
        secured = tls.Tls(settings.tls) if settings.tls else None
        sockets = listen(settings.bind, settings.port)
        host_keys, ssh_sockets = _prepare_ssh(settings)
        url = settings.public_url or _address("https" if secured else "http", settings.bind, sockets)
        in_force.write(settings.data, in_force.InForce(
            url, settings.git, settings.policy, settings.post.post(url).webhook_host,
        ))  # fmt: skip
        # shared by the workers, so made before they are; those of git are counted by OpenSSH's commands as well
        limits = (Limit(settings.rate_limit), Limit(VERIFY_LIMIT), Limit(BEGIN_LIMIT))
        report_limit, git_limit = Limit(REPORT_LIMIT), Limit(GIT, file=settings.data / GIT_FILE)
        push_limit = Limit(push.AN_HOUR, file=settings.data / PUSH_FILE)
    except (OSError, migrate.Newer, sealing.BadKeys, tls.BadCertificate, commands.NoProgram, BadSsh) as fault:
        print(f"keyturn serve: {fault}", file=sys.stderr)
        return 1
    except Unavailable as fault:
        print(f"keyturn serve: the store cannot be opened: {fault}", file=sys.stderr)
        return 1
    ssh_url = settings.ssh_url or (ssh_address(url, ssh_sockets[0].getsockname()[1]) if ssh_sockets else None)

    def announce() -> None:
        if secret is not None:
            print(
                f"There is no account yet. Make the first one, an administrator's, within a day at\n\n    {url}/setup/{secret}\n"
            )
        if ssh_sockets:
            print(f"git over SSH is at {_address('ssh', settings.ssh_bind, ssh_sockets, 'git@')}")
        print(f"keyturn is ready at {url}", flush=True)

    def work(ready: Callable[[], None]) -> None:
        after = settings.git.after
        env = environment(
            settings.database_url,
            Limits(settings.rate_limit, settings.git.push_refs),
            settings.rules,
            replace(settings.post.post(url), command=CommandCourier(after) if after else None),
            settings.secret_keys,
            repositories,
            settings.git.before,
        )
        turns, uses = Slots(settings.git.limits.processes), Uses()
        doors = _doors(descriptors, settings, secured, Verified(env, limits[1], uses, https=url.startswith("https:")))
        face = Face(
            env, url, *limits, Refusals(), report_limit, git_limit=git_limit, push_limit=push_limit, git=repositories,
            turns=turns, uses=uses, verified=doors.verified if doors else None,
            upkeep_every=settings.upkeep_seconds, workers=settings.workers, ssh_url=ssh_url,
        )  # fmt: skip
        config = uvicorn.Config(
            app.build(face), http=_http(doors), loop="auto", ws="none", lifespan="on", access_log=False, server_header=False,
            log_config=None, timeout_graceful_shutdown=GRACE, proxy_headers=settings.trusted_proxies is not None,
            forwarded_allow_ips=settings.trusted_proxies or "", backlog=min(BACKLOG, descriptors // 8),
        )  # fmt: skip
        try:
            ssh = (_ssh_server(face, repositories, turns, host_keys, descriptors), ssh_sockets) if ssh_sockets else None
            Server(config, ready, face.stopping, secured, ssh, doors).run(sockets)
        finally:
            commands.stop()
            repositories.close()
            env.store.close()

    if settings.workers == 1:
        workers.stop_cleanly()
        work(announce)
        return 0
    return workers.supervise(settings.workers, work, announce)


def _with_programs(settings: Settings) -> Settings:
    """The same, with the programs for pushes by their paths. Raises commands.NoProgram."""
    before = commands.found("--pre-receive", settings.git.before)
    return replace(
        settings, git=replace(settings.git, before=before, after=commands.found("--post-receive", settings.git.after))
    )


class BadSsh(Exception):
    """Git over SSH cannot be served; the message says why."""


def _prepare_ssh(settings: Settings) -> tuple[list[asyncssh.SSHKey], list[socket.socket]]:
    """The host keys and the bound sockets; none without --ssh-port. Raises BadSsh, OSError."""
    if settings.ssh_port is None:
        return [], []
    from keyturn.ssh import hostkeys  # noqa: PLC0415 - asyncssh takes half a second, before the workers are forked

    try:
        keys = hostkeys.open_or_make(settings.host_keys)
    except hostkeys.BadHostKey as wrong:
        raise BadSsh(str(wrong)) from None
    return keys, listen(settings.ssh_bind, settings.ssh_port, "--ssh-port or --ssh-bind")


def _ssh_server(
    face: Face, repositories: Git, turns: Slots, keys: list[asyncssh.SSHKey], descriptors: int
) -> SshServer:
    """Made in its worker, with what the HTTP face counts. ``descriptors``: that a process may have."""
    from keyturn.ssh.face import SshFace, SshLimits  # noqa: PLC0415
    from keyturn.ssh.server import SshServer  # noqa: PLC0415

    limits = SshLimits()
    limits = replace(limits, connections=min(limits.connections, descriptors // 4))
    counts = face.git_limit.take, face.push_limit.take
    return SshServer(SshFace(face.env, repositories, face.uses, face.refusals, *counts, turns, limits), keys)


def _doors(descriptors: int, settings: Settings, secured: tls.Tls | None, verified: Verified) -> Doors | None:
    """Made in its worker. None without httptools, as on PyPy: uvicorn takes h11 then, which bounds heads but no time."""
    try:
        from keyturn.doors import CONNECTIONS, Doors  # noqa: PLC0415
    except ImportError:
        return None
    most = min(CONNECTIONS, descriptors // 2)  # a quarter is for SSH, and one for the store, files and programs
    return Doors(most, settings.trusted_proxies, secured.context if secured else None, verified)


def _http(doors: Doors | None) -> type[asyncio.Protocol] | Literal["auto"]:
    # uvicorn calls it with names, and a class is no more than that
    return "auto" if doors is None else cast("type[asyncio.Protocol]", doors.make)


def listen(bind: str, port: int, flags: str = "--port or --bind") -> list[socket.socket]:
    """Sockets for ``bind``; for ``localhost`` both IPv4 and IPv6 where the machine has them. Port 0: a free one, the
    same for all. ``flags``: what chooses others.

    Raises OSError that names address and port.
    """
    sockets: list[socket.socket] = []
    addresses = ["127.0.0.1", "::1"] if bind == "localhost" else [bind]
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address, sockets[0].getsockname()[1] if sockets else port))
        except OSError as fault:
            listener.close()
            if sockets:  # a machine without IPv6
                continue
            raise OSError(
                f"cannot listen on {address} port {port}: {fault.strerror}; choose another with {flags}"
            ) from None
        sockets.append(listener)
    return sockets


def _address(scheme: str, bind: str, sockets: Sequence[socket.socket], user: str = "") -> str:
    return f"{scheme}://{user}{_host(bind)}:{sockets[0].getsockname()[1]}"


def _host(bind: str) -> str:
    if bind in ("0.0.0.0", "::", "127.0.0.1", "::1"):  # noqa: S104 - compared, not bound
        return "localhost"
    return f"[{bind}]" if ":" in bind else bind

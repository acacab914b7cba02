"""Flags and environment, read once into one frozen Settings. Every flag ``--some-thing`` is also
``KEYTURN_SOME_THING``; the flag wins.
"""

from __future__ import annotations

import argparse
import ipaddress
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keyturn import git_settings, post_settings
from keyturn.core import overrides, policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyturn.core.policy import Policy
    from keyturn.git_settings import GitSettings, TlsFiles
    from keyturn.post_settings import PostSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve."""

    data: Path
    bind: str
    port: int
    ssh_port: int | None
    """None: no git over SSH."""
    ssh_bind: str
    ssh_url: str | None
    """Where people reach git over SSH, when that is not the port above at the public URL's host; as with OpenSSH's server."""
    database_url: str
    public_url: str | None
    workers: int
    rate_limit: int
    trusted_proxies: str | None
    rules: Policy
    """The policy in force."""
    policy: Path | None
    """The file that made it stricter, where another than the data folder's was named."""
    post: PostSettings
    """How mails and webhooks leave."""
    upkeep_seconds: int
    """Between two looks for what expires or expired."""
    secret_keys: Path
    """The keys that seal what must be readable again: outside the store, so that a copy of it opens nothing."""
    git: GitSettings
    tls: TlsFiles | None
    """None: plain HTTP, for this machine alone or behind a proxy that does TLS."""

    @property
    def repositories(self) -> Path:
        """The folder of the apps' code."""
        return self.data / REPOSITORIES

    @property
    def host_keys(self) -> Path:
        """The folder of the keys by which SSH clients know the server."""
        return self.data / HOST_KEYS


def database_url(data: Path) -> str:
    """The embedded store of a data folder."""
    return f"sqlite:///{data.resolve() / 'keyturn.db'}"


POLICY_FILE = "policy.toml"
KEYS_FILE = "secret.keys"
REPOSITORIES = "repositories"
HOST_KEYS = "ssh"
LARGEST_POLICY = 1 << 20  # bytes


def rules(data: Path, file: Path | None) -> Policy:
    """The policy in force: the default, made stricter by ``file``, or by the data folder's policy.toml where there is
    one.

    Raises BadPolicy, for a file that cannot be read too: rules that an operator asked for are never left out in silence.
    """
    path = data / POLICY_FILE if file is None else file
    try:
        with path.open("rb") as opened:
            raw = opened.read(LARGEST_POLICY + 1)
        if len(raw) > LARGEST_POLICY:
            raise overrides.BadPolicy([f"{path}: the file is larger than {LARGEST_POLICY >> 20} MiB"])
        return overrides.parse(raw.decode("utf-8-sig"), name=str(path))
    except UnicodeDecodeError as wrong:
        line = raw[: wrong.start].count(b"\n") + 1
        raise overrides.BadPolicy([f"{path}, line {line}: not UTF-8"]) from None
    except FileNotFoundError:
        if file is None and not path.is_symlink():
            return policy.DEFAULT
        raise overrides.BadPolicy([f"{path}: there is no such file"]) from None
    except OSError as fault:
        raise overrides.BadPolicy([f"{path}: cannot be read: {fault.strerror}"]) from None


def add_policy(flags: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """The flag that names the policy file."""
    flags.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        default=environ.get("KEYTURN_POLICY") or None,
        help="overrides of the policy (default: policy.toml in the data folder, where there is one)",
    )


def refused(program: str, wrong: overrides.BadPolicy) -> str:
    """What is said of a file that is no policy: every finding on a line of its own."""
    return "\n".join(f"{program}: {finding}" for finding in wrong.findings)


def parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """The flags of ``keyturn serve``."""

    def default(name: str, otherwise: str | None = None) -> str | None:
        return environ.get(f"KEYTURN_{name}") or otherwise

    made = argparse.ArgumentParser(
        "keyturn serve", description="Serve Keyturn: API, sign-in pages and browser logins on one port."
    )
    made.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=default("DATA", ".keyturn"),
        help="folder of the embedded store; made when it is not there (default: .keyturn)",
    )
    made.add_argument(
        "--port",
        type=_port,
        metavar="N",
        default=default("PORT", "8420"),
        help="HTTP port; 0 takes a free one (default: 8420)",
    )
    made.add_argument(
        "--bind",
        metavar="ADDRESS",
        default=default("BIND", "localhost"),
        help="address to listen on (default: localhost; 0.0.0.0 for all, behind a proxy that does TLS)",
    )
    made.add_argument(
        "--ssh-port",
        type=_port,
        metavar="N",
        default=default("SSH_PORT"),
        help="serve git over SSH on this port; 0 takes a free one (default: not at all)",
    )
    made.add_argument(
        "--ssh-bind",
        metavar="ADDRESS",
        default=default("SSH_BIND"),
        help="address for SSH (default: the one of --bind)",
    )
    made.add_argument(
        "--ssh-url",
        type=_ssh_url,
        metavar="URL",
        default=default("SSH_URL"),
        help="where people reach git over SSH, ssh://git@HOST:PORT (default: --ssh-port at the host of --public-url)",
    )
    made.add_argument(
        "--database-url", metavar="URL", default=default("DATABASE_URL"), help="another store than the data folder's"
    )
    made.add_argument(
        "--public-url",
        type=_url,
        metavar="URL",
        default=default("PUBLIC_URL"),
        help="where people reach the server, when that is not http://localhost:PORT",
    )
    made.add_argument(
        "--workers", type=_positive, metavar="N", default=default("WORKERS", "1"), help="worker processes (default: 1)"
    )
    made.add_argument(
        "--rate-limit",
        type=_count,
        metavar="N",
        default=default("RATE_LIMIT", str(policy.RATE_LIMIT)),
        help=f"API requests an hour and account (default: {policy.RATE_LIMIT}; 0: no limit)",
    )
    made.add_argument(
        "--trusted-proxies",
        type=_proxies,
        metavar="ADDRESSES",
        default=default("TRUSTED_PROXIES"),
        help="addresses of proxies whose X-Forwarded-For is believed, separated by commas",
    )
    made.add_argument(
        "--upkeep-seconds",
        type=_seconds,
        metavar="N",
        default=default("UPKEEP_SECONDS", "30"),
        help="seconds between two looks for what expires and is to be told (default: 30)",
    )
    made.add_argument(
        "--secret-keys",
        type=Path,
        metavar="FILE",
        default=default("SECRET_KEYS"),
        help="keys that seal two-factor seeds (default: secret.keys in the data folder; made when it is not there)",
    )
    git_settings.add(made, default)
    add_policy(made, environ)
    made.epilog = (
        "Mails and webhooks are set up in the environment alone: KEYTURN_SMTP_URL, KEYTURN_MAIL_FROM, "
        "KEYTURN_WEBHOOK_URL and KEYTURN_WEBHOOK_SECRET."
    )
    return made  # fmt: skip


def read(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings. Exits with status 2, naming the flag, for a value that cannot be, and for a bad policy file, with
    all that is wrong with it.
    """
    flags = parser(environ)
    found = flags.parse_args(argv)
    url = found.database_url or database_url(found.data)
    if not url.startswith("sqlite:///"):
        flags.error("argument --database-url: this version keeps its store in SQLite: sqlite:///FILE")
    try:
        post = post_settings.read(environ)
    except post_settings.BadSetting as wrong:
        flags.error(str(wrong))
    try:
        in_force = rules(found.data, found.policy)
    except overrides.BadPolicy as wrong:
        sys.stderr.write(refused("keyturn serve", wrong) + "\n")
        raise SystemExit(2) from None
    git, tls = git_settings.read(flags, found)
    return Settings(
        data=found.data, bind=found.bind, port=found.port, ssh_port=found.ssh_port, ssh_bind=found.ssh_bind or found.bind,
        ssh_url=found.ssh_url, database_url=url, public_url=found.public_url, workers=found.workers, rate_limit=found.rate_limit,
        trusted_proxies=found.trusted_proxies, rules=in_force, policy=found.policy, post=post, upkeep_seconds=found.upkeep_seconds,
        secret_keys=found.secret_keys or found.data / KEYS_FILE, git=git, tls=tls,
    )  # fmt: skip


def _number(text: str, least: int, most: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return int(text)


def _port(text: str) -> int:
    return _number(text, 0, 65535, "a port (0 to 65535)")


def _positive(text: str) -> int:
    return _number(text, 1, 256, "a number from 1 to 256")


def _count(text: str) -> int:
    return _number(text, 0, 10**9, "a number of requests (0: no limit)")


def _seconds(text: str) -> int:
    return _number(text, 1, 3600, "a number of seconds from 1 to 3600")


def _url(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL like https://keyturn.example.com")
    return text.rstrip("/")


def _proxies(text: str) -> str:
    """Addresses and networks; a name among them would be believed by nobody, in silence."""
    found = [each.strip() for each in text.split(",")]
    for each in found:
        try:
            ipaddress.ip_network(each)
        except ValueError:
            if found != ["*"]:
                raise argparse.ArgumentTypeError(
                    f"{each!r} is neither an address, such as 127.0.0.1, nor a network, such as 10.1.2.0/24"
                ) from None
    return ",".join(found)


def _ssh_url(text: str) -> str:
    if not re.fullmatch(r"ssh://git@([a-z0-9][a-z0-9.-]*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL like ssh://git@keyturn.example.com:2222")
    return text.rstrip("/")

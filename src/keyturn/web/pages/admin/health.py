"""/admin/health: whether the server is as it should be, and what to do about what is not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import keyturn
from keyturn.actions import administer
from keyturn.core import lifecycle, policy
from keyturn.store.interface import Unavailable

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

HERE: Final = "/admin/health"
STARTED: Final = time.monotonic()
"""About when the server started: its workers are forked after this was imported."""
TONES: Final = {"ok": ("Fine", "ok"), "warn": ("Look at this", "warn"), "bad": ("Mend this", "bad"), "info": ("", "")}


@dataclass(frozen=True, slots=True)
class Check:
    """One line. ``state``: ok, warn, bad, or info: nothing to judge."""

    what: str
    state: str
    found: str
    do: str = ""

    @property
    def badge(self) -> tuple[str, str]:
        """Its words and tone."""
        return TONES[self.state]


def show(visit: Visit) -> Response:
    """GET /admin/health."""
    try:
        described, counted = administer.state(visit.env)
    except Unavailable:
        store = [
            Check("Store", "bad", "it does not answer", "Look at the disk of the data folder: is it full, is it there?")
        ]
        groups, counts = [("Server", [*_server(visit), *store])], []
    else:
        groups = [
            ("Server", [*_server(visit), _store(described)]),
            ("Mail and webhooks", _post(visit, counted)),
            ("Apps and git", _git(visit, counted)),
            ("Sign-in", _sign_in(visit, counted)),
        ]
        counts = [(label, f"{counted[name]:,}") for label, name in _COUNTED]
    states = [check.state for _, checks in groups for check in checks]
    return visit.render(
        "admin_health.html", title="Health", here=HERE, sections=groups, counts=counts, bad=states.count("bad"),
        warn=states.count("warn"),
    )  # fmt: skip


_COUNTED: Final = (
    ("Accounts", "accounts"), ("Suspended", "suspended"), ("Living credentials", "credentials_alive"),
    ("Ended credentials kept", "credentials_dead"), ("Events in the audit trail", "audit_events"),
)  # fmt: skip


def _server(visit: Visit) -> list[Check]:
    workers = visit.face.workers
    return [
        Check("Version", "info", f"Keyturn {keyturn.__version__}"),
        Check("Running for", "info", lifecycle.in_words(max(1, round(time.monotonic() - STARTED)))),
        Check("Workers", "info", "one process" if workers == 1 else f"{workers} processes"),
        _address(visit),
        Check("Policy", "ok", "the default rules" if visit.env.policy == policy.DEFAULT else "with changes of your own"),
    ]  # fmt: skip


def _address(visit: Visit) -> Check:
    url = visit.face.public_url
    host = urlsplit(url).hostname or ""
    local = host in ("localhost", "127.0.0.1", "::1")
    if visit.face.https:
        if local:
            return Check("Address", "warn", url, "Links in mails lead to this machine alone. Start with --public-url.")
        if visit.env.passkeys is None or not visit.env.passkeys.possible(url):
            return Check("Address", "warn", url, "Passkeys need a name, not a number: give --public-url a domain.")
        return Check("Address", "ok", url)
    if local:
        return Check(
            "Address", "warn", url,
            "Good for this machine. For others, put a proxy with TLS before it and start with --public-url https://...",
        )  # fmt: skip
    return Check(
        "Address", "bad", url,
        "Passwords and tokens travel in the clear, and passkeys do not work. Put a proxy with TLS before it and start with "
        "--public-url https://...",
    )  # fmt: skip


def _store(described: dict[str, object]) -> Check:
    size = described.get("bytes")
    room = f", {_size(size)}" if isinstance(size, int) else ""
    return Check("Store", "ok", f"{described.get('engine')}, schema {described.get('schema')}{room}")


def _size(number: int) -> str:
    size = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"


def _post(visit: Visit, counts: dict[str, int]) -> list[Check]:
    post = visit.env.post
    waiting, failing = counts["outbox_waiting"], counts["outbox_failing"]
    checks = [
        Check("Mail server", "ok", "configured") if post.mail is not None else Check(
            "Mail server", "warn", "none configured",
            "Nobody is told by mail before a key expires. Set KEYTURN_SMTP_URL and KEYTURN_MAIL_FROM. Until then "
            "administrators can read the mails in the outbox.",
        ),
        Check("Webhook", "info", "configured" if post.webhook is not None else "none configured"),
    ]  # fmt: skip
    if failing:
        checks.append(
            Check(
                "Outbox", "bad", f"{waiting} waiting, {failing} with failed tries", "The outbox says why each failed."
            )
        )
    else:
        checks.append(Check("Outbox", "ok", f"{waiting} waiting"))
    return checks


def _git(visit: Visit, counts: dict[str, int]) -> list[Check]:
    face = visit.face
    if face.git is None:
        served = Check("Git", "info", "not served")
    elif face.git.installed:
        served = Check("Git", "ok", f"served over {'HTTPS' if face.https else 'HTTP'}")
    else:
        served = Check(
            "Git", "bad", "there is no git program", "Nothing can be pushed or fetched. Install git and restart."
        )
    judge = "no program of yours" if visit.env.push_policy is None else "a program of yours (--pre-receive)"
    return [
        Check("Apps", "info", f"{counts['apps']:,}, each with a repository in the data folder",
              "A backup of the store does not hold them: docs/operate/backups.md." if counts["apps"] else ""),
        served,
        Check("Git over SSH", "info", f"at {face.ssh_url}" if face.ssh_url else "not served"),
        Check("Pushes", "info", f"judged by {judge}"),
    ]  # fmt: skip


def _sign_in(visit: Visit, counts: dict[str, int]) -> list[Check]:
    accounts, with_factor, admins = counts["accounts"], counts["with_second_factor"], counts["administrators_acting"]
    without = counts["administrators_without"]
    share = round(100 * with_factor / accounts) if accounts else 0
    required = visit.env.policy.mfa_required
    checks = [
        Check(
            "Second factors", "ok" if with_factor == accounts else "info", f"{with_factor} of {accounts} accounts ({share}%)",
            "" if required != "none" else "No rule asks for one. policy.toml can: [two_factor] required = \"admins\" or \"all\".",
        ),
        Check("Administrators", "ok" if admins > 1 else "warn", f"{admins}",
              "" if admins > 1 else "If this one loses access, only whoever has the server's files can help. Make a second one."),
    ]  # fmt: skip
    if without:
        checks.append(Check(
            "Their second factors", "warn",
            f"{without} of {admins} administrator{'s' if admins != 1 else ''} without one",
            "An administrator's password alone opens every account. Ask them to turn on two-factor sign-in.",
        ))  # fmt: skip
    else:
        checks.append(Check("Their second factors", "ok", "all have one"))
    sealed = visit.env.sealer is not None
    checks.append(
        Check("Seeds of one-time codes", "ok", "sealed with a key outside the store") if sealed
        else Check("Seeds of one-time codes", "bad", "no key to seal them", "Start the server with --secret-keys FILE.")
    )  # fmt: skip
    return checks

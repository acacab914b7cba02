"""`keyturn auth:doctor`: what is wrong with this machine's credentials, why it matters, and what mends it.

Works against any Heroku-compatible server, and says what one without our reasons cannot tell.
"""

from __future__ import annotations

import os

from keyturn.cli import say
from keyturn.cli.doctor_finding import Finding, Situation
from keyturn.cli.status import survey
from keyturn.client import credentials, hosts, netrc, state
from keyturn.client.errors import KeyturnError, StorageFailed
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from keyturn.cli.status import Source
    from keyturn.client.hosts import Host
    from keyturn.client.netrc import Entry
    from keyturn.client.state import Known


def run(words: Sequence[str]) -> int:
    """Look, perhaps mend, and tell; 1 when a problem remains."""
    from keyturn.cli.options import Parser

    parser = Parser(
        "auth:doctor",
        "Find what is wrong with this machine's credentials: why it matters, and the command that mends it.",
        json="print it as JSON; tokens stay masked",
    )
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely, and say what was done")
    parser.add_argument("--offline", action="store_true", help="do not ask the server")
    options = parser.parse(words)
    known = state.read(os.environ)
    host, named_by = hosts.choose(options.host, os.environ, known.chosen)
    sources, findings, told = examine(host, known.logins.get(host.text), offline=options.offline)
    if options.fix:
        for finding in findings:
            _repair(finding)
    remain = [finding for finding in findings if not finding.notice and finding.did is None]
    if options.json:
        say.data_json(
            {
                "host": host.text,
                "host_from": named_by,
                "sources": [source.as_json() for source in sources],
                "findings": [finding.as_json() for finding in findings],
                "server": None if told is None else {name: told.get(name) for name in ("alive", "reason", "untold")},
                "ok": not remain,
            }
        )
    else:
        _show(host, named_by, sources, findings, told)
    return 1 if remain else 0


def examine(
    host: Host, hint: Known | None, *, offline: bool
) -> tuple[list[Source], list[Finding], dict[str, Any] | None]:
    """The sources, the findings, and what the server says of the token in use."""
    from keyturn.cli import doctor_here, doctor_netrc

    findings: list[Finding] = []
    winner = stored = None
    path = ""
    entries: list[Entry] = []
    sources: list[Source] = []
    try:
        path, entries = credentials.netrc_entries(os.environ)
        stored = credentials.from_netrc(host, os.environ)
        winner, sources = survey(host, os.environ, hint)
    except StorageFailed as wrong:
        winner = credentials.from_environment(os.environ)
        try:
            path = netrc.path(os.environ)
        except netrc.NetrcError:
            path = ""
        what, _, mend = wrong.message.rpartition(": ")
        findings.append(
            Finding("unreadable-netrc", what or mend, "the logins in it cannot be used", mend or "keyturn login")
        )
    here = Situation(host, os.environ, hint, winner, stored, path, entries)
    findings += doctor_here.all_checks(here)
    told = None
    if offline:
        if winner is None:
            what = f"there is no token for {host.label}"
            findings.append(Finding("no-login", what, "every command needs one", "keyturn login"))
    else:
        from keyturn.cli import doctor_there

        malformed = winner is not None and grammar.misfit(winner.token) is not None
        there, told = doctor_there.all_checks(here, malformed=malformed)
        if told is not None and (told.get("credential") or told.get("alive") is not True):
            # The server knows better than what was noted here at the login.
            findings = [finding for finding in findings if finding.id not in ("expired", "expires-soon")]
        findings += there
        if not any(finding.id == "unreachable" for finding in there):
            from keyturn.cli import doctor_ssh

            findings += doctor_ssh.all_checks(here, alive=told is not None and told.get("alive") is True)
    if path:
        findings += doctor_netrc.all_checks(here)
    return sources, findings, told


def _repair(finding: Finding) -> None:
    if finding.repair is None:
        return
    try:
        finding.did = finding.repair()
    except (netrc.NetrcError, KeyturnError) as wrong:
        say.warn(f"could not mend it: {wrong}")
    except OSError as wrong:
        say.warn(f"could not mend it: {wrong.filename or ''} {wrong.strerror}")


def _show(
    host: Host, named_by: str, sources: Sequence[Source], findings: Sequence[Finding], told: dict[str, Any] | None
) -> None:
    from keyturn.cli.status import show_sources

    show_sources(host, named_by, sources)
    if told is not None and told.get("alive") is True:
        say.data("the server accepts the token in use")
    if told is not None and told.get("untold"):
        say.prose(told["untold"])
    for finding in findings:
        say.data("")
        say.prose(f"{'notice' if finding.notice else 'problem'}: {finding.what}", 2)
        say.prose(f"  why it matters: {finding.why}", 4)
        say.prose(f"  fixed: {finding.did}" if finding.did else f"  to mend it: {finding.mend}", 4)
    say.data("")
    wrong = [finding for finding in findings if not finding.notice]
    left = [finding for finding in wrong if finding.did is None]
    safe = [finding for finding in left if finding.repair is not None]
    if not wrong:
        say.data("no problem was found")
    else:
        say.data(f"{len(wrong)} problem{'' if len(wrong) == 1 else 's'}, {len(wrong) - len(left)} fixed")
    if safe:
        say.note(f"{len(safe)} of them can be mended by: keyturn auth:doctor --fix")

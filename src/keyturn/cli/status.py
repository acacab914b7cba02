"""`keyturn auth:status`: every source of a credential there is here, which one wins, and why the others lose."""

from __future__ import annotations

import os
import time

from keyturn.cli import say
from keyturn.cli.answers import names, one, text
from keyturn.cli.here import not_logged_in
from keyturn.client import credentials, hosts, state
from keyturn.client.errors import StorageFailed
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from keyturn.client.credentials import Credential
    from keyturn.client.hosts import Host
    from keyturn.client.netrc import Entry
    from keyturn.client.state import Known


class Source:
    """One place where a token is, or could be expected. ``verdict``: ``wins``, or why it does not."""

    __slots__ = ("expires_at", "login", "name", "token", "verdict")

    def __init__(
        self, name: str, token: str | None, login: str | None, verdict: str, expires_at: int | None = None
    ) -> None:
        self.name, self.token, self.login, self.verdict, self.expires_at = name, token, login, verdict, expires_at

    def as_json(self) -> dict[str, Any]:
        """What may be shown of it: the token masked."""
        return {
            "source": self.name,
            "login": self.login,
            "token": masked(self.token) if self.token else None,
            "kind": grammar.kind_of(self.token or ""),
            "wrong": grammar.misfit(self.token) if self.token else None,
            "wins": self.verdict == "wins",
            "why": self.verdict,
            "expires_at": self.expires_at and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.expires_at)),
        }


def run(words: Sequence[str]) -> int:
    """Show them; 4 when there is none, or when ``--check`` finds the winner dead."""
    from keyturn.cli.options import Parser

    parser = Parser(
        "auth:status",
        "Show every credential there is here, and which one wins. Asks nobody, but with --check the server.",
        json="print it as JSON; tokens stay masked",
    )
    parser.add_argument("--check", action="store_true", help="ask the server whether the token in use is alive")
    options = parser.parse(words)
    known = state.read(os.environ)
    host, named_by = hosts.choose(options.host, os.environ, known.chosen)
    winner, sources = survey(host, os.environ, known.logins.get(host.text))
    checked = _check(host, winner) if options.check and winner else None
    if options.json:
        report = {"host": host.text, "host_from": named_by, "sources": [source.as_json() for source in sources]}
        say.data_json({**report, "check": checked} if options.check else report)
    else:
        _show(host, named_by, sources, checked)
    if winner is None:
        raise not_logged_in(host)
    return 4 if checked and not checked["alive"] else 0


def survey(host: Host, environ: Mapping[str, str], hint: Known | None) -> tuple[Credential | None, list[Source]]:
    """The credential that wins, and all that were looked at, in the order of their rank. Raises StorageFailed."""
    winner = credentials.from_environment(environ)
    sources = []
    if winner:
        sources.append(Source(credentials.VARIABLE, winner.token, None, "wins", _expiry(hint, winner.token)))
    elif credentials.VARIABLE in environ:
        sources.append(Source(credentials.VARIABLE, None, None, "it is set but empty, and counts as not set"))
    if environ.get("HEROKU_API_TOKEN"):
        sources.append(Source("HEROKU_API_TOKEN", None, None, f"nothing reads it; the name is {credentials.VARIABLE}"))
    try:
        path, entries = credentials.netrc_entries(environ)
        stored = credentials.from_netrc(host, environ)
    except StorageFailed as wrong:
        if winner is None:
            raise
        return winner, [*sources, Source("netrc", None, None, f"{wrong}; {credentials.VARIABLE} does not need it")]
    if os.path.exists(f"{path}.gpg"):
        path += ".gpg"
    stored_wins = winner is None
    winner = winner or stored
    seen: set[str] = set()
    for machine in host.machines:
        for entry in entries:
            if (entry.machine or "").lower() == machine:
                verdict = _verdict(entry, machine, host, stored, entries, first=machine not in seen, wins=stored_wins)
                sources.append(
                    Source(
                        f"{path}: machine {machine}",
                        entry.password,
                        entry.login,
                        verdict,
                        _expiry(hint, entry.password),
                    )
                )
                seen.add(machine)
    if not os.path.exists(path) and not seen:
        sources.append(Source(path, None, None, "there is no such file"))
    elif not seen:
        sources.append(Source(path, None, None, f"it has no machine {' or '.join(host.lookups)}"))
    if any(entry.machine is None and entry.password for entry in entries):
        sources.append(Source(f"{path}: default", None, None, "curl and git would use it, keyturn does not"))
    from keyturn.cli import git_helpers

    for helper in git_helpers.configured(host):
        name = f"git's credential helper {helper.name} for {helper.about or 'every server'}"
        sources.append(Source(name, None, None, "for git alone, when netrc's token is refused"))
    return winner, sources


def _verdict(
    entry: Entry,
    machine: str,
    host: Host,
    stored: Credential | None,
    entries: Sequence[Entry],
    *,
    first: bool,
    wins: bool,
) -> str:
    if not first:
        return "an earlier entry of the same machine counts"
    if not entry.password:
        return "it has no password"
    if machine not in host.lookups:
        same = stored is not None and entry.password == stored.token
        return (
            "for git; the same token" if same else "for git; another token than the API's: keyturn login makes them one"
        )
    if stored is None or stored.machine != machine:
        if machine == host.name and credentials.is_anothers(entry, entries, host):
            return "it holds the token of a server on another port"
        same = stored is not None and entry.password == stored.token
        return "for curl and git, which ignore ports; the same token" if same else "the entry with the port counts"
    return "wins" if wins else f"{credentials.VARIABLE} overrides it"


def masked(token: str) -> str:
    """What may be shown of any token."""
    return grammar.mask(token)


def _expiry(hint: Known | None, token: str | None) -> int | None:
    return hint.expires_at if hint and token and hint.speaks_of(token) else None


def _check(host: Host, winner: Credential) -> dict[str, Any]:
    from keyturn.cli.why import explain

    told = explain(host, winner.token)
    item = one(told.get("credential"))
    said = {
        name: told.get(name) for name in ("alive", "reason", "message", "next", "untold") if told.get(name) is not None
    }
    said |= {name: item[name] for name in ("id", "kind", "scope", "expires_at", "life", "last_used_at") if name in item}
    email = told.get("email") or one(item.get("user")).get("email")
    return {**said, "alive": told.get("alive") is True, **({"email": email} if email else {})}


def _show(host: Host, named_by: str, sources: Sequence[Source], checked: Mapping[str, Any] | None) -> None:
    show_sources(host, named_by, sources)
    if checked is None:
        return
    if checked["alive"] is True:
        say.data(f"the server accepts it, for {checked.get('email')}")
        if checked.get("scope"):
            say.data(f"  scope: {names(checked['scope'])}")
        if checked.get("life"):
            say.prose(f"  life:  {checked['life']}", 9)
    else:
        say.failure(f"the server refuses it: {checked.get('message')}", text(checked.get("next")))
    if checked.get("untold"):
        say.note(checked["untold"])


def show_sources(host: Host, named_by: str, sources: Sequence[Source]) -> None:
    """The server, and each source with why it wins or loses."""
    say.data(f"{host.label} (from {named_by})")
    for source in sources:
        say.data(f"  {source.name}")
        if source.token:
            say.data(f"    token:   {masked(source.token)}" + (f" of {source.login}" if source.login else ""))
            kind = grammar.kind_of(source.token)
            if kind:
                say.data(f"    kind:    {kind.replace('_', ' ')}")
            wrong = grammar.misfit(source.token)
            if wrong:
                say.data(f"    wrong:   {wrong}")
        if source.expires_at:
            past = source.expires_at <= time.time()
            say.data(f"    expires: {'it did, ' if past else ''}{say.moment(source.expires_at)}")
        say.prose(f"    {'in use' if source.verdict == 'wins' else 'not used: ' + source.verdict}", 6)

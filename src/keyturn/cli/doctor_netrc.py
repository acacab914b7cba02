"""The doctor's checks of netrc: its mode, and entries that are malformed, doubled, or at odds with one another."""

from __future__ import annotations

from keyturn.cli.doctor_finding import Finding
from keyturn.cli.doctor_here import decryption, mode, shape
from keyturn.client import credentials, netrc
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyturn.cli.doctor_finding import Situation
    from keyturn.client.netrc import Entry


def all_checks(here: Situation) -> Iterator[Finding]:
    """What is wrong there."""
    yield from decryption(here.path)
    yield from mode(here.path, 0o600, "netrc-mode", "it holds tokens, which they can read and use")
    seen: dict[str, Entry] = {}
    for entry in here.entries:
        machine = (entry.machine or "").lower()
        if machine not in here.host.machines or not entry.password:
            continue
        if machine in seen:
            yield _double(here, seen[machine], machine, same=seen[machine].password == entry.password)
        else:
            seen[machine] = entry
            if not _is_for_something_else(here, entry, machine):
                where = f"machine {machine} in {here.path}"
                yield from shape(entry.password, where, "keyturn login", "entry")
    for machine, entry in seen.items():
        if here.stored is not None and entry.password != here.stored.token:
            yield from _at_odds(here, entry, machine)
    yield from _default(here)


def _double(here: Situation, first: Entry, machine: str, *, same: bool) -> Finding:
    def repair() -> str:
        netrc.write(here.path, [machine], first.login or "", first.password or "")
        return f"removed the further entries of machine {machine}; the first one stays"

    return Finding(
        "duplicate-entry", f"{here.path} has more than one entry for machine {machine}",
        "the same token twice confuses nobody yet" if same else "curl and git take the first of them, Python's netrc the last",
        "keyturn auth:doctor --fix", repair=repair if first.login else None,
    )  # fmt: skip


def _is_for_something_else(here: Situation, entry: Entry, machine: str) -> bool:
    """Whether an entry without a port is another server's on the same name, or no server's of ours."""
    host = here.host
    if machine not in host.lookups[1:] or (here.stored is not None and here.stored.machine == machine):
        return False
    return credentials.is_anothers(entry, here.entries, host) or not grammar.kind_of(entry.password or "")


def _at_odds(here: Situation, entry: Entry, machine: str) -> Iterator[Finding]:
    """An entry of the server that holds another token than the one that counts."""
    stored, host = here.stored, here.host
    assert stored is not None
    portless = machine == host.name and machine in host.lookups[1:]
    if portless and (credentials.is_anothers(entry, here.entries, host) or not grammar.kind_of(entry.password or "")):
        return  # another server's on the same name, or for something else

    def repair() -> str:
        netrc.write(here.path, [machine], stored.login or entry.login or "", stored.token)
        return f"wrote the token of machine {stored.machine} to machine {machine} as well"

    yield Finding(
        "entry-at-odds", f"machine {machine} in {here.path} holds another token than machine {stored.machine}",
        f"{'curl and git' if portless else 'git'} may be refused where keyturn is not, or speak for somebody else",
        "keyturn auth:doctor --fix" if here.alive else "keyturn login",
        repair=repair if here.alive and (stored.login or entry.login) else None,
    )  # fmt: skip


def _default(here: Situation) -> Iterator[Finding]:
    ours = next((e for e in here.entries if (e.machine or "").lower() in here.host.machines and e.password), None)
    default = next((entry for entry in here.entries if entry.machine is None and entry.password), None)
    if default is not None and ours is not None and default.line < ours.line:
        yield Finding(
            "shadowing-default", f"`default` in line {default.line} of {here.path} stands before machine {ours.machine}",
            f"curl and git send its password to {here.host.label}, instead of the token",
            f"move the entry `default` to the end of {here.path}",
        )  # fmt: skip

"""Slows down whoever guesses passwords, without letting a stranger lock the owner out.

Failures are counted under three keys: the pair of account and address, the address, and the account. A pair waits
longer after each failure past its free ones. An account under attack from many addresses makes *unknown* places wait;
a place from which its owner has signed in before is never held back by what strangers do. E-mails that no account has
are counted alike, so that nothing tells them apart.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions.env import Throttled

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Env
    from keyturn.store.interface import Failures, Tx


@dataclass(frozen=True, slots=True)
class Rule:
    """After ``free`` straight failures the wait is 1 second, then doubles with each up to ``most``."""

    free: int
    most: timedelta


PAIR: Final = Rule(free=5, most=timedelta(minutes=15))
ADDRESS: Final = Rule(free=50, most=timedelta(minutes=15))
ACCOUNT: Final = Rule(free=30, most=timedelta(minutes=5))
FORGET: Final = timedelta(hours=24)


def place_of(address: str) -> str:
    """What counts as one place: an IPv4 address, or an IPv6 /64, which is one customer."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if ip.version == 6:
        mapped = ip.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((ip, 64), strict=False).network_address)
    return str(ip)


def is_loopback(address: str) -> bool:
    """Whether the address is this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def keys(email: str, address: str) -> tuple[str, str, str]:
    """The keys of pair, address and account. E-mails are hashed: what people mistype there is at times their
    password.
    """
    account, place = who(email), place_of(address)
    return f"pair:{account}:{place}", f"place:{place}", f"account:{account}"


def check(env: Env, tx: Tx, email: str, address: str) -> None:
    """Raises Throttled while one of the keys must wait."""
    pair, place, account = keys(email, address)
    found = tx.failures([pair, place, account])
    now = env.clock()
    wait = max(wait_of(PAIR, found.get(pair), now), wait_of(ADDRESS, found.get(place), now))
    under_attack = wait_of(ACCOUNT, found.get(account), now)
    if under_attack > wait:
        owner = tx.account_by_email(email)
        if owner is None or not tx.knows_place(owner.id, place_of(address)):
            wait = under_attack
    if wait > timedelta(0):
        raise Throttled("Too many failed sign-ins. Wait a little and try again.", wait)


def failed(env: Env, tx: Tx, email: str, address: str) -> None:
    """Counts one failure."""
    now = env.clock()
    tx.forget_failures(now - FORGET)
    for key in keys(email, address):
        tx.add_failure(key, now)


def succeeded(env: Env, tx: Tx, account_id: str, email: str, address: str) -> None:
    """Clears what the owner's own tries left, and remembers the place. The address' own count stays: one good
    account must not buy an attacker a fresh start on others."""
    pair, _, account = keys(email, address)
    tx.clear_failures([pair, account])
    tx.add_place(account_id, place_of(address), env.clock())


def right_password(tx: Tx, email: str, address: str) -> None:
    """Clears what the owner's own tries left, where the password is half of the proof."""
    pair, _, account = keys(email, address)
    tx.clear_failures([pair, account])


def who(email: str) -> str:
    """The e-mail in a key: hashed, and the same in whatever case."""
    return hashlib.sha256(email.strip().casefold().encode("utf-8", "surrogatepass")).hexdigest()[:32]


def asked(env: Env, tx: Tx, rules: dict[str, Rule], sentence: str) -> None:
    """Counts one request for a mail under each key. Raises Throttled, with ``sentence``, while one must wait."""
    found, now = tx.failures(list(rules)), env.clock()
    wait = max(wait_of(rule, found.get(key), now) for key, rule in rules.items())
    if wait > timedelta(0):
        raise Throttled(sentence, wait)
    tx.forget_failures(now - FORGET)
    for key in rules:
        tx.add_failure(key, now)


def wait_of(rule: Rule, failures: Failures | None, now: datetime) -> timedelta:
    """How long whoever failed so often must still wait."""
    if failures is None or failures.count < rule.free or now - failures.last_at > FORGET:
        return timedelta(0)
    wait = min(timedelta(seconds=2.0 ** min(failures.count - rule.free, 20)), rule.most)
    return max(failures.last_at + wait - now, timedelta(0))

"""Slows down whoever guesses passwords, without letting a stranger lock the owner out.

Failures are counted under three keys: the pair of account and address, the address, and the account. A pair waits
longer after each failure past its free ones. An account under attack from many addresses makes *unknown* places wait;
a place from which its owner has signed in before is never held back by what strangers do. E-mails that no account has
are counted alike, so that nothing tells them apart.

After a hundred straight failures waiting helps no more [NIST SP 800-63B-4 3.2.2]: an account then takes passwords from the
places that it knows alone, until its owner chooses a new one by a reset link, or signs in from one of those.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions.env import Throttled
from keyturn.core import address as mailbox

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
STRAIGHT: Final = 100
"""So many failures without a success between them are the most that an account takes [NIST SP 800-63B-4 3.2.2]."""
STRAIGHT_KEPT: Final = timedelta(days=365)
"""Their count outlives any pause that a guesser would make. It is forgotten at all because unknown e-mails have one, too."""


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


def straight(what: str) -> str:
    """The key of the failures that no success has cleared yet."""
    return f"straight:{what}"


def check(env: Env, tx: Tx, email: str, address: str) -> None:
    """Raises Throttled while one of the keys must wait, or where the account takes passwords from known places alone."""
    pair, place, account = keys(email, address)
    found = tx.failures([pair, place, account, straight(account)])
    now = env.clock()
    if at_most(found.get(straight(account))) and not _is_known(tx, email, address):
        raise Throttled(
            f"There were {STRAIGHT} wrong passwords in a row for this account, so it takes none from a place that is new to it. "
            "Choose a new password by the link that “Forgot your password?” mails, or sign in from where you did before.",
            FORGET, held=True,
        )  # fmt: skip
    wait = max(wait_of(PAIR, found.get(pair), now), wait_of(ADDRESS, found.get(place), now))
    under_attack = wait_of(ACCOUNT, found.get(account), now)
    if under_attack > wait and not _is_known(tx, email, address):
        wait = under_attack
    if wait > timedelta(0):
        raise Throttled("Too many failed sign-ins. Wait a little and try again.", wait)


def _is_known(tx: Tx, email: str, address: str) -> bool:
    owner = tx.account_by_email(email)
    return owner is not None and tx.knows_place(owner.id, place_of(address))


def at_most(failures: Failures | None) -> bool:
    """Whether there were as many straight failures as an account takes."""
    return failures is not None and failures.count >= STRAIGHT


def failed(env: Env, tx: Tx, email: str, address: str) -> bool:
    """Counts one failure; whether it was the last one that the account takes from a new place."""
    pair, place, account = keys(email, address)
    return count(env, tx, pair, place, account, straight(account))[straight(account)].count == STRAIGHT


def count(env: Env, tx: Tx, *counted: str) -> dict[str, Failures]:
    """Counts one failure under each key; the counts."""
    now = env.clock()
    tx.forget_failures(now - FORGET, now - STRAIGHT_KEPT)
    for key in counted:
        tx.add_failure(key, now)
    return tx.failures(counted)


def succeeded(env: Env, tx: Tx, account_id: str, email: str, address: str) -> None:
    """Clears what the owner's own tries left, and remembers the place. The address' own count stays: one good
    account must not buy an attacker a fresh start on others."""
    right_password(tx, email, address)
    tx.add_place(account_id, place_of(address), env.clock())


def right_password(tx: Tx, email: str, address: str) -> None:
    """Clears what the owner's own tries left, where the password is half of the proof."""
    pair, _, account = keys(email, address)
    tx.clear_failures([pair, account, straight(account)])


def who(email: str) -> str:
    """The e-mail in a key: hashed, and the same in whatever case."""
    return hashlib.sha256(mailbox.key(email).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def asked(env: Env, tx: Tx, rules: dict[str, Rule], sentence: str) -> None:
    """Counts one request for a mail under each key. Raises Throttled, with ``sentence``, while one must wait."""
    found, now = tx.failures(list(rules)), env.clock()
    wait = max(wait_of(rule, found.get(key), now) for key, rule in rules.items())
    if wait > timedelta(0):
        raise Throttled(sentence, wait)
    count(env, tx, *rules)


def wait_of(rule: Rule, failures: Failures | None, now: datetime) -> timedelta:
    """How long whoever failed so often must still wait."""
    if failures is None or failures.count < rule.free or now - failures.last_at > FORGET:
        return timedelta(0)
    wait = min(timedelta(seconds=2.0 ** min(failures.count - rule.free, 20)), rule.most)
    return max(failures.last_at + wait - now, timedelta(0))

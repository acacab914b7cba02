"""The mails that were written, and the links in them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.support.rules import put_in_force
from tests.support.site import Site

from keyturn.actions.addresses import Sender

if TYPE_CHECKING:
    from tests.support.world import World

    from keyturn.core.policy import Policy
    from keyturn.store.interface import Outgoing

SENDER = Sender(lambda secret: f"https://keyturn.example/link/{secret}", "Our Keyturn")
_SECRET = re.compile(r"(https?://[^\s/]+)?(/[a-z-]+/)(kt[a-z]_\w+)")


def mails(world: World, to: str = "") -> list[Outgoing]:
    """The newest first, without those that never leave; those to one address when it is given."""
    world.clock.advance(seconds=1)  # so that the next mail is newer
    with world.store.reading() as tx:
        return [mail for mail in tx.outgoing(1000) if _leaves(mail) and to in ("", mail.recipient)]


def _leaves(mail: Outgoing) -> bool:
    return mail.channel == "mail" and (mail.next_at is not None or mail.sent_at is not None)


def secret(world: World, to: str = "") -> str:
    """Of the newest link that was mailed."""
    return _newest(world, to)[3]


def path(world: World, to: str = "") -> str:
    """The newest link that was mailed, without its origin."""
    found = _newest(world, to)
    return found[2] + found[3]


def origin(world: World, to: str = "") -> str | None:
    """Where the newest link that was mailed leads."""
    return _newest(world, to)[1]


def _newest(world: World, to: str) -> re.Match[str]:
    found = next(filter(None, (_SECRET.search(mail.body) for mail in mails(world, to))), None)
    assert found, "no mail has a link"
    return found


def with_rules(world: World, **rules: object) -> Policy:
    """Other rules from now on; a site is started anew with them."""
    changed = replace(world.env.policy, **rules)  # type: ignore[arg-type]
    if isinstance(world, Site):
        put_in_force(world, changed)
    else:
        world.env = replace(world.env, policy=changed)
    return changed

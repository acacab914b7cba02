"""Letters: mails that tell an account's owner what was done to the account, so that nobody does it unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyturn.core import decide
from keyturn.store.interface import Outgoing

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.core.credential import Account
    from keyturn.store.interface import Tx


UNDO: Final = "choose another password at once, end all other sessions, and tell your administrator."


def mail(env: Env, tx: Tx, to: str, subject: str, body: str, *, channel: str = "mail") -> None:
    """Puts a mail into the outbox, in the transaction of what it tells of. ``channel``: NOWHERE for one that only takes as
    long as a mail would.
    """
    now = env.clock()
    tx.add_outgoing(Outgoing(env.new_id(), channel, to, subject, body, now, next_at=now))


def tell(
    env: Env, tx: Tx, by: By, account: Account, subject: str, what: str, *, to: str | None = None, undo: str = UNDO,
) -> None:  # fmt: skip
    """Tells the owner ``what`` happened (a sentence or more), from where and when, and what to do if it was not them.

    ``to``: another address than the account's, the one before a change of it; ``undo``: what to do if it was not them.
    """
    body = _LETTER.format(
        what=what, email=account.email, address=by.address or "the operator's own machine", when=decide.in_words(env.clock()),
        where=env.post.public_url or "your Keyturn server", undo=undo,
    )  # fmt: skip
    mail(env, tx, to or account.email, subject, body)


_LETTER: Final = """\
Hello,

{what}

It was done for the account {email} at {where}, from {address}, on {when}.

If that was you, there is nothing to do. If it was not, somebody else can act as you:
{undo}
"""

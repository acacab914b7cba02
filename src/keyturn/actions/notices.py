"""Notices: owners are told before a credential expires, and when one ended. By mail, and by the operator's webhook.

A row in ``notices`` and what goes out are written in one transaction, so each threshold is told exactly once, whatever
stops in between and however many workers look.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from keyturn.core import notice, notice_text
from keyturn.core.notice_text import About
from keyturn.store.interface import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from keyturn.actions.env import Env
    from keyturn.core.credential import Account, Grant
    from keyturn.core.lifecycle import Ending
    from keyturn.store.interface import Tx

BATCH: Final = 100
"""Credentials a transaction: others want to write as well."""


def due(env: Env) -> int:
    """Tells of every threshold and expiry that is due and was not told; of how many credentials.

    For the upkeep, every minute or so. Looks in a reading transaction, and again in the writing one, where no other
    worker can have come first.
    """
    now = env.clock()
    with env.store.reading() as tx:
        found = tx.grants_expiring(*notice.window(now, env.policy.thresholds), notice.TOLD)
        waiting = [grant.id for grant, _about in _due_among(env, tx, found, now)]
    for start in range(0, len(waiting), BATCH):
        with env.store.writing() as tx:
            some = [tx.grant(grant_id) for grant_id in waiting[start : start + BATCH]]
            _tell_due(env, tx, [grant for grant in some if grant is not None], now)
    return len(waiting)


def tell_endings(env: Env, tx: Tx, endings: Iterable[Ending]) -> None:
    """Tells of credentials that an event ends now, in its own transaction: one mail for all, a webhook for each."""
    now = env.clock()
    ended = [ending for ending in endings if ending.grant.kind in notice.TOLD]
    if not ended:
        return
    told = tx.noticed([ending.grant.id for ending in ended])
    reasons = {e.grant.id: e.reason for e in ended if (e.grant.id, notice.ENDED) not in told}
    tx.add_notices([(grant_id, notice.ENDED) for grant_id in reasons], now)
    grants = [ending.grant for ending in ended if ending.grant.id in reasons]
    _post(env, tx, [(grant, About(grant, now, reasons[grant.id])) for grant in grants], now)


def post(
    env: Env, tx: Tx, channel: str, recipient: str, subject: str, body: str, now: datetime | None = None
) -> Outgoing:
    """Puts a mail or webhook into the outbox, to leave once the transaction of what it tells of is committed."""
    now = now or env.clock()
    item = Outgoing(env.new_id(), channel, recipient, subject, body, now, next_at=now)
    tx.add_outgoing(item)
    return item


def _due_among(env: Env, tx: Tx, grants: Sequence[Grant], now: datetime) -> list[tuple[Grant, tuple[About, list[str]]]]:
    """Which of them something is due of: what is told, and the keys that are noted with it."""
    told: dict[str, set[str]] = {}
    for grant_id, key in tx.noticed([grant.id for grant in grants]):
        told.setdefault(grant_id, set()).add(key)
    found = []
    for grant in grants:
        keys = told.get(grant.id, set())
        if notice.expired_untold(grant, now, keys):
            assert grant.expires_at is not None
            found.append((grant, (About(grant, grant.expires_at, "expired"), [notice.ENDED])))
            continue
        due = notice.due(grant, now, keys, env.policy.thresholds)
        if due is not None:
            assert grant.expires_at is not None
            about = About(grant, grant.expires_at, span=due.tell.span)
            found.append((grant, (about, [due.tell.key, *(passed.key for passed in due.passed)])))
    return found


def _tell_due(env: Env, tx: Tx, grants: Sequence[Grant], now: datetime) -> None:
    found = _due_among(env, tx, grants, now)
    tx.add_notices([(grant.id, key) for grant, (_about, keys) in found for key in keys], now)
    _post(env, tx, [(grant, about) for grant, (about, _keys) in found], now)


def _post(env: Env, tx: Tx, told: Sequence[tuple[Grant, About]], now: datetime) -> None:
    """A mail an account for all that will expire, one for all that ended, and a webhook for each credential."""
    accounts: dict[str, Account | None] = {}
    mails: dict[tuple[str, bool], list[About]] = {}
    for grant, about in _with_uses(tx, told):
        if grant.account_id not in accounts:
            accounts[grant.account_id] = tx.account(grant.account_id)
        account = accounts[grant.account_id]
        if account is None:
            continue
        if about.reason is None or notice.mailed(grant, about.reason):
            mails.setdefault((account.id, about.reason is None), []).append(about)
        if env.post.webhook is not None:
            event = notice_text.event(about, account, now, env.policy)
            body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            post(env, tx, "webhook", env.post.webhook_host, event["type"], body, now)
    for (account_id, _ending), abouts in mails.items():
        account = accounts[account_id]
        assert account is not None
        text = notice_text.mail(abouts, account, now, env.post.public_url, env.policy)
        post(env, tx, "mail", account.email, notice_text.subject(abouts, now), text, now)


def _with_uses(tx: Tx, told: Sequence[tuple[Grant, About]]) -> list[tuple[Grant, About]]:
    """The same, with mask and latest use: in a few statements, however many there are."""
    ids = [grant.id for grant, _about in told]
    newest, living = tx.tokens(ids), tx.living_tokens(ids)
    uses = tx.uses(
        [token.id for tokens in living.values() for token in tokens]
        + [t.id for g, t in newest.items() if g not in living]
    )
    filled = []
    for grant, about in told:
        token = newest.get(grant.id)
        tokens = living.get(grant.id) or ([token] if token else [])
        latest = max((use for t in tokens for use in uses.get(t.id, [])), key=lambda use: use.last_at, default=None)
        mask = token.mask if token else ""
        filled.append((grant, About(grant, about.at, about.reason, mask, latest, about.span)))
    return filled

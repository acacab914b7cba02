"""A server's store filled with years of use: credentials of every kind, living and dead, with who used them.

It is written straight into the store of a server that runs or will run, by the actions that serve its requests, with a
clock that is moved through the past.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.world import PASSWORD, Clock, World

from keyturn.actions import accounts, authorizations, clients, factors, grants, keys, leaks, sign_in
from keyturn.actions.env import By, Env, Post
from keyturn.adapters import sealing
from keyturn.adapters.passkeys import WebAuthn
from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core import policy, token, totp
from keyturn.core.credential import Account, Device, Factor, Use
from keyturn.core.policy import DAY, HOUR, YEAR, Event, Kind
from keyturn.store import sql

if TYPE_CHECKING:
    from pathlib import Path

    from keyturn.actions.grants import Credential

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile Safari/604.1"
)
DESK = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
HOSTILE = '"><img src=x onerror="document.title=1">' + "W" * 200
"""A name as an attacker would like it: markup, and longer than any line without a place to break it."""


class Filled(World):
    """An Env over the store of the server whose data folder it is, and the past of its accounts."""

    def __init__(self, data: Path, public_url: str) -> None:
        self.path = data / "keyturn.db"
        self.url = f"sqlite:///{self.path}"
        self.clock = Clock()
        self.today = self.clock.now = datetime.now(UTC)
        self.store = sql.SqlStore(sql.engine_for(self.url))
        self.passwords = Argon2Passwords(passes=1, kibibytes=8, lanes=1)
        sealer = sealing.open_or_make(data / "secret.keys", secrets.token_bytes)
        post = Post(public_url=public_url)
        self.env = Env(
            self.store, self.clock, secrets.token_bytes, self.passwords, post=post, sealer=sealer, passkeys=WebAuthn()
        )
        self.seeds: dict[str, bytes] = {}

    def close(self) -> None:
        """Lets go of the store."""
        self.store.close()

    def ago(self, **span: float) -> datetime:
        """Goes to that long before today."""
        self.clock.now = self.today - timedelta(**span)
        return self.clock.now

    def born(
        self, email: str, name: str | None, days: float, *, admin: bool = False, password: str = PASSWORD
    ) -> Account:
        """An account made so many days ago, whose address is proven."""
        self.ago(days=days)
        made = accounts.create(self.env, By(), email=email, new_password=password, name=name, admin=admin)
        with self.store.writing() as tx:
            tx.change_account(made.id, verified_at=self.clock(), last_login_at=self.today - timedelta(hours=5))
        return replace(made, verified_at=self.clock())

    def made(
        self, owner: Account, kind: Kind, description: str, days: float, *, asked: int | None = None,
        scopes: tuple[str, ...] = ("global",), address: str = "203.0.113.9", agent: str = "keyturn-cli/0.4.0",
        used: tuple[float, ...] = (),
        client_id: str | None = None,
    ) -> Credential:  # fmt: skip
        """A credential made so many days ago. ``used``: how many days ago, the first and last by one program each."""
        self.ago(days=days)
        by = By(None, address, agent)
        with self.store.writing() as tx:
            made = grants.mint(
                self.env, tx, by, owner, kind, scopes=scopes, description=description, asked=asked, client_id=client_id,
                proven_at=self.clock(),
            )  # fmt: skip
            if kind is Kind.OAUTH:
                grants.add_token(self.env, tx, made.grant, role="refresh")
        self.use(made, address, agent, *used)
        return made

    def use(self, credential: Credential, address: str, agent: str, *days: float) -> None:
        """That its current token was used so many days ago."""
        moments = [self.today - timedelta(days=day) for day in days]
        with self.store.writing() as tx:
            uses = [Use(credential.token.id, address, agent, at, at, 40) for at in moments]
            tx.add_uses(uses, policy.USES_KEPT)

    def ends(self, event: Event, owner: Account, days: float, target: Credential | None = None) -> None:
        """The event happens so many days ago, by the owner."""
        self.ago(days=days)
        with self.store.writing() as tx:
            by = By(None, "203.0.113.9", "keyturn-cli/0.4.0")
            grants.end(self.env, tx, by, event, owner.id, target=target.grant.id if target else None)

    def owner(self, email: str) -> Account:
        """The account of that address, as it is now."""
        with self.store.reading() as tx:
            found = tx.account_by_email(email)
        assert found is not None
        return found

    def session(self, owner: Account) -> str:
        """The secret of a browser session that begins now, for the browser's cookie."""
        self.ago()
        current = self.store.find_account(owner.id)
        assert current is not None
        made = sign_in.session_for(self.env, By(None, "127.0.0.1", DESK), current)
        assert made.secret is not None
        return made.secret

    def two_factors(self, owner: Account, days: float) -> bytes:
        """Turns two-factor sign-in on, by an app and a passkey, with a remembered browser: the app's seed."""
        login = self.made(owner, Kind.LOGIN, "Keyturn CLI login from enrolment", days)
        self.ago(days=days)
        who = self.principal(login)
        begun = factors.begin_codes(self.env, By(who), who, name="Phone")
        assert begun.factor.seed is not None
        assert self.env.sealer is not None
        seed = totp_seed(begun.uri)
        factors.confirm_codes(self.env, By(who), who, begun.factor.id, code_at(seed, self.clock()))
        self.ends(Event.LOGOUT, owner, days, login)
        with self.store.writing() as tx:
            made = self.ago(days=days - 1)
            tx.add_factor(Factor(
                self.env.new_id(), owner.id, "passkey", "Blue security key", made, confirmed_at=made,
                last_used_at=self.today - timedelta(days=2), credential_id=secrets.token_bytes(32), public_key=b"none",
                sign_count=7, transports="usb nfc", aaguid=None, backed_up=False,
            ))  # fmt: skip
            current = tx.account(owner.id)
            assert current is not None
            made = self.ago(days=6)
            tx.add_device(
                Device(
                    self.env.new_id(), owner.id, current.credential_version, "203.0.113.9", DESK, made,
                    made + timedelta(days=30), last_used_at=self.today - timedelta(hours=20),
                ),
                token.digest(token.make("device", secrets.token_bytes)),
            )  # fmt: skip
        self.seeds[owner.id] = seed
        return seed


def totp_seed(uri: str) -> bytes:
    """The seed in what a QR code says."""
    from base64 import b32decode
    from urllib.parse import parse_qs, urlsplit

    text = parse_qs(urlsplit(uri).query)["secret"][0]
    return b32decode(text + "=" * (-len(text) % 8))


def code_at(seed: bytes, moment: datetime) -> str:
    """What an app shows at the moment."""
    return totp.code(seed, totp.step_at(moment))


def ssh_key(comment: str) -> str:
    """A new public key, as ssh-keygen writes it."""
    line = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return f"{line.decode()} {comment}"


def years_of_use(store: Filled) -> Account:
    """Ada, an administrator, with all that she made in two years; some colleagues; the account is hers."""
    grace = store.born("grace@example.com", "Grace Hopper", 310)
    edsger = store.born("edsger@example.com", "Edsger Dijkstra", 280)
    store.born("katherine@example.com", None, 40)
    store.made(grace, Kind.LOGIN, "Keyturn CLI login from harbor", 20, used=(0.4,))
    store.made(grace, Kind.AUTHORIZATION, "compiler farm", 85, asked=90 * DAY, used=(1,))
    store.made(edsger, Kind.LOGIN, "Keyturn CLI login from burroughs", 60)
    store.ago(days=15)
    accounts.suspend(store.env, By(), edsger.email)
    ada = store.born("ada@example.com", "Ada Lovelace", 400, admin=True)
    _the_dead(store, ada)
    _the_living(store, ada, grace)
    store.two_factors(ada, 50)
    store.ago()
    return ada


def _the_dead(store: Filled, ada: Account) -> None:
    store.made(
        ada,
        Kind.AUTHORIZATION,
        "import of the old wiki",
        380,
        asked=360 * DAY,
        used=(375, 30),
        agent="python-requests/2.32",
    )
    old = store.made(ada, Kind.LOGIN, "Keyturn CLI login from old-laptop", 350, used=(340, 41))
    store.made(ada, Kind.API_KEY, "API key", 360, used=(355, 95), agent="curl/8.14.1")
    store.made(ada, Kind.LOGIN, "Heroku CLI login from tower", 200, used=(199, 91), agent="heroku-cli/11.10.0")
    store.ends(Event.PASSWORD_CHANGE, ada, 90, old)
    tried = store.made(
        ada, Kind.AUTHORIZATION, "staging experiments", 120, used=(119, 70), scopes=("read",), agent="Terraform/1.9"
    )
    store.ends(Event.REVOKE, ada, 60, tried)
    lost = store.made(ada, Kind.AUTHORIZATION, "pasted into a ticket", 33, used=(32, 5), agent="curl/8.14.1")
    store.ago(days=5)
    assert lost.secret is not None
    leaks.report(store.env, By(None, "198.51.100.30", "secret scanner"), [lost.secret])
    ended = store.made(ada, Kind.LOGIN, "Keyturn CLI login from borrowed-mac", 12, used=(12, 11.8))
    store.ends(Event.LOGOUT, ada, 11.8, ended)


def _the_living(store: Filled, ada: Account, grace: Account) -> None:
    store.made(ada, Kind.API_KEY, "API key", 90, used=(80, 0.1), agent="curl/8.14.1")
    laptop = store.made(ada, Kind.LOGIN, "Keyturn CLI login from thinkpad", 89, used=(80, 50, 12, 3, 0.02))
    store.made(ada, Kind.LOGIN, "Heroku CLI login from build-box", 19, used=(19, 1.2), agent="heroku-cli/11.10.0")
    store.made(ada, Kind.AUTHORIZATION, "deploy from CI", 87, asked=90 * DAY, scopes=("read", "write"), used=(60, 20, 2, 0.01),
               agent="curl/8.14.1",
               address="198.51.100.7")  # fmt: skip
    store.made(
        ada,
        Kind.AUTHORIZATION,
        "nightly backup",
        65,
        asked=YEAR,
        used=(40, 8, 0.3),
        scopes=("read",),
        agent="python-requests/2.32",
    )
    store.made(ada, Kind.AUTHORIZATION, "status page", 25, asked=45 * DAY, scopes=("read",))
    metrics = store.made(
        ada,
        Kind.AUTHORIZATION,
        "metrics exporter",
        150,
        used=(140, 90, 33, 0.05),
        scopes=("read",),
        agent="Prometheus/3.1",
    )
    who = store.principal(laptop)
    store.ago(days=1)
    rotated = authorizations.regenerate(store.env, By(who), who, metrics.grant.id, overlap=7 * DAY, idle=6 * HOUR)
    store.use(rotated, "198.51.100.40", "Prometheus/3.1", 0.01)
    store.ago(days=30)
    theirs = store.principal(store.made(grace, Kind.LOGIN, "Keyturn CLI login from cobol", 30))
    dashboard = clients.create(
        store.env, By(theirs), theirs, name="Release dashboard", redirect_uri="https://releases.example.com/callback"
    )
    store.made(
        ada, Kind.OAUTH, "Release dashboard", 30, used=(28, 0.2), client_id=dashboard.client.id, agent="releases/2"
    )
    store.ago(days=29)
    clients.create(
        store.env, By(who), who, name="Grafana", redirect_uri="https://grafana.example.com/login/generic_oauth"
    )
    for days, comment in ((70, "ada@thinkpad"), (8, "ada@build-box")):
        store.ago(days=days)
        keys.add(store.env, By(who), who, ssh_key(comment))
    store.made(ada, Kind.WEB, "Browser session", 0.2, agent=PHONE, address="2001:db8::17", used=(0.1,))
    store.made(ada, Kind.WEB, "Browser session", 0.8, agent=DESK, used=(0.5,))


def hostile(store: Filled, ada: Account) -> None:
    """Names that would like to be markup, or to be wider than the page, wherever an account can put them."""
    store.born("mallory" + "x" * 50 + "@example.com", HOSTILE[:200], 3)
    store.made(ada, Kind.AUTHORIZATION, HOSTILE, 2, used=(1,), agent=HOSTILE)
    who = store.principal(store.made(ada, Kind.LOGIN, f"Keyturn CLI login from {HOSTILE}", 2, agent=HOSTILE))
    clients.create(store.env, By(who), who, name=HOSTILE[:80], redirect_uri="https://example.com/" + "w" * 150)
    keys.add(store.env, By(who), who, ssh_key(HOSTILE[:200].replace(" ", "")))


def many(store: Filled, owner: Account, count: int) -> None:
    """So many authorizations, most alive."""
    for number in range(count):
        asked = None if number % 7 == 0 else (210 + number) * DAY
        name, age = f"worker {number:03}", 1 + number % 200
        made = store.made(owner, Kind.AUTHORIZATION, name, age, asked=asked, used=(number % 50 / 50,))
        if number % 5 == 4:
            store.ends(Event.REVOKE, owner, 0.5, made)

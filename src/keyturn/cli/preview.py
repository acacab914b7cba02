"""`keyturn auth:preview`: what an event would end, and what would live on. Nothing happens."""

from __future__ import annotations

from keyturn.cli import previews, say
from keyturn.cli.asking import Server
from keyturn.cli.options import Parser
from keyturn.client.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

ABOUT: Final = {
    "password-change": None,
    "password-reset": None,
    "logout": None,
    "logout-all": None,
    "sso-on": None,
    "suspend": "ACCOUNT",
    "revoke": "ID",
}
"""The events that can be asked about, and of what: None is the account that asks."""


def run(words: Sequence[str]) -> int:
    """Show it."""
    parser = Parser(
        "auth:preview",
        "Show what an event would end, why, and who last used it. Nothing happens.",
        json="print it as JSON",
        epilog="examples:\n  keyturn auth:preview password-change\n  keyturn auth:preview revoke ID\n"
        "  keyturn auth:preview suspend someone@example.com",
    )
    parser.add_argument("event", choices=ABOUT, metavar="EVENT", help=", ".join(ABOUT))
    parser.add_argument("about", nargs="?", metavar="ID|ACCOUNT", help="what revoke and suspend are about")
    options = parser.parse(words)
    wanted = ABOUT[options.event]
    if wanted and not options.about:
        parser.error(f"{options.event} is about one: give its {wanted}")
    if options.about and not wanted:
        parser.error(f"{options.event} takes nothing more")
    with Server(options.host) as server:
        about = {}
        if wanted == "ACCOUNT":
            about["account"] = options.about
        elif wanted:
            about["id"] = options.about
            if options.about == "~":
                about["id"] = str(server.ask("GET", "/oauth/authorizations/~").get("id"))
        try:
            preview = previews.fetch(server, options.event.replace("-", "_"), **about)
        except NotFound as missing:
            if missing.resource:
                raise
            raise previews.cannot(server) from None
    if options.json:
        say.data_json(preview)
    else:
        previews.show(preview)
    return 0

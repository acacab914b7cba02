"""`keyturn auth:why`: why a token works, or does not: alive or dead, of what, when, by whom, last used where, what it can do.

A token is read from stdin or typed unseen, never taken from the command line: other users see that, and the shell
keeps it.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import quote, urlencode

from keyturn.cli import say, terminal, used
from keyturn.cli.answers import one
from keyturn.cli.asking import Server, transport
from keyturn.cli.authorizations_shown import ended, expires, scope
from keyturn.cli.failures import FAILED, OK, REFUSED, Cancelled, UsageError
from keyturn.cli.here import chosen_host, not_a_token, not_logged_in
from keyturn.cli.options import Parser
from keyturn.client import credentials
from keyturn.client.errors import KeyturnError, NotFound, Unauthorized
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

    from keyturn.client.hosts import Host

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def run(words: Sequence[str]) -> int:
    """Explain it; 4 when it is refused, 1 when this server cannot tell."""
    parser = _parser()
    try:
        options = parser.parse(words)
    except UsageError:
        # What argparse says would repeat the words, and one of them may be a token.
        raise _misused(words) from None
    rest = [word for word in options.words if word != "-"]
    if len(rest) not in (0, 2) or (rest and (rest[0].upper() not in _METHODS or not rest[1].startswith("/"))):
        raise _misused(rest)
    if [len(rest) != len(options.words), options.ask, bool(options.id)].count(True) > 1:
        raise UsageError("give one of -, --ask and --id ID", "keyturn auth:why --help")
    about = {"method": rest[0].upper(), "path": rest[1]} if rest else {}
    query = "?" + urlencode(about) if about else ""
    if options.id:
        with Server(options.host) as server:
            told = server.ask("GET", f"/credentials/{quote(options.id, safe='')}/why{query}")
    else:
        host = chosen_host(options.host)
        told = explain(host, _token(host, options), query)
    if options.json:
        say.data_json(told)
    else:
        show(told)
    return {"allowed": OK, "unknown": FAILED}.get(str(told.get("verdict")), REFUSED)


def _parser() -> Parser:
    parser = Parser(
        "auth:why",
        "Explain the token in use, another one, or one that was listed: whether it lives, what it may do,\n"
        "what ended it, and the command that mends it.",
        json="print it as JSON",
        epilog="examples:\n  keyturn auth:why\n  keyturn auth:why PATCH /account\n  keyturn auth:why - < token.txt",
    )
    parser.usage = "keyturn auth:why [- | --ask | --id ID] [METHOD PATH] [--host HOST] [-j]"
    parser.add_argument(
        "words",
        nargs="*",
        metavar="- METHOD PATH",
        help="-: read the token from stdin; METHOD PATH: judge this request",
    )
    parser.add_argument("--ask", action="store_true", help="ask for the token, without showing it")
    parser.add_argument("--id", metavar="ID", help="explain one of keyturn authorizations --all")
    return parser


def _misused(words: Sequence[str]) -> UsageError:
    """Never repeats the words: one may be a token."""
    if any(_may_be_a_token(word) for word in words):
        error = UsageError(
            "a token is not taken from the command line: other users of this machine can see it there, and the shell keeps it",
            "keyturn auth:why --ask, or keyturn auth:why - < FILE",
        )
        error.add_note("what was typed there should count as leaked: to replace it, keyturn authorizations:rotate ID")
        return error
    return UsageError(
        "what is to be explained is given as [METHOD PATH], such as: GET /account", "keyturn auth:why --help"
    )


def _may_be_a_token(word: str) -> bool:
    bare = word.rpartition("=")[2].strip("\"' ")
    return not word.startswith("/") and (
        grammar.kind_of(bare) is not None or bare.startswith("HRKU-") or len(bare) >= 20
    )


def _token(host: Host, options: Any) -> str:
    if options.ask:
        if not terminal.is_interactive():
            raise UsageError("there is no terminal to ask at", "keyturn auth:why - < FILE")
        given = terminal.secret("Token: ").strip()
    elif "-" in options.words:
        # At a terminal, what is typed would be shown.
        given = (
            terminal.secret("Token: ").strip() if terminal.is_interactive() else sys.stdin.readline(4096).rstrip("\r\n")
        )
    else:
        found = credentials.find(host, os.environ)
        if found is None:
            raise not_logged_in(host)
        wrong = grammar.misfit(found.token)
        if wrong is not None:
            raise not_a_token(found, wrong)
        return found.token
    if not given:
        raise Cancelled("there was no token to explain")
    return given


def explain(host: Host, token: str, query: str = "") -> dict[str, Any]:
    """What the server tells of a token; as much of it as one without our reasons can tell. Raises KeyturnError."""
    wrong = grammar.misfit(token)
    if wrong is not None:
        message = f"That is no whole token: {wrong}."
        return {"alive": False, "verdict": "refused", "status": 401, "reason": "malformed", "message": message,
                "credential": None, "next": "keyturn login"}  # fmt: skip
    with transport(host, token) as asking:
        try:
            told = asking.request("GET", f"/credentials/why{query}").body
            if isinstance(told, dict) and "verdict" in told:
                return told
        except (NotFound, Unauthorized):
            pass  # no server of ours, which would have answered
        said = {"credential": None, "server": "plain"}
        try:
            account = asking.request("GET", "/account").body
        except Unauthorized as refused:
            return said | {"alive": False, "verdict": "refused", "status": 401, "reason": refused.reason,
                           "message": refused.message, "next": refused.next or "keyturn login",
                           "untold": f"{host.label} does not tell whether it expired, was revoked, or never was one."}  # fmt: skip
    if not isinstance(account, dict):
        raise KeyturnError(f"{host.label} did not answer with an account; is it a Heroku-compatible server?")
    untold = f"{host.label} does not tell its kind, its scope, when it ends, or where it was used"
    return said | {
        "alive": True,
        "verdict": "unknown" if query else "allowed",
        "status": 200,
        "email": account.get("email"),
        "message": f"This token is alive, for {account.get('email')}.",
        "untold": untold + ("; whether the request would be allowed, only trying it shows." if query else "."),
    }


def show(told: Mapping[str, Any]) -> None:
    """In words."""
    item = one(told.get("credential"))
    if told.get("alive") is True:
        named = used.named(item) if item else ""
        say.prose(f"This {named} is alive." if item else told.get("message"))
    else:
        say.prose(told.get("message") or "It is dead.")
    pairs: list[tuple[str, object]] = []
    if item:
        user = one(item.get("user"))
        uses = used.everybody(item)
        pairs += [
            ("ID", item.get("id")),
            ("Account", user.get("email")),
            ("Kind", str(item.get("kind") or "").replace("_", " ")),
            ("Scope", scope(item)),
            ("Made", say.when(item.get("created_at"), "")),
            ("Expires", "" if item.get("ended_at") else expires(item)),
            ("Ended", ended(item)),
            ("Last used", uses[0] if uses else used.last(item)),
            *(("Before", use) for use in uses[1:]),
            ("Life", item.get("life") if told.get("alive") is True else ""),
        ]
    if told.get("path"):
        pairs.append(("Request", f"{told.get('method')} {told['path']}: {_verdict(told)}"))
    if told.get("next"):
        pairs.append(("Next", told["next"]))
    pairs = [(name, value) for name, value in pairs if value]
    if pairs:
        say.particulars(pairs)
    if told.get("note"):
        say.note(str(told["note"]))
    if told.get("untold"):
        say.note(str(told["untold"]))


def _verdict(told: Mapping[str, Any]) -> str:
    if told.get("verdict") == "allowed":
        return f"allowed ({told['permission']})" if told.get("permission") else "allowed; it takes no credential"
    if told.get("alive") is not True:
        return f"refused with {told.get('status')}, as every request is"
    return f"refused with {told.get('status')}: {told.get('message')}"

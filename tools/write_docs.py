"""Writes docs/policies.md and docs/reasons.md from the tables of core: write_docs.py [--check].

With --check nothing is written; the exit code is 1 when a file is not what the tables say.
"""

from __future__ import annotations

import sys
from pathlib import Path

from keyturn.actions import preview
from keyturn.cli.preview import ABOUT as ABOUT_CLI
from keyturn.core import policy, published, reasons
from keyturn.core.lifecycle import deadly, in_words
from keyturn.core.overrides import span
from keyturn.core.policy import DEFAULT, LIVES, ONE, REASON_OF, Effect, Event, Kind

DOCS = Path(__file__).resolve().parents[1] / "docs"
LATER = "Nothing makes these yet; the rules are set for when something does."

# What each kind is for, and who makes it how.
ABOUT: dict[Kind, tuple[str, str]] = {
    Kind.LOGIN: (
        "A person's command line on one machine. Every login has a token of its own, so that one can end without the others.",
        "`keyturn login` or `heroku login`, in the browser or with `-i` by password.",
    ),
    Kind.WEB: (
        "A person's browser, signed in to this server's pages. Its secret is a cookie and opens no API.",
        "signing in on the web page.",
    ),
    Kind.API_KEY: (
        (
            "The account's one key for tools that know no other way. It has every right, and ends with every new password:"
            " for production use an authorization."
        ),
        "`POST /oauth/authorizations/~/actions/regenerate-tokens`; one an account, at `~`.",
    ),
    Kind.AUTHORIZATION: (
        (
            "A token for production or for a tool, with a description, its own scopes and its own end. It outlives logouts and"
            " new passwords."
        ),
        "`keyturn authorizations:create -d DESCRIPTION [--scope SCOPE] [-e SECONDS]`.",
    ),
    Kind.SERVICE: (f"An authorization of a service account, which a person sponsors. {LATER}", "its sponsor."),
    Kind.OAUTH: (
        "What a third party's program was allowed. Its access token is short-lived, and renewed with a refresh token.",
        "allowing the program in the browser.",
    ),
    Kind.WORKLOAD: (f"A job of a trusted CI system, for minutes. {LATER}", "exchanging the job's identity."),
    Kind.SSH_KEY: (
        "A public key, for git over SSH. It proves by a signature, and may fetch and push.",
        "`keyturn keys:add`.",
    ),
}

ASKED = dict.fromkeys((Kind.AUTHORIZATION, Kind.SERVICE), ", or until the expiry that was asked for.")

# Each event: who causes it, and how.
CAUSES: dict[Event, str] = {
    Event.EXPIRY: "its time is over",
    Event.LOGOUT: "`keyturn logout`, signing out, `keyturn sessions:destroy ID`",
    Event.REVOKE: "`keyturn authorizations:revoke ID`",
    Event.REVOKE_BY_ADMIN: "an administrator, on the dashboard",
    Event.LOGOUT_ALL: "`DELETE /oauth/sessions`",
    Event.LOGOUT_OTHERS: "“End all others” on the dashboard's page of sessions",
    Event.PASSWORD_CHANGE: "its owner, who knows the old password",
    Event.PASSWORD_RESET: "a forgotten password was replaced",
    Event.KEY_REGENERATED: "`POST /oauth/authorizations/~/actions/regenerate-tokens`",
    Event.ROTATION: "`keyturn authorizations:rotate ID`: the old token ends, the authorization goes on with a new one",
    Event.SSO_ON: "an administrator",
    Event.SSO_SESSION_END: "the identity provider",
    Event.DEPROVISION: "the identity provider",
    Event.SUSPEND: "`keyturn admin accounts:suspend EMAIL`",
    Event.CLOSE: "its owner closes it, on the dashboard or with `DELETE /account`",
    Event.CLIENT_REMOVED: "the program's owner removes it",
    Event.CLIENT_REVOKE: "the program gives it up",
    Event.REUSE: "a code or refresh token came a second time, so one of the two was stolen",
    Event.LEAK: "anyone who found the token: `POST /credentials/revoke`",
}

SIGNS = {
    Effect.DIES: "dies",
    Effect.REPLACED: "dies, new one made",
    Effect.SPARED: "dies, unless it acts",
    Effect.LIVES: "–",
    Effect.MOVES: "moves to next sponsor",
    Effect.NEVER: "",
}

GROUPS = {
    "ended": (
        "Why a credential has ended",
        "401. Told to whoever presents the genuine secret, to its owner in the lists, and to administrators; to nobody else.",
    ),
    "suspended": (
        "While its account is suspended",
        "401. Told instead of the above for as long as the suspension lasts: another credential cannot be had either.",
    ),
    "unproven": ("Why nothing is proven", "401. All that a presenter learns who holds no genuine secret."),
    "forbidden": ("Why a living credential may not", "403. The credential is good; this request is beyond it."),
    "login": ("Why a login in the browser came to nothing", "Told to the command line that waits."),
}
EXAMPLES = {
    "what": "This login",
    "when": "21 November 2026 at 09:00 UTC",
    "held": "read",
    "needed": "global",
    "first": "global",
}
ANEW = "make [a new one](policies.md)"


def policies() -> str:
    """docs/policies.md."""
    parts = [
        "# What each credential lives and dies of",
        "",
        (
            "Written from `core/policy.py` by `tools/write_docs.py`. These are the defaults; `keyturn policy` shows the rules of"
            " your server, and [operate/policy.md](operate/policy.md)"
        ),
        "how an operator makes them stricter. A credential that has ended says why to whoever holds it: [reasons](reasons.md).",
        "",
        "## The kinds",
        "",
        "| kind | lives, if nothing else is asked | at most | in the API |",
        "|---|---|---|---|",
    ]
    parts += [
        f"| [{life.noun}](#{life.noun.lower().replace(' ', '-')}) | {_life(life.default)} | {_cap(life.longest)} | `{kind}` |"
        for kind, life in LIVES.items()
    ]
    for kind, life in LIVES.items():
        what, made_by = ABOUT[kind]
        parts += [
            "",
            f"### {life.noun[0].upper()}{life.noun[1:]}",
            "",
            what,
            "",
            f"- **Made by** {made_by}",
            f"- **Lives** {_life(life.default)}"
            + (f" if nothing else is asked; {_cap(life.longest)} at most." if life.longest else ASKED.get(kind, ".")),
            f"- **Ends** with: {_events(kind, ends=True)}.",
            f"- **Outlives**: {_events(kind, ends=False) or 'nothing else that it can meet'}.",
            f"- **When it has ended**: {_command(life.recreate)}.",
        ]
    parts += [
        "",
        "## What ends what",
        "",
        (
            "“Dies, unless it acts”: the credential that the change is made with goes on, so that nobody is thrown out of the"
            " place where they act. “–” is not touched; an empty cell cannot happen."
        ),
        "An event in *italics* is about one credential, every other about all of the account.",
        "",
        "| event | " + " | ".join(life.noun for life in LIVES.values()) + " | reason |",
        "|---" * (len(LIVES) + 2) + "|",
    ]
    for event in Event:
        cells = " | ".join(SIGNS[DEFAULT.effects[event, kind]] for kind in LIVES)
        name = published.EVENTS[event]
        parts.append(f"| {f'*{name}*' if event in ONE else name} | {cells} | [`{REASON_OF[event]}`](reasons.md) |")
    parts += ["", "Who causes it, and how:", "", "| event | in the API | caused by |", "|---|---|---|"]
    parts += [f"| {published.EVENTS[event]} | `{event}` | {_cause(event)} |" for event in Event]
    asked = [f"`{name}`" for name in ABOUT_CLI]
    over_http = [f"`{event}`" for event in preview.OWN if event.value.replace("_", "-") not in ABOUT_CLI]
    before = ", ".join(span(seconds) for seconds in DEFAULT.thresholds[:-1])
    parts += [
        "",
        f"`keyturn auth:preview EVENT` shows beforehand what an event would end, for {_either(asked)}. `GET /account/preview`",
        f"also takes {_either(over_http)}. Routes that end something take `?dry_run=true` as well ([api.md](api.md)).",
        "",
        "## Before and after the end",
        "",
        f"- Owners are told {before} and {span(DEFAULT.thresholds[-1])} before an expiry, and when something has ended.",
        f"- In the last tenth of a life, {in_words(policy.WARN_LONGEST)} at most, every answer warns.",
        "- Soft expiry is off. Where an operator turns it on, a token may only read in the last stretch before its end.",
        f"- What has ended stays listed, with the reason, for {span(DEFAULT.retention)}.",
        f"- A rotated token can go on beside its successor for {span(DEFAULT.overlap_longest)} at most.",
        (
            f"- An OAuth client's access token lives for {span(DEFAULT.oauth_access)}; its refresh token until it was left unused"
            f" for {span(DEFAULT.oauth_refresh)}."
        ),
        f"- Under single sign-on, logins and browser sessions end {span(policy.SSO_LONGEST)} after the sign-in.",
    ]
    return "\n".join(parts) + "\n"


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _cause(event: Event) -> str:
    return CAUSES[event] + (" (not in this version)" if event in policy.NOT_YET else "")


def _life(seconds: int | None) -> str:
    return "until something ends it" if seconds is None else in_words(seconds)


def _cap(seconds: int | None) -> str:
    return "no limit" if seconds is None else in_words(seconds)


def _command(text: str) -> str:
    return f"`{text}`" if text.startswith("keyturn ") else text


def _events(kind: Kind, *, ends: bool) -> str:
    met = [event for event in Event if DEFAULT.effects[event, kind] is not Effect.NEVER]
    if kind is Kind.API_KEY:
        met.remove(Event.EXPIRY)  # it is never given one
    more = {Effect.SPARED: " (unless it acts)", Effect.REPLACED: " (a new one is made)"}
    return ", ".join(
        published.EVENTS[event] + more.get(DEFAULT.effects[event, kind], "")
        for event in met
        if deadly(event, kind) == ends
    )


def reasons_page() -> str:
    """docs/reasons.md."""
    parts = [
        "# Every reason for which a credential is refused",
        "",
        (
            "Written from `core/reasons.py` by `tools/write_docs.py`. A refusal has `reason` (an id below, which stays the same),"
            " `message` (the sentence) and `next` (what mends it);"
        ),
        "`keyturn auth:why` explains any token. The sentences are shown for a login; other kinds are named as they are.",
    ]
    for name, group in published.REASONS.items():
        heading, about = GROUPS[name]
        parts += ["", f"## {heading}", "", about, "", "| reason | it says | what to do |", "|---|---|---|"]
        for reason in group.values():
            parts.append(f"| `{reason.id}` | {_sentence(reason)} | {_next(reason)} |")
    return "\n".join(parts) + "\n"


def _sentence(reason: reasons.Reason) -> str:
    what = "what is wrong with the text" if reason.id == "malformed" else EXAMPLES["what"]
    return reason.sentence.format(**EXAMPLES | {"what": what}).replace("|", "\\|")


def _next(reason: reasons.Reason) -> str:
    return ANEW if reason.next == "{recreate}" else _command(reason.next.format(**EXAMPLES))


PAGES = {"policies.md": policies, "reasons.md": reasons_page}


def main(words: list[str]) -> int:
    """Writes the pages, or compares them. Returns the exit status."""
    stale = []
    for name, write in PAGES.items():
        path, text = DOCS / name, write()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if words != ["--check"]:
                path.write_text(text, encoding="utf-8")
    if words == ["--check"]:
        for name in stale:
            print(f"docs/{name} is not what the tables say; run: python tools/write_docs.py", file=sys.stderr)
        return 1 if stale else 0
    print(f"wrote {', '.join(stale)}" if stale else "all is as the tables say", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

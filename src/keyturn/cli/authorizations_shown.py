"""An authorization, in print; and where it is in the API."""

from __future__ import annotations

from urllib.parse import quote

from keyturn.cli import say, used
from keyturn.cli.answers import names, one, several

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any


def show_new(item: Mapping[str, Any], options: argparse.Namespace) -> None:
    """One with the token that was just made, as the options want it."""
    if options.json:
        say.data_json(item)
    elif options.short:
        say.data(one(item.get("access_token")).get("token") or "")
    else:
        show(item)
        say.note("The token is not shown again; keep it where it is used.")


def show(item: Mapping[str, Any]) -> None:
    """One's particulars."""
    client = one(item.get("client"))
    overlap = item.get("overlap")
    pairs = [
        ("Client", client.get("name") or "<none>"),
        ("Redirect URI", client.get("redirect_uri") or ""),
        ("ID", item.get("id")),
        ("Description", item.get("description") or ""),
        ("Scope", scope(item)),
        ("Kind", str(item.get("kind") or "").replace("_", " ")),
        ("Token", one(item.get("access_token")).get("token") or ""),
        ("Old token", _until(overlap) if isinstance(overlap, dict) else ""),
        ("Expires at", expires(item)),
        ("Updated at", say.when(item.get("updated_at"), "")),
        ("Ended", ended(item)),
        ("Life", item.get("life") or ""),
    ]
    users = used.everybody(item)
    if users:
        pairs += [("Last used", users[0]), *(("Before", user) for user in users[1:])]
    if isinstance(overlap, dict):
        pairs += [("Old used", user) for user in used.everybody(overlap)]
    say.particulars([(name, value) for name, value in pairs if value])


def show_list(items: Sequence[Mapping[str, Any]]) -> None:
    """A table; a rotated token that goes on has a row below its authorization's, and the dead are dimmed."""
    dead = any(item.get("ended_at") for item in items)
    headings = ("Description", "ID", "Scope", "Kind", "Last used", "Expires") + (("Ended",) if dead else ())
    rows: list[tuple[object, ...]] = []
    faint = set()
    for item in items:
        if item.get("ended_at"):
            faint.add(len(rows))
        kind = str(item.get("kind") or "").replace("_", " ")
        row = (item.get("description") or "", item.get("id"), scope(item), kind, used.last(item), expires(item))
        rows.append((*row, ended(item)) if dead else row)
        overlap = item.get("overlap")
        if isinstance(overlap, dict) and not item.get("ended_at"):
            uses = several(overlap.get("uses"))
            last = {"last_used_at": max((str(use.get("last_at")) for use in uses), default=None), "uses": uses}
            row = (
                "  its old token",
                overlap.get("token"),
                "",
                "in overlap",
                used.last(last),
                say.when(overlap.get("ends_at")),
            )
            rows.append((*row, "") if dead else row)
    say.table(headings, rows, faint=faint)


def ended(item: Mapping[str, Any]) -> str:
    """``password changed, today at 9:28 PM, by me@example.com``; nothing of the living."""
    if not item.get("ended_at"):
        return ""
    by = f", by {item['ended_by']}" if item.get("ended_by") else ""
    return f"{str(item.get('reason') or 'ended').replace('_', ' ')}, {say.when(item['ended_at'])}{by}"


def _until(overlap: Mapping[str, Any]) -> str:
    idle = overlap.get("idle")
    sooner = ""
    if isinstance(idle, int):
        from keyturn.core.lifecycle import in_words

        sooner = f", or when it was unused for {in_words(idle)}"
    return f"{overlap.get('token')}, goes on until {say.when(overlap.get('ends_at'))}{sooner}"


def scope(item: Mapping[str, Any]) -> str:
    """``read,write``."""
    return names(item.get("scope"))


def expires(item: Mapping[str, Any]) -> str:
    """When it does, as a person says it."""
    if "expires_at" in item:
        return say.when(item["expires_at"])
    left = one(item.get("access_token")).get("expires_in")
    if not isinstance(left, int):
        return "never"
    import time

    return say.moment(time.time() + left).removeprefix("on ")


def path(identity: str) -> str:
    """Where one is in the API."""
    return f"/oauth/authorizations/{quote(identity, safe='~')}"

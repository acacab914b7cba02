"""/apps, who else may use them, and their transfers to other owners.

Fields that Heroku has and Keyturn has nothing for (stacks, regions, slugs) are there with one fixed value, since clients read
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from keyturn.actions import apps
from keyturn.actions import transfers as moves
from keyturn.actions.env import Invalid
from keyturn.core.apps import PERMISSIONS
from keyturn.web.answer import Answer, iso, page

if TYPE_CHECKING:
    from keyturn.actions.apps import Member, Shown
    from keyturn.actions.transfers import Moving
    from keyturn.core.credential import Account, App
    from keyturn.web.call import Call
    from keyturn.web.face import Face

SSH_PORT: Final = 22
_STACK: Final = {"id": "00000000-0000-7000-8000-000000000001", "name": "keyturn"}
_REGION: Final = {"id": "00000000-0000-7000-8000-000000000002", "name": "here"}


def git_url(public_url: str, name: str) -> str:
    """Where git finds the app: below the public URL, or at ``git.`` where that is an ``api.`` host's."""
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{_gits(parts.netloc)}/{name}.git"


def ssh_url(public_url: str, port: int) -> str:
    """Where git over SSH is when it is served at that port: at the host of git's HTTP."""
    host = _gits(urlsplit(public_url).hostname or "localhost")
    shown = f"[{host}]" if ":" in host else host
    return f"ssh://git@{shown}" + ("" if port == SSH_PORT else f":{port}")


def _gits(host: str) -> str:
    return "git." + host.removeprefix("api.") if host.startswith("api.") else host


def _user(account: Account) -> dict[str, Any]:
    return {"email": account.email, "federated": account.federated, "id": account.id}


def _person(account: Account) -> dict[str, Any]:
    return {"email": account.email, "id": account.id}


def _named(app: App) -> dict[str, Any]:
    return {"id": app.id, "name": app.name}


def render_member(app: App, found: Member) -> dict[str, Any]:
    """A collaborator; the owner is one of them, as on Heroku."""
    return {
        "app": _named(app),
        "created_at": iso(found.since.created_at),
        "id": found.id,
        "permissions": [{"description": PERMISSIONS[name], "name": name} for name in found.permissions],
        "role": found.role,
        "updated_at": iso(found.since.updated_at),
        "user": _user(found.account),
    }


def render_transfer(found: Moving) -> dict[str, Any]:
    """An app's transfer."""
    return {
        "app": _named(found.app),
        "created_at": iso(found.transfer.created_at),
        "id": found.transfer.id,
        "owner": _person(found.owner),
        "recipient": _person(found.recipient),
        "state": found.transfer.state,
        "updated_at": iso(found.transfer.updated_at),
    }


@dataclass(frozen=True, slots=True)
class Apps:
    """The endpoints; ``face`` knows where git is reached."""

    face: Face

    def render(self, found: Shown) -> dict[str, Any]:
        """An app, with every field that the schema requires; ``permissions`` and ``ssh_url`` are Keyturn's own."""
        app = found.app
        return {
            "acm": False,
            "archived_at": None,
            "build_stack": _STACK,
            "buildpack_provided_description": None,
            "created_at": iso(app.created_at),
            "git_url": git_url(self.face.public_url, app.name),
            "id": app.id,
            "internal_routing": None,
            "maintenance": False,
            "name": app.name,
            "organization": None,
            "owner": _person(found.owner),
            "permissions": list(found.permissions),
            "region": _REGION,
            "released_at": iso(app.released_at),
            "repo_size": app.repo_size,
            "slug_size": None,
            "space": None,
            "ssh_url": f"{self.face.ssh_url}/{app.name}.git" if self.face.ssh_url else None,
            "stack": _STACK,
            "team": None,
            "updated_at": iso(app.updated_at),
            "web_url": f"{self.face.public_url}/",  # Keyturn runs no apps; the Heroku CLI wants a text
        }

    def listed(self, call: Call) -> Answer:
        """GET /apps, and /users/~/apps."""
        return page(apps.listed(call.env, call.principal), lambda found: found.app.id, call.range, self.render)

    def create(self, call: Call) -> Answer:
        """POST ``{"name"?}``; region and stack are taken and have no meaning here."""
        for field in ("team", "organization", "space"):
            if call.body.get(field):
                raise Invalid(field, f"apps of a {field} are not part of this version")
        return Answer(self.render(apps.create(call.env, call.by, call.principal, name=call.body.get("name"))), 201)

    def info(self, call: Call) -> Answer:
        """GET one, by name or id."""
        return Answer(self.render(apps.info(call.env, call.principal, call.params["app"])))

    def update(self, call: Call) -> Answer:
        """PATCH ``{"name"}``."""
        if call.body.get("maintenance") not in (None, False):
            raise Invalid("maintenance", "there is no maintenance mode here")
        named = call.body.get("name")
        if named is None:
            return self.info(call)
        return Answer(self.render(apps.rename(call.env, call.by, call.principal, call.params["app"], named)))

    def destroy(self, call: Call) -> Answer:
        """DELETE one, with its repository; answers what it was."""
        return Answer(self.render(apps.destroy(call.env, call.by, call.principal, call.params["app"])))


def members(call: Call) -> Answer:
    """GET the collaborators, the owner among them."""
    app, found = apps.members(call.env, call.principal, call.params["app"])
    return page(found, lambda each: each.id, call.range, lambda each: render_member(app, each))


def member(call: Call) -> Answer:
    """GET one, by e-mail or id."""
    return Answer(render_member(*apps.member(call.env, call.principal, call.params["app"], call.params["who"])))


def add_member(call: Call) -> Answer:
    """POST ``{"user", "permissions"?}``."""
    asked = call.body
    added = apps.add_member(
        call.env, call.by, call.principal, call.params["app"],
        who=asked.get("user"), permissions=asked.get("permissions"),
    )  # fmt: skip
    return Answer(render_member(*added), 201)


def change_member(call: Call) -> Answer:
    """PATCH ``{"permissions"}``."""
    if call.body.get("permissions") is None:
        raise Invalid("permissions", "permissions is missing")
    changed = apps.change_member(
        call.env, call.by, call.principal, call.params["app"], call.params["who"], call.body["permissions"]
    )
    return Answer(render_member(*changed))


def remove_member(call: Call) -> Answer:
    """DELETE one; ``~`` is the account that asks. Answers what it was."""
    removed = apps.remove_member(call.env, call.by, call.principal, call.params["app"], call.params["who"])
    return Answer(render_member(*removed))


def transfers(call: Call) -> Answer:
    """GET the transfers that the account began or was offered."""
    return page(moves.listed(call.env, call.principal), lambda t: t.transfer.id, call.range, render_transfer)


def transfer(call: Call) -> Answer:
    """GET one, by its id or its app's name."""
    return Answer(render_transfer(moves.info(call.env, call.principal, call.params["id"])))


def offer(call: Call) -> Answer:
    """POST ``{"app", "recipient"}``."""
    asked = call.body
    made = moves.offer(call.env, call.by, call.principal, app=asked.get("app"), recipient=asked.get("recipient"))
    return Answer(render_transfer(made), 201)


def answer(call: Call) -> Answer:
    """PATCH ``{"state": "accepted"}``, or ``declined``."""
    changed = moves.answer(call.env, call.by, call.principal, call.params["id"], call.body.get("state"))
    return Answer(render_transfer(changed))


def take_back(call: Call) -> Answer:
    """DELETE: the owner takes the offer back."""
    return Answer(render_transfer(moves.take_back(call.env, call.by, call.principal, call.params["id"])))


def proven(_call: Call) -> Answer:
    """PUT: the second factor was given with it; for a login it counts from now on (wire.md 2.2)."""
    return Answer({})


def nothing(call: Call) -> Answer:
    """An empty list of what apps have elsewhere, so that clients that ask do not stumble. 404 without access."""
    apps.info(call.env, call.principal, call.params["app"])
    return Answer([])

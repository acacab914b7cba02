"""The command line's start: a table from command to module, of which only the chosen one is imported.

`topic:verb` and `topic verb` are the same command. Exit codes: 0 done, 1 failed, 2 used wrongly, 4 not logged in or
refused, 130 interrupted. Start-up is measured (`make bench`): what is imported here, every command pays for.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

COMMANDS: Final = {
    "access": ("access", "show_all", "list who may do what with an app"),
    "access:add": ("access", "add", "let somebody use an app"),
    "access:remove": ("access", "remove", "take somebody's access to an app away"),
    "access:update": ("access", "update", "change what somebody may do with an app"),
    "apps": ("apps", "show_all", "list the apps that you own or may use"),
    "apps:create": ("apps", "create", "make an app, and let git push to it"),
    "apps:destroy": ("apps", "destroy", "destroy an app and its repository"),
    "apps:info": ("apps", "info", "show an app"),
    "apps:rename": ("apps", "rename", "give an app another name"),
    "apps:transfer": ("apps", "transfer", "offer an app to another owner"),
    "apps:transfer:accept": ("apps", "accept", "take an app that is offered to you"),
    "apps:transfer:cancel": ("apps", "cancel", "take back the offer of an app"),
    "apps:transfer:decline": ("apps", "decline", "decline an app that is offered to you"),
    "apps:transfers": ("apps", "transfers", "list the transfers that you began or were offered"),
    "auth:2fa": ("two_factor", "show", "show whether two-factor authentication is on, and by what"),
    "auth:2fa:disable": ("two_factor", "disable", "turn two-factor authentication off"),
    "auth:2fa:enable": ("two_factor", "enable", "turn two-factor authentication on, with an authenticator app"),
    "auth:2fa:recovery": ("two_factor", "recovery", "make new recovery codes"),
    "auth:doctor": ("doctor", "run", "find what is wrong with this machine's credentials, and mend it"),
    "auth:login": ("login", "run", "log in, in the browser or with -i by password, and store the token"),
    "auth:logout": ("logout", "run", "end this machine's login, at the server and in netrc"),
    "auth:preview": ("preview", "run", "show what a password change, logout and so on would end"),
    "auth:status": ("status", "run", "show every credential there is here, and which one wins"),
    "auth:token": ("auth_token", "run", "print the token in use"),
    "auth:whoami": ("whoami", "run", "print whom the token speaks for"),
    "auth:why": ("why", "run", "explain why a token works, or does not"),
    "authorizations": ("authorizations", "show_all", "list the account's tokens"),
    "authorizations:create": ("authorizations", "create", "make a token, for production or for a tool"),
    "authorizations:info": ("authorizations", "info", "show one token's particulars"),
    "authorizations:revoke": ("authorizations_end", "revoke", "end a token"),
    "authorizations:rotate": ("authorizations_end", "rotate", "give an authorization a new token"),
    "authorizations:update": ("authorizations", "update", "describe a token otherwise, or let it end at another time"),
    "clients": ("clients", "show_all", "list the account's OAuth clients"),
    "clients:create": ("clients", "create", "register an OAuth client"),
    "clients:destroy": ("clients", "destroy", "remove an OAuth client, and end all its tokens"),
    "clients:info": ("clients", "info", "show one OAuth client"),
    "clients:rotate": ("clients", "rotate", "give an OAuth client a new secret"),
    "clients:update": ("clients", "update", "change an OAuth client's name or address"),
    "git:clone": ("git_remote", "clone", "get an app's code"),
    "git:credentials": ("git_credentials", "run", "answer git's questions for a password; --install sets it up"),
    "git:remote": ("git_remote", "remote", "let this folder's git push to an app"),
    "keys": ("keys", "show_all", "list the account's SSH keys"),
    "keys:add": ("keys_add", "run", "add an SSH key"),
    "keys:clear": ("keys", "clear", "remove all SSH keys"),
    "keys:remove": ("keys", "remove", "remove an SSH key"),
    "policy": ("policy", "run", "show what each kind of credential lives and dies of"),
    "sessions": ("sessions", "show_all", "list the logins of command lines and browsers"),
    "sessions:destroy": ("sessions", "destroy", "end a login"),
    "ssh:authorized-keys": ("ssh", "authorized_keys", "for OpenSSH's sshd: whose a key is"),
    "ssh:serve": ("ssh", "serve", "for OpenSSH's sshd: serve git to the holder of a key"),
    "serve": ("server", "serve", "run a server"),
    "admin": ("server", "admin", "operate a server: accounts and the like"),
    "help": ("help", "run", "show the commands, or one command's options"),
}
ALIASES: Final = {
    "login": "auth:login",
    "logout": "auth:logout",
    "whoami": "auth:whoami",
    "twofactor": "auth:2fa",
    "2fa": "auth:2fa",
    "2fa:disable": "auth:2fa:disable",
    "2fa:enable": "auth:2fa:enable",
    "2fa:recovery": "auth:2fa:recovery",
    "twofactor:disable": "auth:2fa:disable",
    "authorizations:destroy": "authorizations:revoke",
    "--help": "help",
    "-h": "help",
}
_VERSION: Final = ("--version", "-v", "-V", "version")


def resolve(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The command that the words name, or None, and what is left for it to parse."""
    if not words:
        return "help", []
    for count in (3, 2, 1):
        name = ":".join(words[:count])
        if len(words) >= count and (name in COMMANDS or name in ALIASES):
            return ALIASES.get(name, name), list(words[count:])
    return None, list(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; give the exit code."""
    words = sys.argv[1:] if words is None else words
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        from keyturn.cli.failures import open_closed_streams

        open_closed_streams()
    try:
        code = _run(words)
        sys.stdout.flush()  # a full disk or a closed pipe must show in the exit code
    except (Exception, KeyboardInterrupt) as error:
        from keyturn.cli.failures import report

        return report(error)
    return code


def _run(words: Sequence[str]) -> int:
    if words and words[0] in _VERSION:
        from keyturn import __version__

        sys.stdout.write(f"keyturn/{__version__} {sys.platform} python-{sys.version.split()[0]}\n")
        return 0
    name, rest = resolve(words)
    if name is None:
        from keyturn.cli.help import unknown

        raise unknown(rest)
    module, function, _ = COMMANDS[name]
    imported = __import__(f"keyturn.cli.{module}", fromlist=[function])  # importlib would cost a millisecond
    code: int = getattr(imported, function)(rest)
    return code


if __name__ == "__main__":
    sys.exit(main())

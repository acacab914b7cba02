"""The signed-in pages: own account under /settings, administrators' under /admin. Every route of them, on one screen.

``page(path, get, post=..., **options)`` and ``act(path, post, **options)`` (a form without a page of its own) take the
options of pages.visit.Page; ``act`` is for signed-in people always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.web import mailed
from keyturn.web.pages import (
    activity,
    api_key,
    authorizations,
    clients,
    closing,
    credential_acts,
    credentials,
    keys,
    password,
    profile,
    sessions,
    sign_in,
    sign_up,
    two_factor,
)
from keyturn.web.pages.admin import account_acts, accounts, audit, expiring, health, invitations, outbox, policy
from keyturn.web.pages.visit import SET_UP

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.web.routing import Route


def routes(page: Callable[..., Route], act: Callable[..., Route]) -> list[Route]:
    """All of them."""
    return [
        # authorizations, the API key, one credential
        page(authorizations.HERE, authorizations.show, signed_in=True),
        page(authorizations.NEW, authorizations.show_new, post=authorizations.create,
            to="create the authorization", signed_in=True, sensitive=True,
            once=authorizations.HERE),
        page(credentials.ONE, credentials.show, signed_in=True),
        page(credentials.ONE + "/edit", credential_acts.show_edit, post=credential_acts.edit,
            to="change the credential", signed_in=True, sensitive=True),
        page(credentials.ONE + "/rotate", credential_acts.show_rotate, post=credential_acts.rotate,
            to="make a new token", signed_in=True, sensitive=True,
            once=credentials.ONE),
        page(credentials.ONE + "/revoke", credential_acts.show_revoke, post=credential_acts.revoke, signed_in=True),
        page(api_key.HERE, api_key.show, post=api_key.make,
            to="make an API key", signed_in=True, sensitive=True, once=api_key.HERE),
        page(api_key.REGENERATE, api_key.show_regenerate, post=api_key.make,
            to="make a new API key", signed_in=True, sensitive=True,
            once=api_key.HERE),
        # profile, password, closing the account
        page(profile.HERE, profile.show, post=profile.rename, signed_in=True),
        act(profile.EMAIL, profile.change_email, to="change your e-mail address", slow=True),  # asks for its proof itself
        act(profile.TAKE_BACK, profile.take_back),
        act(profile.LINK, profile.send_link),
        page(password.HERE, password.show, post=password.submit, to="change your password", signed_in=True, slow=True),  # likewise
        page(closing.HERE, closing.show, post=closing.submit, to="close your account", signed_in=True, sensitive=True),
        # signing up, invitations, proving an address
        page(sign_up.HERE, sign_up.show, post=sign_up.ask),
        page(mailed.JOIN + "/{secret}", sign_up.show_join, post=sign_up.join, slow=True),
        page(mailed.CONFIRM + "/{secret}", profile.show_confirm, post=profile.submit_confirm, enrolling=True),
        # two-factor sign-in
        page(SET_UP, two_factor.show, signed_in=True, enrolling=True),
        page(two_factor.APP, two_factor.show_app, post=two_factor.submit_app,
            to="set up an authenticator app", signed_in=True, sensitive=True, enrolling=True,
            once=SET_UP),
        page(two_factor.PASSKEY, two_factor.show_passkey, post=two_factor.submit_passkey, to="add a passkey",
            signed_in=True, gate=True, enrolling=True, once=SET_UP),
        page(two_factor.RECOVERY, two_factor.show_recovery, post=two_factor.make_recovery, to="make new recovery codes",
            signed_in=True, sensitive=True, enrolling=True, once=SET_UP),
        act(two_factor.DOWNLOAD, two_factor.download, enrolling=True),
        page(two_factor.FACTOR, two_factor.show_factor, post=two_factor.rename,
            to="change your second factors", signed_in=True, sensitive=True, enrolling=True),
        act(two_factor.FACTOR + "/remove", two_factor.remove, to="remove the second factor", sensitive=True, enrolling=True),
        page(two_factor.OFF, two_factor.show_off, post=two_factor.turn_off, to="turn two-factor sign-in off",
            signed_in=True, sensitive=True, slow=True, enrolling=True),
        # sessions and devices, SSH keys, OAuth clients, activity
        page(sessions.HERE, sessions.show, signed_in=True),
        page(sessions.HERE + "/end-others", sessions.confirm_others, post=sessions.end_others, signed_in=True),
        page(sessions.HERE + "/end-all", sessions.confirm_all, post=sessions.end_all, signed_in=True),
        act(sessions.HERE + "/devices/forget", sessions.forget_devices),
        act(sessions.HERE + "/devices/{id}/forget", sessions.forget_device),
        page("/sessions/{id}/end", sign_in.not_by_get, post=sessions.end),
        # sensitive, but for a private key that was pasted: the page itself asks for the proof
        page(keys.HERE, keys.show, post=keys.submit, to="add SSH keys", signed_in=True),
        page(keys.HERE + "/{id}", keys.show_one, signed_in=True),
        act(keys.HERE + "/{id}/remove", keys.remove),
        page(clients.HERE, clients.show, signed_in=True),
        page(clients.NEW, clients.show_new, post=clients.create,
            to="register the client", signed_in=True, sensitive=True, once=clients.HERE),
        page(clients.HERE + "/{id}", clients.show_one, post=clients.update, to="change the client", signed_in=True, sensitive=True),
        page(clients.HERE + "/{id}/rotate", clients.show_rotate, post=clients.rotate,
            to="replace the client's secret", signed_in=True, sensitive=True,
            once=clients.HERE + "/{id}"),
        page(clients.HERE + "/{id}/remove", clients.show_remove, post=clients.remove,
            to="remove the client", signed_in=True, sensitive=True),
        page(activity.HERE, activity.show, signed_in=True),
        page(activity.HERE + ".jsonl", activity.export, signed_in=True),
        # administration
        page(accounts.HERE, accounts.show_all, admin=True),
        page(invitations.NEW, invitations.show, post=invitations.submit,
            to="invite somebody", admin=True, sensitive=True, once=invitations.NEW),
        act(invitations.TAKE_BACK, invitations.take_back, to="take the invitation back", admin=True, sensitive=True),
        page(accounts.ONE, accounts.show_one, admin=True),
        page(accounts.ONE + "/suspend", account_acts.show_suspend, post=account_acts.suspend,
            to="suspend the account", admin=True, sensitive=True),
        act(accounts.ONE + "/unsuspend", account_acts.unsuspend, to="let the account sign in again", admin=True, sensitive=True),
        page(accounts.ONE + "/administrator", account_acts.show_admin, post=account_acts.set_admin,
            to="change who is an administrator", admin=True, sensitive=True),
        page(accounts.ONE + "/second-factors", account_acts.show_factors, post=account_acts.reset_factors,
            to="reset second factors",
            admin=True, sensitive=True),
        page(accounts.ONE + "/password", account_acts.show_reset, post=account_acts.reset_password,
            to="make a link for a new password", admin=True, sensitive=True,
            once=accounts.ONE),
        page(accounts.ONE + "/revoke", account_acts.show_revoke, post=account_acts.revoke,
            to="revoke the credential", admin=True, sensitive=True),
        page(expiring.HERE, expiring.show, admin=True),
        page(policy.HERE, policy.show, admin=True),
        page(audit.HERE, audit.show, admin=True),
        page(audit.HERE + ".jsonl", audit.export, admin=True),
        page(outbox.HERE, outbox.show, admin=True),
        # a mail's text may hold a link that opens an account
        page(outbox.HERE + "/{id}", outbox.show_one, post=sign_in.not_by_get, to="read the mail", admin=True, gate=True),
        page(health.HERE, health.show, admin=True),
    ]  # fmt: skip

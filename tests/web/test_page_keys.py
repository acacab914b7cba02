"""The page of SSH keys: added by paste, removed with a question, and never a private one."""

from __future__ import annotations

import base64
import os
import struct
from typing import TYPE_CHECKING

import pytest
from tests.support.site import BROWSER, Forms
from tests.support.world import PASSWORD

from keyturn.actions import keys

if TYPE_CHECKING:
    from tests.support.asgi import Reply
    from tests.support.site import Browser, Site

    from keyturn.core.credential import Account, SshKey

HERE = "/settings/keys"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
SECRET_PART = "c2VjcmV0IG1hdGVyaWFsIG9mIHRoZSBrZXk"
PRIVATE = f"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5v\n{SECRET_PART}\n-----END OPENSSH PRIVATE KEY-----\n"


def line(comment: str = "ada@laptop") -> str:
    blob = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + os.urandom(32)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}".strip()


def signed_in(site: Site) -> Browser:
    browser = site.browser()
    assert browser.sign_in().status == 303
    return browser


def paste(browser: Browser, text: str) -> Reply:
    return browser.submit(browser.page(HERE), HERE, public_keys=text)


def added(site: Site, account: Account) -> list[SshKey]:
    with site.store.reading() as tx:
        return tx.keys(account.id, site.clock())


def test_without_a_key_the_page_teaches_how_to_make_one(site: Site) -> None:
    site.account()
    text = signed_in(site).page(HERE).text
    assert "No SSH key yet" in text
    for command in (("ssh-keygen", "-t", "ed25519"), ("keyturn", "keys:add")):
        assert all(f">{word}</span>" in text for word in command)


def test_a_pasted_key_is_added_and_shown_with_both_fingerprints(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    reply = paste(browser, line("ada@laptop"))
    assert (reply.status, reply.header("location")) == (303, HERE)
    [key] = added(site, account)
    text = browser.page(HERE).text
    for words in ("The key was added.", "ada@laptop", "Ed25519", key.sha256, "never"):
        assert words in text
    one = browser.page(f"{HERE}/{key.id}").text
    for words in (key.public_key, key.sha256, key.fingerprint):
        assert words in one


def test_several_keys_come_in_one_paste(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    assert paste(browser, f"# mine\r\n{line('one')}\r\n\r\n  {line('two')}  \r\n").status == 303
    assert {key.comment for key in added(site, account)} == {"one", "two"}
    assert "2 keys were added." in browser.page(HERE).text


def test_what_is_wrong_in_a_paste_is_said_line_by_line_and_kept(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    good = line("good")
    reply = paste(browser, f"{good}\nssh-ed25519 AAAA broken\nssh-dss AAAA old\n{HOSTILE}")
    assert reply.status == 422
    assert [key.comment for key in added(site, account)] == ["good"]
    for words in (
        "1 key was added",
        "Line 2: The key is damaged",
        "Line 3: DSA keys are no longer safe",
        "Line 4: This does not begin",
    ):
        assert words in reply.text
    kept = reply.text.split("<textarea", 1)[1].split("</textarea>")[0]
    assert "ssh-ed25519 AAAA broken\nssh-dss AAAA old\n&lt;script&gt;" in kept
    assert good.split()[1] not in kept
    assert "<script>alert" not in reply.text
    assert 'aria-invalid="true"' in reply.text


@pytest.mark.parametrize("text", ["", "  \n# only a comment\n"])
def test_an_empty_paste_says_what_to_paste(site: Site, text: str) -> None:
    site.account()
    reply = paste(signed_in(site), text)
    assert reply.status == 422
    assert "Nothing was pasted" in reply.text


def test_a_key_that_is_in_use_is_refused_in_the_same_words_whosever_it_is(site: Site) -> None:
    site.account()
    eve = site.mint(site.account("eve@example.com"))
    hers, mine = line("hers"), line("mine")
    keys.add(site.env, site.by(eve), site.principal(eve), hers)
    browser = signed_in(site)
    paste(browser, mine)
    own, foreign = paste(browser, mine), paste(browser, hers)
    for reply in (own, foreign):
        assert reply.status == 422
        assert "this key is in use, by this account or another" in reply.text
    assert "eve@example.com" not in foreign.text
    twice = line("twice")
    assert "Line 2: Fingerprint has already been taken" in paste(browser, f"{twice}\n{twice}").text


PIECES = [
    PRIVATE,
    PRIVATE.lower(),
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET_PART}",
    f"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUA{SECRET_PART}",
    f"PuTTY-User-Key-File-3: ssh-ed25519\n{SECRET_PART}",
]


@pytest.mark.parametrize("private", PIECES)
@pytest.mark.parametrize("minutes", [0, 16])
def test_a_private_key_is_refused_and_never_shown_again(
    site: Site, private: str, minutes: int, caplog: pytest.LogCaptureFixture
) -> None:
    account = site.account()
    browser = signed_in(site)
    page = browser.page(HERE)
    site.clock.advance(minutes=minutes)
    reply = browser.submit(page, HERE, public_keys=f"{line('good')}\n{private}")
    assert reply.status == 422
    assert "That was a private key" in reply.text
    assert SECRET_PART not in reply.text
    assert SECRET_PART.lower() not in reply.text.lower()
    assert "good" not in reply.text
    assert added(site, account) == []
    assert all(SECRET_PART.lower() not in str(event).lower() for event in site.audit())
    assert SECRET_PART not in caplog.text


def test_nor_is_a_private_key_carried_by_a_form_that_proves(site: Site) -> None:
    site.account()
    browser = signed_in(site)
    page = browser.page(HERE)
    site.clock.advance(minutes=16)
    reply = browser.submit(page, HERE, proof="form", password="wrong", **{"carry:public_keys": PRIVATE})
    assert reply.status == 422
    assert SECRET_PART not in reply.text


def test_an_old_proof_is_asked_for_anew_and_the_paste_is_not_lost(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    page = browser.page(HERE)
    site.clock.advance(minutes=16)
    text = f"{line('one')}\n{line(HOSTILE)}"
    asked = browser.submit(page, HERE, public_keys=text)
    assert added(site, account) == []
    assert "Confirm it is you" in asked.text
    assert "<script>alert" not in asked.text
    assert browser.submit(asked, HERE, password=PASSWORD).status == 303
    assert len(added(site, account)) == 2


def test_too_much_at_once_adds_nothing(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    for text in ("\n".join(line(str(n)) for n in range(51)), "x" * 20_001, "x\n" * 10_000):
        reply = paste(browser, text)
        assert reply.status == 422
        assert "Nothing was added" in reply.text
        assert len(reply.body) < 100_000
    assert added(site, account) == []


def test_a_key_is_removed_once_that_is_agreed_to(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    paste(browser, line())
    [key] = added(site, account)
    assert f'href="{HERE}/{key.id}#remove"' in browser.page(HERE).text
    asked = browser.page(f"{HERE}/{key.id}")
    assert key.sha256 in asked.text
    assert added(site, account) == [key]
    reply = browser.submit(asked, f"{HERE}/{key.id}/remove")
    assert reply.header("location") == HERE
    assert added(site, account) == []
    assert browser.page(f"{HERE}/{key.id}").status == 404


def test_another_accounts_key_is_not_there(site: Site) -> None:
    site.account()
    eve = site.account("eve@example.com")
    hers = site.mint(eve)
    key = keys.add(site.env, site.by(hers), site.principal(hers), line("hers")).key
    browser = signed_in(site)
    fields = browser.form(browser.page(HERE), "/sign-out")
    for name in (key.id, key.fingerprint, "none"):
        assert browser.page(f"{HERE}/{name}").status == 404
        assert browser.request("POST", f"{HERE}/{name}/remove", BROWSER, form=fields).status == 404
    assert added(site, eve) == [key]


def test_a_form_from_elsewhere_neither_adds_nor_removes(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    paste(browser, line())
    [key] = added(site, account)
    for path, form in ((HERE, {"public_keys": line()}), (f"{HERE}/{key.id}/remove", {})):
        assert browser.request("POST", path, BROWSER, form=form).status == 403
    assert added(site, account) == [key]


def test_hostile_comments_are_text(site: Site) -> None:
    account = site.account()
    browser = signed_in(site)
    paste(browser, line(HOSTILE))
    [key] = added(site, account)
    for text in (browser.page(HERE).text, browser.page(f"{HERE}/{key.id}").text):
        assert "&lt;script&gt;" in text
        assert "<script>alert" not in text
        assert "<img" not in text


def test_many_keys_have_pages(site: Site) -> None:
    account = site.account()
    acting = site.mint(account)
    for number in range(60):
        keys.add(site.env, site.by(acting), site.principal(acting), line(f"key-{number:02}-of-many"))
    browser = signed_in(site)
    first, second = browser.page(HERE), browser.page(HERE + "?page=2")
    assert len(first.body) < 100_000
    shown = [sum(f"key-{n:02}-of-many" in page.text for page in (first, second)) for n in range(60)]
    assert shown == [1] * 60
    for made_up in ("0", "x", "-1", "9999", "%C2%B2"):
        assert browser.page(f"{HERE}?page={made_up}").status == 200


def test_the_paste_goes_nowhere_but_into_this_form(site: Site) -> None:
    site.account()
    page = signed_in(site).page(HERE)
    assert HERE in [action for action, _ in Forms(page.text).found]
    assert 'method="post" action="/settings/keys"' in page.text

"""Parts of dialogues: what a command says to the end, and a visitor who decides on a login on the server's own pages."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pexpect
import requests

if TYPE_CHECKING:
    from tests.conftest import Account

FORM = re.compile(r'<form\b[^>]*\baction="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
HIDDEN = re.compile(r'<input\b(?=[^>]*\btype="hidden")(?=[^>]*\bname="([^"]*)")(?=[^>]*\bvalue="([^"]*)")')


def ended(process: pexpect.spawn[str]) -> tuple[str, int | None]:
    """The rest of what a process says, and its exit code."""
    process.expect(pexpect.EOF)
    rest: Any = process.before
    process.close()
    return str(rest), process.exitstatus


def decide(url: str, account: Account, decision: str = "approve") -> str:
    """Open the address of a login as a browser would, sign in, and approve or deny; gives the page that follows."""
    with requests.Session() as browser:
        page = browser.get(url)
        page = _submit(browser, page, email=account.email, password=account.password)
        page = _submit(browser, page, decision=decision)
        assert page.status_code == 200, page.text
        return page.text


def sign_in(browser: requests.Session, url: str, account: Account) -> None:
    """Signs in at a server's address, as a browser would."""
    page = _submit(browser, browser.get(f"{url}/sign-in"), email=account.email, password=account.password)
    assert page.status_code == 200, page.text


def _submit(browser: requests.Session, page: requests.Response, **fields: str) -> requests.Response:
    assert page.status_code == 200, page.text
    form = FORM.search(page.text)
    assert form, page.text
    hidden = {html.unescape(name): html.unescape(value) for name, value in HIDDEN.findall(form[2])}
    target = urljoin(page.url, html.unescape(form[1]))
    origin = "/".join(target.split("/")[:3])
    return browser.post(target, data=hidden | fields, headers={"Origin": origin})

"""User agents in words. What a client says of itself is a stranger's text: what is not known here stays as it is, cut.

Only the name of a browser and of its system are said, the browser's version never: it changes weekly and tells nobody
which of their machines it was.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 60
UNKNOWN: Final = "an unnamed program"

# Browsers say the names of those they descend from as well: the youngest name comes first.
_BROWSERS: Final = (
    ("Edg", "Edge"), ("EdgA", "Edge"), ("EdgiOS", "Edge"), ("OPR", "Opera"), ("OPX", "Opera"), ("Vivaldi", "Vivaldi"),
    ("SamsungBrowser", "Samsung Internet"), ("YaBrowser", "Yandex Browser"), ("DuckDuckGo", "DuckDuckGo"),
    ("FxiOS", "Firefox"), ("Firefox", "Firefox"), ("CriOS", "Chrome"), ("HeadlessChrome", "Chrome"),
    ("Chromium", "Chromium"), ("Chrome", "Chrome"), ("Version", "Safari"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"), ("Windows", "Windows"),
    ("Macintosh", "macOS"), ("darwin", "macOS"), ("win32", "Windows"), ("Linux", "Linux"), ("linux", "Linux"),
    ("FreeBSD", "FreeBSD"), ("OpenBSD", "OpenBSD"),
)  # fmt: skip
_PROGRAMS: Final = {
    "heroku-cli": "Heroku CLI", "heroku": "Heroku CLI", "curl": "curl", "Wget": "Wget", "git": "git",
    "python-requests": "Python requests", "python-httpx": "Python httpx", "Python-urllib": "Python urllib",
    "Go-http-client": "a Go program", "okhttp": "okhttp", "node-fetch": "node-fetch", "node": "Node.js",
    "axios": "axios", "http.rb": "Ruby http", "Ruby": "Ruby", "terraform": "Terraform", "PostmanRuntime": "Postman",
    "HTTPie": "HTTPie",
}  # fmt: skip
_PRODUCT: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]{0,39})/([0-9][0-9A-Za-z.+-]{0,19})")
_MOBILE: Final = frozenset({"iPhone", "iPad", "Android"})


def in_words(agent: str) -> str:
    """``Chrome on Linux``, ``keyturn CLI 1.0``, ``curl 8.5``; of others their own text, on one line and cut."""
    text = " ".join("".join(c if c.isprintable() else " " for c in agent).split())
    if not text:
        return UNKNOWN
    named = _browser(text) if text.startswith("Mozilla/") else _program(text)
    return named or (text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def is_mobile(agent: str) -> bool:
    """Whether it is a phone's or tablet's browser."""
    return agent.startswith("Mozilla/") and _system(agent) in _MOBILE


def _browser(text: str) -> str | None:
    products = {match[1] for match in _PRODUCT.finditer(text)}
    name = next((name for product, name in _BROWSERS if product in products), None)
    # what has a version of its own and is no Safari: an app's view, say
    if name == "Safari" and "Safari" not in products:
        name = None
    system = _system(text)
    return f"{name} on {_on(system)}" if name and system else name


def _on(system: str) -> str:
    return f"an {system}" if system in ("iPhone", "iPad") else system


def _system(text: str) -> str | None:
    return next((name for mark, name in _SYSTEMS if mark in text), None)


def _program(text: str) -> str | None:
    found = _PRODUCT.match(text)
    if found is None:
        return None
    product, version = found[1], ".".join(found[2].split(".")[:2])
    if product == "keyturn":
        # keyturn/1.0.0 (cli; linux), or of the client library another name
        name = "keyturn CLI" if re.match(r"keyturn/\S+ \(\S*cli\b", text) else "keyturn library"
        system = _system(text)
        return f"{name} {version} on {system}" if system else f"{name} {version}"
    known = _PROGRAMS.get(product)
    return f"{known} {version}" if known else None

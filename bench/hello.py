"""The least that uvicorn can do: an ASGI application that says hello."""

from __future__ import annotations

from typing import Any

_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


async def app(scope: Any, _receive: Any, send: Any) -> None:
    """Answers every request with five letters."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})

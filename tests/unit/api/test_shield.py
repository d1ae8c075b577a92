"""What stands before every page: origins of pages that ask for changes."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message

from hubbub.api.shield import Shield

SHIELD = Shield(Starlette(routes=[Route("/", lambda _: PlainTextResponse("changed"), methods=["GET", "POST"])]), home="hubbub.test")


async def status(method: str, origin: str | None) -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8080"), *([(b"origin", origin.encode())] if origin is not None else [])]
    await SHIELD({"type": "http", "method": method, "path": "/", "query_string": b"", "headers": headers}, receive, send)
    found: int = sent[0]["status"]
    return found


@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:8080", "https://hubbub.test", "https://HUBBUB.test"])
async def test_pages_of_this_server_change_things(origin: str | None) -> None:
    assert await status("POST", origin) == 200


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "", "http://[", "http://[::1", "http://127.0.0.1:8080]"])
async def test_pages_of_others_do_not(origin: str) -> None:
    """RFC 6454: an origin is a scheme, a host and a port, or `null`; what is none of these is nobody's here, and no error of the server."""
    assert await status("POST", origin) == 403
    assert await status("GET", origin) == 200

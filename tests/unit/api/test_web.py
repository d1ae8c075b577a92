"""The web server: contract: "`GET /healthz` answers 200 once SIP, HTTP and media are ready, 503 before"."""

from __future__ import annotations

import socket

import aiohttp
from starlette.responses import PlainTextResponse

from hubbub.api.connections import Visitors
from hubbub.api.web import Web
from hubbub.settings import HttpSettings


async def test_it_answers_before_there_is_an_application() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/healthz"
    web = Web(listening, HttpSettings(), Visitors(10.0, 10.0, 0).protocol())
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as early:
            assert (early.status, await early.json()) == (503, {"status": "starting"})
            assert early.headers["Retry-After"] == "1"
        web.app = PlainTextResponse("here")
        async with session.get(url) as later:
            assert (later.status, await later.text()) == (200, "here")
    await web.stop()

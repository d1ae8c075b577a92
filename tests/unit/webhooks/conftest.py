"""A real HTTP receiver on loopback and a requester that may reach it."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from hubbub.webhooks.requester import Requester

LOOPBACK = ipaddress.ip_network("127.0.0.1/32")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    handler: Handler | None = None

    def url(self, path: str = "/", *, userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.port}{path}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(Seen(request.method, request.raw_path, {k.lower(): v for k, v in request.headers.items()}, await request.read()))
        return web.Response(text="ok") if self.handler is None else await self.handler(request)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def requester() -> AsyncIterator[Requester]:
    made = Requester([LOOPBACK])
    await made.start()
    yield made
    await made.stop()

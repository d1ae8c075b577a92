"""How many local ports and files requests take: the sockets of real connections are counted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from hubbub.errors import RequestFailed
from hubbub.webhooks.guard import NetworkGuard
from hubbub.webhooks.requester import HttpRequest, Limits, Requester

from .conftest import LOOPBACK


@dataclass
class Hosts:
    """Hosts (ports of loopback) that answer when `gate` is open, and keep connections."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    servers: list[asyncio.Server] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    open: Counter[int] = field(default_factory=Counter)
    sockets: list[socket.socket] = field(default_factory=list)
    """All that were made for requests."""
    most: int = 0
    most_of_one: int = 0
    answered: int = 0

    async def add(self) -> None:
        number = len(self.servers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.open[number] += 1
            self.most = max(self.most, sum(made.fileno() >= 0 for made in self.sockets))
            self.most_of_one = max(self.most_of_one, self.open[number])
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    await self.gate.wait()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    self.answered += 1
            self.open[number] -= 1
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.servers.append(server)
        self.urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while self.open.total() != count:
                await asyncio.sleep(0)


@pytest.fixture
async def hosts() -> AsyncIterator[Hosts]:
    made = Hosts()
    for _ in range(6):
        await made.add()
    yield made
    made.gate.set()
    for server in made.servers:
        server.close()


@pytest.fixture
async def few(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Requester]:
    make = NetworkGuard.__call__

    def noted(guard: NetworkGuard, info: Any) -> socket.socket:
        hosts.sockets.append(make(guard, info))
        return hosts.sockets[-1]

    monkeypatch.setattr(NetworkGuard, "__call__", noted)
    made = Requester([LOOPBACK], limit=10, per_host=4)
    await made.start()
    yield made
    await made.stop()


def ask(requester: Requester, url: str, connect: float = 10.0) -> asyncio.Task[Any]:
    return asyncio.create_task(requester.send(HttpRequest("GET", url, limits=Limits(connect=connect, total=20, retries=0))))


async def test_so_many_in_all_and_so_many_to_one_host(hosts: Hosts, few: Requester) -> None:
    """Rule: as many local ports as are configured, of which one host that hangs gets its share; the others are served beside it."""
    hanging = [ask(few, hosts.urls[0]) for _ in range(20)]
    await hosts.until(4)
    late = ask(few, hosts.urls[0], connect=0.05)
    with pytest.raises(RequestFailed) as failed:
        await late
    assert failed.value.kind == "connect_timeout"
    others = [ask(few, url) for url in hosts.urls[1:] for _ in range(5)]
    await hosts.until(10)
    assert few.counts() == {"open": 10, "waiting": 20 + 25 - 10}
    hosts.gate.set()
    await asyncio.gather(*hanging, *others)
    assert (hosts.most, hosts.most_of_one, hosts.answered) == (10, 4, 45)
    assert few.counts()["waiting"] == 0


async def test_kept_connections_make_room(hosts: Hosts, few: Requester) -> None:
    """A connection that is kept for the next request is a port and a file too."""
    hosts.gate.set()
    for url in hosts.urls:
        await asyncio.gather(*(ask(few, url) for _ in range(4)))
        assert few.counts()["open"] <= 10
    await hosts.until(10)
    hosts.gate.clear()  # all in use at the hosts that were asked last: whatever is kept goes, the oldest first
    asked = [ask(few, url) for url in hosts.urls[:3] for _ in range(3)]
    async with asyncio.timeout(10):
        while hosts.open[0] + hosts.open[1] + hosts.open[2] < 9:
            await asyncio.sleep(0)
    assert few.counts()["open"] == hosts.most == 10
    hosts.gate.set()
    await asyncio.gather(*asked)


async def test_a_stream_takes_none_of_them(hosts: Hosts, few: Requester) -> None:
    """A WebSocket lasts as long as its call: documents must not wait for its end."""
    streams = [asyncio.create_task(few.websocket(hosts.urls[0], {})) for _ in range(4)]
    await hosts.until(4)
    asked = ask(few, hosts.urls[0], connect=1.0)
    await hosts.until(5)
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    hosts.gate.set()
    assert (await asked).status == 200

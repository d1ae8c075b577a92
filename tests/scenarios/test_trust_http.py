"""Connections that cost more than they say: slow heads and bodies, nothing at all, very many, answers that nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.support.watch import gauge, gauges

from hubbub.testing import HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

HEAD, BODY, MOST = 2.0, 2.0, 6
FORM = b"POST /2010-04-01/Accounts/AC00000000000000000000000000000001/Calls.json HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
NO_LONGER_THAN = 60.0
"""Far beyond the limits, and far below what a test waits for."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[HubbubServer]:
    """One server for all tests of this module."""
    async with HubbubServer(config={"http": {"head_seconds": HEAD, "body_seconds": BODY, "connections": MOST}}) as running:
        yield running


async def drip(server: HubbubServer, first: bytes, byte: bytes) -> tuple[bytes, float]:
    """Send `first`, then a byte ten times a second, until the server has had enough; what it said, and when."""
    reader, writer = await asyncio.open_connection(*server.http)
    began = time.monotonic()
    writer.write(first)

    async def more() -> None:
        with contextlib.suppress(ConnectionError):
            while byte:
                writer.write(byte)
                await writer.drain()
                await asyncio.sleep(0.1)

    dripping = asyncio.create_task(more())
    try:
        said = b""
        with contextlib.suppress(ConnectionError):
            said = await asyncio.wait_for(reader.read(), NO_LONGER_THAN)
        return said, time.monotonic() - began
    finally:
        dripping.cancel()
        writer.close()


@pytest.mark.parametrize(
    ("first", "byte", "least"),
    [
        (b"", b"", HEAD),
        (b"GET /healthz HTTP/1.1\r\nX-Slow: ", b"y", HEAD),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /healthz HTTP/1.1\r\nX-Slow: ", b"y", HEAD),
        (FORM + b"Authorization: Basic eA==\r\n\r\n", b"y", 0.0),
    ],
    ids=["nothing", "head", "second head", "body"],
)
async def test_who_is_slow_is_shown_the_door(server: HubbubServer, first: bytes, byte: bytes, least: float) -> None:
    """`http.head_seconds`, `http.body_seconds`: 408, or the answer that the head alone deserved; then the connection is closed."""
    before = (await gauges(server))["hubbub_http_slow"]
    said, seconds = await drip(server, first, byte)
    assert least * 0.9 <= seconds < NO_LONGER_THAN
    assert (await gauges(server))["hubbub_http_slow"] == before + 1
    last = said.rpartition(b"HTTP/1.1 ")[2]  # a byte that crosses the close resets the connection: then nothing is read of it
    assert last[:3] in (b"", b"408") if least else last[:3] in (b"", b"401", b"408"), said


async def test_a_body_that_an_account_sends_slowly(server: HubbubServer) -> None:
    """With the right credentials too: the request is given up, nothing is done."""
    face = server.faces["twilio"]
    credentials = aiohttp.encode_basic_auth(face["sid"], face["token"])
    said, seconds = await drip(server, FORM + f"Authorization: {credentials}\r\n\r\n".encode(), b"y")
    assert BODY * 0.9 <= seconds < NO_LONGER_THAN
    assert said[:13] in (b"", b"HTTP/1.1 408 ")
    assert "rest_failed" not in server.log
    assert "Traceback" not in server.log


async def test_connections_of_one_address_are_bounded(server: HubbubServer) -> None:
    """`http.connections`: one more gets 503; when some are gone, others may come."""
    streams = []
    before = (await gauges(server))["hubbub_http_refused_connections"]
    await gauge(server, "hubbub_http_connections", 1)
    for _ in range(MOST):
        reader, writer = await asyncio.open_connection(*server.http)
        writer.write(b"GET /hubbub/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 200")
        streams.append(writer)
    said, _ = await drip(server, b"", b"")
    assert said.startswith(b"HTTP/1.1 503 ")
    for writer in streams:
        writer.close()
    for _ in range(200):
        said, _ = await drip(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"")
        if said.startswith(b"HTTP/1.1 200"):
            break
        await asyncio.sleep(0.02)
    await gauge(server, "hubbub_http_connections", 1)
    assert (await gauges(server))["hubbub_http_refused_connections"] > before


async def test_two_hundred_slow_ones_do_not_keep_others_out(tmp_path: Path) -> None:
    """Slowloris: health answers meanwhile, and nothing of them is left."""
    config = {"http": {"head_seconds": HEAD, "connections": 0}}
    async with HubbubServer(config=config, folder=tmp_path / "hubbub") as server, aiohttp.ClientSession() as session:
        slow = [asyncio.create_task(drip(server, b"GET /healthz HTTP/1.1\r\nX-Slow: ", b"y")) for _ in range(200)]
        while not all(task.done() for task in slow):
            async with session.get(server.http_url("/healthz")) as reply:
                assert reply.status == 200
            await asyncio.sleep(0.05)
        told = [said for said, _ in await asyncio.gather(*slow)]
        assert all(not said or said.startswith(b"HTTP/1.1 408 ") for said in told), "a byte that crosses the close resets the connection"
        found = await gauges(server)
        assert found["hubbub_http_slow"] == 200
        assert found["hubbub_http_connections"] <= 2


CHUNKS = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Length: 3\r\nContent-Length: 3\r\n", b"a=b"),
        (b"Content-Length: 3\r\nContent-Length: 42\r\n", b"a=bGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
        (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", CHUNKS),
        (b"Transfer-Encoding: xchunked\r\n", CHUNKS),
        (b"Transfer-Encoding : chunked\r\n", CHUNKS),
        (b"X: a\r\n Transfer-Encoding: chunked\r\n", CHUNKS),
        (b"Content-Length: +3\r\n", b"a=b"),
        (b"Content-Length: -3\r\n", b"a=b"),
        (b"Content-Length: 3\nX: y\r\n", b"a=b"),
        (b"X: a\x00b\r\nContent-Length: 3\r\n", b"a=b"),
        (b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\nx"),
    ],
)
async def test_requests_that_end_in_two_ways_are_refused(server: HubbubServer, headers: bytes, body: bytes) -> None:
    """RFC 9112 11.2, request smuggling: one answer, 400, and the connection is over; nothing behind it is taken for a request."""
    reader, writer = await asyncio.open_connection(*server.http)
    writer.write(b"POST /healthz HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + body)
    said = await asyncio.wait_for(reader.read(), NO_LONGER_THAN)
    writer.close()
    statuses = [line for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert statuses[-1] == b"HTTP/1.1 400 Bad Request"
    assert b"HTTP/1.1 200 OK" not in statuses

"""Peers of the HTTP client that say what they like, and requests of which the failure is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubbub.errors import RequestFailed
from hubbub.webhooks.requester import HttpRequest, Requester


async def failure(requester: Requester, request: HttpRequest) -> RequestFailed:
    """How a request fails that must."""
    with pytest.raises(RequestFailed) as failed:
        await requester.send(request)
    return failed.value


@asynccontextmanager
async def raw_server(talk: Any) -> AsyncIterator[str]:
    """A TCP server; `talk(reader, writer)` plays the peer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()

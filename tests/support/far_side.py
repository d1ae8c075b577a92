"""The far side of a media stream: an application's end of the WebSocket, which remembers what it was told and may speak."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

from hubbub.media.g711 import decode_table, encode_table

DECODE, ENCODE = decode_table()[0], encode_table()[0]


def tone(frequency: float, seconds: float, rate: int = 8000) -> np.ndarray[Any, Any]:
    """A tone as 16-bit samples."""
    return (8000 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def mulaw(pcm: np.ndarray[Any, Any]) -> str:
    """Samples as mu-law in base64."""
    return base64.b64encode(ENCODE[(pcm >> 2) + 8192].tobytes()).decode()


class FarSide:
    """An application's end of a stream."""

    def __init__(self, kind: str = "event") -> None:
        self._kind = kind
        self.messages: list[dict[str, Any]] = []
        self.socket: web.WebSocketResponse | None = None
        self.headers: dict[str, str] = {}
        self.url = ""
        self.news = asyncio.Event()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.headers = dict(request.headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.socket = socket
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.messages.append(json.loads(message.data))
                self.news.set()
        return socket

    async def send(self, event: str, **body: Any) -> None:
        assert self.socket is not None
        await self.socket.send_str(json.dumps({self._kind: event, **body}))

    async def say(self, frequency: float, seconds: float) -> None:
        pcm = tone(frequency, seconds)
        for start in range(0, len(pcm), 160):
            await self.send("media", media={"payload": mulaw(pcm[start : start + 160])})

    async def wait(self, event: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                found = next((message for message in self.messages if message[self._kind] == event), None)
                if found is not None:
                    return found
                self.news.clear()
                await self.news.wait()

    def heard(self, track: str, last: int = 50) -> np.ndarray[Any, Any]:
        """The last seconds of a track."""
        media = [message.get("media", message) for message in self.messages if message[self._kind] == "media"]
        frames = [each["payload"] for each in media if each["track"] == track][-last:]
        return np.concatenate([DECODE[np.frombuffer(base64.b64decode(frame), np.uint8)] for frame in frames])


@asynccontextmanager
async def listening(kind: str = "event") -> AsyncIterator[FarSide]:
    """A far side on a free port of loopback; `kind` is where its dialect puts what a message is."""
    side = FarSide(kind)
    app = web.Application()
    app.router.add_get("/media", side.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        side.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/media"
        yield side
    finally:
        await runner.cleanup()

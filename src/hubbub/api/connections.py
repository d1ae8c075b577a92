"""HTTP connections, as far as strangers can make them expensive: how many of one address, how large and how slow a request may be.

A client that says nothing, or a byte now and then, or that does not read its answer, costs a descriptor for nothing. The parser below
has a bound for neither.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 << 10
AROUND_A_BYTE = 8
"""Bytes of the wire for one of a body: `1 CR LF x CR LF`, and one to spare."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
STALLED_SECONDS = 60.0
"""How long a client may leave its answer unread."""


@dataclass
class Visitors:
    """The bounds of all connections, and who is there. `most` connections of one address (0: any number)."""

    head_seconds: float
    body_seconds: float
    most: int
    of: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    slow: int = 0

    def enter(self, host: str) -> bool:
        """One more connection of an address; False when there are too many."""
        if 0 < self.most <= self.of[host]:
            self.refused += 1
            return False
        self.of[host] += 1
        return True

    def leave(self, host: str) -> None:
        """One less."""
        self.of[host] -= 1
        if self.of[host] <= 0:
            del self.of[host]

    def protocol(self) -> type[asyncio.Protocol]:
        """The protocol whose connections keep these bounds."""
        return type("Connection", (Connection,), {"visitors": self})


class Connection(HttpToolsProtocol):
    """One connection: a head of LARGEST_HEAD bytes at most, whole in `head_seconds`; its body whole in `body_seconds`.

    What stands between and behind the pieces of a body (RFC 9112 7.1: chunk extensions, trailers) counts as a head does; trailers are
    not kept, for they would join the headers without end.
    """

    visitors: Visitors
    _host: str | None = None
    _head = 0
    _body = 0
    _head_complete = True
    _whole = True
    _waiting: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there: the first request is due."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        if not self.visitors.enter(host):
            self._end(TOO_MANY)
            return
        self._host = host
        self._within(self.visitors.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._forget()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Another protocol takes over."""
        self._forget()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head, self._body, self._head_complete, self._whole = 0, 0, False, False
        self._within(self.visitors.head_seconds)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """What follows is a body: its size has a bound elsewhere."""
        self._head_complete = True
        self._within(self.visitors.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole: the answer may take as long as it takes."""
        self._whole = True
        self._within(None)
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        super().data_received(data)
        if self._whole:
            return
        self._head += len(data)
        if self._head > LARGEST_HEAD + AROUND_A_BYTE * self._body:
            self._end(TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has come, or a trailer."""
        if not self._head_complete:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A piece of the body has come."""
        self._body += len(body)
        super().on_body(body)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(STALLED_SECONDS, self._abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _within(self, seconds: float | None) -> None:
        """The next part of the request is due in so many seconds; None: nothing is."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(seconds, self._slow) if seconds else None

    def _slow(self) -> None:
        self.visitors.slow += 1
        self._end(TOO_SLOW)

    def _end(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(answer)
        if self.cycle is not None:
            self.cycle.disconnected = True  # whatever would answer has nobody to answer any more
        self.transport.close()

    def _abort(self) -> None:
        self.visitors.slow += 1
        self.transport.abort()

    def _forget(self) -> None:
        self._within(None)
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        if self._host is not None:
            self.visitors.leave(self._host)
            self._host = None


def counts(visitors: Visitors) -> dict[str, Any]:
    """What `/metrics` shows of them."""
    return {"http_connections": sum(visitors.of.values()), "http_refused_connections": visitors.refused, "http_slow": visitors.slow}

"""Who may connect, and who is thrown out for being slow; time is the loop's, and the loop is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from hubbub.api.connections import LARGEST_HEAD, STALLED_SECONDS, Visitors


class Timer:
    """What `call_later` gave."""

    def __init__(self, seconds: float, work: Callable[[], None]) -> None:
        self.seconds, self.work, self.cancelled = seconds, work, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Remembers what was asked for later, and starts nothing."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, work: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, work))
        return self.timers[-1]

    def due(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.cancelled]

    def create_task(self, work: Any, **_: Any) -> Any:
        work.close()
        return asyncio.Future(loop=asyncio.new_event_loop())


class Transport:
    """Remembers what was written, and how it ended."""

    def __init__(self, host: str) -> None:
        self.host, self.written, self.closed, self.aborted = host, b"", False, False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self.host, 4000), "sockname": ("127.0.0.1", 8080)}.get(name, default)

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application."""


def connect(visitors: Visitors, host: str = "192.0.2.1") -> tuple[Any, Transport, Loop]:
    config = Config(nothing, log_config=None, lifespan="off")
    config.load()
    loop, transport = Loop(), Transport(host)
    made: Any = visitors.protocol()
    protocol = made(config=config, server_state=ServerState(), app_state={}, _loop=loop)
    protocol.connection_made(transport)
    return protocol, transport, loop


def test_an_answer_that_nobody_reads() -> None:
    visitors = Visitors(10.0, 30.0, 5)
    protocol, transport, loop = connect(visitors)
    protocol.pause_writing()
    stalled = [timer for timer in loop.due() if timer.seconds == STALLED_SECONDS]
    assert len(stalled) == 1
    protocol.resume_writing()
    assert stalled[0].cancelled
    protocol.pause_writing()
    protocol.pause_writing()
    (stalled_again,) = [timer for timer in loop.due() if timer.seconds == STALLED_SECONDS]
    stalled_again.work()
    assert transport.aborted
    assert visitors.slow == 1
    protocol.connection_lost(None)
    assert loop.due() == []


def test_each_part_of_a_request_has_its_time() -> None:
    visitors = Visitors(10.0, 30.0, 5)
    protocol, transport, loop = connect(visitors)
    assert [timer.seconds for timer in loop.due()] == [10.0]
    protocol.data_received(b"POST /x HTTP/1.1\r\nHost: x\r\n")
    assert [timer.seconds for timer in loop.due()] == [10.0]
    protocol.data_received(b"Content-Length: 4\r\n\r\nab")
    assert [timer.seconds for timer in loop.due()] == [30.0]
    protocol.data_received(b"cd")
    assert loop.due() == []
    protocol.connection_lost(None)
    assert transport.written == b""
    assert not visitors.of


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"", b"X-Head: y\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"X-Trailer: y\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n1;", b"without=end;"),
    ],
)
def test_what_is_no_body_has_a_bound(begin: bytes, more: bytes) -> None:
    """Trailers and chunk extensions count as a head does, and no trailer joins the headers."""
    protocol, transport, _ = connect(Visitors(0.0, 0.0, 5))
    protocol.data_received(b"POST /x HTTP/1.1\r\nHost: x\r\n" + begin)
    for _ in range(LARGEST_HEAD // (100 * len(more)) + 2):
        protocol.data_received(more * 100)
    assert transport.written.startswith(b"HTTP/1.1 431 ")
    assert transport.closed
    assert not [name for name, _ in protocol.headers if name == b"x-trailer"]
    protocol.connection_lost(None)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_in_small_pieces_is_a_body(size: int) -> None:
    protocol, transport, _ = connect(Visitors(10.0, 30.0, 5))
    protocol.data_received(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200_000 // size):
        protocol.data_received(b"%x\r\n%s\r\n" % (size, b"y" * size))
    protocol.data_received(b"0\r\nX-Trailer: z\r\n\r\n")
    assert transport.written == b""
    assert len(protocol.cycle.body) == 200_000 // size * size
    assert [name for name, _ in protocol.headers] == [b"host", b"transfer-encoding"]
    protocol.connection_lost(None)


def test_addresses_are_counted_each_for_itself_and_forgotten() -> None:
    visitors = Visitors(10.0, 30.0, 2)
    here = [connect(visitors) for _ in range(3)]
    other, transport, _ = connect(visitors, "192.0.2.2")
    assert not transport.closed
    assert [each[1].closed for each in here] == [False, False, True]
    assert here[2][1].written.startswith(b"HTTP/1.1 503 ")
    assert visitors.refused == 1
    for protocol, _transport, _loop in [*here, (other, transport, None)]:
        protocol.connection_lost(None)
    assert not visitors.of
    assert sum(visitors.of.values()) == 0

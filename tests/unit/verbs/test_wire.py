"""Sound to and from the far side of a stream: captures that end by themselves, marks, and what may wait."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from hubbub.errors import MediaError
from hubbub.speech.turns import Turn
from hubbub.verbs import streams, taps, wire
from hubbub.verbs.capture import OpenStream, TapLeg
from hubbub.verbs.listening import Listener
from hubbub.verbs.wire import Ear, Mouth


class FakeCapture:
    """Writes what the test says."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_RDWR)
        self.size = wire.HEADER
        self.over = False

    def write(self, seconds: float) -> None:
        data = b"\1\2" * round(8000 * seconds)
        os.pwrite(self.file, data, self.size)
        self.size += len(data)

    async def stop(self) -> None:
        os.close(self.file)


class FakeMedia:
    """Records and plays nothing."""

    def __init__(self) -> None:
        self.captures: list[FakeCapture] = []

    def record(self, path: Path, taps: Any, **_rest: Any) -> FakeCapture:
        self.captures.append(FakeCapture(path))
        return self.captures[-1]

    def play(self, source: Any, target: Any) -> Any:
        return SimpleNamespace(stop=lambda: None)


@pytest.fixture
def media() -> FakeMedia:
    return FakeMedia()


async def test_a_capture_that_ends_by_itself(media: FakeMedia) -> None:
    """The disk is full: what was written is heard to its end, and then it is over."""
    ear = Ear(cast(Any, media), [("inbound", cast(Any, None))])
    capture = media.captures[0]
    assert ear.read() == []
    capture.write(0.05)
    capture.over = True
    assert len(ear.read()) == 2
    with pytest.raises(MediaError):
        ear.read()
    await ear.close()


async def test_nobody_waits_for_it_for_ever(media: FakeMedia) -> None:
    listener = Listener(cast(Any, media), cast(Any, None), rate=8000)
    media.captures[0].over = True
    async with asyncio.timeout(10):
        with pytest.raises(MediaError):
            await listener.began(Turn(1.0, 10.0))
    await listener.close()


async def test_what_was_read_is_given_back(media: FakeMedia, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour at 16 kHz is 115 MB; nothing of it is needed again."""
    punched: list[tuple[int, int]] = []
    monkeypatch.setattr(wire.holes, "punch", lambda file, begin, end: punched.append((begin, end)) or end)
    monkeypatch.setattr(wire, "GIVE_BACK", 100_000)
    ear = Ear(cast(Any, media), [("inbound", cast(Any, None))])
    for _ in range(12):
        media.captures[0].write(1.0)
        assert len(ear.read()) == 50
    assert punched == [(44, 44 + 7 * 16000)]
    await ear.close()


@dataclass
class FakeTimer:
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """Time stands still; timers go off when the test says."""

    def __init__(self) -> None:
        self.timers: list[FakeTimer] = []

    def time(self) -> float:
        return 100.0

    def call_later(self, seconds: float, call: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(call))
        return self.timers[-1]


async def test_marks_that_were_reached_are_forgotten(media: FakeMedia, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    loop = FakeLoop()
    monkeypatch.setattr(wire.asyncio, "get_running_loop", lambda: loop)
    mouth = Mouth(cast(Any, media), cast(Any, None), sent.append)
    for name in "abc":
        mouth.mark(name, str.upper)
    loop.timers[0].call()
    assert (sent, len(mouth.marks)) == (["A"], 2)
    mouth.clear(str.upper)
    assert (sent, len(mouth.marks)) == (["A", "B", "C"], 0)
    assert [timer.cancelled for timer in loop.timers] == [False, True, True]


async def test_seconds_that_wait_are_limited(media: FakeMedia) -> None:
    """A message may hold a minute and more: pieces alone say nothing."""
    mouth = Mouth(cast(Any, media), cast(Any, None), lambda _message: None)
    piece = np.zeros(160, np.int16)
    async with asyncio.timeout(10):
        for _ in range(10):
            await mouth.say(60.0, piece)
        await mouth.say(60.0, piece)
    more = asyncio.ensure_future(mouth.say(60.0, piece))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not more.done()
    assert mouth.pieces.qsize() == 11
    more.cancel()


class FakeSocket:
    """A far side that says nothing, and stays."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.closed = False

    def __aiter__(self) -> FakeSocket:
        return self

    async def __anext__(self) -> Any:
        await asyncio.Event().wait()

    async def send_str(self, message: str) -> None:
        self.sent.append(message)

    async def close(self) -> None:
        self.closed = True


async def test_a_stream_ends_with_what_it_hears(media: FakeMedia) -> None:
    """The far side is told the end, as of any stream; whoever began it is told why."""
    socket = FakeSocket()

    async def websocket(_url: str, _headers: Any) -> FakeSocket:
        return socket

    talk = SimpleNamespace(headers=dict, opened=list, closed=lambda: "stop", heard=lambda track, pcm: "media")
    services = SimpleNamespace(accounts={"dev": None}, requester=SimpleNamespace(websocket=websocket), media=media)
    record = SimpleNamespace(account="dev")
    streamed = SimpleNamespace(services=services, record=record, dialect=None, target=None, taps=lambda tracks: [("inbound", None)])
    verb = OpenStream(url="wss://there", speaks=lambda *_args: cast(Any, talk))
    conversation = asyncio.ensure_future(streams.converse(cast(Any, streamed), verb, cast(Any, SimpleNamespace(id="1"))))
    async with asyncio.timeout(10):
        while not media.captures:
            await asyncio.sleep(0)
        media.captures[0].over = True
        with pytest.raises(MediaError):
            await conversation
    assert (socket.sent, socket.closed) == (["stop"], True)


async def test_a_tap_ends_with_what_it_hears(media: FakeMedia) -> None:
    reported: list[str] = []
    dialect = SimpleNamespace(refusal_code=lambda reason: reason)
    streamed = SimpleNamespace(services=None, record=None, dialect=dialect, report=lambda code, message, **_rest: reported.append(code))
    ear = Ear(cast(Any, media), [("inbound", cast(Any, None))])
    media.captures[0].over = True
    out = SimpleNamespace(close=lambda: reported.append("closed"))
    verb = TapLeg(host="127.0.0.1", port=9)
    async with asyncio.timeout(10):
        await taps._carry(cast(Any, streamed), verb, cast(Any, None), ear, cast(Any, out))
    assert reported == ["stream", "closed"]

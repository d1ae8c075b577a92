"""Media streams: a call's audio over a WebSocket, beside everything else, or both ways until the far side closes.

What the messages look like is the dialect's business (`Conversation`); here sound is moved: what the leg says and hears is
tapped at 8 kHz and sent as it comes, what the far side sends is played to the leg.

A stream that begins, ends, or is rejected is told to its `notices`: `connection-error` when the far side cannot be reached,
`duplicate` and `track-limit` where the verb forbids them, `error` when the call cannot be tapped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

import aiohttp
import numpy as np
import soxr
import structlog

from hubbub.conference.journal import rendered
from hubbub.errors import HubbubError, MediaError
from hubbub.events import CallRecord, StreamEvent, StreamRecord
from hubbub.ids import Id, new_id
from hubbub.media.client import Capture, Media, Pcm, Playback, Stream, Tap
from hubbub.settings import Account
from hubbub.verbs.dialect import Dialect
from hubbub.verbs.model import CloseStream, OpenStream, Outcome

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell

log = structlog.get_logger()

WIRE_RATE: Final = 8000
WIRE_FRAME: Final = 160
"""Samples of 20 ms."""
ROUND: Final = 0.06
"""Seconds between two looks at what was tapped."""
HEADER: Final = 44
MOST_QUEUED: Final = 3000
"""Pieces of sound that may wait to be played; one that sends faster than that waits."""
Track = Literal["inbound", "outbound"]
RejectCause = Literal["", "connection-error", "duplicate", "track-limit", "error"]
_TAPS: Final[Mapping[Track, Literal["leg_in", "leg_out"]]] = {"inbound": "leg_in", "outbound": "leg_out"}


@dataclass(frozen=True)
class Said:
    """The far side wants the caller to hear this: mono."""

    pcm: Pcm
    rate: int = WIRE_RATE


@dataclass(frozen=True)
class Marked:
    """The far side wants to know when what it has said so far was heard."""

    name: str


@dataclass(frozen=True)
class Cleared:
    """The far side takes back what was not heard yet."""


class Conversation(Protocol):
    """How a dialect speaks on a stream; it numbers its messages."""

    def headers(self) -> Mapping[str, str]:
        """Of the handshake: signed."""

    def opened(self) -> Sequence[str]:
        """The first messages."""

    def heard(self, track: Track, pcm: Pcm) -> str:
        """20 ms of a track."""

    def key(self, digit: str) -> str:
        """A key was pressed."""

    def reached(self, name: str) -> str:
        """What was said before that mark was heard."""

    def closed(self) -> str:
        """The last message."""

    def read(self, text: str) -> Said | Marked | Cleared | None:
        """What the far side says; None for what means nothing here."""


Speaks = Callable[[Account, CallRecord, OpenStream, Id, Dialect], Conversation]


@dataclass
class _Mouth:
    """What the far side says, on its way to the leg."""

    media: Media
    shell: CallShell
    send: Callable[[str], None]
    pieces: asyncio.Queue[Pcm] = field(default_factory=lambda: asyncio.Queue(MOST_QUEUED))
    playback: Playback | None = None
    until: float = 0.0
    """When everything so far will have been heard."""
    marks: list[tuple[str, asyncio.TimerHandle]] = field(default_factory=list)

    async def say(self, seconds: float, wide: Pcm) -> None:
        """Play this after what waits: `wide` is at the rate of the mix, and may be behind by what its resampler keeps."""
        loop = asyncio.get_running_loop()
        if self.playback is None:
            self.playback = self.media.play(Stream(self._waiting()), self.shell.session.leg)
        self.until = max(loop.time(), self.until) + seconds
        if len(wide):
            await self.pieces.put(wide)

    async def _waiting(self) -> AsyncIterator[Pcm]:
        while True:
            yield await self.pieces.get()

    def mark(self, name: str, reached: Callable[[str], str]) -> None:
        """Tell when what was said so far has been heard; the message is made then, so that its number is in order."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(max(0.0, self.until - loop.time()), lambda: self.send(reached(name)))
        self.marks.append((name, timer))

    def clear(self, reached: Callable[[str], str]) -> None:
        """Stop, and forget what waits; marks are reached at once."""
        loop = asyncio.get_running_loop()
        if self.playback is not None:
            self.playback.stop()
        self.playback, self.pieces, self.until = None, asyncio.Queue(MOST_QUEUED), 0.0
        for name, timer in self.marks:
            if not timer.cancelled() and timer.when() > loop.time():
                timer.cancel()
                self.send(reached(name))
        self.marks.clear()

    def close(self) -> None:
        """Nothing more is heard."""
        if self.playback is not None:
            self.playback.stop()
        for _, timer in self.marks:
            timer.cancel()


class _Ear:
    """What the leg says and hears, 20 ms after 20 ms, through a file that has no name and goes with the process."""

    def __init__(self, media: Media, shell: CallShell, tracks: Sequence[Track]) -> None:
        self._tracks = tracks
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the stream
        self._at = HEADER
        taps = [Tap(_TAPS[track], shell.session.leg) for track in tracks]
        try:
            self._capture: Capture = media.record(Path(f"/proc/self/fd/{self._file.fileno()}"), taps, rate=WIRE_RATE)
        except BaseException:
            self._file.close()
            raise

    def read(self) -> list[tuple[Track, Pcm]]:
        """What came since the last time, in whole frames."""
        width = 2 * WIRE_FRAME * len(self._tracks)
        data = os.pread(self._file.fileno(), 1 << 20, self._at)
        whole = len(data) // width * width
        self._at += whole
        frames = np.frombuffer(data[:whole], "<i2").reshape(-1, WIRE_FRAME, len(self._tracks))
        return [(track, frame[:, n].astype(np.int16)) for frame in frames for n, track in enumerate(self._tracks)]

    async def close(self) -> None:
        """Tap no more."""
        try:
            with contextlib.suppress(HubbubError, OSError):
                await self._capture.stop()
        finally:
            self._file.close()


async def perform(shell: CallShell, verb: OpenStream) -> Outcome:
    """Speak with the far side until it closes; or carry the audio beside everything else, and go on at once."""
    if not verb.waits:
        opened = begin(shell, verb)
        return Outcome(details={"stream": opened.id}) if opened is not None else Outcome("failed", "rejected")
    try:
        await _converse(shell, verb, _record(shell, verb))
    except HubbubError as error:
        _report(shell, verb, error)
        return Outcome("failed", str(error))
    return Outcome()


@dataclass(frozen=True)
class OpenedStream:
    """A stream that goes on beside everything else."""

    record: StreamRecord
    task: asyncio.Task[None]

    @property
    def id(self) -> Id:
        """Its identity."""
        return self.record.id

    @property
    def live(self) -> bool:
        """Whether it goes on."""
        return not self.task.done() and not self.task.cancelling()


def begin(shell: CallShell, verb: OpenStream) -> OpenedStream | None:
    """Begin a stream beside everything else; None where it is rejected."""
    session, record = shell.session, _record(shell, verb)
    session.streams = {each.id: each for each in session.streams.values() if each.live}
    others = [each.record for each in session.streams.values()]
    original = next((other for other in others if verb.only_name and other.name == record.name), None)
    most = verb.most_tracks
    if original is not None:
        _reject(shell, verb, record, "duplicate", f"a stream is called {record.name!r} already", original)
        return None
    if most is not None and len(record.tracks) + sum(len(other.tracks) for other in others) > most:
        _reject(shell, verb, record, "track-limit", f"a call has at most {most} tracks that are streamed")
        return None
    task = asyncio.create_task(_beside(shell, verb, record), name=f"stream-{record.id}")
    opened = OpenedStream(record, task)
    session.streams[opened.id] = opened
    return opened


async def _beside(shell: CallShell, verb: OpenStream, record: StreamRecord) -> None:
    try:
        await _converse(shell, verb, record)
    except HubbubError as error:
        _report(shell, verb, error)


async def stop(shell: CallShell, verb: CloseStream) -> Outcome:
    """End the stream of that name or identity; all for the empty name."""
    ending = [each for each in shell.session.streams.values() if each.live and verb.name in ("", each.record.name, each.record.id)]
    for opened in ending:
        opened.task.cancel()
    if verb.waits and ending:
        await asyncio.wait([opened.task for opened in ending])
    return Outcome()


def _record(shell: CallShell, verb: OpenStream) -> StreamRecord:
    return StreamRecord(new_id(), shell.session.record.id, verb.name, verb.url, shell.services.clock.now(), verb.tracks)


def _report(shell: CallShell, verb: OpenStream, problem: object) -> None:
    shell.session.report(shell.session.dialect.refusal_code("stream"), str(problem), level="error", line=verb.at.line)


def _reject(
    shell: CallShell, verb: OpenStream, record: StreamRecord, cause: RejectCause, error: str, original: StreamRecord | None = None
) -> None:
    _report(shell, verb, error)
    _tell(shell, verb, "rejected", record, cause, error, original)


def _tell(
    shell: CallShell,
    verb: OpenStream,
    kind: Literal["started", "stopped", "rejected"],
    record: StreamRecord,
    cause: RejectCause = "",
    error: str = "",
    original: StreamRecord | None = None,
) -> None:
    """Tell whoever wants to know how the stream gets on."""
    services, session, link = shell.services, shell.session, verb.notices
    if link is None:
        return
    event = StreamEvent(kind, record, session.record, services.clock.now(), cause, error, original)
    account = services.accounts[session.record.account]
    services.journal.write([], [], rendered(partial(session.dialect.stream_notices, account, event, link)))


async def _converse(shell: CallShell, verb: OpenStream, record: StreamRecord) -> None:
    services, session = shell.services, shell.session
    talk: Conversation = verb.speaks(services.accounts[session.record.account], session.record, verb, record.id, session.dialect)
    cause: RejectCause = "connection-error"
    try:
        socket = await services.requester.websocket(verb.url, talk.headers())
        cause = "error"
        ear = await _listener(shell, verb, socket)
    except HubbubError as error:
        _tell(shell, verb, "rejected", record, cause, str(error))
        raise
    _tell(shell, verb, "started", record)
    outgoing: asyncio.Queue[str] = asyncio.Queue()
    mouth = _Mouth(services.media, shell, outgoing.put_nowait)
    if verb.waits:
        session.call.on_digit = lambda digit: outgoing.put_nowait(talk.key(digit))
    for message in talk.opened():
        outgoing.put_nowait(message)
    sending = asyncio.create_task(_send(socket, outgoing))
    tapping = asyncio.create_task(_tap(ear, talk, outgoing))
    try:
        await _listen(socket, talk, mouth, both_ways=verb.both_ways)
    finally:
        tapping.cancel()
        sending.cancel()
        if verb.waits:
            session.call.on_digit = None
        mouth.close()
        _tell(shell, verb, "stopped", record)
        await asyncio.gather(tapping, sending, ear.close(), _say_goodbye(socket, talk), return_exceptions=True)


async def _listener(shell: CallShell, verb: OpenStream, socket: aiohttp.ClientWebSocketResponse) -> _Ear:
    try:
        return _Ear(shell.services.media, shell, verb.tracks)
    except (HubbubError, OSError) as error:
        await socket.close()
        raise MediaError(f"the call cannot be streamed: {error}") from error


async def _say_goodbye(socket: aiohttp.ClientWebSocketResponse, talk: Conversation) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError):
        if not socket.closed:
            await socket.send_str(talk.closed())
        await socket.close()


async def _send(socket: aiohttp.ClientWebSocketResponse, outgoing: asyncio.Queue[str]) -> None:
    while True:
        message = await outgoing.get()
        try:
            await socket.send_str(message)
        except (aiohttp.ClientError, OSError):  # the reader sees the end of it
            return


async def _tap(ear: _Ear, talk: Conversation, outgoing: asyncio.Queue[str]) -> None:
    while True:
        for track, pcm in ear.read():
            outgoing.put_nowait(talk.heard(track, pcm))
        await asyncio.sleep(ROUND)


async def _listen(socket: aiohttp.ClientWebSocketResponse, talk: Conversation, mouth: _Mouth, *, both_ways: bool) -> None:
    """Until the far side closes."""
    widen: dict[int, soxr.ResampleStream] = {}
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT or not both_ways:
            continue
        match talk.read(message.data):
            case Said(pcm, rate):
                if rate not in widen:
                    widen = {rate: soxr.ResampleStream(rate, 2 * WIRE_RATE, 1, dtype="int16")}
                await mouth.say(len(pcm) / rate, np.asarray(widen[rate].resample_chunk(pcm), dtype=np.int16))
            case Marked(name):
                mouth.mark(name, talk.reached)
            case Cleared():
                mouth.clear(talk.reached)
                widen.clear()
            case None:
                log.info("stream_message_ignored", call=mouth.shell.session.call.id)


__all__ = ["Cleared", "Conversation", "Marked", "Said", "Speaks", "perform", "stop"]

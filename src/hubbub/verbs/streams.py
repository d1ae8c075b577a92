"""Media streams: a call's audio over a WebSocket, beside everything else, or both ways until the far side closes.

What the messages look like is the dialect's business (`Conversation`); here sound is moved: what the leg says and hears is
tapped at 8 kHz and sent as it comes, what the far side sends is played to the leg.

A stream that begins, ends, or is rejected is told to its `notices`: `connection-error` when the far side cannot be reached,
`duplicate` and `track-limit` where the verb forbids them, `error` when the call cannot be tapped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import aiohttp
import numpy as np
import soxr
import structlog

from hubbub.conference.journal import rendered
from hubbub.errors import HubbubError, MediaError, RequestFailed
from hubbub.events import CallRecord, Link, StreamEvent, StreamRecord
from hubbub.ids import Id, new_id
from hubbub.media.client import Leg, Mix, Pcm, Tap
from hubbub.settings import Account
from hubbub.verbs.capture import CloseStream, OpenStream
from hubbub.verbs.dialect import Dialect
from hubbub.verbs.program import Outcome
from hubbub.verbs.wire import ROUND, WIRE_RATE, Ear, Mouth, Track, tapped_leg

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell
    from hubbub.verbs.services import VerbServices

log = structlog.get_logger()

RejectCause = Literal["", "connection-error", "duplicate", "track-limit", "error"]


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


class Streamed(Protocol):
    """What is streamed: the leg of a call, or a room."""

    @property
    def services(self) -> VerbServices:
        """Of the server."""

    @property
    def record(self) -> CallRecord:
        """The call that it belongs to, or whose document asked for it."""

    @property
    def dialect(self) -> Dialect:
        """What its messages and notices speak."""

    @property
    def target(self) -> Leg | Mix:
        """Who hears what the far side says."""

    @property
    def room(self) -> Id | None:
        """The room, if it is one."""

    def taps(self, tracks: Sequence[Track]) -> list[tuple[Track, Tap]]:
        """What the far side hears."""

    def report(self, code: str, message: str, *, level: str = "warning", line: int | None = None) -> None:
        """Keep a problem for its account to read."""

    def hear_keys(self, told: Callable[[str], None]) -> Callable[[], None]:
        """Tell its keys to this one until what is returned is called."""


@dataclass(frozen=True)
class StreamedCall:
    """The leg of a call."""

    shell: CallShell
    room: Id | None = None

    @property
    def services(self) -> VerbServices:
        """Of the server."""
        return self.shell.services

    @property
    def record(self) -> CallRecord:
        """The call."""
        return self.shell.session.record

    @property
    def dialect(self) -> Dialect:
        """The call's."""
        return self.shell.session.dialect

    @property
    def target(self) -> Leg | Mix:
        """The leg."""
        return self.shell.session.leg

    def taps(self, tracks: Sequence[Track]) -> list[tuple[Track, Tap]]:
        """What it says and hears."""
        return tapped_leg(self.shell.session.leg, tracks)

    def report(self, code: str, message: str, *, level: str = "warning", line: int | None = None) -> None:
        """Keep a problem of the call."""
        self.shell.session.report(code, message, level=level, line=line)

    def hear_keys(self, told: Callable[[str], None]) -> Callable[[], None]:
        """Tell its keys to this one until what is returned is called."""
        return self.shell.session.call.hear_keys(told)


async def perform(shell: CallShell, verb: OpenStream) -> Outcome:
    """Speak with the far side until it closes; or carry the audio beside everything else, and go on at once."""
    if not verb.waits:
        opened = begin(shell, verb)
        return Outcome(details={"stream": opened.id}) if opened is not None else Outcome("failed", "rejected")
    streamed = StreamedCall(shell)
    try:
        await converse(streamed, verb, recorded(streamed, verb))
    except HubbubError as error:
        _report(streamed, verb, error)
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

    def stop(self) -> None:
        """End it."""
        self.task.cancel()


def begin(shell: CallShell, verb: OpenStream) -> OpenedStream | None:
    """Begin a stream beside everything else; None where it is rejected."""
    streamed = StreamedCall(shell)
    return open_beside(streamed, verb, shell.session.streams)


def open_beside(streamed: Streamed, verb: OpenStream, streams: dict[Id, OpenedStream]) -> OpenedStream | None:
    """Begin a stream beside others, and keep it with them; None where it is rejected."""
    record, others = recorded(streamed, verb), [each.record for each in streams.values() if each.live]
    original = next((other for other in others if verb.only_name and other.name == record.name), None)
    most = verb.most_tracks
    if original is not None:
        _reject(streamed, verb, record, "duplicate", f"a stream is called {record.name!r} already", original)
        return None
    if most is not None and len(record.tracks) + sum(len(other.tracks) for other in others) > most:
        _reject(streamed, verb, record, "track-limit", f"a call has at most {most} tracks that are streamed")
        return None
    return keep(streams, record, asyncio.create_task(_beside(streamed, verb, record), name=f"stream-{record.id}"))


def keep(streams: dict[Id, OpenedStream], record: StreamRecord, task: asyncio.Task[None]) -> OpenedStream:
    """Keep what goes on beside others, and forget those that are over."""
    for identity in [each.id for each in streams.values() if not each.live]:
        del streams[identity]
    streams[record.id] = opened = OpenedStream(record, task)
    return opened


async def _beside(streamed: Streamed, verb: OpenStream, record: StreamRecord) -> None:
    try:
        await converse(streamed, verb, record)
    except HubbubError as error:
        _report(streamed, verb, error)


async def stop(shell: CallShell, verb: CloseStream) -> Outcome:
    """End the stream of that name or identity; all for the empty name."""
    ending = [each for each in shell.session.streams.values() if each.live and verb.name in ("", each.record.name, each.record.id)]
    for opened in ending:
        opened.stop()
    if verb.waits and ending:
        await asyncio.wait([opened.task for opened in ending])
    return Outcome()


def recorded(streamed: Streamed, verb: OpenStream) -> StreamRecord:
    """The facts about a stream that begins now."""
    now = streamed.services.clock.now()
    return StreamRecord(new_id(), streamed.record.id, verb.name, verb.url, now, verb.tracks, streamed.room, verb.what)


UNOPENED = {
    **dict.fromkeys(("connect_timeout", "timeout"), "stream-timeout"),
    **dict.fromkeys(("dns", "network", "blocked"), "stream-unreachable"),
    **dict.fromkeys(("tls", "tls_name", "tls_expired", "tls_chain"), "stream-tls"),
    "refused": "stream-refused",
}
"""Why a far side cannot be reached, by the kind of the request's failure; anything else is a handshake that failed: `stream`."""
GOOD_CLOSES = frozenset({aiohttp.WSCloseCode.OK, aiohttp.WSCloseCode.GOING_AWAY, 1005})
"""1005: closed without a word why (RFC 6455 7.4.1)."""


def _report(streamed: Streamed, verb: OpenStream, problem: object) -> None:
    reason = UNOPENED.get(problem.kind, "stream") if isinstance(problem, RequestFailed) else "stream"
    streamed.report(streamed.dialect.refusal_code(reason), str(problem), level="error", line=verb.at.line)


def _reject(
    streamed: Streamed, verb: OpenStream, record: StreamRecord, cause: RejectCause, error: str, original: StreamRecord | None = None
) -> None:
    _report(streamed, verb, error)
    tell(streamed, verb.notices, "rejected", record, cause, error, original)


def tell(
    streamed: Streamed,
    link: Link | None,
    kind: Literal["started", "stopped", "rejected"],
    record: StreamRecord,
    cause: RejectCause = "",
    error: str = "",
    original: StreamRecord | None = None,
) -> None:
    """Tell whoever wants to know how a stream gets on."""
    services, call = streamed.services, streamed.record
    if link is None:
        return
    event = StreamEvent(kind, record, call, services.clock.now(), cause, error, original)
    account = services.accounts[call.account]
    services.journal.write([], [], rendered(partial(streamed.dialect.stream_notices, account, event, link)))


async def converse(streamed: Streamed, verb: OpenStream, record: StreamRecord) -> None:
    """Speak with the far side until it closes, or this is cancelled. Raises HubbubError where it cannot begin."""
    services, call = streamed.services, streamed.record
    talk: Conversation = verb.speaks(services.accounts[call.account], call, verb, record.id, streamed.dialect)
    cause: RejectCause = "connection-error"
    try:
        socket = await services.requester.websocket(verb.url, talk.headers())
        cause = "error"
        ear = await _listener(streamed, verb, socket)
    except HubbubError as error:
        tell(streamed, verb.notices, "rejected", record, cause, str(error))
        raise
    tell(streamed, verb.notices, "started", record)
    outgoing: asyncio.Queue[str] = asyncio.Queue()
    mouth = Mouth(services.media, streamed.target, outgoing.put_nowait)
    deaf = streamed.hear_keys(lambda digit: outgoing.put_nowait(talk.key(digit))) if verb.waits else None
    for message in talk.opened():
        outgoing.put_nowait(message)
    sending = asyncio.create_task(_send(socket, outgoing))
    tapping = asyncio.create_task(_tap(ear, talk, outgoing))
    told = Once(streamed, verb)
    listening = asyncio.create_task(_listen(socket, talk, mouth, told, both_ways=verb.both_ways))
    try:
        done, _ = await asyncio.wait({listening, tapping}, return_when=asyncio.FIRST_COMPLETED)
        (listening if listening in done else tapping).result()
    finally:
        listening.cancel()
        tapping.cancel()
        sending.cancel()
        if deaf is not None:
            deaf()
        mouth.close()
        tell(streamed, verb.notices, "stopped", record)
        await asyncio.gather(listening, tapping, sending, ear.close(), _say_goodbye(socket, talk), return_exceptions=True)


async def _listener(streamed: Streamed, verb: OpenStream, socket: aiohttp.ClientWebSocketResponse) -> Ear:
    try:
        return Ear(streamed.services.media, streamed.taps(verb.tracks), verb.rate)
    except (HubbubError, OSError) as error:
        await socket.close()
        raise MediaError(f"the sound cannot be streamed: {error}") from error


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


async def _tap(ear: Ear, talk: Conversation, outgoing: asyncio.Queue[str]) -> None:
    while True:
        for track, pcm in ear.read():
            outgoing.put_nowait(talk.heard(track, pcm))
        await asyncio.sleep(ROUND)


class Once:
    """Tells the author of a stream what its far side does wrong: each mistake once, however often it is made."""

    def __init__(self, streamed: Streamed, verb: OpenStream) -> None:
        self._streamed = streamed
        self._verb = verb
        self._told: set[str] = set()

    def __call__(self, reason: str, text: str, level: str = "warning") -> None:
        """A mistake, by its neutral word."""
        if reason not in self._told:
            self._told.add(reason)
            self._streamed.report(self._streamed.dialect.refusal_code(reason), text, level=level, line=self._verb.at.line)


async def _listen(socket: aiohttp.ClientWebSocketResponse, talk: Conversation, mouth: Mouth, told: Once, *, both_ways: bool) -> None:
    """Until the far side closes."""
    widen: dict[int, soxr.ResampleStream] = {}
    async for message in socket:
        if message.type is aiohttp.WSMsgType.ERROR:
            told("stream-protocol", f"the far side breaks the protocol: {message.data}", "error")
            return
        elif message.type is not aiohttp.WSMsgType.TEXT:
            told("stream-malformed", "the far side sent bytes; messages are text")
        elif not both_ways:
            told("stream-message", "the far side sent a message on a stream that goes one way")
        else:
            await _obey(message.data, talk, mouth, told, widen)
    if socket.close_code not in GOOD_CLOSES:
        told("stream-closed", f"the far side closed the stream ({socket.close_code})", "error")


async def _obey(text: str, talk: Conversation, mouth: Mouth, told: Once, widen: dict[int, soxr.ResampleStream]) -> None:
    """Do what a message says."""
    match talk.read(text):
        case Said(pcm, rate):
            if rate not in widen:
                widen.clear()
                widen[rate] = soxr.ResampleStream(rate, 2 * WIRE_RATE, 1, dtype="int16")
            await mouth.say(len(pcm) / rate, np.asarray(widen[rate].resample_chunk(pcm), dtype=np.int16))
        case Marked(name):
            mouth.mark(name, talk.reached)
        case Cleared():
            mouth.clear(talk.reached)
            widen.clear()
        case None:
            told("stream-message", f"a message of the far side means nothing here: {text[:80]!r}")


__all__ = ["Cleared", "Conversation", "Marked", "Said", "Speaks", "Track", "perform", "stop"]

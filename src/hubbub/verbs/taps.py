"""TapLeg: the audio of a call as RTP packets (RFC 3550, 3551) to wherever its application listens.

Outcome `done` with `source`, the address that they come from; `failed` where the address may not be sent to (the same networks as
webhooks). It is stopped as a stream is.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from typing import TYPE_CHECKING

import numpy as np

from hubbub.errors import HubbubError, MediaError
from hubbub.events import StreamRecord
from hubbub.ids import new_id
from hubbub.media.g711 import encode_table
from hubbub.media.tones import Pcm
from hubbub.verbs.capture import TapLeg
from hubbub.verbs.program import Outcome
from hubbub.verbs.streams import StreamedCall, keep, tell
from hubbub.verbs.wire import ROUND, WIRE_RATE, Ear

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell

ENCODE = encode_table()
PAYLOAD_TYPES = {"PCMU": (0, 0), "PCMA": (8, 1)}
"""Payload type (RFC 3551), and row of the table."""


class RtpSender:
    """One stream of packets."""

    def __init__(self, verb: TapLeg) -> None:
        self._type, self._law = PAYLOAD_TYPES[verb.codec]
        self._samples = WIRE_RATE * verb.packet_ms // 1000
        self._ssrc = secrets.randbits(32)
        self._sequence, self._time = secrets.randbits(15), secrets.randbits(31)
        self._marker = 0x80
        self._rest: Pcm = np.zeros(0, np.int16)

    def packets(self, pcm: Pcm) -> list[bytes]:
        """What is whole by now."""
        self._rest = np.concatenate([self._rest, pcm])
        found = []
        while len(self._rest) >= self._samples:
            payload = ENCODE[self._law][(self._rest[: self._samples] >> 2) + 8192].tobytes()
            head = struct.pack("!BBHII", 0x80, self._marker | self._type, self._sequence, self._time, self._ssrc)
            found.append(head + payload)
            self._marker = 0
            self._sequence, self._time = self._sequence + 1 & 0xFFFF, self._time + self._samples & 0xFFFFFFFF
            self._rest = self._rest[self._samples :]
        return found


async def perform(shell: CallShell, verb: TapLeg) -> Outcome:
    """Begin, and go on at once."""
    session, streamed = shell.session, StreamedCall(shell)
    now, url = shell.services.clock.now(), f"rtp://{verb.host}:{verb.port}"
    record = StreamRecord(new_id(), session.record.id, verb.name, url, now, verb.tracks, what="tap")
    try:
        out = _socket(shell, verb)
    except (HubbubError, OSError, OverflowError) as error:
        session.report(session.dialect.refusal_code("stream"), str(error), level="error", line=verb.at.line)
        tell(streamed, verb.notices, "rejected", record, "connection-error", str(error))
        return Outcome("failed", str(error))
    try:
        ear = Ear(session.media, streamed.taps(verb.tracks), mono=len(verb.tracks) > 1)
    except BaseException as error:
        out.close()
        if isinstance(error, (HubbubError, OSError)):
            raise MediaError(f"the call cannot be tapped: {error}") from error
        raise
    task = asyncio.create_task(_carry(streamed, verb, record, ear, out), name=f"tap-{record.id}")
    keep(session.streams, record, task)
    return Outcome(details={"stream": record.id, "source": out.getsockname()[:2]})


def _socket(shell: CallShell, verb: TapLeg) -> socket.socket:
    if not shell.services.requester.permits(verb.host):
        raise MediaError(f"packets may not be sent to {verb.host}: it is in none of the networks that are allowed")
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        out.connect((verb.host, verb.port))
        out.setblocking(False)
    except BaseException:
        out.close()
        raise
    return out


async def _carry(streamed: StreamedCall, verb: TapLeg, record: StreamRecord, ear: Ear, out: socket.socket) -> None:
    tell(streamed, verb.notices, "started", record)
    sender = RtpSender(verb)
    try:
        while True:
            for _, pcm in ear.read():
                for packet in sender.packets(pcm):
                    try:
                        out.send(packet)
                    except OSError:  # nobody listens there, or the kernel has no room: the next one may pass
                        continue
            await asyncio.sleep(ROUND)
    except MediaError as error:
        streamed.report(streamed.dialect.refusal_code("stream"), str(error), level="error", line=verb.at.line)
    finally:
        out.close()
        tell(streamed, verb.notices, "stopped", record)
        await ear.close()

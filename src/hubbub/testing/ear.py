"""What a phone receives: packets with their arrival times, laid on a time line. No socket, no clock."""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from hubbub.testing import g722, opus
from hubbub.testing.g711 import BY_TYPE, Pcm
from hubbub.testing.heard import Heard
from hubbub.testing.mouth import DIGITS

RATE: Final = 8000
LATE: Final = 0.3
EARLY: Final = 1.0
"""Seconds by which RTP time may fall behind or run ahead of arrival before the time line is anchored anew."""


@dataclass(frozen=True)
class Arrival:
    """An audio packet: when it came, and where on the time line (in samples) its audio stands."""

    at: float
    sequence: int
    place: int
    payload_type: int
    payload: bytes
    pcm: Pcm | None = None
    """What was decoded at arrival, for a codec that remembers what went before."""


@dataclass(frozen=True)
class Digit:
    """A key that was heard as telephone-event; `duration` in seconds grows until the key is up."""

    key: str
    at: float
    duration: float


@dataclass
class Ear:
    """Receives the RTP of one call.

    The time line counts samples from `origin` (monotonic seconds): audio stands where it arrived, and inside a stream where its
    RTP timestamp says. What never came is zeros.
    """

    origin: float
    telephone_event: int | None = 101
    event_clock: int = 1
    """Clock of telephone-events in units of 8 kHz."""
    opus_type: int | None = None
    """Payload type of Opus, where that was agreed."""
    reports: int = 0
    """RTCP packets that came to this port (RFC 5761)."""
    arrivals: list[Arrival] = field(default_factory=list)
    digits: list[Digit] = field(default_factory=list)
    lost: int = 0
    strange: int = 0
    ssrcs: list[int] = field(default_factory=list)
    _places: list[int] = field(default_factory=list)
    _offset: int | None = None
    _sequence: int = 0
    _event_timestamp: int | None = None
    _end: int = 0
    _g722: g722.G722 | None = None
    _opus: opus.Opus | None = None
    _clock: int = 1

    def receive(self, packet: bytes, at: float) -> None:
        """Take one packet that arrived `at` (monotonic seconds). What is no RTP of this call is counted in `strange`."""
        if len(packet) < 12 or packet[0] & 0xC0 != 0x80:
            self.strange += 1
            return
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
        payload = packet[12 + 4 * (first & 15) :]
        payload_type = second & 0x7F
        if 192 <= second <= 223:  # RFC 5761 4
            self.reports += 1
            return
        if not self.ssrcs or self.ssrcs[-1] != ssrc:
            self.ssrcs.append(ssrc)
            self._offset = self._event_timestamp = None
        elif 1 < (ahead := sequence - self._sequence & 0xFFFF) < 0x8000:
            self.lost += ahead - 1
        self._sequence = sequence
        if (payload_type in BY_TYPE or payload_type in (g722.PAYLOAD_TYPE, self.opus_type)) and payload:
            self._audio(at, sequence, timestamp, payload_type, payload)
        elif payload_type == self.telephone_event and len(payload) >= 4:
            self._event(at, timestamp, payload)
        else:
            self.strange += 1

    def _audio(self, at: float, sequence: int, timestamp: int, payload_type: int, payload: bytes) -> None:
        arrived = round((at - self.origin) * RATE)
        clock = opus.CLOCK if payload_type == self.opus_type else 1
        if clock != self._clock:
            self._clock, self._offset = clock, None
        timestamp //= clock
        if self._offset is None:
            self._offset = max(arrived, self._end) - timestamp
        place = timestamp + self._offset
        # The 32-bit RTP clock wraps; take the turn that is nearest to the arrival.
        turns = round((arrived - place) * clock / 2**32)
        if turns:
            self._offset += turns * 2**32 // clock
            place += turns * 2**32 // clock
        if not -EARLY * RATE <= arrived - place <= LATE * RATE:
            self._offset = max(arrived, self._end) - timestamp
            place = timestamp + self._offset
        index = len(self._places)
        if place < self._end:  # out of order
            index = bisect_left(self._places, place)
        self._places.insert(index, place)
        pcm = self._decoded(payload_type, payload)
        self.arrivals.insert(index, Arrival(at, sequence, place, payload_type, payload, pcm))
        self._end = max(self._end, place + (len(payload) if pcm is None else len(pcm)))

    def _decoded(self, payload_type: int, payload: bytes) -> Pcm | None:
        if payload_type == self.opus_type:
            self._opus = self._opus or opus.Opus(payload_type)
            return self._opus.decode(payload)
        self._opus = None
        if payload_type != g722.PAYLOAD_TYPE:
            self._g722 = None
            return None
        self._g722 = self._g722 or g722.G722()
        return self._g722.decode(payload)

    def _event(self, at: float, timestamp: int, payload: bytes) -> None:
        event, _, ticks = struct.unpack_from("!BBH", payload)
        duration = ticks // self.event_clock
        if event >= len(DIGITS):
            self.strange += 1
            return
        if timestamp != self._event_timestamp:
            self._event_timestamp = timestamp
            self.digits.append(Digit(DIGITS[event], at, duration / RATE))
        elif self.digits and duration / RATE > self.digits[-1].duration:
            last = self.digits[-1]
            self.digits[-1] = Digit(last.key, last.at, duration / RATE)

    def covered(self, until: float) -> bool:
        """Whether audio for the time up to `until` has arrived."""
        return self._end >= round((until - self.origin) * RATE)

    def between(self, start: float, end: float) -> Heard:
        """What was heard from `start` to `end` (monotonic seconds)."""
        first, last = round((start - self.origin) * RATE), round((end - self.origin) * RATE)
        pcm: Pcm = np.zeros(max(0, last - first), np.int16)
        index = max(0, bisect_left(self._places, first) - 1)
        for arrival in self.arrivals[index:]:
            if arrival.place >= last:
                break
            samples = BY_TYPE[arrival.payload_type].decode(arrival.payload) if arrival.pcm is None else arrival.pcm
            into = arrival.place - first
            if into + len(samples) <= 0:
                continue
            samples = samples[max(0, -into) : max(0, len(pcm) - into)]
            pcm[max(0, into) : max(0, into) + len(samples)] = samples
        times = sorted(arrival.at for arrival in self.arrivals if start <= arrival.at < end)
        keys = "".join(digit.key for digit in self.digits if start <= digit.at < end)
        return Heard(pcm, start=start, arrivals=tuple(times), digits=keys)

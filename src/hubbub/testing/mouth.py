"""What a phone sends: speech, a tone, keys or silence, in RTP packets. Told how much time passed; no socket, no clock."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from hubbub.testing.g711 import PCMU, Codec, Pcm
from hubbub.testing.g722 import G722
from hubbub.testing.opus import CLOCK, Opus

RATE: Final = 8000
DIGITS: Final = "0123456789*#ABCD"
"""Index = event code (RFC 4733 table 7)."""
_KEY_VOLUME: Final = 10
_END_PACKETS: Final = 3

Told = Callable[[], None]


@dataclass
class _Speech:
    pcm: Pcm
    done: Told
    position: int = 0


@dataclass
class _Key:
    event: int
    samples: int
    gap: int
    done: Told | None
    start: int = -1
    ends_sent: int = 0


@lru_cache(maxsize=128)
def _tone(frequencies: tuple[float, ...], level_db: float) -> Pcm:
    """A loop of tones: one second for whole frequencies, ten for others (rounded to 0.1 Hz)."""
    seconds = 1 if all(float(frequency).is_integer() for frequency in frequencies) else 10
    time = np.arange(RATE * seconds) / RATE
    wave = np.zeros(len(time))
    for frequency in frequencies:
        wave += np.sin(2 * np.pi * round(frequency, 1) * time)
    return np.clip(np.rint(wave * 32767 * 10 ** (level_db / 20)), -32768, 32767).astype(np.int16)


@dataclass
class Mouth:
    """One RTP sender at 8 kHz. `ptime` in milliseconds; `telephone_event` is a payload type, or None to send keys as audio."""

    ssrc: int
    sequence: int = 0
    timestamp: int = 0
    codec: Codec | G722 | Opus = PCMU
    ptime: int = 20
    telephone_event: int | None = None
    event_clock: int = 1
    """Clock of telephone-events in units of 8 kHz."""
    sending: bool = False
    sent: int = 0
    _pending: Pcm = field(default_factory=lambda: np.zeros(0, np.int16))
    _speech: deque[_Speech] = field(default_factory=deque)
    _keys: deque[_Key] = field(default_factory=deque)
    _loop: Pcm | None = None
    _next_loop: Pcm | None = None
    _changing: bool = False
    _position: int = 0
    _key_gap: int = 0
    _marker: bool = True

    def tone(self, frequencies: tuple[float, ...], level_db: float) -> None:
        """Sound from now on; no frequencies means silence. The change is a cross-fade of 20 ms, so it makes no click of its own."""
        self._next_loop = _tone(frequencies, level_db) if frequencies else None
        self._changing = True

    def say(self, pcm: Pcm, done: Told) -> None:
        """Queue speech (8 kHz); it takes the place of the tone while it lasts. `done` is called when the last sample was sent."""
        self._speech.append(_Speech(pcm, done))

    def quiet(self) -> None:
        """Stop speaking at once."""
        for speech in self._speech:
            speech.done()
        self._speech.clear()

    def end(self) -> None:
        """The call is over: whoever waits for what is being said or pressed waits no longer."""
        self.sending = False
        self.quiet()
        self._drop_keys()

    def press(self, digits: str, samples: int, gap: int, done: Told) -> None:
        """Queue keys: each `samples` long, `gap` samples between (RFC 4733, or their tones when no event type was agreed)."""
        if self.telephone_event is None:
            self.say(_dialled(digits, samples, gap), done)
            return
        for index, digit in enumerate(digits):
            last = index == len(digits) - 1
            self._keys.append(_Key(DIGITS.index(digit.upper()), samples, gap, done if last else None))

    def advance(self, samples: int = 160) -> list[bytes]:
        """Let time pass; the packets that are due."""
        self._pending = np.concatenate([self._pending, self._audio(samples)])
        size = self.ptime * RATE // 1000
        packets: list[bytes] = []
        while len(self._pending) >= size:
            frame, self._pending = self._pending[:size], self._pending[size:]
            packets += self._packets(frame)
            self.timestamp = self.timestamp + size & 0xFFFFFFFF
        return packets

    def skip(self, samples: int) -> None:
        """Time that was lost: nothing is sent for it, the RTP clock goes on."""
        self.timestamp = self.timestamp + samples & 0xFFFFFFFF

    def _packets(self, frame: Pcm) -> list[bytes]:
        if not self.sending:
            self._marker = True
            self._drop_keys()
            return []
        if self._key_gap > 0:
            self._key_gap -= len(frame)
        elif self._keys:
            return self._key_packets(self._keys[0], len(frame))
        packet = self._packet(self.codec.payload_type, self._marker, self.timestamp, self.codec.encode(np.ascontiguousarray(frame)))
        self._marker = False
        return [packet]

    def _key_packets(self, key: _Key, passed: int) -> list[bytes]:
        """RFC 4733 §2.5.1: one timestamp for the whole event, growing duration, the end sent three times."""
        assert self.telephone_event is not None
        first = key.start < 0
        if first:
            key.start = self.timestamp
        duration = min((self.timestamp - key.start & 0xFFFFFFFF) + passed, 0xFFFF)
        end = duration >= key.samples
        payload = struct.pack("!BBH", key.event, (0x80 if end else 0) | _KEY_VOLUME, min(duration * self.event_clock, 0xFFFF))
        count = _END_PACKETS if end else 1
        packets = [self._packet(self.telephone_event, first and index == 0, key.start, payload) for index in range(count)]
        if end:
            self._finish_key(self._keys.popleft())
        return packets

    def _finish_key(self, key: _Key) -> None:
        self._key_gap = key.gap
        self._marker = True
        if key.done:
            key.done()

    def _drop_keys(self) -> None:
        while self._keys:
            self._finish_key(self._keys.popleft())

    def _packet(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> bytes:
        self.sequence = self.sequence + 1 & 0xFFFF
        self.sent += 1
        timestamp = timestamp * (CLOCK if isinstance(self.codec, Opus) else 1) & 0xFFFFFFFF
        return struct.pack("!BBHII", 0x80, payload_type | (0x80 if marker else 0), self.sequence, timestamp, self.ssrc) + payload

    def _audio(self, samples: int) -> Pcm:
        frame = self._background(samples)
        filled = 0
        while self._speech and filled < samples:
            speech = self._speech[0]
            part = speech.pcm[speech.position : speech.position + samples - filled]
            frame[filled : filled + len(part)] = part
            filled += len(part)
            speech.position += len(part)
            if speech.position >= len(speech.pcm):
                self._speech.popleft().done()
        return frame

    def _background(self, samples: int) -> Pcm:
        frame = self._slice(self._loop, samples)
        if self._changing:
            ramp = np.linspace(0, 1, samples, endpoint=False)
            frame = np.rint(frame * (1 - ramp) + self._slice(self._next_loop, samples) * ramp).astype(np.int16)
            self._loop, self._changing = self._next_loop, False
        self._position += samples
        return frame

    def _slice(self, loop: Pcm | None, samples: int) -> Pcm:
        if loop is None:
            return np.zeros(samples, np.int16)
        start = self._position % len(loop)
        part = loop[start : start + samples]
        return np.concatenate([part, loop[: samples - len(part)]]) if len(part) < samples else part.copy()


_LOW: Final = (697.0, 770.0, 852.0, 941.0)
_HIGH: Final = (1209.0, 1336.0, 1477.0, 1633.0)
_KEYPAD: Final = "123A456B789C*0#D"


def _dialled(digits: str, samples: int, gap: int) -> Pcm:
    """Keys as tones (ITU-T Q.23), for a line without telephone-event."""
    parts: list[Pcm] = []
    for digit in digits:
        place = _KEYPAD.index(digit.upper())
        parts += [_tone((_LOW[place // 4], _HIGH[place % 4]), -12.0)[:samples], np.zeros(gap, np.int16)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)

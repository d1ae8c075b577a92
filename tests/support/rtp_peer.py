"""Socket phones for tests of the media plane: they send tones in real time and keep what they receive.

They share no code with the engine.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from hubbub.testing.srtp import Cipher

ULAW_DECODE: NDArray[np.int16]


def _ulaw_decode() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    value = (((2 * (code & 15) + 33) << (code >> 4 & 7)) - 33) * 4
    return np.where(code & 0x80, -value, value).astype(np.int16)


ULAW_DECODE = _ulaw_decode()


def ulaw(pcm: NDArray[np.int16]) -> bytes:
    """The nearest mu-law byte of each sample, found by search in the decoding table."""
    order = np.argsort(ULAW_DECODE, kind="stable")
    values = ULAW_DECODE[order].astype(int)
    place = np.clip(np.searchsorted(values, pcm), 1, 255)
    nearer = np.where(np.abs(values[place - 1] - pcm) <= np.abs(values[place] - pcm), place - 1, place)
    return order[nearer].astype(np.uint8).tobytes()


def sine(frequencies: tuple[float, ...], seconds: float = 1.0, rate: int = 8000, amplitude: float = 6000) -> NDArray[np.int16]:
    """Tones whose frequencies are whole numbers of Hz, so that a second of them can be repeated."""
    time_ = np.arange(int(seconds * rate)) / rate
    return np.round(sum((amplitude * np.sin(2 * np.pi * f * time_) for f in frequencies), np.zeros(len(time_)))).astype(np.int16)


def level_of(pcm: NDArray[np.int16], frequency: float, rate: int = 8000) -> float:
    """dB below full scale of one frequency (Goertzel, Hann window)."""
    window = np.hanning(len(pcm))
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(pcm)) / rate)
    amplitude = 2 * abs(np.dot(pcm * window, turn)) / window.sum()
    return float(20 * np.log10(max(amplitude, 0.1) / 32768))


@dataclass(frozen=True)
class Received:
    """A packet as it arrived."""

    at: float
    marker: bool
    kind: int
    sequence: int
    time: int
    ssrc: int
    payload: bytes


class Peer:
    """One phone. `tones` is what it sends: () is silence, None sends nothing."""

    def __init__(self, tones: tuple[float, ...] | None = (), *, ptime: int = 20, kind: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address: tuple[str, int] = self.socket.getsockname()
        self.remote: tuple[str, int] | None = None
        self.received: list[Received] = []
        self.sequence, self.time, self.ssrc = 40000, 123456, self.address[1]
        self.size = ptime * 8
        self.kind = kind
        self.on_report: Callable[[bytes], object] = lambda data: None
        self.cipher: Cipher | None = None
        """How its packets are encrypted, if they are."""
        self._sound: bytes | None = None
        self._at = 0
        self._owed = 0
        self.say(tones)

    def say(self, tones: tuple[float, ...] | None) -> None:
        """Change what is sent."""
        self._sound = None if tones is None else ulaw(sine(tones))

    def packet(self, payload: bytes, *, kind: int | None = None, time_: int | None = None, marker: bool = False) -> None:
        """Send one packet now."""
        if self.remote:
            first = (self.kind if kind is None else kind) | (0x80 if marker else 0)
            data = struct.pack(
                ">BBHII", 0x80, first, self.sequence & 0xFFFF, (self.time if time_ is None else time_) & 0xFFFFFFFF, self.ssrc
            )
            self.sequence += 1
            whole = data + payload if self.cipher is None else self.cipher.protect(data + payload)
            with contextlib.suppress(OSError):
                self.socket.sendto(whole, self.remote)

    def press(self, code: int, *, ticks: int = 5) -> None:
        """One key as telephone events of type 101, at once."""
        start = self.time
        for k in range(1, ticks + 3):
            end = k >= ticks
            duration = 160 * min(k, ticks)
            self.packet(struct.pack(">BBH", code, 10 | (0x80 if end else 0), duration), kind=101, time_=start, marker=k == 1)
        self.time += 160 * ticks

    def tick(self) -> None:
        """Twenty milliseconds of life."""
        self._owed += 160
        while self._owed >= self.size:
            self._owed -= self.size
            if self._sound is not None:
                doubled = self._sound + self._sound[: self.size]
                self.packet(doubled[self._at : self._at + self.size])
            self._at = (self._at + self.size) % 8000
            self.time += self.size
        self.collect()

    def collect(self) -> None:
        """Take what has arrived."""
        while True:
            try:
                data = self.socket.recv(2048)
            except (BlockingIOError, OSError):
                return
            if self.cipher is not None:
                plain = self.cipher.unprotect(data)
                if plain is None:
                    continue
                data = plain
            if 192 <= data[1] <= 223:
                self.on_report(data)
                continue
            first, second, sequence, time_, ssrc = struct.unpack_from(">BBHII", data)
            assert first == 0x80
            self.received.append(Received(time.monotonic(), bool(second & 0x80), second & 0x7F, sequence, time_, ssrc, data[12:]))

    def audio(self, since: int = 0) -> list[Received]:
        """Audio packets, from the `since`th packet on."""
        return [packet for packet in self.received[since:] if packet.kind == self.kind]

    def heard(self, seconds: float = 0.4, *, decode: NDArray[np.int16] = ULAW_DECODE) -> NDArray[np.int16]:
        """The last `seconds` that were received, in the order of their timestamps."""
        packets = self.audio()[-round(seconds * 8000 / max(1, len(self.audio()[-1].payload))) :] if self.audio() else []
        return decode[np.frombuffer(b"".join(packet.payload for packet in packets), np.uint8)]

    def hears(self, frequencies: tuple[float, ...], *, loud: float = -35.0, seconds: float = 0.4) -> set[float]:
        """Which of the frequencies are audible now (own tones have -14.7 dB)."""
        pcm = self.heard(seconds)
        return {f for f in frequencies if len(pcm) and level_of(pcm, f) > loud}


class Peers:
    """The thread that lets peers live; use as a context manager."""

    def __init__(self, *peers: Peer) -> None:
        self.peers = list(peers)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            for peer in list(self.peers):
                peer.tick()
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))

    def __enter__(self) -> Peers:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        for peer in self.peers:
            peer.socket.close()

"""libopus called directly, and a leg of the loop that is sent Opus: what tests of the codec compare."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from tests.support.small_engine import small_engine

from hubbub.media import libopus
from hubbub.media.jitter import fetch, retune, store
from hubbub.media.layout import FRAME, OPUS

LIBRARY = libopus.find()
UNITS = 960


class Encoder:
    """An encoder of libopus, told by ctypes."""

    def __init__(self, state: bytes | None = None, **wishes: int) -> None:
        assert LIBRARY is not None
        self.lib = LIBRARY.handle
        self.state = ctypes.create_string_buffer(state or LIBRARY.fresh_encoder())
        for name, value in {"level": 3, **wishes}.items():
            request = {"level": 4010, "loss": 4014, "dtx": 4016, "rate": 4002}[name]
            assert self.lib.opus_encoder_ctl(self.state, request, ctypes.c_int(value)) == 0

    def __call__(self, pcm: np.ndarray) -> bytes:
        out = ctypes.create_string_buffer(1500)
        frame = np.ascontiguousarray(pcm, np.int16)
        size = self.lib.opus_encode(self.state, frame.ctypes.data_as(ctypes.c_void_p), len(frame), out, 1500)
        assert size > 0
        return out.raw[:size]


class Decoder:
    def __init__(self) -> None:
        assert LIBRARY is not None
        self.lib = LIBRARY.handle
        self.state = ctypes.create_string_buffer(LIBRARY.fresh_decoder())

    def __call__(self, packet: bytes) -> np.ndarray:
        out = np.zeros(1920, np.int16)
        count = self.lib.opus_decode(self.state, packet, len(packet), out.ctypes.data_as(ctypes.c_void_p), 1920, 0)
        assert count > 0
        return out[:count]


def speech(seconds: float, seed: int = 1) -> np.ndarray:
    """Something that a codec of speech takes for speech: harmonics of a pitch that moves, in syllables."""
    time = np.arange(int(seconds * 16000)) / 16000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 1.7 * time + seed)) / 16000
    sound = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time))
    return np.round(3000 * sound + np.random.default_rng(seed).normal(0, 20, len(time))).astype(np.int16)


def level(pcm: np.ndarray) -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


class Line:
    """One leg that is sent Opus packets: its jitter buffer and decoder."""

    def __init__(self, depth_ms: int = 60) -> None:
        self.small = small_engine()
        self.small.add_leg(0, payload_type=96)
        self.small.engine.links[0].codec = OPUS
        retune(self.small.engine.jitter, self.small.engine.coders, 0, OPUS, self.small.desk.fresh)
        self.small.engine.jitter[0].depth = depth_ms * 8
        self.out = np.zeros(FRAME, np.int16)

    def put(self, number: int, time: int, packet: bytes) -> int:
        data = np.frombuffer(packet, np.uint8).copy()
        return int(store(self.small.engine.jitter, 0, number & 0xFFFF, time & 0xFFFFFFFF, data, 0, len(data), OPUS))

    def frame(self) -> int:
        return int(fetch(self.small.engine.jitter, self.small.engine.coders, 0, self.small.desk, 0, self.out))

    def play(self, packets: dict[int, list[tuple[int, int, bytes]]], frames: int) -> tuple[np.ndarray, list[int]]:
        """Packets by the tick in which they come; what was heard, and how much of each frame had come."""
        heard, covered = [], []
        for tick in range(frames):
            for packet in packets.get(tick, []):
                self.put(*packet)
            got = self.frame()
            covered.append(got)
            heard.append(self.out.copy() if got >= 0 else np.zeros(FRAME, np.int16))
        return np.concatenate(heard), covered


def stream(pcm: np.ndarray, size: int, encoder: Callable[[np.ndarray], bytes] | None = None) -> list[bytes]:
    encoder = encoder or Encoder()
    return [encoder(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]

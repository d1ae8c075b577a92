"""Our G.722 equals the PyPI extension `G722` bit for bit (ITU-T G.722, 64 kbit/s)."""

from __future__ import annotations

import numpy as np
import pytest
from G722 import G722
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.small_engine import SIZES

from hubbub.media import g722
from hubbub.media.desk import make_desk
from hubbub.media.layout import FRAME, G722_FRESH, NARROW

DESK = make_desk(SIZES)
SCRATCH = (DESK.even, DESK.odd, DESK.low, DESK.high, DESK.codes)


class Coder:
    """Our encoder and decoder of one stream."""

    def __init__(self) -> None:
        self.encoder, self.decoder = G722_FRESH.copy(), G722_FRESH.copy()

    def encode(self, frame: np.ndarray) -> np.ndarray:
        out = np.zeros(NARROW, np.uint8)
        g722.encode(self.encoder, frame, out, *SCRATCH)
        return out

    def decode(self, data: np.ndarray, start: int = 0, count: int | None = None) -> np.ndarray:
        size = len(data) - start if count is None else count
        out = np.zeros(FRAME, np.int16)
        g722.decode(self.decoder, data, start, size, out, *SCRATCH)
        return out[: 2 * size].copy()


def signal(kind: str, seed: int, frames: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    count = frames * FRAME
    time = np.arange(count)
    made = {
        "noise": random.integers(-32768, 32768, count),
        "faint": random.integers(-4, 5, count),
        "steps": random.choice([-32768, 32767], count),
        "silence": np.zeros(count),
        "tones": 9000 * np.sin(time * random.uniform(0.01, 3)) + 9000 * np.sin(time * random.uniform(0.01, 3)),
        "bursts": random.normal(0, 6000, count) * (np.sin(time / 3000) > 0),
    }[kind]
    return np.clip(np.round(made), -32768, 32767).astype(np.int16)


KINDS = ["noise", "faint", "steps", "silence", "tones", "bursts"]


@pytest.mark.parametrize("kind", KINDS)
def test_four_seconds_equal_the_extension(kind: str) -> None:
    pcm = signal(kind, 1, 200)
    wanted = np.frombuffer(G722(16000, 64000).encode(pcm), np.uint8)
    coder = Coder()
    assert np.array_equal(np.concatenate([coder.encode(frame) for frame in pcm.reshape(-1, FRAME)]), wanted)
    heard = np.concatenate([coder.decode(data) for data in wanted.reshape(-1, NARROW)])
    assert np.array_equal(heard, np.asarray(G722(16000, 64000).decode(wanted.tobytes())))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
def test_any_sequence_equals_the_extension(seed: int, kinds: list[str]) -> None:
    pcm = np.concatenate([signal(kind, seed + n, 8) for n, kind in enumerate(kinds)])
    coder = Coder()
    ours = np.concatenate([coder.encode(frame) for frame in pcm.reshape(-1, FRAME)])
    assert ours.tobytes() == G722(16000, 64000).encode(pcm)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, NARROW), min_size=1, max_size=30))
def test_any_bytes_in_any_pieces_equal_the_extension(seed: int, pieces: list[int]) -> None:
    """Pieces of any length: frames of 10 to 60 ms are cut anywhere by the playout."""
    data = np.frombuffer(np.random.default_rng(seed).bytes(sum(pieces)), np.uint8)
    coder, at, heard = Coder(), 0, []
    for piece in pieces:
        heard.append(coder.decode(data, at, piece))
        at += piece
    assert np.array_equal(np.concatenate(heard), np.asarray(G722(16000, 64000).decode(data.tobytes())))


def harsh(code: int) -> np.ndarray:
    """Half a second that no encoder says: one byte for long, its own alternation, then anything; every limit of the predictors is met."""
    random = np.random.default_rng(code)
    steady = np.full(10 * NARROW, code, np.uint8)
    turning = np.where(np.arange(10 * NARROW) // (1 + code % 7) % 2, code, code ^ 0xFF).astype(np.uint8)
    return np.concatenate([steady, turning, random.integers(0, 256, 5 * NARROW).astype(np.uint8)])


def test_bytes_that_meet_every_limit_equal_the_extension() -> None:
    """Of sound that is encoded, few limits of the arithmetic (saturation of prediction, zeros, reconstruction) are ever reached."""
    for code in range(256):
        data = harsh(code)
        coder = Coder()
        heard = np.concatenate([coder.decode(frame) for frame in data.reshape(-1, NARROW)])
        assert np.array_equal(heard, np.asarray(G722(16000, 64000).decode(data.tobytes()))), code


@pytest.mark.parametrize("period", [1, 2, 3, 4, 6, 8, 12, 16, 20, 32, 50, 100])
def test_full_scale_that_turns_equals_the_extension(period: int) -> None:
    pcm = np.where(np.arange(20 * FRAME) // period % 2, 32767, -32768).astype(np.int16)
    coder = Coder()
    ours = np.concatenate([coder.encode(frame) for frame in pcm.reshape(-1, FRAME)])
    assert ours.tobytes() == G722(16000, 64000).encode(pcm)


@pytest.mark.parametrize(("quiet", "below"), [(True, 35), (False, 9)])
def test_a_decoder_follows_another_encoder(quiet: bool, below: float) -> None:
    """docs/media.md 1.9: changed in a quiet frame after 0.2 s together, what is wrong stays 35 dB below speech; in a loud one 9 dB."""
    time = np.arange(100 * FRAME) / 16000
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 25)) * (1 + np.sin(2 * np.pi * 2.5 * time)) * 2000
    frames = np.round(voice).astype(np.int16).reshape(-1, FRAME)
    theirs, group = Coder(), Coder()
    for frame in signal("bursts", 5, 60).reshape(-1, FRAME):
        theirs.decode(theirs.encode(frame))
    if quiet:
        frames[:52] = signal("faint", 6, 52).reshape(-1, FRAME) * 4
    for frame in frames[:40]:
        group.decode(group.encode(frame))
    for frame in frames[40:50]:
        group.decode(group.encode(frame))
        theirs.decode(theirs.encode(frame))
    levels = []
    for frame in frames[50:90]:
        data = group.encode(frame)
        right = group.decode(data).astype(float)
        error = theirs.decode(data) - right
        levels.append((np.mean(right**2), np.mean(error**2)))
    loud = np.mean([sound for sound, _ in levels])
    assert max(10 * np.log10((error + 0.01) / loud) for _, error in levels) < -below
    assert all(error == 0 for _, error in levels[25:]), "a decoder forgets what is not repeated"

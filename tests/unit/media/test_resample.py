"""The half-band resampler: equal to the reference, flat to 3.4 kHz, without images from 4.6 kHz (docs/media.md 1.2)."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import reference_mixer as reference
from tests.support.small_engine import tone

from hubbub.media.layout import DOWN_HISTORY, FRAME, NARROW, UP_HISTORY
from hubbub.media.resample import TAPS, narrow_down, widen


def scratch() -> list[np.ndarray]:
    return [np.zeros(FRAME, np.int32) for _ in range(3)]


def up(samples: np.ndarray) -> np.ndarray:
    history, wide = np.zeros(UP_HISTORY, np.int16), np.zeros(FRAME, np.int16)
    frames = []
    for frame in samples.reshape(-1, NARROW):
        widen(history, frame, wide, *scratch()[:2])
        frames.append(wide.copy())
    return np.concatenate(frames)


def down(samples: np.ndarray) -> np.ndarray:
    history, narrow = np.zeros(DOWN_HISTORY, np.int16), np.zeros(NARROW, np.int16)
    frames = []
    for frame in samples.reshape(-1, FRAME):
        narrow_down(history, frame, narrow, *scratch())
        frames.append(narrow.copy())
    return np.concatenate(frames)


def test_gain_is_one_and_no_sum_can_overflow() -> None:
    assert sum(TAPS) == 8192
    assert 2 * sum(abs(tap) for tap in TAPS) * 32768 + 8192 < 2**31
    assert 16384 * 32768 + 2 * sum(abs(tap) for tap in TAPS) * 32768 + 16384 < 2**31


@pytest.mark.parametrize("loud", [100, 32767])
def test_equals_the_reference(loud: int) -> None:
    random = np.random.default_rng(loud)
    narrow = random.integers(-loud - 1, loud + 1, 20 * NARROW).astype(np.int16)
    wide = random.integers(-loud - 1, loud + 1, 20 * FRAME).astype(np.int16)
    history: np.ndarray = np.zeros(23, np.int64)
    expected = []
    for frame in narrow.reshape(-1, NARROW):
        out, history = reference.up(history, frame)
        expected.append(out)
    assert np.array_equal(up(narrow), np.concatenate(expected))
    history, expected = np.zeros(46, np.int64), []
    for frame in wide.reshape(-1, FRAME):
        out, history = reference.down(history, frame)
        expected.append(out)
    assert np.array_equal(down(wide), np.concatenate(expected))


@pytest.mark.parametrize("sample", [1, -1, 3, -32768, 32767])
def test_halves_are_rounded_up(sample: int) -> None:
    """docs/media.md 1.2: an odd sample alone is half a step of what comes out, which is where rounding shows."""
    wide = np.zeros(FRAME, np.int16)
    wide[101] = sample
    expected, _ = reference.down(np.zeros(46, np.int64), wide)
    assert np.array_equal(down(wide), expected)
    assert down(wide)[50 + 12] == (sample + 1) >> 1


def level(samples: np.ndarray, frequency: float, rate: int) -> float:
    """dB of one frequency, full scale 0."""
    part = samples[len(samples) // 4 :].astype(float)
    part = part[: len(part) // 1600 * 1600]
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(part)) / rate)
    return float(20 * np.log10(max(abs(part @ turn) * 2 / len(part), 1e-3) / 32768))


@pytest.mark.parametrize("frequency", [200, 1000, 2000, 3000, 3400])
def test_up_is_flat_and_its_image_is_gone(frequency: int) -> None:
    wide = up(tone(frequency, 16000, amplitude=16000))
    wanted = 20 * np.log10(16000 / 32768)
    assert abs(level(wide, frequency, 16000) - wanted) < 0.05
    assert level(wide, 8000 - frequency, 16000) < wanted - 50


@pytest.mark.parametrize(("frequency", "kept"), [(300, True), (3400, True), (4600, False), (6000, False), (7500, False)])
def test_down_keeps_speech_and_takes_what_would_fold(frequency: int, kept: bool) -> None:
    narrow = down(tone(frequency, 32000, rate=16000, amplitude=16000))
    wanted = 20 * np.log10(16000 / 32768)
    heard = level(narrow, frequency if kept else 8000 - frequency, 8000)
    assert abs(heard - wanted) < 0.05 if kept else heard < wanted - 50

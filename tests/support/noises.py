"""What stands behind talkers: noises of one kind each, as loud as wished."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]
RATE = 16000


def white(count: int, random: np.random.Generator) -> Wave:
    return random.standard_normal(count)


def pink(count: int, random: np.random.Generator) -> Wave:
    """Half the power with each octave, from 50 Hz on."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    return np.fft.irfft(np.where(frequency < 50, 0, spectrum / np.sqrt(np.maximum(frequency, 50))), count)


def hum(count: int, random: np.random.Generator) -> Wave:
    """Mains: 50 Hz and odd multiples."""
    turns = 2 * np.pi * 50 * np.arange(count) / RATE
    parts = {1: 1, 2: 0.5, 3: 0.6, 5: 0.4, 7: 0.3, 9: 0.2, 11: 0.1}
    return np.asarray(sum(height * np.sin(order * turns + random.uniform(0, 6)) for order, height in parts.items()))


def babble(count: int, random: np.random.Generator, voices: list[Wave]) -> Wave:
    """Many talkers at a time: pieces of `voices` without their pauses, each a little faster or slower."""
    sound = np.zeros(count)
    for talker in range(12):
        voice = voices[talker % len(voices)]
        loud = voice[np.convolve(np.abs(voice), np.ones(1600) / 1600, "same") > 0.2 * np.abs(voice).mean()]
        faster = np.interp(np.arange(0, len(loud) - 1, 0.85 + 0.03 * talker), np.arange(len(loud)), loud)
        start = int(random.integers(len(faster)))
        sound += np.resize(np.roll(faster, -start), count)
    return sound


def decibels(wave: NDArray[np.float64] | NDArray[np.int16]) -> float:
    """Level, dB below full scale."""
    return float(10 * np.log10(np.mean(np.square(wave.astype(np.float64))) / 32768**2 + 1e-12))


def at_level(wave: Wave, level_db: float) -> Wave:
    """The same, as loud as that."""
    return wave * 10 ** ((level_db - decibels(wave)) / 20)

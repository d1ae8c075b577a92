"""Hold music, synthesised: no file to ship and no licence to keep. Plucked strings over a soft pad.

Strings after Karplus and Strong ("Digital Synthesis of Plucked-String and Drum Timbres", 1983): a burst of noise runs
round a delay line as long as one period and is averaged at each pass. Notes that ring past the end go on at the
beginning, so that the loop has no seam.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubbub.media.tones import RATE, Pcm

_Wave = NDArray[np.float64]

BEAT: Final = 0.5
"""Seconds of a quarter note: 120 in the minute, and a whole number of samples."""
_CHORDS: Final = (
    # Names as MIDI notes, low to high; one bar of four beats each. D major, kept between 150 and 900 Hz for the telephone.
    (50, 57, 62, 66, 69), (47, 54, 62, 66, 71), (55, 59, 62, 67, 71), (57, 61, 64, 69, 73),
    (50, 57, 62, 66, 74), (54, 57, 61, 66, 69), (55, 62, 67, 71, 74), (57, 61, 64, 67, 73),
    (47, 54, 59, 62, 66), (55, 59, 62, 67, 74), (50, 57, 62, 66, 78), (57, 61, 64, 69, 76),
    (52, 55, 59, 64, 67), (55, 59, 62, 67, 71), (57, 62, 64, 69, 74), (57, 61, 64, 69, 73),
)  # fmt: skip
_PICKING: Final = ((0, 2, 3, 4, 3, 2, 4, 3), (0, 3, 2, 4, 2, 3, 4, 2))
"""Which note of the chord on each eighth, alternating by bar."""
_LEVEL_DB: Final = -23.0


@lru_cache(maxsize=1)
def hold_music() -> Pcm:
    """A loop of 32 s at 16 kHz, about -23 dBFS RMS, the same on every machine and run. Shared and read-only."""
    bar = int(4 * BEAT * RATE)
    wave = np.zeros(bar * len(_CHORDS))
    pad = np.zeros_like(wave)
    strings: dict[int, _Wave] = {}
    for number, chord in enumerate(_CHORDS):
        for step, voice in enumerate(_PICKING[number % 2]):
            note = chord[voice]
            if note not in strings:
                strings[note] = _string(note)
            accent = (1.0, 0.6, 0.75, 0.6, 0.85, 0.6, 0.75, 0.6)[step]
            _add_round(wave, strings[note] * accent, number * bar + step * bar // 8)
        _add_round(pad, _pad(chord[1:4], bar), number * bar - bar // 8)
    wave = wave / np.sqrt(np.mean(wave**2)) + 0.45 * pad / np.sqrt(np.mean(pad**2))
    wave *= 10 ** (_LEVEL_DB / 20) / np.sqrt(np.mean(wave**2))
    pcm: Pcm = np.asarray(np.rint(np.tanh(wave * 1.2) / 1.2 * 32767), dtype=np.int16)
    pcm.flags.writeable = False
    return pcm


def _string(note: int, seconds: float = 2.6) -> _Wave:
    """One plucked string; notes are tuned by resampling the whole-sample period."""
    frequency = 440 * 2 ** ((note - 69) / 12)
    period = int(RATE / frequency)
    random = np.random.default_rng(note)
    line = random.uniform(-1, 1, period)
    for _ in range(12):
        line = 0.5 * (line + np.roll(line, 1))  # a soft pick: less of the top
    line -= line.mean()
    # The averaging loop is half a sample longer than the line.
    exact = RATE / frequency
    passes = int(seconds * RATE / exact) + 2
    damping = 0.5 * 0.001 ** (1 / (frequency * 2.4))
    rows = np.empty((passes, period))
    carried = line[-1]
    for index in range(passes):
        rows[index] = line
        before = np.concatenate(([carried], line[:-1]))
        carried = line[-1]
        line = damping * (line + before)
    raw = rows.reshape(-1)
    count = int(seconds * RATE)
    positions = np.arange(count) * ((period + 0.5) / exact)
    wave = np.interp(positions, np.arange(len(raw)), raw)
    release = int(0.3 * RATE)
    wave[-release:] *= np.linspace(1, 0, release)
    wave[: RATE // 500] *= np.linspace(0, 1, RATE // 500)
    return np.asarray(wave / max(1e-9, float(np.max(np.abs(wave)))), dtype=np.float64)


def _pad(notes: tuple[int, ...], bar: int) -> _Wave:
    """A chord of soft voices, each two sines a little apart, swelling over a bar and a quarter."""
    count = bar + bar // 4
    time = np.arange(count) / RATE
    wave = np.zeros(count)
    for note in notes:
        frequency = 440 * 2 ** ((note - 57) / 12)
        for detune in (0.9985, 1.0015):
            wave += np.sin(2 * np.pi * frequency * detune * time) + 0.2 * np.sin(4 * np.pi * frequency * detune * time)
    swell = np.sin(np.pi * np.arange(count) / count) ** 0.7
    return np.asarray(wave * swell, dtype=np.float64)


def _add_round(wave: _Wave, part: _Wave, start: int) -> None:
    """Add `part` at `start`; what passes the end goes on at the beginning."""
    start %= len(wave)
    first = min(len(part), len(wave) - start)
    wave[start : start + first] += part[:first]
    wave[: len(part) - first] += part[first:]

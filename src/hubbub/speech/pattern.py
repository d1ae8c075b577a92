"""What is heard where no voice is installed: a rhythm of tones, one per syllable, the same for the same text."""

from __future__ import annotations

import re
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 16_000
_SCALE: Final = (392.0, 440.0, 494.0, 587.0, 659.0, 784.0)
"""Pentatonic around G4: pleasant, and well inside the telephone band."""
_SYLLABLE: Final = re.compile(r"[aeiouyäöüáéíóúàèìòùâêîôû]+|\d", re.IGNORECASE)
_BEAT: Final = 0.14
_WORD_GAP: Final = 0.06


def pattern(text: str) -> NDArray[np.float32]:
    """Tones for `text`: mono, 16 kHz, peak 0.5; deterministic (pitch from a checksum of each word)."""
    parts: list[NDArray[np.float32]] = []
    for word in re.findall(r"\w+", text) or ["?"]:
        notes = max(1, min(6, len(_SYLLABLE.findall(word))))
        checksum = zlib.crc32(word.lower().encode())
        for index in range(notes):
            parts.append(_note(_SCALE[(checksum >> (3 * index)) % len(_SCALE)]))
        parts.append(np.zeros(int(_WORD_GAP * RATE), np.float32))
    return np.concatenate(parts)


def _note(frequency: float) -> NDArray[np.float32]:
    time = np.arange(int(_BEAT * RATE), dtype=np.float32) / RATE
    envelope = np.minimum(1, np.minimum(time / 0.01, (_BEAT - time) / 0.04))
    return (0.4 * envelope * (np.sin(2 * np.pi * frequency * time) + 0.25 * np.sin(4 * np.pi * frequency * time))).astype(np.float32)

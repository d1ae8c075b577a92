"""What can be told from the audio that a phone received: pilots, words, music."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from hubbub.demo.cast import HEARD_DB, UNHEARD_DB, Role
from hubbub.testing import Heard

Pcm = NDArray[np.int16]
RATE: Final = 8000
PIECE_SECONDS: Final = 0.9
SAME: Final = 0.6
"""A likeness from here up is recognition (measured: 0.9 and more on a quiet machine)."""
SURE: Final = 0.85
"""With this one need not wait for the rest of a sentence."""
DIFFERENT: Final = 0.45
"""A likeness below is none (measured: at most 0.02 beside pilots alone, 0.1 beside music, 0.3 where the voices are tones)."""
_MUSIC_RATE: Final = 4000


def to_telephone(pcm: Pcm, rate: int = 16_000) -> Pcm:
    """Audio at 8 kHz."""
    if rate == RATE:
        return pcm
    wave = np.asarray(soxr.resample(pcm.astype(np.float32), rate, RATE), dtype=np.float32)
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)


def pilots(heard: Heard, roles: Iterable[Role]) -> dict[str, float]:
    """Level of each caller's pilot in a window, dBFS."""
    return {role.name: heard.level_at(role.pilot) for role in roles}


def clear(levels: Iterable[float]) -> bool:
    """Whether every level is plainly heard or plainly not."""
    return all(level >= HEARD_DB or level < UNHEARD_DB for level in levels)


def words(heard: Heard, sentence: Pcm) -> float:
    """How surely a sentence (8 kHz) is in a window, 0 to 1.

    Compared in pieces of about a second: a jitter buffer may move what follows by a frame, which ends the likeness of a whole.
    """
    count = max(1, round(len(sentence) / RATE / PIECE_SECONDS))
    return float(np.mean([heard.words_like(piece, RATE) for piece in np.array_split(sentence, count)]))


class Music:
    """A known piece, recognised from a second of it anywhere. `pcm` is 8 kHz."""

    def __init__(self, pcm: Pcm) -> None:
        known = _low(pcm)
        # It is looped: a window may lie across its seam.
        self._known = np.concatenate([known, known[: 4 * _MUSIC_RATE]])
        self._size = 1 << (len(self._known) + 4 * _MUSIC_RATE).bit_length()
        self._spectrum = np.fft.rfft(self._known, self._size)
        self._squares = np.concatenate([[0.0], np.cumsum(self._known**2)])

    def likeness_anywhere(self, heard: Heard) -> float:
        """The highest likeness of any second of a long window."""
        seconds = [Heard(heard.pcm[start : start + RATE]) for start in range(0, max(1, len(heard.pcm) - RATE + 1), RATE)]
        return max(self.likeness(second) for second in seconds)

    def likeness(self, heard: Heard) -> float:
        """Best normalised correlation of the window (at most 4 s) with any place of the piece, 0 to 1; 0 for near silence."""
        window = _low(heard.pcm)
        energy = float(np.sum(window**2))
        if heard.level < UNHEARD_DB + 15 or energy == 0:
            return 0.0
        product = np.fft.irfft(self._spectrum * np.conj(np.fft.rfft(window, self._size)), self._size)
        places = len(self._known) - len(window)
        local = self._squares[len(window) : len(window) + places] - self._squares[:places]
        return float(min(1.0, np.max(np.abs(product[:places]) / np.sqrt(energy * np.maximum(local, 1.0)))))


def _low(pcm: Pcm) -> NDArray[np.float64]:
    """Below 2 kHz, where music has its strength and the pilots are not."""
    return np.asarray(soxr.resample(pcm.astype(np.float64), RATE, _MUSIC_RATE), dtype=np.float64)

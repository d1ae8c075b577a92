"""Trimming: silence at the ends of a recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 0.02
THRESHOLD_RMS = 60.0
"""About −55 dBFS: below speech in a quiet room, above the noise of G.711."""
MARGIN_SECONDS = 0.1
"""Kept on both sides, so that no consonant is cut."""


def trim_silence(pcm: NDArray[np.int16], rate: int) -> NDArray[np.int16]:
    """The recording without the silence before its first and after its last sound (mono or channels in columns)."""
    mono = pcm if pcm.ndim == 1 else pcm.astype(np.int32).max(axis=1)
    window = int(rate * WINDOW_SECONDS)
    count = len(mono) // window
    if count == 0:
        return pcm
    blocks = mono[: count * window].reshape(count, window).astype(np.float64)
    loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > THRESHOLD_RMS)
    if loud.size == 0:
        return pcm[:0]
    margin = int(rate * MARGIN_SECONDS)
    begin = max(0, int(loud[0]) * window - margin)
    end = min(len(mono), (int(loud[-1]) + 1) * window + margin)
    return pcm[begin:end]

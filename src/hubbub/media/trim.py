"""Trimming: silence at the ends of a recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 0.02
THRESHOLD_RMS = 60.0
"""About −55 dBFS: below speech in a quiet room, above the noise of G.711."""
MARGIN_SECONDS = 0.1
"""Kept on both sides, so that no consonant is cut."""


def sound_within(pcm: NDArray[np.int16], rate: int) -> tuple[int, int] | None:
    """From where to where something is heard in any channel, without a margin; None: nowhere."""
    mono = pcm if pcm.ndim == 1 else np.abs(pcm.astype(np.int32)).max(axis=1)
    window = int(rate * WINDOW_SECONDS)
    count = len(mono) // window
    if count == 0:
        return None
    blocks = mono[: count * window].reshape(count, window).astype(np.float64)
    loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > THRESHOLD_RMS)
    return (int(loud[0]) * window, (int(loud[-1]) + 1) * window) if loud.size else None

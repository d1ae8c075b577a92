"""The half-band resampler between narrow and wide frames, in integers (docs/media.md 1.2)."""

from __future__ import annotations

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.layout import FRAME, NARROW, Array

TAPS = (10395, -3354, 1885, -1218, 826, -567, 385, -254, 161, -95, 51, -23)
"""Odd taps, from the centre outwards, Q15: Kaiser window, beta 5.2; they sum to 8192."""

_TAPS = np.array(TAPS, np.int32)


@kernel
def widen(history: Array, narrow: Array, wide: Array, line: Array, total: Array) -> None:
    """Double the rate of `narrow`[160] into `wide`[320].

    `history` int16[23] is the state; `line` int32[>=183] and `total` int32[>=160] are scratch.
    """
    for n in range(23):
        line[n] = history[n]
    for n in range(NARROW):
        line[23 + n] = narrow[n]
        total[n] = 8192
    # Tap by tap over the whole frame: contiguous, so the compiler uses vectors.
    for k in range(12):
        tap = _TAPS[k]
        for n in range(NARROW):
            total[n] += np.int32(tap * np.int32(line[11 - k + n] + line[12 + k + n]))
    for n in range(NARROW):
        wide[2 * n] = line[11 + n]
        wide[2 * n + 1] = min(max(total[n] >> 14, -32768), 32767)
    for n in range(23):
        history[n] = narrow[NARROW - 23 + n]


@kernel
def narrow_down(history: Array, wide: Array, narrow: Array, even: Array, odd: Array, total: Array) -> None:
    """Halve the rate of `wide`[320] into `narrow`[160].

    `history` int16[35] is the state (23 even, 12 odd samples); `even` int32[>=183], `odd` int32[>=172], `total` int32[>=160] are scratch.
    """
    for n in range(23):
        even[n] = history[n]
    for n in range(12):
        odd[n] = history[23 + n]
    for n in range(NARROW):
        even[23 + n] = wide[2 * n]
        odd[12 + n] = wide[2 * n + 1]
    for n in range(NARROW):
        total[n] = 16384 * odd[n] + 16384
    for k in range(12):
        tap = _TAPS[k]
        for n in range(NARROW):
            total[n] += np.int32(tap * np.int32(even[11 - k + n] + even[12 + k + n]))
    for n in range(NARROW):
        narrow[n] = min(max(total[n] >> 15, -32768), 32767)
    for n in range(23):
        history[n] = wide[FRAME - 46 + 2 * n]
    for n in range(12):
        history[23 + n] = wide[FRAME - 23 + 2 * n]

"""The half-band resampler between narrow and wide frames, in integers (docs/media.md 1.2)."""

from __future__ import annotations

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.layout import FRAME, NARROW, Array

TAPS = (10395, -3354, 1885, -1218, 826, -567, 385, -254, 161, -95, 51, -23)
"""Odd taps, from the centre outwards, Q15: Kaiser window, beta 5.2; they sum to 8192."""

T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11 = (np.int32(tap) for tap in TAPS)


@kernel
def _halfway(line: Array, halfway: Array) -> None:
    """halfway[n] = what lies halfway between line[n + 11] and line[n + 12], Q14.

    The sum is written out: so a row becomes vectors that hold it in registers, a third quicker than tap by tap over the row.
    """
    for n in range(NARROW):
        total = np.int32(T0 * np.int32(line[n + 11] + line[n + 12]))
        total = np.int32(total + T1 * np.int32(line[n + 10] + line[n + 13]))
        total = np.int32(total + T2 * np.int32(line[n + 9] + line[n + 14]))
        total = np.int32(total + T3 * np.int32(line[n + 8] + line[n + 15]))
        total = np.int32(total + T4 * np.int32(line[n + 7] + line[n + 16]))
        total = np.int32(total + T5 * np.int32(line[n + 6] + line[n + 17]))
        total = np.int32(total + T6 * np.int32(line[n + 5] + line[n + 18]))
        total = np.int32(total + T7 * np.int32(line[n + 4] + line[n + 19]))
        total = np.int32(total + T8 * np.int32(line[n + 3] + line[n + 20]))
        total = np.int32(total + T9 * np.int32(line[n + 2] + line[n + 21]))
        total = np.int32(total + T10 * np.int32(line[n + 1] + line[n + 22]))
        total = np.int32(total + T11 * np.int32(line[n] + line[n + 23]))
        halfway[n] = total


@kernel
def widen(history: Array, narrow: Array, wide: Array, line: Array, total: Array) -> None:
    """Double the rate of `narrow`[160] into `wide`[320].

    `history` int16[23] is the state; `line` int32[>=183] and `total` int32[>=160] are scratch.
    """
    for n in range(23):
        line[n] = history[n]
    for n in range(NARROW):
        line[23 + n] = narrow[n]
    _halfway(line, total)
    for n in range(NARROW):
        wide[2 * n] = line[11 + n]
        wide[2 * n + 1] = min(max(np.int32(total[n] + 8192) >> 14, -32768), 32767)
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
    _halfway(even, total)
    for n in range(NARROW):
        narrow[n] = min(max(np.int32(total[n] + np.int32(16384 * (odd[n] + 1))) >> 15, -32768), 32767)
    for n in range(23):
        history[n] = wide[FRAME - 46 + 2 * n]
    for n in range(12):
        history[23 + n] = wide[FRAME - 23 + 2 * n]

"""ITU-T G.722 for sixteen legs at once: the same arithmetic as `g722`, each value a row of sixteen that the compiler keeps in one vector.

A predictor is one long chain of operations: one leg at a time leaves most of a processor idle (measured: 3.5 times the time). All
rows lie in one array, each loop runs over one row's width, and nothing branches; that is what makes vectors of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hubbub.media import g722
from hubbub.media.compiled import kernel
from hubbub.media.desk import LANES
from hubbub.media.layout import BAND_WORDS, NARROW, Array

ROWS = 32
BAND = ROWS * LANES
"""Elements of a band's state: its rows 0 to 21 are the words of `g722`, the others scratch."""
FRAME_LANES = NARROW * LANES
"""Elements of a band's signal, and of its codes: [sample, lane]."""
WORDS = 22
# Scratch rows.
_CODE, _NEGATIVE, _SIZE, _PLACE, _STEP, _CHANGE, _VALUE, _LOG = (row * LANES for row in range(24, 32))
_DET, _S, _SZ, _A1, _A2, _R1, _R2, _P1, _P2, _D, _B = (row * LANES for row in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16))

_LOW_CODE = g722._LOW_CODE.reshape(-1).astype(np.int32)
_LOW_STEP, _LOW_VALUE, _LOW_SCALE = (table.astype(np.int32) for table in (g722._LOW_STEP, g722._LOW_VALUE, g722._LOW_SCALE))
_HIGH_VALUE, _HIGH_SCALE = g722._HIGH_VALUE.astype(np.int32), g722._HIGH_SCALE.astype(np.int32)
_LOGARITHM = g722._LOGARITHM.astype(np.int32)
_Q6 = g722._Q6
_INTERVALS = 30
_i32 = np.int32


@kernel
def _sat(value: Any) -> Any:
    return min(max(np.int32(value), np.int32(-32768)), np.int32(32767))


@kernel
def _differ(rows: Array, signal: Array, at: int) -> None:
    """How far the signal is from the prediction: sign, and one's complement size."""
    for v in range(LANES):
        error = _sat(_i32(signal[at + v] - rows[_S + v]))
        negative = _i32(error >> 31)
        rows[_NEGATIVE + v] = negative
        rows[_SIZE + v] = _i32(error ^ negative)
        rows[_PLACE + v] = _i32(1)


@kernel
def _quantize_low(rows: Array) -> None:
    for n in range(1, _INTERVALS):
        factor = _Q6[n]
        for v in range(LANES):
            rows[_PLACE + v] += _i32(_i32(_i32(factor * rows[_DET + v]) >> 12) <= rows[_SIZE + v])
    for v in range(LANES):
        rows[_CODE + v] = _LOW_CODE[(_i32(-rows[_NEGATIVE + v]) << 5) + rows[_PLACE + v]]


@kernel
def _quantize_high(rows: Array) -> None:
    for v in range(LANES):
        outer = _i32(rows[_SIZE + v] >= _i32(_i32(_i32(564) * rows[_DET + v]) >> 12))
        rows[_CODE + v] = _i32(3 + 2 * rows[_NEGATIVE + v]) - outer


@kernel
def _inverse_low(rows: Array) -> None:
    for v in range(LANES):
        code = rows[_CODE + v]
        det = rows[_DET + v]
        rows[_STEP + v] = _i32(_i32(det * _LOW_STEP[code >> 2]) >> 15)
        rows[_CHANGE + v] = _LOW_SCALE[code >> 2]
        rows[_VALUE + v] = _i32(_i32(det * _LOW_VALUE[code]) >> 15)


@kernel
def _inverse_high(rows: Array) -> None:
    for v in range(LANES):
        code = rows[_CODE + v]
        rows[_STEP + v] = _i32(_i32(rows[_DET + v] * _HIGH_VALUE[code]) >> 15)
        rows[_CHANGE + v] = _HIGH_SCALE[code]
        rows[_VALUE + v] = rows[_STEP + v]


@kernel
def _scale(rows: Array, most: int, down: int) -> None:
    """The scale factor follows the codes."""
    top = _i32(most)
    places = _i32(down)
    for v in range(LANES):
        nb = _i32(_i32(_i32(rows[v] * _i32(127)) >> 7) + rows[_CHANGE + v])
        nb = min(max(nb, _i32(0)), top)
        rows[v] = nb
        rows[_LOG + v] = _LOGARITHM[(nb >> 6) & 31]
    for v in range(LANES):
        rows[_DET + v] = _i32(_i32(_i32(rows[_LOG + v] << _i32(rows[v] >> 11)) >> places) << 2)


@kernel
def _predict(rows: Array) -> None:
    """Poles and zeros, as in `g722._band`."""
    for v in range(LANES):
        d = rows[_STEP + v]
        a1 = rows[_A1 + v]
        p1 = rows[_P1 + v]
        p0 = _sat(_i32(rows[_SZ + v] + d))
        same = _i32(p0 ^ p1) >= 0
        step = _sat(_i32(a1 << 2))
        step = min(_i32(-step), _i32(32767)) if same else step
        a2 = _i32(_i32(step >> 7) + (_i32(128) if _i32(p0 ^ rows[_P2 + v]) >= 0 else _i32(-128)))
        a2 = _i32(a2 + _i32(_i32(rows[_A2 + v] * _i32(32512)) >> 15))
        a2 = min(max(a2, _i32(-12288)), _i32(12288))
        limit = _i32(15360 - a2)
        a1 = _i32((_i32(192) if same else _i32(-192)) + _i32(_i32(a1 * _i32(32640)) >> 15))
        a1 = min(max(a1, _i32(-limit)), limit)
        rows[_P2 + v] = p1
        rows[_P1 + v] = p0
        rows[_A1 + v] = a1
        rows[_A2 + v] = a2
        up = _i32(0) if d == 0 else _i32(128)
        d1, d2, d3 = rows[_D + v], rows[_D + LANES + v], rows[_D + 2 * LANES + v]
        d4, d5, d6 = rows[_D + 3 * LANES + v], rows[_D + 4 * LANES + v], rows[_D + 5 * LANES + v]
        b1, b2, b3 = rows[_B + v], rows[_B + LANES + v], rows[_B + 2 * LANES + v]
        b4, b5, b6 = rows[_B + 3 * LANES + v], rows[_B + 4 * LANES + v], rows[_B + 5 * LANES + v]
        s1, s2, s3 = _i32(_i32(d1 ^ d) >> 31), _i32(_i32(d2 ^ d) >> 31), _i32(_i32(d3 ^ d) >> 31)
        s4, s5, s6 = _i32(_i32(d4 ^ d) >> 31), _i32(_i32(d5 ^ d) >> 31), _i32(_i32(d6 ^ d) >> 31)
        b1 = _i32(_i32(_i32(b1 * _i32(32640)) >> 15) + _i32(up ^ s1) - s1)
        b2 = _i32(_i32(_i32(b2 * _i32(32640)) >> 15) + _i32(up ^ s2) - s2)
        b3 = _i32(_i32(_i32(b3 * _i32(32640)) >> 15) + _i32(up ^ s3) - s3)
        b4 = _i32(_i32(_i32(b4 * _i32(32640)) >> 15) + _i32(up ^ s4) - s4)
        b5 = _i32(_i32(_i32(b5 * _i32(32640)) >> 15) + _i32(up ^ s5) - s5)
        b6 = _i32(_i32(_i32(b6 * _i32(32640)) >> 15) + _i32(up ^ s6) - s6)
        rows[_B + v], rows[_B + LANES + v], rows[_B + 2 * LANES + v] = b1, b2, b3
        rows[_B + 3 * LANES + v], rows[_B + 4 * LANES + v], rows[_B + 5 * LANES + v] = b4, b5, b6
        d0 = _sat(_i32(2 * d))
        rows[_D + v], rows[_D + LANES + v], rows[_D + 2 * LANES + v] = d0, d1, d2
        rows[_D + 3 * LANES + v], rows[_D + 4 * LANES + v], rows[_D + 5 * LANES + v] = d3, d4, d5
        zeros = _i32(_i32(_i32(b1 * d0) >> 15) + _i32(_i32(b2 * d1) >> 15) + _i32(_i32(b3 * d2) >> 15))
        zeros = _i32(zeros + _i32(_i32(b4 * d3) >> 15) + _i32(_i32(b5 * d4) >> 15) + _i32(_i32(b6 * d5) >> 15))
        zeros = _sat(zeros)
        rows[_SZ + v] = zeros
        r1 = rows[_R1 + v]
        r0 = _sat(_i32(2 * _sat(_i32(rows[_S + v] + d))))
        rows[_R2 + v] = r1
        rows[_R1 + v] = r0
        poles = _sat(_i32(_i32(_i32(a1 * r0) >> 15) + _i32(_i32(a2 * r1) >> 15)))
        rows[_S + v] = _sat(_i32(poles + zeros))


@kernel
def band(rows: Array, high: bool, encoding: bool, signal: Array, codes: Array) -> None:
    """Run one band of sixteen legs over a frame: `signal` to `codes` when `encoding`, else `codes` to `signal`.

    `rows` int32[512] is the state, `signal` and `codes` int32[2560] are [sample, lane].
    """
    for k in range(NARROW):
        at = k * LANES
        if encoding:
            _differ(rows, signal, at)
            if high:
                _quantize_high(rows)
            else:
                _quantize_low(rows)
            for v in range(LANES):
                codes[at + v] = rows[_CODE + v]
        else:
            for v in range(LANES):
                rows[_CODE + v] = codes[at + v]
        if high:
            _inverse_high(rows)
        else:
            _inverse_low(rows)
        if not encoding:
            for v in range(LANES):
                heard = _i32(rows[_S + v] + rows[_VALUE + v])
                signal[at + v] = min(max(heard, _i32(-16384)), _i32(16383))
        _scale(rows, 22528 if high else 18432, 10 if high else 8)
        _predict(rows)


@kernel
def enter(state: Array, rows: Array, lane: int, high: bool) -> None:
    """Bring a coder's band into its lane."""
    first = BAND_WORDS if high else 0
    for n in range(WORDS):
        rows[n * LANES + lane] = state[first + n]


@kernel
def leave(state: Array, rows: Array, lane: int, high: bool) -> None:
    """Bring a lane back to its coder."""
    first = BAND_WORDS if high else 0
    for n in range(WORDS):
        state[first + n] = rows[n * LANES + lane]


@kernel
def split(state: Array, wide: Array, low: Array, high: Array, lane: int, even: Array, odd: Array, direct: Array, crossed: Array) -> None:
    """Divide `wide`[320] into the bands of a lane; scratch as in `g722.encode`."""
    g722.divide(state, wide, even, odd, direct, crossed)
    for k in range(NARROW):
        low[k * LANES + lane] = direct[k]
        high[k * LANES + lane] = crossed[k]


@kernel
def join(state: Array, low: Array, high: Array, lane: int, wide: Array, even: Array, odd: Array, direct: Array, crossed: Array) -> None:
    """Make `wide`[320] of the bands of a lane."""
    for k in range(NARROW):
        direct[k] = low[k * LANES + lane]
        crossed[k] = high[k * LANES + lane]
    g722.unite(state, NARROW, wide, even, odd, direct, crossed)

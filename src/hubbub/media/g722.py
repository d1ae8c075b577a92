"""ITU-T G.722 at 64 kbit/s: a frame of wide samples to bytes and back, in integers (docs/media.md 1.9).

Two sub-bands, each an adaptive predictor with its own quantizer. The filters that split and join the bands look at samples alone, so they
run over the whole frame in vectors; the predictors run band by band with their state in scalars (measured: 3 times the speed of a state
in memory). Encoder and decoder share the predictor, as in the Recommendation: the encoder is a decoder that also looks for the code.
"""

from __future__ import annotations

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.layout import BAND_WORDS, FRAME, NARROW, Array

SPLIT = 22
"""Samples that the filters look back."""
FILTERS = 2 * BAND_WORDS
"""Where the filters' history lies in a coder's state, behind the two bands."""

# ITU-T G.722 tables 11 (filter), 14, 15 (quantizers and their inverses), 16 to 18 (scale factors).
_QMF = np.array([3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11], np.int32)
_Q6 = np.array(
    [0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765,
     1980, 2195, 2557, 2919, 65535, 65535], np.int32,
)  # fmt: skip
_LOW_CODE = np.array(
    [[0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 0],
     [0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 0]], np.int64,
)  # fmt: skip
"""[negative, interval] -> 6-bit code."""
_HIGH_CODE = np.array([[0, 3, 2], [0, 1, 0]], np.int64)
_LOW_STEP = np.array([0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0], np.int64)
"""By the upper four bits of a low code: what the predictors see."""
_LOW_VALUE = np.array(
    [-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856, -7192, -6576,
     -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984,
     13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360,
     1040, 728, 432, 136, -432, -136], np.int64,
)  # fmt: skip
"""By all six bits: what is heard."""
_HIGH_VALUE = np.array([-7408, -1616, 7408, 1616], np.int64)
_LOW_SCALE = np.array([-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60], np.int64)
_HIGH_SCALE = np.array([798, -214, 798, -214], np.int64)
_LOGARITHM = np.array(
    [2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228,
     3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008], np.int64,
)  # fmt: skip


@kernel
def _sat(value: int) -> int:
    return min(max(value, -32768), 32767)


@kernel
def _interval(size: int, scale: int) -> int:
    """Which of the thirty intervals of the low quantizer a difference of `size` lies in: by counting, without a branch."""
    wanted = np.int32(size)
    factor = np.int32(scale)
    above = np.int32(1)
    for n in range(32):
        above += np.int32(np.int32(_Q6[n] * factor) >> 12 <= wanted)
    # The first threshold (0) always counts, the two at the end do only when all others have.
    return min(int(above) - 1, 30)


@kernel
def _band(state: Array, at: int, high: bool, encoding: bool, signal: Array, codes: Array, start: int, count: int) -> None:
    """Run one band over `count` samples from `start` on: `signal` to `codes` when `encoding`, else `codes` to `signal`.

    `state[at:]` holds: log scale, scale, prediction, zero prediction, poles a1 a2, doubled reconstructions r1 r2, partial signals p1 p2,
    doubled differences d1..d6, zeros b1..b6. Names are those of the Recommendation's blocks 3 and 4.
    """
    nb, det, s, sz = state[at], state[at + 1], state[at + 2], state[at + 3]
    a1, a2, r1, r2, p1, p2 = state[at + 4], state[at + 5], state[at + 6], state[at + 7], state[at + 8], state[at + 9]
    d1, d2, d3, d4, d5, d6 = state[at + 10], state[at + 11], state[at + 12], state[at + 13], state[at + 14], state[at + 15]
    b1, b2, b3, b4, b5, b6 = state[at + 16], state[at + 17], state[at + 18], state[at + 19], state[at + 20], state[at + 21]
    for k in range(start, start + count):
        if encoding:
            error = _sat(int(signal[k]) - s)
            negative = error >> 63
            size = error ^ negative
            code = _HIGH_CODE[-negative, 2 if size >= (564 * det) >> 12 else 1] if high else _LOW_CODE[-negative, _interval(size, det)]
            codes[k] = code
        else:
            code = codes[k]
        # Inverse quantizer and scale factor.
        if high:
            d = (det * _HIGH_VALUE[code]) >> 15
            if not encoding:
                signal[k] = min(max(d + s, -16384), 16383)
            nb = min(max(((nb * 127) >> 7) + _HIGH_SCALE[code], 0), 22528)
            shift = nb >> 11
            det = ((_LOGARITHM[(nb >> 6) & 31] << shift) >> 10) << 2
        else:
            d = (det * _LOW_STEP[code >> 2]) >> 15
            if not encoding:
                signal[k] = min(max(s + ((det * _LOW_VALUE[code]) >> 15), -16384), 16383)
            nb = min(max(((nb * 127) >> 7) + _LOW_SCALE[code >> 2], 0), 18432)
            shift = nb >> 11
            det = ((_LOGARITHM[(nb >> 6) & 31] << shift) >> 8) << 2
        # Poles: the signs of the partially reconstructed signal decide.
        p0 = _sat(sz + d)
        same1 = (p0 ^ p1) >= 0
        step = _sat(a1 << 2)
        step = min(-step, 32767) if same1 else step
        a2 = (step >> 7) + (128 if (p0 ^ p2) >= 0 else -128) + ((a2 * 32512) >> 15)
        a2 = min(max(a2, -12288), 12288)
        limit = 15360 - a2
        a1 = min(max((192 if same1 else -192) + ((a1 * 32640) >> 15), -limit), limit)
        p2 = p1
        p1 = p0
        # Zeros: each goes with the sign of its old difference. |b| stays below 2**15, so nothing saturates here.
        up = 0 if d == 0 else 128
        b6 = ((b6 * 32640) >> 15) + (up ^ ((d6 ^ d) >> 63)) - ((d6 ^ d) >> 63)
        b5 = ((b5 * 32640) >> 15) + (up ^ ((d5 ^ d) >> 63)) - ((d5 ^ d) >> 63)
        b4 = ((b4 * 32640) >> 15) + (up ^ ((d4 ^ d) >> 63)) - ((d4 ^ d) >> 63)
        b3 = ((b3 * 32640) >> 15) + (up ^ ((d3 ^ d) >> 63)) - ((d3 ^ d) >> 63)
        b2 = ((b2 * 32640) >> 15) + (up ^ ((d2 ^ d) >> 63)) - ((d2 ^ d) >> 63)
        b1 = ((b1 * 32640) >> 15) + (up ^ ((d1 ^ d) >> 63)) - ((d1 ^ d) >> 63)
        d6, d5, d4, d3, d2, d1 = d5, d4, d3, d2, d1, _sat(2 * d)
        sz = ((b6 * d6) >> 15) + ((b5 * d5) >> 15) + ((b4 * d4) >> 15) + ((b3 * d3) >> 15) + ((b2 * d2) >> 15) + ((b1 * d1) >> 15)
        sz = _sat(sz)
        r2 = r1
        r1 = _sat(2 * _sat(s + d))
        s = _sat(_sat(((a1 * r1) >> 15) + ((a2 * r2) >> 15)) + sz)
    state[at], state[at + 1], state[at + 2], state[at + 3] = nb, det, s, sz
    state[at + 4], state[at + 5], state[at + 6], state[at + 7], state[at + 8], state[at + 9] = a1, a2, r1, r2, p1, p2
    state[at + 10], state[at + 11], state[at + 12], state[at + 13], state[at + 14], state[at + 15] = d1, d2, d3, d4, d5, d6
    state[at + 16], state[at + 17], state[at + 18], state[at + 19], state[at + 20], state[at + 21] = b1, b2, b3, b4, b5, b6


@kernel
def _filter(even: Array, odd: Array, direct: Array, crossed: Array, count: int) -> None:
    """Both phases of the half-band filter: `direct` over the even samples, `crossed` (reversed taps) over the odd ones."""
    for k in range(count):
        direct[k] = 0
        crossed[k] = 0
    for i in range(12):
        tap = _QMF[i]
        back = _QMF[11 - i]
        for k in range(count):
            direct[k] += np.int32(tap * even[k + i])
            crossed[k] += np.int32(back * odd[k + i])


@kernel
def divide(state: Array, wide: Array, even: Array, odd: Array, low: Array, high: Array) -> None:
    """Divide `wide`[320] into the bands `low`[160] and `high`[160]; scratch as in `encode`."""
    for n in range(11):
        even[n] = state[FILTERS + 2 * n]
        odd[n] = state[FILTERS + 2 * n + 1]
    for n in range(NARROW):
        even[11 + n] = wide[2 * n]
        odd[11 + n] = wide[2 * n + 1]
    for n in range(SPLIT):
        state[FILTERS + n] = wide[FRAME - SPLIT + n]
    _filter(even, odd, low, high, NARROW)
    for n in range(NARROW):
        direct = low[n]
        low[n] = (high[n] + direct) >> 14
        high[n] = (high[n] - direct) >> 14


@kernel
def unite(state: Array, count: int, wide: Array, even: Array, odd: Array, low: Array, high: Array) -> None:
    """Make `2 * count` samples of `wide` of the bands `low` and `high`, which are used up; scratch as in `encode`."""
    for n in range(11):
        even[n] = state[FILTERS + 2 * n]
        odd[n] = state[FILTERS + 2 * n + 1]
    for n in range(count):
        even[11 + n] = low[n] + high[n]
        odd[11 + n] = low[n] - high[n]
    for n in range(11):
        state[FILTERS + 2 * n] = even[count + n]
        state[FILTERS + 2 * n + 1] = odd[count + n]
    _filter(even, odd, low, high, count)
    for n in range(count):
        wide[2 * n] = min(max(high[n] >> 11, -32768), 32767)
        wide[2 * n + 1] = min(max(low[n] >> 11, -32768), 32767)


@kernel
def encode(state: Array, wide: Array, out: Array, even: Array, odd: Array, low: Array, high: Array, codes: Array) -> None:
    """Encode `wide`[320] into `out`[160] bytes.

    `even`, `odd` int32[>=171], `low`, `high` int32[>=160] and `codes` int64[>=320] are scratch.
    """
    divide(state, wide, even, odd, low, high)
    upper = codes[NARROW:]
    _band(state, 0, False, True, low, codes, 0, NARROW)
    _band(state, BAND_WORDS, True, True, high, upper, 0, NARROW)
    for n in range(NARROW):
        out[n] = (upper[n] << 6) | codes[n]


@kernel
def decode(
    state: Array, data: Array, start: int, count: int, wide: Array, even: Array, odd: Array, low: Array, high: Array, codes: Array
) -> None:
    """Decode `count` bytes (at most 160) of `data` from `start` on into the first `2 * count` samples of `wide`; scratch as in `encode`."""
    upper = codes[NARROW:]
    for n in range(count):
        codes[n] = data[start + n] & 63
        upper[n] = data[start + n] >> 6
    _band(state, 0, False, False, low, codes, 0, count)
    _band(state, BAND_WORDS, True, False, high, upper, 0, count)
    unite(state, count, wide, even, odd, low, high)

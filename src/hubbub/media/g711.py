"""G.711 tables, made from the formulas of ITU-T G.711 (operation as in G.191)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ULAW_SILENCE = 0xFF
ALAW_SILENCE = 0xD5


def decode_table() -> NDArray[np.int16]:
    """[codec, byte] -> 16-bit sample; codec 0 is PCMU, 1 is PCMA (G.711 tables 1 and 2)."""
    byte = np.arange(256)
    flipped = ~byte & 0xFF
    segment, step = flipped >> 4 & 7, flipped & 15
    ulaw = (((step << 1) + 33) << segment) - 33 << 2
    ulaw = np.where(flipped & 0x80, -ulaw, ulaw)
    flipped = byte ^ 0x55
    segment, step = flipped >> 4 & 7, flipped & 15
    alaw = np.where(segment == 0, (step << 1) + 1, ((step << 1) + 33) << np.maximum(segment - 1, 0)) << 3
    alaw = np.where(flipped & 0x80, alaw, -alaw)
    return np.stack([ulaw, alaw]).astype(np.int16)


def encode_table() -> NDArray[np.uint8]:
    """[codec, (sample >> 2) + 8192] -> byte."""
    value = np.arange(-8192, 8192)
    negative = value < 0
    # One's complement magnitude: the operation of G.191, in which -1 and 0 are the two zeros.
    magnitude = np.where(negative, ~value, value)
    biased = np.minimum(magnitude + 33, 0x1FFF)
    segment = np.frexp(biased.astype(np.float64))[1] - 6
    ulaw = 0xFF ^ (np.where(negative, 0x80, 0) | segment << 4 | (biased >> (segment + 1) & 15))
    # The two sign conventions are opposite: a positive A-law byte has the top bit set.
    coarse = magnitude >> 1
    segment = np.maximum(np.frexp(coarse.astype(np.float64))[1] - 5, 0)
    step = np.where(segment == 0, coarse >> 1, coarse >> np.maximum(segment, 1)) & 15
    alaw = 0x55 ^ (np.where(negative, 0, 0x80) | segment << 4 | step)
    return np.stack([ulaw, alaw]).astype(np.uint8)

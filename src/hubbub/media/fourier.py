"""Discrete Fourier transform of 512 complex numbers, for spectra in the loop."""

from __future__ import annotations

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.layout import SPECTRUM, Array

_BITS = SPECTRUM.bit_length() - 1
_MIRRORED = np.array([int(format(n, f"0{_BITS}b")[::-1], 2) for n in range(SPECTRUM)], np.int64)
"""Index of each element when the bits of its number are read backwards."""

# A stage with butterflies over `half` elements finds its turns from `half` on, one behind the other: so the compiler uses vectors.
_TURNS = np.concatenate([[0j]] + [np.exp(-1j * np.pi * np.arange(1 << bit) / (1 << bit)) for bit in range(_BITS)])
_COSINE = np.ascontiguousarray(_TURNS.real)
_SINE = np.ascontiguousarray(_TURNS.imag)


@kernel
def _stage(real: Array, imaginary: Array, start: int, half: int) -> None:
    """Butterflies between the elements from `start` on and those that stand `half` further."""
    for k in range(half):
        low = start + k
        high = low + half
        turned = real[high] * _COSINE[half + k] - imaginary[high] * _SINE[half + k]
        turned_imaginary = real[high] * _SINE[half + k] + imaginary[high] * _COSINE[half + k]
        real[high] = real[low] - turned
        imaginary[high] = imaginary[low] - turned_imaginary
        real[low] += turned
        imaginary[low] += turned_imaginary


@kernel
def transform(real: Array, imaginary: Array) -> None:
    """Transform in place, without a factor; with the two exchanged it is the inverse, `SPECTRUM` times too large."""
    for n in range(SPECTRUM):
        other = _MIRRORED[n]
        if other > n:
            real[n], real[other] = real[other], real[n]
            imaginary[n], imaginary[other] = imaginary[other], imaginary[n]
    half = 1
    while half < SPECTRUM:
        for start in range(0, SPECTRUM, 2 * half):
            _stage(real, imaginary, start, half)
        half *= 2

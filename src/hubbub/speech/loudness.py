"""Bring speech of any engine to telephone level at 16 kHz."""

from __future__ import annotations

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
RATE: Final = 16_000
PEAK_DB: Final = -6.0
RMS_DB: Final = -20.0
_FADE: Final = 0.008
_EDGE: Final = 0.06
_BLOCK: Final = 320


def to_telephone(audio: NDArray[np.float32] | Pcm, rate: int) -> NDArray[np.float32]:
    """`audio` (float ±1 or int16, mono, `rate` Hz) as float at 16 kHz, levelled, its long silences at both ends cut to 60 ms, faded.

    The level is -20 dBFS RMS over the active blocks, less where the peak would pass -6 dBFS.
    """
    wave = audio.astype(np.float32)
    if audio.dtype == np.int16:
        wave *= np.float32(1 / 32768)
    if rate != RATE and len(wave):
        wave = np.asarray(soxr.resample(wave, rate, RATE), dtype=np.float32)
    peak = float(np.max(np.abs(wave), initial=0.0))
    if peak < 1e-4:
        return np.zeros(0, np.float32)
    wave = _trim(wave, peak)
    gain = min(10 ** (PEAK_DB / 20) / peak, 10 ** (RMS_DB / 20) / _active_rms(wave))
    wave = wave * np.float32(gain)
    fade = min(int(_FADE * RATE), len(wave) // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    wave[:fade] *= ramp
    wave[len(wave) - fade :] *= ramp[::-1]
    return wave


def to_pcm(wave: NDArray[np.float32]) -> Pcm:
    """Float ±1 as int16, rounded and clipped."""
    return np.clip(np.rint(wave * 32767), -32768, 32767).astype(np.int16)


def _trim(wave: NDArray[np.float32], peak: float) -> NDArray[np.float32]:
    loud = np.flatnonzero(np.abs(wave) > peak * 0.01)
    edge = int(_EDGE * RATE)
    return wave[max(0, int(loud[0]) - edge) : int(loud[-1]) + edge].copy()


def _active_rms(wave: NDArray[np.float32]) -> float:
    """RMS of the 20 ms blocks within 25 dB of the loudest: pauses between words say nothing about loudness."""
    blocks = wave[: len(wave) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    if len(blocks) == 0:
        return float(np.sqrt(np.mean(wave**2)))
    power = np.mean(blocks**2, axis=1)
    return float(np.sqrt(np.mean(power[power > np.max(power) * 10**-2.5])))

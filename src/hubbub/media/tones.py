"""Tones that a telephone network plays: beeps, dial digits, ringing, silence. All 16 kHz mono int16.

Levels are dBFS of one sine: 0 dB is a sine whose peak is full scale (AES17).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
RATE: Final = 16_000
FULL_SCALE: Final = 32767.0
_FADE: Final = 0.005

DTMF: Final[dict[str, tuple[float, float]]] = {
    key: (low, high)
    for low, keys in ((697.0, "123A"), (770.0, "456B"), (852.0, "789C"), (941.0, "*0#D"))
    for key, high in zip(keys, (1209.0, 1336.0, 1477.0, 1633.0), strict=True)
}
"""ITU-T Q.23: the two frequencies of each key."""

_Step = tuple[tuple[float, ...], float]
"""Frequencies that sound together (none: silence), and seconds."""


def _once(*frequencies: float, on: float = 1.0, off: float = 4.0) -> tuple[_Step, ...]:
    return ((frequencies, on), ((), off))


def _twice(*frequencies: float, off: float = 2.0) -> tuple[_Step, ...]:
    return ((frequencies, 0.4), ((), 0.2), (frequencies, 0.4), ((), off))


_RINGBACK: Final[dict[str, tuple[_Step, ...]]] = {
    "at": _once(420, off=5),
    "au": _twice(413, 438),
    "be": _once(425, off=3),
    "cl": _once(400, off=3),
    "cn": _once(450),
    "es": _once(425, on=1.5, off=3),
    "fr": _once(440, on=1.5, off=3.5),
    "hu": _once(425, on=1.25, off=3.75),
    "il": _once(400, off=3),
    "in": _twice(375, 400, 425),
    "jp": _once(385, 400, 415, off=2),
    "my": _twice(425),
    "nz": _twice(400, 450),
    "ph": _once(425, 480),
    "pt": _once(425, off=5),
    "se": _once(425, off=5),
    "sg": _twice(401, 425, 449),
    "tw": _once(440, 480, off=2),
    "uk": _twice(400, 450),
    "us": _once(440, 480, on=2),
    "us-old": _once(420, 460, on=2),
    "za": _twice(367, 400, 433),
}
"""National ringing tones (ITU-T E.180 supplement 2) that differ from the one that most of Europe uses."""
_EUROPE: Final = _once(425)
_EUROPEAN: Final = frozenset(("bg", "br", "ch", "cz", "de", "dk", "ee", "fi", "gr", "it", "lt", "mx", "nl", "no", "pl", "ru", "th", "ve"))
RINGBACK_COUNTRIES: Final = frozenset(_RINGBACK) | _EUROPEAN


def sine(frequencies: float | Iterable[float], seconds: float, level_db: float = -12.0, *, fade: float = _FADE) -> Pcm:
    """One sine or several at once, each at `level_db` dBFS; `fade` seconds of ramp at both ends. The sum is clipped at full scale."""
    chosen: Sequence[float] = (float(frequencies),) if isinstance(frequencies, int | float) else tuple(frequencies)
    count = max(0, round(seconds * RATE))
    time = np.arange(count, dtype=np.float64) / RATE
    wave = np.zeros(count)
    for frequency in chosen:
        wave += np.sin(2 * np.pi * frequency * time)
    wave *= FULL_SCALE * 10 ** (level_db / 20)
    ramp = min(round(fade * RATE), count // 2)
    if ramp:
        shape = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / ramp)
        wave[:ramp] *= shape
        wave[count - ramp :] *= shape[::-1]
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)


def silence(seconds: float) -> Pcm:
    """Nothing, for `seconds`."""
    return np.zeros(max(0, round(seconds * RATE)), np.int16)


@lru_cache(maxsize=1)
def beep_enter() -> Pcm:
    """Somebody came: two rising notes, 0.28 s."""
    return _shared(np.concatenate([sine(880, 0.12, -14), silence(0.02), sine(1175, 0.14, -14)]))


@lru_cache(maxsize=1)
def beep_exit() -> Pcm:
    """Somebody left: two falling notes, 0.28 s."""
    return _shared(np.concatenate([sine(1047, 0.12, -14), silence(0.02), sine(698, 0.14, -14)]))


@lru_cache(maxsize=1)
def beep_record() -> Pcm:
    """Speak now: one even note, 0.3 s."""
    return _shared(sine(1000, 0.3, -14))


def dtmf(digit: str, ms: int = 100, level_db: float = -12.0) -> Pcm:
    """One key (`0-9 * # A-D`) as the two tones of ITU-T Q.23, each at `level_db`; ValueError for any other key."""
    pair = DTMF.get(digit.upper())
    if pair is None:
        raise ValueError(f"not a DTMF key: {digit!r}")
    return sine(pair, ms / 1000, level_db, fade=0.002)


def ringback(country: str = "us", seconds: float | None = None, level_db: float = -18.0) -> Pcm:
    """What a caller hears while the other side rings; an unknown country sounds American.

    Without `seconds`: one whole cycle, made to be looped. With: that long, starting with the tone.
    """
    steps = _EUROPE if country in _EUROPEAN else _RINGBACK.get(country, _RINGBACK["us"])
    cycle = np.concatenate([sine(frequencies, duration, level_db) if frequencies else silence(duration) for frequencies, duration in steps])
    return cycle if seconds is None else np.resize(cycle, round(seconds * RATE))


def _shared(pcm: Pcm) -> Pcm:
    pcm.flags.writeable = False
    return pcm

"""Automatic level: each talker is brought to the same loudness, slowly, and never above full scale (docs/media.md 1.10)."""

from __future__ import annotations

from hubbub.media.compiled import kernel
from hubbub.media.layout import FRAME, UNITY, Array, Voices

LEAST = 1024
"""-12 dB."""
MOST = 16384
"""+12 dB."""
SLOW = 64
"""A gain changes by a 64th per frame at most: 6.7 dB a second."""
MEMORY = 4
"""Loudness is the mean of about 2^4 frames of speech."""


@kernel
def root(value: int) -> int:
    """The largest number whose square is not above `value` (0 to 2^30)."""
    found = 0
    bit = 1 << 15
    while bit > 0:
        if (found + bit) * (found + bit) <= value:
            found += bit
        bit >>= 1
    return found


@kernel
def wanted_gain(voices: Voices, leg: int, level: int) -> int:
    """The gain that the leg's loudness asks for, after a frame of mean square `level`; as it is while nobody has spoken."""
    if voices[leg].target == 0:
        return UNITY
    if voices[leg].talking and level >= voices[leg].faint:
        if voices[leg].loudness == 0:
            voices[leg].loudness = level
        else:
            voices[leg].loudness += (level - voices[leg].loudness) >> MEMORY
    if voices[leg].loudness <= 0:
        return int(voices[leg].gain)
    square = (voices[leg].target << 24) // voices[leg].loudness
    return root(min(max(square, LEAST * LEAST), MOST * MOST))


@kernel
def apply_gain(pcm: Array, now: int, wanted: int) -> None:
    """Bring a wide frame to a gain that runs from `now` to `wanted`, clamped to 16 bits."""
    step = ((wanted - now) << 16) // FRAME
    for n in range(FRAME):
        gain = ((now << 16) + (n + 1) * step) >> 16
        pcm[n] = min(max((gain * int(pcm[n]) + 2048) >> 12, -32768), 32767)


@kernel
def peak_of(pcm: Array) -> int:
    """The largest sample of a wide frame, at least 1."""
    peak = 1
    for n in range(FRAME):
        peak = max(peak, abs(int(pcm[n])))
    return peak


@kernel
def level_out(voices: Voices, leg: int, level: int, pcm: Array) -> None:
    """Level one wide frame; `level` is its mean square before."""
    now = int(voices[leg].gain)
    if voices[leg].target == 0 and now == UNITY:
        return
    step = max(now // SLOW, 1)
    wanted = min(max(wanted_gain(voices, leg, level), now - step), now + step)
    if wanted > UNITY:
        wanted = min(wanted, max((32767 << 12) // peak_of(pcm), UNITY))
    apply_gain(pcm, now, wanted)
    voices[leg].gain = wanted

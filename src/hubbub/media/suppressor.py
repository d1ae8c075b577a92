"""Noise suppression of one talker: what stays the same is turned down, what changes as speech does is kept (docs/media.md 1.12).

Windows of 20 ms every 10 ms; in each band the noise is followed by how likely it is that speech is there (Gerkmann and Hendriks, IEEE
Transactions on Audio, Speech and Language Processing 20(4), 2012), and a Wiener gain by the decision-directed ratio of speech to noise
(Ephraim and Malah 1984; Scalart and Filho 1996). What is heard comes 10 ms later.
"""

from __future__ import annotations

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.desk import Desk
from hubbub.media.fourier import transform
from hubbub.media.layout import BANDS, FRAME, HOP, SPECTRUM, UNITY, Array, Suppressors
from hubbub.media.levels import energy
from hubbub.media.rows import fill

LEARNING = 10
"""Frames that are only listened to: then the noise is known, and what is heard goes over to the cleaned sound within one more."""

_WINDOW = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME))
"""Root of a Hann window, before and after: two that overlap by half add up to one."""

LIKELY = 31.6
"""Ratio (15 dB) that speech is believed to have where it is."""
_SCALE = LIKELY / (1 + LIKELY) / 64
NOISE_MEMORY = 0.92
"""Of the noise, per window."""
HEARD_MEMORY = 0.93
STUCK = 0.98
"""A band in which speech has been seen for so long is at most so sure of it: sound that never ends is noise in the end."""
LEAST_NOISE = 1.0
OVER = 1.4
"""Noise is taken for so much more than it is: what is left of it then seldom comes and goes by itself (musical noise)."""
DECISION = 0.96
"""How much the ratio of speech to noise believes the window before."""
LEAST_RATIO = 10**-2.5
MOST_RATIO = 1000.0

SPEECH_BANDS = (6, 112)
"""From 190 to 3 500 Hz: by their mean gain it is told whether anybody speaks."""
PAUSE_GAIN, SPEECH_GAIN = 0.08, 0.28
PAUSE_RATIO, SPEECH_RATIO = 1.0, 3.0
"""Or by what is left of the power, against the noise: so a tone, which is in few bands, is not taken for a pause."""
TALK_MEMORY = 0.9
FLOOR_SPEECH, FLOOR_PAUSE = 0.2, 0.063
"""Least gain, -14 dB while somebody speaks and -24 dB else."""
PAUSE_FACTOR = 0.5
"""All bands are turned down by so much more while nobody speaks."""


@kernel
def forget(suppressors: Suppressors, leg: int) -> None:
    """Begin anew: nothing is known of the noise."""
    state = suppressors[leg]
    state.age = 0
    state.share = 0
    state.silent = 0
    state.talk = 0.0
    fill(state.past, 0, HOP, 0)
    fill(state.carry, 0, HOP, 0)
    fill(state.before, 0, BANDS, 0)
    fill(state.heard, 0, BANDS, 0)


@kernel
def sound(suppressors: Suppressors, leg: int) -> bool:
    """Whether the state can be gone on with: a number that is none would never go away."""
    state = suppressors[leg]
    if not 0 <= state.share <= UNITY or not 0 <= state.age <= LEARNING or not 0 <= state.talk <= 1:
        return False
    for n in range(HOP):
        if not -1e6 < state.carry[n] < 1e6:
            return False
    for k in range(BANDS):
        if not (0 <= state.noise[k] < 1e13 and 0 <= state.before[k] <= MOST_RATIO and 0 <= state.heard[k] <= 1):
            return False
    return True


@kernel
def _power_of(real: Array, imaginary: Array, second: bool, power: Array) -> None:
    """Power of one of two real signals that were transformed as real and imaginary part of one."""
    for k in range(BANDS):
        other = (SPECTRUM - k) % SPECTRUM
        if second:
            a = real[other] - real[k]
            b = imaginary[k] + imaginary[other]
        else:
            a = real[k] + real[other]
            b = imaginary[k] - imaginary[other]
        power[k] = 0.25 * (a * a + b * b)


@kernel
def _follow_noise(power: Array, noise: Array, heard: Array) -> None:
    """Let the noise of each band go where the power goes while speech is unlikely there."""
    for k in range(BANDS):
        # exp(-x) as a power of 64: close enough, the same on every machine, and the compiler uses vectors.
        root = max(1 - power[k] / noise[k] * _SCALE, 0.0)
        root *= root
        root *= root
        root *= root
        root *= root
        root *= root
        root *= root
        likely = 1 / (1 + (1 + LIKELY) * root)
        heard[k] = HEARD_MEMORY * heard[k] + (1 - HEARD_MEMORY) * likely
        if heard[k] > STUCK:
            likely = min(likely, STUCK)
        here = likely * noise[k] + (1 - likely) * power[k]
        noise[k] = max(NOISE_MEMORY * noise[k] + (1 - NOISE_MEMORY) * here, LEAST_NOISE)


@kernel
def _wiener(power: Array, noise: Array, before: Array, gain: Array) -> None:
    """Gain of each band, by the ratio of speech to noise."""
    for k in range(BANDS):
        posterior = min(power[k] / (OVER * noise[k]), MOST_RATIO)
        prior = max(DECISION * before[k] + (1 - DECISION) * max(posterior - 1, 0.0), LEAST_RATIO)
        gain[k] = prior / (1 + prior)
        before[k] = gain[k] * gain[k] * posterior


@kernel
def _speech_share(gain: Array, power: Array, noise: Array, talk: float) -> float:
    """How much somebody speaks (0 to 1, and for a moment longer), by what is let through in the bands of speech."""
    total = 0.0
    left = 0.0
    behind = 0.0
    for k in range(SPEECH_BANDS[0], SPEECH_BANDS[1]):
        total += gain[k]
        left += gain[k] * power[k]
        behind += noise[k]
    by_bands = (total / (SPEECH_BANDS[1] - SPEECH_BANDS[0]) - PAUSE_GAIN) / (SPEECH_GAIN - PAUSE_GAIN)
    by_power = (left / behind - PAUSE_RATIO) / (SPEECH_RATIO - PAUSE_RATIO)
    return max(min(max(by_bands, by_power, 0.0), 1.0), talk * TALK_MEMORY)


@kernel
def _limit(gain: Array, talk: float) -> None:
    """Turn everything down a little more in pauses, and nothing below the floor."""
    factor = PAUSE_FACTOR + (1 - PAUSE_FACTOR) * talk
    floor = FLOOR_PAUSE + (FLOOR_SPEECH - FLOOR_PAUSE) * talk
    for k in range(BANDS):
        gain[k] = max(gain[k] * factor, floor)


@kernel
def _apply(real: Array, imaginary: Array, first: Array, second: Array) -> None:
    """Bring each of two real signals, transformed as one, to its own gains."""
    for k in range(BANDS):
        other = (SPECTRUM - k) % SPECTRUM
        a = 0.5 * first[k] * (real[k] + real[other])
        b = 0.5 * first[k] * (imaginary[k] - imaginary[other])
        c = 0.5 * second[k] * (imaginary[k] + imaginary[other])
        d = 0.5 * second[k] * (real[other] - real[k])
        real[other] = a + d
        imaginary[other] = c - b
        real[k] = a - d
        imaginary[k] = b + c


@kernel
def _cut(past: Array, pcm: Array, real: Array, imaginary: Array) -> None:
    """The two windows that end with this frame: the first as real part, the second as imaginary part."""
    for n in range(HOP):
        real[n] = _WINDOW[n] * past[n]
        real[HOP + n] = _WINDOW[HOP + n] * pcm[n]
        imaginary[n] = _WINDOW[n] * pcm[n]
        imaginary[HOP + n] = _WINDOW[HOP + n] * pcm[HOP + n]
    for n in range(FRAME, SPECTRUM):
        real[n] = 0
        imaginary[n] = 0
    for n in range(HOP):
        past[n] = pcm[HOP + n]


@kernel
def _join(carry: Array, real: Array, imaginary: Array, out: Array) -> None:
    """Lay the windows over each other: `out`[320] is what can be heard now, `carry` what goes into the next frame."""
    for n in range(HOP):
        out[n] = carry[n] + _WINDOW[n] * real[n] / SPECTRUM
        out[HOP + n] = (_WINDOW[HOP + n] * real[HOP + n] + _WINDOW[n] * imaginary[n]) / SPECTRUM
        carry[n] = _WINDOW[HOP + n] * imaginary[HOP + n] / SPECTRUM


@kernel
def _blend(pcm: Array, out: Array, now: int, wanted: int) -> None:
    """Go over from what came to what was made of it, as a gain does (docs/media.md 1.3)."""
    for n in range(FRAME):
        share = (now + (wanted - now) * (n + 1) / FRAME) / UNITY
        pcm[n] = min(max(int(np.floor(pcm[n] + share * (out[n] - pcm[n]) + 0.5)), -32768), 32767)


@kernel
def _clean(suppressors: Suppressors, leg: int, desk: Desk, pcm: Array) -> None:
    """Work out this frame's cleaned sound into `desk.cleaned`."""
    state = suppressors[leg]
    real, imaginary = desk.real, desk.imaginary
    _cut(state.past, pcm, real, imaginary)
    transform(real, imaginary)
    for window in range(2):
        _power_of(real, imaginary, window == 1, desk.power)
        if state.age < 2:
            for k in range(BANDS):
                state.noise[k] = max(desk.power[k], LEAST_NOISE)
        gain = desk.second_gain if window else desk.first_gain
        _follow_noise(desk.power, state.noise, state.heard)
        _wiener(desk.power, state.noise, state.before, gain)
        state.talk = _speech_share(gain, desk.power, state.noise, state.talk)
        _limit(gain, state.talk)
    _apply(real, imaginary, desk.first_gain, desk.second_gain)
    transform(imaginary, real)
    _join(state.carry, real, imaginary, desk.cleaned)


@kernel
def suppress(suppressors: Suppressors, leg: int, desk: Desk, pcm: Array) -> None:
    """Clean one wide frame in place, where the leg wants it; off, no bit is changed."""
    state = suppressors[leg]
    if not state.wanted and not state.share:
        return
    state.silent = min(state.silent + 1, 2) if energy(pcm, FRAME) == 0 else 0
    if state.silent < 2 or state.age < LEARNING:
        _clean(suppressors, leg, desk, pcm)
        state.age = min(state.age + 1, LEARNING)
    else:
        # Nothing has come and nothing is left to say: the noise that is known is kept.
        fill(desk.cleaned, 0, FRAME, 0)
        fill(state.carry, 0, HOP, 0)
    wanted = UNITY if state.wanted and state.age == LEARNING else 0
    if wanted or state.share:
        _blend(pcm, desk.cleaned, state.share, wanted)
    state.share = wanted

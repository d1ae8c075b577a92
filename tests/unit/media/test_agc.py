"""Automatic level equals the text of docs/media.md 1.10 bit for bit, and does what it is for."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.reference_mixer import RefLevel
from tests.support.small_engine import small_engine, tone

from hubbub.media.agc import level_out, root
from hubbub.media.layout import FAINT, FRAME, UNITY, decibels
from hubbub.media.levels import detect, energy

FRAMES = st.lists(
    st.tuples(st.sampled_from([0, 30, 300, 3000, 20000, 32767]), st.sampled_from([None, None, None, 0, 2**20, 2**28])),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), FRAMES)
def test_any_speech_equals_the_reference(seed: int, frames: list[tuple[int, int | None]]) -> None:
    random = np.random.default_rng(seed)
    small = small_engine()
    small.add_leg(0)
    voice, reference = small.engine.voices[0], RefLevel()
    for loud, target in frames:
        if target is not None:
            voice.target = reference.target = target
            voice.loudness = reference.loudness = 0
        pcm = random.integers(-loud - 1, loud + 1, FRAME).astype(np.int16)
        level = energy(pcm, FRAME) // FRAME
        detect(small.engine.voices, 0, level)
        expected = reference.apply(pcm.astype(np.int64), level, talking=bool(voice.talking), faint=FAINT)
        level_out(small.engine.voices, 0, level, pcm)
        assert np.array_equal(pcm, expected)
        assert (voice.gain, voice.loudness) == (reference.gain, reference.loudness)


@given(st.integers(0, 2**30))
def test_the_root_is_exact(value: int) -> None:
    assert root(value) == math.isqrt(value)


def levelled(amplitude: float, seconds: float, target_db: float = -20) -> tuple[np.ndarray, int]:
    """What a tone of that height becomes, and the gain at the end."""
    small = small_engine()
    small.add_leg(0)
    small.engine.voices[0].target = round(32768**2 * 10 ** (target_db / 10))
    sound = tone(400, round(seconds * 16000), 16000, amplitude)
    for start in range(0, len(sound) - FRAME + 1, FRAME):
        frame = sound[start : start + FRAME]
        level = energy(frame, FRAME) // FRAME
        detect(small.engine.voices, 0, level)
        level_out(small.engine.voices, 0, level, frame)
    return sound, int(small.engine.voices[0].gain)


def test_soft_and_loud_talkers_come_to_the_same_level_within_two_seconds() -> None:
    """6.7 dB a second, by at most 12 dB; a talker at the target is left as it is."""
    for amplitude in (1900.0, 4634.0, 15000.0):
        sound, _ = levelled(amplitude, 3)
        assert abs(decibels(energy(sound[-FRAME:], FRAME) // FRAME) + 20) < 0.5
    assert levelled(400, 4)[1] == UNITY, "below what is speech nothing is turned up"
    assert levelled(1000, 5, -10)[1] == 16384, "twelve decibels and no more"


def test_a_gain_that_changes_makes_no_step() -> None:
    sound, _ = levelled(2000, 2)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    bins = np.fft.rfftfreq(len(sound), 1 / 16000)
    assert 20 * np.log10(spectrum[bins > 1000].max() / spectrum.max()) < -60


def test_a_shout_is_not_turned_up_into_full_scale() -> None:
    small = small_engine()
    small.add_leg(0)
    voice = small.engine.voices[0]
    voice.target, voice.gain, voice.loudness, voice.talking = 2**24, 16384, 10000, 1
    shout = tone(400, FRAME, 16000, 30000)
    for _ in range(2):
        frame = shout.copy()
        level_out(small.engine.voices, 0, energy(shout, FRAME) // FRAME, frame)
    assert voice.gain <= (32767 << 12) // 29990
    assert np.all(np.sign(frame[np.abs(shout) > 100]) == np.sign(shout[np.abs(shout) > 100])), "clamped, never wrapped"
    assert abs(int(frame.max()) - 32767) < 40

"""Levels and speech detection (docs/media.md 1.6)."""

from __future__ import annotations

from tests.support.small_engine import small_engine, tone

from hubbub.media.block import clear_leg
from hubbub.media.layout import FAINT, GATE, HANGOVER, LOUD, decibels
from hubbub.media.levels import detect, energy, passes


def test_decibels_are_relative_to_full_scale() -> None:
    assert abs(decibels(energy(tone(1000, 160, amplitude=32767), 160) // 160) + 3.01) < 0.05
    assert decibels(0) == -96.0
    assert abs(decibels(LOUD) + 40) < 0.01
    assert abs(decibels(FAINT) + 46) < 0.03


def changes(levels: list[int]) -> list[tuple[int, int]]:
    small = small_engine()
    small.add_leg(0)
    voices = small.engine.voices
    return [(n, change) for n, level in enumerate(levels) if (change := int(detect(voices, 0, level)))]


def test_speech_starts_with_the_third_loud_frame_and_ends_after_the_hangover() -> None:
    assert changes([0] * 5 + [LOUD] * 10 + [0] * 40) == [(7, 1), (14 + HANGOVER, -1)]


def test_a_click_is_no_speech() -> None:
    assert changes([LOUD * 50, LOUD * 50, 0, 0, LOUD, 0, LOUD, 0] * 10) == []


def test_one_quiet_frame_sets_the_beginning_back_by_one() -> None:
    """docs/media.md 1.6: the counter goes down with any other frame, not to nothing."""
    assert changes([LOUD, LOUD, 0, LOUD, LOUD]) == [(4, 1)]


def test_a_pause_between_words_does_not_end_speech() -> None:
    assert changes(([LOUD] * 10 + [0] * (HANGOVER - 1)) * 5) == [(2, 1)]


def test_thresholds_are_those_of_the_leg() -> None:
    """`Leg.listen_for`: another level, another onset, another hangover."""
    small = small_engine()
    small.add_leg(0)
    voice = small.engine.voices[0]
    voice.loud, voice.faint, voice.onset_frames, voice.hang_frames = 1000, 500, 1, 2
    levels = [0, 999, 1000, 499, 500, 499, 499, 0]
    assert [int(detect(small.engine.voices, 0, level)) for level in levels] == [0, 0, 1, 0, 0, 0, -1, 0]


def test_what_stays_below_the_gate_is_not_mixed() -> None:
    """A frame above the gate passes at once, and what follows for as long as speech may pause; a gate of 0 passes everything."""
    small = small_engine()
    small.add_leg(0)
    voices = small.engine.voices
    assert not passes(voices, 0, GATE - 1)
    assert passes(voices, 0, GATE)
    assert [bool(passes(voices, 0, GATE - 1)) for _ in range(HANGOVER + 1)] == [True] * (HANGOVER - 1) + [False] * 2
    voices[0].gate = 0
    assert passes(voices, 0, 0)
    clear_leg(small.engine, 0)
    assert voices[0].gate == GATE

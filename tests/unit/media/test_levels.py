"""Levels and speech detection (docs/media.md 1.6)."""

from __future__ import annotations

from tests.support.small_engine import small_engine, tone

from hubbub.media.layout import decibels
from hubbub.media.levels import FAINT, HANGOVER, LOUD, detect, energy


def test_decibels_are_relative_to_full_scale() -> None:
    assert abs(decibels(energy(tone(1000, 160, amplitude=32767), 160) // 160) + 3.01) < 0.05
    assert decibels(0) == -96.0
    assert abs(decibels(LOUD) + 40) < 0.01
    assert abs(decibels(FAINT) + 46) < 0.03


def changes(levels: list[int]) -> list[tuple[int, int]]:
    voices = small_engine().engine.voices
    return [(n, change) for n, level in enumerate(levels) if (change := int(detect(voices, 0, level)))]


def test_speech_starts_with_the_third_loud_frame_and_ends_after_the_hangover() -> None:
    assert changes([0] * 5 + [LOUD] * 10 + [0] * 40) == [(7, 1), (14 + HANGOVER, -1)]


def test_a_click_is_no_speech() -> None:
    assert changes([LOUD * 50, LOUD * 50, 0, 0, LOUD, 0, LOUD, 0] * 10) == []


def test_a_pause_between_words_does_not_end_speech() -> None:
    assert changes(([LOUD] * 10 + [0] * (HANGOVER - 1)) * 5) == [(2, 1)]

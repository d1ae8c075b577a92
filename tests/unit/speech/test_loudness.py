"""Telephone level whatever an engine gives."""

import numpy as np
import pytest

from hubbub.speech.loudness import to_pcm, to_telephone
from hubbub.speech.pattern import pattern


@pytest.mark.parametrize("gain", [0.01, 0.3, 1.0])
def test_level_does_not_depend_on_the_engine(gain: float) -> None:
    random = np.random.default_rng(1)
    speech = (random.standard_normal(24_000) * np.hanning(24_000)).astype(np.float32)
    pcm = to_pcm(to_telephone(speech / np.abs(speech).max() * gain, 24_000))
    peak = 20 * np.log10(np.abs(pcm.astype(float)).max() / 32768)
    assert -12 < peak <= -5.9
    assert pcm[0] == 0


def test_silence_at_both_ends_is_cut() -> None:
    tone = np.sin(np.arange(16_000) / 5).astype(np.float32)
    padded = np.concatenate([np.zeros(16_000, np.float32), tone, np.zeros(32_000, np.float32)])
    assert 16_000 <= len(to_telephone(padded, 16_000)) <= 16_000 + 2 * 960


def test_nothing_stays_nothing() -> None:
    assert len(to_telephone(np.zeros(100, np.float32), 16_000)) == 0
    assert len(to_telephone(np.zeros(0, np.float32), 24_000)) == 0


def test_pattern_follows_the_text() -> None:
    assert np.array_equal(pattern("one two"), pattern("one two"))
    assert not np.array_equal(pattern("one two"), pattern("two one"))
    assert len(pattern("a long sentence of many words")) > 2 * len(pattern("word"))

"""Hold music: pleasant enough to wait to, and without a seam."""

import hashlib

import numpy as np

from hubbub.media import music


def test_the_loop_has_no_seam() -> None:
    pcm = music.hold_music()
    steps = np.abs(np.diff(pcm.astype(int)))
    assert abs(int(pcm[0]) - int(pcm[-1])) <= steps.max()
    assert 30 <= len(pcm) / 16_000 <= 45


def test_level_suits_a_telephone() -> None:
    pcm = music.hold_music().astype(float) / 32768
    assert -27 < 20 * np.log10(np.sqrt(np.mean(pcm**2))) < -21
    assert np.abs(pcm).max() < 0.7
    seconds = pcm.reshape(-1, 16_000)
    assert np.sqrt((seconds**2).mean(axis=1)).min() > 0.01, "no second of it is silent"


def test_what_is_played_survives_a_telephone_line() -> None:
    spectrum = np.abs(np.fft.rfft(music.hold_music().astype(float))) ** 2
    frequencies = np.fft.rfftfreq(len(music.hold_music()), 1 / 16_000)
    inside = spectrum[(frequencies > 140) & (frequencies < 3400)].sum()
    assert inside / spectrum.sum() > 0.95


def test_it_is_the_same_every_time() -> None:
    first = hashlib.sha256(music.hold_music().tobytes()).digest()
    music.hold_music.cache_clear()
    assert hashlib.sha256(music.hold_music().tobytes()).digest() == first
    assert not music.hold_music().flags.writeable

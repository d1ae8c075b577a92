"""What is asked of a window is answered rightly, through G.711."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hubbub.testing.g711 import PCMU
from hubbub.testing.heard import Heard
from hubbub.testing.listening import TONES, heard_tones


def window(*tones: tuple[float, float], seconds: float = 1.0, shape: NDArray[np.float64] | float = 1.0) -> Heard:
    """Tones (frequency, dBFS) as a telephone hears them."""
    time = np.arange(int(8000 * seconds)) / 8000
    wave = sum((10 ** (level / 20) * np.sin(2 * np.pi * frequency * time + frequency) for frequency, level in tones), np.zeros(len(time)))
    pcm = np.clip(np.rint(wave * shape * 32767), -32768, 32767).astype(np.int16)
    return Heard(PCMU.decode(PCMU.encode(pcm)))


def test_level_is_that_of_a_sine() -> None:
    assert window((440, 0)).level == pytest.approx(0, abs=0.2)
    assert window((440, -20)).level == pytest.approx(-20, abs=0.2)
    assert window().silent
    assert Heard(np.zeros(0, np.int16)).silent


def test_tones_are_measured_apart() -> None:
    heard = window((574, -12), (634, -15), (2040, -30))
    assert heard.tones() == {574: pytest.approx(-12, abs=0.3), 634: pytest.approx(-15, abs=0.3), 2040: pytest.approx(-30, abs=0.7)}
    assert heard.hears(2040)
    assert not heard.hears(1074)
    assert heard.level_at(574) == pytest.approx(-12, abs=0.2)
    assert window().tones() == {}


@pytest.mark.parametrize("seconds", [0.3, 0.5, 1.0])
def test_no_tone_of_the_list_is_taken_for_another(seconds: float) -> None:
    """Even three at once and clipped, as an overloaded mixer would: harmonics and mixtures fall beside the list."""
    random = np.random.default_rng(3)
    for _ in range(25):
        chosen = {int(frequency) for frequency in random.choice(TONES, 3, replace=False)}
        heard = window(*((frequency, -8) for frequency in chosen), seconds=seconds)
        assert heard_tones(heard) == chosen


def test_the_list_keeps_its_promise() -> None:
    assert len(TONES) == len(set(TONES)) >= 20
    for one in TONES:
        assert not 660 <= one <= 980, "DTMF's low group"
        products = [2 * one, 3 * one]
        for other in TONES:
            if other != one:
                products += [2 * one - other, one + other, abs(one - other)]
                assert abs(one - other) >= 36
        assert not any(abs(product - tone) < 6 for product in products for tone in TONES)


def test_a_jump_is_a_click_and_a_ramp_is_none() -> None:
    step = np.ones(8000)
    step[3000:] = 0.2
    assert window((574, -12), (1074, -12), shape=step).clicks() == [pytest.approx(3000 / 8000, abs=0.01)]
    gap = np.ones(8000)
    gap[3000:3160] = 0
    assert len(window((574, -12), shape=gap).clicks()) >= 1
    for length in (80, 160):
        ramp = np.clip((np.arange(8000) - 3000) / length, 0, 1)
        assert window((574, -12), (1074, -12), shape=ramp).clicks() == []
    assert window((574, -12), (1074, -12), (1895, -12)).clicks() == []
    assert window().clicks() == []


def test_words_are_found_in_a_mixture() -> None:
    def babble(seed: int) -> NDArray[np.int16]:
        random = np.random.default_rng(seed)
        spectrum = np.fft.rfft(random.standard_normal(8000))
        spectrum[:200] = spectrum[2500:] = 0
        wave = np.fft.irfft(spectrum) * np.repeat(random.uniform(0, 1, 10), 800)
        return (wave / np.abs(wave).max() * 10_000).astype(np.int16)

    one, two, three = babble(1), babble(2), babble(3)
    line = np.zeros(24_000, np.int16)
    line[5000:13_000] = one
    assert Heard(line).words_like(one, 8000) > 0.99
    line[6000:14_000] += two
    assert Heard(line).words_like(one, 8000) > 0.5
    assert Heard(line).words_like(two, 8000) > 0.5
    assert Heard(line).words_like(three, 8000) < 0.3
    assert Heard(one[2000:6000]).words_like(one, 8000) > 0.99
    assert Heard(np.zeros(8000, np.int16)).words_like(one) == 0.0


def test_gap_counts_the_edges_of_the_window() -> None:
    heard = Heard(np.zeros(1600, np.int16), start=10.0, arrivals=(10.05, 10.07, 10.09))
    assert round(heard.longest_gap) == 110
    assert round(Heard(np.zeros(1600, np.int16), start=10.0).longest_gap) == 200

"""Tones have the frequency, level and length that they say."""

import numpy as np
import pytest

from hubbub.media import tones
from hubbub.media.tones import Pcm


def level_of(pcm: Pcm, frequency: float) -> float:
    """dBFS of one frequency, over the whole of `pcm`."""
    window = np.hanning(len(pcm))
    phase = np.exp(-2j * np.pi * frequency * np.arange(len(pcm)) / tones.RATE)
    amplitude = 2 * abs(np.sum(pcm * window * phase)) / np.sum(window)
    return float(20 * np.log10(amplitude / 32767 + 1e-12))


def test_sine_level() -> None:
    pcm = tones.sine(440, 1, -12)
    assert len(pcm) == 16_000
    assert level_of(pcm, 440) == pytest.approx(-12, abs=0.1)
    assert level_of(tones.sine((440, 1000), 1, -20), 1000) == pytest.approx(-20, abs=0.1)
    assert np.abs(tones.sine((440, 550), 1, 0)).max() == 32768 - 1, "clipped, not wrapped"


def test_sine_starts_and_ends_softly() -> None:
    pcm = tones.sine(1000, 0.1, -6)
    assert np.abs(pcm[:8]).max() < 500
    assert np.abs(pcm[-8:]).max() < 500


@pytest.mark.parametrize(("digit", "low", "high"), [("1", 697, 1209), ("5", 770, 1336), ("#", 941, 1477), ("d", 941, 1633)])
def test_dtmf_is_q23(digit: str, low: float, high: float) -> None:
    pcm = tones.dtmf(digit, 200)
    assert len(pcm) == 3200
    assert level_of(pcm, low) == pytest.approx(-12, abs=0.5)
    assert level_of(pcm, high) == pytest.approx(-12, abs=0.5)
    with pytest.raises(ValueError, match="not a DTMF key"):
        tones.dtmf("X")


def test_beeps_can_be_told_apart() -> None:
    enter, leave = tones.beep_enter(), tones.beep_exit()
    assert level_of(enter, 1175) > level_of(leave, 1175) + 20
    assert level_of(leave, 698) > level_of(enter, 698) + 20
    assert not enter.flags.writeable


@pytest.mark.parametrize(
    ("country", "cycle", "frequencies"),
    [("us", 6, (440, 480)), ("uk", 3, (400, 450)), ("de", 5, (425,)), ("fr", 5, (440,)), ("jp", 3, (400,))],
)
def test_ringback_is_national(country: str, cycle: float, frequencies: tuple[float, ...]) -> None:
    pcm = tones.ringback(country)
    assert len(pcm) == cycle * 16_000
    assert not pcm[-8000:].any()
    for frequency in frequencies:
        assert level_of(pcm[1600:6400], frequency) == pytest.approx(-18, abs=1)
    assert len(tones.ringback(country, 7.5)) == 120_000


def test_every_documented_country_rings() -> None:
    countries = (
        "at au be bg br ch cl cn cz de dk ee es fi fr gr hu il in it jp lt mx my nl no nz ph pl pt ru se sg th tw uk us us-old ve za"
    )
    assert set(countries.split()) == tones.RINGBACK_COUNTRIES
    assert np.array_equal(tones.ringback("atlantis"), tones.ringback("us"))


def test_silence() -> None:
    assert len(tones.silence(0.5)) == 8000
    assert not tones.silence(0.5).any()

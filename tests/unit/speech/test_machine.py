"""Who answered, told from levels and tones; an hour of it takes no time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hubbub.speech.machine import Detector, Thresholds, Verdict, tone_hz
from hubbub.speech.turns import FRAME_SECONDS

QUIET, LOUD = (-80.0, None), (-20.0, None)
END = Thresholds(await_end=True)
Part = tuple[float, tuple[float, float | None]]


def verdict(thresholds: Thresholds, *parts: Part) -> Verdict | None:
    """What is made of (seconds, (level, tone)) after (seconds, (level, tone))."""
    detector, frame = Detector(thresholds), 0
    for seconds, (level, tone) in parts:
        for _ in range(round(seconds / FRAME_SECONDS)):
            frame += 1
            found = detector.heard(level, tone, frame * FRAME_SECONDS)
            if found is not None:
                return found
    return None


def beep(hertz: float = 1000.0) -> tuple[float, float | None]:
    return -15.0, hertz


@pytest.mark.parametrize(
    ("thresholds", "parts", "by", "seconds"),
    [
        # "durations lower than this value will be interpreted as a human and longer than this value as a machine"
        (Thresholds(), [(0.5, QUIET), (0.6, LOUD), (9.0, QUIET)], "human", 2.3),
        (Thresholds(), [(0.5, QUIET), (9.0, LOUD)], "machine", 2.9),
        (Thresholds(speech_seconds=6.0), [(0.5, QUIET), (3.0, LOUD), (9.0, QUIET)], "human", 4.7),
        (Thresholds(pause_seconds=0.5), [(0.5, QUIET), (0.6, LOUD), (9.0, QUIET)], "human", 1.6),
        # pauses shorter than the threshold belong to the greeting
        (Thresholds(), [(0.5, QUIET), (1.0, LOUD), (0.8, QUIET), (1.0, LOUD)], "machine", 2.9),
        # nobody says anything
        (Thresholds(), [(30.0, QUIET)], "silence", 5.0),
        (Thresholds(silence_seconds=2.0), [(30.0, QUIET)], "silence", 2.0),
        # the end of a machine's greeting
        (END, [(0.5, QUIET), (4.0, LOUD), (0.5, QUIET), (0.5, beep()), (9.0, QUIET)], "machine-beep", 5.52),
        (END, [(0.5, QUIET), (4.0, LOUD), (9.0, QUIET)], "machine-silence", 5.7),
        (Thresholds(await_end=True, machine_pause_seconds=3.0), [(0.5, QUIET), (4.0, LOUD), (9.0, QUIET)], "machine-silence", 7.5),
        (Thresholds(await_end=True, total_seconds=6.0), [(0.5, QUIET), (20.0, LOUD)], "machine-other", 6.0),
        (END, [(0.5, QUIET), (0.6, LOUD), (9.0, QUIET)], "human", 2.3),
        # a beep after a short greeting is a machine's all the same
        (Thresholds(), [(0.2, QUIET), (1.0, LOUD), (0.4, QUIET), (0.4, beep()), (3.0, QUIET)], "machine", 2.02),
        # fax machines
        (Thresholds(), [(0.5, QUIET), (3.0, beep(2100.0))], "fax", 0.9),
        (END, [(0.5, QUIET), (3.0, beep(1100.0))], "fax", 0.9),
        # it must be known in time
        (Thresholds(total_seconds=3.0, pause_seconds=5.0), [(1.0, QUIET), (0.5, LOUD), (9.0, QUIET)], "timeout", 3.0),
    ],
)
def test_verdicts(thresholds: Thresholds, parts: Sequence[Part], by: str, seconds: float) -> None:
    found = verdict(thresholds, *parts)
    assert found is not None
    assert found.by == by
    assert found.seconds == pytest.approx(seconds, abs=0.03)


def test_a_short_tone_is_no_beep() -> None:
    parts = [(0.5, QUIET), (4.0, LOUD), (0.3, QUIET), (0.1, beep()), (0.5, QUIET)]
    assert verdict(END, *parts) is None


def test_a_tone_that_wanders_is_no_beep() -> None:
    song = [(0.02, (-15.0, 600.0 * 1.05**n)) for n in range(20)]
    assert verdict(END, (0.2, QUIET), *song) is None


@pytest.mark.parametrize("hertz", [440.0, 1000.0, 1400.0, 2100.0])
def test_a_tone_is_found(hertz: float) -> None:
    wave = (8000 * np.sin(2 * np.pi * hertz * np.arange(160) / 8000)).astype(np.int16)
    found = tone_hz(wave, 8000)
    assert found == pytest.approx(hertz, abs=15)


def test_what_is_no_tone() -> None:
    rng = np.random.default_rng(1)
    time = np.arange(160) / 8000
    assert tone_hz(rng.normal(0, 3000, 160).astype(np.int16), 8000) is None
    assert tone_hz(np.zeros(160, np.int16), 8000) is None
    assert tone_hz((4000 * (np.sin(2 * np.pi * 697 * time) + np.sin(2 * np.pi * 1336 * time))).astype(np.int16), 8000) is None
    assert tone_hz((8000 * np.sin(2 * np.pi * 200 * time)).astype(np.int16), 8000) is None

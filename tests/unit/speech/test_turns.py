"""When somebody speaks, told from the levels of frames."""

from __future__ import annotations

import numpy as np
import pytest

from hubbub.speech.turns import FRAME_SECONDS, Turn, Voice, level_db, pieces


def frames(*parts: tuple[float, float]) -> list[tuple[float, float]]:
    """Levels with the times at which their frames end: (seconds, level) after (seconds, level)."""
    found, now = [], 0.0
    for seconds, level in parts:
        for _ in range(round(seconds / FRAME_SECONDS)):
            now += FRAME_SECONDS
            found.append((level, now))
    return found


def test_level_of_a_frame() -> None:
    full = np.full(320, 32767, np.int16)
    assert level_db(full) == pytest.approx(0.0, abs=0.01)
    assert level_db((full * 0.01).astype(np.int16)) == pytest.approx(-40.0, abs=0.1)
    assert level_db(np.zeros(320, np.int16)) == -100.0


def test_a_click_is_no_speech() -> None:
    voice = Voice()
    for level, now in frames((1.0, -80.0), (0.04, -10.0), (1.0, -80.0)):
        voice.heard(level, now)
    assert voice.began is None


def test_breaths_belong_to_speech_and_longer_pauses_do_not() -> None:
    voice = Voice()
    for level, now in frames((0.5, -80.0), (1.0, -20.0), (0.2, -80.0), (1.0, -20.0), (1.0, -80.0), (0.5, -20.0), (0.5, -80.0)):
        voice.heard(level, now)
    assert voice.began == pytest.approx(0.5)
    assert voice.spoken == pytest.approx(2.2 + 0.5, abs=0.03)
    assert voice.silent(4.7) == pytest.approx(0.5, abs=0.01)


def test_a_turn_ends_after_its_pause() -> None:
    turn, told = Turn(1.0), []
    for level, now in frames((1.0, -80.0), (0.5, -20.0), (0.8, -80.0), (0.5, -20.0), (2.0, -80.0)):
        change = turn.heard(level, now)
        if change:
            told.append((change, round(now, 2)))
            if change == "ended":
                break
    assert told == [("began", 1.06), ("ended", 3.8)]


def test_a_turn_lasts_so_long_at_most() -> None:
    turn = Turn(1.0, 3.0)
    ends = [now for level, now in frames((1.0, -80.0), (9.0, -20.0)) if turn.heard(level, now) == "ended"]
    assert ends[0] == pytest.approx(4.0)


def test_a_recording_is_cut_at_pauses() -> None:
    rng = np.random.default_rng(1)
    loud = rng.normal(0, 3000, 16_000).astype(np.int16)
    quiet = np.zeros(16_000, np.int16)
    found = list(pieces(np.concatenate([quiet, loud, quiet, loud, loud, quiet]), 16_000))
    assert [(round(begin, 1), round(end, 1)) for begin, end in found] == [(0.7, 2.3), (2.7, 5.3)]
    assert list(pieces(quiet, 16_000)) == []

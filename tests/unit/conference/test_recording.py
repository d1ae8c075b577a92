"""Recordings that have ended: trimmed at the ends whatever their length, absent when nothing is in them."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.facts import RECORDING, START

from hubbub.conference.recording import finished, salvaged, trim_file
from hubbub.events import RecordingStatus
from hubbub.media.audiofile import read_wav, write_wav
from hubbub.media.client import CaptureResult

RATE = 8000


def recorded(path: Path, seconds: float, *sounds: tuple[float, float], channels: int = 1) -> Path:
    """Silence with sounds from and to these seconds, in the last channel."""
    pcm = np.zeros((int(seconds * RATE), channels), np.int16)
    for begin, end in sounds:
        count = round((end - begin) * RATE)
        pcm[round(begin * RATE) : round(begin * RATE) + count, -1] = np.resize([-4000, 4000], count)
    write_wav(path, pcm if channels > 1 else pcm[:, 0], RATE)
    return path


def result(path: Path, seconds: float, peak: int = 4000) -> CaptureResult:
    return CaptureResult(path, seconds, int(seconds * RATE), 0, peak)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("seconds", "sounds", "kept"),
    [
        (4.0, [(1.0, 2.0)], 1.2),
        (4.0, [(0.0, 4.0)], 4.0),
        (200.0, [(61.0, 62.0), (150.0, 151.0)], 90.2),
        (125.0, [(59.95, 60.05), (119.9, 120.0)], 60.25),
        (3.0, [(2.95, 3.0)], 0.15),
    ],
)
def test_silence_at_the_ends_is_cut(tmp_path: Path, seconds: float, sounds: list[tuple[float, float]], kept: float, channels: int) -> None:
    """trim-silence: a tenth of a second is left on both sides; silence in between stays."""
    path = recorded(tmp_path / "r.wav", seconds, *sounds, channels=channels)
    assert trim_file(path) == pytest.approx(kept, abs=0.041)
    pcm, _ = read_wav(path)
    assert len(pcm) / RATE == pytest.approx(kept, abs=0.041)
    assert int(np.abs(pcm.astype(int)).max()) == 4000
    assert [file.name for file in tmp_path.iterdir()] == ["r.wav"]


async def test_what_is_short_or_silent_is_absent_and_removed(tmp_path: Path) -> None:
    """16101 too short, 16102 silent."""
    for seconds, peak, trim, why in ((0.05, 4000, False, "short"), (2.0, 8, False, "silent"), (2.0, 100, True, "silent")):
        path = recorded(tmp_path / "r.wav", seconds)
        final = await finished(RECORDING, result(path, seconds, peak), trim=trim, now=START)
        assert (final.status, final.absent_reason, final.seconds) == (RecordingStatus.ABSENT, why, 0.0)
        assert not path.exists()


async def test_what_is_heard_is_completed(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.wav", 3.0, (1.0, 2.0))
    final = await finished(RECORDING, result(path, 3.0), trim=True, now=START)
    assert final.status is RecordingStatus.COMPLETED
    assert final.seconds == pytest.approx(1.2, abs=0.041)
    assert final.size == path.stat().st_size


def test_a_crash_leaves_the_true_duration(tmp_path: Path) -> None:
    """The row gets what is in the file, trimmed where that was asked for."""
    recorded(tmp_path / "r.wav", 3.0, (1.0, 2.0))
    left = replace(RECORDING, status=RecordingStatus.PAUSED, seconds=0.0)
    assert salvaged(left, tmp_path, START, {"trim": False}).seconds == 3.0
    trimmed = salvaged(left, tmp_path, START, {"trim": True})
    assert trimmed.seconds == pytest.approx(1.2, abs=0.041)
    with wave.open(str(tmp_path / "r.wav")) as file:
        assert file.getnframes() / RATE == trimmed.seconds
    assert salvaged(replace(left, file="gone.wav"), tmp_path, START, {}).absent_reason == "short"

"""Tracks of speakers put together: on one clock, with pauses kept or left out, also after a crash."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.support.facts import RECORDING, START

from hubbub.conference.recording import salvaged
from hubbub.conference.tracks import Sheet, Stay, assemble, sheet_of
from hubbub.events import RecordingStatus, Speaker
from hubbub.ids import Id
from hubbub.media.audiofile import read_wav, write_wav

RATE = 8000
TICK = 160


def stay(folder: Path, number: int, speaker: int, begins: int, ticks: int, value: int) -> Stay:
    name = f"r.{number}.wav"
    write_wav(folder / name, np.full(ticks * TICK, value, np.int16), RATE)
    return Stay(speaker, begins, name)


def sheet(folder: Path, **more: object) -> Path:
    """Two speakers; the first leaves and comes back."""
    stays = [stay(folder, 0, 0, 100, 50, 1000), stay(folder, 1, 1, 150, 100, 2000), stay(folder, 2, 0, 200, 50, 3000)]
    found = Sheet(RATE, 100, speakers=[("a" * 32, "ann"), ("b" * 32, "")], stays=stays)
    path = folder / "r.wav"
    sheet_of(path).write_text(json.dumps({**asdict(found), **more}))
    return path


def ticks(path: Path) -> NDArray[np.int16]:
    """The first sample of every tick, by channel."""
    pcm, rate = read_wav(path)
    assert rate == RATE
    return pcm[::TICK]


def test_each_stay_is_in_its_speakers_channel_at_its_time(tmp_path: Path) -> None:
    path = sheet(tmp_path, ends=260)
    result = assemble(path)
    assert (result.seconds, result.peak) == (3.2, 3000)
    samples = ticks(path)
    assert samples[:, 0].tolist() == [1000] * 50 + [0] * 50 + [3000] * 50 + [0] * 10
    assert samples[:, 1].tolist() == [0] * 50 + [2000] * 100 + [0] * 10
    assert [file.name for file in tmp_path.iterdir()] == ["r.wav"]


def test_pauses_are_silent_or_left_out_in_all_channels(tmp_path: Path) -> None:
    path = sheet(tmp_path, ends=250, gaps=[(120, 130, True), (160, 190, False), (240, None, False)])
    assemble(path)
    samples = ticks(path)
    assert samples[:, 0].tolist() == [1000] * 20 + [0] * 10 + [1000] * 20 + [0] * 20 + [3000] * 40
    assert samples[:, 1].tolist() == [0] * 50 + [2000] * 60


def test_what_a_crash_left_is_put_together(tmp_path: Path) -> None:
    """The last stay says where it ends; the row gets channels, speakers and the true duration."""
    sheet(tmp_path)
    record = replace(RECORDING, status=RecordingStatus.IN_PROGRESS, file="r.wav", seconds=0.0)
    found = salvaged(record, tmp_path, START + 99, {"trim": False})
    assert (found.status, found.seconds, found.channels) == (RecordingStatus.COMPLETED, 3.0, 2)
    assert found.speakers == (Speaker(Id("a" * 32), "ann"), Speaker(Id("b" * 32), ""))


def test_a_file_that_a_crash_truncated_costs_its_own_end_only(tmp_path: Path) -> None:
    path = sheet(tmp_path)
    content = (tmp_path / "r.1.wav").read_bytes()
    (tmp_path / "r.1.wav").write_bytes(content[: 44 + 2 * 30 * TICK])
    assert salvaged(replace(RECORDING, file="r.wav"), tmp_path, START, {}).status is RecordingStatus.COMPLETED
    assert ticks(path)[:, 1].tolist() == [0] * 50 + [2000] * 30 + [0] * 70

"""WAV headers, and the repair of what a crash left behind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import soundfile

from hubbub.media.control import Control
from hubbub.media.leg import Leg
from hubbub.media.recorder import Capture, Tap, recover_captures, wav_header


def test_the_header_is_read_by_others(tmp_path: Path) -> None:
    samples = np.arange(-100, 100, dtype="<i2").reshape(-1, 2)
    path = tmp_path / "a.wav"
    path.write_bytes(wav_header(2, 8000, samples.nbytes) + samples.tobytes())
    read, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000
    assert np.array_equal(read, samples)


def test_a_header_that_is_behind_is_brought_up_to_date(tmp_path: Path) -> None:
    samples = np.arange(1000, dtype="<i2")
    (tmp_path / "deep").mkdir()
    behind, torn, whole, other = (tmp_path / name for name in ("behind.wav", "deep/torn.wav", "whole.wav", "other.wav"))
    behind.write_bytes(wav_header(1, 8000, 400) + samples.tobytes())
    torn.write_bytes(wav_header(2, 16000, 400) + samples.tobytes() + b"\1\2\3")
    whole.write_bytes(wav_header(1, 8000, samples.nbytes) + samples.tobytes())
    other.write_bytes(b"not a recording at all, however long this text may become until it ends")
    assert recover_captures(tmp_path) == [behind, torn]
    assert len(soundfile.read(behind)[0]) == 1000
    assert soundfile.read(torn)[0].shape == (500, 2)
    assert recover_captures(tmp_path) == []


async def test_a_disk_that_is_full_from_the_start_costs_no_ring() -> None:
    """The rings are for the next recording, when there is room again."""
    taken = []
    control = SimpleNamespace(take_ring=lambda: taken.append(1))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No space left"):
        Capture(cast(Control, control), Path("/dev/full"), [Tap("leg_in", cast(Leg, SimpleNamespace(closed=False)))], 8000)
    assert taken == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before

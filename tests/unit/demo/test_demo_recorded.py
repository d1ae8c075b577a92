"""The recording as the demo draws it."""

from pathlib import Path

import numpy as np

from hubbub.demo.cast import ALICE, BOB, CAST
from hubbub.demo.recorded import BLOCKS, Recorded
from hubbub.media.audiofile import write_wav


def recorded(folder: Path) -> Recorded:
    """Alice in the first two of four seconds, loud in the last."""
    time = np.arange(32_000) / 8000
    pilot = np.sin(2 * np.pi * ALICE.pilot * time) * 184 * (time < 2)
    loud = np.sin(2 * np.pi * 300 * time) * 30_000 * (time >= 3)
    write_wav(folder / "a.wav", (pilot + loud).astype(np.int16), 8000)
    return Recorded(folder / "a.wav", CAST)


def test_it_tells_who_is_in_it_and_when(tmp_path: Path) -> None:
    one = recorded(tmp_path)
    assert one.seconds == 4.0
    assert one.share("alice") == 0.5
    assert one.share("bob") == 0.0
    assert one.presence("alice", 8) == "━━━━    "
    assert all(one.between(ALICE, 0.3, 1.9))
    assert not any(one.between(ALICE, 2.1, 2.9))
    assert not any(one.between(BOB, 0.0, 4.0))


def test_the_wave_is_as_wide_as_asked_and_as_high_as_loud(tmp_path: Path) -> None:
    wave = recorded(tmp_path).waveform(20)
    assert len(wave) == 20
    assert wave[-1] == BLOCKS[-1]
    assert wave[12] == BLOCKS[0]

"""The engine's mixer against the reference, frame by frame, in a room that never stands still: joins, mutes, coaches, gains, exceptions.

A short walk belongs to `make test`; `make fuzz` walks at least a million frames (what one leg hears in one tick), and HUBBUB_FUZZ_SECONDS.
"""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from tests.support.figures import figure
from tests.unit.media.conftest import let_python_call
from tests.unit.media.test_mix import LEGS, MIXES, PLAYERS, Pair

from hubbub.media.layout import FRAME, UNITY

SECONDS = float(os.environ.get("HUBBUB_FUZZ_SECONDS", "0"))
FRAMES = 1_000_000 if SECONDS else 3_000
let_python_call()


def walk(frames: int, seconds: float, seed: int) -> int:
    """Compare until so many frames were heard and so long has passed; returns how many."""
    random = np.random.default_rng(seed)
    pair = Pair()
    gains = [0, 0, UNITY, UNITY, UNITY, 2 * UNITY, 16384, 123, -4096]
    heard, end = 0, time.monotonic() + seconds
    talking = np.zeros(LEGS + PLAYERS, bool)
    while heard < frames or time.monotonic() < end:
        if random.random() < 0.3:
            source = int(random.integers(0, LEGS + PLAYERS))
            pair.place(source, int(random.integers(-1, MIXES)), int(random.choice(gains[:-1])), int(random.choice(gains[:5])))
        if random.random() < 0.1:
            listener, source = int(random.integers(0, LEGS)), int(random.integers(0, LEGS + PLAYERS))
            pair.edge(int(random.integers(0, 6)), source, listener, int(random.choice(gains)), apart=bool(random.random() < 0.3))
        if random.random() < 0.05:
            talking = random.random(LEGS + PLAYERS) < random.choice([0.1, 0.3, 0.9])
        loud = int(random.choice([60, 3000, 12000, 32767]))
        pair.tick([random.integers(-loud - 1, loud + 1, FRAME).astype(np.int16) if talks else None for talks in talking])
        heard += LEGS
    return heard


@pytest.mark.timeout(3600 + 10 * SECONDS)
def test_a_room_that_never_stands_still_equals_the_reference() -> None:
    seed = time.time_ns() % 2**32 if SECONDS else 3
    print(f"mixing, seed {seed}: ", end="", flush=True)
    figure("mixing", f"{walk(FRAMES, SECONDS, seed)} frames, all equal bit for bit")

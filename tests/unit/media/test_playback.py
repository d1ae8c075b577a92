"""The arena: clips stored once, counted, and merged again when they go."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.media.playback import Arena


def test_the_same_array_is_stored_once() -> None:
    memory = np.zeros(1000, np.int16)
    arena = Arena(memory)
    music = np.arange(400, dtype=np.int16)
    first = arena.hold(music)
    assert arena.hold(music) == first
    assert arena.stored == 400
    assert arena.hold(np.arange(700, dtype=np.int16)) is None
    arena.release(music)
    assert arena.stored == 400
    arena.release(music)
    assert arena.stored == 0


@settings(max_examples=60)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_clips_never_overlap_and_room_comes_back_whole(sizes: list[int], random: object) -> None:
    memory = np.zeros(2000, np.int16)
    arena = Arena(memory)
    held: list[tuple[np.ndarray, int]] = []
    for number, size in enumerate(sizes):
        clip = np.full(size, number, np.int16)
        offset = arena.hold(clip)
        if offset is not None:
            held.append((clip, offset))
        if number % 3 == 2 and held:
            arena.release(held.pop(number % len(held))[0])
        for clip, offset in held:
            assert np.array_equal(memory[offset : offset + len(clip)], clip)
    for clip, _ in held:
        arena.release(clip)
    assert arena.stored == 0
    assert arena.hold(np.zeros(2000, np.int16)) == 0

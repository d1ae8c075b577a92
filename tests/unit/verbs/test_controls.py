"""Controls: where a sound is, how loud it is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hubbub.verbs.controls import Tape, amplified, gain_of


def tape(length: int, loops: int = 1) -> Tape:
    return Tape(np.arange(length, dtype=np.int16), loops)


def test_a_tape_goes_on_where_it_was() -> None:
    one = tape(100)
    one.played(30)
    piece, times = one.next()
    assert (piece[0], len(piece), times, one.over) == (30, 70, 1, False)
    one.played(70)
    assert one.over


def test_rounds_are_counted_over_pauses() -> None:
    three = tape(100, 3)
    assert three.next()[1] == 3
    three.played(250)
    piece, times = three.next()
    assert (three.rounds, piece[0], times) == (2, 50, 1)
    three.played(50)
    assert three.over


def test_for_ever_is_never_over() -> None:
    endless = tape(10, 0)
    endless.played(12_345)
    assert not endless.over
    assert endless.next()[1] == 1  # the rest of this round
    endless.played(5)
    assert endless.next()[1] == 0


def test_nothing_is_over_at_once() -> None:
    assert Tape().over


@given(st.integers(1, 50), st.integers(1, 5), st.lists(st.integers(0, 60), max_size=20))
def test_all_of_it_is_played_however_often_it_is_paused(length: int, loops: int, pauses: list[int]) -> None:
    played, one = 0, tape(length, loops)
    for pause in (*pauses, *([10**6] * (loops + 2))):
        if one.over:
            break
        piece, times = one.next()
        step = min(pause, len(piece) * times)
        one.played(step)
        played += step
    assert one.over
    assert played == length * loops


def test_amplified_is_clipped_and_exact() -> None:
    pcm = np.array([100, -100, 32767, -32768], np.int16)
    assert amplified(pcm, 1.0) is pcm
    assert list(amplified(pcm, gain_of(20))) == [1000, -1000, 32767, -32768]
    assert list(amplified(pcm, gain_of(-20))) == [10, -10, 3277, -3277]

"""The jitter buffer: playout by timestamp, whatever the network does with the packets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.small_engine import small_engine

from hubbub.media.jitter import DUPLICATE, FAR, LATE, STORED, apart, fetch, skip, store
from hubbub.media.layout import NARROW

IDENTITY = np.stack([np.arange(256), np.arange(256)]).astype(np.int16)
"""A decoder that shows the bytes."""


class Buffer:
    """One leg's buffer; bytes of a packet tell its number."""

    def __init__(self, depth_ms: int = 60) -> None:
        self.small = small_engine()
        self.small.add_leg(0)
        self.jitter = self.small.engine.jitter
        self.jitter[0].depth = depth_ms * 8
        self.out = np.zeros(NARROW, np.int16)
        self.desk = self.small.desk._replace(decode=IDENTITY)
        self.level = 0

    def put(self, number: int, *, size: int = NARROW, sequence: int | None = None, time: int | None = None) -> int:
        data = np.full(size, number % 200 + 1, np.uint8)
        at = number * size if time is None else time
        return store(self.jitter, 0, (number if sequence is None else sequence) & 0xFFFF, at & 0xFFFFFFFF, data, 0, size, 0)

    def play(self) -> tuple[int, list[int]]:
        """(samples that had arrived, distinct values of the frame in order)."""
        covered = fetch(self.jitter, self.small.engine.coders, 0, self.desk, self.level, self.out)
        values = self.out[np.r_[True, np.diff(self.out) != 0]]
        return covered, values.tolist()


def test_nothing_plays_before_the_first_packet() -> None:
    assert Buffer().play()[0] == -1


def test_the_first_packet_waits_for_the_depth() -> None:
    """60 ms are three frames of silence, then sound."""
    buffer = Buffer()
    heard = []
    for number in range(8):
        buffer.put(number)
        heard.append(buffer.play())
    assert [covered for covered, _ in heard] == [0, 0, 0, 160, 160, 160, 160, 160]
    assert [values for _, values in heard[3:]] == [[1], [2], [3], [4], [5]]


@pytest.mark.parametrize("first", [0, 65530, 0xFFFFFFFF - 400])
def test_numbers_and_times_may_wrap(first: int) -> None:
    buffer = Buffer()
    heard = []
    for number in range(20):
        buffer.put(number, sequence=first + number, time=first + 160 * number)
        heard += buffer.play()[1]
    assert heard[3:] == list(range(1, 18))


def test_order_does_not_matter() -> None:
    buffer = Buffer()
    heard = []
    for number in (0, 2, 1, 4, 3, 5, 7, 6, 8, 9):
        assert buffer.put(number) == STORED
        heard += buffer.play()[1]
    assert heard[3:] == [1, 2, 3, 4, 5, 6, 7]


def test_a_duplicate_is_named_and_a_late_one_too() -> None:
    buffer = Buffer()
    for number in range(6):
        buffer.put(number)
        buffer.play()
    assert buffer.put(5) == DUPLICATE
    assert buffer.put(1) == LATE
    assert buffer.put(100) == FAR


def test_a_lost_packet_fades_and_the_next_plays_in_its_time() -> None:
    """docs/media.md 1.7: the last frame backwards, fading to nothing; then silence."""
    buffer = Buffer()
    for number in (0, 1, 2, 3, 4, 5):
        buffer.put(number)
        buffer.play()
    frames = []
    for number in (6, 8, 9, 10, 11, 12):
        if number != 8:
            buffer.put(number)
        covered, _ = buffer.play()
        frames.append((covered, buffer.out.copy()))
    covered, gap = frames[4]  # packet 7 is due three ticks after it should have come
    assert [covered for covered, _ in frames] == [160, 160, 160, 160, 0, 0]
    assert gap.tolist() == [7 * (160 - n) // 160 for n in range(160)]
    assert not frames[5][1].any()


@pytest.mark.parametrize("size", [80, 160, 240, 320, 400, 480])
def test_packets_of_any_length_become_frames(size: int) -> None:
    """ptime 10 to 60 ms in: every sample exactly once, in its place."""
    buffer = Buffer()
    samples = 160 * 60
    ramp = (np.arange(samples) % 251).astype(np.uint8)
    heard: list[int] = []
    sent = 0
    for tick in range(60):
        while sent + size <= min((tick + 1) * 160 + 160, samples):
            store(buffer.jitter, 0, sent // size, sent, ramp, sent, size, 0)
            sent += size
        if fetch(buffer.jitter, buffer.small.engine.coders, 0, buffer.desk, 0, buffer.out) == 160:
            heard += buffer.out.tolist()
    start = heard[0]
    assert start == 0
    assert len(heard) > 160 * 40
    assert heard == ramp[: len(heard)].tolist()


def test_a_sender_that_starts_anew_is_followed_after_four_packets() -> None:
    """A new clock (or one that is far behind) is believed after MISPLACED_LIMIT packets in a row."""
    buffer = Buffer()
    for number in range(10):
        buffer.put(number)
        buffer.play()
    results = []
    heard: list[int] = []
    for number in range(12):
        results.append(buffer.put(100 + number, time=0x70000000 + 160 * number))
        heard += buffer.play()[1]
    assert results[:4] == [FAR, FAR, FAR, STORED]
    assert heard[-4:] == [106, 107, 108, 109]


def test_a_slow_sender_gets_its_depth_back() -> None:
    """Packets that always come too late start the buffer anew."""
    buffer = Buffer()
    for number in range(5):
        buffer.put(number)
        buffer.play()
    for _ in range(10):
        buffer.play()
    results = [buffer.put(5 + number) for number in range(4)]
    assert results == [LATE, LATE, LATE, STORED]


def test_a_fast_sender_is_slipped_in_a_quiet_frame() -> None:
    """A margin that stays 40 ms above the depth is cut by a frame per window."""
    buffer = Buffer()
    for number in range(7):  # a burst: 120 ms too much
        buffer.put(number)
    ahead = []
    for number in range(7, 1000):
        buffer.put(number)
        buffer.play()
        ahead.append(apart(int(buffer.jitter[0].newest), int(buffer.jitter[0].play)) // 160)
    assert ahead[0] == 3 + 7
    assert ahead[-1] <= 3 + 2
    assert max(np.abs(np.diff(ahead))) == 1


def test_missed_ticks_move_the_clock_on() -> None:
    buffer = Buffer()
    for number in range(8):
        buffer.put(number)
        buffer.play()
    skip(buffer.jitter, 0, 2)
    assert buffer.play()[1] == [8]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=60, max_size=60), st.sets(st.integers(0, 59), max_size=12), st.randoms(use_true_random=False))
def test_what_arrives_in_time_is_played_at_its_place(delays: list[int], lost: set[int], random: object) -> None:
    """Delays up to the depth, losses and duplicates: each frame is its packet, or concealment, never another's sound."""
    buffer = Buffer()
    lost = lost - {0}
    delays[0] = 0
    for tick in range(60):
        for number in range(60):
            if number not in lost and number + delays[number] == tick:
                buffer.put(number)
                if number % 7 == 0:
                    buffer.put(number)
        covered, values = buffer.play()
        due = tick - 3
        if due >= 0:
            assert covered == (0 if due in lost else 160)
            if due not in lost:
                assert values == [due + 1]

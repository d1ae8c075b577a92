"""The jitter buffer: playout by timestamp, whatever the network does with the packets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.small_engine import small_engine

from hubbub.media.jitter import DUPLICATE, FAR, LATE, STORED, apart, fetch, follow, skip, store, tune
from hubbub.media.layout import L16, NARROW, PACKETS


class Buffer:
    """One leg's buffer; the samples of a packet tell its number."""

    def __init__(self, depth_ms: int = 60) -> None:
        self.small = small_engine()
        self.small.add_leg(0)
        self.jitter = self.small.engine.jitter
        self.jitter[0].depth = depth_ms * 8
        self.out = np.zeros(NARROW, np.int16)
        self.desk = self.small.desk
        self.level = 0

    def put(self, number: int, *, size: int = NARROW, sequence: int | None = None, time: int | None = None) -> int:
        at = number * size if time is None else time
        return self.store(number if sequence is None else sequence, at, np.full(size, number % 200 + 1))

    def store(self, sequence: int, time: int, samples: np.ndarray) -> int:
        """A packet of samples as they are (L16)."""
        data = samples.astype(">i2").view(np.uint8)
        return store(self.jitter, 0, sequence & 0xFFFF, time & 0xFFFFFFFF, data, 0, data.size, L16)

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


@pytest.mark.parametrize("period", [44, 64, 100, 116])
def test_a_lost_packet_is_made_up_and_the_next_plays_in_its_time(period: int) -> None:
    """docs/media.md 1.7: the sound goes on with its pitch (69 to 182 Hz); after the gap 5 ms lead back."""
    buffer = Buffer(depth_ms=20)
    wave = (100 + 80 * np.sin(2 * np.pi * np.arange(160 * 30) / period)).astype(np.uint8)
    heard = []
    for number in range(30):
        if number != 15:
            buffer.store(number, 160 * number, wave[160 * number :][:160])
        buffer.play()
        heard.append(buffer.out.copy())
    sound = np.concatenate(heard[1:])
    error = sound - wave[: len(sound)].astype(int)
    assert np.abs(error[: 15 * 160]).max() == 0
    assert np.abs(error[15 * 160 : 16 * 160]).max() <= 40, "in phase, fading a little"
    assert np.abs(error[16 * 160 + 40 :]).max() == 0
    assert np.abs(np.diff(sound)).max() <= np.abs(np.diff(wave.astype(int))).max() + 3, "no step anywhere"


def test_a_gap_is_as_loud_as_what_came_before_for_10_ms_and_then_fades_evenly() -> None:
    """docs/media.md 1.7."""
    buffer = Buffer(depth_ms=0)
    for number in range(10):
        buffer.store(number, 160 * number, np.full(160, 100))
        buffer.play()
    heard = []
    for _ in range(4):
        buffer.play()
        heard.append(buffer.out.copy())
    at = np.arange(4 * 160)
    assert np.array_equal(np.concatenate(heard), np.where(at <= 80, 100, np.maximum(0, 100 * (480 - at) * 2 // 800)))


def test_a_long_gap_fades_to_nothing_within_60_ms() -> None:
    buffer = Buffer(depth_ms=0)
    wave = np.random.default_rng(1).integers(1, 250, 160 * 20).astype(np.uint8)
    for number in range(10):
        buffer.store(number, 160 * number, wave[160 * number :][:160])
        buffer.play()
    levels = []
    for _ in range(8):
        buffer.play()
        levels.append(float(np.abs(buffer.out).mean()))
    assert levels[0] > levels[1] > levels[2] > 0
    assert levels[3:] == [0] * 5


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
            buffer.store(sent // size, sent, ramp[sent : sent + size])
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


def test_after_a_pause_the_depth_is_what_it_should_be() -> None:
    """A sender that stops (hold, silence suppression) and goes on: the first packet starts the clock."""
    buffer = Buffer()
    for number in range(5):
        buffer.put(number)
        buffer.play()
    for _ in range(40):
        buffer.play()
    heard = []
    for number in range(60, 70):
        assert buffer.put(number) == STORED
        heard.append(buffer.play())
    assert [covered for covered, _ in heard] == [0, 0, 0, *[160] * 7]


def drift(ppm: float, depth: int | str, ticks: int, jitter_ms: float = 0.0, seed: int = 0) -> dict[str, float]:
    """A sender whose clock is `ppm` fast, packets up to `jitter_ms` late: what was missing, slips, how long packets wait."""
    random = np.random.default_rng(seed)
    buffer = Buffer()
    tune(buffer.jitter, 0, 0 if depth == "adaptive" else int(depth) * 8, depth == "adaptive")
    sent, missing, waits = 0, 0, []
    due = random.uniform(0, jitter_ms)
    for tick in range(ticks):
        now = tick * 20.0
        while due <= now:
            buffer.put(sent)
            sent += 1
            due = max(due, sent * 20.0 / (1 + ppm * 1e-6) + random.uniform(0, jitter_ms))
        covered, _ = buffer.play()
        if tick > 200:
            missing += covered == 0
            waits.append(apart(int(buffer.jitter[0].newest), int(buffer.jitter[0].play)) / 8)
    return {"missing": missing, "slips": int(buffer.jitter[0].slips), "wait": float(np.median(waits[-3000:]))}


@pytest.mark.parametrize("ppm", [200, -200])
@pytest.mark.parametrize("depth", [20, 60, "adaptive"])
def test_an_hour_of_another_clock(ppm: float, depth: int | str) -> None:
    """200 ppm are 36 frames an hour: each is slipped, and with a depth none is missing; an adaptive buffer runs dry once per frame."""
    seen = drift(ppm, depth, 180_000)
    limit = 45 if depth == "adaptive" and ppm < 0 else 0
    assert seen["missing"] <= limit
    if limit == 0:
        assert 30 <= seen["slips"] <= 42
    assert seen["wait"] <= (20 if depth == "adaptive" else int(depth) + 20)


@pytest.mark.parametrize(("jitter_ms", "longest"), [(0, 0), (15, 20), (55, 60), (110, 120)])
def test_an_adaptive_buffer_holds_the_least_delay(jitter_ms: float, longest: float) -> None:
    """It settles at what the network needs, and misses fewer than one frame in 500."""
    seen = drift(0, "adaptive", 30_000, jitter_ms, seed=4)
    assert seen["missing"] <= 60
    assert seen["wait"] <= longest


def test_a_burst_is_given_back() -> None:
    """120 ms too much are gone after eleven seconds."""
    buffer = Buffer()
    for number in range(7):
        buffer.put(number)
    ahead = []
    for number in range(7, 800):
        buffer.put(number)
        buffer.play()
        ahead.append(apart(int(buffer.jitter[0].newest), int(buffer.jitter[0].play)) // 160)
    assert ahead[0] == 3 + 7
    assert ahead[550] == 3
    assert set(np.diff(ahead)) <= {0, -1}
    assert ahead[-1] == 3


def test_another_stream_goes_on_where_the_old_one_ends() -> None:
    """A new SSRC, far from the old clock: while sound waits nothing is lost (docs/media.md 3)."""
    buffer = Buffer()
    heard = []
    for number in range(20):
        if number == 10:
            follow(buffer.jitter, 0)
        buffer.put(number, sequence=number + (7000 if number >= 10 else 0), time=number * 160 + (0x51000000 if number >= 10 else 0))
        heard.append(buffer.play())
    assert [covered for covered, _ in heard[3:]] == [160] * 17
    assert [values for _, values in heard[3:]] == [[number + 1] for number in range(17)]


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
    """Delays up to the depth, losses and duplicates: each frame is its packet (after 5 ms of blending), never another's sound.

    Of six lost in a row the last ones stay: with another 40 ms of delay behind them it is a pause (`HOLD`), and the depth begins anew.
    """
    buffer = Buffer()
    lost = {n for n in lost - {0} if not lost.issuperset(range(n - 5, n + 1))}
    delays[0] = 0
    for tick in range(60):
        for number in range(60):
            if number not in lost and number + delays[number] == tick:
                buffer.put(number)
                if number % 7 == 0:
                    buffer.put(number)
        covered, _ = buffer.play()
        due = tick - 3
        if due >= 0:
            assert covered == (0 if due in lost else 160)
            if due not in lost:
                assert set(buffer.out[40:].tolist()) == {due + 1}


@pytest.mark.parametrize(("size", "depth"), [(160, 20), (160, 200), (80, 200), (80, 20)])
@pytest.mark.parametrize("burst", range(8, 60, 3))
def test_more_packets_than_it_holds_cost_the_oldest_and_no_more(burst: int, size: int, depth: int) -> None:
    """A loop that was away (or a network) brings many at once: what comes afterwards is heard."""
    buffer, number, each = Buffer(depth), 0, NARROW // size
    tune(buffer.jitter, 0, depth * 8, True)
    buffer.jitter[0].depth = depth * 8
    for _ in range(40):
        for _ in range(each):
            buffer.put(number, size=size)
            number += 1
        buffer.play()
    for _ in range(burst):
        buffer.put(number, size=size)
        number += 1
    heard = []
    for _ in range(100):
        for _ in range(each):
            buffer.put(number, size=size)
            number += 1
        heard.append(buffer.play()[0])
    assert set(heard[10:]) == {NARROW}
    assert apart(int(buffer.jitter[0].newest), int(buffer.jitter[0].play)) <= PACKETS * size


def test_a_loop_that_was_away_for_seconds_hears_again_at_once() -> None:
    """250 packets wait in the socket, four are read in a tick; the clock has gone on by as many ticks."""
    buffer, number = Buffer(20), 0
    for _ in range(40):
        buffer.put(number)
        number += 1
        buffer.play()
    skip(buffer.jitter, 0, 250)
    waiting, heard = 250, []
    for _ in range(200):
        waiting += 1
        for _ in range(min(4, waiting)):
            buffer.put(number)
            number += 1
            waiting -= 1
        heard.append(buffer.play()[0])
    assert set(heard[90:]) == {NARROW}

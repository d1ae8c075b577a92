"""Digits in and out: telephone events (RFC 4733) and tones (Q.23)."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from tests.support.small_engine import Small, small_engine

from hubbub.media import dtmf, layout
from hubbub.media.desk import sine_table
from hubbub.media.layout import FRAME
from hubbub.media.leg import parse_digits


def receive(small: Small, time: int, code: int, *, end: bool = False, duration: int = 160) -> int:
    data = np.frombuffer(struct.pack(">BBH", code, 10 | (0x80 if end else 0), duration), np.uint8)
    return int(dtmf.receive(small.engine.keys, 0, time & 0xFFFFFFFF, data, 0, 4, 1))


def press(small: Small, time: int, code: int) -> list[int]:
    """A press as phones send it: growing durations, then the end three times."""
    found = [receive(small, time, code, duration=160 * k) for k in range(1, 6)]
    return found + [receive(small, time, code, end=True, duration=960) for _ in range(3)]


def test_one_press_is_one_key() -> None:
    """RFC 4733 2.3: all packets of an event carry the timestamp of its start."""
    small = small_engine()
    keys = [key for start, code in ((1000, 5), (4000, 5), (9000, 11)) for key in press(small, start, code) if key >= 0]
    assert keys == [5, 5, 11]


def test_a_press_of_which_only_the_end_arrived_counts_once() -> None:
    small = small_engine()
    assert [receive(small, 77, 3, end=True) for _ in range(3)] == [3, dtmf.REPEATED, dtmf.REPEATED]


def test_a_straggler_of_an_old_press_is_no_press() -> None:
    small = small_engine()
    press(small, 1000, 1)
    press(small, 3000, 2)
    assert receive(small, 1000, 1, end=True) == dtmf.REPEATED


def test_times_wrap() -> None:
    small = small_engine()
    assert [key for key in press(small, 0xFFFFFF00, 4) + press(small, 0x1F00, 6) if key >= 0] == [4, 6]


def test_a_press_too_long_for_16_bits_is_one() -> None:
    """RFC 4733 2.5.1.3: the next segment begins where the last one ended."""
    small = small_engine()
    assert receive(small, 1000, 9) == 9
    assert receive(small, 1000, 9, duration=0xFFFF) == dtmf.REPEATED
    assert receive(small, 1000 + 0xFFFF, 9, duration=160) == dtmf.REPEATED
    assert receive(small, 1000 + 0xFFFF, 9, duration=320, end=True) == dtmf.REPEATED
    assert receive(small, 1000 + 0xFFFF + 4000, 9) == 9


def test_the_same_key_soon_after_a_press_without_end_is_another_press() -> None:
    """Only a duration near its limit (RFC 4733 2.5.1.3) is gone on with; here the end was lost."""
    small = small_engine()
    assert receive(small, 1000, 9, duration=0x2000) == 9
    assert receive(small, 1000 + 0x2000, 9, duration=160) == 9


def test_what_is_no_key_is_refused() -> None:
    small = small_engine()
    assert receive(small, 5, 16) == dtmf.MALFORMED
    assert dtmf.receive(small.engine.keys, 0, 5, np.zeros(3, np.uint8), 0, 3, 1) == dtmf.MALFORMED


def run(small: Small, ticks: int) -> list[tuple[int, bytes, int]]:
    """(phase, event payload, marker) of each tick."""
    found = []
    for tick in range(ticks):
        phase = dtmf.step(small.engine.keys, 0, 1000 + 160 * tick)
        mark = dtmf.event_payload(small.engine.keys, 0, small.engine.links) if phase in (dtmf.TONE, dtmf.END) else 0
        found.append((phase, bytes(small.engine.links[0].packet[12:16]), mark))
    return found


def test_a_digit_goes_out_with_growing_duration_and_three_ends() -> None:
    """RFC 4733 2.5.1.2 and 2.5.1.4: marker on the first packet, one timestamp, the end sent three times with the same duration."""
    small = small_engine()
    small.add_leg(0)
    assert dtmf.queue_digit(small.engine.keys, 0, 7, 5, 4)
    found = run(small, 10)
    assert [phase for phase, _, _ in found] == [dtmf.TONE] * 5 + [dtmf.END] * 2 + [dtmf.GAP] * 2 + [dtmf.IDLE]
    payloads = [struct.unpack(">BBH", payload) for phase, payload, _ in found if phase in (dtmf.TONE, dtmf.END)]
    assert [code for code, _, _ in payloads] == [7] * 7
    assert [bool(flags & 0x80) for _, flags, _ in payloads] == [False] * 4 + [True] * 3
    assert [duration for _, _, duration in payloads] == [160, 320, 480, 640, 800, 800, 800]
    assert [mark for _, _, mark in found[:7]] == [1] + [0] * 6
    assert small.engine.keys[0].start == 1000


def test_durations_are_in_units_of_the_clock_of_the_events() -> None:
    """RFC 4733 2.3.5: timestamp units; 48 kHz beside Opus."""
    small = small_engine()
    small.add_leg(0)
    small.engine.links[0].event_clock = 6
    assert dtmf.queue_digit(small.engine.keys, 0, 7, 2, 4)
    assert [struct.unpack(">BBH", payload)[2] for _, payload, _ in run(small, 3)] == [960, 1920, 1920]


def test_digits_follow_each_other_and_pauses_are_silent() -> None:
    small = small_engine()
    small.add_leg(0)
    for entry in parse_digits("1w2", 60, 60):
        assert dtmf.queue_digit(small.engine.keys, 0, *entry)
    phases = [phase for phase, _, _ in run(small, 40)]
    assert phases[:6] == [1, 1, 1, 2, 2, 3]
    assert phases[6:31] == [3] * 25
    assert phases[31:37] == [1, 1, 1, 2, 2, 3]
    assert phases[37:] == [0, 0, 0]


def test_the_queue_is_bounded() -> None:
    small = small_engine()
    assert [dtmf.queue_digit(small.engine.keys, 0, 1, 5, 5) for _ in range(65)] == [True] * 64 + [False]


def test_what_is_no_digit_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a digit"):
        parse_digits("12x", 200, 100)
    assert parse_digits("#a", 200, 100) == [(11, 10, 5), (12, 10, 5)]
    assert parse_digits("wwW", 200, 100) == [(layout.PAUSE, 1, 100)]


@pytest.mark.parametrize(
    ("digit", "low", "high"), [("1", 697, 1209), ("5", 770, 1336), ("0", 941, 1336), ("#", 941, 1477), ("D", 941, 1633)]
)
def test_tones_are_those_of_q23(digit: str, low: int, high: int) -> None:
    small = small_engine()
    small.add_leg(0)
    assert dtmf.queue_digit(small.engine.keys, 0, layout.KEYS_IN_ORDER.index(digit), 10, 5)
    sound = []
    frame = np.zeros(FRAME, np.int16)
    for _ in range(15):
        phase = dtmf.step(small.engine.keys, 0, 0)
        dtmf.tone_frame(small.engine.keys, 0, phase, sine_table(), frame)
        sound.append(frame.copy())
    assert not np.concatenate(sound[10:]).any()
    heard = np.concatenate(sound[1:9]).astype(float)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    bins = np.fft.rfftfreq(len(heard), 1 / 16000)
    loudest = bins[np.argsort(spectrum)[-6:]]
    assert all(min(abs(f - low), abs(f - high)) < 15 for f in loudest)
    ratio = spectrum[np.abs(bins - low).argmin()] / spectrum[np.abs(bins - high).argmin()]
    assert 0.5 < ratio < 2

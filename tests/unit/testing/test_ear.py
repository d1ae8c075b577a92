"""The time line: audio where it arrived, streams where their RTP time says, zeros where nothing came."""

import struct

import numpy as np

from hubbub.testing.ear import Ear
from hubbub.testing.g711 import PCMA, PCMU, Codec


def packet(sequence: int, timestamp: int, value: int, *, codec: Codec = PCMU, ssrc: int = 1, count: int = 160) -> bytes:
    payload = codec.encode(np.full(count, value, np.int16))
    return struct.pack("!BBHII", 0x80, codec.payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def event(sequence: int, timestamp: int, code: int, duration: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 101, sequence, timestamp, 1) + struct.pack("!BBH", code, 10, duration)


def values(ear: Ear, start: float, end: float) -> list[int]:
    """One value for each 20 ms, rounded to thousands."""
    pcm = ear.between(start, end).pcm
    return [round(float(block.mean()), -3) for block in pcm.reshape(-1, 160)]


def test_a_steady_stream() -> None:
    ear = Ear(origin=100.0)
    for index in range(5):
        ear.receive(packet(index, 160 * index, 1000 * (index + 1)), 101.0 + 0.02 * index + 0.003 * (index % 2))
    assert values(ear, 101.0, 101.1) == [1000, 2000, 3000, 4000, 5000]
    assert values(ear, 100.98, 101.04) == [0, 1000, 2000]
    assert ear.covered(101.1)
    assert not ear.covered(101.2)
    assert ear.between(101.0, 101.1).packets == 5


def test_loss_is_zeros_and_counted() -> None:
    ear = Ear(origin=0.0)
    for index in (0, 1, 4):
        ear.receive(packet(index, 160 * index, 1000), 0.02 * index)
    assert values(ear, 0.0, 0.1) == [1000, 1000, 0, 0, 1000]
    assert ear.lost == 2
    assert round(ear.between(0.0, 0.1).longest_gap) == 60


def test_reordering_and_wrap_are_put_right() -> None:
    ear = Ear(origin=0.0)
    start = 2**32 - 160
    for index, at in ((0, 0.0), (2, 0.040), (1, 0.041), (3, 0.06)):
        ear.receive(packet(0xFFFF + index, start + 160 * index, 1000 * (index + 1)), at)
    assert values(ear, 0.0, 0.08) == [1000, 2000, 3000, 4000]


def test_a_new_stream_and_a_jump_are_anchored_by_arrival() -> None:
    ear = Ear(origin=0.0)
    ear.receive(packet(1, 5000, 1000), 0.0)
    ear.receive(packet(900, 77, 2000, ssrc=2, codec=PCMA), 0.1)
    ear.receive(packet(901, 77 + 8000 * 3600, 3000, ssrc=2), 0.12)
    assert values(ear, 0.0, 0.14) == [1000, 0, 0, 0, 0, 2000, 3000]
    assert ear.ssrcs == [1, 2]


def test_a_stall_shows_as_a_gap() -> None:
    """A sender that stops for half a second and goes on with its old timestamps was not heard meanwhile."""
    ear = Ear(origin=0.0)
    ear.receive(packet(0, 0, 1000), 0.0)
    ear.receive(packet(1, 160, 1000), 0.52)
    assert values(ear, 0.5, 0.54) == [0, 1000]
    assert round(ear.between(0.0, 0.54).longest_gap) == 520


def test_a_key_is_heard_once() -> None:
    ear = Ear(origin=0.0)
    for sequence, duration in enumerate((160, 320, 480, 480, 480)):
        ear.receive(event(sequence, 1000, 11, duration), 0.02 * sequence)
    ear.receive(event(9, 3000, 1, 160), 0.5)
    assert [(digit.key, digit.duration) for digit in ear.digits] == [("#", 0.06), ("1", 0.02)]
    assert ear.between(0.4, 0.6).digits == "1"
    assert ear.between(0.0, 0.4).digits == "#"


def test_what_is_no_rtp_is_counted() -> None:
    ear = Ear(origin=0.0)
    for data in (b"", b"hello", b"\x00" * 40, packet(1, 2, 3)[:12], struct.pack("!BBHII", 0x80, 96, 1, 1, 1) + b"xyz"):
        ear.receive(data, 0.0)
    assert ear.strange == 5
    assert ear.arrivals == []

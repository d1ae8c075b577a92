"""RTCP to bytes and back, and what is made of it (RFC 3550 6.4, A.3, A.8)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.media.rtcp import (
    Block,
    Received,
    Reception,
    Report,
    RtcpError,
    SenderInfo,
    build,
    farewell,
    middle,
    ntp_of,
    opinion,
    parse,
)

words = st.integers(0, 2**32 - 1)


def test_a_sender_report_is_laid_out_as_the_rfc_draws_it() -> None:
    """RFC 3550 6.4.1, and an SDES with the name in every compound packet (6.1)."""
    data = build(0x01020304, SenderInfo(0x1122334455667788, 9, 10, 11), (Block(5, 64, -2, 0x10003, 7, 8, 9),), "a@b")
    assert data[:4] == bytes([0x81, 200, 0, 12])
    assert struct.unpack_from("!IQIII", data, 4) == (0x01020304, 0x1122334455667788, 9, 10, 11)
    assert data[28:52] == struct.pack("!IIIIII", 5, 64 << 24 | 0xFFFFFE, 0x10003, 7, 8, 9)
    assert data[52:] == bytes([0x81, 202, 0, 3]) + struct.pack("!IBB", 0x01020304, 1, 3) + b"a@b\0\0\0"
    assert data[52:][4 + 4 * 3 :] == b""
    assert parse(data) == [Report(0x01020304, SenderInfo(0x1122334455667788, 9, 10, 11), (Block(5, 64, -2, 0x10003, 7, 8, 9),))]


@given(words, st.booleans(), st.lists(st.tuples(words, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), words, words, words, words)))
def test_what_is_written_can_be_read(ssrc: int, sends: bool, blocks: list[tuple[int, ...]]) -> None:
    told = tuple(Block(*block) for block in blocks[:31])
    sender = SenderInfo(ntp_of(1_700_000_000.5), 1, 2, 3) if sends else None
    assert parse(build(ssrc, sender, told, "hubbub@127.0.0.1")) == [Report(ssrc, sender, told)]


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_read_and_nothing_else(data: bytes) -> None:
    try:
        parse(data)
    except RtcpError:
        pass


def test_a_goodbye_comes_with_a_report() -> None:
    data = farewell(7, "x")
    assert data[-8:] == bytes([0x81, 203, 0, 1]) + (7).to_bytes(4, "big")
    assert parse(data) == [Report(7, None, ())]


def test_round_trip_is_what_remains_of_the_time_between_two_reports() -> None:
    """RFC 3550 6.4.1: the time of arrival, minus LSR, minus DLSR."""
    ours, theirs, now = Reception(1), Reception(2), 1_700_000_000.0
    told = ours.tell(None, SenderInfo(ntp_of(now), 0, 1, 160), now, 8000, "a")
    theirs.take(parse(told), now + 0.030, 8000)
    answer = theirs.tell(Received(1, 10, 10, 10, 80), None, now + 2.5, 8000, "b")
    ours.take(parse(answer), now + 2.5 + 0.045, 8000)
    assert ours.round_trip.last == pytest.approx(75, abs=0.1)
    assert ours.jitter_out.last == pytest.approx(10)
    assert (ours.lost_out, ours.loss_out) == (0, 0)


def test_a_report_about_somebody_else_or_out_of_a_dream_says_nothing() -> None:
    ours = Reception(1)
    ours.take([Report(2, None, (Block(99, 255, 100, 0, 0, 1, 1),))], 1_700_000_000.0, 8000)
    assert (ours.lost_out, ours.round_trip.count, ours.received_reports) == (0, 0, 1)
    ours.take([Report(2, None, (Block(1, 255, 100, 0, 0, 5, 5),))], 1_700_000_000.0, 8000)
    assert (ours.lost_out, ours.loss_out, ours.round_trip.count) == (100, 99, 0)


def test_the_fraction_is_of_what_came_since_the_last_report() -> None:
    """RFC 3550 A.3; duplicates make no negative loss."""
    ours, now = Reception(1), 1_700_000_000.0
    fractions = []
    for received in (Received(2, 100, 100, 100, 0), Received(2, 200, 150, 200, 0), Received(2, 300, 255, 300, 0)):
        (report,) = parse(ours.tell(received, None, now, 8000, "a"))
        fractions.append((report.blocks[0].fraction, report.blocks[0].lost))
    assert fractions == [(0, 0), (128, 50), (0, 45)]


def test_opinion_falls_with_delay_jitter_and_loss() -> None:
    assert opinion(20, 0, 0) > 4.3
    assert opinion(20, 0, 0) > opinion(400, 0, 0) > opinion(800, 0, 0)
    assert opinion(20, 0, 0) > opinion(20, 60, 0)
    assert opinion(20, 0, 0) > opinion(20, 0, 3) > opinion(20, 0, 20) >= 1
    assert opinion(10_000, 500, 100) == 1


def test_middle_of_a_time() -> None:
    assert middle(0x1122334455667788) == 0x33445566

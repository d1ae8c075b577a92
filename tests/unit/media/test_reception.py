"""What a leg reports of its reception, from packets to the bytes of RTCP, against the formulae of RFC 3550 A.3 and A.8 worked out here."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from tests.support.small_engine import small_engine

from hubbub.media import libopus
from hubbub.media.jitter import retune
from hubbub.media.layout import OPUS, PCMU
from hubbub.media.reports import Line
from hubbub.media.rtcp import Block, SenderInfo, build, middle, ntp_of, parse
from hubbub.media.rtp import ingest
from hubbub.media.tick import produce_leg

SOURCE, OURS, THEIRS, NOW = (0x7F000001 << 16) | 4000, 0x1234, 0xABCD, 1_700_000_000.0
PAYLOADS = {PCMU: b"\x11" * 160, OPUS: bytes([8 << 3]) + b"\x05" * 20}
CODECS = [PCMU] + ([OPUS] if libopus.find() else [])


class Leg:
    """One leg of the engine that is fed datagrams, with the reports that the server makes of it."""

    def __init__(self, codec: int) -> None:
        self.small, self.codec = small_engine(), codec
        self.clock = 48000 if codec == OPUS else 8000
        engine = self.small.engine
        self.small.add_leg(0, payload_type=96)
        engine.links[0].codec, engine.links[0].signalled = codec, SOURCE
        retune(engine.jitter, engine.coders, 0, codec, self.small.desk.fresh)
        leg = SimpleNamespace(ssrc=OURS, bound_port=0, link=engine.links[0], ticked=0.0, local=("127.0.0.1", 0), socket=None)
        self.line = Line(cast(Any, leg), "127.0.0.1", lambda line: None)

    def take(self, number: int, time: int, tick: int, ssrc: int = THEIRS) -> None:
        data = struct.pack(">BBHII", 0x80, 96, number & 0xFFFF, time & 0xFFFFFFFF, ssrc) + PAYLOADS[self.codec]
        buffer = np.zeros(2048, np.uint8)
        buffer[: len(data)] = np.frombuffer(data, np.uint8)
        engine = self.small.engine
        ingest(engine.wires, 0, engine.links, engine.jitter, engine.keys, 0, buffer, len(data), SOURCE, tick)

    def report(self, now: float = NOW) -> Block:
        (report,) = parse(self.line.compose(now, 0.0))
        (block,) = report.blocks
        return block

    def close(self) -> None:
        if self.line.socket is not None:
            self.line.socket.close()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.07, 0.5])
def test_a_known_share_is_lost(codec: int, share: float) -> None:
    """A.3 over a wrap of the numbers: duplicates make up for nothing, what is late is not lost, and both counts are of packets."""
    random, leg = np.random.default_rng(7), Leg(codec)
    first, before = 65536 - 700, (0, 0)
    arrived: set[int] = set()
    for n in range(2000):
        if n in (0, 1) or random.random() >= share:
            arrived.add(n)
            for _ in range(2 if random.random() < 0.05 else 1):
                leg.take(first + n, 5 + n * leg.clock // 50, 10 + n)
        if n % 250 == 249:
            expected, received = max(arrived) + 1, len(arrived)
            fresh, came = expected - before[0], received - before[1]
            before = expected, received
            block = leg.report()
            assert block.ssrc == THEIRS
            assert block.highest == first + max(arrived), "with its cycles (A.1)"
            assert block.lost == expected - received
            assert block.fraction == (fresh - came) * 256 // fresh
    quality = leg.line.quality()
    assert quality.loss_in == pytest.approx(100 * (1 - len(arrived) / (max(arrived) + 1)))
    assert quality.loss_in == pytest.approx(100 * share, abs=2.5)
    assert (quality.packets_in, quality.lost_in) == (len(arrived), max(arrived) + 1 - len(arrived))
    leg.close()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("ragged", [1, 2, 4])
def test_jitter_is_that_of_the_formula(codec: int, ragged: int) -> None:
    """A.8 in units of the RTP clock: J += (|D| - J) / 16, over packets as they come, by the tick (20 ms) in which they do."""
    random, leg = np.random.default_rng(ragged), Leg(codec)
    unit = leg.clock // 50
    coming = sorted((10 + n + int(random.integers(0, ragged + 1)), n) for n in range(900))
    jitter, transit = 0.0, None
    for tick, n in coming:
        leg.take(n, 77 + n * unit, tick)
        passed = tick * unit - n * unit
        if transit is not None:
            jitter += (abs(passed - transit) - jitter) / 16
        transit = passed
    block = leg.report()
    assert jitter > unit / 10
    assert block.jitter == pytest.approx(jitter, abs=2 * leg.clock / 8000)
    assert leg.line.quality().jitter_in == pytest.approx(1000 * jitter / leg.clock, abs=0.3)
    leg.close()


def test_what_one_stream_lost_stays_counted_when_another_follows() -> None:
    leg = Leg(PCMU)
    for n in range(50):
        if n not in (10, 20, 21):
            leg.take(n, n * 160, 10 + n)
    for n in range(50):
        if n != 30:
            leg.take(40000 + n, n * 160, 80 + n, THEIRS + 1)
    quality = leg.line.quality()
    assert (quality.lost_in, quality.packets_in) == (4, 47 + 49)
    leg.close()


def test_frames_that_were_made_up_are_counted() -> None:
    """Every lost packet of 20 ms is one frame that somebody was told in its place."""
    leg, lost = Leg(PCMU), 0
    for n in range(200):
        if n > 10 and n % 20 == 7:
            lost += 1
        else:
            leg.take(n, n * 160, 10 + n)
        produce_leg(leg.small.engine, leg.small.desk, 0, 0, 10 + n)
    assert lost == 9
    assert leg.line.quality().concealed_in == lost
    leg.close()


@pytest.mark.parametrize("codec", CODECS)
def test_even_packets_have_no_jitter(codec: int) -> None:
    leg = Leg(codec)
    for n in range(300):
        leg.take(n, n * leg.clock // 50, 10 + n)
    assert leg.report().jitter == 0
    leg.close()


@pytest.mark.parametrize("codec", CODECS)
def test_what_the_far_end_says_is_told_in_milliseconds_and_percent(codec: int) -> None:
    """6.4.1: fraction in 1/256, jitter in units of the RTP clock, round trip = arrival - LSR - DLSR."""
    leg = Leg(codec)
    link = leg.small.engine.links[0]
    link.counters[1] = 200
    leg.line.compose(NOW, 0.0)
    block = Block(OURS, 64, 17, 199, leg.clock // 40, middle(ntp_of(NOW)), round(1.5 * 65536))
    leg.line.receive(build(THEIRS, SenderInfo(ntp_of(NOW), 1, 2, 3), (block,), "peer"), NOW + 1.5 + 0.083)
    quality = leg.line.quality()
    assert quality.jitter_out == pytest.approx(25)
    assert (quality.lost_out, quality.loss_out, quality.packets_out) == (17, 8.5, 200)
    assert quality.round_trip == pytest.approx(83, abs=0.1)
    assert leg.line.reception.loss_out == 25, "what repair is made for is of late"
    for n in range(2):
        leg.take(n, n * leg.clock // 50, 10 + n)
    answer = leg.report(NOW + 1.5 + 0.083 + 2.25)
    assert answer.last_report == middle(ntp_of(NOW))
    assert answer.delay == pytest.approx(2.25 * 65536, abs=2)
    leg.close()

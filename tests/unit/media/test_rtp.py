"""RTP in: checks, latch, lock; RTP out: headers and framing. And garbage."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support.small_engine import Small, small_engine

from hubbub.media import counters
from hubbub.media.rtp import AUDIO, NOTHING, STILL, appended, ingest, next_packet, packet_sent, source_number, write_peer

PEER, OTHER = (0x7F000001 << 16) | 4000, (0x7F000001 << 16) | 4002


class Receiver:
    """One leg that takes datagrams."""

    def __init__(self) -> None:
        self.small: Small = small_engine()
        self.small.add_leg(0)
        self.engine = self.small.engine
        self.engine.links[0].signalled = PEER
        self.tick = 1

    def take(self, data: bytes, source: int = PEER) -> int:
        buffer = np.zeros(2048, np.uint8)
        buffer[: len(data)] = np.frombuffer(data, np.uint8)
        engine = self.engine
        return int(ingest(engine.wires, 0, engine.links, engine.jitter, engine.keys, 0, buffer, len(data), source, self.tick))

    def dropped(self) -> dict[str, int]:
        return {name: int(count) for name, count in zip(counters.DROPS, self.engine.wires[0].dropped, strict=False) if count}


def packet(
    number: int, *, kind: int = 0, ssrc: int = 7, time: int | None = None, payload: bytes = b"\x11" * 160, first: int = 0x80
) -> bytes:
    return struct.pack(">BBHII", first, kind, number & 0xFFFF, 160 * number if time is None else time, ssrc) + payload


def test_a_good_packet_is_audio() -> None:
    receiver = Receiver()
    assert receiver.take(packet(1)) == AUDIO
    assert receiver.dropped() == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "short"),
        (b"\x80\x00\x00", "short"),
        (packet(1, first=0x40), "version"),
        (packet(1, kind=200), "rtcp"),
        (packet(1, first=0x8F)[:60], "malformed"),
        (packet(1, first=0x90, payload=b"\0\0\xff\xff" + b"x" * 20), "malformed"),
        (packet(1, first=0xA0, payload=b"x" * 20 + b"\x40"), "malformed"),
        (packet(1, first=0xA0, payload=b"x" * 20 + b"\x00"), "malformed"),
        (packet(1, payload=b""), "malformed"),
        (packet(1, kind=96), "payload_type"),
        (packet(1, payload=b"x" * 1500), "oversize"),
        (packet(1, kind=101, payload=b"\x01"), "event"),
        (packet(1, kind=101, payload=b"\xff\0\0\0"), "event"),
    ],
)
def test_what_is_wrong_is_counted_by_reason(data: bytes, reason: str) -> None:
    receiver = Receiver()
    assert receiver.take(data) == NOTHING
    assert receiver.dropped() == {reason: 1}


def test_extension_padding_and_contributors_are_stepped_over() -> None:
    """RFC 3550 5.1 and 5.3.1."""
    receiver = Receiver()
    assert (
        receiver.take(packet(1, first=0x80 | 0x20 | 0x10 | 2, payload=b"c" * 8 + b"\xbe\xde\0\1" + b"e" * 4 + b"\x42" * 160 + b"\0\0\3"))
        == AUDIO
    )
    assert receiver.engine.jitter[0].length[1] == 160
    assert set(receiver.engine.jitter[0].payload[1, :160].tolist()) == {0x42}


def test_the_first_source_is_latched_and_others_are_dropped() -> None:
    """Symmetric RTP (RFC 4961): what sends first is sent to; a second source gets nowhere."""
    receiver = Receiver()
    receiver.engine.links[0].signalled = PEER + 5
    assert receiver.take(packet(1)) == AUDIO
    assert receiver.engine.links[0].latched == PEER
    assert source_number(receiver.engine.links[0].peer) == PEER
    assert receiver.take(packet(2), OTHER) == NOTHING
    assert receiver.dropped() == {"source": 1}


def test_the_signalled_address_always_wins() -> None:
    """Somebody who sprays packets first cannot keep the call."""
    receiver = Receiver()
    assert receiver.take(packet(1, ssrc=666), OTHER) == AUDIO
    assert receiver.take(packet(9, ssrc=7), PEER) == AUDIO
    assert receiver.engine.links[0].latched == PEER
    assert receiver.take(packet(2, ssrc=666), OTHER) == NOTHING


def test_after_five_silent_seconds_another_source_may_come() -> None:
    receiver = Receiver()
    assert receiver.take(packet(1)) == AUDIO
    receiver.tick += 250
    assert receiver.take(packet(2), OTHER) == NOTHING
    receiver.tick += 2
    assert receiver.take(packet(2), OTHER) == AUDIO


def test_a_new_ssrc_is_believed_after_two_packets_in_order() -> None:
    receiver = Receiver()
    for number in range(5):
        receiver.take(packet(number))
    receiver.tick += STILL
    results = [receiver.take(packet(number, ssrc=8)) for number in (100, 102, 103, 104, 105)]
    assert results == [NOTHING, NOTHING, AUDIO, AUDIO, AUDIO]
    assert receiver.dropped() == {"ssrc": 2}
    assert receiver.engine.links[0].counters[counters.C_RESTARTS] == 1


@pytest.mark.parametrize("forged", [{"ssrc": 8}, {"ssrc": 7}])
def test_a_whole_stream_beside_a_living_one_is_not_heard(forged: dict[str, int]) -> None:
    """From the caller's own address and in order, as many as it likes: another SSRC, or its own SSRC as it was long ago."""
    receiver = Receiver()
    for number in range(50):
        receiver.tick += 1
        if number % 3 == 0:  # packets of 60 ms
            assert receiver.take(packet(1000 + number // 3)) == AUDIO
        assert {receiver.take(packet(30000 + 20 * number + more, **forged)) for more in range(20)} == {NOTHING}
    assert receiver.engine.links[0].counters[counters.C_RESTARTS] == 0


def test_a_stream_that_has_begun_anew_is_heard_when_the_old_one_is_still() -> None:
    """And its newest packet before that is not lost."""
    receiver = Receiver()
    receiver.take(packet(1))
    accepted = receiver.engine.links[0].counters[counters.C_ACCEPTED]
    taken = []
    for number in range(8):
        receiver.tick += 1
        taken.append(receiver.take(packet(500 + number, ssrc=8)))
    assert taken == [NOTHING] * (STILL - 1) + [AUDIO] * (9 - STILL)
    assert receiver.engine.links[0].counters[counters.C_ACCEPTED] - accepted == 9 - STILL + 1


def test_a_forged_packet_between_good_ones_changes_nothing() -> None:
    receiver = Receiver()
    for number in range(20):
        assert receiver.take(packet(number)) == AUDIO
        assert receiver.take(packet(5000 + 7 * number, time=99)) == NOTHING
        assert receiver.take(packet(number, ssrc=1000 + number)) == NOTHING
    assert receiver.dropped() == {"sequence": 20, "ssrc": 20}


def test_loss_is_counted_from_the_sequence() -> None:
    receiver = Receiver()
    for number in (65530, 65531, 65534, 65535, 65536, 65540):
        receiver.take(packet(number, time=160 * number))
    words = receiver.engine.links[0].counters
    assert words[counters.C_HIGHEST] - words[counters.C_FIRST] + 1 - words[counters.C_ACCEPTED] == 5


def test_comfort_noise_and_what_we_do_not_want_are_not_played() -> None:
    receiver = Receiver()
    assert receiver.take(packet(1, kind=13, payload=b"\x40")) == NOTHING
    receiver.engine.links[0].receives = 0
    assert receiver.take(packet(2)) == NOTHING
    assert receiver.dropped() == {"unwanted": 1}


def test_addresses_survive_the_round_trip() -> None:
    small = small_engine()
    write_peer(small.engine.links, 0, (0xC0A80107 << 16) | 54321)
    assert bytes(small.engine.links[0].peer) == struct.pack("=H", 2) + struct.pack(">H", 54321) + bytes([192, 168, 1, 7]) + bytes(8)


@pytest.mark.parametrize(("ptime", "sizes"), [(10, [2] * 12), (20, [1] * 12), (30, [0, 1, 1] * 4), (40, [0, 1] * 6), (60, [0, 0, 1] * 4)])
def test_frames_become_packets_of_the_agreed_length(ptime: int, sizes: list[int]) -> None:
    """RFC 3550 5.1: consecutive numbers, timestamps of the first sample, the marker on the first packet only."""
    small = small_engine()
    small.add_leg(0)
    link = small.engine.links[0]
    link.ptime, link.out_ssrc, link.out_sequence, link.out_time, link.out_mark = ptime * 8, 0x01020304, 65534, 0xFFFFFFF0, 1
    packets, counts, stream = [], [], bytearray()
    for tick in range(12):
        frame = np.full(160, tick, np.uint8)
        link.packet[12 + link.out_length : 172 + link.out_length] = frame
        appended(small.engine.links, 0, 160)
        counts.append(0)
        while size := next_packet(small.engine.links, 0):
            packets.append(bytes(link.packet[:size]))
            counts[-1] += 1
            packet_sent(small.engine.links, 0)
    assert counts == sizes
    for index, data in enumerate(packets):
        first, kind, number, time, ssrc = struct.unpack_from(">BBHII", data)
        assert (first, kind, ssrc) == (0x80, 0x80 if index == 0 else 0, 0x01020304)
        assert number == (65534 + index) & 0xFFFF
        assert time == (0xFFFFFFF0 + index * ptime * 8) & 0xFFFFFFFF
        assert len(data) == 12 + ptime * 8
        stream += data[12:]
    assert bytes(stream) == b"".join(bytes([tick]) * 160 for tick in range(12))[: len(stream)]


def fuzz(rounds: int, seed: int) -> None:
    """Feed random and half-right datagrams, from two sources, and play out between; called under bounds checks below."""
    from tests.support.small_engine import SIZES

    from hubbub.media.desk import make_desk
    from hubbub.media.jitter import fetch

    random = np.random.default_rng(seed)
    receiver = Receiver()
    desk = make_desk(SIZES)
    for round_ in range(rounds):
        kind = random.integers(0, 4)
        data = bytearray(random.bytes(int(random.integers(0, 2048))))
        if kind > 0 and len(data) >= 16:
            data[0] = 0x80 | (int(data[0]) & 0x3F if kind == 1 else 0)
            data[1] = int(random.choice([0, 0, 101, 13, 0x80]))
            if kind == 3:
                data[8:12] = b"\0\0\0\7"
                data[2:4] = struct.pack(">H", round_ // 3 & 0xFFFF)
                data[4:8] = struct.pack(">I", int(random.choice([round_ * 53, int(random.integers(0, 2**32))])) & 0xFFFFFFFF)
        receiver.take(bytes(data), PEER if random.random() < 0.7 else OTHER)
        if round_ % 3 == 0:
            receiver.tick += 1
            fetch(receiver.engine.jitter, receiver.engine.coders, 0, desk, int(random.integers(0, 20000)), desk.frame)
    words = receiver.engine.links[0].counters
    assert words[counters.C_RECEIVED] == rounds
    # The first packet of a new stream is dropped, and used after all when the second vouches for it.
    assert 0 <= sum(receiver.dropped().values()) - words[counters.C_DROPPED] <= words[counters.C_RESTARTS]


def test_garbage_is_survived() -> None:
    fuzz(3000, 1)


def test_garbage_stays_within_bounds() -> None:
    """The same under NUMBA_BOUNDSCHECK=1: any index out of an array raises."""
    code = "import tests.unit.media.conftest, tests.unit.media.test_rtp as t; t.fuzz(4000, 2); print('within bounds')"
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "PYTHONPATH": f"{root}:{root}/src"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True, timeout=280, check=False)
    assert "within bounds" in done.stdout, done.stderr[-2000:]

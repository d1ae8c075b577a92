"""Opus in the loop against libopus called directly: what is sent, what is heard, and what happens where packets are missing."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.small_engine import small_engine, tone

from hubbub.media import libopus, opus
from hubbub.media.counters import C_ACCEPTED
from hubbub.media.framing import next_opus
from hubbub.media.jitter import calm, fetch, retune, store
from hubbub.media.layout import FRAME, NARROW, OPUS, PCMU, TICK_NS, UNITY
from hubbub.media.libopus import O_HAVE, O_LEVEL
from hubbub.media.mix import advance, sum_mixes
from hubbub.media.rtp import ingest, pass_time
from hubbub.media.tick import serve_leg

LIBRARY = libopus.find()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason=f"no libopus ({libopus.HOW_TO_GET_IT})")
UNITS = 960


class Encoder:
    """An encoder of libopus, told by ctypes."""

    def __init__(self, state: bytes | None = None, **wishes: int) -> None:
        assert LIBRARY is not None
        self.lib = LIBRARY.handle
        self.state = ctypes.create_string_buffer(state or LIBRARY.fresh_encoder())
        for name, value in {"level": 3, **wishes}.items():
            request = {"level": 4010, "loss": 4014, "dtx": 4016, "rate": 4002}[name]
            assert self.lib.opus_encoder_ctl(self.state, request, ctypes.c_int(value)) == 0

    def __call__(self, pcm: np.ndarray) -> bytes:
        out = ctypes.create_string_buffer(1500)
        frame = np.ascontiguousarray(pcm, np.int16)
        size = self.lib.opus_encode(self.state, frame.ctypes.data_as(ctypes.c_void_p), len(frame), out, 1500)
        assert size > 0
        return out.raw[:size]


class Decoder:
    def __init__(self) -> None:
        assert LIBRARY is not None
        self.lib = LIBRARY.handle
        self.state = ctypes.create_string_buffer(LIBRARY.fresh_decoder())

    def __call__(self, packet: bytes) -> np.ndarray:
        out = np.zeros(1920, np.int16)
        count = self.lib.opus_decode(self.state, packet, len(packet), out.ctypes.data_as(ctypes.c_void_p), 1920, 0)
        assert count > 0
        return out[:count]


def speech(seconds: float, seed: int = 1) -> np.ndarray:
    """Something that a codec of speech takes for speech: harmonics of a pitch that moves, in syllables."""
    time = np.arange(int(seconds * 16000)) / 16000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 1.7 * time + seed)) / 16000
    sound = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time))
    return np.round(3000 * sound + np.random.default_rng(seed).normal(0, 20, len(time))).astype(np.int16)


def level(pcm: np.ndarray) -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


LEGS = 5


class Listeners:
    """Legs of one mix that speak Opus, and for each an encoder of its own that is told what the leg hears."""

    def __init__(self) -> None:
        self.small = small_engine()
        self.small.add_mix(0)
        self.run = 0
        self.own = [Encoder() for _ in range(LEGS)]
        self.heard: list[list[bytes]] = [[] for _ in range(LEGS)]
        for leg in range(LEGS):
            self.small.add_leg(leg, mix=0)
            self.small.engine.links[leg].codec = OPUS
            slot = self.small.engine.slots[leg]
            slot.speak = slot.speak_to = slot.hear = slot.hear_to = UNITY

    def tick(self, speaking: set[int], frames: np.ndarray) -> int:
        """One tick in which `speaking` have a frame; checks what each leg is sent; returns how many are told by the group."""
        engine, desk = self.small.engine, self.small.desk
        self.run += 1
        for leg in range(LEGS):
            engine.slots[leg].have = leg in speaking
            engine.slots[leg].pcm[:] = frames[leg]
        before = [coder.state.raw for coder in self.own]
        shared = [bool(ear.joined) for ear in engine.ears[:LEGS]]
        sum_mixes(engine.slots, engine.mixes, desk)
        sent = []
        for leg in range(LEGS):
            serve_leg(engine, desk, 0, leg, self.run)
            link = engine.links[leg]
            sent.append(bytes(desk.opus_packet if not engine.ears[leg].joined else engine.mixes[0].payload[OPUS]))
            assert link.frames == 0
        joined = [bool(ear.joined) for ear in engine.ears[:LEGS]]
        for leg in range(LEGS):
            if joined[leg] and not shared[leg]:
                others = [leg for leg in range(LEGS) if shared[leg]] or [leg for leg in range(LEGS) if joined[leg]]
                self.own[leg] = Encoder(before[others[0]])
        for leg in range(LEGS):
            own = self.own[leg](engine.mixes[0].pcm if joined[leg] else engine.ears[leg].pcm)
            packet = bytes(engine.links[leg].packet[12 : 12 + len(own)])
            assert packet == own, f"leg {leg}, run {self.run}"
            self.heard[leg].append(packet)
        advance(engine.slots, desk)
        return sum(joined)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.sets(st.integers(0, LEGS - 1), max_size=2), min_size=3, max_size=10))
def test_the_group_encodes_once_and_changes_no_bit(seed: int, turns: list[set[int]]) -> None:
    """Legs begin and stop to speak at random: each is sent what an encoder of its own, cloned from the group's, would have said."""
    random = np.random.default_rng(seed)
    listeners = Listeners()
    for speaking in turns:
        for _ in range(seed % 17 + 1):
            listeners.tick(speaking, random.normal(0, 2000, (LEGS, FRAME)).astype(np.int16))


def test_a_listener_that_begins_to_speak_is_not_heard_to_click() -> None:
    """It takes a copy of the group's encoder along; its far end, one decoder all the time, hears a clean tone."""
    sound = tone(700, 90 * FRAME, 16000).reshape(-1, FRAME)
    listeners = Listeners()
    shares = 0
    for tick in range(90):
        frames = np.zeros((LEGS, FRAME), np.int16)
        frames[0] = sound[tick]
        shares += listeners.tick(set() if tick < 20 else {0} if not 60 <= tick < 75 else {0, 4}, frames)
    assert shares > 200
    decoder = Decoder()
    heard = np.concatenate([decoder(packet) for packet in listeners.heard[4]])
    around = heard[45 * FRAME : 85 * FRAME] * np.hanning(40 * FRAME)
    spectrum = np.abs(np.fft.rfft(around))
    bins = np.fft.rfftfreq(len(around), 1 / 16000)
    steady = listeners.heard[3]  # never spoke: what the codec itself does to the tone
    decoder = Decoder()
    plain = np.concatenate([decoder(packet) for packet in steady])[45 * FRAME : 85 * FRAME] * np.hanning(40 * FRAME)
    base = np.abs(np.fft.rfft(plain))
    high = bins > 2500
    assert 20 * np.log10(spectrum[high].max() / spectrum.max()) < 20 * np.log10(base[high].max() / base.max()) + 3


class Line:
    """One leg that is sent Opus packets: its jitter buffer and decoder."""

    def __init__(self, depth_ms: int = 60) -> None:
        self.small = small_engine()
        self.small.add_leg(0, payload_type=96)
        self.small.engine.links[0].codec = OPUS
        retune(self.small.engine.jitter, self.small.engine.coders, 0, OPUS, self.small.desk.fresh)
        self.small.engine.jitter[0].depth = depth_ms * 8
        self.out = np.zeros(FRAME, np.int16)

    def put(self, number: int, time: int, packet: bytes) -> int:
        data = np.frombuffer(packet, np.uint8).copy()
        return int(store(self.small.engine.jitter, 0, number & 0xFFFF, time & 0xFFFFFFFF, data, 0, len(data), OPUS))

    def frame(self) -> int:
        return int(fetch(self.small.engine.jitter, self.small.engine.coders, 0, self.small.desk, 0, self.out))

    def play(self, packets: dict[int, list[tuple[int, int, bytes]]], frames: int) -> tuple[np.ndarray, list[int]]:
        """Packets by the tick in which they come; what was heard, and how much of each frame had come."""
        heard, covered = [], []
        for tick in range(frames):
            for packet in packets.get(tick, []):
                self.put(*packet)
            got = self.frame()
            covered.append(got)
            heard.append(self.out.copy() if got >= 0 else np.zeros(FRAME, np.int16))
        return np.concatenate(heard), covered


def stream(pcm: np.ndarray, size: int, encoder: Callable[[np.ndarray], bytes] | None = None) -> list[bytes]:
    encoder = encoder or Encoder()
    return [encoder(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
@pytest.mark.parametrize("depth", [20, 50, 60])
def test_packets_of_any_length_are_heard_as_they_are(milliseconds: int, depth: int) -> None:
    """RFC 7587 4.2: 2.5 to 120 ms in a packet; what is heard is what a decoder says that gets them one by one, to the bit."""
    pcm = speech(1.2)
    packets = stream(pcm, 16 * milliseconds)
    decoder = Decoder()
    plain = np.concatenate([decoder(packet) for packet in packets])
    coming: dict[int, list[tuple[int, int, bytes]]] = {}
    for n, packet in enumerate(packets):
        coming.setdefault(n * milliseconds // 20, []).append((n, 5000 + n * 48 * milliseconds, packet))
    line = Line(depth)
    heard, covered = line.play(coming, 50)
    begin = 16 * depth
    count = 45 * FRAME - begin
    assert np.array_equal(heard[begin : begin + count], plain[:count])
    assert all(part == UNITS for part in covered[begin // FRAME + 1 : 45])


def test_packets_out_of_order_and_twice() -> None:
    pcm = speech(1.0)
    packets = stream(pcm, FRAME)
    decoder = Decoder()
    plain = np.concatenate([decoder(packet) for packet in packets])
    order = [n ^ 1 for n in range(len(packets))]
    coming = {tick: [(n, n * UNITS, packets[n])] * 2 for tick, n in enumerate(order)}
    heard, _ = Line(60).play(coming, 45)
    start = 2 * FRAME  # the buffer began with packet 1: packet 0 is played first all the same, one frame earlier
    assert np.array_equal(heard[start : start + 40 * FRAME], plain[: 40 * FRAME])


@pytest.mark.parametrize("channels", [1, 2])
def test_full_band_and_stereo_are_heard_in_mono(channels: int) -> None:
    """RFC 7587 7.1: `maxplaybackrate` and `stereo` are wishes; a sender of 48 kHz and two channels is heard all the same, both of them."""
    assert LIBRARY is not None
    lib, state = LIBRARY.handle, ctypes.create_string_buffer(LIBRARY.handle.opus_encoder_get_size(channels))
    assert lib.opus_encoder_init(state, 48000, channels, 2049) == 0  # for music: full band
    assert lib.opus_encoder_ctl(state, 4002, ctypes.c_int(96_000)) == 0
    time = np.arange(48000) / 48000
    sides = [12000 * np.sin(2 * np.pi * pitch * time) for pitch in (500, 1300)][:channels]
    pcm = np.ascontiguousarray(np.stack([np.round(side) for side in sides], axis=1).astype(np.int16))
    packets, out = [], ctypes.create_string_buffer(1500)
    for at in range(0, len(pcm), 960):
        size = lib.opus_encode(state, pcm[at : at + 960].ctypes.data_as(ctypes.c_void_p), 960, out, 1500)
        packets.append(out.raw[:size])
    assert all(packet[0] >> 3 >= 28 and bool(packet[0] & 4) == (channels == 2) for packet in packets[5:]), "RFC 6716 3.1: CELT, full band"
    heard, covered = Line(60).play({n: [(n, n * UNITS, packet)] for n, packet in enumerate(packets)}, 50)
    assert all(part == UNITS for part in covered[5:])
    half = heard[20 * FRAME : 45 * FRAME].astype(float)
    for pitch in (500, 1300)[:channels]:
        height = 2 * abs(half @ np.exp(-2j * np.pi * pitch * np.arange(len(half)) / 16000)) / len(half)
        assert abs(height - 12000 / channels) < 900


def lossy(repair: bool) -> tuple[float, int, list[int]]:
    """Every seventh packet is lost; how far what is heard is from what was said (dB), how many frames were repaired, what was there."""
    pcm = speech(3.0)
    packets = stream(pcm, FRAME, Encoder(loss=20 if repair else 0))
    decoder = Decoder()
    plain = np.concatenate([decoder(packet) for packet in packets]).astype(float)
    line = Line(60)
    heard, covered = line.play({n: [(n, n * UNITS, packet)] for n, packet in enumerate(packets) if n % 7 != 3}, 140)
    shift = 3 * FRAME
    lost = [n for n in range(20, 130) if n % 7 == 3]
    wrong = sum(np.sum((heard[shift + n * FRAME : shift + (n + 1) * FRAME] - plain[n * FRAME : (n + 1) * FRAME]) ** 2) for n in lost)
    power = sum(np.sum(plain[n * FRAME : (n + 1) * FRAME] ** 2) for n in lost)
    return 10 * np.log10(wrong / power), int(line.small.engine.jitter[0].repaired), covered


def test_what_is_lost_is_taken_from_the_packet_behind_it() -> None:
    """RFC 6716 2.1.7: with in-band FEC the frame before comes again, coarser: nearer to what was said than a guess."""
    with_repair, repaired, covered = lossy(True)
    without, none, _ = lossy(False)
    assert repaired >= 10
    assert none == 0
    assert with_repair < without - 3
    assert covered[3:].count(0) <= sum(n % 7 == 3 for n in range(137)) - repaired


def test_a_pause_is_not_loss() -> None:
    """RFC 7587 3.1.3: with DTX a silent sender sends a packet every 400 ms; in between comfort noise is heard, and time goes on."""
    noise = np.random.default_rng(5).normal(0, 12, 16000 * 4).astype(np.int16)
    pcm = np.concatenate([speech(1.0), noise, speech(1.0)])
    encoder = Encoder(dtx=1)
    coming: dict[int, list[tuple[int, int, bytes]]] = {}
    number = 0
    for tick in range(len(pcm) // FRAME):
        packet = encoder(pcm[tick * FRAME : (tick + 1) * FRAME])
        if len(packet) > 2:  # RFC 7587 3.1.3: the others need not be sent
            coming[tick] = [(number, tick * UNITS, packet)]
            number += 1
    sent = sum(len(one) for one in coming.values())
    assert sent < 250, "the sender did not pause"
    line = Line(60)
    heard, covered = line.play(coming, len(pcm) // FRAME + 3)
    assert 0 not in covered[4:], "a pause was taken for loss"
    pause = heard[16000 * 2 : 16000 * 4]
    assert 1 < level(pause) < 40
    jitter = line.small.engine.jitter[0]
    assert jitter.held == 0
    assert jitter.slips == 0
    assert level(heard[-8000:-2000]) > 500, "speech comes back"


def test_a_stream_that_ends_falls_silent() -> None:
    pcm = speech(1.0)
    line = Line(60)
    heard, _ = line.play({n: [(n, n * UNITS, packet)] for n, packet in enumerate(stream(pcm, FRAME))}, 130)
    assert level(heard[20 * FRAME : 50 * FRAME]) > 500
    assert not heard[-10 * FRAME :].any()


def test_garbage_is_dropped_and_decodes_to_nothing_worse() -> None:
    """RFC 6716 3.4: a packet that cannot be is not stored; what the decoder refuses costs one frame."""
    small = small_engine()
    small.add_leg(0, payload_type=96)
    small.engine.links[0].codec = OPUS
    engine = small.engine
    retune(engine.jitter, engine.coders, 0, OPUS, small.desk.fresh)
    random = np.random.default_rng(9)
    out = np.zeros(FRAME, np.int16)
    for number in range(3000):
        body = random.integers(0, 256, int(random.integers(1, 60))).astype(np.uint8)
        header = bytes([0x80, 96, number >> 8 & 255, number & 255]) + (number * UNITS).to_bytes(4, "big") + b"\0\0\0\1"
        data = np.frombuffer(header + body.tobytes(), np.uint8).copy()
        ingest(engine.wires, 0, engine.links, engine.jitter, engine.keys, 0, data, len(data), 1 << 20, number)
        fetch(engine.jitter, engine.coders, 0, small.desk, 0, out)
    assert engine.links[0].counters[C_ACCEPTED] > 1000
    assert int(engine.wires[0].dropped[3]) > 10


@pytest.mark.parametrize(("ptime", "frames"), [(10, 1), (20, 1), (30, 1), (40, 2), (60, 3)])
def test_frames_are_collected_to_packets_of_the_agreed_time(ptime: int, frames: int) -> None:
    """RFC 6716 3.2.5: frames of one kind stand in one packet; the RTP clock is 48 kHz and counts every one (RFC 7587 4.1)."""
    assert LIBRARY is not None
    small = small_engine()
    small.add_leg(0, payload_type=111)
    link = small.engine.links[0]
    link.codec, link.ptime, link.out_time, link.out_mark = OPUS, ptime * 8, 0xFFFFFF00, 1
    pcm = speech(2.0)
    decoder, heard, times = Decoder(), [], []
    for tick in range(90):
        small.engine.ears[0].pcm[:] = pcm[tick * FRAME : (tick + 1) * FRAME]
        for part in range(2):
            size = next_opus(small.engine, small.desk, 0, False, tick + 1, part)
            if size:
                packet = bytes(link.packet[:size])
                assert packet[1] & 127 == 111
                assert bool(packet[1] & 128) == (not times)
                times.append(int.from_bytes(packet[4:8], "big"))
                count = LIBRARY.handle.opus_packet_get_nb_frames(packet[12:], size - 12)
                assert count <= frames
                heard.append(decoder(packet[12:]))
        pass_time(small.engine.links, 0, 1)
    sound = np.concatenate(heard)
    assert len(sound) >= (90 - frames) * FRAME
    places = np.cumsum([0, *(len(part) * 3 for part in heard)])
    assert [(time - 0xFFFFFF00) & 0xFFFFFFFF for time in times] == places[:-1].tolist()
    assert np.median([len(part) for part in heard]) == min(frames * FRAME, max(ptime, 10) * 16)
    size = min(ptime, 20) * 16
    plain, reference = Decoder(), Encoder()
    expected = np.concatenate([plain(reference(pcm[at : at + size])) for at in range(0, 90 * FRAME, size)])
    assert np.array_equal(sound, expected[: len(sound)])


def asked(parameters: dict[str, str], pcm: np.ndarray, loss: int = 0) -> list[bytes]:
    """What an encoder of the loop says to a far end with such a format."""
    small, form, out = small_engine(), libopus.format_word(parameters), np.zeros(400, np.uint8)
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME)
    return [bytes(out[: opus.encode(small.desk, 0, frame.copy(), 0, FRAME, form, loss, out)]) for frame in frames]


def test_the_far_end_s_limits_are_kept() -> None:
    """RFC 7587 6.1: `maxaveragebitrate`, `cbr`; a leg with limits has an encoder of its own."""
    pcm = speech(4.0)
    free, limited, even = (asked(wish, pcm) for wish in ({}, {"maxaveragebitrate": "12000"}, {"cbr": "1"}))
    assert np.mean([len(one) for one in limited]) * 400 < 13_500 < np.mean([len(one) for one in free]) * 400
    assert len({len(one) for one in even[5:]}) == 1
    assert len({len(one) for one in free[5:]}) > 10


@pytest.mark.parametrize(
    ("rate", "config", "ceiling"),
    [("8000", range(4), 4000), ("12000", range(4, 8), 6000), ("16000", range(8, 12), 8000), ("48000", range(8, 12), 8000)],
)
def test_nothing_is_sent_that_the_far_end_cannot_play(rate: str, config: range, ceiling: float) -> None:
    """RFC 7587 6.1: `maxplaybackrate`; the bandwidth of a packet is told by its first byte (RFC 6716 table 2)."""
    pcm = speech(3.0)
    packets = asked({"maxplaybackrate": rate}, pcm)
    assert {packet[0] >> 3 for packet in packets[25:]} <= set(config)
    decoder = Decoder()
    heard = np.concatenate([decoder(packet) for packet in packets])[16000:]
    power = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
    bins = np.fft.rfftfreq(len(heard), 1 / 16000)
    if ceiling < 8000:
        assert power[bins > ceiling + 300].sum() < 1e-4 * power.sum()
        assert np.mean([len(packet) for packet in packets]) * 400 < {4000: 13_500, 6000: 17_500}[ceiling], "RFC 7587 3.1.1"
    assert power[(bins > ceiling - 1300) & (bins < ceiling - 600)].sum() > 0


def test_repair_data_are_for_those_who_can_use_them() -> None:
    """RFC 7587 6.1: `useinbandfec` is 0 unless said otherwise. Repair data cost quality: who has no use for them asks for none."""
    pcm = speech(2.0)
    useful, useless = libopus.format_word({"useinbandfec": "1"}), libopus.format_word({})
    for forms, losses, expected in (
        ((useful, useless, useless), (20, 0, 0), True),
        ((useful, useless, useless), (0, 20, 20), False),
        ((useless, useless, useless), (20, 20, 20), False),
    ):
        small = small_engine()
        small.add_mix(0)
        for leg in range(4):
            small.add_leg(leg, mix=0)
            slot, link = small.engine.slots[leg], small.engine.links[leg]
            slot.speak = slot.speak_to = slot.hear = slot.hear_to = UNITY
            link.codec = OPUS
            if leg:
                link.form, link.far_loss = forms[leg - 1], losses[leg - 1]
        repaired, shared = [0] * 4, 0
        for tick in range(100):
            small.engine.slots[0].have = tick > 15  # they meet in silence
            small.engine.slots[0].pcm[:] = pcm[tick * FRAME : (tick + 1) * FRAME]
            sum_mixes(small.engine.slots, small.engine.mixes, small.desk)
            for leg in range(4):
                serve_leg(small.engine, small.desk, 0, leg, tick + 1)
                packet = np.array(small.engine.links[leg].packet[12:200])
                repaired[leg] += bool(opus.repairs(packet, len(packet)))
            shared += int(small.engine.ears["joined"][1:4].sum())
            advance(small.engine.slots, small.desk)
        assert shared > 250, "they are one group all the same"
        assert (min(repaired[1:]) > 20) == expected
        assert expected or max(repaired[1:]) == 0


@pytest.mark.parametrize("ptime", [10, 20, 60])
def test_a_far_end_that_wants_pauses_is_sent_nothing_while_nobody_speaks(ptime: int) -> None:
    """RFC 7587 6.1: `usedtx`; 3.1.3: in a pause a packet comes every 400 ms, time goes on, and what follows is marked (RFC 3551 4.1)."""
    quiet = np.random.default_rng(5).normal(0, 4, 16000 * 3).astype(np.int16)
    pcm = np.concatenate([speech(1.0), quiet, speech(1.0)])
    counts = {}
    for wish in ("0", "1"):
        small = small_engine()
        small.add_leg(0, payload_type=96)
        link = small.engine.links[0]
        link.codec, link.ptime, link.form = OPUS, ptime * 8, libopus.format_word({"usedtx": wish, "useinbandfec": "1"})
        line, sent = Line(60), []
        for tick in range(len(pcm) // FRAME):
            small.engine.ears[0].pcm[:] = pcm[tick * FRAME : (tick + 1) * FRAME]
            for part in range(2):
                size = next_opus(small.engine, small.desk, 0, False, tick + 1, part)
                if size:
                    packet = bytes(link.packet[:size])
                    sent.append((tick, int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[4:8], "big"), packet[1] >> 7, packet[12:]))
            pass_time(small.engine.links, 0, 1)
        counts[wish] = len([one for one in sent if 70 <= one[0] < 195])
        if wish == "0":
            continue
        assert [one[1] for one in sent] == list(range(len(sent))), "no number is left out"
        gaps = np.diff([one[2] for one in sent]) / 48
        assert gaps.min() == ptime if ptime <= 20 else gaps.min() >= 20
        assert gaps.max() > 150, "400 ms; of frames of 10 ms the library counts as many: 200 ms"
        assert gaps.max() <= 420
        for before, one in pairwise(sent):
            assert bool(one[3]) == (one[2] - before[2] > 48 * 60), "the marker stands where something begins"
        coming: dict[int, list[tuple[int, int, bytes]]] = {}
        for tick, number, time, _, body in sent:
            coming.setdefault(tick, []).append((number, time, body))
        heard, covered = line.play(coming, len(pcm) // FRAME + 3)
        assert 0 not in covered[6:], "no pause is taken for loss"
        assert level(heard[-8000:-2000]) > 500, "speech comes back"
    assert counts["1"] < counts["0"] / 4


def test_a_format_s_words() -> None:
    """What cannot be meant asks for nothing; what asks nothing of our encoder changes nothing."""
    plain = libopus.format_word({"useinbandfec": "1"})
    assert plain == 0, "they are told by the group"
    for more in (
        {"maxaveragebitrate": "64000", "stereo": "1", "sprop-stereo": "1", "sprop-maxcapturerate": "8000"},
        {"maxplaybackrate": "x", "maxaveragebitrate": "-5", "cbr": "yes", "usedtx": "0"},
        {"maxplaybackrate": "24000", "maxaveragebitrate": "9" * 40},
    ):
        assert libopus.format_word({"useinbandfec": "1", **more}) == plain
    assert libopus.format_word({"maxaveragebitrate": "1", "useinbandfec": "1"}) == libopus.LOWEST_BITRATE


def test_complexity_follows_the_load() -> None:
    desk = small_engine().desk
    assert desk.opus[O_HAVE] == 1
    ms = TICK_NS // 20
    for spent, expected in ((1, 5), (8, 5), (13, -1), (4, -1), (2, 5), (20, -1), (8, -1), (2, 5)):
        for _ in range(700):
            opus.adapt(desk, spent * ms)
        assert desk.opus[O_LEVEL] == expected, spent
    desk.opus[O_LEVEL], seen = 5, set()
    for _ in range(200):
        opus.adapt(desk, 20 * ms)
        seen.add(int(desk.opus[O_LEVEL]))
    assert seen == {5, 0, -1} or seen == {5, 4, 0, -1}, "at once, where there is no time"


def test_a_loop_without_time_says_it_more_cheaply_and_nobody_hears_the_change() -> None:
    """RFC 6716 2: CELT instead of SILK, where nobody asked for what only SILK has; a tone goes on through both changes."""
    pcm = np.round(8000 * np.sin(2 * np.pi * 300 * np.arange(16000 * 4) / 16000 + 1.4)).astype(np.int16)
    kinds: dict[str, list[list[int]]] = {}
    repairing = {"useinbandfec": "1"}
    wishes = {"plain": repairing, "no repair": {}, "loss": repairing, "narrow": {"maxplaybackrate": "8000"}, "pauses": {"usedtx": "1"}}
    for name, wish in {**wishes, "slow": {"maxaveragebitrate": "12000"}}.items():
        loss = 5 if name == "loss" else 0
        small, out, packets = small_engine(), np.zeros(400, np.uint8), []
        for tick, frame in enumerate(pcm.reshape(-1, FRAME)):
            small.desk.opus[O_LEVEL] = -1 if 100 <= tick < 150 else 0
            size = opus.encode(small.desk, 0, frame.copy(), 0, FRAME, libopus.format_word(wish), loss, out)
            packets.append(bytes(out[:size]))
        celt = [packet[0] >> 3 >= 16 for packet in packets]
        kinds[name] = [sum(celt[:100]), sum(celt[100:150]), sum(celt[152:])]
        if name == "plain":
            decoder = Decoder()
            heard = np.concatenate([decoder(packet) for packet in packets]).astype(float)
            high = np.fft.rfftfreq(6 * FRAME, 1 / 16000) > 3000
            for tick in range(80, 180):
                around = heard[tick * FRAME : (tick + 6) * FRAME] * np.hanning(6 * FRAME)
                spectrum = np.abs(np.fft.rfft(around))
                assert spectrum.max() > 0.8 * 8000 * 3 * FRAME / 2, "the tone is at its height"
                assert 20 * np.log10(spectrum[high].max() / spectrum.max()) < -60
            assert np.mean([len(packet) for packet in packets[100:150]]) * 400 < 26_000
    for name, (before, meanwhile, after) in kinds.items():
        assert (before, after) == (0, 0), name
        assert meanwhile >= 48 if name in ("plain", "no repair") else meanwhile == 0, name


def test_comfort_noise_is_heard_in_a_pause() -> None:
    """RFC 3389: a noise level is sent, then nothing; that is no loss, and what is heard has the level (here 50 dB below full scale)."""
    small = small_engine()
    small.add_leg(0)
    jitter, coders = small.engine.jitter, small.engine.coders
    jitter[0].depth = 480
    out = np.zeros(NARROW, np.int16)
    covered, heard = [], []
    for tick in range(150):
        if tick < 50 or tick >= 120:
            store(jitter, 0, tick if tick < 50 else tick - 69, tick * 160, np.full(160, 0x11, np.uint8), 0, 160, PCMU)
        if tick == 50:
            calm(jitter, 0, 50 * 160, 50)
        covered.append(int(fetch(jitter, coders, 0, small.desk, 10**6, out)))
        heard.append(out.copy())
    assert all(part == NARROW for part in covered[4:])
    pause = np.concatenate(heard[60:118])
    assert abs(20 * np.log10(level(pause) / 32768) + 50) < 1
    assert jitter[0].slips == 0
    assert level(np.concatenate(heard[125:])) > 5000


def test_a_pause_without_a_word_is_loss() -> None:
    """The same silence without comfort noise: it is filled, faded, and counted."""
    small = small_engine()
    small.add_leg(0)
    out = np.zeros(NARROW, np.int16)
    covered = []
    for tick in range(80):
        if tick < 50:
            store(small.engine.jitter, 0, tick, tick * 160, np.full(160, 0x11, np.uint8), 0, 160, PCMU)
        covered.append(int(fetch(small.engine.jitter, small.engine.coders, 0, small.desk, 10**6, out)))
    assert 0 in covered[53:]


def test_pauses_that_nobody_hears_are_mostly_passed_over_and_speech_never() -> None:
    """While the gate is closed four of five packets without voice are silence; with voice all are what a decoder says."""
    pcm = np.concatenate([speech(0.6), np.random.default_rng(3).normal(0, 6, 16000).astype(np.int16), speech(0.8)])
    packets = stream(pcm, FRAME)
    voiced = [not opus.silent(np.frombuffer(packet, np.uint8).copy(), len(packet)) for packet in packets]
    speaks_again = next(n for n in range(60, len(packets)) if voiced[n])
    decoder = Decoder()
    plain = [decoder(packet) for packet in packets]
    for closed in (False, True):
        line, heard = Line(0), []
        for n, packet in enumerate(packets):
            opus.unheard(line.small.desk, 0, closed and not voiced[n] and n >= 45)
            line.put(n, n * UNITS, packet)
            assert line.frame() == UNITS
            heard.append(line.out.copy())
        pause = [n for n in range(45, speaks_again) if not voiced[n]]
        decoded = [n for n in pause if heard[n].any()]
        if not closed:
            assert all(np.array_equal(one, other) for one, other in zip(heard, plain, strict=True))
            assert len(decoded) == len(pause)
            continue
        assert len(pause) // 6 <= len(decoded) <= len(pause) // 4 + 1
        again, meant = (np.concatenate(one[speaks_again:]).astype(float) for one in (heard, plain))
        assert level(again) == pytest.approx(level(meant), rel=0.05)
        wrong = again - meant
        assert 10 * np.log10((1 + np.sum(wrong[3200:] ** 2)) / np.sum(meant[3200:] ** 2)) < -20, "after 0.2 s both decoders say the same"

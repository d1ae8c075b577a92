"""Opus in the loop against libopus called directly: what is sent, what is heard, and what happens where packets are missing."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.opus import LIBRARY, UNITS, Decoder, Encoder, Line, level, speech, stream
from tests.support.small_engine import small_engine, tone

from hubbub.media import libopus, opus
from hubbub.media.counters import C_ACCEPTED
from hubbub.media.framing import next_opus
from hubbub.media.jitter import calm, fetch, retune, store
from hubbub.media.layout import FRAME, NARROW, OPUS, PCMU, UNITY
from hubbub.media.mix import advance, sum_mixes
from hubbub.media.rtp import ingest, pass_time
from hubbub.media.tick import serve_leg

pytestmark = pytest.mark.skipif(LIBRARY is None, reason=f"no libopus ({libopus.HOW_TO_GET_IT})")


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

"""Codecs in the loop: what each leg is sent equals an encoder of its own, whoever shares the work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.small_engine import small_engine

from hubbub.media import g722, layout
from hubbub.media.codecs import encode, frame_bytes
from hubbub.media.desk import make_desk
from hubbub.media.jitter import fetch, retune, store, tune
from hubbub.media.layout import CODEC_BYTES, CODEC_CLOCK, FRAME, G722_FRESH, NARROW, UNITY
from hubbub.media.mix import advance, sum_mixes
from hubbub.media.tick import send_queue, serve_leg
from hubbub.media.together import decode_early

LEGS = 6


class Listeners:
    """Legs of one mix that speak G.722, and for each an encoder of its own that is told what the leg hears."""

    def __init__(self, codec: int = layout.G722) -> None:
        self.small = small_engine()
        self.small.add_mix(0)
        self.run = 0
        self.codec = codec
        self.own = [G722_FRESH.copy() for _ in range(LEGS)]
        self.desk = make_desk(layout.Sizes(legs=1, players=1, mixes=1, edges=1, rings=1, arena=1))
        self.shares = 0
        for leg in range(LEGS):
            self.small.add_leg(leg, mix=0)
            self.small.engine.links[leg].codec = codec
            slot = self.small.engine.slots[leg]
            slot.speak = slot.speak_to = slot.hear = slot.hear_to = UNITY

    def tick(self, speaking: set[int], frames: np.ndarray) -> None:
        """One tick in which `speaking` have a frame; checks what each leg is sent."""
        engine, desk = self.small.engine, self.small.desk
        self.run += 1
        for leg in range(LEGS):
            engine.slots[leg].have = leg in speaking
            engine.slots[leg].pcm[:] = frames[leg]
        before = [state.copy() for state in self.own]
        shared = [bool(ear.joined) for ear in engine.ears[:LEGS]]
        sum_mixes(engine.slots, engine.mixes, desk)
        sent = []
        for leg in range(LEGS):
            serve_leg(engine, desk, 0, leg, self.run)
        send_queue(engine, desk, 0)
        for leg in range(LEGS):
            sent.append(bytes(engine.links[leg].packet[12 : 12 + frame_bytes(self.codec)]))
        joined = [bool(ear.joined) for ear in engine.ears[:LEGS]]
        for leg in range(LEGS):
            if joined[leg] and not shared[leg]:
                # Whoever joins goes on with the encoder of those that are in the group, or the first with its own.
                others = [leg for leg in range(LEGS) if shared[leg]] or [leg for leg in range(LEGS) if joined[leg]]
                self.own[leg] = before[others[0]].copy()
        for leg in range(LEGS):
            heard = engine.mixes[0].pcm if joined[leg] else engine.ears[leg].pcm
            out = np.zeros(NARROW, np.uint8)
            g722.encode(self.own[leg], heard, out, *(self.desk.even, self.desk.odd, self.desk.low, self.desk.high, self.desk.codes))
            assert sent[leg] == out.tobytes(), f"leg {leg}, run {self.run}"
        self.shares += sum(joined)
        advance(engine.slots, desk)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.sets(st.integers(0, LEGS - 1), max_size=3), min_size=3, max_size=25), st.integers(1, 14))
def test_the_group_encodes_once_and_changes_no_bit(seed: int, turns: list[set[int]], loud: int) -> None:
    """Legs begin and stop to speak at random: each is sent what an encoder of its own would have said."""
    random = np.random.default_rng(seed)
    listeners = Listeners()
    for speaking in turns:
        for _ in range(seed % 13 + 1):
            listeners.tick(speaking, random.integers(-(2**loud), 2**loud, (LEGS, FRAME)).astype(np.int16))


def test_the_group_is_used_after_a_fifth_of_a_second_in_a_quiet_frame() -> None:
    """Legs 0 and 1 speak, then only leg 4: in quiet they join after 10 frames, in noise after 100 (mix.JOIN_FRAMES, JOIN_AT_LAST)."""
    for loud, ticks, shares in ((60, 30, 29 * 4 + 18 * 2 + 29), (9000, 120, 119 * 4 + 18 * 2 + 119)):
        random = np.random.default_rng(3)
        listeners = Listeners()
        for tick in range(2 * ticks):
            listeners.tick({0, 1} if tick < ticks else {4}, random.integers(-loud, loud, (LEGS, FRAME)).astype(np.int16))
        assert abs(listeners.shares - shares) < 0.35 * shares


def test_a_listener_that_begins_to_speak_is_not_heard_to_click() -> None:
    """It takes the group's encoder along: its decoder hears nothing but the sound."""
    time = np.arange(60 * FRAME) / 16000
    tone = np.round(8000 * np.sin(2 * np.pi * 700 * time)).astype(np.int16).reshape(-1, FRAME)
    listeners = Listeners()
    engine = listeners.small.engine
    state, heard = G722_FRESH.copy(), []
    scratch = (listeners.desk.even, listeners.desk.odd, listeners.desk.low, listeners.desk.high, listeners.desk.codes)
    for tick in range(60):
        frames = np.zeros((LEGS, FRAME), np.int16)
        frames[0] = tone[tick]
        listeners.tick({0} if not 30 <= tick < 45 else {0, 5}, frames)
        out = np.zeros(FRAME, np.int16)
        g722.decode(state, np.array(engine.links[5].packet[12:172]), 0, NARROW, out, *scratch)
        heard.append(out)
    around = np.concatenate(heard)[20 * FRAME : 55 * FRAME] * np.hanning(35 * FRAME)
    spectrum = np.abs(np.fft.rfft(around))
    bins = np.fft.rfftfreq(len(around), 1 / 16000)
    assert 20 * np.log10(spectrum[bins > 3000].max() / spectrum.max()) < -55


@pytest.mark.parametrize("codec", [layout.L16, layout.L16_WIDE])
def test_linear_samples_go_and_come_unchanged(codec: int) -> None:
    """RFC 3551 4.5.11: 16 bits, most significant byte first."""
    small = small_engine()
    small.add_leg(0)
    desk = small.desk
    retune(small.engine.jitter, small.engine.coders, 0, codec, desk.fresh)
    small.engine.jitter[0].depth = 0
    wide = np.linspace(-32768, 32767, FRAME).astype(np.int16)
    narrow = wide[::2].copy()
    packet = np.zeros(layout.OUT_BYTES, np.uint8)
    size = encode(codec, small.engine.coders[0].encoder, wide, narrow, packet, 12, desk)
    sound = wide if codec == layout.L16_WIDE else narrow
    assert packet[12 : 12 + size].tobytes() == sound.astype(">i2").tobytes()
    store(small.engine.jitter, 0, 1, 1000, packet, 12, size, codec)
    units = fetch(small.engine.jitter, small.engine.coders, 0, desk, 0, desk.frame)
    assert units == NARROW * CODEC_CLOCK[codec]
    assert np.array_equal(desk.frame[: len(sound)], sound)


@pytest.mark.parametrize("codec", [layout.G722, layout.L16, layout.L16_WIDE])
@pytest.mark.parametrize("ptime", [10, 30, 40])
def test_packets_of_any_length_are_played_whole(codec: int, ptime: int) -> None:
    """Cut anywhere by the playout, the sound is that of one decoder over all bytes."""
    from G722 import G722

    small = small_engine()
    small.add_leg(0)
    retune(small.engine.jitter, small.engine.coders, 0, codec, small.desk.fresh)
    unit = int(CODEC_BYTES[codec])
    step = ptime * 8 * int(CODEC_CLOCK[codec])
    data = np.frombuffer(np.random.default_rng(1).bytes(step * unit * 40), np.uint8).copy()
    if codec == layout.G722:
        expected = np.asarray(G722(16000, 64000).decode(data.tobytes()))
    else:
        expected = np.frombuffer(data.tobytes(), ">i2").astype(np.int16)
    heard, sent, size = [], 0, NARROW if codec == layout.L16 else FRAME
    for tick in range(2 * ptime - 5 if ptime > 10 else 15):
        while sent < 40 and sent * ptime < (tick + 1) * 20 + 40:
            store(small.engine.jitter, 0, sent, sent * step, data, sent * step * unit, step * unit, codec)
            sent += 1
        if fetch(small.engine.jitter, small.engine.coders, 0, small.desk, 0, small.desk.frame) > 0:
            heard.append(small.desk.frame[:size].copy())
    sound = np.concatenate(heard)
    assert len(sound) > 10 * size
    assert np.array_equal(sound, expected[: len(sound)])


def test_frames_that_are_decoded_together_are_what_each_is_alone() -> None:
    """Packets of 10 to 60 ms, some lost, some late, twenty legs: the same samples and states as without `decode_early`."""
    random = np.random.default_rng(7)
    together, alone = (small_engine(layout.Sizes(legs=20, players=1, mixes=1, edges=1, rings=1, arena=1)) for _ in range(2))
    units = [80 * int(random.integers(1, 7)) for _ in range(20)]
    for small in (together, alone):
        for leg in range(20):
            small.add_leg(leg)
            small.engine.links[leg].codec = layout.G722
            retune(small.engine.jitter, small.engine.coders, leg, layout.G722, small.desk.fresh)
            tune(small.engine.jitter, leg, 0 if leg % 3 else 480, False)
    sent, early = [0] * 20, 0
    for tick in range(150):
        for leg in range(20):
            while sent[leg] * units[leg] < tick * NARROW + NARROW:
                data = random.integers(0, 256, units[leg]).astype(np.uint8)
                if random.random() < 0.95:
                    for small in (together, alone):
                        store(small.engine.jitter, leg, sent[leg], sent[leg] * units[leg], data, 0, units[leg], layout.G722)
                sent[leg] += 1
        decode_early(together.engine, together.desk)
        early += int(together.desk.early.sum())
        for leg in range(20):
            heard = []
            for small in (together, alone):
                frame = np.zeros(FRAME, np.int16)
                heard.append((fetch(small.engine.jitter, small.engine.coders, leg, small.desk, 0, frame), frame.tobytes()))
            assert heard[0] == heard[1], f"leg {leg}, tick {tick}"
        assert not together.desk.early.any()
        assert together.engine.coders.tobytes() == alone.engine.coders.tobytes()
    assert early > 1000

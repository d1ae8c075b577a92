"""The engine's mixer equals the reference mixer bit for bit (docs/media.md 1.3 to 1.5)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import reference_mixer as reference
from tests.support.small_engine import Small, small_engine

from hubbub.media.layout import ACTIVE, FRAME, LEAVING, OPEN, UNITY
from hubbub.media.mix import advance, limit, link_edge, listen, listen_narrow, route, sum_mixes, unlink_edge

LEGS, PLAYERS, MIXES = 6, 2, 2


class Pair:
    """The engine and the reference, told the same."""

    def __init__(self) -> None:
        self.small: Small = small_engine()
        self.run = 0
        self.legs = self.small.engine.links.size
        for mix in range(MIXES):
            self.small.add_mix(mix)
        for leg in range(LEGS):
            self.small.add_leg(leg)
        for player in range(PLAYERS):
            self.small.add_player(player)
        self.sources = [reference.RefSource() for _ in range(LEGS + PLAYERS)]
        self.edges: dict[int, reference.RefEdge] = {}

    def slot(self, source: int) -> int:
        return source if source < LEGS else self.legs + source - LEGS

    def place(self, source: int, mix: int, speak: int, hear: int) -> None:
        """Set wanted gains; a mix is only changed in silence, as `route` sees to."""
        engine, ref = self.small.engine, self.sources[source]
        record = engine.slots[self.slot(source)]
        if mix != ref.mix and (ref.speak or ref.hear) and ref.mix >= 0:
            speak, hear, mix = 0, 0, ref.mix
        if mix != ref.mix and source < LEGS:
            from hubbub.media.mix import leave

            leave(engine.mixes, engine.ears, engine.coders, self.small.desk, source, ref.mix, -2)
        if ref.mix < 0 or mix < 0:
            ref.speak = ref.hear = record.speak = record.hear = 0
        ref.mix, ref.speak_to, ref.hear_to = mix, speak, hear
        record.mix, record.speak_to, record.hear_to = mix, speak, hear

    def edge(self, index: int, source: int, listener: int, gain: int, apart: bool = False) -> None:
        """A new edge in place of an old one, or a new gain for the same."""
        edges, ears = self.small.engine.edges, self.small.engine.ears
        old = self.edges.get(index)
        if apart and any((e.source, e.listener, e.apart) == (source, listener, True) for e in self.edges.values()):
            return  # one is enough, and more than the server ever makes
        if old and (old.source, old.listener, old.apart) == (source, listener, apart):
            old.gain_to = gain
            edges[index].gain_to = gain
            return
        if old:
            unlink_edge(edges, ears, index)
        gain = 0 if apart else gain
        self.edges[index] = reference.RefEdge(source, listener, 0, gain, apart)
        edges[index].apart = apart
        edges[index].source, edges[index].listener = self.slot(source), listener
        edges[index].gain, edges[index].gain_to, edges[index].state = 0, gain, ACTIVE
        link_edge(edges, ears, index)

    def tick(self, frames: list[np.ndarray | None]) -> None:
        """One tick in both; what each leg hears must be the same, wide and narrow."""
        engine, desk = self.small.engine, self.small.desk
        for source, frame in enumerate(frames):
            record = engine.slots[self.slot(source)]
            record.have = frame is not None
            record.pcm[:] = 12345 if frame is None else frame  # what lies in a row without a frame must not matter
            self.sources[source].frame = None if frame is None else frame.astype(np.int64)
        expected = reference.tick(self.sources, LEGS, list(self.edges.values()), MIXES)
        self.run += 1
        sum_mixes(engine.slots, engine.mixes, desk)
        for leg in range(LEGS):
            shared = listen(engine.slots, engine.mixes, engine.ears, engine.coders, engine.edges, desk, leg, self.run, False, 0)
            mix = engine.mixes[engine.slots[leg].mix]
            if not shared:
                listen_narrow(engine.ears, desk, leg)
            wide = mix.pcm if shared else engine.ears[leg].pcm
            narrow = mix.narrow if shared else desk.narrow
            assert np.array_equal(wide, expected[leg].wide), f"leg {leg}, run {self.run}, shared {shared}"
            assert np.array_equal(narrow, expected[leg].narrow), f"leg {leg}, run {self.run}, shared {shared}"
        advance(engine.slots, desk)
        for index in self.edges:
            engine.edges[index].gain = engine.edges[index].gain_to


GAIN = st.one_of(st.sampled_from([0, UNITY, UNITY, 0, 2 * UNITY, 16384]), st.integers(0, 16384))
CHANGE = st.one_of(
    st.tuples(st.just("place"), st.integers(0, LEGS + PLAYERS - 1), st.integers(-1, MIXES - 1), GAIN, st.one_of(st.just(UNITY), GAIN)),
    st.tuples(
        st.just("edge"),
        st.integers(0, 5),
        st.integers(0, LEGS + PLAYERS - 1),
        st.integers(0, LEGS - 1),
        st.integers(-16384, 16384),
        st.booleans(),
    ),
)
TICK = st.tuples(st.lists(CHANGE, max_size=4), st.integers(0, 2 ** (LEGS + PLAYERS) - 1), st.sampled_from([50, 3000, 32767]))


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(TICK, min_size=1, max_size=12))
def test_any_room_equals_the_reference(seed: int, ticks: list[tuple[list[tuple[object, ...]], int, int]]) -> None:
    """Random rooms, mutes, moves, edges, gains, gaps and levels: bit for bit."""
    random = np.random.default_rng(seed)
    pair = Pair()
    for source in range(LEGS):
        pair.place(source, 0, UNITY, UNITY)
    for changes, present, loud in ticks:
        for kind, *words in changes:
            (pair.place if kind == "place" else pair.edge)(*words)  # type: ignore[arg-type, operator]
        pair.tick(
            [random.integers(-loud - 1, loud + 1, FRAME).astype(np.int16) if present >> i & 1 else None for i in range(LEGS + PLAYERS)]
        )


def test_the_group_is_used_and_changes_no_bit() -> None:
    """Legs that only listen are computed once; they leave the group and come back to it without a trace."""
    random = np.random.default_rng(1)
    pair = Pair()
    ears = pair.small.engine.ears
    for source in range(LEGS):
        pair.place(source, 0, UNITY if source < 2 else 0, UNITY)
    shared = 0
    for tick in range(60):
        if tick == 20:
            pair.place(5, 0, UNITY, UNITY)
        if tick == 30:
            pair.place(5, 0, 0, UNITY)
        if tick == 40:
            pair.edge(0, 6, 4, UNITY)
        loud = 30000 if tick % 7 == 0 else 4000  # the limiter works now and then
        pair.tick([random.integers(-loud, loud, FRAME).astype(np.int16) if i in (0, 1, 5, 6) else None for i in range(8)])
        shared += int(ears[2].shared) + int(ears[3].shared) + int(ears[5].shared)
    assert shared > 60
    assert not ears[0].shared
    assert not ears[1].shared


def test_what_is_kept_apart_is_not_there_at_all() -> None:
    """docs/media.md 1.4: a player of the mix, besides one leg. It hears not one bit of it, whatever ramps; the others hear all."""
    random = np.random.default_rng(2)
    pair = Pair()
    for source in range(3):
        pair.place(source, 0, UNITY, UNITY)
    ears, mixes = pair.small.engine.ears, pair.small.engine.mixes
    pair.tick([None] * 8)
    for tick in range(6):
        if tick == 0:
            pair.place(6, 0, UNITY, 0)
            pair.edge(0, 6, 2, 0, apart=True)
            pair.place(2, 0, 0, 0)  # its own gains ramp at the same time
        if tick == 2:
            pair.place(2, 0, UNITY, UNITY)
        if tick == 4:
            pair.place(6, 0, 0, 0)
        frames: list[np.ndarray | None] = [None] * 8
        frames[6] = random.integers(-20000, 20000, FRAME).astype(np.int16)
        pair.tick(frames)
        assert not ears[2].pcm.any()
        if tick < 5:
            assert (mixes[0].pcm if ears[1].shared else ears[1].pcm).any()


def test_the_limiter_never_wraps_and_lets_what_fits_alone() -> None:
    """docs/media.md 1.5: a sum that fits is passed unchanged; a louder one is never wrapped."""
    out = np.zeros(FRAME, np.int16)
    fits = np.linspace(-32768, 32767, FRAME).astype(np.int32)
    fits[0] = -32767
    assert limit(fits, OPEN, out) == OPEN
    assert np.array_equal(out, fits)
    state = OPEN
    turn = 2 * np.pi * np.arange(50 * FRAME) / 16000
    loud = np.round(10 * 30000 * np.sin(440 * turn)).astype(np.int32)
    for start in range(0, len(loud), FRAME):
        line = loud[start : start + FRAME]
        state = limit(line, state, out)
        assert np.all(np.sign(out[np.abs(line) > 20]) == np.sign(line[np.abs(line) > 20])), "a sample changed its sign"
    assert state == (32767 * 32768) // np.abs(loud[-FRAME:]).max()
    assert abs(int(out.max()) - 32767) < 10, "what is limited is as loud as it can be"


def test_the_one_sample_that_has_no_opposite_is_limited() -> None:
    """docs/media.md 1.5: p = max |line|; -32768 is more than 32767, so a frame that reaches it comes down with all its samples."""
    line, out = np.full(FRAME, 20000, np.int32), np.zeros(FRAME, np.int16)
    line[100] = -32768
    wanted = reference.limit(line.astype(np.int64), OPEN)
    assert limit(line, OPEN, out) == wanted[1] == 32767
    assert np.array_equal(out, wanted[0])


def test_the_limiter_recovers_within_about_a_second() -> None:
    out = np.zeros(FRAME, np.int16)
    state = limit(np.full(FRAME, 300000, np.int32), OPEN, out)
    frames = 0
    while state < OPEN:
        state = limit(np.full(FRAME, 1000, np.int32), state, out)
        frames += 1
    assert 40 <= frames <= 50


SWITCHES: dict[str, tuple[Callable[[Pair], object], Callable[[Pair], object]]] = {
    "mute": (lambda pair: pair.place(0, 0, UNITY, UNITY), lambda pair: pair.place(0, 0, 0, UNITY)),
    "unmute": (lambda pair: pair.place(0, 0, 0, UNITY), lambda pair: pair.place(0, 0, UNITY, UNITY)),
    "deaf": (lambda pair: pair.place(0, 0, UNITY, UNITY), lambda pair: pair.place(1, 0, 0, 0)),
    "join": (lambda pair: (pair.place(1, 0, 0, 0), pair.place(0, 0, UNITY, UNITY)), lambda pair: pair.place(1, 0, 0, UNITY)),
    "another room": (
        lambda pair: (pair.place(0, 0, UNITY, UNITY), pair.place(2, 1, UNITY, UNITY)),
        lambda pair: pair.place(1, 1, 0, UNITY),
    ),
    "louder": (lambda pair: pair.place(0, 0, UNITY // 4, UNITY), lambda pair: pair.place(0, 0, 2 * UNITY, UNITY)),
    "whisper": (lambda pair: pair.place(0, 0, 0, UNITY), lambda pair: pair.edge(0, 0, 1, UNITY)),
    "no whisper": (lambda pair: pair.edge(0, 0, 1, UNITY), lambda pair: pair.edge(0, 0, 1, 0)),
}
"""How it is before, and what is changed."""


@pytest.mark.parametrize("kind", SWITCHES)
def test_a_switch_does_not_click(kind: str) -> None:
    """A step in a tone spreads over all frequencies; the ramp of 20 ms keeps what lies above 3 kHz 60 dB below the tone."""
    before, switch = SWITCHES[kind]

    def heard(step: bool) -> float:
        pair = Pair()
        engine = pair.small.engine
        pair.place(1, 0, 0, UNITY)
        before(pair)
        sound = []
        wave = np.round(10000 * np.sin(2 * np.pi * 300 * np.arange(20 * FRAME) / 16000 + 1.4)).astype(np.int16)
        for tick in range(20):
            if tick in (10, 11):  # another room is reached by way of silence, in two frames
                switch(pair)
                for index, source in enumerate(pair.sources if step else ()):
                    slot = engine.slots[pair.slot(index)]
                    source.speak, source.hear = source.speak_to, source.hear_to
                    slot.speak, slot.hear = slot.speak_to, slot.hear_to
                for index, edge in pair.edges.items() if step else ():
                    edge.gain = engine.edges[index].gain = edge.gain_to
            frame = wave[tick * FRAME : (tick + 1) * FRAME]
            pair.tick([frame, None, frame, *[None] * (LEGS + PLAYERS - 3)])
            leg = engine.ears[1]
            sound.append((engine.mixes[engine.slots[1].mix].pcm if leg.shared else leg.pcm).copy())
        around = np.concatenate(sound)[8 * FRAME : 13 * FRAME] * np.hanning(5 * FRAME)
        spectrum = np.abs(np.fft.rfft(around))
        bins = np.fft.rfftfreq(len(around), 1 / 16000)
        return float(20 * np.log10(spectrum[bins > 3000].max() / spectrum.max()))

    assert heard(step=False) < -60
    assert heard(step=True) > -53, "the test must be able to hear a click"


def test_a_leg_changes_its_mix_by_way_of_silence() -> None:
    """docs/media.md 1.4: first to 0 in the old mix, then up in the new one."""
    small = small_engine()
    for mix in range(2):
        small.add_mix(mix)
    small.add_leg(0)
    slot = small.engine.slots[0]
    route(small.engine.slots, 0, 0, UNITY, UNITY)
    assert (slot.mix, slot.speak_to, slot.hear_to) == (0, UNITY, UNITY)
    advance(small.engine.slots, small.desk)
    route(small.engine.slots, 0, 1, UNITY, 0)
    assert (slot.mix, slot.speak_to, slot.hear_to, slot.moving) == (0, 0, 0, 1)
    advance(small.engine.slots, small.desk)
    assert (slot.mix, slot.speak, slot.speak_to, slot.hear_to, slot.moving) == (1, 0, UNITY, 0, 0)


def test_edges_of_a_leg_are_linked_and_unlinked() -> None:
    small = small_engine()
    small.add_leg(2)
    edges, ears = small.engine.edges, small.engine.ears
    for edge in (3, 4, 5):
        edges[edge].listener, edges[edge].state = 2, LEAVING
        link_edge(edges, ears, edge)
    unlink_edge(edges, ears, 4)
    assert ears[2].first_edge == 5
    assert edges[5].next == 3
    unlink_edge(edges, ears, 5)
    unlink_edge(edges, ears, 3)
    assert ears[2].first_edge == -1

"""Rings: in order, bounded, and around the corner."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.small_engine import small_engine

from hubbub.media import counters
from hubbub.media.layout import RING_SAMPLES
from hubbub.media.messages import COMMANDS, EVENTS
from hubbub.media.players import from_ring
from hubbub.media.rings import PcmRing, post_command, take_events
from hubbub.media.signals import tell


def test_commands_are_bounded() -> None:
    wires = small_engine().engine.wires
    assert all(post_command(wires, 0, (1, n)) for n in range(COMMANDS))
    assert not post_command(wires, 0, (1, 0))
    wires[0].command_tail[0] += 1
    assert post_command(wires, 0, (2, 3))
    assert wires[0].command[0, :3].tolist() == [2, 3, 0]


def test_events_come_in_order_and_a_full_ring_counts_what_it_loses() -> None:
    wires = small_engine().engine.wires
    for turn in range(3):
        for n in range(EVENTS):
            assert tell(wires, 0, 1, n, turn, 7)
        assert not tell(wires, 0, 1, 0, 0, 0)
        taken: list[tuple[int, int, int, int]] = []
        while found := take_events(wires, 0):
            taken += found
        assert taken == [(1, n, turn, 7) for n in range(EVENTS)]
    assert wires[0].header[counters.H_EVENTS_LOST] == 3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 20)), max_size=30))
def test_pcm_comes_out_as_it_went_in(steps: list[tuple[int, int]]) -> None:
    """Any pattern of writes by the server and frames taken by the loop: the same samples, in order, none twice."""
    small = small_engine()
    slots, rings = small.engine.slots, small.engine.rings
    ring = PcmRing(rings, 3)
    written = taken = 0
    for count, frames in steps:
        room = ring.room
        pcm = ((written + np.arange(count)) % 30011).astype(np.int16)
        assert ring.write(pcm) == min(count, room)
        written += min(count, room)
        for _ in range(frames):
            got = from_ring(slots, rings, 1, 3)
            assert np.array_equal(slots[1].pcm[:got], ((taken + np.arange(got)) % 30011).astype(np.int16))
            assert not slots[1].pcm[got:].any()
            taken += got
    assert ring.level == written - taken <= RING_SAMPLES
    assert np.array_equal(ring.read(), ((taken + np.arange(written - taken)) % 30011).astype(np.int16))


def test_no_field_hides_behind_a_name_of_numpy() -> None:
    """A record's field called `data` or `sum` would be the array's own attribute on the server's side."""
    for group in small_engine().engine[:-1]:
        assert not set(group.dtype.names) & set(dir(np.void(4)))

"""What belongs to one media process alone: its descriptor table, tables of constants, and scratch. Never shared, made anew on takeover."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hubbub.media import g711
from hubbub.media.layout import FRAME, FRAME_BYTES, G722_FRESH, NARROW, PAST, Array, Sizes

RECEIVE_BYTES = 2048
SOUNDING = 4
"""Place in `counts` of the mixes in which somebody spoke in the last tick."""


class Desk(NamedTuple):
    """Arrays of one process."""

    descriptor: Array
    """int32[legs]: this process's descriptor of a leg's socket, or -1."""
    descriptor_generation: Array
    """int32[legs]: for which life of the slot the descriptor is."""
    pace: Array
    """int32[legs]: datagrams that a leg's socket gave at its last full read; 0: read it until it is empty."""
    active: Array
    """int32[slots]: indices of the active slots; the first `counts[0]` count."""
    place: Array
    """int32[slots]: where in `active` a slot stands, or -1."""
    mixes: Array
    """int32[mixes]: indices of the active mixes; the first `counts[1]` count."""
    sounding: Array
    """int32[mixes]: indices of the mixes whose sum is not 0; the first `counts[SOUNDING]` count."""
    taps: Array
    """int32[rings]: indices of the active taps; the first `counts[2]` count."""
    counts: Array
    """int64[8]: active slots, mixes, taps, edges being changed."""
    receive: Array
    source: Array
    source_length: Array
    spec: Array
    line: Array
    own: Array
    total: Array
    even: Array
    odd: Array
    narrow: Array
    frame: Array
    low: Array
    high: Array
    codes: Array
    bytes: Array
    past: Array
    other: Array
    there: Array
    decode: Array
    encode: Array
    sine: Array
    one: Array
    fresh: Array
    """int64[72]: a G.722 coder at birth."""
    eventfd: Array


def sine_table() -> Array:
    """One turn of a sine in 1 024 steps."""
    return np.round(32767 * np.sin(2 * np.pi * np.arange(1024) / 1024)).astype(np.int16)


def make_desk(sizes: Sizes, eventfd: int = -1) -> Desk:
    """A fresh desk; `eventfd` wakes the server when events wait."""
    return Desk(
        descriptor=np.full(sizes.legs, -1, np.int32),
        descriptor_generation=np.full(sizes.legs, -1, np.int32),
        pace=np.zeros(sizes.legs, np.int32),
        active=np.zeros(sizes.slots, np.int32),
        place=np.full(sizes.slots, -1, np.int32),
        mixes=np.zeros(sizes.mixes, np.int32),
        sounding=np.zeros(sizes.mixes, np.int32),
        taps=np.zeros(sizes.rings, np.int32),
        counts=np.zeros(8, np.int64),
        receive=np.zeros(RECEIVE_BYTES, np.uint8),
        source=np.zeros(16, np.uint8),
        source_length=np.zeros(2, np.int32),
        spec=np.zeros(2, np.int64),
        line=np.zeros(FRAME, np.int32),
        own=np.zeros(FRAME, np.int32),
        total=np.zeros(FRAME, np.int32),
        even=np.zeros(NARROW + 32, np.int32),
        odd=np.zeros(NARROW + 32, np.int32),
        narrow=np.zeros(NARROW, np.int16),
        frame=np.zeros(FRAME, np.int16),
        low=np.zeros(NARROW, np.int32),
        high=np.zeros(NARROW, np.int32),
        codes=np.zeros(2 * NARROW, np.int64),
        bytes=np.zeros(FRAME_BYTES, np.uint8),
        past=np.zeros(PAST * FRAME, np.int64),
        other=np.zeros(FRAME, np.int16),
        there=np.zeros(NARROW, np.uint8),
        decode=g711.decode_table(),
        encode=g711.encode_table(),
        sine=sine_table(),
        one=np.array([1], np.int64),
        fresh=G722_FRESH.copy(),
        eventfd=np.array([eventfd], np.int32),
    )

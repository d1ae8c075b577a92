"""What belongs to one media process alone: its descriptor table, tables of constants, and scratch. Never shared, made anew on takeover."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hubbub.media import g711, libopus, libsrtp
from hubbub.media.layout import BANDS, FRAME, FRAME_BYTES, G722_FRESH, NARROW, OPUS_BYTES, PAST, SPECTRUM, STREAMS, Array, Sizes
from hubbub.media.libopus import (
    O_DECODER,
    O_DECODERS,
    O_ENCODER,
    O_ENCODERS,
    O_FRESH_DECODER,
    O_FRESH_ENCODER,
    O_HAVE,
    O_LEVEL,
    OPUS_LIFE,
    OPUS_LINE,
    OPUS_WORDS,
)
from hubbub.media.libsrtp import POLICY_BYTES, SUITE_ROWS, SUITES

RECEIVE_BYTES = 2048
WAITING = 5
"""Place in `counts` of how many legs wait in `queue`."""
MANY = 6
"""Place in `counts` of how many legs of G.722 were played out in this tick: many in this one, many in the next."""
LANES = 16
"""Coders that run together."""
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
    encode: Array
    sine: Array
    one: Array
    queue: Array
    """int32[16]: legs that wait for their frames to be encoded, or decoded, together; the first `counts[WAITING]` count."""
    lane_rows: Array
    lane_signal: Array
    lane_codes: Array
    """int32: two bands of sixteen coders (`lanes`)."""
    early: Array
    """uint8[legs]: whether this tick's frame of a leg is decoded already; it lies in `early_pcm`."""
    early_pcm: Array
    fresh: Array
    """int64[72]: a G.722 coder at birth."""
    opus: Array
    """int64[16]: where the states of Opus coders lie, and what they shall be like."""
    opus_life: Array
    """int64[legs + mixes, 16]: what is known of each coder (`opus.L_…`)."""
    opus_line: Array
    """int16[legs, 1920]: what is decoded and not yet played."""
    opus_states: Array
    """uint8: the states themselves."""
    opus_packet: Array
    srtp_session: Array
    """int64[legs, 3]: addresses of a leg's contexts (`libsrtp.SRTP_…`), 0: there is none."""
    srtp_life: Array
    """int64[legs, 2]: which life of the keys they are of."""
    srtp_sure: Array
    """uint8[legs, STREAMS]: whether something came in a stream since its context was made."""
    srtp_floor: Array
    """int64[legs, STREAMS]: indices up to this one came before the context was made, or -1."""
    srtp_spare: Array
    """int32[legs]: packets that are still heard by the key before."""
    srtp_policies: Array
    """int64[suites, 16]: a policy per suite, without key."""
    srtp_policy: Array
    srtp_made: Array
    srtp_size: Array
    srtp_packet: Array
    srtp_copy: Array
    real: Array
    imaginary: Array
    power: Array
    first_gain: Array
    second_gain: Array
    cleaned: Array
    eventfd: Array


def sine_table() -> Array:
    """One turn of a sine in 1 024 steps."""
    return np.round(32767 * np.sin(2 * np.pi * np.arange(1024) / 1024)).astype(np.int16)


FIRST_LEVEL = 3
"""Complexity of Opus encoders until the loop knows how busy it is."""


def opus_memory(sizes: Sizes) -> tuple[Array, Array]:
    """Words of `Desk.opus`, and the memory that they point into: fresh states, an encoder and a decoder per leg, two encoders per mix.

    The kernel gives the memory as it is touched, so legs without Opus cost nothing.
    """
    words = np.zeros(OPUS_WORDS, np.int64)
    library = libopus.find()
    if library is None:
        return words, np.zeros(64, np.uint8)
    encoder, decoder = (-(-size // 64) * 64 for size in (library.encoder_bytes, library.decoder_bytes))
    encoders = sizes.legs + 2 * sizes.mixes
    memory = np.zeros(64 + (1 + encoders) * encoder + (1 + sizes.legs) * decoder, np.uint8)
    at = -(-memory.ctypes.data // 64) * 64
    words[O_HAVE], words[O_ENCODER], words[O_DECODER], words[O_LEVEL] = 1, encoder, decoder, FIRST_LEVEL
    words[O_FRESH_ENCODER], words[O_ENCODERS] = at, at + encoder
    words[O_FRESH_DECODER] = at + (1 + encoders) * encoder
    words[O_DECODERS] = words[O_FRESH_DECODER] + decoder
    for word, state in ((O_FRESH_ENCODER, library.fresh_encoder()), (O_FRESH_DECODER, library.fresh_decoder())):
        place = int(words[word]) - memory.ctypes.data
        memory[place : place + len(state)] = np.frombuffer(state, np.uint8)
    return words, memory


def srtp_policies() -> Array:
    """What contexts of each suite are made by, as words; of what this machine cannot do, zeros, which make none."""
    rows = np.zeros((SUITE_ROWS, POLICY_BYTES // 8), np.int64)
    library = libsrtp.find()
    for name in library.suites if library else ():
        rows[SUITES[name].number] = np.frombuffer(library.policy(name), np.int64) if library else 0
    return rows


def make_desk(sizes: Sizes, eventfd: int = -1) -> Desk:
    """A fresh desk; `eventfd` wakes the server when events wait."""
    opus, opus_states = opus_memory(sizes)
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
        encode=g711.encode_table(),
        sine=sine_table(),
        one=np.array([1], np.int64),
        queue=np.zeros(LANES, np.int32),
        lane_rows=np.zeros((2, 32 * LANES), np.int32),
        lane_signal=np.zeros((2, NARROW * LANES), np.int32),
        lane_codes=np.zeros((2, NARROW * LANES), np.int32),
        early=np.zeros(sizes.legs, np.uint8),
        early_pcm=np.zeros((sizes.legs, FRAME), np.int16),
        fresh=G722_FRESH.copy(),
        opus=opus,
        opus_life=np.zeros((sizes.legs + sizes.mixes, OPUS_LIFE), np.int64),
        opus_line=np.zeros((sizes.legs, OPUS_LINE), np.int16),
        opus_states=opus_states,
        opus_packet=np.zeros(OPUS_BYTES, np.uint8),
        srtp_session=np.zeros((sizes.legs, 3), np.int64),
        srtp_life=np.zeros((sizes.legs, 2), np.int64),
        srtp_sure=np.zeros((sizes.legs, STREAMS), np.uint8),
        srtp_floor=np.full((sizes.legs, STREAMS), -1, np.int64),
        srtp_spare=np.zeros(sizes.legs, np.int32),
        srtp_policies=srtp_policies(),
        srtp_policy=np.zeros(POLICY_BYTES // 8, np.int64),
        srtp_made=np.zeros(1, np.int64),
        srtp_size=np.zeros(1, np.int32),
        srtp_packet=np.zeros(RECEIVE_BYTES, np.uint8),
        srtp_copy=np.zeros(RECEIVE_BYTES, np.uint8),
        real=np.zeros(SPECTRUM, np.float64),
        imaginary=np.zeros(SPECTRUM, np.float64),
        power=np.zeros(BANDS, np.float64),
        first_gain=np.zeros(BANDS, np.float64),
        second_gain=np.zeros(BANDS, np.float64),
        cleaned=np.zeros(FRAME, np.float64),
        eventfd=np.array([eventfd], np.int32),
    )

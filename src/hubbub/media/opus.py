"""Opus in the loop: libopus by address, states in memory of this process alone (docs/media.md 1.10, RFC 6716, RFC 7587).

A state holds addresses of the library's tables, so it never lies in the shared block: whoever takes over begins with fresh ones. It is
flat, so a copy of its bytes is a second coder that says the same.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hubbub.media import libopus
from hubbub.media.compiled import kernel
from hubbub.media.desk import Desk
from hubbub.media.layout import FRAME, NARROW, OPUS_BYTES, PACKETS, TICK_NS, Array, Jitter
from hubbub.media.libopus import (
    AUTO,
    CBR,
    CELT,
    DTX,
    FORCE_MODE,
    NARROWER,
    NO_REPAIR,
    O_DECODER,
    O_DECODERS,
    O_ENCODER,
    O_ENCODERS,
    O_FRESH_DECODER,
    O_FRESH_ENCODER,
    O_HAVE,
    O_LEVEL,
    O_LOAD,
    O_TURN,
    OPUS_LIFE,
    RATE_MASK,
    SET_BITRATE,
    SET_COMPLEXITY,
    SET_DTX,
    SET_MAX_BANDWIDTH,
    SET_PACKET_LOSS,
    SET_VBR,
    WIDEBAND,
)
from hubbub.media.rows import copy, fill

UNIT = 3
"""Units of the RTP clock (48 kHz) in a sample of 16 kHz."""
LONGEST = 5760
"""Units of the longest packet (120 ms, RFC 6716 3.2.5)."""
STEP = 40
"""Samples (2.5 ms) in which a decoder makes sound up."""

# Words of a coder's life.
L_ENCODER = 0
"""Whether the encoder lives."""
L_DECODER = 1
L_LEVEL = 2
"""Complexity that was set, plus two; 1: the loop was too busy for any of speech (`CHEAPEST`)."""
L_LOSS = 3
"""Loss (percent) that was set."""
L_FORMAT = 4
L_TIME = 5
"""RTP time of the first sample of what is decoded and not yet played."""
L_COUNT = 6
"""How many samples that is."""
L_HEARD = 7
"""Of a mix: the most loss that a listener of this run reports, and in the upper half of the run before."""

L_UNHEARD = 8
"""Of a leg: whether its gate is closed, so that a packet without voice is not heard by anybody."""
L_PASSED = 9
"""How many packets in a row were not decoded because of that."""

PASS = 4
"""Packets without voice that are passed over while nobody hears them; the next one is decoded, so that a gate sees what comes."""
HIGHEST_LEVEL = 5
CHEAPEST = -1
"""Below complexity 0: CELT says what SILK has no time for."""
BUSY_NS = 11 * TICK_NS // 20
OVERLOADED_NS = 16 * TICK_NS // 20
IDLE_NS = 6 * TICK_NS // 20
TURN = 50
"""Ticks between two changes of complexity."""

_i32, _i64, _ptr = types.int32, types.int64, types.uintp

_encode: Any = types.ExternalFunction("opus_encode", _i32(_ptr, _ptr, _i32, _ptr, _i32))
_decode: Any = types.ExternalFunction("opus_decode", _i32(_ptr, _ptr, _i32, _ptr, _i32, _i32))
_memcpy: Any = types.ExternalFunction("memcpy", _ptr(_ptr, _ptr, _i64))


def _control(context: Any, state: Any, request: Any, value: Any) -> Any:
    """`opus_encoder_ctl` is variadic: it must be called as such."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(32)
        kind = ir.FunctionType(word, [ir.IntType(64), word], var_arg=True)
        function = cgutils.get_or_insert_function(builder.module, kind, "opus_encoder_ctl")
        return builder.call(function, args)

    return _i32(_ptr, _i32, _i32), generate


_encoder_ctl: Any = intrinsic(_control)


def _absent(*_: int) -> int:
    return -5  # OPUS_UNIMPLEMENTED


_stand_in = ctypes.CFUNCTYPE(ctypes.c_int)(_absent)


def bind() -> None:
    """Give the compiler the library's addresses, or, without one, those of a function that is never called."""
    library = libopus.find()
    for name in libopus.FUNCTIONS:
        address = library.address(name) if library else ctypes.cast(_stand_in, ctypes.c_void_p).value
        binding.add_symbol(name, address)


bind()


# Lives and copies.


@kernel
def forget(desk: Desk, row: int) -> None:
    """Let the coders of a leg (or of mix `m`: row `legs + m`) be made anew when they are next used."""
    fill(desk.opus_life[row], 0, OPUS_LIFE, 0)


@kernel
def _encoder_at(desk: Desk, row: int, before: int) -> int:
    """Address of an encoder; `before` is 1 for the second one of a mix."""
    legs = desk.opus_line.shape[0]
    place = row if row < legs else legs + 2 * (row - legs) + before
    return int(desk.opus[O_ENCODERS] + place * desk.opus[O_ENCODER])


@kernel
def _decoder_at(desk: Desk, leg: int) -> int:
    """Address of a leg's decoder, fresh when it does not live yet."""
    at = int(desk.opus[O_DECODERS] + leg * desk.opus[O_DECODER])
    if not desk.opus_life[leg, L_DECODER]:
        _memcpy(at, desk.opus[O_FRESH_DECODER], desk.opus[O_DECODER])
        desk.opus_life[leg, L_DECODER] = 1
        desk.opus_life[leg, L_COUNT] = 0
    return at


@kernel
def _clone(desk: Desk, row: int, other: int, before: int) -> None:
    """Make the encoder of `row` a copy of that of `other` (as it was `before` this run)."""
    if not desk.opus_life[other, L_ENCODER]:
        desk.opus_life[row, L_ENCODER] = 0
        return
    _memcpy(_encoder_at(desk, row, 0), _encoder_at(desk, other, before), desk.opus[O_ENCODER])
    for word in (L_ENCODER, L_LEVEL, L_LOSS, L_FORMAT):
        desk.opus_life[row, word] = desk.opus_life[other, word]


@kernel
def lead(desk: Desk, leg: int, mix: int) -> None:
    """The group of a mix goes on with a leg's encoder."""
    _clone(desk, desk.opus_line.shape[0] + mix, leg, 0)


@kernel
def follow(desk: Desk, leg: int, mix: int, before: int) -> None:
    """A leg goes on with the group's encoder, as it is now or as it was before this run."""
    _clone(desk, leg, desk.opus_line.shape[0] + mix, before)


# Sending.


@kernel
def _tune(desk: Desk, row: int, at: int, form: int, loss: int) -> None:
    """Bring an encoder to what is wished now: complexity, loss it must be ready for, the far end's format."""
    life = desk.opus_life[row]
    level = desk.opus[O_LEVEL]
    if level < 0 and (loss > 0 or form & ~NO_REPAIR != 0):
        level = 0  # repair data, narrow bands, low rates and pauses are SILK's
    if life[L_LEVEL] != level + 2:
        _encoder_ctl(at, np.int32(SET_COMPLEXITY), np.int32(max(level, 0)))
        _encoder_ctl(at, np.int32(FORCE_MODE), np.int32(CELT if level < 0 else AUTO))
        life[L_LEVEL] = level + 2
    if life[L_LOSS] != loss:
        _encoder_ctl(at, np.int32(SET_PACKET_LOSS), np.int32(loss))
        life[L_LOSS] = loss
    if life[L_FORMAT] != form:
        rate = form & RATE_MASK
        _encoder_ctl(at, np.int32(SET_BITRATE), np.int32(rate if rate else libopus.BITRATE))
        _encoder_ctl(at, np.int32(SET_VBR), np.int32(0 if form & CBR else 1))
        _encoder_ctl(at, np.int32(SET_MAX_BANDWIDTH), np.int32(WIDEBAND - ((form >> NARROWER) & 3)))
        _encoder_ctl(at, np.int32(SET_DTX), np.int32(1 if form & DTX else 0))
        life[L_FORMAT] = form


@kernel
def encode(desk: Desk, row: int, pcm: Array, start: int, count: int, form: int, loss: int, packet: Array) -> int:
    """Encode samples `start` to `start + count` of a wide frame into `packet`; returns how many bytes, 0 when it cannot be done."""
    if not desk.opus[O_HAVE]:
        return 0
    at = _encoder_at(desk, row, 0)
    if not desk.opus_life[row, L_ENCODER]:
        _memcpy(at, desk.opus[O_FRESH_ENCODER], desk.opus[O_ENCODER])
        desk.opus_life[row, L_ENCODER] = 1
        desk.opus_life[row, L_LEVEL] = 0
        desk.opus_life[row, L_LOSS] = 0
        desk.opus_life[row, L_FORMAT] = 0
    _tune(desk, row, at, form, loss)
    return max(0, int(_encode(at, pcm.ctypes.data + 2 * start, count, packet.ctypes.data, OPUS_BYTES)))


@kernel
def encode_group(desk: Desk, mix: int, pcm: Array, packet: Array) -> int:
    """Encode a frame for all plain listeners of a mix, and keep the encoder that it was done with."""
    row = desk.opus_line.shape[0] + mix
    if desk.opus_life[row, L_ENCODER]:
        _memcpy(_encoder_at(desk, row, 1), _encoder_at(desk, row, 0), desk.opus[O_ENCODER])
    loss = desk.opus_life[row, L_HEARD] & 255
    desk.opus_life[row, L_HEARD] = 0
    return encode(desk, row, pcm, 0, FRAME, 0, loss, packet)


@kernel
def hear_loss(desk: Desk, mix: int, loss: int) -> None:
    """A listener of the group loses `loss` percent: the next frame is made ready for that."""
    row = desk.opus_line.shape[0] + mix
    desk.opus_life[row, L_HEARD] = max(desk.opus_life[row, L_HEARD], loss)


@kernel
def adapt(desk: Desk, spent: int) -> None:
    """Follow the processor time of a tick (ns): complexity goes down when the loop is busy, and up when it is idle."""
    opus = desk.opus
    opus[O_LOAD] += (spent - opus[O_LOAD]) >> 5
    opus[O_TURN] += 1
    if opus[O_TURN] < TURN:
        return
    opus[O_TURN] = 0
    level = int(opus[O_LEVEL])
    if opus[O_LOAD] > OVERLOADED_NS:
        opus[O_LEVEL] = 0 if level > 0 else CHEAPEST
    elif opus[O_LOAD] > BUSY_NS:
        opus[O_LEVEL] = max(CHEAPEST, level - 1)
    elif opus[O_LOAD] < (IDLE_NS if level >= 0 else IDLE_NS // 2):  # speech costs three times as much again
        opus[O_LEVEL] = min(HIGHEST_LEVEL, level + 1)


# Receiving.


@kernel
def unheard(desk: Desk, leg: int, closed: bool) -> None:
    """Say whether a leg's gate is closed: then its packets without voice need not be decoded (docs/media.md 1.11)."""
    desk.opus_life[leg, L_UNHEARD] = 1 if closed else 0


@kernel
def frame_units(code: int) -> int:
    """How long a frame is, in units of 48 kHz, by the first byte of its packet (RFC 6716 table 2)."""
    config = code >> 3
    if config >= 16:
        return int(120 << (config & 3))
    if config >= 12:
        return 960 if config & 1 else 480
    return 2880 if config & 3 == 3 else int(480 << (config & 3))


@kernel
def units_of(payload: Array, start: int, length: int) -> int:
    """How long a packet is, in units of 48 kHz; 0 when it is none (RFC 6716 3.1, 3.4)."""
    if length < 1:
        return 0
    code = int(payload[start])
    kind = code & 3
    frames = 1 if kind == 0 else 2
    if kind == 3:
        if length < 2:
            return 0
        frames = int(payload[start + 1]) & 63
    units = frames * frame_units(code)
    return units if units <= LONGEST else 0


@kernel
def repairs(payload: Array, length: int) -> bool:
    """Whether a packet (one frame of SILK, mono, as speech is sent) also holds the frame before it (RFC 6716 4.2.3, 4.2.4)."""
    if length < 2 or payload[0] & 3 != 0 or payload[0] >> 3 >= 16:
        return False
    frames = max(1, frame_units(int(payload[0])) // 960)
    return bool((payload[1] >> (7 - frames)) & 1)


@kernel
def silent(payload: Array, length: int) -> bool:
    """Whether a packet says that nobody speaks: an empty one (DTX), or one of SILK without voice activity (RFC 6716 4.2.3).

    An encoder with DTX says so for 200 ms and then sends nothing, often without another word: what is missing then is a pause.
    """
    if length <= 2:
        return True
    if payload[0] & 3 != 0 or payload[0] >> 3 >= 16:
        return False
    frames = max(1, frame_units(int(payload[0])) // 960)
    return bool(payload[1] >> (8 - frames) == 0)


@kernel
def _apart(later: int, earlier: int) -> int:
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@kernel
def make_up(desk: Desk, leg: int, out: Array, start: int, count: int) -> None:
    """Let the decoder go on by itself: what was lost, or the comfort noise of a pause. `count` is brought to steps of 2.5 ms."""
    whole = count // STEP * STEP
    fill(out, start, start + count, 0)
    if desk.opus[O_HAVE] and whole > 0 and desk.opus_life[leg, L_DECODER]:
        _decode(_decoder_at(desk, leg), 0, 0, out.ctypes.data + 2 * start, whole, 0)


@kernel
def _next_packet(jitter: Jitter, leg: int, at: int, room: int) -> int:
    """The first packet that has something to say within `room` units from `at` on, or -1; those that are over are thrown away."""
    best = -1
    nearest = room
    for j in range(PACKETS):
        if jitter[leg].length[j] == 0:
            continue
        ahead = _apart(jitter[leg].time[j], at)
        if ahead + units_of(jitter[leg].payload[j], 0, jitter[leg].length[j]) <= 0:
            jitter[leg].length[j] = 0
        elif ahead < nearest:
            nearest = ahead
            best = j
    return best


@kernel
def _open_packet(jitter: Jitter, leg: int, desk: Desk, j: int) -> None:
    """Decode packet `j`: its samples wait in the leg's line."""
    life = desk.opus_life[leg]
    length = int(jitter[leg].length[j])
    line = desk.opus_line[leg]
    pause = silent(jitter[leg].payload[j], length)
    if pause and life[L_UNHEARD] and life[L_PASSED] < PASS:
        life[L_PASSED] += 1
        count = units_of(jitter[leg].payload[j], 0, length) // UNIT
        fill(line, 0, count, 0)
    else:
        life[L_PASSED] = 0
        count = int(_decode(_decoder_at(desk, leg), jitter[leg].payload[j].ctypes.data, length, line.ctypes.data, line.size, 0))
    life[L_TIME] = jitter[leg].time[j]
    life[L_COUNT] = max(0, count)
    jitter[leg].resting = 1 if pause else 0
    jitter[leg].length[j] = 0


@kernel
def _repair(jitter: Jitter, leg: int, desk: Desk, out: Array) -> bool:
    """Take the frame at `play` from the packet behind it, where that holds it."""
    if not desk.opus_life[leg, L_DECODER]:
        return False
    after = (jitter[leg].play + FRAME * UNIT) & 0xFFFFFFFF
    for j in range(PACKETS):
        length = int(jitter[leg].length[j])
        if length > 0 and jitter[leg].time[j] == after and repairs(jitter[leg].payload[j], length):
            return bool(_decode(_decoder_at(desk, leg), jitter[leg].payload[j].ctypes.data, length, out.ctypes.data, FRAME, 1) == FRAME)
    return False


@kernel
def gather(jitter: Jitter, leg: int, desk: Desk, out: Array, repair: bool) -> int:
    """Put what there is for the frame at `play` into `out`[320]; returns how many units of it there were.

    Packets are decoded whole and in their order, once each: what is not due yet waits in the leg's line. With `repair`, a frame of which
    nothing came is taken from the packet behind it.
    """
    if not desk.opus[O_HAVE]:
        return 0
    _decoder_at(desk, leg)
    life = desk.opus_life[leg]
    play = jitter[leg].play
    position = 0
    covered = 0
    while position < FRAME:
        at = (play + UNIT * position) & 0xFFFFFFFF
        behind = _apart(at, life[L_TIME]) // UNIT
        if 0 <= behind < life[L_COUNT]:
            count = min(FRAME - position, int(life[L_COUNT]) - behind)
            copy(out, position, desk.opus_line[leg], behind, count)
            position += count
            covered += UNIT * count
            continue
        j = _next_packet(jitter, leg, at, UNIT * (FRAME - position))
        hole = FRAME - position
        if j >= 0:
            hole = min(hole, max(0, _apart(jitter[leg].time[j], at)) // UNIT)
        elif covered == 0:
            break
        if hole > 0:
            make_up(desk, leg, out, position, hole)
            position += hole
        if j >= 0:
            _open_packet(jitter, leg, desk, j)
    if covered == 0 and repair and _repair(jitter, leg, desk, out):
        jitter[leg].repaired += 1
        return FRAME * UNIT
    return covered


# The packet that leaves.


@kernel
def merge(packet: Array, at: int, lengths: Array, frames: Array, count: int) -> int:
    """Write `count` frames of one kind as one packet at `packet[at:]` (RFC 6716 3.2.5, code 3, VBR); returns its size.

    `frames`[count, OPUS_BYTES] holds packets of one frame each, `lengths` their sizes.
    """
    if count == 1:
        copy(packet, at, frames[0], 0, lengths[0])
        return int(lengths[0])
    packet[at] = (frames[0, 0] & 0xFC) | 3
    packet[at + 1] = 0x80 | count
    end = at + 2
    for n in range(count - 1):
        size = int(lengths[n]) - 1
        if size >= 252:
            packet[end] = 252 + (size & 3)
            packet[end + 1] = (size - 252 - (size & 3)) >> 2
            end += 2
        else:
            packet[end] = size
            end += 1
    for n in range(count):
        size = int(lengths[n]) - 1
        copy(packet, end, frames[n], 1, size)
        end += size
    return end - at


@kernel
def merges(lengths: Array, frames: Array, count: int, packet: Array, size: int) -> bool:
    """Whether another packet of one frame fits to those that are collected: same kind, one frame, room for it."""
    if count == 0:
        return True
    if packet[0] != frames[0, 0] or packet[0] & 3 != 0 or lengths[0] < 1:
        return False
    total = size + 2 * (count + 1)
    for n in range(count):
        total += int(lengths[n])
    return bool(total <= NARROW * 8 and size >= 1)

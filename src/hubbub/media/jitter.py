"""The jitter buffer: packets wait in slots with their RTP timestamp and are played out by it (docs/media.md 3)."""

from __future__ import annotations

from hubbub.media import g722
from hubbub.media.compiled import kernel
from hubbub.media.desk import Desk
from hubbub.media.layout import (
    CODEC_BYTES,
    CODEC_CLOCK,
    CODEC_WIDE,
    FRAME,
    G722,
    L16,
    L16_WIDE,
    NARROW,
    PACKET_BYTES,
    PACKETS,
    Array,
    Coders,
    Jitter,
)
from hubbub.media.rows import copy, decode_linear, fill
from hubbub.media.rows import decode as bytes_to_samples

STORED = 0
LATE = 1
DUPLICATE = 2
FAR = 3

AHEAD_LIMIT = 4000
"""Samples (0.5 s) that a packet may lie ahead of the playout point; more is another clock."""
MISPLACED_LIMIT = 4
"""Late or far packets in a row after which the buffer starts anew at the sender's clock."""
WINDOW = 100
"""Frames over which the margin is observed before the playout point may slip."""
EXCESS = 320
"""Samples of margin above the wanted depth that are worth a slip."""
DEEPEST = 1600
"""The depth (200 ms) beyond which a ragged network gets no more delay."""
HUSH = 10737
"""Mean square (-50 dBFS) below which a slip is not heard."""


@kernel
def apart(later: int, earlier: int) -> int:
    """Signed distance of two 32-bit RTP timestamps."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@kernel
def restart(jitter: Jitter, leg: int) -> None:
    """Forget all packets; the next one starts the clock."""
    jitter[leg].started = 0
    jitter[leg].sounded = 0
    jitter[leg].misplaced = 0
    jitter[leg].slip = 0
    jitter[leg].window = 0
    jitter[leg].gaps = 0
    for j in range(PACKETS):
        jitter[leg].length[j] = 0


@kernel
def units_of(jitter: Jitter, leg: int, j: int) -> int:
    """How long packet `j` is, in units of the RTP clock."""
    return int(jitter[leg].length[j] // CODEC_BYTES[jitter[leg].codec[j]])


@kernel
def store(jitter: Jitter, leg: int, sequence: int, time: int, data: Array, start: int, length: int, codec: int) -> int:
    """Put a packet's payload `data[start:start+length]` in its slot; STORED, LATE, DUPLICATE or FAR."""
    length = min(length, PACKET_BYTES)
    units = length // CODEC_BYTES[codec]
    clock = jitter[leg].clock
    if jitter[leg].started:
        ahead = apart(time, jitter[leg].play)
        late = ahead + units <= 0
        if late or ahead > AHEAD_LIMIT * clock:
            jitter[leg].misplaced += 1
            if jitter[leg].misplaced < MISPLACED_LIMIT:
                return LATE if late else FAR
            restart(jitter, leg)
    slot = sequence % PACKETS
    if not jitter[leg].started:
        jitter[leg].started = 1
        jitter[leg].play = (time - jitter[leg].depth * clock) & 0xFFFFFFFF
        jitter[leg].newest = (time + units) & 0xFFFFFFFF
        jitter[leg].margin = 1 << 30
    elif jitter[leg].length[slot] > 0 and jitter[leg].sequence[slot] == sequence:
        return DUPLICATE
    jitter[leg].misplaced = 0
    jitter[leg].sequence[slot] = sequence
    jitter[leg].time[slot] = time
    jitter[leg].length[slot] = length
    jitter[leg].codec[slot] = codec
    copy(jitter[leg].payload[slot], 0, data, start, length)
    if apart((time + units) & 0xFFFFFFFF, jitter[leg].newest) > 0:
        jitter[leg].newest = (time + units) & 0xFFFFFFFF
    return STORED


@kernel
def _take(jitter: Jitter, leg: int, j: int, desk: Desk, at: int, start: int, count: int, out: Array) -> None:
    """Put `count` units of packet `j` from unit `start` on at unit `at` of the frame; G.722 bytes wait in `desk.bytes` for their order."""
    codec = jitter[leg].codec[j]
    payload = jitter[leg].payload[j]
    if codec == G722:
        copy(desk.bytes, at, payload, start, count)
        fill(desk.there, at, at + count, 1)
    elif codec in (L16, L16_WIDE):
        decode_linear(out, at, payload, 2 * start, count)
    else:
        bytes_to_samples(out, at, desk.decode[codec], payload, start, count)


@kernel
def _decode_runs(state: Array, desk: Desk, out: Array) -> None:
    """Decode the G.722 bytes that have arrived, in their order; the decoder stands still where there are none."""
    at = 0
    while at < NARROW:
        if not desk.there[at]:
            at += 1
            continue
        end = at
        while end < NARROW and desk.there[end]:
            end += 1
        g722.decode(state, desk.bytes, at, end - at, out[2 * at :], desk.even, desk.odd, desk.low, desk.high, desk.codes)
        at = end


@kernel
def _gather(jitter: Jitter, coders: Coders, leg: int, desk: Desk, out: Array) -> int:
    """Decode what lies in the frame at `play` into `out`; return how many units of it were there."""
    play = jitter[leg].play
    step = NARROW * jitter[leg].clock
    size = FRAME if jitter[leg].wide else NARROW
    covered = 0
    pending = False
    for j in range(PACKETS):
        if jitter[leg].length[j] == 0:
            continue
        ahead = apart(jitter[leg].time[j], play)
        if ahead >= step:
            continue
        units = units_of(jitter, leg, j)
        first = max(ahead, 0)
        last = min(ahead + units, step)
        if last > first:
            coded = jitter[leg].codec[j] == G722
            if covered == 0:
                if last - first < step:
                    fill(out, 0, size, 0)
                if coded:
                    fill(desk.there, 0, NARROW, 0)
            _take(jitter, leg, j, desk, first, first - ahead, last - first, out)
            pending = pending or coded
            covered += last - first
        if ahead + units <= step:
            jitter[leg].length[j] = 0
    if pending:
        _decode_runs(coders[leg].decoder, desk, out)
    return int(covered)


@kernel
def fade_back(last: Array, out: Array, size: int) -> None:
    """The last frame backwards, fading to nothing."""
    for n in range(size):
        out[n] = (last[size - 1 - n] * (size - n)) // size


@kernel
def _conceal(jitter: Jitter, leg: int, out: Array, size: int) -> None:
    """Fill a frame of which nothing came: the last one backwards, fading; then silence."""
    if jitter[leg].concealed == 0:
        fade_back(jitter[leg].last, out, size)
    else:
        fill(out, 0, size, 0)
    jitter[leg].concealed += 1


@kernel
def _observe(jitter: Jitter, leg: int, level: int) -> int:
    """Follow the margin; return how many frames the playout point shall slip now: +1 skips one, -1 holds it back."""
    margin = apart(jitter[leg].newest, jitter[leg].play) // jitter[leg].clock - NARROW
    jitter[leg].margin = min(jitter[leg].margin, margin)
    jitter[leg].window += 1
    if jitter[leg].window >= WINDOW:
        if jitter[leg].margin >= jitter[leg].depth + EXCESS:
            jitter[leg].slip = 1
        elif jitter[leg].gaps >= 2 and margin > -AHEAD_LIMIT and jitter[leg].margin < 0 and margin < DEEPEST:
            jitter[leg].slip = -1
        else:
            jitter[leg].slip = 0
        # A change is made in a quiet frame where there is one; after a window without, anyway.
        jitter[leg].window = 0
        jitter[leg].gaps = 0
        jitter[leg].margin = 1 << 30
        if jitter[leg].slip == 0:
            return 0
    if jitter[leg].slip != 0 and (level < HUSH or jitter[leg].window == WINDOW - 1):
        slip = jitter[leg].slip
        jitter[leg].slip = 0
        return int(slip)
    return 0


@kernel
def fetch(jitter: Jitter, coders: Coders, leg: int, desk: Desk, level: int, out: Array) -> int:
    """Play out one frame into `out`; return how many units of it had arrived (-1: not started, `out` untouched).

    The frame is wide (320 samples) when the leg's codec is, else narrow (160). `level` is the mean square of the frame before.
    """
    if not jitter[leg].started:
        return -1
    size = FRAME if jitter[leg].wide else NARROW
    covered = _gather(jitter, coders, leg, desk, out)
    if covered == 0:
        _conceal(jitter, leg, out, size)
        jitter[leg].gaps += jitter[leg].sounded
    else:
        jitter[leg].concealed = 0
        jitter[leg].sounded = 1
        copy(jitter[leg].last, 0, out, 0, size)
    slip = _observe(jitter, leg, level)
    jitter[leg].play = (jitter[leg].play + NARROW * jitter[leg].clock * (1 + slip)) & 0xFFFFFFFF
    return covered


@kernel
def skip(jitter: Jitter, leg: int, frames: int) -> None:
    """Move the playout point over frames that were never played (the loop was away)."""
    jitter[leg].play = (jitter[leg].play + NARROW * jitter[leg].clock * frames) & 0xFFFFFFFF


@kernel
def retune(jitter: Jitter, coders: Coders, leg: int, codec: int, fresh: Array) -> None:
    """Take packets of another codec from now on: what waits cannot be joined to them when rate or state differ."""
    clock = CODEC_CLOCK[codec]
    wide = CODEC_WIDE[codec]
    if clock != jitter[leg].clock or wide != jitter[leg].wide:
        restart(jitter, leg)
        jitter[leg].clock = clock
        jitter[leg].wide = wide
    copy(coders[leg].decoder, 0, fresh, 0, fresh.size)
    copy(coders[leg].encoder, 0, fresh, 0, fresh.size)

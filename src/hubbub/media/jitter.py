"""The jitter buffer: packets wait in slots with their RTP timestamp and are played out by it (docs/media.md 3)."""

from __future__ import annotations

import numpy as np

from hubbub.media import g722, opus
from hubbub.media.compiled import kernel
from hubbub.media.conceal import blend_frames, conceal, remember, resume
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
    OPUS,
    OPUS_CLOCK,
    PACKET_BYTES,
    PACKETS,
    PAST,
    PCMU,
    Array,
    Coders,
    Jitter,
)
from hubbub.media.rows import copy, decode_a, decode_linear, decode_mu, fill

STORED = 0
LATE = 1
DUPLICATE = 2
FAR = 3

AHEAD_LIMIT = 4000
"""Samples (0.5 s) that a packet may lie ahead of the playout point; more is another clock."""
MISPLACED_LIMIT = 4
"""Late or far packets in a row after which the buffer starts anew at the sender's clock."""
WINDOW = 100
"""Frames (2 s) over which the margin is observed before the playout point may slip."""
LONGEST_WINDOW = 3200
"""Frames (64 s) that an adaptive buffer waits at most before it believes that the network has calmed down."""
SOON = 50
"""Frames within which a slip waits for a quiet one."""
HOLD = 5
"""Frames in a row for which playout waits for a packet; then the sender has paused."""
DEEPEST = 1600
"""The depth (200 ms) beyond which a ragged network gets no more delay."""
HUSH = 10737
"""Mean square (-50 dBFS) below which a slip is not heard."""
LONGEST_GUESS = 50
"""Frames (1 s) for which an Opus decoder goes on by itself when nothing comes."""
NOISE = np.round(np.sqrt(3) * 32768 * 10 ** (-np.arange(128) / 20)).clip(0, 32767).astype(np.int64)
"""Height of white noise of so many dB below full scale (RFC 3389 3.1)."""
FIRST_DEPTH = 160
"""Depth (20 ms) with which an adaptive buffer begins."""


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
    jitter[leg].rebase = 0
    jitter[leg].shift = 0
    jitter[leg].held = 0
    jitter[leg].slip = 0
    jitter[leg].resting = 0
    jitter[leg].noise = 0
    _watch(jitter, leg, 0)
    for j in range(PACKETS):
        jitter[leg].length[j] = 0


@kernel
def _watch(jitter: Jitter, leg: int, window: int) -> None:
    """Begin to observe the margin anew."""
    jitter[leg].window = window
    jitter[leg].least = 1 << 30
    jitter[leg].most = -(1 << 30)


@kernel
def tune(jitter: Jitter, leg: int, depth: int, adaptive: bool) -> None:
    """Set how long packets wait: `depth` in samples of 8 kHz, or as little as the network allows."""
    jitter[leg].adaptive = 1 if adaptive else 0
    jitter[leg].depth = FIRST_DEPTH if adaptive else depth
    jitter[leg].patience = WINDOW
    _watch(jitter, leg, 0)


@kernel
def follow(jitter: Jitter, leg: int) -> None:
    """A stream with another clock takes over: while sound waits it goes on where that ends, else it starts anew."""
    if jitter[leg].started and apart(jitter[leg].newest, jitter[leg].play) > 0:
        jitter[leg].rebase = 1
    else:
        restart(jitter, leg)


@kernel
def units_of(jitter: Jitter, leg: int, j: int) -> int:
    """How long packet `j` is, in units of the RTP clock."""
    if jitter[leg].codec[j] == OPUS:
        return opus.units_of(jitter[leg].payload[j], 0, jitter[leg].length[j])
    return int(jitter[leg].length[j] // CODEC_BYTES[jitter[leg].codec[j]])


@kernel
def _make_room(jitter: Jitter, leg: int, slot: int, time: int) -> None:
    """A packet of `time` takes the place of one that was not played: playout leaves that behind, and what waits beyond the depth.

    Else each packet to come would push out one that is still to be played, and nothing would ever be heard again.
    """
    end = (jitter[leg].time[slot] + units_of(jitter, leg, slot)) & 0xFFFFFFFF
    if apart(end, jitter[leg].play) <= 0 or apart(time, jitter[leg].time[slot]) <= 0:
        return
    wanted = (time - jitter[leg].depth * jitter[leg].clock) & 0xFFFFFFFF
    jitter[leg].play = wanted if apart(wanted, end) > 0 else end
    jitter[leg].slip = 0
    _watch(jitter, leg, 0)


@kernel
def store(jitter: Jitter, leg: int, sequence: int, time: int, data: Array, start: int, length: int, codec: int) -> int:
    """Put a packet's payload `data[start:start+length]` in its slot; STORED, LATE, DUPLICATE or FAR."""
    length = min(length, PACKET_BYTES)
    units = opus.units_of(data, start, length) if codec == OPUS else length // CODEC_BYTES[codec]
    clock = jitter[leg].clock
    if jitter[leg].rebase:
        jitter[leg].shift = (jitter[leg].newest - time) & 0xFFFFFFFF
        jitter[leg].rebase = 0
    if jitter[leg].held >= HOLD:
        restart(jitter, leg)  # after a pause the depth is what it should be
    time = (time + jitter[leg].shift) & 0xFFFFFFFF
    if jitter[leg].started:
        ahead = apart(time, jitter[leg].play)
        late = ahead + units <= 0
        if late or ahead > AHEAD_LIMIT * clock:
            jitter[leg].misplaced += 1
            if jitter[leg].misplaced < MISPLACED_LIMIT:
                return LATE if late else FAR
            time = (time - jitter[leg].shift) & 0xFFFFFFFF
            restart(jitter, leg)
    slot = sequence % PACKETS
    if not jitter[leg].started:
        jitter[leg].started = 1
        jitter[leg].play = (time - jitter[leg].depth * clock) & 0xFFFFFFFF
        jitter[leg].newest = (time + units) & 0xFFFFFFFF
    elif jitter[leg].length[slot] > 0 and jitter[leg].sequence[slot] == sequence:
        return DUPLICATE
    elif jitter[leg].length[slot] > 0:
        _make_room(jitter, leg, slot, time)
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
    elif codec == PCMU:
        decode_mu(out, at, payload, start, count)
    else:
        decode_a(out, at, payload, start, count)


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
    if jitter[leg].clock == OPUS_CLOCK:
        return opus.gather(jitter, leg, desk, out, jitter[leg].held == 0)
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
    if pending and desk.early[leg]:
        copy(out, 0, desk.early_pcm[leg], 0, FRAME)
        desk.early[leg] = 0
    elif pending:
        _decode_runs(coders[leg].decoder, desk, out)
    return int(covered)


@kernel
def _observe(jitter: Jitter, leg: int) -> None:
    """Follow the margin (what waits beyond the frame just played, in samples of 8 kHz) and plan a slip where it is wrong for long.

    +1 leaves a frame out, -1 puts one in. A fixed buffer keeps its depth in both directions, so a sender whose clock differs is followed
    before anything is missing. An adaptive one gives back every frame that was never needed.
    """
    margin = apart(jitter[leg].newest, jitter[leg].play) // jitter[leg].clock
    jitter[leg].least = min(jitter[leg].least, margin)
    jitter[leg].most = max(jitter[leg].most, margin)
    jitter[leg].window += 1
    adaptive = jitter[leg].adaptive != 0
    if jitter[leg].window < (jitter[leg].patience if adaptive else WINDOW):
        return
    spare = jitter[leg].least - (0 if adaptive else jitter[leg].depth)
    if spare >= NARROW:
        jitter[leg].slip = 1
    elif not adaptive and jitter[leg].most <= jitter[leg].depth - NARROW:
        jitter[leg].slip = -1
    elif adaptive:
        jitter[leg].patience = max(jitter[leg].patience // 2, WINDOW)
    # What is far too much goes sooner.
    _watch(jitter, leg, 3 * WINDOW // 4 if spare >= 3 * NARROW else 0)


@kernel
def _slips_now(jitter: Jitter, leg: int, level: int) -> int:
    """The slip that is due: in a quiet frame, or when none came for a second."""
    slip = jitter[leg].slip
    if slip == 0 or not (level < HUSH or jitter[leg].window >= SOON):
        return 0
    jitter[leg].slip = 0
    jitter[leg].slips += 1
    return int(slip)


@kernel
def _wait(jitter: Jitter, leg: int) -> bool:
    """Whether playout waits for a packet that is late: nothing is there, and the sender has not paused."""
    if not jitter[leg].sounded or apart(jitter[leg].newest, jitter[leg].play) > 0 or jitter[leg].held >= HOLD:
        return False
    jitter[leg].held += 1
    if jitter[leg].adaptive:
        jitter[leg].patience = min(2 * jitter[leg].patience, LONGEST_WINDOW)
    _watch(jitter, leg, 0)
    return True


@kernel
def _forward(jitter: Jitter, leg: int, frames: int) -> None:
    jitter[leg].play = (jitter[leg].play + frames * NARROW * jitter[leg].clock) & 0xFFFFFFFF


@kernel
def _next_frame(jitter: Jitter, coders: Coders, leg: int, desk: Desk, out: Array) -> int:
    """Decode the frame at the playout point; where playout waited for a packet that is lost after all, the one behind it."""
    covered = _gather(jitter, coders, leg, desk, out)
    while covered == 0 and jitter[leg].held > 0 and apart(jitter[leg].newest, jitter[leg].play) > 0:
        # What was made up while waiting took the place of the lost packet.
        jitter[leg].held -= 1
        _forward(jitter, leg, 1)
        covered = _gather(jitter, coders, leg, desk, out)
    return covered


@kernel
def _deepen(jitter: Jitter, leg: int) -> None:
    """Playout waited and the packet came: an adaptive buffer has learned that it needs more."""
    if jitter[leg].adaptive and jitter[leg].held > 0:
        jitter[leg].depth = min(jitter[leg].depth + jitter[leg].held * NARROW, DEEPEST)
    jitter[leg].held = 0


@kernel
def calm(jitter: Jitter, leg: int, time: int, level: int) -> None:
    """Comfort noise was sent (RFC 3389): from `time` on the sender is silent, at -`level` dB of full scale, and nothing is lost."""
    jitter[leg].noise = 1 + level
    jitter[leg].noise_at = (time + jitter[leg].shift) & 0xFFFFFFFF


@kernel
def _rests(jitter: Jitter, leg: int) -> bool:
    """Whether the sender has said that it pauses, and has not come back yet."""
    if not jitter[leg].resting and jitter[leg].noise and apart(jitter[leg].newest, jitter[leg].noise_at) <= 0:
        jitter[leg].resting = 1
    return bool(jitter[leg].resting)


@kernel
def _comfort(jitter: Jitter, leg: int, desk: Desk, out: Array, size: int) -> None:
    """The noise of a pause: what an Opus decoder makes of it, else white noise of the level that was sent."""
    if jitter[leg].clock == OPUS_CLOCK:
        opus.make_up(desk, leg, out, 0, size)
        return
    height = int(NOISE[max(0, jitter[leg].noise - 1)])
    dice = jitter[leg].dice
    for n in range(size):
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        out[n] = (((dice >> 15) - 32768) * height) >> 15
    jitter[leg].dice = dice


@kernel
def _make_up(jitter: Jitter, leg: int, desk: Desk, out: Array, size: int) -> None:
    """Fill a frame of which nothing came."""
    if jitter[leg].clock != OPUS_CLOCK:
        conceal(jitter, leg, desk.past, out, size)
        return
    if jitter[leg].concealed < LONGEST_GUESS:
        opus.make_up(desk, leg, out, 0, size)
        jitter[leg].concealed += 1
    else:
        fill(out, 0, size, 0)


@kernel
def _rest(jitter: Jitter, leg: int, desk: Desk, out: Array, size: int) -> int:
    """A frame of a pause: time goes on, nothing is missing."""
    _comfort(jitter, leg, desk, out, size)
    _forward(jitter, leg, 1)
    _watch(jitter, leg, 0)
    return int(NARROW * jitter[leg].clock)


@kernel
def _sounded(jitter: Jitter, leg: int, desk: Desk, out: Array, size: int) -> None:
    """A frame has come: what was made up leads into it, and it is kept for the next gap."""
    if jitter[leg].clock == OPUS_CLOCK:
        jitter[leg].concealed = 0  # a decoder that has guessed leads over by itself
    else:
        resume(jitter, leg, desk.past, desk.other, out, size)
        jitter[leg].resting = 0
        if apart(jitter[leg].newest, jitter[leg].noise_at) > 0:
            jitter[leg].noise = 0
        remember(jitter, leg, out, size)
    jitter[leg].sounded = 1


@kernel
def fetch(jitter: Jitter, coders: Coders, leg: int, desk: Desk, level: int, out: Array) -> int:
    """Play out one frame into `out`; return how many units of it had arrived (-1: not started, `out` untouched).

    The frame is wide (320 samples) when the leg's codec is, else narrow (160). `level` is the mean square of the frame before.
    """
    if not jitter[leg].started:
        return -1
    size = FRAME if jitter[leg].wide else NARROW
    slip = _slips_now(jitter, leg, level)
    if slip < 0:
        _make_up(jitter, leg, desk, out, size)
        return int(NARROW * jitter[leg].clock)
    covered = _next_frame(jitter, coders, leg, desk, out)
    if covered == 0 and _rests(jitter, leg):
        return _rest(jitter, leg, desk, out, size)
    if covered == 0:
        if jitter[leg].sounded:
            _make_up(jitter, leg, desk, out, size)
        else:
            fill(out, 0, size, 0)
        if not _wait(jitter, leg):
            _forward(jitter, leg, 1)
            _observe(jitter, leg)
        return 0
    _deepen(jitter, leg)
    _forward(jitter, leg, 1)
    if slip > 0 and apart(jitter[leg].newest, jitter[leg].play) >= NARROW * jitter[leg].clock:
        copy(desk.other, 0, out, 0, size)
        if _gather(jitter, coders, leg, desk, out) > 0:
            blend_frames(desk.other, out, size)
            _forward(jitter, leg, 1)
            jitter[leg].depth -= min(NARROW, jitter[leg].depth) * jitter[leg].adaptive
        else:
            copy(out, 0, desk.other, 0, size)
    _sounded(jitter, leg, desk, out, size)
    _observe(jitter, leg)
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
        if jitter[leg].sounded:
            jitter[leg].concealed = PAST  # the past is of another rate: the new sound comes up from nothing
        restart(jitter, leg)
        jitter[leg].clock = clock
        jitter[leg].wide = wide
    copy(coders[leg].decoder, 0, fresh, 0, fresh.size)
    copy(coders[leg].encoder, 0, fresh, 0, fresh.size)

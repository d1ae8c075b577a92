"""The jitter buffer: packets wait in slots with their RTP timestamp and are played out by it (docs/media.md 3)."""

from __future__ import annotations

from hubbub.media.compiled import kernel
from hubbub.media.layout import NARROW, PACKET_BYTES, PACKETS, Array, Jitter
from hubbub.media.rows import copy, fill
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
def store(jitter: Jitter, leg: int, sequence: int, time: int, data: Array, start: int, length: int, codec: int) -> int:
    """Put a packet's payload `data[start:start+length]` in its slot; STORED, LATE, DUPLICATE or FAR."""
    length = min(length, PACKET_BYTES)
    if jitter[leg].started:
        ahead = apart(time, jitter[leg].play)
        late = ahead + length <= 0
        if late or ahead > AHEAD_LIMIT:
            jitter[leg].misplaced += 1
            if jitter[leg].misplaced < MISPLACED_LIMIT:
                return LATE if late else FAR
            restart(jitter, leg)
    slot = sequence % PACKETS
    if not jitter[leg].started:
        jitter[leg].started = 1
        jitter[leg].play = (time - jitter[leg].depth) & 0xFFFFFFFF
        jitter[leg].newest = (time + length) & 0xFFFFFFFF
        jitter[leg].margin = 1 << 30
    elif jitter[leg].length[slot] > 0 and jitter[leg].sequence[slot] == sequence:
        return DUPLICATE
    jitter[leg].misplaced = 0
    jitter[leg].sequence[slot] = sequence
    jitter[leg].time[slot] = time
    jitter[leg].length[slot] = length
    jitter[leg].codec[slot] = codec
    copy(jitter[leg].payload[slot], 0, data, start, length)
    if apart((time + length) & 0xFFFFFFFF, jitter[leg].newest) > 0:
        jitter[leg].newest = (time + length) & 0xFFFFFFFF
    return STORED


@kernel
def _gather(jitter: Jitter, leg: int, decode: Array, out: Array) -> int:
    """Decode what lies in [play, play + 160) into `out`; return how many samples were there."""
    play = jitter[leg].play
    covered = 0
    for j in range(PACKETS):
        length = jitter[leg].length[j]
        if length == 0:
            continue
        ahead = apart(jitter[leg].time[j], play)
        if ahead >= NARROW:
            continue
        first = max(ahead, 0)
        last = min(ahead + length, NARROW)
        if last > first:
            if covered == 0 and last - first < NARROW:
                fill(out, 0, NARROW, 0)
            bytes_to_samples(out, first, decode[jitter[leg].codec[j]], jitter[leg].payload[j], first - ahead, last - first)
            covered += last - first
        if ahead + length <= NARROW:
            jitter[leg].length[j] = 0
    return covered


@kernel
def fade_back(last: Array, out: Array) -> None:
    """The last frame backwards, fading to nothing."""
    for n in range(NARROW):
        out[n] = (last[NARROW - 1 - n] * (NARROW - n)) // NARROW


@kernel
def _conceal(jitter: Jitter, leg: int, out: Array) -> None:
    """Fill a frame of which nothing came: the last one backwards, fading; then silence."""
    if jitter[leg].concealed == 0:
        fade_back(jitter[leg].last, out)
    else:
        fill(out, 0, NARROW, 0)
    jitter[leg].concealed += 1


@kernel
def _observe(jitter: Jitter, leg: int, level: int) -> int:
    """Follow the margin; return how many frames the playout point shall slip now: +1 skips one, -1 holds it back."""
    margin = apart(jitter[leg].newest, jitter[leg].play) - NARROW
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
def fetch(jitter: Jitter, leg: int, decode: Array, level: int, out: Array) -> int:
    """Play out one narrow frame into `out`[160]; return how many samples of it had arrived (-1: not started, `out` untouched).

    `level` is the mean square of the frame before.
    """
    if not jitter[leg].started:
        return -1
    covered = _gather(jitter, leg, decode, out)
    if covered == 0:
        _conceal(jitter, leg, out)
        jitter[leg].gaps += jitter[leg].sounded
    else:
        jitter[leg].concealed = 0
        jitter[leg].sounded = 1
        copy(jitter[leg].last, 0, out, 0, NARROW)
    slip = _observe(jitter, leg, level)
    jitter[leg].play = (jitter[leg].play + NARROW * (1 + slip)) & 0xFFFFFFFF
    return covered


@kernel
def skip(jitter: Jitter, leg: int, frames: int) -> None:
    """Move the playout point over frames that were never played (the loop was away)."""
    jitter[leg].play = (jitter[leg].play + NARROW * frames) & 0xFFFFFFFF

"""Taps: copies of what a leg says, what a leg hears, or a mix's sum, one frame per tick into a ring."""

from __future__ import annotations

from hubbub.media.compiled import kernel
from hubbub.media.desk import Desk
from hubbub.media.layout import FRAME, RING_SAMPLES, TAP_IN, TAP_MIX, TAP_OUT, Array, Ears, Mixes, Rings, Slots, Taps
from hubbub.media.libc import fence
from hubbub.media.mix import hear_mix
from hubbub.media.rows import copy, fill


@kernel
def _put(rings: Rings, ring: int, pcm: Array, sound: bool) -> bool:
    """Append a frame (of silence without `sound`); False when the ring is full."""
    head = rings[ring].head[0]
    if head - rings[ring].tail[0] > RING_SAMPLES - FRAME:
        return False
    at = head % RING_SAMPLES  # the ring is not a whole number of frames
    first = min(FRAME, RING_SAMPLES - at)
    if sound:
        copy(rings[ring].pcm, at, pcm, 0, first)
        copy(rings[ring].pcm, 0, pcm, first, FRAME - first)
    else:
        fill(rings[ring].pcm, at, at + first, 0)
        fill(rings[ring].pcm, 0, FRAME - first, 0)
    fence()
    rings[ring].head[0] = head + FRAME
    return True


@kernel
def _fill(rings: Rings, tap: int, frames: int, pcm: Array) -> int:
    """Put in silence for ticks that were missed; returns how many frames found room."""
    for n in range(frames):
        if not _put(rings, tap, pcm, False):
            return n
    return frames


@kernel
def copy_taps(slots: Slots, mixes: Mixes, ears: Ears, rings: Rings, taps: Taps, desk: Desk, tick: int, run: int) -> None:
    """Serve every active tap; all taps keep one clock: frame n of a tap is tick `start + n`, whatever happened meanwhile."""
    for k in range(desk.counts[2]):
        tap = desk.taps[k]
        of = taps[tap].of
        kind = taps[tap].kind
        taps[tap].due += _fill(rings, tap, max(0, tick - taps[tap].due), slots[0].pcm)
        if taps[tap].due != tick:
            taps[tap].overruns += 1
            continue
        done = False
        if of >= 0 and kind == TAP_IN:
            done = _put(rings, tap, slots[of].pcm, slots[of].have != 0)
        elif of >= 0 and kind == TAP_OUT:
            heard = mixes[slots[of].mix].pcm if ears[of].shared else ears[of].pcm
            done = _put(rings, tap, heard, True)
        elif of >= 0 and kind == TAP_MIX:
            hear_mix(mixes, of, run)
            done = _put(rings, tap, mixes[of].pcm, True)
        else:
            done = _put(rings, tap, slots[0].pcm, False)
        if done:
            taps[tap].due = tick + 1
        else:
            taps[tap].overruns += 1

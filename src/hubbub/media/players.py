"""Clips and PCM rings as sources: one wide frame per tick."""

from __future__ import annotations

from hubbub.media.compiled import kernel
from hubbub.media.layout import CLIP, FRAME, RING_SAMPLES, Array, Players, Rings, Slots
from hubbub.media.libc import fence
from hubbub.media.rows import copy, fill

PLAYING = 0
STOPPED = 1
FINISHED = 2


@kernel
def _from_clip(slots: Slots, players: Players, arena: Array, slot: int, player: int) -> None:
    """The next frame of a clip: around its end when it loops, zeros after its last."""
    offset = players[player].offset
    length = players[player].length
    position = players[player].position
    n = 0
    while n < FRAME:
        count = min(FRAME - n, length - position)
        copy(slots[slot].pcm, n, arena, offset + position, count)
        n += count
        position += count
        players[player].played += count
        if position >= length:
            if players[player].loops == 1:
                players[player].stopping = FINISHED
                fill(slots[slot].pcm, n, FRAME, 0)
                break
            if players[player].loops > 1:
                players[player].loops -= 1
            position = 0
    players[player].position = position


@kernel
def from_ring(slots: Slots, rings: Rings, slot: int, ring: int) -> int:
    """The next frame of a PCM ring, zeros where it has not enough; returns how many samples there were."""
    tail = rings[ring].tail[0]
    waiting = rings[ring].head[0] - tail
    fence()
    count = max(0, min(waiting, FRAME))
    at = tail % RING_SAMPLES
    first = min(count, RING_SAMPLES - at)
    copy(slots[slot].pcm, 0, rings[ring].pcm, at, first)
    copy(slots[slot].pcm, first, rings[ring].pcm, 0, count - first)
    fill(slots[slot].pcm, count, FRAME, 0)
    fence()
    rings[ring].tail[0] = tail + count
    return int(count)


@kernel
def play(slots: Slots, players: Players, rings: Rings, arena: Array, slot: int, player: int) -> None:
    """Produce a player's frame of this tick; at its end `stopping` says FINISHED."""
    slots[slot].have = 1
    if slots[slot].kind == CLIP:
        _from_clip(slots, players, arena, slot, player)
        return
    ring = slots[slot].ring
    ended = rings[ring].ended
    fence()
    count = from_ring(slots, rings, slot, ring)
    players[player].played += count
    if count < FRAME:
        if ended:
            players[player].stopping = FINISHED
        else:
            players[player].underruns += 1
        slots[slot].have = count > 0

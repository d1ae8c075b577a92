"""The loop's end of the event ring."""

from __future__ import annotations

from hubbub.media.compiled import kernel
from hubbub.media.counters import H_EVENTS_LOST
from hubbub.media.layout import Wires
from hubbub.media.libc import fence
from hubbub.media.messages import EVENTS


@kernel
def event_room(wires: Wires, worker: int) -> int:
    """Events that still fit."""
    return int(EVENTS - (wires[worker].event_head[0] - wires[worker].event_tail[0]))


@kernel
def tell(wires: Wires, worker: int, code: int, index: int, generation: int, value: int) -> bool:
    """Append an event; False (and counted) when the ring is full."""
    head = wires[worker].event_head[0]
    if head - wires[worker].event_tail[0] >= EVENTS:
        wires[worker].header[H_EVENTS_LOST] += 1
        return False
    place = head % EVENTS
    wires[worker].event[place, 0] = code
    wires[worker].event[place, 1] = index
    wires[worker].event[place, 2] = generation
    wires[worker].event[place, 3] = value
    fence()
    wires[worker].event_head[0] = head + 1
    return True

"""Single-producer single-consumer rings in shared memory: commands down, events up, PCM both ways.

A producer writes the entry, then publishes the head; a consumer reads the entry, then publishes the tail. `fence` (compiled side) and
`publish` (server side) are the only places that know about the processor's memory order.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hubbub.media.layout import RING_SAMPLES, Rings, Wires
from hubbub.media.messages import COMMAND_WORDS, COMMANDS, EVENTS

if TYPE_CHECKING:
    from hubbub.media.layout import Array

_barrier: Final = threading.Lock()


def publish(counter: Array, value: int) -> None:
    """Make `value` visible after everything that was written before it (taking a lock is a full barrier on every processor)."""
    with _barrier:
        counter[0] = value


def post_command(wires: Wires, worker: int, words: tuple[int, ...]) -> bool:
    """Append a command; False when the ring is full."""
    head = int(wires[worker].command_head[0])
    if head - int(wires[worker].command_tail[0]) >= COMMANDS:
        return False
    entry = wires[worker].command[head % COMMANDS]
    entry[: len(words)] = words
    entry[len(words) : COMMAND_WORDS] = 0
    publish(wires[worker].command_head, head + 1)
    return True


def take_events(wires: Wires, worker: int, limit: int = 4096) -> list[tuple[int, int, int, int]]:
    """Take up to `limit` events, oldest first."""
    tail = int(wires[worker].event_tail[0])
    head = min(int(wires[worker].event_head[0]), tail + limit)
    found = [tuple(wires[worker].event[index % EVENTS].tolist()) for index in range(tail, head)]
    if found:
        publish(wires[worker].event_tail, head)
    return found


class PcmRing:
    """The server's end of one ring of wide PCM."""

    def __init__(self, rings: Rings, index: int) -> None:
        self.index = index
        self._ring = rings[index]
        self._pcm = self._ring.pcm

    @property
    def level(self) -> int:
        """Samples that wait in the ring."""
        return self.written - self.taken

    @property
    def room(self) -> int:
        """Samples that fit."""
        return RING_SAMPLES - self.level

    @property
    def taken(self) -> int:
        """Samples that the consumer has taken so far."""
        return int(self._ring.tail[0])

    @property
    def written(self) -> int:
        """Samples that the producer has put in so far."""
        return int(self._ring.head[0])

    def reset(self) -> None:
        """Empty the ring; only while neither side uses it."""
        self._ring.head[:] = 0
        self._ring.tail[:] = 0
        self._ring.ended = 0

    def end(self) -> None:
        """Nothing more will be written."""
        with _barrier:
            self._ring.ended = 1

    def write(self, pcm: NDArray[np.int16]) -> int:
        """Put in as many samples as fit; return how many."""
        count = min(len(pcm), self.room)
        head = self.written
        at = head % RING_SAMPLES
        first = min(count, RING_SAMPLES - at)
        self._pcm[at : at + first] = pcm[:first]
        self._pcm[: count - first] = pcm[first:count]
        publish(self._ring.head, head + count)
        return count

    def read(self, limit: int = RING_SAMPLES) -> NDArray[np.int16]:
        """Take up to `limit` samples."""
        tail = self.taken
        count = min(limit, self.level)
        at = tail % RING_SAMPLES
        first = min(count, RING_SAMPLES - at)
        found = np.concatenate([self._pcm[at : at + first], self._pcm[: count - first]])
        publish(self._ring.tail, tail + count)
        return found

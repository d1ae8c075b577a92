"""What the next leg needs is asked for while this one is served: a leg's records do not stay in the caches for a whole tick.

Addresses of records are computed, never read; a hint that is wrong costs nothing but its line.
"""

from __future__ import annotations

from hubbub.media.compiled import kernel
from hubbub.media.desk import Desk
from hubbub.media.layout import NARROW, PACKETS, PAST, Engine
from hubbub.media.libc import prefetch, prefetch_lines

LINK_LINES = 6
"""Of a link: what every tick needs, and the counters."""
PACKET_LINES = 4
"""A packet of 20 ms of G.711, wherever it begins in a line."""
JITTER_LINES = 8
"""Of a jitter buffer: everything but sound and packets."""
PAST_LINES = 6
"""A narrow frame."""


@kernel
def _address(group_at: int, size: int, index: int) -> int:
    return group_at + size * index


@kernel
def of_reading(engine: Engine, desk: Desk, k: int) -> None:
    """Ask for what reading and playing out need: the heads of the leg after the next, and what the next one's head leads to."""
    legs = engine.links.size
    if k + 2 < desk.counts[0] and desk.active[k + 2] < legs:
        leg = desk.active[k + 2]
        prefetch_lines(_address(engine.links.ctypes.data, engine.links.itemsize, leg), LINK_LINES)
        prefetch_lines(_address(engine.jitter.ctypes.data, engine.jitter.itemsize, leg), JITTER_LINES)
        prefetch_lines(_address(engine.voices.ctypes.data, engine.voices.itemsize, leg), 3)
        prefetch_lines(_address(engine.slots.ctypes.data, engine.slots.itemsize, leg), 2)
        prefetch(_address(engine.ciphers.ctypes.data, engine.ciphers.itemsize, leg))
        prefetch(_address(engine.suppressors.ctypes.data, engine.suppressors.itemsize, leg))
    if k + 1 < desk.counts[0] and desk.active[k + 1] < legs:
        leg = desk.active[k + 1]
        coming = engine.links[leg].highest + 1
        waiting = (engine.jitter[leg].newest - engine.jitter[leg].play) // (NARROW * engine.jitter[leg].clock)
        prefetch_lines(engine.jitter[leg].payload[coming % PACKETS].ctypes.data, PACKET_LINES)
        prefetch_lines(engine.jitter[leg].payload[(coming - waiting) % PACKETS].ctypes.data, PACKET_LINES)
        prefetch_lines(engine.jitter[leg].past[(engine.jitter[leg].past_at + 1) % PAST].ctypes.data, PAST_LINES)


@kernel
def of_sending(engine: Engine, desk: Desk, k: int) -> None:
    """Ask for what the leg after the next needs for hearing and sending."""
    if k + 2 >= desk.counts[0] or desk.active[k + 2] >= engine.links.size:
        return
    leg = desk.active[k + 2]
    prefetch_lines(_address(engine.links.ctypes.data, engine.links.itemsize, leg), LINK_LINES)
    prefetch_lines(engine.links[leg].packet.ctypes.data, PACKET_LINES)
    prefetch_lines(_address(engine.ears.ctypes.data, engine.ears.itemsize, leg), 2)
    prefetch_lines(_address(engine.slots.ctypes.data, engine.slots.itemsize, leg), 2)
    prefetch(_address(engine.ciphers.ctypes.data, engine.ciphers.itemsize, leg))
    prefetch(_address(engine.keys.ctypes.data, engine.keys.itemsize, leg))
    prefetch(_address(engine.keys.ctypes.data, engine.keys.itemsize, leg) + 64)

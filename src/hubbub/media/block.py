"""The block of shared memory: how the records of `layout` lie in it, and their state at birth."""

from __future__ import annotations

import mmap
from functools import cache
from typing import Any, Final, get_args, get_type_hints

import numpy as np

from hubbub.media.layout import (
    FAINT,
    G722_FRESH,
    GATE,
    HANGOVER,
    LOUD,
    NARROW,
    ONSET,
    OPEN,
    UNITY,
    CipherState,
    Coder,
    Ear,
    Edge,
    Engine,
    JitterBuffer,
    Keypad,
    Link,
    MixState,
    PlayerState,
    Ring,
    Sizes,
    Slot,
    Suppressor,
    TapState,
    Voice,
    Wire,
)

_GROUPS: Final = (
    (Wire, "workers"),
    (Slot, "slots"),
    (Link, "legs"),
    (CipherState, "legs"),
    (JitterBuffer, "legs"),
    (Coder, "legs"),
    (Voice, "legs"),
    (Suppressor, "legs"),
    (Keypad, "legs"),
    (Ear, "legs"),
    (MixState, "mixes"),
    (Edge, "edges"),
    (PlayerState, "players"),
    (Ring, "rings"),
    (TapState, "rings"),
)


@cache
def record_type(record: type[Any]) -> np.dtype[np.void]:
    """The memory of one record: its fields in order, each aligned by nature."""
    fields: list[Any] = []
    for name, hint in get_type_hints(record, include_extras=True).items():
        _, scalar, *shape = get_args(hint)
        fields.append((name, scalar, tuple(shape)))
    return np.dtype(fields, align=True)


def _aligned(size: int) -> int:
    return (size + 127) // 64 * 64  # every group begins on a cache line of its own


def block_bytes(sizes: Sizes) -> int:
    """Bytes of the block for `sizes`."""
    groups = sum(_aligned(record_type(record).itemsize * getattr(sizes, count)) for record, count in _GROUPS)
    return groups + 2 * sizes.arena


def map_engine(sizes: Sizes, memory: mmap.mmap | bytearray | None = None) -> Engine:
    """The groups over `memory` (shared), or over fresh private memory; the memory must be zero at birth."""
    block = memory if memory is not None else bytearray(block_bytes(sizes))
    offset = 0
    groups: list[Any] = []
    for record, count in _GROUPS:
        kind = record_type(record)
        number = getattr(sizes, count)
        groups.append(np.frombuffer(block, kind, number, offset).view(np.recarray))
        offset += _aligned(kind.itemsize * number)
    groups.append(np.frombuffer(block, np.int16, sizes.arena, offset))
    return Engine(*groups)


def _zero(group: Any, index: int) -> None:
    group[index] = np.zeros((), group.dtype)


def clear_leg(engine: Engine, leg: int) -> None:
    """Bring every field of an inactive leg to its state at birth (the parent's right, by the ownership rule)."""
    for group in (engine.links, engine.ciphers, engine.jitter, engine.coders, engine.voices, engine.suppressors, engine.keys, engine.ears):
        _zero(group, leg)
    for state in (engine.coders[leg].encoder, engine.coders[leg].decoder):
        state[:] = G722_FRESH
    voice = engine.voices[leg]
    voice.loud, voice.faint, voice.onset_frames, voice.hang_frames, voice.gate = LOUD, FAINT, ONSET, HANGOVER, GATE
    voice.gain = UNITY
    engine.jitter[leg].depth = 480
    engine.jitter[leg].clock = 1
    engine.jitter[leg].patience = 100
    engine.links[leg].event_type = -1
    engine.links[leg].payload_type = -1
    engine.links[leg].ptime = NARROW
    engine.links[leg].event_clock = 1
    engine.ears[leg].first_edge = -1
    engine.ears[leg].limiter = OPEN
    clear_slot(engine, leg)


def clear_slot(engine: Engine, slot: int) -> None:
    """Bring the place in the matrix of an inactive slot to its state at birth; its generation and worker stay."""
    record = engine.slots[slot]
    generation, worker = record.generation, record.worker
    _zero(engine.slots, slot)
    record.generation, record.worker = generation, worker
    record.mix = -1
    record.next_mix = -1
    record.ring = -1


def clear_mix(engine: Engine, mix: int) -> None:
    """Bring an inactive mix to its state at birth; its generation and worker stay."""
    record = engine.mixes[mix]
    generation, worker = record.generation, record.worker
    _zero(engine.mixes, mix)
    record.generation, record.worker = generation, worker
    record.limiter = OPEN
    record.computed = -1
    record.narrowed = -1
    record.encoded[:] = -1

"""Takeover: what a process finds in the shared block is checked before it is used, and its own lists are made from it."""

from __future__ import annotations

from hubbub.media.commands import activate, mix_ok, source_ok
from hubbub.media.compiled import kernel
from hubbub.media.desk import Desk
from hubbub.media.jitter import restart
from hubbub.media.layout import (
    ACTIVE,
    CODEC_CLOCK,
    CODEC_WIDE,
    CODECS,
    FRAME,
    FREE,
    LEAVING,
    PACKET_BYTES,
    PACKETS,
    PAST,
    STREAMS,
    TAP_MIX,
    Engine,
)
from hubbub.media.libsrtp import SUITE_ROWS
from hubbub.media.messages import EDGE_GONE
from hubbub.media.mix import leave, link_edge
from hubbub.media.rows import fill
from hubbub.media.signals import tell
from hubbub.media.suppressor import forget, sound


@kernel
def _here(engine: Engine, worker: int, slot: int, count: int) -> bool:
    """Whether an index below `count` is that of a slot that this worker serves."""
    return bool(0 <= slot < count and engine.slots[slot].state != FREE and engine.slots[slot].worker == worker)


@kernel
def _rebuild_edges(engine: Engine, worker: int) -> int:
    """Make the listeners' lists anew from the edges; returns how many edges were unusable."""
    edges = engine.edges
    legs = engine.links.size
    slots = engine.slots
    bad = 0
    for leg in range(legs):
        if slots[leg].worker == worker:
            engine.ears[leg].first_edge = -1
    for e in range(edges.size):
        if edges[e].state == FREE or edges[e].worker != worker:
            continue
        source = edges[e].source
        leg = edges[e].listener
        if _here(engine, worker, source, slots.size) and _here(engine, worker, leg, legs):
            link_edge(edges, engine.ears, e)
        else:
            edges[e].state = FREE
            bad += 1
            tell(engine.wires, worker, EDGE_GONE, e, 0, 0)
    return bad


@kernel
def _revalidate_leg(engine: Engine, desk: Desk, worker: int, leg: int) -> int:
    """Bring a leg out of its group, and forget packets that cannot be; returns 1 when there were such."""
    mix = engine.slots[leg].mix
    if mix_ok(engine, worker, mix):
        leave(engine.mixes, engine.ears, engine.coders, desk, leg, mix, -2)
    if not 0 <= engine.ciphers[leg].suite < SUITE_ROWS or not 0 <= engine.ciphers[leg].next < STREAMS:
        engine.ciphers[leg].suite = SUITE_ROWS - 1  # it stays encrypted, whatever that is worth
        engine.ciphers[leg].next = 0
    engine.links[leg].frames = 0
    engine.ears[leg].joined = 0
    engine.ears[leg].shared = 0
    engine.ears[leg].same = 0
    if (engine.suppressors[leg].wanted or engine.suppressors[leg].share) and not sound(engine.suppressors, leg):
        forget(engine.suppressors, leg)
    jitter = engine.jitter
    engine.links[leg].plugged = -1  # the kernel knows, we do not
    jitter[leg].clock = CODEC_CLOCK[engine.links[leg].codec]
    jitter[leg].wide = CODEC_WIDE[engine.links[leg].codec]
    if not 0 <= jitter[leg].past_at < PAST or not 0 < jitter[leg].lag <= 3 * FRAME // 4:
        jitter[leg].past_at = 0
        jitter[leg].concealed = PAST
    for j in range(PACKETS):
        if not 0 <= jitter[leg].length[j] <= PACKET_BYTES or not 0 <= jitter[leg].codec[j] < CODECS:
            restart(jitter, leg)
            return 1
    return 0


@kernel
def revalidate(engine: Engine, desk: Desk, worker: int) -> int:
    """On takeover: build this process's lists from the shared states and check every index; returns how many entries were wrong."""
    slots = engine.slots
    bad = 0
    for m in range(engine.mixes.size):
        if engine.mixes[m].state == ACTIVE and engine.mixes[m].worker == worker:
            engine.mixes[m].sources = 0
            fill(engine.mixes[m].total, 0, FRAME, 0)
            desk.mixes[desk.counts[1]] = m
            desk.counts[1] += 1
    for i in range(slots.size):
        if slots[i].state == FREE or slots[i].worker != worker:
            continue
        if slots[i].moving == 1 and slots[i].next_mix != -1 and not mix_ok(engine, worker, slots[i].next_mix):
            slots[i].next_mix = -1
            bad += 1
        state = slots[i].state
        if not source_ok(engine, worker, i):
            bad += 1
            slots[i].mix = -1
            if not source_ok(engine, worker, i):
                state = LEAVING
        activate(engine, desk, i)
        slots[i].state = state
        if i < engine.links.size:
            bad += _revalidate_leg(engine, desk, worker, i)
    for tap in range(engine.taps.size):
        if engine.taps[tap].state != ACTIVE or engine.taps[tap].worker != worker:
            continue
        of = engine.taps[tap].of
        mine = engine.taps[tap].kind == TAP_MIX and mix_ok(engine, worker, of)
        leg = engine.taps[tap].kind != TAP_MIX and 0 <= of < engine.links.size
        if not mine and not leg:
            engine.taps[tap].of = -1
        desk.taps[desk.counts[2]] = tap
        desk.counts[2] += 1
    return bad + _rebuild_edges(engine, worker)

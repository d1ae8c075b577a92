"""Commands as the loop applies them: every index is checked; a wrong command is counted, never obeyed."""

from __future__ import annotations

from hubbub.media import dtmf, layout, messages, opus, srtp, suppressor
from hubbub.media.compiled import kernel
from hubbub.media.counters import H_BAD_COMMANDS
from hubbub.media.desk import Desk
from hubbub.media.jitter import DEEPEST, retune, skip, tune
from hubbub.media.layout import (
    ACTIVE,
    APART,
    CLIP,
    CODEC_CLOCK,
    FREE,
    GAIN_MAX,
    HANDED,
    LEAVING,
    LONGEST_PACKET,
    PCM_RING,
    SOCKET,
    TAP_IN,
    TAP_MIX,
    Array,
    Engine,
)
from hubbub.media.libc import fence
from hubbub.media.messages import EDGE_GONE, EVENT_RESERVE, MIX_GONE, PLAYED, TAP_GONE
from hubbub.media.mix import leave, link_edge, route
from hubbub.media.rows import fill
from hubbub.media.rtp import packet_ok, pass_time, write_peer
from hubbub.media.signals import event_room, tell

PER_TICK = 2048
"""Commands applied in one tick at most: a burst must not delay the audio."""


@kernel
def _slot_ok(engine: Engine, worker: int, slot: int, generation: int) -> bool:
    """Whether `slot` names an active slot of this worker in this life."""
    slots = engine.slots
    if slot < 0 or slot >= slots.size:
        return False
    return bool(slots[slot].state == ACTIVE and slots[slot].generation == generation and slots[slot].worker == worker)


@kernel
def mix_ok(engine: Engine, worker: int, mix: int) -> bool:
    """Whether `mix` names an active mix of this worker."""
    mixes = engine.mixes
    return bool(0 <= mix < mixes.size and mixes[mix].state == ACTIVE and mixes[mix].worker == worker)


@kernel
def source_ok(engine: Engine, worker: int, slot: int) -> bool:
    """Whether the fields of a slot can be used: kinds, indices and ranges that the loop relies on."""
    slots = engine.slots
    legs = engine.links.size
    kind = slots[slot].kind
    if slots[slot].mix != -1 and not mix_ok(engine, worker, slots[slot].mix):
        return False
    if kind == PCM_RING and not 0 <= slots[slot].ring < engine.rings.size:
        return False
    if slot < legs:
        links = engine.links
        good = kind in (SOCKET, PCM_RING) and packet_ok(links[slot].codec, links[slot].ptime)
        return bool(good and 0 <= links[slot].out_length <= LONGEST_PACKET)
    player = slot - legs
    if kind == CLIP:
        players = engine.players
        offset = players[player].offset
        length = players[player].length
        inside = offset >= 0 and 0 < length <= engine.arena.size and offset + length <= engine.arena.size
        return bool(inside and 0 <= players[player].position < length and players[player].loops >= 0)
    return bool(kind == PCM_RING)


@kernel
def activate(engine: Engine, desk: Desk, slot: int) -> None:
    """Put a slot on the list of those that the loop serves."""
    if desk.place[slot] < 0:
        desk.place[slot] = desk.counts[0]
        desk.active[desk.counts[0]] = slot
        desk.counts[0] += 1
    engine.slots[slot].state = ACTIVE


@kernel
def deactivate(engine: Engine, desk: Desk, slot: int) -> None:
    """Take a slot off the list; from now on its fields are the server's."""
    at = desk.place[slot]
    if at >= 0:
        last = desk.active[desk.counts[0] - 1]
        desk.active[at] = last
        desk.place[last] = at
        desk.place[slot] = -1
        desk.counts[0] -= 1
    engine.slots[slot].have = 0
    fence()
    engine.slots[slot].state = FREE


@kernel
def _add_edge(engine: Engine, desk: Desk, worker: int, edge: int, source: int, listener: int, gain: int) -> bool:
    """Make an edge of two active slots that are already checked; False when it cannot be."""
    edges = engine.edges
    if edge < 0 or edge >= edges.size or edges[edge].state != FREE or edges[edge].worker != worker:
        return False
    if (gain != APART and not -GAIN_MAX <= gain <= GAIN_MAX) or gain == 0:
        return False
    edges[edge].apart = gain == APART
    edges[edge].source = source
    edges[edge].listener = listener
    edges[edge].gain = 0
    edges[edge].gain_to = 0 if gain == APART else gain
    fence()
    edges[edge].state = ACTIVE
    link_edge(edges, engine.ears, edge)
    return True


@kernel
def _take_over_clock(engine: Engine, leg: int, tick: int) -> None:
    """A new leg is heard from now on; one that comes from another worker goes on as if the ticks between had been served."""
    links = engine.links
    if links[leg].handed == 0:
        links[leg].last_heard = tick
        return
    gap = max(0, min(tick - links[leg].handed - 1, 3000))
    links[leg].handed = 0
    if gap > 0:
        skip(engine.jitter, leg, gap)
        pass_time(links, leg, gap)


@kernel
def _add(engine: Engine, desk: Desk, worker: int, words: Array, tick: int) -> bool:
    """ADD slot, generation, edge (or -1), listener, its generation, gain: the slot's fields were written by the server."""
    slots = engine.slots
    slot = words[1]
    if slot < 0 or slot >= slots.size or slots[slot].state != FREE:
        return False
    if slots[slot].generation != words[2] or slots[slot].worker != worker:
        return False
    legs = engine.links.size
    listener = words[4]
    if not source_ok(engine, worker, slot):
        # A player whose mix has just gone has nothing to play to: that is no error, and the server waits for its end.
        return slot >= legs and tell(engine.wires, worker, PLAYED, slot, words[2], 0)
    if words[3] >= 0:
        heard = 0 <= listener < legs and _slot_ok(engine, worker, listener, words[5])
        if not heard or not _add_edge(engine, desk, worker, words[3], slot, listener, words[6]):
            tell(engine.wires, worker, EDGE_GONE, words[3], 0, 0)
            return tell(engine.wires, worker, PLAYED, slot, words[2], 0)
    if slot < legs:
        _take_over_clock(engine, slot, tick)
        opus.forget(desk, slot)
        engine.links[slot].frames = 0
    activate(engine, desk, slot)
    return True


@kernel
def _remove(engine: Engine, desk: Desk, worker: int, slot: int, generation: int, handed: int) -> bool:
    """REMOVE or STOP slot, generation, whether another worker goes on with it: it fades out in this tick and is taken away at its end."""
    slots = engine.slots
    if not _slot_ok(engine, worker, slot, generation):
        # A player that has ended by itself, or with its mix: that is no error, its end is told all the same.
        return bool(engine.links.size <= slot < slots.size and slots[slot].generation >= generation and slots[slot].worker == worker)
    slots[slot].state = LEAVING
    slots[slot].speak_to = 0
    slots[slot].moving = HANDED if handed else 0
    if handed:
        slots[slot].hear_to = 0
    edges = engine.edges
    for e in range(edges.size):
        if edges[e].state == FREE or edges[e].worker != worker or edges[e].apart:
            continue
        if edges[e].source == slot or (handed and edges[e].listener == slot):
            edges[e].gain_to = 0
            edges[e].state = LEAVING
    return True


@kernel
def _connect(engine: Engine, desk: Desk, worker: int, words: Array, tick: int) -> bool:
    """CONNECT leg, generation, remote, packed, ptime, quiet ticks, format of the encoder (`libopus.format_word`).

    Packed: codec | type << 8 | (event type + 1) << 16 | sends << 24 | receives << 25 | events at 8 kHz << 26 | reports
    on the same port << 27.
    """
    leg = words[1]
    links = engine.links
    if not 0 <= leg < links.size or not _slot_ok(engine, worker, leg, words[2]):
        return False
    packed = words[4]
    codec = packed & 255
    ptime = words[5]
    if not packet_ok(codec, ptime):
        return False
    if links[leg].signalled != words[3]:
        # What still comes from the old address must not be latched again.
        links[leg].former = links[leg].latched
        links[leg].signalled = words[3]
        links[leg].latched = 0
        links[leg].locked = 0
        write_peer(links, leg, words[3])
    if links[leg].codec != codec or links[leg].ptime != ptime or not links[leg].connected:
        dtmf.hush(links, leg)
    if links[leg].codec != codec:
        leave(engine.mixes, engine.ears, engine.coders, desk, leg, engine.slots[leg].mix, -2)
        retune(engine.jitter, engine.coders, leg, codec, desk.fresh)
        opus.forget(desk, leg)
    receives = (packed >> 25) & 1
    if receives and not links[leg].receives:
        links[leg].last_heard = tick
    links[leg].codec = codec
    links[leg].payload_type = (packed >> 8) & 127
    links[leg].event_type = ((packed >> 16) & 255) - 1
    links[leg].sends = (packed >> 24) & 1
    links[leg].receives = receives
    links[leg].event_clock = 1 if (packed >> 26) & 1 else CODEC_CLOCK[codec]
    links[leg].muxed = (packed >> 27) & 1
    links[leg].form = words[7]
    links[leg].ptime = ptime
    links[leg].quiet_after = words[6]
    links[leg].quiet_said = 0
    links[leg].connected = 1
    return True


@kernel
def _route(engine: Engine, desk: Desk, worker: int, words: Array) -> bool:
    """ROUTE slot, generation, mix (or -1), speak, hear."""
    gains = -GAIN_MAX <= words[4] <= GAIN_MAX and -GAIN_MAX <= words[5] <= GAIN_MAX
    if not _slot_ok(engine, worker, words[1], words[2]) or not gains:
        return False
    if words[3] != -1 and not mix_ok(engine, worker, words[3]):
        return False
    slot = words[1]
    if slot < engine.links.size and words[3] != engine.slots[slot].mix:
        leave(engine.mixes, engine.ears, engine.coders, desk, slot, engine.slots[slot].mix, -2)
    route(engine.slots, slot, words[3], words[4], words[5])
    return True


@kernel
def _edge(engine: Engine, desk: Desk, worker: int, words: Array) -> bool:
    """EDGE edge, source, its generation, listener, its generation, gain (0 takes it away)."""
    edges = engine.edges
    edge = words[1]
    if edge < 0 or edge >= edges.size:
        return False
    if edges[edge].worker != worker:
        return False
    if edges[edge].state != FREE:
        if edges[edge].source != words[2] or edges[edge].listener != words[4] or not -GAIN_MAX <= words[6] <= GAIN_MAX:
            return False
        edges[edge].gain_to = words[6]
        edges[edge].state = LEAVING if words[6] == 0 else ACTIVE
        return True
    ends = (
        _slot_ok(engine, worker, words[2], words[3]) and 0 <= words[4] < engine.links.size and _slot_ok(engine, worker, words[4], words[5])
    )
    if ends and _add_edge(engine, desk, worker, edge, words[2], words[4], words[6]):
        return True
    # An end that has just left, or an edge that went with it: no error, but the server waits for the word.
    return tell(engine.wires, worker, EDGE_GONE, edge, 0, 0)


@kernel
def _add_mix(engine: Engine, desk: Desk, worker: int, mix: int) -> bool:
    mixes = engine.mixes
    if mix < 0 or mix >= mixes.size or mixes[mix].state != FREE or mixes[mix].worker != worker:
        return False
    mixes[mix].state = ACTIVE
    opus.forget(desk, engine.links.size + mix)
    desk.mixes[desk.counts[1]] = mix
    desk.counts[1] += 1
    return True


@kernel
def _remove_mix(engine: Engine, desk: Desk, worker: int, mix: int) -> bool:
    """REMOVE_MIX mix: whoever is still in it hears nothing and is heard by nobody from now on."""
    if not mix_ok(engine, worker, mix):
        return False
    slots = engine.slots
    legs = engine.links.size
    for k in range(desk.counts[0]):
        i = desk.active[k]
        if slots[i].moving == 1 and slots[i].next_mix == mix:
            slots[i].next_mix = -1
        if slots[i].mix == mix:
            if i < legs:
                leave(engine.mixes, engine.ears, engine.coders, desk, i, mix, -2)
            elif slots[i].state == ACTIVE:
                slots[i].state = LEAVING
            slots[i].mix = -1
            slots[i].speak_to = 0
            slots[i].hear_to = 0
    for k in range(desk.counts[2]):
        tap = desk.taps[k]
        if engine.taps[tap].kind == TAP_MIX and engine.taps[tap].of == mix:
            engine.taps[tap].of = -1
    for k in range(desk.counts[1]):
        if desk.mixes[k] == mix:
            desk.mixes[k] = desk.mixes[desk.counts[1] - 1]
            desk.counts[1] -= 1
            break
    fence()
    engine.mixes[mix].state = FREE
    return tell(engine.wires, worker, MIX_GONE, mix, engine.mixes[mix].generation, 0)


@kernel
def _tap(engine: Engine, desk: Desk, worker: int, words: Array, tick: int) -> bool:
    """TAP tap, kind, of, generation, whether it goes on: copies from this tick on; of a leg or mix that has gone, silence.

    A tap that goes on was another worker's: it keeps its clock, and what was missed on the way is silence.
    """
    taps = engine.taps
    tap = words[1]
    kind = words[2]
    of = words[3]
    if tap < 0 or tap >= taps.size or taps[tap].state != FREE or kind < TAP_IN or kind > TAP_MIX or taps[tap].worker != worker:
        return False
    if kind == TAP_MIX:
        here = mix_ok(engine, worker, of) and engine.mixes[of].generation == words[4]
    else:
        here = 0 <= of < engine.links.size and _slot_ok(engine, worker, of, words[4])
    taps[tap].kind = kind
    taps[tap].of = of if here else -1
    if words[5] == 0 or taps[tap].start < 0:
        taps[tap].start = tick
        taps[tap].due = tick
        taps[tap].overruns = 0
    taps[tap].state = ACTIVE
    desk.taps[desk.counts[2]] = tap
    desk.counts[2] += 1
    return True


@kernel
def untap(engine: Engine, desk: Desk, worker: int, tap: int) -> bool:
    """UNTAP tap: its ring is the server's again."""
    taps = engine.taps
    if tap < 0 or tap >= taps.size or taps[tap].state != ACTIVE or taps[tap].worker != worker:
        return False
    for k in range(desk.counts[2]):
        if desk.taps[k] == tap:
            desk.taps[k] = desk.taps[desk.counts[2] - 1]
            desk.counts[2] -= 1
            break
    fence()
    taps[tap].state = FREE
    return tell(engine.wires, worker, TAP_GONE, tap, 0, 0)


@kernel
def _digit(engine: Engine, worker: int, words: Array) -> bool:
    """DIGIT leg, generation, code, ticks of tone, ticks of gap."""
    leg = words[1]
    if not 0 <= leg < engine.links.size or not _slot_ok(engine, worker, leg, words[2]):
        return False
    if not 0 <= words[3] <= layout.PAUSE or not 1 <= words[4] <= 3000 or not 0 <= words[5] <= 3000:
        return False
    return dtmf.queue_digit(engine.keys, leg, words[3], words[4], words[5])


@kernel
def _tune(engine: Engine, worker: int, words: Array) -> bool:
    """TUNE leg, generation, depth of its jitter buffer (samples of 8 kHz), or -1 for an adaptive one."""
    leg = words[1]
    if not 0 <= leg < engine.links.size or not _slot_ok(engine, worker, leg, words[2]) or not -1 <= words[3] <= DEEPEST:
        return False
    tune(engine.jitter, leg, max(words[3], 0), words[3] < 0)
    return True


@kernel
def _heed(engine: Engine, worker: int, words: Array) -> bool:
    """HEED leg, generation, percent of our packets that the far end has lost of late."""
    leg = words[1]
    if not 0 <= leg < engine.links.size or not _slot_ok(engine, worker, leg, words[2]):
        return False
    engine.links[leg].far_loss = max(0, min(words[3], 100))
    return True


@kernel
def _sense(engine: Engine, worker: int, words: Array) -> bool:
    """SENSE leg, generation, mean squares at which speech starts and ends, frames of onset and of hangover, mean square of the gate."""
    leg = words[1]
    if not 0 <= leg < engine.links.size or not _slot_ok(engine, worker, leg, words[2]):
        return False
    voices = engine.voices
    voices[leg].loud = words[3]
    voices[leg].faint = words[4]
    voices[leg].onset_frames = max(1, min(words[5], 1000))
    voices[leg].hang_frames = max(1, min(words[6], 1000))
    voices[leg].gate = words[7]
    return True


@kernel
def _level(engine: Engine, worker: int, words: Array) -> bool:
    """LEVEL leg, generation, mean square to which its talker is brought (0: as it is)."""
    leg = words[1]
    if not 0 <= leg < engine.links.size or not _slot_ok(engine, worker, leg, words[2]) or not 0 <= words[3] <= 1 << 28:
        return False
    engine.voices[leg].target = words[3]
    engine.voices[leg].loudness = 0
    return True


@kernel
def _cipher(engine: Engine, worker: int, words: Array) -> bool:
    """CIPHER leg, generation, keys (`srtp.take_keys`)."""
    leg = words[1]
    if not 0 <= leg < engine.links.size or not _slot_ok(engine, worker, leg, words[2]):
        fill(words, 3, words.size, 0)
        return False
    return srtp.take_keys(engine.ciphers, leg, words[2], words)


@kernel
def _suppress(engine: Engine, worker: int, words: Array) -> bool:
    """SUPPRESS leg, generation, whether the noise behind its talker is turned down."""
    leg = words[1]
    if not 0 <= leg < engine.links.size or not _slot_ok(engine, worker, leg, words[2]) or not 0 <= words[3] <= 1:
        return False
    if words[3] and not engine.suppressors[leg].wanted and not engine.suppressors[leg].share:
        suppressor.forget(engine.suppressors, leg)
    engine.suppressors[leg].wanted = words[3]
    return True


@kernel
def _apply(engine: Engine, desk: Desk, worker: int, words: Array, tick: int) -> bool:
    code = words[0]
    if code == messages.ADD:
        return _add(engine, desk, worker, words, tick)
    if code == messages.REMOVE or code == messages.STOP:
        return _remove(engine, desk, worker, words[1], words[2], words[3])
    if code == messages.CONNECT:
        return _connect(engine, desk, worker, words, tick)
    if code == messages.ROUTE:
        return _route(engine, desk, worker, words)
    if code == messages.EDGE:
        return _edge(engine, desk, worker, words)
    if code == messages.ADD_MIX:
        return _add_mix(engine, desk, worker, words[1])
    if code == messages.REMOVE_MIX:
        return _remove_mix(engine, desk, worker, words[1])
    if code == messages.TAP:
        return _tap(engine, desk, worker, words, tick)
    if code == messages.UNTAP:
        return untap(engine, desk, worker, words[1])
    if code == messages.TUNE:
        return _tune(engine, worker, words)
    if code == messages.SENSE:
        return _sense(engine, worker, words)
    if code == messages.LEVEL:
        return _level(engine, worker, words)
    if code == messages.SUPPRESS:
        return _suppress(engine, worker, words)
    if code == messages.HEED:
        return _heed(engine, worker, words)
    if code == messages.CIPHER:
        return _cipher(engine, worker, words)
    if code == messages.DIGIT:
        return _digit(engine, worker, words)
    return False


@kernel
def apply_commands(engine: Engine, desk: Desk, worker: int, tick: int) -> int:
    """Apply what the server has posted, while there is room for the answers; returns how many."""
    wires = engine.wires
    done = 0
    tail = wires[worker].command_tail[0]
    while done < PER_TICK and tail < wires[worker].command_head[0] and event_room(wires, worker) > EVENT_RESERVE:
        fence()
        words = wires[worker].command[tail % messages.COMMANDS]
        if not _apply(engine, desk, worker, words, tick):
            wires[worker].header[H_BAD_COMMANDS] += 1
        tail += 1
        done += 1
        fence()
        wires[worker].command_tail[0] = tail
    return done

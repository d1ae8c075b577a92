"""The loop: twenty milliseconds at a time, without Python, without allocation."""

from __future__ import annotations

from hubbub.media import ahead, dtmf, opus, srtp
from hubbub.media.agc import level_out
from hubbub.media.codecs import encode, frame_bytes
from hubbub.media.commands import apply_commands, deactivate, untap
from hubbub.media.compiled import kernel
from hubbub.media.counters import (
    C_UNDERRUNS,
    H_BUSY_NS,
    H_EPOCH,
    H_LATE,
    H_LATE_MAX_NS,
    H_RECEIVE_NS,
    H_REPAIRED,
    H_RUNS,
    H_SKIPPED,
    H_STOP,
    H_TICK,
    TIMES,
)
from hubbub.media.desk import LANES, MANY, WAITING, Desk
from hubbub.media.framing import next_opus
from hubbub.media.jitter import fetch, skip
from hubbub.media.layout import CODEC_WIDE, FRAME, FREE, G722, HANDED, LEAVING, NARROW, OPUS, OPUS_CLOCK, SOCKET, TAP_MIX, TICK_NS, Engine
from hubbub.media.levels import detect, energy, passes, shut
from hubbub.media.libc import MONOTONIC, THREAD_CPU, clock_ns, sleep_until, write
from hubbub.media.messages import EDGE_GONE, PLAYED, QUIET, REMOVED, SPEECH
from hubbub.media.mix import advance, encode_mix, join_encoder, leave, listen, listen_narrow, sum_mixes, unlink_edge
from hubbub.media.players import FINISHED, from_ring, play
from hubbub.media.resample import widen
from hubbub.media.rows import copy, fill
from hubbub.media.rtp import appended, next_packet, packet_sent, pass_time, write_header
from hubbub.media.signals import event_room, tell
from hubbub.media.sockets import receive_leg, send
from hubbub.media.suppressor import suppress
from hubbub.media.takeover import revalidate
from hubbub.media.taps import copy_taps
from hubbub.media.together import FEW, decode_early, encode_queue

SAMPLE = 64
"""One leg in so many is timed in each tick."""
CATCH_UP = 5
"""Ticks that are made up for after a pause; beyond, time is skipped."""


@kernel
def _has_begun(engine: Engine, leg: int) -> bool:
    """Whether anything has come from a leg so far, be it silence."""
    if engine.slots[leg].kind == SOCKET:
        return bool(engine.jitter[leg].sounded)
    return bool(engine.rings[engine.slots[leg].ring].head[0] > 0)


@kernel
def produce_leg(engine: Engine, desk: Desk, worker: int, leg: int, tick: int) -> None:
    """Play out, widen, clean and measure a leg's frame of this tick."""
    slots = engine.slots
    voices = engine.voices
    total = 0
    if slots[leg].kind == SOCKET:
        wide = engine.jitter[leg].wide != 0
        count = FRAME if wide else NARROW
        desk.counts[MANY] += engine.links[leg].codec == G722
        if engine.jitter[leg].clock == OPUS_CLOCK:
            cleaned = engine.suppressors[leg].wanted or engine.suppressors[leg].share
            opus.unheard(desk, leg, shut(voices, leg) and not cleaned)
        covered = fetch(engine.jitter, engine.coders, leg, desk, voices[leg].level, desk.frame)
        if covered < 0:
            fill(desk.frame, 0, count, 0)
        elif covered == 0 and engine.jitter[leg].sounded and tick - engine.links[leg].last_heard < 50:
            engine.links[leg].counters[C_UNDERRUNS] += 1
        total = energy(desk.frame, count)
        level = total // count
        if wide:
            copy(slots[leg].pcm, 0, desk.frame, 0, FRAME)
        elif total != 0 or voices[leg].tail:
            widen(voices[leg].up, desk.frame, slots[leg].pcm, desk.line, desk.total)
    else:
        from_ring(slots, engine.rings, leg, slots[leg].ring)
        total = energy(slots[leg].pcm, FRAME)
        level = total // FRAME
    comes = total != 0
    if engine.suppressors[leg].wanted or engine.suppressors[leg].share:
        if not comes and not voices[leg].tail:
            fill(slots[leg].pcm, 0, FRAME, 0)
        if engine.suppressors[leg].age or _has_begun(engine, leg):  # from no sound nothing is learnt about the noise
            suppress(engine.suppressors, leg, desk, slots[leg].pcm)
        total = energy(slots[leg].pcm, FRAME)
        level = total // FRAME
    slots[leg].have = (total != 0 or voices[leg].tail != 0) and passes(voices, leg, level)
    voices[leg].tail = comes
    change = detect(voices, leg, level)
    if slots[leg].have:
        level_out(voices, leg, level, slots[leg].pcm)
    if change != 0:
        tell(engine.wires, worker, SPEECH, leg, slots[leg].generation, change)


@kernel
def _watch_quiet(engine: Engine, worker: int, leg: int, tick: int) -> None:
    """Tell when nothing has arrived for long, once per period."""
    links = engine.links
    if not links[leg].connected or not links[leg].receives or links[leg].quiet_after <= 0:
        return
    quiet = tick - links[leg].last_heard
    if quiet >= links[leg].quiet_after * (links[leg].quiet_said + 1):
        links[leg].quiet_said += 1
        tell(engine.wires, worker, QUIET, leg, engine.slots[leg].generation, quiet)


@kernel
def _send_audio(engine: Engine, desk: Desk, worker: int, leg: int, shared: bool, run: int) -> None:
    """Encode what the leg hears, and send the packets that are full."""
    links = engine.links
    codec = links[leg].codec
    at = 12 + links[leg].out_length
    if codec == OPUS:
        for part in range(2):
            size = next_opus(engine, desk, leg, shared, run, part)
            if size > 0:
                send(engine, desk, worker, leg, size)
        pass_time(links, leg, 1)
        return
    if shared:
        mix = engine.slots[leg].mix
        if codec == G722:
            join_encoder(engine.mixes, engine.ears, engine.coders, desk, leg, mix, codec, run)
        encode_mix(engine.mixes, mix, codec, desk, run)
        copy(links[leg].packet, at, engine.mixes[mix].payload[codec], 0, frame_bytes(codec))
    elif codec == G722:
        desk.queue[desk.counts[WAITING]] = leg
        desk.counts[WAITING] += 1
        if desk.counts[WAITING] == LANES:
            send_queue(engine, desk, worker)
        return
    else:
        encode(codec, engine.coders[leg].encoder, engine.ears[leg].pcm, desk.narrow, links[leg].packet, at, desk)
    _post(engine, desk, worker, leg)


@kernel
def _post(engine: Engine, desk: Desk, worker: int, leg: int) -> None:
    """A frame lies behind what waits to be sent: send the packets that are full."""
    links = engine.links
    appended(links, leg, frame_bytes(links[leg].codec))
    while True:
        size = next_packet(links, leg)
        if size == 0:
            break
        send(engine, desk, worker, leg, size)
        packet_sent(links, leg)


@kernel
def send_queue(engine: Engine, desk: Desk, worker: int) -> None:
    """Encode and send what waits to be encoded together."""
    encode_queue(engine.links, engine.coders, engine.ears, desk)
    for lane in range(desk.counts[WAITING]):
        _post(engine, desk, worker, desk.queue[lane])
    desk.counts[WAITING] = 0


@kernel
def _send_event(engine: Engine, desk: Desk, worker: int, leg: int) -> None:
    """Send this tick's telephone event instead of audio."""
    links = engine.links
    dtmf.hush(links, leg)
    mark = dtmf.event_payload(engine.keys, leg, links)
    write_header(links, leg, links[leg].event_type, mark, engine.keys[leg].start)
    pass_time(links, leg, 1)
    send(engine, desk, worker, leg, 16)


@kernel
def serve_leg(engine: Engine, desk: Desk, worker: int, leg: int, run: int) -> None:
    """Compute what a leg hears and send it."""
    links = engine.links
    phase = dtmf.step(engine.keys, leg, links[leg].out_time)
    sounding = phase != dtmf.IDLE and links[leg].event_type < 0
    wide = CODEC_WIDE[links[leg].codec] != 0
    shared = listen(engine.slots, engine.mixes, engine.ears, engine.coders, engine.edges, desk, leg, run, sounding, links[leg].codec)
    if sounding:
        dtmf.tone_frame(engine.keys, leg, phase, desk.sine, engine.ears[leg].pcm)
    if engine.slots[leg].kind != SOCKET:
        return
    if not shared and not wide:
        listen_narrow(engine.ears, desk, leg)
    if not links[leg].connected or not links[leg].sends:
        dtmf.hush(links, leg)
        pass_time(links, leg, 1)
    elif not sounding and (phase == dtmf.TONE or phase == dtmf.END):
        _send_event(engine, desk, worker, leg)
    else:
        _send_audio(engine, desk, worker, leg, shared, run)


@kernel
def _bury(engine: Engine, desk: Desk, worker: int, slot: int, tick: int) -> None:
    """Take a slot away, and everything that points at it: for good, or because another worker goes on with it."""
    edges = engine.edges
    legs = engine.links.size
    handed = engine.slots[slot].moving == HANDED
    for e in range(edges.size):
        mine = edges[e].state != FREE and edges[e].worker == worker
        if mine and (edges[e].source == slot or edges[e].listener == slot):  # a listener is a leg, and legs come first
            unlink_edge(edges, engine.ears, e)
            tell(engine.wires, worker, EDGE_GONE, e, 0, 0)
    k = 0
    while k < desk.counts[2]:
        tap = desk.taps[k]
        if engine.taps[tap].kind != TAP_MIX and engine.taps[tap].of == slot:
            if handed and untap(engine, desk, worker, tap):
                continue
            engine.taps[tap].of = -1
        k += 1
    if handed and slot < legs:
        leave(engine.mixes, engine.ears, engine.coders, desk, slot, engine.slots[slot].mix, -2)
        engine.links[slot].handed = tick
    if slot < legs:
        srtp.release(desk, slot)
        if not handed:
            srtp.forget_keys(engine.ciphers, slot)
    generation = engine.slots[slot].generation
    deactivate(engine, desk, slot)
    if slot < legs:
        tell(engine.wires, worker, REMOVED, slot, generation, 0)
    else:
        complete = engine.players[slot - legs].stopping == FINISHED
        tell(engine.wires, worker, PLAYED, slot, generation, 1 if complete else HANDED if handed else 0)


@kernel
def _edges_on(engine: Engine, worker: int, leg: int) -> None:
    """Bring a leg's edges to their wanted gains; those that have faded out go."""
    edges = engine.edges
    e = engine.ears[leg].first_edge
    while e >= 0:
        after = edges[e].next
        edges[e].gain = edges[e].gain_to
        if edges[e].state == LEAVING and edges[e].gain == 0:
            unlink_edge(edges, engine.ears, e)
            tell(engine.wires, worker, EDGE_GONE, e, 0, 0)
        e = after


@kernel
def finish(engine: Engine, desk: Desk, worker: int, tick: int) -> None:
    """End a tick: gains arrive, edges and slots that have faded out go."""
    slots = engine.slots
    legs = engine.links.size
    advance(slots, desk)
    k = 0
    while k < desk.counts[0]:
        slot = desk.active[k]
        if slot < legs:
            if engine.ears[slot].first_edge >= 0:
                _edges_on(engine, worker, slot)
        elif engine.players[slot - legs].stopping == FINISHED:
            slots[slot].state = LEAVING
        # While the server does not read its events, what leaves stays a little longer: the word must not be lost.
        if slots[slot].state == LEAVING and event_room(engine.wires, worker) > 64:
            _bury(engine, desk, worker, slot, tick)
        else:
            k += 1


@kernel
def _receive(engine: Engine, desk: Desk, worker: int, leg: int, tick: int) -> None:
    """Read a leg's socket; one leg in `SAMPLE` is timed, because asking for the time costs a tenth of that."""
    if (tick + leg) % SAMPLE != 0:
        receive_leg(engine, desk, worker, leg, tick)
        return
    before = clock_ns(THREAD_CPU, desk.spec)
    receive_leg(engine, desk, worker, leg, tick)
    engine.wires[worker].header[H_RECEIVE_NS] += SAMPLE * (clock_ns(THREAD_CPU, desk.spec) - before)


@kernel
def run_tick(engine: Engine, desk: Desk, worker: int, tick: int) -> None:
    """Everything that happens in one tick."""
    slots = engine.slots
    legs = engine.links.size
    run = engine.wires[worker].header[H_RUNS] + 1
    engine.wires[worker].header[H_RUNS] = run
    apply_commands(engine, desk, worker, tick)
    # Reading and playing out a leg together finds its records in the caches; many frames of G.722 are better decoded together.
    early = desk.counts[MANY] >= FEW
    desk.counts[MANY] = 0
    if early:
        for k in range(desk.counts[0]):
            ahead.of_reading(engine, desk, k)
            if desk.active[k] < legs and slots[desk.active[k]].kind == SOCKET:
                _receive(engine, desk, worker, desk.active[k], tick)
        decode_early(engine, desk)
    for k in range(desk.counts[0]):
        ahead.of_reading(engine, desk, k)
        slot = desk.active[k]
        if slot < legs:
            if slots[slot].kind == SOCKET and not early:
                _receive(engine, desk, worker, slot, tick)
            produce_leg(engine, desk, worker, slot, tick)
            _watch_quiet(engine, worker, slot, tick)
        else:
            play(slots, engine.players, engine.rings, engine.arena, slot, slot - legs)
    sum_mixes(slots, engine.mixes, desk)
    for k in range(desk.counts[0]):
        ahead.of_sending(engine, desk, k)
        if desk.active[k] < legs:
            serve_leg(engine, desk, worker, desk.active[k], run)
    send_queue(engine, desk, worker)
    copy_taps(slots, engine.mixes, engine.ears, engine.rings, engine.taps, desk, tick, run)
    finish(engine, desk, worker, tick)


@kernel
def _skip(engine: Engine, desk: Desk, worker: int, ticks: int) -> None:
    """Let time pass that nobody served: clocks go on, sound is lost."""
    engine.wires[worker].header[H_SKIPPED] += ticks
    for k in range(desk.counts[0]):
        slot = desk.active[k]
        if slot < engine.links.size:
            skip(engine.jitter, slot, ticks)
            pass_time(engine.links, slot, ticks)
            dtmf.hush(engine.links, slot)


@kernel
def loop(engine: Engine, desk: Desk, worker: int, until: int) -> int:
    """Serve ticks until the server says stop, or up to tick `until` (0: for ever); returns the last tick.

    Begins where the shared header says the last process ended, so a standby simply goes on.
    """
    header = engine.wires[worker].header
    header[H_REPAIRED] += revalidate(engine, desk, worker)
    epoch = header[H_EPOCH]
    tick = header[H_TICK]
    before = clock_ns(THREAD_CPU, desk.spec)
    while not header[H_STOP] and (until == 0 or tick < until):
        due = epoch + (tick + 1) * TICK_NS
        now = clock_ns(MONOTONIC, desk.spec)
        if now < due:
            sleep_until(due, desk.spec)
        elif now - due > CATCH_UP * TICK_NS:
            behind = (now - due) // TICK_NS
            _skip(engine, desk, worker, behind)
            tick += behind
            due += behind * TICK_NS
        tick += 1
        said = engine.wires[worker].event_head[0]
        run_tick(engine, desk, worker, tick)
        header[H_TICK] = tick
        if engine.wires[worker].event_head[0] != said:
            write(desk.eventfd[0], desk.one.ctypes.data, 8)
        after = clock_ns(THREAD_CPU, desk.spec)
        header[H_BUSY_NS] += after - before
        opus.adapt(desk, after - before)
        before = after
        took = clock_ns(MONOTONIC, desk.spec) - due
        engine.wires[worker].times[tick % TIMES] = took
        if took > TICK_NS:
            header[H_LATE] += 1
        header[H_LATE_MAX_NS] = max(header[H_LATE_MAX_NS], took)
    return int(tick)

"""The mixer: sums, N-1, edges, ramps and limiters in integers (docs/media.md 1.3 to 1.5)."""

from __future__ import annotations

import numpy as np

from hubbub.media import opus
from hubbub.media.codecs import encode
from hubbub.media.compiled import kernel
from hubbub.media.desk import SOUNDING, Desk
from hubbub.media.layout import (
    CODEC_PAST,
    CODEC_WIDE,
    DOWN_HISTORY,
    FRAME,
    FREE,
    G722,
    G722_WORDS,
    OPEN,
    OPUS,
    UNITY,
    Array,
    Coders,
    Ears,
    Edges,
    Mixes,
    Slots,
)
from hubbub.media.levels import energy
from hubbub.media.resample import narrow_down
from hubbub.media.rows import copy, fill, scale

RELEASE = 656
"""Limiter recovery per frame, Q15: silence to one in a second."""
JOIN_FRAMES = 10
"""Frames (0.2 s) after which two G.722 encoders that hear the same tell nearly the same."""
JOIN_AT_LAST = 100
"""Frames (2 s) after which a leg joins its group even while it is loud."""
JOIN_FAINT = 10737
"""Mean square (-50 dBFS) below which a change of encoders is not heard."""
ATTACK = 32
"""Samples (2 ms) in which the limiter comes down."""


@kernel
def add_scaled(total: Array, pcm: Array, now: int, wanted: int, sign: int) -> None:
    """Add `sign` x the samples at a gain that runs from `now` to `wanted` (Q12) to `total`[320]."""
    if now == UNITY and wanted == UNITY:
        if sign > 0:
            for n in range(FRAME):
                total[n] += pcm[n]
        else:
            for n in range(FRAME):
                total[n] -= pcm[n]
        return
    if now == 0 and wanted == 0:
        return
    start = np.int32(now << 16)
    step = np.int32(((wanted - now) << 16) // FRAME)
    for n in range(FRAME):
        gain = np.int32(np.int32(start + np.int32((n + 1) * step)) >> 16)
        total[n] += sign * (np.int32(gain * pcm[n] + 2048) >> 12)


@kernel
def sum_mixes(slots: Slots, mixes: Mixes, desk: Desk) -> None:
    """Sum what every active source says into its mix. A mix in which nobody speaks costs nothing: its sum is 0 already."""
    for k in range(desk.counts[SOUNDING]):
        m = desk.sounding[k]
        mixes[m].sources = 0
        fill(mixes[m].total, 0, FRAME, 0)
    desk.counts[SOUNDING] = 0
    for k in range(desk.counts[0]):
        i = desk.active[k]
        m = slots[i].mix
        if m >= 0 and slots[i].have and (slots[i].speak != 0 or slots[i].speak_to != 0):
            if mixes[m].sources == 0:
                desk.sounding[desk.counts[SOUNDING]] = m
                desk.counts[SOUNDING] += 1
            mixes[m].sources += 1
            add_scaled(mixes[m].total, slots[i].pcm, slots[i].speak, slots[i].speak_to, 1)


@kernel
def limit(line: Array, gain: int, out: Array) -> int:
    """Bring `line`[320] into 16 bits with the limiter state `gain` (Q15); returns the new state."""
    low = np.int32(0)
    high = np.int32(0)
    for n in range(FRAME):
        low = min(low, line[n])
        high = max(high, line[n])
    peak = max(int(high), -int(low))
    want = OPEN if peak <= 32767 else (32767 * 32768) // peak
    if gain == OPEN and want == OPEN:
        for n in range(FRAME):
            out[n] = line[n]
        return OPEN
    if want < gain:
        for n in range(FRAME):
            now = gain - (((gain - want) * min(n + 1, ATTACK)) >> 5)
            out[n] = min(max((now * int(line[n]) + 16384) >> 15, -32768), 32767)
        return int(want)
    after = min(want, gain + RELEASE)
    for n in range(FRAME):
        now = gain + ((after - gain) * (n + 1)) // FRAME
        out[n] = min(max((now * int(line[n]) + 16384) >> 15, -32768), 32767)
    return int(after)


@kernel
def _plain(slots: Slots, ears: Ears, leg: int) -> bool:
    """Whether the leg hears exactly its mix's sum in this frame."""
    silent = not slots[leg].have or (slots[leg].speak == 0 and slots[leg].speak_to == 0)
    return bool(silent and slots[leg].mix >= 0 and slots[leg].hear == UNITY and slots[leg].hear_to == UNITY and ears[leg].first_edge < 0)


@kernel
def hear_mix(mixes: Mixes, mix: int, run: int) -> None:
    """Compute what all plain listeners of a mix hear, once per run."""
    if mixes[mix].computed != run:
        mixes[mix].limiter_before = mixes[mix].limiter
        mixes[mix].limiter = limit(mixes[mix].total, mixes[mix].limiter, mixes[mix].pcm)
        mixes[mix].computed = run


@kernel
def narrow_mix(mixes: Mixes, mix: int, desk: Desk, run: int) -> None:
    """Bring what the plain listeners of a mix hear to 8 kHz, once per run."""
    if mixes[mix].narrowed != run:
        copy(mixes[mix].down_before, 0, mixes[mix].down, 0, DOWN_HISTORY)
        narrow_down(mixes[mix].down, mixes[mix].pcm, mixes[mix].narrow, desk.even, desk.odd, desk.total)
        mixes[mix].narrowed = run


@kernel
def leave(mixes: Mixes, ears: Ears, coders: Coders, desk: Desk, leg: int, mix: int, run: int) -> None:
    """Take a leg out of its mix's group: the state at the end of the last run goes with it, the encoder's too."""
    if ears[leg].shared:
        ears[leg].limiter = mixes[mix].limiter_before if mixes[mix].computed == run else mixes[mix].limiter
        down = mixes[mix].down_before if mixes[mix].narrowed == run else mixes[mix].down
        copy(ears[leg].down, 0, down, 0, DOWN_HISTORY)
        if ears[leg].joined:
            told = mixes[mix].encoder_before if mixes[mix].encoded[G722] == run else mixes[mix].encoder
            copy(coders[leg].encoder, 0, told, 0, G722_WORDS)
            opus.follow(desk, leg, mix, 1 if mixes[mix].encoded[OPUS] == run else 0)
    ears[leg].joined = 0
    ears[leg].shared = 0
    ears[leg].same = 0


@kernel
def _take_apart(slots: Slots, ears: Ears, edges: Edges, line: Array, leg: int, mix: int) -> None:
    """Take what a leg shall not hear out of its mix's sum: exactly what went in."""
    e = ears[leg].first_edge
    while e >= 0:
        source = edges[e].source
        if edges[e].apart and slots[source].have and slots[source].mix == mix and source != leg:
            add_scaled(line, slots[source].pcm, slots[source].speak, slots[source].speak_to, -1)
        e = edges[e].next


@kernel
def _own_line(slots: Slots, mixes: Mixes, ears: Ears, edges: Edges, desk: Desk, leg: int) -> None:
    """The line of a leg that hears something of its own: the sum without itself, at its gain, and its edges."""
    line = desk.line
    m = slots[leg].mix
    now = slots[leg].hear
    wanted = slots[leg].hear_to
    if m >= 0 and (now != 0 or wanted != 0):
        copy(line, 0, mixes[m].total, 0, FRAME)
        if slots[leg].have:
            add_scaled(line, slots[leg].pcm, slots[leg].speak, slots[leg].speak_to, -1)
        _take_apart(slots, ears, edges, line, leg, m)
        if now != UNITY or wanted != UNITY:
            scale(line, int(now), int(wanted))
    else:
        fill(line, 0, FRAME, 0)
    e = ears[leg].first_edge
    while e >= 0:
        source = edges[e].source
        if slots[source].have and not edges[e].apart:
            add_scaled(line, slots[source].pcm, edges[e].gain, edges[e].gain_to, 1)
        e = edges[e].next


@kernel
def _may_join(mixes: Mixes, mix: int, codec: int, run: int, waited: int) -> bool:
    """Whether a leg that has heard the same as its mix for `waited` frames may be sent what the group is sent.

    Where encoders have a past, a leg waits until both have heard the same for a while, and then for a quiet frame.
    """
    if not CODEC_PAST[codec] or mixes[mix].encoded[codec] < run - 1:
        return True
    if waited < JOIN_FRAMES:
        return False
    return bool(waited >= JOIN_AT_LAST or energy(mixes[mix].pcm, FRAME) < JOIN_FAINT * FRAME)


@kernel
def listen(
    slots: Slots, mixes: Mixes, ears: Ears, coders: Coders, edges: Edges, desk: Desk, leg: int, run: int, alone: bool, codec: int
) -> bool:
    """Compute what a leg hears in this run; True when it is what its mix hears (`mixes.pcm`), else it is in `ears.pcm`.

    A leg joins the group of its mix after one whole frame in which it heard the same with the same limiter state: from then on the mix's
    state is the leg's, so the group changes no bit. `alone` keeps the leg out of the group. `run` counts the calls, without gaps.
    """
    m = slots[leg].mix
    same = False
    if not alone and _plain(slots, ears, leg):
        hear_mix(mixes, m, run)
        if not CODEC_WIDE[codec]:
            narrow_mix(mixes, m, desk, run)
        if ears[leg].shared or (ears[leg].same and _may_join(mixes, m, codec, run, ears[leg].same)):
            ears[leg].shared = 1
            return True
        same = bool(ears[leg].limiter == mixes[m].limiter_before)
    else:
        leave(mixes, ears, coders, desk, leg, m, run)
    _own_line(slots, mixes, ears, edges, desk, leg)
    ears[leg].limiter = limit(desk.line, ears[leg].limiter, ears[leg].pcm)
    ears[leg].same = min(ears[leg].same + 1, JOIN_AT_LAST) if same else 0
    return False


@kernel
def listen_narrow(ears: Ears, desk: Desk, leg: int) -> None:
    """Bring what a leg outside the group hears to 8 kHz, into `desk.narrow`."""
    narrow_down(ears[leg].down, ears[leg].pcm, desk.narrow, desk.even, desk.odd, desk.total)


@kernel
def join_encoder(mixes: Mixes, ears: Ears, coders: Coders, desk: Desk, leg: int, mix: int, codec: int, run: int) -> None:
    """Let a leg of the group be told what the group's encoder says.

    Nobody was told anything in the last run: then the group goes on with the leg's encoder. Otherwise the far end's decoder meets an
    encoder with another past, and follows it within 0.4 s (docs/media.md 1.9 says how far it is off meanwhile).
    """
    if not ears[leg].joined:
        if mixes[mix].encoded[codec] < run - 1:
            if codec == OPUS:
                opus.lead(desk, leg, mix)
            else:
                copy(mixes[mix].encoder, 0, coders[leg].encoder, 0, G722_WORDS)
        ears[leg].joined = 1


@kernel
def encode_mix(mixes: Mixes, mix: int, codec: int, desk: Desk, run: int) -> None:
    """Encode what the plain listeners of a mix hear, once per run and codec."""
    if mixes[mix].encoded[codec] != run:
        if codec == OPUS:
            mixes[mix].opus_bytes = opus.encode_group(desk, mix, mixes[mix].pcm, mixes[mix].payload[OPUS])
        else:
            if codec == G722:
                copy(mixes[mix].encoder_before, 0, mixes[mix].encoder, 0, G722_WORDS)
            encode(codec, mixes[mix].encoder, mixes[mix].pcm, mixes[mix].narrow, mixes[mix].payload[codec], 0, desk)
        mixes[mix].encoded[codec] = run


@kernel
def link_edge(edges: Edges, ears: Ears, edge: int) -> None:
    """Put an edge into its listener's list."""
    leg = edges[edge].listener
    edges[edge].next = ears[leg].first_edge
    ears[leg].first_edge = edge


@kernel
def unlink_edge(edges: Edges, ears: Ears, edge: int) -> None:
    """Take an edge out of its listener's list and free it."""
    leg = edges[edge].listener
    before = -1
    at = ears[leg].first_edge
    while at >= 0 and at != edge:
        before = at
        at = edges[at].next
    if at == edge:
        if before < 0:
            ears[leg].first_edge = edges[edge].next
        else:
            edges[before].next = edges[edge].next
    edges[edge].next = -1
    edges[edge].state = FREE


@kernel
def route(slots: Slots, slot: int, mix: int, speak: int, hear: int) -> None:
    """Place a slot in the matrix; into another mix by way of silence."""
    if mix < 0:
        speak = 0
        hear = 0
    silent = slots[slot].speak == 0 and slots[slot].hear == 0
    if slots[slot].mix == mix or slots[slot].mix < 0 or silent:
        if slots[slot].mix < 0:
            slots[slot].speak = 0
            slots[slot].hear = 0
        slots[slot].moving = 0
        slots[slot].mix = mix
        slots[slot].speak_to = speak
        slots[slot].hear_to = hear
        return
    slots[slot].moving = 1
    slots[slot].next_mix = mix
    slots[slot].next_speak = speak
    slots[slot].next_hear = hear
    slots[slot].speak_to = 0
    slots[slot].hear_to = 0


@kernel
def advance(slots: Slots, desk: Desk) -> None:
    """At the end of a tick every gain is where it was wanted, and moves between mixes go on."""
    for k in range(desk.counts[0]):
        i = desk.active[k]
        slots[i].speak = slots[i].speak_to
        slots[i].hear = slots[i].hear_to
        if slots[i].moving == 1:
            slots[i].moving = 0
            slots[i].mix = slots[i].next_mix
            slots[i].speak_to = slots[i].next_speak
            slots[i].hear_to = slots[i].next_hear

"""Frames of G.722 of many legs are coded together (`lanes`): bit for bit what each would be alone, in a third of the time."""

from __future__ import annotations

from hubbub.media import g722, lanes
from hubbub.media.compiled import kernel
from hubbub.media.desk import LANES, WAITING, Desk
from hubbub.media.jitter import apart
from hubbub.media.layout import G722, NARROW, PACKETS, SOCKET, Array, Coders, Ears, Engine, Jitter, Links

FEW = 5
"""Fewer frames than this are coded one by one."""


@kernel
def whole(jitter: Jitter, leg: int) -> int:
    """The one packet of G.722 that covers the whole frame at `play`, or -1 when the frame is made of anything else."""
    if not jitter[leg].started or jitter[leg].slip != 0:
        return -1
    found = -1
    for j in range(PACKETS):
        length = int(jitter[leg].length[j])
        if length == 0:
            continue
        ahead = apart(jitter[leg].time[j], jitter[leg].play)
        if ahead >= NARROW or ahead + length <= 0:
            continue
        if found >= 0 or jitter[leg].codec[j] != G722 or ahead > 0 or ahead + length < NARROW:
            return -1
        found = j
    return found


@kernel
def _decode(jitter: Jitter, coders: Coders, desk: Desk) -> None:
    """Decode the frames of the legs in the queue."""
    count = desk.counts[WAITING]
    low, high = desk.lane_codes[0], desk.lane_codes[1]
    for lane in range(count):
        leg = desk.queue[lane]
        j = whole(jitter, leg)
        start = -apart(jitter[leg].time[j], jitter[leg].play)
        _spread(jitter[leg].payload[j], start, low, high, lane)
        _enter(coders[leg].decoder, desk, lane)
    lanes.band(desk.lane_rows[0], False, False, desk.lane_signal[0], low)
    lanes.band(desk.lane_rows[1], True, False, desk.lane_signal[1], high)
    for lane in range(count):
        leg = desk.queue[lane]
        _leave(coders[leg].decoder, desk, lane)
        lanes.join(
            coders[leg].decoder,
            desk.lane_signal[0],
            desk.lane_signal[1],
            lane,
            desk.early_pcm[leg],
            desk.even,
            desk.odd,
            desk.low,
            desk.high,
        )
        desk.early[leg] = 1
    desk.counts[WAITING] = 0


@kernel
def _spread(payload: Array, start: int, low: Array, high: Array, lane: int) -> None:
    for k in range(NARROW):
        low[k * LANES + lane] = payload[start + k] & 63
        high[k * LANES + lane] = payload[start + k] >> 6


@kernel
def _enter(state: Array, desk: Desk, lane: int) -> None:
    lanes.enter(state, desk.lane_rows[0], lane, False)
    lanes.enter(state, desk.lane_rows[1], lane, True)


@kernel
def _leave(state: Array, desk: Desk, lane: int) -> None:
    lanes.leave(state, desk.lane_rows[0], lane, False)
    lanes.leave(state, desk.lane_rows[1], lane, True)


@kernel
def decode_early(engine: Engine, desk: Desk) -> None:
    """Decode the frames of this tick that are there and whole; what is asked for by `jitter.fetch` then lies ready."""
    desk.counts[WAITING] = 0
    for k in range(desk.counts[0]):
        leg = desk.active[k]
        if leg >= engine.links.size or engine.slots[leg].kind != SOCKET:
            continue
        desk.early[leg] = 0
        if engine.links[leg].codec != G722 or whole(engine.jitter, leg) < 0:
            continue
        desk.queue[desk.counts[WAITING]] = leg
        desk.counts[WAITING] += 1
        if desk.counts[WAITING] == LANES:
            _decode(engine.jitter, engine.coders, desk)
    if desk.counts[WAITING] >= FEW:
        _decode(engine.jitter, engine.coders, desk)
    desk.counts[WAITING] = 0


@kernel
def encode_queue(links: Links, coders: Coders, ears: Ears, desk: Desk) -> None:
    """Encode what the legs in the queue hear, each into its packet; the queue stays as it is."""
    count = desk.counts[WAITING]
    if count < FEW:
        for lane in range(count):
            leg = desk.queue[lane]
            at = 12 + links[leg].out_length
            packet = links[leg].packet[at:]
            g722.encode(coders[leg].encoder, ears[leg].pcm, packet, desk.even, desk.odd, desk.low, desk.high, desk.codes)
        return
    for lane in range(count):
        leg = desk.queue[lane]
        _enter(coders[leg].encoder, desk, lane)
        wide = ears[leg].pcm
        lanes.split(coders[leg].encoder, wide, desk.lane_signal[0], desk.lane_signal[1], lane, desk.even, desk.odd, desk.low, desk.high)
    lanes.band(desk.lane_rows[0], False, True, desk.lane_signal[0], desk.lane_codes[0])
    lanes.band(desk.lane_rows[1], True, True, desk.lane_signal[1], desk.lane_codes[1])
    for lane in range(count):
        leg = desk.queue[lane]
        _leave(coders[leg].encoder, desk, lane)
        _gather(links[leg].packet, 12 + links[leg].out_length, desk.lane_codes[0], desk.lane_codes[1], lane)


@kernel
def _gather(packet: Array, at: int, low: Array, high: Array, lane: int) -> None:
    for k in range(NARROW):
        packet[at + k] = (high[k * LANES + lane] << 6) | low[k * LANES + lane]

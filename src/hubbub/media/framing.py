"""Frames of Opus become packets: one frame, two halves of one, or several of one kind (RFC 6716 3.2, RFC 7587 4.2)."""

from __future__ import annotations

from hubbub.media import opus
from hubbub.media.compiled import kernel
from hubbub.media.desk import Desk
from hubbub.media.layout import FRAME, NARROW, OPUS, OPUS_CLOCK, OPUS_FRAMES, Engine, Links
from hubbub.media.libopus import DTX, NO_REPAIR
from hubbub.media.mix import encode_mix, join_encoder
from hubbub.media.rows import copy
from hubbub.media.rtp import write_header

FRAME_UNITS = NARROW * OPUS_CLOCK


@kernel
def _write(links: Links, leg: int, time: int, size: int) -> int:
    """Put the header before `size` bytes of payload; returns the packet's size."""
    write_header(links, leg, links[leg].payload_type, links[leg].out_mark, time & 0xFFFFFFFF)
    links[leg].out_mark = 0
    return 12 + size


@kernel
def _flush(links: Links, leg: int, time: int) -> int:
    """Make a packet of the frames that are collected, the first of which is of RTP time `time`."""
    size = opus.merge(links[leg].packet, 12, links[leg].frame_bytes, links[leg].frame, links[leg].frames)
    links[leg].frames = 0
    return _write(links, leg, time, size)


@kernel
def _encode(engine: Engine, desk: Desk, leg: int, shared: bool, run: int, start: int, count: int) -> int:
    """Encode samples of what a leg hears into `desk.opus_packet`: with the group where it can, else by its own encoder.

    Who has no use for repair data may be told what the group is told, but asks for none: packets with them are no larger.
    """
    links = engine.links
    mix = engine.slots[leg].mix
    form = int(links[leg].form)
    loss = 0 if form & NO_REPAIR else int(links[leg].far_loss)
    if shared and form & ~NO_REPAIR == 0 and count == FRAME:
        join_encoder(engine.mixes, engine.ears, engine.coders, desk, leg, mix, OPUS, run)
        opus.hear_loss(desk, mix, loss)
        encode_mix(engine.mixes, mix, OPUS, desk, run)
        size = int(engine.mixes[mix].opus_bytes)
        copy(desk.opus_packet, 0, engine.mixes[mix].payload[OPUS], 0, size)
        return size
    if engine.ears[leg].joined:  # until now it was told what the group was
        opus.follow(desk, leg, mix, 1 if engine.mixes[mix].encoded[OPUS] == run else 0)
        engine.ears[leg].joined = 0
    if shared:
        return opus.encode(desk, leg, engine.mixes[mix].pcm, start, count, form, loss, desk.opus_packet)
    return opus.encode(desk, leg, engine.ears[leg].pcm, start, count, form, loss, desk.opus_packet)


@kernel
def rests(form: int, size: int) -> bool:
    """Whether a frame need not be sent: the far end wants pauses, and the encoder says that this is one (RFC 7587 3.1.3)."""
    return bool(form & DTX and size <= 2)


@kernel
def next_opus(engine: Engine, desk: Desk, leg: int, shared: bool, run: int, part: int) -> int:
    """Encode this tick's frame; returns the size of the packet that is ready now, or 0.

    `part` is 0, then 1: packets of 10 ms are two in a tick. The clock counts on after both.
    """
    links = engine.links
    time = links[leg].out_time
    form = int(links[leg].form)
    if links[leg].ptime < NARROW:
        size = _encode(engine, desk, leg, shared, run, part * NARROW, NARROW)
        if size == 0 or rests(form, size):
            links[leg].out_mark = 1
            return 0
        copy(links[leg].packet, 12, desk.opus_packet, 0, size)
        return _write(links, leg, time + part * FRAME_UNITS // 2, size)
    if part == 1:
        return 0
    size = _encode(engine, desk, leg, shared, run, 0, FRAME)
    if size == 0:
        links[leg].frames = 0
        links[leg].out_mark = 1
        return 0
    if rests(form, size):
        ready = _flush(links, leg, time - links[leg].frames * FRAME_UNITS) if links[leg].frames > 0 else 0
        links[leg].out_mark = 1
        return ready
    wanted = min(max(1, links[leg].ptime // NARROW), OPUS_FRAMES)
    ready = 0
    waiting = links[leg].frames
    if waiting > 0 and (waiting >= wanted or not opus.merges(links[leg].frame_bytes, links[leg].frame, waiting, desk.opus_packet, size)):
        ready = _flush(links, leg, time - waiting * FRAME_UNITS)
    waiting = links[leg].frames
    copy(links[leg].frame[waiting], 0, desk.opus_packet, 0, size)
    links[leg].frame_bytes[waiting] = size
    links[leg].frames = waiting + 1
    if ready == 0 and links[leg].frames >= wanted:
        ready = _flush(links, leg, time - waiting * FRAME_UNITS)
    return ready

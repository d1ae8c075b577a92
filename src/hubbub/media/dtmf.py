"""Digits: telephone events in and out (RFC 4733), tones out (ITU-T Q.23)."""

from __future__ import annotations

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.layout import DIGIT_QUEUE, FRAME, NARROW, PAUSE, Array, Keys, Links

MALFORMED = -3
REPEATED = -2

IDLE = 0
TONE = 1
END = 2
GAP = 3

END_PACKETS = 3
"""RFC 4733 2.5.1.4: the last packet is sent three times."""
VOLUME = 10

_LOW = np.array([941, 697, 697, 697, 770, 770, 770, 852, 852, 852, 941, 941, 697, 770, 852, 941], np.int64)
_HIGH = np.array([1336, 1209, 1336, 1477, 1209, 1336, 1477, 1209, 1336, 1477, 1209, 1477, 1633, 1633, 1633, 1633], np.int64)


@kernel
def receive(keys: Keys, leg: int, time: int, data: Array, start: int, length: int, clock: int) -> int:
    """Take a telephone event; the key (0-15) when a new press begins, REPEATED for more of the same, MALFORMED for anything else.

    One press is one RTP timestamp (RFC 4733 2.3); a segment that continues a press too long for its 16-bit duration begins where the
    last one ended (2.5.1.3), and is no new press. `clock` is the RTP clock in units of 8 kHz.
    """
    if length < 4:
        return MALFORMED
    code = int(data[start])
    ended = data[start + 1] >> 7
    duration = (int(data[start + 2]) << 8) | int(data[start + 3])
    if keys[leg].seen:
        step = ((time - keys[leg].time + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if step <= 0:
            if step == 0:
                keys[leg].duration = max(keys[leg].duration, duration)
                keys[leg].ended |= ended
            # An old timestamp is a straggler, unless it is so old that the clock was reset.
            if step > -16000 * clock:
                return REPEATED
        elif (
            code == keys[leg].code and not keys[leg].ended and keys[leg].duration >= 0xF000 and step <= keys[leg].duration + NARROW * clock
        ):
            keys[leg].time = time
            keys[leg].duration = duration
            keys[leg].ended = ended
            return REPEATED
    if code > 15:
        return MALFORMED
    keys[leg].seen = 1
    keys[leg].time = time
    keys[leg].code = code
    keys[leg].duration = duration
    keys[leg].ended = ended
    return code


@kernel
def queue_digit(keys: Keys, leg: int, code: int, tone: int, gap: int) -> bool:
    """Queue a digit of `tone` ticks and `gap` ticks after it, or a PAUSE; False when the queue is full."""
    head = keys[leg].queue_head
    if head - keys[leg].queue_tail >= DIGIT_QUEUE:
        return False
    keys[leg].queue[head % DIGIT_QUEUE] = code | (tone << 8) | (gap << 24)
    keys[leg].queue_head = head + 1
    return True


@kernel
def step(keys: Keys, leg: int, time: int) -> int:
    """Advance the digits by one tick; returns the phase this tick is in. `time` is the RTP time of the tick."""
    if keys[leg].phase == IDLE:
        if keys[leg].queue_head == keys[leg].queue_tail:
            return IDLE
        keys[leg].entry = keys[leg].queue[keys[leg].queue_tail % DIGIT_QUEUE]
        keys[leg].elapsed = 0
        keys[leg].start = time
        keys[leg].turn[0] = 0
        keys[leg].turn[1] = 0
    entry = keys[leg].entry
    tone = tone_ticks(entry)
    keys[leg].elapsed += 1
    elapsed = keys[leg].elapsed
    phase = GAP
    if elapsed <= tone:
        phase = TONE
    elif tone > 0 and elapsed < tone + END_PACKETS:
        phase = END
    keys[leg].phase = phase
    if elapsed >= tone + (entry >> 24):
        keys[leg].queue_tail += 1
        keys[leg].phase = IDLE
    return phase


@kernel
def tone_ticks(entry: int) -> int:
    """Ticks of tone of a queue entry; a pause has none."""
    return 0 if entry & 255 == PAUSE else (entry >> 8) & 0xFFFF


@kernel
def event_payload(keys: Keys, leg: int, links: Links) -> int:
    """Write the 4 bytes of this tick's telephone event into the leg's packet; returns 1 when it is the first of its press (marker bit)."""
    entry = keys[leg].entry
    tone = tone_ticks(entry)
    duration = min(min(int(keys[leg].elapsed), tone) * NARROW * links[leg].event_clock, 0xFFFF)
    links[leg].packet[12] = entry & 255
    links[leg].packet[13] = VOLUME | (0x80 if keys[leg].elapsed >= tone else 0)
    links[leg].packet[14] = duration >> 8
    links[leg].packet[15] = duration & 255
    return 1 if keys[leg].elapsed == 1 else 0


@kernel
def tone_frame(keys: Keys, leg: int, phase: int, sine: Array, out: Array) -> None:
    """Write this tick's wide frame of a digit as sound (docs/media.md 1.8), or silence outside the tone."""
    if phase != TONE:
        for n in range(FRAME):
            out[n] = 0
        return
    code = keys[leg].entry & 15
    low = (_LOW[code] << 32) // 16000
    high = (_HIGH[code] << 32) // 16000
    first = keys[leg].elapsed == 1
    last = keys[leg].elapsed == tone_ticks(keys[leg].entry)
    a = keys[leg].turn[0]
    b = keys[leg].turn[1]
    for n in range(FRAME):
        value = ((int(sine[a >> 22]) * 7000) >> 15) + ((int(sine[b >> 22]) * 7000) >> 15)
        if first and n < 80:
            value = (value * n) // 80
        if last and n >= FRAME - 80:
            value = (value * (FRAME - 1 - n)) // 80
        out[n] = value
        a = (a + low) & 0xFFFFFFFF
        b = (b + high) & 0xFFFFFFFF
    keys[leg].turn[0] = a
    keys[leg].turn[1] = b


@kernel
def hush(links: Links, leg: int) -> None:
    """Drop the audio that waits for a full packet: an event takes its place."""
    links[leg].out_length = 0
    links[leg].frames = 0
    links[leg].out_mark = 1

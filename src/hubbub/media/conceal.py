"""What is heard where nothing has come: the sound goes on with its own pitch and fades (docs/media.md 1.7)."""

from __future__ import annotations

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.layout import PAST, Array, Jitter
from hubbub.media.rows import copy, fill


@kernel
def remember(jitter: Jitter, leg: int, pcm: Array, size: int) -> None:
    """Keep a frame that was heard: the last three are what a gap is filled from."""
    at = jitter[leg].past_at + 1
    if at >= PAST:
        at = 0
    copy(jitter[leg].past[at], 0, pcm, 0, size)
    jitter[leg].past_at = at


@kernel
def _append(line: Array, at: int, past: Array, size: int) -> None:
    for n in range(size):
        line[at + n] = past[n]


@kernel
def _line_up(jitter: Jitter, leg: int, size: int, line: Array) -> None:
    """The last three frames in their order."""
    for n in range(PAST):
        _append(line, n * size, jitter[leg].past[(jitter[leg].past_at + 1 + n) % PAST], size)


@kernel
def _pitch(line: Array, size: int) -> int:
    """The lag of 5 to 15 ms at which the last 20 ms are most like what went before; `size` samples are 20 ms."""
    end = PAST * size
    best = size // 2
    score = 0.0
    for lag in range(size // 4, 3 * size // 4 + 1):
        like = np.int64(0)
        power = np.int64(0)
        for n in range(end - size, end):
            like += np.int64(line[n]) * np.int64(line[n - lag])
            power += np.int64(line[n - lag]) * np.int64(line[n - lag])
        if like > 0 and power > 0:
            worth = float(like) * float(like) / float(power)
            if worth > score:
                score = worth
                best = lag
    return int(best)


@kernel
def _go_on(line: Array, size: int, lag: int, start: int, count: int, out: Array) -> None:
    """Samples `start` to `start + count` of the sound that goes on after `line`: its last period again and again, fading out in 60 ms.

    The end of the period is blended with the one before, so that it leads into its own beginning; at the very first sample what would be a
    step is let go within a quarter of a period.
    """
    end = PAST * size
    blend = lag // 4
    step = line[end - 1] - line[end - lag - 1]
    length = PAST * size
    for n in range(count):
        at = start + n
        if at >= length:
            out[n] = 0
            continue
        phase = at % lag
        value = line[end - lag + phase]
        late = phase - (lag - blend)
        if late >= 0:
            value = (value * (blend - late) + line[end - 2 * lag + phase] * late) // blend
        if at < blend:
            value += step * (blend - at) // blend
        if at > size // 2:
            value = value * (length - at) * 2 // (5 * size)
        out[n] = min(max(value, -32768), 32767)


@kernel
def conceal(jitter: Jitter, leg: int, line: Array, out: Array, size: int) -> None:
    """Fill a frame of which nothing came. `line` int64[960] is scratch."""
    gone = jitter[leg].concealed
    if gone >= PAST:
        fill(out, 0, size, 0)
    else:
        _line_up(jitter, leg, size, line)
        if gone == 0:
            jitter[leg].lag = _pitch(line, size)
        _go_on(line, size, jitter[leg].lag, gone * size, size, out)
    jitter[leg].concealed = min(gone + 1, PAST)


@kernel
def resume(jitter: Jitter, leg: int, line: Array, other: Array, out: Array, size: int) -> None:
    """Lead from what was made up into the first frame that came, within 5 ms."""
    gone = jitter[leg].concealed
    if gone > 0:
        blend = size // 4
        if gone < PAST:
            _line_up(jitter, leg, size, line)
            _go_on(line, size, jitter[leg].lag, gone * size, blend, other)
        else:
            fill(other, 0, blend, 0)
        for n in range(blend):
            out[n] = (int(other[n]) * (blend - n) + int(out[n]) * n) // blend
    jitter[leg].concealed = 0


@kernel
def blend_frames(first: Array, second: Array, size: int) -> None:
    """Lead from one frame into the next within one frame: 20 ms are left out. The result is in `second`."""
    for n in range(size):
        second[n] = (int(first[n]) * (size - n) + int(second[n]) * n) // size

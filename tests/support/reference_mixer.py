"""docs/media.md 1.2 to 1.5 in plain numpy: slow, obvious, and right by definition. The engine must equal it bit for bit.

It knows nothing of groups, slots or shared memory: every leg is computed on its own, with its own state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.int64]

FRAME, NARROW, UNITY, OPEN, RELEASE = 320, 160, 4096, 32768, 656
TAPS = np.array([10395, -3354, 1885, -1218, 826, -567, 385, -254, 161, -95, 51, -23], np.int64)


def clamp16(values: Line) -> Line:
    return np.clip(values, -32768, 32767)


def up(history: Line, narrow: Line) -> tuple[Line, Line]:
    """(wide frame, new history) of docs/media.md 1.2."""
    x = np.concatenate([history, narrow]).astype(np.int64)  # x[n] of the text is x[n + 23]
    n = np.arange(NARROW) + 23
    total = sum(TAPS[k] * (x[n - 12 - k] + x[n - 11 + k]) for k in range(12))
    wide = np.empty(FRAME, np.int64)
    wide[0::2] = x[n - 12]
    wide[1::2] = clamp16((total + 8192) >> 14)
    return wide, x[-23:]


def down(history: Line, wide: Line) -> tuple[Line, Line]:
    """(narrow frame, new history); the history is the last 46 wide samples."""
    x = np.concatenate([history, wide]).astype(np.int64)
    e, o = x[0::2], x[1::2]
    m = np.arange(NARROW) + 23
    total = 16384 * o[m - 12] + sum(TAPS[k] * (e[m - 12 - k] + e[m - 11 + k]) for k in range(12))
    return clamp16((total + 16384) >> 15), x[-46:]


def scaled(x: Line, now: int, wanted: int) -> Line:
    """docs/media.md 1.3."""
    x = x.astype(np.int64)
    if now == wanted == UNITY:
        return x
    if now == wanted == 0:
        return np.zeros(FRAME, np.int64)
    step = ((wanted - now) << 16) // FRAME
    gain = ((now << 16) + np.arange(1, FRAME + 1, dtype=np.int64) * step) >> 16
    return (gain * x + 2048) >> 12


def limit(line: Line, q: int) -> tuple[Line, int]:
    """docs/media.md 1.5: (16-bit frame, new state)."""
    peak = int(np.abs(line).max())
    want = OPEN if peak <= 32767 else (32767 * 32768) // peak
    n = np.arange(FRAME, dtype=np.int64)
    if want == q == OPEN:
        return line.copy(), OPEN
    if want < q:
        gain = q - ((q - want) * np.minimum(n + 1, 32) >> 5)
        after = want
    else:
        after = min(want, q + RELEASE)
        gain = q + ((after - q) * (n + 1)) // FRAME
    return clamp16((gain * line + 16384) >> 15), after


@dataclass
class RefLevel:
    """docs/media.md 1.10: the automatic level of a leg."""

    target: int = 0
    gain: int = UNITY
    loudness: int = 0

    def apply(self, x: Line, level: int, *, talking: bool, faint: int) -> Line:
        """One frame of mean square `level`."""
        a = self.gain
        want = UNITY
        if self.target:
            if talking and level >= faint:
                self.loudness = level if self.loudness == 0 else self.loudness + ((level - self.loudness) >> 4)
            want = math.isqrt(min(max((self.target << 24) // self.loudness, 1024**2), 16384**2)) if self.loudness else a
        elif a == UNITY:
            return x
        s = max(a // 64, 1)
        b = min(max(want, a - s), a + s)
        if b > UNITY:
            b = min(b, max((32767 << 12) // max(int(np.abs(x).max()), 1), UNITY))
        step = ((b - a) << 16) // FRAME
        gain = ((a << 16) + np.arange(1, FRAME + 1, dtype=np.int64) * step) >> 16
        self.gain = b
        return clamp16((gain * x + 2048) >> 12)


@dataclass
class RefSource:
    """A leg or a player as the matrix sees it."""

    mix: int = -1
    speak: int = 0
    speak_to: int = 0
    hear: int = 0
    hear_to: int = 0
    frame: Line | None = None
    limiter: int = OPEN
    history: Line = field(default_factory=lambda: np.zeros(46, np.int64))


@dataclass
class RefEdge:
    """A source that one leg hears, or (`apart`) does not hear of its mix."""

    source: int
    listener: int
    gain: int
    gain_to: int
    apart: bool = False


@dataclass
class Heard:
    """What a leg hears in a tick."""

    wide: Line
    narrow: Line


def tick(sources: list[RefSource], legs: int, edges: list[RefEdge], mixes: int) -> list[Heard]:
    """One tick of docs/media.md 1.4; the first `legs` sources listen. Gains arrive at its end."""
    said = [scaled(s.frame, s.speak, s.speak_to) if s.frame is not None else np.zeros(FRAME, np.int64) for s in sources]
    total = [sum((said[i] for i, s in enumerate(sources) if s.mix == m), np.zeros(FRAME, np.int64)) for m in range(mixes)]
    result = []
    for index, leg in enumerate(sources[:legs]):
        base = total[leg.mix] - said[index] if leg.mix >= 0 else np.zeros(FRAME, np.int64)
        apart = {edge.source for edge in edges if edge.apart and edge.listener == index} - {index}
        base = base - sum((said[i] for i in apart if sources[i].mix == leg.mix >= 0), np.zeros(FRAME, np.int64))
        line = scaled(base, leg.hear, leg.hear_to) if leg.mix >= 0 else base
        for edge in edges:
            frame = sources[edge.source].frame
            if edge.listener == index and frame is not None and not edge.apart:
                line = line + scaled(frame, edge.gain, edge.gain_to)
        wide, leg.limiter = limit(line, leg.limiter)
        narrow, leg.history = down(leg.history, wide)
        result.append(Heard(wide, narrow))
    for source in sources:
        source.speak, source.hear = source.speak_to, source.hear_to
    for edge in edges:
        edge.gain = edge.gain_to
    return result

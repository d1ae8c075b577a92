"""When somebody speaks: pure cores over the levels of frames, with time as an argument."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
FRAME_SECONDS: Final = 0.02
LOUD_DB: Final = -40.0
"""Speech begins above this (dBFS; 0 is the square of the largest sample) …"""
SOFT_DB: Final = -46.0
"""… and goes on above this."""
ONSET_SECONDS: Final = 0.06
"""What is shorter is a click."""
BREATH_SECONDS: Final = 0.3
"""A pause within words."""


def level_db(frame: Pcm) -> float:
    """The level of a frame."""
    power = float(np.square(frame.astype(np.float32)).mean()) / 32768.0**2 if len(frame) else 0.0
    return 10 * math.log10(power) if power > 1e-10 else -100.0


@dataclass
class Voice:
    """Whether somebody speaks, frame by frame: when the present or last spurt began, and when it was last heard."""

    began: float | None = None
    """Of the first spurt so far."""
    last: float | None = None
    """When speech was last heard."""
    spoken: float = 0.0
    """Seconds with speech in them; breaths belong to it."""
    _loud_since: float | None = None

    def heard(self, level: float, now: float) -> bool:
        """A frame that ended at `now`; whether it belongs to speech."""
        threshold = SOFT_DB if self.last is not None and now - self.last < BREATH_SECONDS else LOUD_DB
        if level < threshold:
            self._loud_since = None
            return False
        begin = now - FRAME_SECONDS
        if self._loud_since is None:
            self._loud_since = begin
        if now - self._loud_since + 1e-9 < ONSET_SECONDS:
            return False
        if self.began is None:
            self.began = self._loud_since
        if self.last is None or now - self.last > BREATH_SECONDS:
            self.spoken += now - self._loud_since
        else:
            self.spoken += now - self.last
        self.last = now
        return True

    def silent(self, now: float) -> float:
        """Seconds since speech was last heard; 0 where none was."""
        return now - self.last if self.last is not None else 0.0


@dataclass
class Turn:
    """One thing that a caller says: `began`, then `ended` after a pause, or when it has lasted long enough."""

    pause_seconds: float
    most_seconds: float = 60.0
    voice: Voice | None = None

    def heard(self, level: float, now: float) -> Literal["", "began", "ended"]:
        """A frame that ended at `now`; what it changes."""
        voice = self.voice = self.voice or Voice()
        before = voice.began
        voice.heard(level, now)
        if voice.began is None:
            return ""
        if before is None:
            return "began"
        return "ended" if voice.silent(now) >= self.pause_seconds or now - voice.began >= self.most_seconds else ""


def pieces(pcm: Pcm, rate: int, pause_seconds: float = 0.7, most_seconds: float = 20.0) -> Iterator[tuple[float, float]]:
    """Where somebody speaks in a recording: begin and end in seconds, cut at pauses, none longer than `most_seconds`."""
    size = round(rate * FRAME_SECONDS)
    turn = Turn(pause_seconds, most_seconds)
    for n in range(len(pcm) // size):
        now = (n + 1) * FRAME_SECONDS
        if turn.heard(level_db(pcm[n * size : (n + 1) * size]), now) == "ended":
            yield _span(turn)
            turn = Turn(pause_seconds, most_seconds)
    if turn.voice is not None and turn.voice.began is not None:
        yield _span(turn)


def _span(turn: Turn) -> tuple[float, float]:
    voice = turn.voice
    assert voice is not None
    assert voice.began is not None
    assert voice.last is not None
    return max(0.0, voice.began - BREATH_SECONDS), voice.last + BREATH_SECONDS

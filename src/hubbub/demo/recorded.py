"""The conference's recording, looked at: its wave, who is in it and when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from hubbub.demo.cast import HEARD_DB, Role
from hubbub.demo.ears import RATE, Pcm, to_telephone
from hubbub.media.audiofile import read_wav
from hubbub.testing import Heard

BLOCKS: Final = "▁▂▃▄▅▆▇█"
STEP: Final = 0.5
"""Seconds of a window in which pilots are looked for."""
_QUIETEST_DB: Final = -48.0


class Recorded:
    """A recording. `times[name]` says for each half second whether that caller's pilot is in it."""

    def __init__(self, path: Path, roles: Sequence[Role]) -> None:
        pcm, rate = read_wav(path)
        self.path = path
        self.pcm: Pcm = to_telephone(pcm, rate)
        self.heard = Heard(self.pcm)
        size = int(STEP * RATE)
        windows = [Heard(self.pcm[start : start + size]) for start in range(0, len(self.pcm) - size + 1, size)]
        self.times = {role.name: [window.hears(role.pilot, HEARD_DB) for window in windows] for role in roles}

    @property
    def seconds(self) -> float:
        return len(self.pcm) / RATE

    def share(self, name: str) -> float:
        """Part of the time in which a caller is in it, 0 to 1."""
        times = self.times[name]
        return sum(times) / len(times) if times else 0.0

    def between(self, role: Role, start: float, end: float) -> list[bool]:
        """Whether a caller's pilot is there, for each half second of that time (in seconds of the recording)."""
        first, last, size = round(start * RATE), round(end * RATE), int(STEP * RATE)
        places = range(max(0, first), min(last, len(self.pcm)) - size + 1, size // 2)
        return [Heard(self.pcm[place : place + size]).hears(role.pilot, HEARD_DB) for place in places]

    def waveform(self, width: int) -> str:
        """Peaks in dB as block characters, one for each of `width` stretches of time."""
        parts = np.array_split(np.abs(self.pcm.astype(np.int32)), width)
        peaks = [20 * np.log10(max(1, int(np.max(part, initial=0))) / 32767) for part in parts]
        steps = len(BLOCKS) - 1
        return "".join(BLOCKS[min(steps, max(0, round((1 - peak / _QUIETEST_DB) * steps)))] for peak in peaks)

    def presence(self, name: str, width: int) -> str:
        """When a caller is in it, as a line of the same width."""
        times = self.times[name] or [False]
        return "".join("━" if times[min(len(times) - 1, column * len(times) // width)] else " " for column in range(width))

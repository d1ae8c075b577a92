"""Who answered: a person, who says little and waits, or a machine, which talks, stops and beeps. A pure core over frames.

A greeting longer than a threshold is a machine's; one that ends before it, in silence, is a person's. A steady tone
is a beep, or a fax. Nothing here knows words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from hubbub.speech.turns import FRAME_SECONDS, LOUD_DB, Pcm, Voice, level_db

AnsweredBy = Literal["human", "machine", "machine-beep", "machine-silence", "machine-other", "fax", "silence", "timeout", "gone"]
"""`machine`: its greeting began; `machine-beep`, `machine-silence`: it is over; `machine-other`: it did not end in time; `silence`: nobody
said anything; `timeout`: neither the one nor the other in time; `gone`: the call ended meanwhile."""
TONE_SHARE: Final = 0.9
"""Of the power of a frame that one frequency has in a tone."""
LOWEST_HZ: Final = 400.0
"""Vowels are tones below this."""
STEADY: Final = 0.03
BEEP_SECONDS: Final = 0.16
FAX_HZ: Final = (1100.0, 2100.0)
"""CNG and CED, ITU-T T.30."""
FAX_SECONDS: Final = 0.4
SILENT_DB: Final = -100.0


@dataclass(frozen=True)
class Thresholds:
    """What tells one from the other."""

    total_seconds: float = 30.0
    """How long it may take to find out."""
    speech_seconds: float = 2.4
    """A greeting that lasts longer is a machine's."""
    pause_seconds: float = 1.2
    """Silence that ends a person's greeting."""
    silence_seconds: float = 5.0
    """Silence from the answer on after which nobody is there."""
    await_end: bool = False
    """Whether a machine's greeting is waited out, until its beep or silence."""
    machine_pause_seconds: float | None = None
    """Silence that ends a machine's greeting; None: as a person's."""


@dataclass(frozen=True)
class Verdict:
    """Who answered, and how long it took to know."""

    by: AnsweredBy
    seconds: float


def tone_hz(frame: Pcm, rate: int) -> float | None:
    """The frequency of a frame that is one tone; None where it is not."""
    if level_db(frame) < LOUD_DB:
        return None
    spectrum = np.square(np.abs(np.fft.rfft(frame.astype(np.float32) * np.hanning(len(frame)).astype(np.float32))))
    peak = int(spectrum.argmax())
    near = spectrum[max(0, peak - 2) : peak + 3]
    share = float(near.sum() / max(1e-9, spectrum.sum()))
    if share < TONE_SHARE:
        return None
    centre = float((near * np.arange(max(0, peak - 2), max(0, peak - 2) + len(near))).sum() / near.sum())
    hertz = centre * rate / len(frame)
    return hertz if hertz >= LOWEST_HZ else None


class Detector:
    """Listens to who answered; `heard` says so as soon as it is known."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._limits = thresholds
        self._voice = Voice()
        self._tone: float | None = None
        self._tone_began = 0.0

    def heard(self, level: float, tone: float | None, now: float) -> Verdict | None:
        """A frame that ended `now` seconds after the answer: its level (dBFS), and its frequency where it is one tone."""
        by = self._toned(tone, now)
        if by is None:
            self._voice.heard(level if tone is None else SILENT_DB, now)  # a beep is no speech
            by = self._judged(now)
        return Verdict(by, now) if by is not None else None

    def _toned(self, tone: float | None, now: float) -> AnsweredBy | None:
        """What a steady tone means, once it is one or is over."""
        before, lasted = self._tone, now - FRAME_SECONDS - self._tone_began
        steady = tone is not None and before is not None and abs(tone - before) <= STEADY * before
        if steady:
            lasted = now - self._tone_began
            fax = any(abs(tone - hertz) <= STEADY * hertz for hertz in FAX_HZ) if tone is not None else False
            return "fax" if fax and lasted >= FAX_SECONDS and self._voice.began is None else None
        self._tone, self._tone_began = tone, now - FRAME_SECONDS
        if before is None or lasted + 1e-9 < BEEP_SECONDS:
            return None
        return "machine-beep" if self._limits.await_end else "machine"

    def _judged(self, now: float) -> AnsweredBy | None:
        limits, voice = self._limits, self._voice
        if voice.began is None or voice.last is None:
            if now >= limits.silence_seconds:
                return "silence"
        elif voice.last - voice.began >= limits.speech_seconds:
            if not limits.await_end:
                return "machine"
            pause = limits.machine_pause_seconds
            if voice.silent(now) >= (limits.pause_seconds if pause is None else pause):
                return "machine-silence"
            if now >= limits.total_seconds:
                return "machine-other"
        elif voice.silent(now) >= limits.pause_seconds:
            return "human"
        return "timeout" if now >= limits.total_seconds else None

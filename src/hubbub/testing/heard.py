"""A window of what a phone heard, and the questions a test asks of it.

Levels are dBFS of one sine: 0 dB is a sine whose peak is full scale.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from hubbub.testing.g711 import Pcm

RATE: Final = 8000
AUDIBLE: Final = -35.0
"""A tone at this level or above is heard."""
QUIET: Final = -50.0
"""Below this level nothing is heard."""
_FLOOR: Final = -120.0
_CLICK_ORDER: Final = 32


@dataclass(frozen=True)
class Heard:
    """Audio of exactly one window: 8 kHz, zeros where nothing came.

    `arrivals` are the times of its packets and `start` that of its begin (monotonic seconds); `digits` the keys that came as
    telephone-events meanwhile.
    """

    pcm: Pcm
    start: float = 0.0
    arrivals: tuple[float, ...] = ()
    digits: str = ""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / RATE

    @property
    def packets(self) -> int:
        return len(self.arrivals)

    @property
    def level(self) -> float:
        """Overall level, dBFS."""
        if len(self.pcm) == 0:
            return _FLOOR
        power = float(np.mean(self.pcm.astype(np.float64) ** 2))
        return max(_FLOOR, float(10 * np.log10(2 * power / 32767**2 + 1e-12)))

    @property
    def silent(self) -> bool:
        """Nothing to hear in the whole window."""
        return self.level < QUIET

    @property
    def longest_gap(self) -> float:
        """The longest time without a packet inside the window, in milliseconds."""
        times = [self.start, *self.arrivals, self.start + self.seconds]
        return 1000 * max(later - earlier for earlier, later in pairwise(times))

    def level_at(self, frequency: float) -> float:
        """Level of one tone, dBFS (strongest within 2 Hz)."""
        if len(self.pcm) == 0:
            return _FLOOR
        window, time, near = _probe(len(self.pcm))
        weighted = self.pcm * (2 / np.sum(window) / 32767) * window
        # Not by `@`: its threads wait in a loop for work this small, and take the processor from the calls that are measured.
        amplitude = float(np.max(np.abs(np.einsum("ij,j->i", near, weighted * np.exp(-2j * np.pi * frequency * time)))))
        return max(_FLOOR, float(20 * np.log10(amplitude + 1e-12)))

    def hears(self, frequency: float, min_db: float = AUDIBLE) -> bool:
        """Whether a tone is heard. Speech and music hold every frequency for a moment: ask this of tones."""
        return self.level_at(frequency) >= min_db

    def tones(self, min_db: float = -40.0) -> dict[int, float]:
        """Every tone in the window: frequency (Hz, rounded) → dBFS, loudest first."""
        if len(self.pcm) < 400:
            return {}
        size = 1 << (2 * len(self.pcm) - 1).bit_length()
        window = np.blackman(len(self.pcm))
        spectrum = np.abs(np.fft.rfft(self.pcm * window, size)) * (2 / np.sum(window) / 32767)
        reach = max(2, int(np.ceil(3.5 * size / len(self.pcm))))  # half the main lobe
        found: dict[int, float] = {}
        left = spectrum.copy()
        while len(found) < 64:
            peak = int(np.argmax(left))
            level = 20 * np.log10(left[peak] + 1e-12)
            if level < min_db:
                break
            edge = peak - reach < 0 or left[peak] < spectrum[max(0, peak - 1) : peak + 2].max()
            left[max(0, peak - reach) : peak + reach + 1] = 0
            if not edge:
                found[round(peak * RATE / size)] = round(float(level), 1)
        return found

    def clicks(self) -> list[float]:
        """Where the wave jumps (seconds into the window), for windows of silence and steady tones.

        A linear predictor fits tones, even while they swell; what it fails to predict by far is a jump. Speech and music are
        full of such moments: not for them.
        """
        wave_in = self.pcm.astype(np.float64) / 32767
        if len(wave_in) < 4 * _CLICK_ORDER or np.max(np.abs(wave_in)) < 1e-3:
            return []
        rows = np.lib.stride_tricks.sliding_window_view(wave_in[:-1], _CLICK_ORDER)
        targets = wave_in[_CLICK_ORDER:]
        # A little noise on the diagonal keeps the fit from chasing rounding.
        gram = rows.T @ rows + 1e-6 * len(rows) * np.eye(_CLICK_ORDER)
        weights = np.linalg.solve(gram, rows.T @ targets)
        residual = np.abs(targets - rows @ weights)
        # Measured on sums of three tones: ramps of 10 ms stay below 0.09 of the peak and 17 times the median, steps above both.
        limit = max(25 * float(np.median(residual)), 0.12 * float(np.max(np.abs(wave_in))))
        places = np.flatnonzero(residual > limit) + _CLICK_ORDER
        clicks: list[float] = []
        for place in places / RATE:
            if not clicks or place - clicks[-1] > 0.02:
                clicks.append(round(float(place), 4))
        return clicks

    def words_like(self, pcm: NDArray[np.int16], rate: int = 16_000) -> float:
        """How much of the window is this speech: the best normalised cross-correlation, 0 to 1.

        Through a telephone line and an engine the same sentence gives more than 0.8, another one less than 0.3; two people at
        once about 0.7 each. The window must hold the whole sentence, or lie inside it.
        """
        known = _at_8k(pcm, rate)
        long, short = (self.pcm.astype(np.float64), known) if len(self.pcm) >= len(known) else (known, self.pcm.astype(np.float64))
        energy = float(np.sum(short**2))
        if len(short) == 0 or energy == 0:
            return 0.0
        size = 1 << (len(long) + len(short)).bit_length()
        product = np.fft.irfft(np.fft.rfft(long, size) * np.conj(np.fft.rfft(short, size)), size)
        running = np.concatenate([[0.0], np.cumsum(long**2)])
        local = running[len(short) :] - running[: -len(short)]
        # Where the window is nearly silent a tiny likeness would count: such places weigh as a tenth of the loudest.
        scale = np.sqrt(energy * np.maximum(local, 0.1 * float(np.max(local, initial=1e-9))))
        return float(min(1.0, np.max(np.abs(product[: len(local)]) / np.maximum(scale, 1e-9))))

    def save(self, path: Path | str) -> None:
        """Write the window as a WAV file, to listen to."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(self.pcm.astype("<i2").tobytes())

    def __repr__(self) -> str:
        tones = ", ".join(f"{frequency} Hz {level:.0f} dB" for frequency, level in list(self.tones().items())[:8]) or "no tone"
        keys = f", keys {self.digits}" if self.digits else ""
        return f"<Heard {self.seconds:.2f} s, {self.packets} packets, {self.level:.0f} dBFS: {tones}{keys}>"


@lru_cache(maxsize=4)
def _probe(length: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]]:
    """For windows of one length: weights, times, and the turns from a frequency to those within 2 Hz of it.

    Tests ask for dozens of tones in windows of a few lengths: one exponential for each tone is enough.
    """
    time = np.arange(length) / RATE
    return np.hanning(length), time, np.exp(-2j * np.pi * np.outer(np.arange(-2, 2.5, 0.5), time))


def _at_8k(pcm: NDArray[np.int16], rate: int) -> NDArray[np.float64]:
    wave_in = pcm.astype(np.float64)
    return wave_in if rate == RATE else np.asarray(soxr.resample(wave_in, rate, RATE), dtype=np.float64)

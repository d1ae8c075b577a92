"""Levels and speech detection (docs/media.md 1.6)."""

from __future__ import annotations

from hubbub.media.compiled import kernel
from hubbub.media.layout import Array, Voices

LOUD = 107374
"""Mean square at -40 dBFS: speech may start."""
FAINT = 26844
"""Mean square at -46 dBFS: below it speech may end."""
ONSET = 3
HANGOVER = 25


@kernel
def energy(pcm: Array, count: int) -> int:
    """Sum of the squares of the first `count` samples."""
    total = 0
    for n in range(count):
        total += int(pcm[n]) * int(pcm[n])
    return total


@kernel
def detect(voices: Voices, leg: int, level: int) -> int:
    """Account one frame; +1 when speech starts with it, -1 when it has stopped, else 0."""
    voices[leg].level = level
    if voices[leg].talking:
        voices[leg].hang = 0 if level >= FAINT else voices[leg].hang + 1
        if voices[leg].hang >= HANGOVER:
            voices[leg].talking = 0
            voices[leg].onset = 0
            return -1
        return 0
    voices[leg].onset = voices[leg].onset + 1 if level >= LOUD else max(voices[leg].onset - 1, 0)
    if voices[leg].onset >= ONSET:
        voices[leg].talking = 1
        voices[leg].hang = 0
        return 1
    return 0

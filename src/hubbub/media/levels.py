"""Levels and speech detection (docs/media.md 1.6)."""

from __future__ import annotations

from hubbub.media.compiled import kernel
from hubbub.media.layout import Array, Voices


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
        voices[leg].hang = 0 if level >= voices[leg].faint else voices[leg].hang + 1
        if voices[leg].hang >= voices[leg].hang_frames:
            voices[leg].talking = 0
            voices[leg].onset = 0
            return -1
        return 0
    voices[leg].onset = voices[leg].onset + 1 if level >= voices[leg].loud else max(voices[leg].onset - 1, 0)
    if voices[leg].onset >= voices[leg].onset_frames:
        voices[leg].talking = 1
        voices[leg].hang = 0
        return 1
    return 0


@kernel
def passes(voices: Voices, leg: int, level: int) -> bool:
    """Whether a frame is loud enough to be mixed: at once when it is, and for as long as speech may pause after that."""
    if level >= voices[leg].gate:
        voices[leg].open = voices[leg].hang_frames
        return True
    voices[leg].open = max(voices[leg].open - 1, 0)
    return bool(voices[leg].open > 0)


@kernel
def shut(voices: Voices, leg: int) -> bool:
    """Whether nothing of a leg is mixed now, because it has a gate and has been below it for as long as speech may pause."""
    return bool(voices[leg].gate > 0 and voices[leg].open == 0)

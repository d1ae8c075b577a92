"""The installed recogniser, behind three methods. Runs in a recognition process only.

The model knows wide-band American English. Telephone audio has nothing above 4 kHz, where the model expects hiss and
consonants: a mirrored, quieter copy of the lower half is put there, which is the cheapest way to widen a voice.
"""

from __future__ import annotations

import importlib.util
import math
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
RATE: Final = 16_000
MARGIN: Final = RATE // 5
"""Samples of silence that an utterance is given at both ends: the model wants to hear it begin."""
MIRROR: Final = 0.2
NARROW: Final = 1e-4
"""Audio whose upper half has less than this part of the power comes from a telephone."""
MOST_HINTS: Final = 500
FITS: Final = -15.0
"""How much better a hint must fit the sound than free speech does: a little worse will do, for it was expected."""
COVERS: Final = 0.5
"""How much of the time in which free speech hears words a hint must fill."""


@dataclass(frozen=True)
class Understood:
    """What was said, and how sure the recogniser is (0 to 1); nothing was understood where the text is empty."""

    text: str = ""
    confidence: float = 0.0


@dataclass(frozen=True)
class _Decoded:
    text: str
    confidence: float
    score: float
    """Log likelihood per second."""
    spoken: int
    """Frames of 10 ms that words take."""


def installed() -> bool:
    """Whether the recogniser's package is there (found, not loaded)."""
    return importlib.util.find_spec("pocketsphinx") is not None


class Recogniser:
    """`pocketsphinx` with the American English model of its wheel: about five times faster than real time."""

    def __init__(self) -> None:
        import pocketsphinx

        # Fillers may not swallow speech that no hint explains.
        self._decoder: Any = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL", cmn="batch", fillprob=1e-30)
        self._grammar = ""

    def understand(self, pcm: Pcm, hints: tuple[str, ...] = ()) -> Understood:
        """A whole utterance; one of `hints` is preferred where it fits the sound better than free speech."""
        sound = _prepared(pcm)
        free = self._decode(sound, "_default")
        grammar = self._grammar_of(hints)
        if not grammar:
            return Understood(free.text, free.confidence)
        if grammar != self._grammar:
            self._decoder.add_jsgf_string("hints", grammar)
            self._grammar = grammar
        hinted = self._decode(sound, "hints")
        better = hinted.score - free.score
        if hinted.text and better > FITS and hinted.spoken >= COVERS * free.spoken:
            return Understood(hinted.text, max(free.confidence, 1 / (1 + math.exp(-4 * better / 100))))
        return Understood(free.text, free.confidence)

    def begin(self) -> None:
        """An utterance whose words so far will be asked for."""
        self._decoder.activate_search("_default")
        self._decoder.start_utt()

    def hear(self, pcm: Pcm) -> str:
        """More of that utterance; the words so far."""
        self._decoder.process_raw(pcm.astype("<i2").tobytes())
        found = self._decoder.hyp()
        return _plain(found.hypstr) if found is not None else ""

    def stop(self) -> None:
        """That utterance is over."""
        self._decoder.end_utt()

    def _decode(self, sound: Pcm, search: str) -> _Decoded:
        decoder = self._decoder
        decoder.activate_search(search)
        decoder.start_utt()
        decoder.process_raw(sound.astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        if found is None or not found.hypstr:
            return _Decoded("", 0.0, -math.inf, 0)
        words = [segment for segment in decoder.seg() if segment.word[:1] not in "<[+"]
        sure = sum(min(1.0, word.prob) for word in words) / max(1, len(words))
        # The package scales scores by a thousand and more: only differences over the same sound mean something.
        score = 1e5 * math.log(max(1e-300, found.best_score)) / (len(sound) / 160)
        return _Decoded(_plain(found.hypstr), sure, score, sum(word.end_frame - word.start_frame for word in words))

    def _grammar_of(self, hints: tuple[str, ...]) -> str:
        """A grammar of the hints whose words the dictionary knows; empty without any."""
        phrases = []
        for hint in hints[:MOST_HINTS]:
            words = re.findall(r"[a-z']+", hint.lower())
            if words and all(self._decoder.lookup_word(word) for word in words):
                phrases.append(" ".join(words))
        return f"#JSGF V1.0; grammar hints; public <hints> = ( {' | '.join(dict.fromkeys(phrases))} ) ;" if phrases else ""


def _plain(text: str) -> str:
    """Words without the marks of their pronunciation."""
    return re.sub(r"\(\d+\)|<[^>]*>|\[[^\]]*\]", "", text).strip()


def _prepared(pcm: Pcm) -> Pcm:
    """With silence around it, a floor of noise, and an upper half where that is missing."""
    sound = pcm.astype(np.float32)
    narrow = soxr.resample(sound, RATE, RATE // 2)
    low = soxr.resample(narrow, RATE // 2, RATE)[: len(sound)]
    high = sound[: len(low)] - low
    if np.square(high).sum() < NARROW * np.square(sound).sum() + 1.0:
        images = np.zeros(2 * len(narrow), np.float32)
        images[::2] = 2 * narrow
        count = min(len(images), len(low))
        sound = low[:count] + np.float32(MIRROR) * (images[:count] - low[:count])
    noise = np.random.default_rng(1).normal(0, 3, len(sound) + 2 * MARGIN).astype(np.float32)
    noise[MARGIN : MARGIN + len(sound)] += sound
    return np.asarray(np.clip(noise, -32768, 32767), dtype=np.int16)

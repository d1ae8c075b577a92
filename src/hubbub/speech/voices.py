"""Text to speech: what a prompt sounds like, whatever is installed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from hubbub.speech import choice, engines, ssml
from hubbub.speech.choice import Candidate
from hubbub.speech.loudness import RATE, Pcm, to_pcm, to_telephone
from hubbub.speech.pattern import pattern
from hubbub.speech.process import EngineFailed, SpeechProcess

log = structlog.get_logger()

MAX_TEXT: Final = 8192
MAX_CACHED_SAMPLES: Final = 30 * 60 * RATE
"""Half an hour of audio, 58 MB."""
FALLBACK: Final = "tones"
_Key = tuple[str, tuple[str, ...]]


class Speech:
    """Says text as 16 kHz audio with the best voice at hand; without any, as a rhythm of tones.

    Work is done by one thread and the speech process behind it; equal texts are said once and shared (read-only arrays).
    """

    def __init__(self, cache: int = 256) -> None:
        self._limit = cache
        self._cache: OrderedDict[_Key, asyncio.Future[Pcm]] = OrderedDict()
        self._process = SpeechProcess()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="speech")
        self._available: list[str] | None = None
        self._warned: set[str] = set()

    def engines(self) -> list[str]:
        """Names of the engines that can be used, best first; the last one is always `tones`."""
        if self._available is None:
            self._available = engines.installed()
            if not self._available:
                log.warning("speech_no_engine", note="prompts are tones; install hubbub[speech]")
        return [*self._available, FALLBACK]

    async def say(self, text: str, *, voice: str = "", language: str = "", gender: str = "") -> Pcm:
        """Audio of `text` (plain or SSML): mono, 16 kHz, peak at most -6 dBFS; empty for a text without words.

        `language` decides first; empty means the voice's own, else en-US. Never fails because of an engine.
        """
        loop = asyncio.get_running_loop()
        wanted = choice.candidates(voice, language, gender)
        key = (text, tuple(f"{candidate.engine} {candidate.language}" for candidate in wanted))
        cached = self._cache.get(key)
        if cached is None or cached.cancelled() or (cached.done() and cached.exception()) or cached.get_loop() is not loop:
            self._note_language(language)
            cached = asyncio.ensure_future(loop.run_in_executor(self._thread, self._render, text[:MAX_TEXT], wanted, voice, gender))
            self._cache[key] = cached
        self._cache.move_to_end(key)
        pcm = await asyncio.shield(cached)
        self._trim_cache()
        return pcm

    def close(self) -> None:
        """End the speech process; `say` must not be called any more."""
        self._process.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _trim_cache(self) -> None:
        finished = [future for future in self._cache.values() if future.done() and not future.cancelled() and not future.exception()]
        samples = sum(len(future.result()) for future in finished)
        while len(self._cache) > max(1, self._limit) or (samples > MAX_CACHED_SAMPLES and len(self._cache) > 1):
            _, oldest = self._cache.popitem(last=False)
            if oldest in finished:
                samples -= len(oldest.result())

    def _note_language(self, language: str) -> None:
        if not choice.speaks(language) and language not in self._warned:
            self._warned.add(language)
            log.warning("speech_language_missing", language=language, note="read by an English voice")

    def _render(self, text: str, wanted: list[Candidate], voice: str, gender: str) -> Pcm:
        """In the thread: every piece said, pauses between, as one array."""
        waves: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
        for piece in ssml.split(text):
            if isinstance(piece, ssml.Pause):
                waves.append(np.zeros(round(piece.seconds * RATE), np.float32))
                continue
            own = choice.candidates(piece.voice or voice, piece.language, gender) if piece.language or piece.voice else wanted
            waves.append(self._speak(piece.text, own))
        pcm = to_pcm(np.concatenate(waves))
        pcm.flags.writeable = False
        return pcm

    def _speak(self, text: str, wanted: list[Candidate]) -> NDArray[np.float32]:
        for candidate in wanted:
            if candidate.engine not in self.engines():
                continue
            try:
                audio, rate = self._process.say(candidate.engine, text, candidate.language)
            except EngineFailed as error:
                log.warning("speech_engine_failed", engine=candidate.engine, error=str(error), characters=len(text))
                continue
            wave = to_telephone(audio, rate)
            if len(wave):
                return wave
            # Nothing was said: letters that this engine does not know. Another one may.
            log.info("speech_engine_silent", engine=candidate.engine, characters=len(text))
        return to_telephone(pattern(text), RATE) if any(letter.isalnum() for letter in text) else np.zeros(0, np.float32)

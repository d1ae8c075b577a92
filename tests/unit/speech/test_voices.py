"""Whatever happens to an engine, a prompt is heard."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray

from hubbub.speech import engines
from hubbub.speech.process import EngineFailed, SpeechProcess
from hubbub.speech.voices import Speech


class FakeProcess(SpeechProcess):
    """Says a second of noise per text; names in `broken` fail, in `mute` give nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str]] = []
        self.broken: set[str] = set()
        self.mute: set[str] = set()

    def say(self, engine: str, text: str, language: str) -> tuple[NDArray[np.float32], int]:
        self.asked.append((engine, text, language))
        if engine in self.broken:
            raise EngineFailed("broken")
        seconds = 0 if engine in self.mute else 1
        return np.random.default_rng(1).uniform(-0.5, 0.5, 24_000 * seconds).astype(np.float32), 24_000


@pytest.fixture
def process() -> FakeProcess:
    return FakeProcess()


@pytest.fixture
async def speech(process: FakeProcess, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Speech]:
    monkeypatch.setattr(engines, "installed", lambda: ["hibari", "joe", "pico"])
    speech = Speech(cache=3)
    speech._process = process
    yield speech
    speech.close()


async def test_says_at_16_khz(speech: Speech) -> None:
    pcm = await speech.say("Hello")
    assert pcm.dtype == np.int16
    assert abs(len(pcm) - 16_000) < 100


async def test_a_broken_engine_is_replaced(speech: Speech, process: FakeProcess) -> None:
    process.broken = {"joe"}
    assert len(await speech.say("Hello", voice="man")) > 0
    assert [engine for engine, *_ in process.asked] == ["joe", "pico"]


async def test_without_engines_tones(speech: Speech, process: FakeProcess) -> None:
    process.broken = {"hibari", "joe", "pico"}
    first = await speech.say("Hello there")
    assert len(first) > 3_000
    assert np.abs(first).max() > 3_000
    assert len(await speech.say("...")) == 0


async def test_letters_no_engine_knows_become_tones(speech: Speech, process: FakeProcess) -> None:
    process.mute = {"hibari", "joe", "pico"}
    assert len(await speech.say("日本語")) > 0


async def test_equal_text_is_said_once(speech: Speech, process: FakeProcess) -> None:
    first, second = await asyncio.gather(speech.say("Hello"), speech.say("Hello", voice="woman"))
    assert first is second
    assert not first.flags.writeable
    assert len(process.asked) == 1
    for text in "abc":
        await speech.say(text)
    await speech.say("Hello")
    assert len(process.asked) == 5, "the cache keeps three"


async def test_markup_is_not_spoken(speech: Speech, process: FakeProcess) -> None:
    pcm = await speech.say('<speak>One<break time="2s"/><lang xml:lang="de-DE">zwei</lang></speak>')
    assert process.asked == [("hibari", "One", "en-US"), ("pico", "zwei", "de-DE")]
    assert abs(len(pcm) - 4 * 16_000) < 200


async def test_no_words_no_audio(speech: Speech) -> None:
    assert len(await speech.say("  ")) == 0


# The real process and voices, where they are installed.

needs_voices = pytest.mark.skipif("hibari" not in engines.installed(), reason="hibari-tts is not installed")


def test_an_unknown_engine_is_an_error_not_a_crash() -> None:
    process = SpeechProcess()
    try:
        with pytest.raises(EngineFailed, match="KeyError"):
            process.say("none", "text", "en-US")
        child = process._child.process
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(EngineFailed):
            process.say("none", "text", "en-US")
        with pytest.raises(EngineFailed, match="KeyError"):
            process.say("none", "started again", "en-US")
    finally:
        process.close()


@needs_voices
async def test_real_voices_differ() -> None:
    speech = Speech()
    try:
        assert speech.engines()[-1] == "tones"
        woman = await speech.say("Welcome to the conference.")
        man = await speech.say("Welcome to the conference.", voice="man")
    finally:
        speech.close()
    assert 16_000 < len(woman) < 48_000
    assert 16_000 < len(man) < 48_000
    assert _pitch(man) < 150 < _pitch(woman)


def _pitch(pcm: NDArray[np.int16]) -> float:
    """Median fundamental of the voiced blocks, by autocorrelation between 70 and 350 Hz."""
    pitches = []
    for start in range(0, len(pcm) - 1024, 512):
        block = pcm[start : start + 1024].astype(float)
        correlation = np.correlate(block, block, "full")[1023:]
        lag = int(np.argmax(correlation[45:230])) + 45
        if correlation[0] > 1e8 and correlation[lag] > 0.5 * correlation[0]:
            pitches.append(16_000 / lag)
    return float(np.median(pitches))

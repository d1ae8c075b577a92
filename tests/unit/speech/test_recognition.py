"""What callers say is understood, in processes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
import soxr

from hubbub.speech.recogniser import Pcm, installed
from hubbub.speech.recognition import Recognition, RecognitionFailed
from hubbub.speech.voices import Speech

pytestmark = pytest.mark.asyncio(loop_scope="module")
needs_recogniser = pytest.mark.skipif(not installed(), reason="no recogniser is installed")


def telephone(pcm: Pcm) -> Pcm:
    """What is left after 8 kHz."""
    narrow = soxr.resample(soxr.resample(pcm.astype(np.float32), 16_000, 8_000), 8_000, 16_000)
    return np.clip(narrow, -32768, 32767).astype(np.int16)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speech() -> AsyncIterator[Speech]:
    voices = Speech()
    yield voices
    voices.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recognition() -> AsyncIterator[Recognition]:
    found = Recognition(1)
    yield found
    await found.close()


@needs_recogniser
async def test_a_sentence(speech: Speech, recognition: Recognition) -> None:
    found = await recognition.understand(await speech.say("the weather is nice today and we are going to the park", voice="man"))
    assert {"weather", "today", "going", "park"} <= set(found.text.replace("weather's", "weather").split())
    assert 0.3 < found.confidence <= 1.0


@needs_recogniser
async def test_hints_win_over_what_sounds_alike(speech: Speech, recognition: Recognition) -> None:
    """A word over a telephone is ambiguous; hints say which words are expected."""
    hints = ("sales", "support", "billing", "opening hours")
    for words in hints:
        found = await recognition.understand(telephone(await speech.say(words, voice="man")), hints)
        assert found.text == words
        assert found.confidence > 0.5


@needs_recogniser
async def test_hints_do_not_hear_what_was_not_said(speech: Speech, recognition: Recognition) -> None:
    found = await recognition.understand(await speech.say("one two three four", voice="man"), ("sales", "billing", "zzyzx road"))
    assert found.text == "one two three four"


@needs_recogniser
async def test_words_so_far(speech: Speech, recognition: Recognition) -> None:
    pcm = await speech.say("the weather is nice today and we are going to the park", voice="man")
    told: list[str] = []
    async with recognition.listen(on_partial=told.append) as hearing:
        for start in range(0, len(pcm), 1600):
            hearing.hear(pcm[start : start + 1600])
        final = await hearing.end()
    assert len(told) >= 2
    assert len(told[-1].split()) > len(told[0].split())
    assert "weather" in final.text


@needs_recogniser
async def test_silence_is_nothing(recognition: Recognition) -> None:
    found = await recognition.understand(np.zeros(16_000, np.int16))
    assert len(found.text) < 4  # a breath at most


@needs_recogniser
async def test_what_dies_is_replaced(speech: Speech, recognition: Recognition) -> None:
    pcm = await speech.say("hello", voice="man")
    async with recognition.listen() as hearing:
        hearing.hear(pcm)
        hearing._process.kill()
        with pytest.raises(RecognitionFailed) as failure:
            await hearing.end()
    assert failure.value.why == "failed"
    assert (await recognition.understand(pcm, ("hello",))).text == "hello"


@needs_recogniser
async def test_as_many_as_there_are(recognition: Recognition) -> None:
    async with recognition.listen():
        with pytest.raises(RecognitionFailed) as failure:
            async with recognition.listen():
                pass
    assert failure.value.why == "busy"


@pytest.mark.parametrize(("language", "why"), [("de-DE", "language"), ("fr", "language")])
@needs_recogniser
async def test_languages_it_does_not_know(recognition: Recognition, language: str, why: str) -> None:
    with pytest.raises(RecognitionFailed) as failure:
        recognition.check(language)
    assert failure.value.why == why
    for known in ("", "en-US", "en_GB", "EN"):
        recognition.check(known)


async def test_switched_off() -> None:
    off = Recognition(0)
    assert not off.available
    with pytest.raises(RecognitionFailed) as failure:
        off.check()
    assert failure.value.why == "absent"

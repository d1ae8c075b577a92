"""Words that phones say in tests: from the offline voices, or none where they are not installed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hubbub.speech.engines import installed as voices_installed
from hubbub.speech.recogniser import installed as recogniser_installed
from hubbub.speech.voices import Speech

MISSING = not (voices_installed() and recogniser_installed())
WHY = "the offline voices or the recogniser are not installed"
Pcm = NDArray[np.int16]


async def spoken(*sentences: str, voice: str = "man") -> dict[str, Pcm]:
    """16 kHz audio of each sentence."""
    speech = Speech()
    try:
        return {sentence: await speech.say(sentence, voice=voice) for sentence in sentences}
    finally:
        speech.close()

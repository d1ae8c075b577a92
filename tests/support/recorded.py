"""What tests of recordings share: which tone is in which channel, and what REST says."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.stage import TONE, level_at, sid_of

from hubbub.testing import Application

PROMPT = 2951.0
TOLD = 'recordingStatusCallback="/recording" recordingStatusCallbackEvent="started in-progress paused resumed stopped completed absent"'
EVERYTHING = [
    ("RecordingStatusCallbackEvent", name) for name in ("started", "in-progress", "paused", "resumed", "stopped", "completed", "absent")
]


def status(word: str) -> Any:
    return lambda request: request.params["RecordingStatus"] == word


def channels(content: bytes) -> list[np.ndarray[Any, Any]]:
    """Each channel of a WAV or MP3, as 16-bit samples at 8 kHz."""
    samples, rate = soundfile.read(io.BytesIO(content), always_2d=True)
    assert rate == 8000
    return list((samples * 32768).T)


def tones_in(samples: np.ndarray[Any, Any], floor: float = -35.0) -> set[float]:
    """The tones in the middle of a channel."""
    middle = samples[len(samples) // 3 : len(samples) * 2 // 3]
    return {frequency for frequency in (*TONE.values(), PROMPT) if level_at(middle, frequency) > floor}


async def call_sid(application: Application, name: str) -> str:
    await application.wait_for("/voice")
    return sid_of(application, name)


async def settled(rest: Rest, path: str, wanted: str = "completed") -> dict[str, Any]:
    """A recording, when it has that status."""
    for _ in range(60):
        found: dict[str, Any] = await rest.get(path, IncludeSoftDeleted="true")
        if found["status"] == wanted:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{found['status']} is not {wanted}")


async def refused(request: Any, http: int, code: int) -> None:
    with pytest.raises(RestError) as error:
        await request
    body = error.value.body if isinstance(error.value.body, dict) else json.loads(error.value.body)
    assert (error.value.status, body["code"]) == (http, code)

"""cXML: the sound of a whole recording is put where its document says."""

from __future__ import annotations

import asyncio
import io
import wave
from typing import Any

import numpy as np
import pytest
from tests.support.stage import TONE, PhoneMaker, call_in, level_at

from hubbub.testing import Application, HubbubServer

pytestmark = pytest.mark.scenario


@pytest.fixture
def hubbub_config(application: Application) -> dict[str, Any]:
    return {"numbers": [{"number": "+15550001000", "account": "dev", "dialect": "cxml", "url": application.url("/voice")}]}


def heard_in(body: bytes) -> float:
    """How much louder a caller's tone is than another, in dB."""
    with wave.open(io.BytesIO(body)) as file:
        rate, pcm = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert rate == 8000
    return level_at(pcm[:8000], TONE["alice"]) - level_at(pcm[:8000], TONE["bob"])


async def test_recordings_are_put_where_documents_say(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.3 `storageUrl(Method POST|PUT)`, 1.4 `recordingStorageUrl`: the sound is the body; a store that fails is asked again."""
    stored = '<Record action="/after" finishOnKey="#" playBeep="false" trim="do-not-trim" storageUrl="/store/a" storageUrlMethod="PUT"/>'
    application.on("/voice", f"<Response>{stored}</Response>")
    application.on("/store/a", None)
    application.fault("/store/a", status=503, times=1)
    room = '<Conference beep="false" startConferenceOnEnter="true">x</Conference>'
    dial = f'<Dial hangupOnStar="true" record="record-from-answer" recordingStorageUrl="/store/b">{room}</Dial>'
    application.on("/after", f"<Response>{dial}</Response>")
    application.on("/store/b", None)
    calls = await call_in(hubbub_server, phone, "alice")
    await asyncio.sleep(1.5)  # something to hear
    await calls["alice"].press("#")
    put = await application.wait_for("/store/a", lambda request: request.method == "PUT", timeout=20, count=2)
    assert (put.method, put.headers["Content-Type"]) == ("PUT", "audio/x-wav")
    assert heard_in(put.body) > 20
    await application.wait_for("/after")
    await asyncio.sleep(2.0)
    await calls["alice"].hangup()
    posted = await application.wait_for("/store/b", timeout=20)
    assert posted.method == "POST"
    assert heard_in(posted.body) > 20

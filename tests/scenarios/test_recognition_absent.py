"""Without a recogniser each dialect gives its own failure, and calls go on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.support.rest import Rest
from tests.support.shared import dialling

from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

NUMBERS = {"twiml": "+15550001001", "cxml": "+15550001002", "bxml": "+15550001003", "swml": "+15550001004"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[Application, HubbubServer, Rest]]:
    """One server for all tests of this module."""
    async with Application() as app:
        numbers = [{"number": number, "account": "dev", "dialect": name, "url": app.url(f"/{name}")} for name, number in NUMBERS.items()]
        config = {"numbers": numbers, "speech": {"recognisers": 0}}
        async with HubbubServer(app.url("/voice"), config=config) as server, Rest(server) as rest:
            yield app, server, rest


@pytest_asyncio.fixture(loop_scope="module")
async def application(running: Any) -> Application:
    """The application, with nothing remembered."""
    app: Application = running[0]
    app.forget()
    for path in ("/next", "/said"):
        app.on(path, "<Response/>")
    app.on("/text", None)
    return app


call = dialling(NUMBERS)


async def codes(running: Any, sid: str) -> list[str]:
    rest: Rest = running[2]
    return [note["error_code"] for note in (await rest.get(f"/Calls/{sid}/Notifications.json"))["notifications"]]


async def test_gather_of_speech_alone_goes_on(application: Application, call: Any, running: Any) -> None:
    """13340, and the next verb."""
    application.on("/twiml", '<Response><Gather input="speech" action="/said"/><Redirect>/next</Redirect></Response>')
    await call("twiml")
    request = await application.wait_for("/next")
    assert await codes(running, request.params["CallSid"]) == ["13340"]
    assert application.requests("/said") == []


@pytest.mark.parametrize("dialect", ["twiml", "cxml"])
async def test_gather_with_keys_gathers_keys(application: Application, call: Any, dialect: str) -> None:
    application.on(f"/{dialect}", '<Response><Gather input="dtmf speech" numDigits="1" action="/said"/></Response>')
    caller = await call(dialect)
    caller.tone(574)
    caller.press("5")
    assert (await application.wait_for("/said")).params["Digits"] == "5"


async def test_bxml_asks_without_digits(application: Application, call: Any) -> None:
    """The gather event comes, with nothing in it."""
    application.on("/bxml", '<Response><Gather input="speech" gatherUrl="/said"/></Response>')
    await call("bxml")
    event = (await application.wait_for("/said")).json
    assert (event["eventType"], event["digits"]) == ("gather", "")
    assert "speechResult" not in event


async def test_a_prompt_fails(application: Application, call: Any) -> None:
    """`prompt_result` is `failed`."""
    steps = [
        {"prompt": {"play": "silence:0.1", "speech_timeout": 5}},
        {"request": {"url": "/said", "method": "POST", "body": {"result": "%{prompt_result}"}}},
    ]
    application.on("/swml", json.dumps({"version": "1.0.0", "sections": {"main": steps}}))
    await call("swml")
    assert (await application.wait_for("/said")).json == {"result": "failed"}


async def test_a_transcript_fails(application: Application, call: Any, running: Any) -> None:
    """`TranscriptionStatus` is `failed`; the recording is there."""
    record = '<Record action="/said" maxLength="1" playBeep="false" transcribe="true" transcribeCallback="/text"/>'
    application.on("/twiml", f"<Response>{record}</Response>")
    caller = await call("twiml")
    caller.tone(574)
    params = (await application.wait_for("/text", timeout=20.0)).params
    assert (params["TranscriptionStatus"], params["TranscriptionText"]) == ("failed", "")
    rest: Rest = running[2]
    assert (await rest.get(f"/Transcriptions/{params['TranscriptionSid']}.json"))["status"] == "failed"
    assert (await rest.get(f"/Recordings/{params['RecordingSid']}.json"))["status"] == "completed"


async def test_a_transcription_of_a_call_fails(application: Application, call: Any) -> None:
    """started, error, stopped; the call goes on."""
    start = '<Start><Transcription statusCallbackUrl="/text"/></Start>'
    application.on("/twiml", f"<Response>{start}<Pause length='1'/><Redirect>/next</Redirect></Response>")
    await call("twiml")
    await application.wait_for("/next")
    await application.wait_for("/text", lambda request: request.params["TranscriptionEvent"] == "transcription-stopped")
    kinds = [request.params["TranscriptionEvent"] for request in application.requests("/text")]
    assert kinds == ["transcription-started", "transcription-error", "transcription-stopped"]
    assert "no recogniser" in application.requests("/text")[1].params["TranscriptionError"]

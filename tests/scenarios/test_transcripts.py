"""What was said in a recording is transcribed: told to the application, and shown by REST of three dialects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.shared import dialling
from tests.support.v2 import V2
from tests.support.voices import MISSING, WHY, Pcm, spoken

from hubbub.testing import Application, HubbubServer, Request

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module"), pytest.mark.skipif(MISSING, reason=WHY)]

NUMBERS = {"twiml": "+15550001001", "cxml": "+15550001002", "bxml": "+15550001003", "swml": "+15550001004"}
SENTENCE = "the weather is nice today and we are going to the park"
HEARD = {"weather", "today", "going", "park"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[Application, HubbubServer, Rest, V2, Pcm]]:
    """One server for all tests of this module."""
    words = await spoken(SENTENCE)
    async with Application() as app:
        numbers = [{"number": number, "account": "dev", "dialect": name, "url": app.url(f"/{name}")} for name, number in NUMBERS.items()]
        async with HubbubServer(app.url("/voice"), config={"numbers": numbers}) as server, Rest(server) as rest, V2(server) as v2:
            yield app, server, rest, v2, words[SENTENCE]


@pytest_asyncio.fixture(loop_scope="module")
async def application(running: Any) -> Application:
    """The application, with nothing remembered."""
    app: Application = running[0]
    app.forget()
    app.on("/text", None)
    app.on("/done", "<Response/>")
    return app


call = dialling(NUMBERS)


async def told(application: Application) -> Request:
    return await application.wait_for("/text", timeout=60.0)


def likeness(text: str) -> int:
    """How many of the words that matter were understood."""
    return len(HEARD & set(text.replace("'s", "").split()))


@pytest.mark.parametrize("dialect", ["twiml", "cxml"])
async def test_a_recording_is_transcribed(application: Application, call: Any, running: Any, dialect: str) -> None:
    """`<Record transcribe transcribeCallback>`: the callback has the text, and so have the Transcriptions of REST."""
    record = '<Record action="/done" timeout="1" playBeep="false" transcribe="true" transcribeCallback="/text"/>'
    application.on(f"/{dialect}", f"<Response>{record}</Response>")
    caller = await call(dialect)
    await asyncio.sleep(0.5)
    await caller.say(running[4])
    params = (await told(application)).params
    assert params["TranscriptionStatus"] == "completed"
    assert likeness(params["TranscriptionText"]) >= 2
    assert params["RecordingSid"] in params["RecordingUrl"]
    assert params["TranscriptionSid"] in params["TranscriptionUrl"]
    if dialect == "twiml":
        rest: Rest = running[2]
        sid = params["TranscriptionSid"]
        assert sid.startswith("TR")
        shown = await rest.get(f"/Transcriptions/{sid}.json")
        assert (shown["sid"], shown["status"], shown["recording_sid"]) == (sid, "completed", params["RecordingSid"])
        assert shown["transcription_text"] == params["TranscriptionText"]
        assert sid in {each["sid"] for each in (await rest.get("/Transcriptions.json"))["transcriptions"]}
        of_recording = await rest.get(f"/Recordings/{params['RecordingSid']}/Transcriptions.json")
        assert [each["sid"] for each in of_recording["transcriptions"]] == [sid]
        await rest.delete(f"/Transcriptions/{sid}.json")
        with pytest.raises(RestError) as error:
            await rest.get(f"/Transcriptions/{sid}.json")
        assert error.value.status == 404
        assert (await rest.get(f"/Recordings/{params['RecordingSid']}.json"))["status"] == "completed"


async def test_v2(application: Application, call: Any, running: Any) -> None:
    """`transcriptionAvailable`, and GET, DELETE and POST of a recording's transcription."""
    v2: V2 = running[3]
    record = '<Record recordCompleteUrl="/done" silenceTimeout="1" transcribe="true" transcriptionAvailableUrl="/text"/>'
    application.on("/bxml", f"<Response>{record}</Response>")
    caller = await call("bxml")
    await asyncio.sleep(0.5)
    await caller.say(running[4])
    event = (await told(application)).json
    assert event["eventType"] == "transcriptionAvailable"
    assert event["transcription"]["status"] == "available"
    assert event["transcription"]["completedTime"]
    path = f"/calls/{event['callId']}/recordings/{event['recordingId']}"
    assert event["transcription"]["url"].endswith(f"{path}/transcription")
    text = await v2.get(f"{path}/transcription")
    assert text.status == 200
    assert likeness(text.body["transcripts"][0]["text"]) >= 2
    assert 0 < text.body["transcripts"][0]["confidence"] <= 1
    assert (await v2.get(path)).body["transcription"]["status"] == "available"
    assert (await v2.delete(f"{path}/transcription")).status == 204
    assert (await v2.get(f"{path}/transcription")).status == 404
    application.forget()
    application.on("/text", None)
    assert (await v2.post(f"{path}/transcription", callbackUrl=application.url("/text"))).status == 204
    again = (await told(application)).json
    assert again["eventType"] == "transcriptionAvailable"
    assert likeness((await v2.get(f"{path}/transcription")).body["transcripts"][0]["text"]) >= 2


async def test_v2_of_what_is_not_there(running: Any) -> None:
    """ "transcribing an unknown recording → … use 404"."""
    v2: V2 = running[3]
    unknown = "/calls/c-95ac8d6e-1a31c52e-b38f-4198-93c1-51633ec68f8d/recordings/r-115da407-e3d9-4ea7-889f-5f4ad7386a80/transcription"
    assert (await v2.post(unknown, callbackUrl="http://127.0.0.1:9/t")).status == 404
    assert (await v2.get(unknown)).status == 404


def live_event(kind: str) -> Any:
    return lambda request: request.params.get("TranscriptionEvent") == f"transcription-{kind}"


async def test_a_call_is_transcribed_while_it_goes_on(application: Application, call: Any, running: Any) -> None:
    """`<Start><Transcription>`: started, content for each utterance, stopped; what the caller says is the inbound track."""
    start = '<Start><Transcription name="t" statusCallbackUrl="/text" track="inbound_track" inboundTrackLabel="customer"/></Start>'
    stop = '<Stop><Transcription name="t"/></Stop>'
    application.on("/twiml", f'<Response>{start}<Gather numDigits="1" timeout="60" action="/stop"/></Response>')
    application.on("/stop", f"<Response>{stop}<Pause length='20'/></Response>")
    caller = await call("twiml")
    await application.wait_for("/text", live_event("started"), timeout=20.0)
    await caller.say(running[4])
    params = (await application.wait_for("/text", live_event("content"), timeout=60.0)).params
    assert (params["Track"], params["Final"]) == ("inbound_track", "true")
    assert likeness(json.loads(params["TranscriptionData"])["transcript"]) >= 2
    caller.press("1")
    await application.wait_for("/text", live_event("stopped"), timeout=20.0)
    told = [request.params for request in application.requests("/text")]
    assert [each["SequenceId"] for each in told] == [str(number) for number in range(1, len(told) + 1)]
    assert (told[0]["Track"], told[0]["InboundTrackLabel"], told[0]["Name"]) == ("inbound_track", "customer", "t")
    assert {each["TranscriptionSid"] for each in told} == {params["TranscriptionSid"]}
    assert params["TranscriptionSid"].startswith("GT")


async def test_a_call_is_transcribed_by_request(application: Application, call: Any, running: Any) -> None:
    """REST: `/Calls/{CA}/Transcriptions.json` begins one, `Status=stopped` ends it."""
    rest: Rest = running[2]
    application.on("/twiml", '<Response><Pause length="60"/></Response>')
    await call("twiml")
    sid = (await application.wait_for("/twiml")).params["CallSid"]
    made = await rest.post(f"/Calls/{sid}/Transcriptions.json", StatusCallbackUrl=application.url("/text"), Track="inbound_track")
    assert (made["call_sid"], made["status"]) == (sid, "in-progress")
    await application.wait_for("/text", live_event("started"), timeout=20.0)
    ended = await rest.post(f"/Calls/{sid}/Transcriptions/{made['sid']}.json", Status="stopped")
    assert (ended["sid"], ended["status"]) == (made["sid"], "stopped")
    await application.wait_for("/text", live_event("stopped"), timeout=20.0)


async def test_v2_transcribes_a_call_while_it_goes_on(application: Application, call: Any, running: Any) -> None:
    """`StartTranscription`: Started, Stopped, Available; GET of the call's transcriptions."""
    v2: V2 = running[3]
    start = '<StartTranscription name="t" transcriptionEventUrl="/text"/>'
    application.on("/bxml", f'<Response>{start}<Gather gatherUrl="/stop" maxDigits="1" firstDigitTimeout="60"/></Response>')
    application.on("/stop", '<Response><StopTranscription name="t"/><Pause duration="20"/></Response>')
    caller = await call("bxml")
    started = (await told(application)).json
    assert started["eventType"] == "realTimeTranscriptionStarted"
    assert started["realTimeTranscription"]["tracks"] == ["inbound"]
    await caller.say(running[4])
    path = f"/calls/{started['callId']}/transcriptions"
    text = ""
    for _ in range(60):
        (listed,) = (await v2.get(path)).body
        (track,) = (await v2.get(f"{path}/{listed['transcriptionId']}")).body["tracks"]
        text = track["transcript"]
        if text:
            break
        await asyncio.sleep(1.0)
    assert likeness(text) >= 2
    assert (track["track"], listed["transcriptionName"]) == ("inbound", "t")
    caller.press("1")
    event = await application.wait_for("/text", lambda request: request.json["eventType"] == "realTimeTranscriptionAvailable", timeout=20.0)
    assert event.json["realTimeTranscription"]["url"] == listed["transcriptionUrl"]
    kinds = [request.json["eventType"].removeprefix("realTimeTranscription") for request in application.requests("/text")]
    assert kinds == ["Started", "Stopped", "Available"]


async def test_swml_transcribes_a_call_while_it_goes_on(application: Application, call: Any, running: Any) -> None:
    """`live_transcribe`: what the far end says is told to the webhook with its role, until `stop`."""
    start = {
        "lang": "en-US",
        "direction": ["remote-caller"],
        "webhook": application.url("/text"),
        "live_events": False,
        "vad_silence_ms": 700,
    }
    steps = [
        {"answer": {}},
        {"live_transcribe": {"action": {"start": start}}},
        {"prompt": {"play": "silence:1", "max_digits": 1, "initial_timeout": 60}},
        {"live_transcribe": {"action": "stop"}},
        {"sleep": 20000},
    ]
    application.on("/swml", {"version": "1.0.0", "sections": {"main": steps}})
    caller = await call("swml")

    def state(word: str) -> Callable[[Request], bool]:
        return lambda request: bool(request.json["params"]["state"] == word)

    await application.wait_for("/text", state("transcribing"), timeout=20.0)
    await caller.say(running[4])
    notice = (await application.wait_for("/text", state("transcription"), timeout=60.0)).json
    assert notice["event_type"] == "calling.call.live_transcribe"
    assert (notice["params"]["role"], notice["params"]["final"]) == ("remote-caller", True)
    assert likeness(notice["params"]["text"]) >= 2
    caller.press("1")
    await application.wait_for("/text", state("finished"), timeout=20.0)
    told = [request.json["params"] for request in application.requests("/text")]
    assert [each["sequence"] for each in told] == list(range(1, len(told) + 1))
    assert len({each["control_id"] for each in told}) == 1


async def test_a_command_transcribes_a_call_until_it_is_stopped(application: Application, call: Any, running: Any) -> None:
    """4 `calling.transcribe`, `calling.transcribe.stop`: `calling.call.transcribe` for each utterance, and all of it at the end."""
    application.on("/swml", {"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"sleep": 60000}]}})
    caller = await call("swml")
    identity = (await application.wait_for("/swml")).json["call"]["call_id"]

    async def command(name: str, **params: Any) -> int:
        auth = aiohttp.encode_basic_auth("00000000-0000-4000-8000-000000000001", "PT0123456789")
        body = {"command": name, "id": identity, "params": {"control_id": "text", **params}}
        url = running[1].http_url("/api/calling/calls")
        async with aiohttp.ClientSession(headers={"Authorization": auth}) as session, session.post(url, json=body) as reply:
            return reply.status

    assert await command("calling.transcribe.stop") == 404
    assert await command("calling.transcribe", status_url=application.url("/text")) == 200
    await application.wait_for("/text", lambda r: r.json["params"]["state"] == "transcribing", timeout=20.0)
    await caller.say(running[4])
    said = (await application.wait_for("/text", lambda r: "text" in r.json["params"], timeout=60.0)).json
    assert (said["event_type"], said["params"]["control_id"], said["params"]["role"]) == (
        "calling.call.transcribe",
        "text",
        "remote-caller",
    )
    assert await command("calling.transcribe.stop") == 200
    whole = (await application.wait_for("/text", lambda r: r.json["params"]["state"] == "finished", timeout=20.0)).json["params"]
    assert likeness(whole["text"]) >= 2
    assert whole["duration"] > 1.0


async def test_the_calling_api_transcribes_a_call(application: Application, call: Any, running: Any) -> None:
    """4 `calling.live_transcribe`: `start` and `stop` on a call that goes on; what is no action is refused."""
    application.on("/swml", {"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"sleep": 60000}]}})
    await call("swml")
    identity = (await application.wait_for("/swml")).json["call"]["call_id"]

    async def command(action: Any) -> int:
        auth = aiohttp.encode_basic_auth("00000000-0000-4000-8000-000000000001", "PT0123456789")
        body = {"command": "calling.live_transcribe", "id": identity, "params": {"action": action}}
        url = running[1].http_url("/api/calling/calls")
        async with aiohttp.ClientSession(headers={"Authorization": auth}) as session, session.post(url, json=body) as reply:
            return reply.status

    start = {"lang": "en-US", "direction": ["remote-caller", "local-caller"], "webhook": application.url("/text")}
    assert await command({"start": start}) == 200
    begun = (await application.wait_for("/text", timeout=20.0)).json["params"]
    assert (begun["state"], begun["call_id"]) == ("transcribing", identity)
    assert await command({"start": {**start, "direction": ["sideways"]}}) == 422
    assert await command("stop") == 200
    await application.wait_for("/text", lambda request: request.json["params"]["state"] == "finished", timeout=20.0)

"""Who answered: phones that greet as people and as machines do, and what the applications of three dialects are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.stage import tone_wav
from tests.support.v2 import V2
from tests.support.voices import MISSING, WHY, Pcm, spoken

from hubbub.testing import Application, HubbubServer, Phone, PhoneCall, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module"), pytest.mark.skipif(MISSING, reason=WHY)]

HELLO = "hello?"
GREETING = "You have reached the office of Alice and Bob. Nobody can take your call right now. Please leave a message after the tone."
Greets = Callable[[PhoneCall], Awaitable[None]]
Answers = Callable[..., Awaitable[tuple[Phone, asyncio.Task[PhoneCall]]]]
CONFIG = {"dial": {"allow_sip": ["127.0.0.1"]}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[Application, HubbubServer, Rest, V2, dict[str, Pcm]]]:
    """One server for all tests of this module."""
    words = await spoken(HELLO, GREETING)
    async with (
        Application() as app,
        HubbubServer(app.url("/voice"), config=CONFIG) as server,
        Rest(server) as rest,
        V2(server) as v2,
    ):
        yield app, server, rest, v2, words


@pytest_asyncio.fixture(loop_scope="module")
async def application(running: Any) -> Application:
    """The application, with nothing remembered."""
    app: Application = running[0]
    app.forget()
    app.on("/voice", '<Response><Play>/welcome.wav</Play><Pause length="3"/></Response>')
    app.on("/welcome.wav", tone_wav(2951.0, 5.0))
    for path in ("/amd", "/hung-up"):
        app.on(path, None)
    return app


@pytest.fixture
def rest(running: Any) -> Rest:
    found: Rest = running[2]
    return found


@pytest.fixture
def human(running: Any) -> Greets:
    """Says hello, and waits."""

    async def greet(call: PhoneCall) -> None:
        await call.say(running[4][HELLO])

    return greet


@pytest.fixture
def machine(running: Any) -> Greets:
    """Talks for long, beeps, and waits."""

    async def greet(call: PhoneCall) -> None:
        await call.say(running[4][GREETING])
        await call.say(np.zeros(6400, np.int16))
        time = np.arange(8000) / 16_000
        await call.say((9000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16))

    return greet


@pytest_asyncio.fixture(loop_scope="module")
async def answers() -> AsyncIterator[Answers]:
    """Phones that answer, and greet."""
    tasks: list[asyncio.Task[PhoneCall]] = []
    async with contextlib.AsyncExitStack() as stack:

        async def start(greets: Greets | None = None) -> tuple[Phone, asyncio.Task[PhoneCall]]:
            phone = await stack.enter_async_context(Phone("callee"))

            async def take() -> PhoneCall:
                call = await phone.wait_call()
                await call.wait_answered()
                if greets is not None:
                    await greets(call)
                return call

            tasks.append(asyncio.create_task(take()))
            return phone, tasks[-1]

        yield start
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def create(rest: Rest, application: Application, phone: Phone, **fields: str) -> str:
    made = await rest.post("/Calls.json", To=phone.uri, From="+15550001000", Url=application.url("/voice"), **fields)
    return str(made["sid"])


async def told(application: Application, path: str) -> Request:
    return await application.wait_for(path, timeout=40.0)


async def test_a_person_answers(application: Application, rest: Rest, answers: Answers, human: Greets) -> None:
    """ "sync AMD blocks the first document"; it says who answered, and so does the call."""
    phone, call = await answers(human)
    sid = await create(rest, application, phone, MachineDetection="Enable")
    request = await told(application, "/voice")
    assert request.params["AnsweredBy"] == "human"
    assert 1200 < int(request.params["MachineDetectionDuration"]) < 8000
    assert (await rest.get(f"/Calls/{sid}.json"))["answered_by"] == "human"
    await assert_hears(await call, {2951.0}, among=(2951.0,))


async def test_a_machine_answers(application: Application, rest: Rest, answers: Answers, machine: Greets) -> None:
    """`Enable`: `machine_start` as soon as the greeting is longer than the threshold."""
    phone, _ = await answers(machine)
    await create(rest, application, phone, MachineDetection="Enable", MachineDetectionSpeechThreshold="1500")
    request = await told(application, "/voice")
    assert request.params["AnsweredBy"] == "machine_start"
    assert 1500 <= int(request.params["MachineDetectionDuration"]) < 6000


async def test_after_the_beep(application: Application, rest: Rest, answers: Answers, machine: Greets) -> None:
    """`DetectMessageEnd`: the document begins after the beep."""
    phone, _ = await answers(machine)
    await create(rest, application, phone, MachineDetection="DetectMessageEnd")
    request = await told(application, "/voice")
    assert request.params["AnsweredBy"] == "machine_end_beep"
    assert int(request.params["MachineDetectionDuration"]) > 5000


async def test_nobody_speaks(application: Application, rest: Rest, answers: Answers) -> None:
    """ "SilenceTimeout": `unknown`."""
    phone, _ = await answers()
    await create(rest, application, phone, MachineDetection="Enable", MachineDetectionSilenceTimeout="2000")
    request = await told(application, "/voice")
    assert request.params["AnsweredBy"] == "unknown"
    assert 2000 <= int(request.params["MachineDetectionDuration"]) < 3000


async def test_beside_the_document(application: Application, rest: Rest, answers: Answers, machine: Greets) -> None:
    """`AsyncAmd`: the document runs at once, the callback has four fields (4.5)."""
    phone, _ = await answers(machine)
    callback = application.url("/amd")
    sid = await create(rest, application, phone, MachineDetection="Enable", AsyncAmd="true", AsyncAmdStatusCallback=callback)
    request = await told(application, "/amd")
    assert set(request.params) == {"CallSid", "AccountSid", "AnsweredBy", "MachineDetectionDuration"}
    assert request.params["CallSid"] == sid
    assert request.params["AnsweredBy"] == "machine_start"
    (document,) = application.requests("/voice")
    assert "AnsweredBy" not in document.params


async def test_digits_switch_it_off(application: Application, rest: Rest, answers: Answers) -> None:
    """SendDigits "disables MachineDetection"."""
    phone, _ = await answers()
    sid = await create(rest, application, phone, MachineDetection="Enable", SendDigits="1")
    request = await told(application, "/voice")
    assert "AnsweredBy" not in request.params
    assert (await rest.get(f"/Calls/{sid}.json"))["answered_by"] is None


async def test_a_participant(application: Application, rest: Rest, answers: Answers, human: Greets) -> None:
    """A participant joins at once, and `AmdStatusCallback` is told; without one 21262, with `AsyncAmd` 21263."""
    phone, _ = await answers(human)
    fields = {"To": phone.uri, "From": "+15550001000", "MachineDetection": "Enable"}
    for more, code in (({}, 21262), ({"AsyncAmd": "true"}, 21263), ({"MachineDetectionTimeout": "99"}, 21234)):
        with pytest.raises(RestError) as error:
            await rest.post("/Conferences/amd/Participants.json", **fields, **more)
        assert error.value.body["code"] == code
    made = await rest.post("/Conferences/amd/Participants.json", **fields, AmdStatusCallback=application.url("/amd"))
    request = await told(application, "/amd")
    assert request.params["AnsweredBy"] == "human"
    assert request.params["CallSid"] == made["call_sid"]
    await rest.post(f"/Calls/{made['call_sid']}.json", Status="completed")


async def test_a_noun_of_dial(application: Application, rest: Rest, answers: Answers, machine: Greets, running: Any) -> None:
    """`<Sip machineDetection amdStatusCallback>`: the callee is connected at once, and the callback is told."""
    phone, _ = await answers(machine)
    noun = f'<Sip machineDetection="Enable" amdStatusCallback="/amd">{phone.uri}</Sip>'
    application.on("/voice", f"<Response><Dial>{noun}</Dial></Response>")
    async with Phone("caller") as caller:
        await caller.call(running[1].uri("+15550001000"))
        request = await told(application, "/amd")
        assert request.params["AnsweredBy"] == "machine_start"
        parent = application.requests("/voice")[0].params["CallSid"]
        assert request.params["CallSid"] != parent


async def test_v2_waits_for_the_result(application: Application, answers: Answers, human: Greets, running: Any) -> None:
    """`sync`: "answer … `machineDetectionResult{value,duration}`"."""
    application.on("/answer", "<Response><Pause duration='3'/></Response>")
    phone, _ = await answers(human)
    made = await v2_call(running, application, phone, mode="sync", speechThreshold=3, speechEndThreshold=1.5)
    assert made.status == 201, made.body
    event = (await told(application, "/answer")).json
    assert event["eventType"] == "answer"
    assert event["machineDetectionResult"]["value"] == "human"
    assert event["machineDetectionResult"]["duration"].startswith("PT")


async def test_v2_beside_the_document(application: Application, answers: Answers, machine: Greets, running: Any) -> None:
    """`async`: `machineDetectionComplete` to its callbackUrl; the answer event says nothing of it."""
    application.on("/answer", "<Response><Pause duration='30'/></Response>")
    phone, _ = await answers(machine)
    url = application.url("/amd")
    made = await v2_call(running, application, phone, mode="async", speechThreshold=2, callbackUrl=url)
    assert made.status == 201, made.body
    event = (await told(application, "/amd")).json
    assert event["eventType"] == "machineDetectionComplete"
    assert event["machineDetectionResult"]["value"] == "answering-machine"
    assert event["callId"] == made.body["callId"]
    assert "machineDetectionResult" not in application.requests("/answer")[0].json


async def v2_call(running: Any, application: Application, phone: Phone, **detection: Any) -> Any:
    v2: V2 = running[3]
    body = {"to": phone.uri, "from": "+15550001000", "applicationId": v2.face["application"], "answerUrl": application.url("/answer")}
    return await v2.post("/calls", **body, machineDetection=detection)

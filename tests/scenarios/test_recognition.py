"""Callers who really speak are understood: `<Gather>` in three XML dialects and `prompt` of scripts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.support.rest import Rest
from tests.support.stage import tone_wav
from tests.support.voices import MISSING, WHY, Pcm, spoken

from hubbub.testing import Application, HubbubServer, Phone, PhoneCall, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module"), pytest.mark.skipif(MISSING, reason=WHY)]

NUMBERS = {"twiml": "+15550001001", "cxml": "+15550001002", "bxml": "+15550001003", "swml": "+15550001004"}
PATIENT = 40.0
"""Seconds that a busy machine may take to understand a few words."""
SENTENCE = "the weather is nice today and we are going to the park"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[Application, HubbubServer, Rest, dict[str, Pcm]]]:
    """One server for all tests of this module."""
    words = await spoken("sales", "support", "opening hours", SENTENCE)
    async with Application() as app:
        numbers = [{"number": number, "account": "dev", "dialect": name, "url": app.url(f"/{name}")} for name, number in NUMBERS.items()]
        config = {"numbers": numbers, "speech": {"recognisers": 2}}
        async with HubbubServer(app.url("/voice"), config=config) as server, Rest(server) as rest:
            yield app, server, rest, words


@pytest_asyncio.fixture(loop_scope="module")
async def application(running: tuple[Application, HubbubServer, Rest, Any]) -> Application:
    """The application, with nothing remembered."""
    running[0].forget()
    running[0].on("/said", "<Response/>")
    return running[0]


@pytest_asyncio.fixture(loop_scope="module")
async def call(running: tuple[Application, HubbubServer, Rest, Any]) -> AsyncIterator[Any]:
    """Calls a dialect's number."""
    async with contextlib.AsyncExitStack() as stack:

        async def dial(dialect: str, name: str = "alice") -> PhoneCall:
            phone = await stack.enter_async_context(Phone(name))
            made = await phone.call(running[1].uri(NUMBERS[dialect]))
            await made.wait_answered()
            return made

        yield dial


@pytest.fixture
def words(running: tuple[Application, HubbubServer, Rest, dict[str, Pcm]]) -> dict[str, Pcm]:
    return running[3]


def gather(attributes: str, inside: str = "") -> str:
    return f'<Response><Gather action="/said" {attributes}>{inside}</Gather><Redirect>/nothing</Redirect></Response>'


async def said(application: Application, path: str = "/said") -> Request:
    return await application.wait_for(path, timeout=PATIENT)


@pytest.mark.parametrize("dialect", ["twiml", "cxml"])
async def test_speech_with_hints(application: Application, call: Any, words: dict[str, Pcm], dialect: str) -> None:
    """ "Request adds … `SpeechResult`+`Confidence`"; speech stops the prompt; `speechTimeout="auto"` ends it at a pause."""
    prompt = '<Play loop="0">/prompt.wav</Play>'
    application.on("/prompt.wav", tone_wav(2951.0, 2.0))
    application.on(f"/{dialect}", gather('input="speech" speechTimeout="auto" hints="sales, support, opening hours"', prompt))
    caller = await call(dialect)
    await assert_hears(caller, {2951.0}, among=(2951.0,))
    await caller.say(words["support"])
    await assert_hears(caller, set(), among=(2951.0,))
    request = await said(application)
    assert request.params["SpeechResult"] == "support"
    assert 0.5 < float(request.params["Confidence"]) <= 1
    assert "Digits" not in request.params


async def test_a_sentence_and_its_words_so_far(application: Application, call: Any, words: dict[str, Pcm]) -> None:
    """`partialResultCallback` is told while somebody speaks."""
    application.on("/partial", None)
    application.on("/twiml", gather('input="dtmf speech" speechTimeout="2" partialResultCallback="/partial"'))
    caller = await call("twiml")
    await caller.say(words[SENTENCE])
    request = await said(application)
    assert {"weather", "today", "going"} & set(request.params["SpeechResult"].replace("'s", "").split())
    partial = [request.params for request in application.requests("/partial")]
    assert [told["SequenceNumber"] for told in partial] == [str(number) for number in range(len(partial))]
    assert len(partial) >= 1
    assert partial[0]["UnstableSpeechResult"]
    assert partial[0]["CallSid"] == request.params["CallSid"]


async def test_keys_beside_speech(application: Application, call: Any) -> None:
    """`input="dtmf speech"`: the first key decides."""
    application.on("/twiml", gather('input="dtmf speech" numDigits="2"'))
    caller = await call("twiml")
    caller.press("42")
    request = await said(application)
    assert request.params["Digits"] == "42"
    assert "SpeechResult" not in request.params


async def test_silence_falls_through(application: Application, call: Any) -> None:
    """ "input → `action`; no input → next verb"."""
    application.on("/nothing", "<Response/>")
    application.on("/twiml", gather('input="speech" timeout="1"'))
    await call("twiml")
    await application.wait_for("/nothing", timeout=PATIENT)
    assert application.requests("/said") == []


async def test_silence_with_action_on_empty_result(application: Application, call: Any) -> None:
    """`actionOnEmptyResult`: the action is asked without any input."""
    application.on("/twiml", gather('input="speech" timeout="1" actionOnEmptyResult="true"'))
    await call("twiml")
    request = await said(application)
    assert request.params.get("SpeechResult", "") == ""


async def test_a_language_that_is_not_known(application: Application, call: Any, running: Any) -> None:
    """Speech alone in another language fails: the next verb, and a notification; with keys, they are gathered."""
    application.on("/nothing", "<Response/>")
    application.on("/twiml", gather('input="speech" language="de-DE"'))
    await call("twiml")
    request = await application.wait_for("/nothing", timeout=PATIENT)
    notes = await running[2].get(f"/Calls/{request.params['CallSid']}/Notifications.json")
    assert [note["error_code"] for note in notes["notifications"]] == ["13340"]
    application.on("/twiml", gather('input="dtmf speech" language="de-DE" numDigits="1"'))
    caller = await call("twiml", "bob")
    caller.press("7")
    assert (await said(application)).params["Digits"] == "7"


async def test_bxml(application: Application, call: Any, words: dict[str, Pcm]) -> None:
    """`input="dtmf_speech"`: the gather event carries what was said."""
    application.on(
        "/bxml", '<Response><Gather gatherUrl="/said" input="dtmf_speech" speechTimeout="1" hints="sales,opening hours"/></Response>'
    )
    caller = await call("bxml")
    await caller.say(words["opening hours"])
    told = (await said(application)).json
    assert told["eventType"] == "gather"
    assert told["digits"] == ""
    assert told["speechResult"] == "opening hours"
    assert 0.5 < told["confidence"] <= 1


async def test_prompt_of_a_script(application: Application, call: Any, words: dict[str, Pcm]) -> None:
    """`prompt_result` is `match_speech`, `prompt_value` the words, and there is a confidence."""
    prompt = {"play": "silence:0.1", "speech_hints": ["sales", "opening hours"], "speech_end_timeout": 1.0}
    body = {"result": "%{prompt_result}", "value": "%{prompt_value}", "sure": "%{prompt_speech_confidence}"}
    steps = [{"prompt": prompt}, {"request": {"url": "/said", "method": "POST", "body": body}}, {"hangup": {}}]
    application.on("/swml", json.dumps({"version": "1.0.0", "sections": {"main": steps}}))
    caller = await call("swml")
    await asyncio.sleep(0.3)
    await caller.say(words["opening hours"])
    told = (await said(application)).json
    assert (told["result"], told["value"]) == ("match_speech", "opening hours")
    assert 50 < float(told["sure"]) <= 100


async def test_prompt_of_a_script_in_an_unknown_language(application: Application, call: Any) -> None:
    """`prompt_result` is `failed`."""
    steps = [
        {"prompt": {"play": "silence:0.1", "speech_language": "ja-JP"}},
        {"request": {"url": "/said", "method": "POST", "body": {"result": "%{prompt_result}"}}},
    ]
    application.on("/swml", json.dumps({"version": "1.0.0", "sections": {"main": steps}}))
    await call("swml")
    assert (await said(application)).json == {"result": "failed"}


async def test_all_recognisers_busy(application: Application, call: Any, words: dict[str, Pcm], running: Any) -> None:
    """A third speaker beside two recognisers fails as if there were none; a key still counts."""
    application.on("/nothing", "<Response/>")
    application.on("/twiml", gather('input="dtmf speech" speechTimeout="9" numDigits="1"'))
    callers = [await call("twiml", name) for name in ("alice", "bob", "carol")]
    await asyncio.gather(*(caller.say(words[SENTENCE]) for caller in callers))
    for caller in callers:
        caller.press("1")
    requests = await application.wait_for("/said", timeout=PATIENT, count=3)
    assert requests is not None
    assert [request.params["Digits"] for request in application.requests("/said")] == ["1", "1", "1"]
    notes = (await running[2].get("/Notifications.json"))["notifications"]
    assert sum("recognisers are listening" in note["message_text"] for note in notes) == 1

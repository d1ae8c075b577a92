"""BXML on a call: every verb that is not about rooms, its webhook, and how calls end (2.3 to 2.5, 3, 5.3)."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, level_at, tone_wav
from tests.support.v2 import V2

from hubbub.media.audiofile import decode
from hubbub.testing import Application, HubbubServer, PhoneCall, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

NUMBER = "+15550001002"
PROMPT, NEXT, SPOKEN = 2451.0, 2951.0, 697.0
AMONG = (PROMPT, NEXT)


def config(application: Application) -> dict[str, Any]:
    number = {"number": NUMBER, "account": "dev", "dialect": "bxml", "url": application.url("/bxml")}
    return {"numbers": [{**number, "status_callback": application.url("/over")}]}


running, application, hubbub_server, phone, rest = shared(config)


@pytest.fixture(autouse=True)
def tones(application: Application) -> None:
    application.on("/prompt.wav", tone_wav(PROMPT, 2.0))
    application.on("/next.wav", tone_wav(NEXT, 2.0))


def kind(name: str) -> Callable[[Request], bool]:
    return lambda request: request.json["eventType"] == name


async def call_in(server: HubbubServer, phone: PhoneMaker) -> PhoneCall:
    call: PhoneCall = await (await phone("alice")).call(server.uri(NUMBER))
    await call.wait_answered()
    return call


PLAY_NEXT = "<Response><PlayAudio>/next.wav</PlayAudio><Pause duration='30'/></Response>"


async def test_gather_ends_its_prompt_and_asks_for_the_next_document(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """ "digits stop the prompt; ends on terminator"; `gather`: digits and terminatingDigit; `tag` is the call's from then on."""
    gather = 'gatherUrl="/gathered" terminatingDigits="#" tag="asked"'
    application.on("/bxml", f"<Response><Gather {gather}><PlayAudio>/prompt.wav</PlayAudio></Gather><Hangup/></Response>")
    application.on("/gathered", PLAY_NEXT)
    call = await call_in(hubbub_server, phone)
    await assert_hears(call, {PROMPT}, among=AMONG)
    await call.press("12#")
    event = (await application.wait_for("/gathered", kind("gather"))).json
    assert (event["digits"], event["terminatingDigit"], event["tag"]) == ("12", "#", "asked")
    assert {"answerTime", "startTime", "callUrl", "applicationId"} <= set(event)
    await assert_hears(call, {NEXT}, among=AMONG)


async def test_gather_that_hears_nothing_asks_too_or_falls_through(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """ "digits: empty on timeout"; "without the URL execution falls through to the next verb"."""
    application.on(
        "/bxml",
        '<Response><Gather firstDigitTimeout="0.2"/><Gather gatherUrl="/gathered" gatherMethod="GET" firstDigitTimeout="0.2"/></Response>',
    )
    application.on("/gathered", PLAY_NEXT)
    call = await call_in(hubbub_server, phone)
    request = await application.wait_for("/gathered")
    assert (request.method, request.params["eventType"], request.params["digits"]) == ("GET", "gather", "")
    await assert_hears(call, {NEXT}, among=AMONG)


async def test_record_one_party(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`recordComplete` (a document is asked for), `recordingAvailable`, and the file: what the caller said."""
    urls = 'recordCompleteUrl="/recorded" recordingAvailableUrl="/available"'
    application.on("/bxml", f'<Response><Record {urls} tag="mail" recordingName="greeting" fileFormat="mp3"/><Hangup/></Response>')
    application.on("/recorded", PLAY_NEXT)
    call = await call_in(hubbub_server, phone)
    call.tone(SPOKEN)
    await asyncio.sleep(1.5)
    call.silence()
    await call.press("#")
    event = (await application.wait_for("/recorded", kind("recordComplete"))).json
    assert (event["channels"], event["fileFormat"], event["tag"]) == (1, "mp3", "mail")
    available = (await application.wait_for("/available", kind("recordingAvailable"))).json
    assert (available["status"], available["recordingId"], available["mediaUrl"]) == ("complete", event["recordingId"], event["mediaUrl"])
    await assert_hears(call, {NEXT}, among=AMONG)
    async with V2(hubbub_server) as rest:
        media = await rest.send("GET", event["mediaUrl"])
        assert media.headers["Content-Type"] == "audio/mpeg"
        samples = await decode(media.body, "audio/mpeg")
        assert level_at(samples[8000:16000:2], SPOKEN) > -20
        (listed,) = (await rest.get(f"/calls/{event['callId']}/recordings")).body
        assert (listed["recordingId"], listed["status"], listed["from"]) == (event["recordingId"], "complete", event["from"])
        assert listed["recordingName"] == available["recordingName"] == "greeting"
        assert (await rest.get(f"/calls/{event['callId']}/recordings/{event['recordingId']}")).body == listed
        assert [each["recordingId"] for each in (await rest.get("/recordings")).body] == [event["recordingId"]]
        one = f"/calls/{event['callId']}/recordings/{event['recordingId']}"
        assert (await rest.delete(f"{one}/media")).status == 204
        assert ((await rest.get(one)).body["status"], (await rest.get(f"{one}/media")).status) == ("deleted", 404)
        assert (await rest.delete(one)).status == 204
        assert (await rest.get(one)).status == 404


async def test_own_recordings_are_played_without_credentials(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """3.2: "the `mediaUrl` of a recording may be played (the platform authorises itself)": on a call, and to a room by request."""
    application.on("/bxml", '<Response><Record recordCompleteUrl="/recorded" fileFormat="mp3"/></Response>')
    application.on("/recorded", lambda r: f"<Response><PlayAudio>{r.json['mediaUrl']}</PlayAudio><Conference>again</Conference></Response>")
    call = await call_in(hubbub_server, phone)
    call.tone(SPOKEN)
    await asyncio.sleep(2.0)
    call.silence()
    await call.press("#")
    media = (await application.wait_for("/recorded")).json["mediaUrl"]
    await assert_hears(call, {SPOKEN}, among=(*AMONG, SPOKEN))
    async with V2(hubbub_server) as rest:
        while not (rooms := (await rest.get("/conferences", name="again")).body):
            await asyncio.sleep(0.05)
        await assert_hears(call, set(), among=(*AMONG, SPOKEN))
        assert (await rest.bxml(f"/conferences/{rooms[0]['id']}", f"<Bxml><PlayAudio>{media}</PlayAudio></Bxml>")).status == 204
        await assert_hears(call, {SPOKEN}, among=(*AMONG, SPOKEN))
        assert (await rest.send("GET", media, headers={"Authorization": ""})).status == 401


async def test_recording_beside_everything(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "non-blocking; caller = left, prompts = right when multiChannel"; "a second one while active is ignored"; paused by REST."""
    application.on(
        "/bxml",
        '<Response><StartRecording multiChannel="true" recordingAvailableUrl="/available"/><StartRecording/>'
        '<PlayAudio>/prompt.wav</PlayAudio><Redirect redirectUrl="/more"/></Response>',
    )
    application.on("/more", "<Response><StopRecording/><StopRecording/><Pause duration='30'/></Response>")
    call = await call_in(hubbub_server, phone)
    call.tone(SPOKEN)
    async with V2(hubbub_server) as rest:
        identity = application.requests("/bxml")[0].json["callId"]
        await assert_hears(call, {PROMPT}, among=AMONG)
        assert (await rest.put(f"/calls/{identity}/recording", state="paused")).status == 200
        (shown,) = (await rest.get(f"/calls/{identity}/recordings")).body
        assert (shown["status"], shown["mediaUrl"]) == ("open", None)
        assert (await rest.put(f"/calls/{identity}/recording", state="recording")).status == 200
        assert (await rest.put(f"/calls/{identity}/recording", state="stopped")).status == 400
        assert (await rest.delete(f"/calls/{identity}/recordings/{shown['recordingId']}")).status == 409
        event = (await application.wait_for("/available", kind("recordingAvailable"))).json
        assert event["channels"] == 2
        media = await rest.send("GET", event["mediaUrl"])
        with wave.open(io.BytesIO(media.body)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        left, right = samples[:, 0], samples[:, 1]
        assert loudest(left, SPOKEN) > -20 > -40 > loudest(right, SPOKEN)
        assert loudest(right, PROMPT) > -25 > -40 > loudest(left, PROMPT)
        assert len((await rest.get(f"/calls/{identity}/recordings")).body) == 1
        unknown = "c-00000000-00000000-0000-0000-0000-000000000000"
        assert (await rest.get(f"/calls/{unknown}/recordings")).body == []


def loudest(samples: np.ndarray[Any, Any], frequency: float) -> float:
    """The level of a tone where it is loudest: when a prompt begins depends on how fast it was fetched."""
    return max(level_at(samples[place : place + 2000], frequency) for place in range(0, len(samples) - 2000, 1000))


async def test_keys_are_told_while_the_call_is_in_a_room(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "one `dtmf` event per key while later verbs run: also inside Conference"; "suspended during Gather"."""
    application.on(
        "/bxml",
        '<Response><StartGather dtmfUrl="/keys" tag="k"/><Gather maxDigits="1" gatherUrl="/gathered"/></Response>',
    )
    application.on("/gathered", "<Response><Conference>keys</Conference></Response>")
    application.on("/after", "<Response><StopGather/><PlayAudio>/next.wav</PlayAudio><Pause duration='30'/></Response>")
    call = await call_in(hubbub_server, phone)
    await call.press("9")
    identity = (await application.wait_for("/gathered")).json["callId"]
    async with V2(hubbub_server) as rest:
        while not (await rest.get("/conferences", name="keys")).body:
            await asyncio.sleep(0.05)
        await call.press("1*")
        await application.wait_for("/keys", lambda request: request.json["digit"] == "*")
        assert [(request.json["eventType"], request.json["digit"]) for request in application.requests("/keys")] == [
            ("dtmf", "1"),
            ("dtmf", "*"),
        ]
        assert {request.json["tag"] for request in application.requests("/keys")} == {"k"}
        await rest.post(f"/calls/{identity}", redirectUrl=application.url("/after"))
    await assert_hears(call, {NEXT}, among=AMONG)
    await call.press("5")
    await asyncio.sleep(0.5)
    assert len(application.requests("/keys")) == 2


async def test_digits_are_sent_as_long_and_as_far_apart_as_asked(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """`toneDuration` 200, `toneInterval` 400; "`,`/`w` 0.5 s"."""
    application.on("/bxml", "<Response><SendDtmf toneDuration='100' toneInterval='100'>12,3</SendDtmf></Response>")
    call = await call_in(hubbub_server, phone)
    began = asyncio.get_running_loop().time()
    await call.wait_digits("123")
    await call.wait_ended()
    assert 0.9 < asyncio.get_running_loop().time() - began < 2.0
    assert (await application.wait_for("/over")).json["cause"] == "hangup"


async def test_a_call_that_is_not_answered(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "`<Ring answerCall=false>`, `<Tag>`, `<Redirect>` do not answer"; "`<Hangup>` on an unanswered call rejects it"."""
    application.on("/bxml", '<Response><Tag> t </Tag><Ring duration="0.5" answerCall="false"/><Redirect redirectUrl="/more"/></Response>')
    application.on("/more", "<Response><Hangup/></Response>")
    call = await (await phone("alice")).call(hubbub_server.uri(NUMBER))
    end = await call.wait_ended()
    assert (end.code, end.answered) == (603, False)
    asked = (await application.wait_for("/more", kind("redirect"))).json
    assert (asked["tag"], "answerTime" in asked) == ("t", False)
    over = (await application.wait_for("/over", kind("disconnect"))).json
    assert (over["cause"], over["direction"], "answerTime" in over) == ("rejected", "inbound", False)
    first = application.requests("/bxml")[0].json
    assert (first["eventType"], "answerTime" in first, first["sipCallId"] != "") == ("initiate", False, True)


async def test_an_unanswered_call_is_given_another_document_by_request(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    application.on("/bxml", '<Response><Ring duration="20" answerCall="false"/></Response>')
    call = await (await phone("alice")).call(hubbub_server.uri(NUMBER))
    identity = (await application.wait_for("/bxml")).json["callId"]
    async with V2(hubbub_server) as rest:
        await asyncio.sleep(0.3)
        document = f"<Bxml><PlayAudio>{application.url('/next.wav')}</PlayAudio><Pause duration='9'/></Bxml>"
        assert (await rest.bxml(f"/calls/{identity}", document)).status == 204
        await call.wait_answered()
        await assert_hears(call, {NEXT}, among=AMONG)


@pytest.mark.parametrize(
    ("document", "cause", "text"),
    [
        ("<Response><Say>x</Say></Response>", "invalid-bxml", "<Say> is not known"),
        ("<Response><PlayAudio>/nothing.wav</PlayAudio><Pause/></Response>", "application-error", "404"),
        ((500, "text/plain", "broken"), "callback-error", "500"),
        ("<Response><Pause/><Forward to='sip:bob@127.0.0.1:9'/></Response>", "application-error", "not answered yet"),
    ],
    ids=["a verb of others", "audio that is not there", "a status", "too late to forward"],
)
async def test_what_goes_wrong_ends_the_call_and_says_why(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, document: Any, cause: str, text: str
) -> None:
    """2.4: the cause, and what Bandwidth keeps for its support staff: the message, for the developer."""
    application.on("/bxml", document)
    application.on("/nothing.wav", (404, "text/plain", "no"))
    await (await phone("alice")).call(hubbub_server.uri(NUMBER))
    over = (await application.wait_for("/over", kind("disconnect"))).json
    assert over["cause"] == cause
    assert text in over["errorMessage"]
    assert over["errorId"]
    async with V2(hubbub_server) as rest:
        notes = (await rest.get(f"/calls/{over['callId']}/notifications", level="error")).body
        assert [each["callId"] for each in notes if text in each["message"]] == [over["callId"]]
        assert notes[0] in (await rest.get("/notifications")).body
        shown = (await rest.get(f"/calls/{over['callId']}")).body
        assert (shown["disconnectCause"], shown["errorMessage"]) == (cause, over["errorMessage"])
        assert over["callId"] in [each["callId"] for each in (await rest.get("/calls", disconnectCause=cause)).body]
        assert (await rest.get("/calls", disconnectCause="busy")).body == []


@asynccontextmanager
async def guarded(user: str, password: str, answer: str) -> AsyncIterator[tuple[str, list[str | None]]]:
    """A server that asks for credentials, and what Authorization it was given, in order."""
    seen: list[str | None] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        given = request.headers.get("Authorization")
        seen.append(given)
        if given != aiohttp.encode_basic_auth(user, password):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="app"'})
        return web.Response(text=answer, content_type="application/xml")

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", seen
    finally:
        await runner.cleanup()


async def test_the_fallback_has_credentials_of_its_own(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "the same event goes to the fallback URL (own method and credentials)"; "first attempt carries none"."""
    document = f"<Response><PlayAudio>{application.url('/next.wav')}</PlayAudio><Pause duration='9'/></Response>"
    async with guarded("second", "two", document) as (url, seen):
        application.on(
            "/bxml",
            f'<Response><Redirect redirectUrl="/broken" username="first" password="one" redirectFallbackUrl="{url}" '
            f'fallbackUsername="second" fallbackPassword="two"/></Response>',
        )
        application.on("/broken", (503, "text/plain", "no"))
        call = await (await phone("alice")).call(hubbub_server.uri(NUMBER))
        await call.wait_answered()
        await assert_hears(call, {NEXT}, among=AMONG)
        assert seen == [None, aiohttp.encode_basic_auth("second", "two")]


async def test_an_invalid_document_is_not_asked_for_again(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """The fallback is for a primary that fails to respond; what it answers is final."""
    application.on("/bxml", '<Response><Redirect redirectUrl="/wrong" redirectFallbackUrl="/more"/></Response>')
    application.on("/wrong", "<Response><Dial/></Response>")
    await (await phone("alice")).call(hubbub_server.uri(NUMBER))
    assert (await application.wait_for("/over", kind("disconnect"))).json["cause"] == "invalid-bxml"
    assert application.requests("/more") == []
